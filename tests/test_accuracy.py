"""Elementwise ops: accuracy in ulp, special values, exactness."""

from __future__ import annotations

import numpy as np
import pytest

import fastnn
from fastnn.ops import activation, elementwise
from fastnn.reference import elementwise as ref

ISAS = [name for name, _, supported in fastnn._cpu.isas() if supported]
# Largest error in units in the last place, float32 (docs/accuracy.md has what is measured over every float)
ULP32 = {
    "exp": (np.exp, 1.0), "exp2": (np.exp2, 1.1), "expm1": (np.expm1, 1.6), "log": (np.log, 0.9), "log2": (np.log2, 1.2),
    "log10": (np.log10, 1.2), "log1p": (np.log1p, 1.5), "tanh": (np.tanh, 5), "sigmoid": (ref.sigmoid, 2.5), "sin": (np.sin, 0.51),
    "cos": (np.cos, 0.51), "tan": (np.tan, 3.5), "asin": (np.arcsin, 1.8), "acos": (np.arccos, 1.3), "atan": (np.arctan, 1.9),
    "sinh": (np.sinh, 1.8), "cosh": (np.cosh, 1.5), "asinh": (np.arcsinh, 1.8), "acosh": (np.arccosh, 2.2),
    "atanh": (np.arctanh, 2.1), "sqrt": (np.sqrt, 0.5), "rsqrt": (lambda x: 1 / np.sqrt(x), 1.6),
    "reciprocal": (lambda x: 1 / x, 0.5), "logsigmoid": (ref.logsigmoid, 1.8), "erf": (ref.erf, 5.6), "erfc": (ref.erfc, 7.5),
}  # fmt: skip
SLOW_REFERENCE = {"erf", "erfc"}  # math.erf, one number at a time


def function(name):
    return getattr(elementwise, name, None) or getattr(activation, name)


def ulps(y, expected):
    unit = np.spacing(np.maximum(np.abs(expected).astype(y.dtype), np.finfo(y.dtype).tiny)).astype(np.float64)
    return np.abs(y.astype(np.float64) - expected) / unit


def every_nth_float(step):
    """Floats of every magnitude and sign, subnormals and huge ones alike, infinities and NaNs included."""
    return np.arange(0, 2**32, step, dtype=np.uint32).view(np.float32)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", ULP32)
def test_ulp_float32(name, isa):
    r, most = ULP32[name]
    x = every_nth_float(400009 if name in SLOW_REFERENCE else 20011)
    with np.errstate(all="ignore"), fastnn.isa(isa):
        expected = r(x.astype(np.float64))
        y = np.array(function(name)(fastnn.from_numpy(x)).numpy())
        e32 = expected.astype(np.float32)
        np.testing.assert_array_equal(np.isnan(y), np.isnan(e32))
        ends = ~np.isfinite(e32) & ~np.isnan(e32)
        np.testing.assert_array_equal(y[ends], e32[ends])
        finite = np.isfinite(e32)
        assert np.isfinite(y[finite]).all()
        errors = ulps(y[finite], expected[finite])
        worst = errors.argmax()
        assert errors[worst] <= most, f"{name}({x[finite][worst]!r}) is off by {errors[worst]:.2f} ulp"
        zeros = (y == 0) & (e32 == 0)
        if name != "logsigmoid":
            np.testing.assert_array_equal(np.signbit(y[zeros]), np.signbit(e32[zeros]))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", sorted(set(ULP32) - SLOW_REFERENCE))
def test_ulp_float64(name, isa, rng):
    mp = pytest.importorskip("mpmath")
    table = {
        "exp2": lambda x: mp.power(2, x), "sigmoid": lambda x: 1 / (1 + mp.exp(-x)), "rsqrt": lambda x: 1 / mp.sqrt(x),
        "log2": lambda x: mp.log(x) / mp.log(2), "log10": lambda x: mp.log(x) / mp.log(10), "reciprocal": lambda x: 1 / x,
        "logsigmoid": lambda x: -mp.log1p(mp.exp(-x)),
    }  # fmt: skip
    most = {"tanh": 2.5, "sigmoid": 2.5, "logsigmoid": 2.0, "expm1": 2.0}.get(name, 1.8)
    x = np.concatenate([rng.uniform(-3, 3, 60), rng.uniform(-1, 1, 60), np.exp(rng.uniform(-40, 6, 60)), [0.5, 1.0, 1e300, 1e-300]])
    with np.errstate(all="ignore"), fastnn.isa(isa), mp.workprec(160):
        y = np.array(function(name)(fastnn.from_numpy(x)).numpy())
        f = table.get(name) or getattr(mp, name)
        for a, b in zip(x, y, strict=True):
            if not np.isfinite(b) or (name in ("exp", "exp2", "expm1", "sinh", "cosh") and abs(a) > 700):
                continue
            e = f(mp.mpf(float(a)))
            error = abs(mp.mpf(float(b)) - e) / mp.mpf(float(np.spacing(max(abs(float(e)), 2.3e-308))))
            assert error <= most, f"{name}({a!r}) = {b!r} is off by {float(error):.2f} ulp"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("isa", ISAS)
def test_pow_atan2_special_values(dtype, isa):
    s = np.array([0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, np.inf, -np.inf, np.nan, 1e-40, 1e30, -1e30, 2.5], dtype)
    a, b = (np.ascontiguousarray(v) for v in np.meshgrid(s, s))
    with np.errstate(all="ignore"), fastnn.isa(isa):
        for name, r in (
            ("pow", np.power), ("atan2", np.arctan2), ("hypot", np.hypot), ("fmod", np.fmod), ("maximum", np.maximum),
            ("minimum", np.minimum), ("fmax", np.fmax), ("fmin", np.fmin), ("copysign", np.copysign), ("logaddexp", np.logaddexp),
        ):  # fmt: skip
            y = np.array(function(name)(fastnn.from_numpy(a), fastnn.from_numpy(b)).numpy())
            e = r(a, b)
            np.testing.assert_array_equal(np.isnan(y), np.isnan(e), err_msg=name)
            np.testing.assert_allclose(y, e, rtol=4 * np.finfo(dtype).eps, err_msg=name)
            if name in ("pow", "atan2", "fmod", "copysign"):
                m = ~np.isnan(e)
                np.testing.assert_array_equal(np.signbit(y[m]), np.signbit(e[m]), err_msg=name)


def test_pow_accuracy(rng):
    x, y = rng.uniform(0, 4, 20000).astype(np.float32), rng.uniform(-30, 30, 20000).astype(np.float32)
    got = np.array(fastnn.pow(fastnn.from_numpy(x), fastnn.from_numpy(y)).numpy())
    with np.errstate(all="ignore"):
        e = x.astype(np.float64) ** y.astype(np.float64)
    m = (e < 3e38) & (e > 1e-37)
    assert ulps(got[m], e[m]).max() < 0.6


@pytest.mark.parametrize("isa", ISAS)
def test_fmod_is_exact(isa, rng):
    for dtype in (np.float32, np.float64):
        a = (rng.standard_normal(3000) * 10.0 ** rng.integers(-30, 30, 3000)).astype(dtype)
        b = (rng.standard_normal(3000) * 10.0 ** rng.integers(-30, 30, 3000)).astype(dtype)
        b[:1500] = a[:1500] / rng.integers(1, 100, 1500).astype(dtype)
        with fastnn.isa(isa):
            np.testing.assert_array_equal(fastnn.fmod(fastnn.from_numpy(a), fastnn.from_numpy(b)).numpy(), np.fmod(a, b))
            np.testing.assert_array_equal(fastnn.remainder(fastnn.from_numpy(a), fastnn.from_numpy(b)).numpy(), np.remainder(a, b))


def test_huge_angles():
    worst = fastnn.tensor([6381956970095103 * 2.0**797], dtype=fastnn.float64)  # nearest to a multiple of pi/2 of all doubles
    assert fastnn.cos(worst).item() == -4.68716592425462761112e-19
    x = np.array([1e6, 1e15, 1e22, 1e100, 1.7976931348623157e308, -1e22, 2.0**20, 1048577.5])
    np.testing.assert_allclose(fastnn.sin(fastnn.from_numpy(x)).numpy(), np.sin(x), rtol=3e-16)
    np.testing.assert_allclose(fastnn.cos(fastnn.from_numpy(x)).numpy(), np.cos(x), rtol=3e-16)
    np.testing.assert_allclose(fastnn.tan(fastnn.from_numpy(x)).numpy(), np.tan(x), rtol=6e-16)
