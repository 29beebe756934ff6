"""Every sample of every op: kernel == reference for each instruction set, dtype and layout; bit-identical for any threads."""

import numpy as np
import pytest

import fastnn
from layouts import as_args, as_arrays, layouts
from samples import families, samples

ISAS = [name for name, _, supported in fastnn._cpu.isas() if supported]
LAYOUTS = [name for name, _ in layouts(np.zeros((2, 2)))]


def reference(sample):
    r = sample.ref(*sample.args, **sample.kwargs)
    return [np.asarray(a) for a in (r if isinstance(r, (tuple, list)) else (r,))]


def check(sample, dtype, layout, expected):
    got = as_arrays(sample.fn(*as_args(sample.args, dtype, layout), **sample.kwargs))
    if expected is None:
        return got
    assert len(got) == len(expected), sample
    for g, e in zip(got, expected, strict=True):
        assert g.shape == e.shape, f"{sample}: shape {g.shape}, expected {e.shape}"
        if g.dtype.kind == "f":
            tolerance = sample.rtol or 1e-5 if dtype == "float32" else 1e-11
            finite = e[np.isfinite(e)]
            scale = np.abs(finite).max() if finite.size else 1.0
            np.testing.assert_allclose(g, e, rtol=tolerance, atol=tolerance * scale, err_msg=f"{sample} {dtype} {layout}")
        else:
            np.testing.assert_array_equal(g, e, err_msg=f"{sample} {dtype} {layout}")
    return got


@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("isa", ISAS)
def test_kernel_is_reference(family, dtype, isa):
    with fastnn.isa(isa), np.errstate(all="ignore"):
        for _, sample in samples(family):
            expected = reference(sample) if sample.ref else None
            check(sample, dtype, "contiguous", expected)


@pytest.mark.parametrize("family", families())
def test_layouts(family):
    with np.errstate(all="ignore"):
        for _, sample in samples(family):
            plain = as_arrays(sample.fn(*as_args(sample.args, "float32"), **sample.kwargs))
            for layout in LAYOUTS[1:]:
                other = as_arrays(sample.fn(*as_args(sample.args, "float32", layout), **sample.kwargs))
                for a, b in zip(plain, other, strict=True):
                    if a.dtype.kind == "f":
                        scale = np.abs(a[np.isfinite(a)]).max(initial=0.0)
                        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5 * scale, err_msg=f"{sample} {layout}")
                    else:
                        np.testing.assert_array_equal(b, a, err_msg=f"{sample} {layout}")


def forward_and_gradients(sample, dtype):
    args = as_args(sample.args, dtype)
    floats = [a for a in args if isinstance(a, fastnn.Tensor) and a.dtype.is_floating_point]
    if sample.grad:
        floats = [a.requires_grad_() for a in floats]
    result = sample.fn(*args, **sample.kwargs)
    arrays = as_arrays(result)
    first = result if isinstance(result, fastnn.Tensor) else result[0]
    if sample.grad and isinstance(first, fastnn.Tensor) and first.requires_grad:
        grads = fastnn.autograd.grad(first, floats, fastnn.ones_like(first), allow_unused=True)
        arrays += as_arrays([g for g in grads if g is not None])
    return arrays


@pytest.mark.parametrize("family", families())
def test_threads_bit_identical(family):
    for _, sample in samples(family):
        with fastnn.threads(1), np.errstate(all="ignore"):
            one = forward_and_gradients(sample, "float32")
        for n in (2, 3, 7):
            with fastnn.threads(n), np.errstate(all="ignore"):
                many = forward_and_gradients(sample, "float32")
            for a, b in zip(one, many, strict=True):
                assert a.tobytes() == b.tobytes(), f"{sample} differs between 1 and {n} threads"
