"""Bessel functions J, Y and K of orders 0 and 1: in float64 from what converges fast, rounded once. Derivatives are each other.

    J_n(x)     = 1/π ∫ cos(n t - x sin t) dt over [0, π]: by equal steps, exact to rounding for a periodic integrand
    Y_n(x)     = 1/π ∫ sin(x sin t - n t) dt - 1/π ∫ (e^(n t) + (-1)^n e^(-n t)) e^(-x sinh t) dt, by Gauss's nodes
    K_n(x) e^x = ∫ e^(-x (cosh t - 1)) cosh(n t) dt over [0, ∞): equal steps again, it falls doubly exponentially

    Ai(x)      = e^-z/π ∫ e^(-√x t²) cos(t³/3) dt over [0, ∞), z = 2/3 x^(3/2): equal steps; Ai(-x) = 2 Re w Ai(w x), w = e^(iπ/3)

near 0 by the ascending series, J and Y beyond 25 by Hankel's. Abramowitz and Stegun 9.1.11-13, 9.1.21-22, 9.2.5-10, 9.6.11-13, 9.6.24, 10.4.
"""

from __future__ import annotations

import math

import numpy as np

from ..autodiff import op
from ..tensor import from_numpy
from .calculus import sinc
from .elementwise import where
from .formulas import as_floating
from .linalg import _of_examples
from .special import i0, i1

_EULER, _TERMS, _FAR = 0.57721566490153286, 40, 25.0


def _j(n, x):
    t = (np.arange(_TERMS) + 0.5) * (math.pi / _TERMS)
    return np.cos(n * t - x[:, None] * np.sin(t)).mean(-1)


def _ascending(n, x, sign):
    """(Σ c_k s_k, Σ s_k) with s_k = (x/2)^n (sign x²/4)^k / (k! (k + n)!) and c_k = ψ(k + 1) + ψ(k + n + 1): Y and K near 0."""
    term, psi = (x / 2) ** n / math.factorial(n), -2 * _EULER + n
    weighted = total = np.zeros_like(x)
    for k in range(_TERMS):
        weighted, total = weighted + psi * term, total + term
        term = term * (sign * x * x / 4) / ((k + 1) * (k + 1 + n))
        psi += 1 / (k + 1) + 1 / (k + 1 + n)
    return weighted, total


def _gauss(f, end):
    nodes, weights = np.polynomial.legendre.leggauss(64)
    end = np.asarray(end)[..., None] / 2
    return (f(end * (nodes + 1)) * weights * end).sum(-1)


def _y(n, x):
    near, y = x <= 8, np.empty_like(x)
    a = x[near]
    weighted, total = _ascending(n, a, -1.0)
    y[near] = (2 * np.log(a / 2) * total - weighted - (2 / a if n else 0)) / math.pi
    a = x[~near][:, None]
    wave = _gauss(lambda t: np.sin(a * np.sin(t) - n * t), math.pi)
    rest = _gauss(lambda t: (np.exp(n * t) + (-1) ** n * np.exp(-n * t)) * np.exp(-a * np.sinh(t)), np.arcsinh(50 / a[:, 0]))
    y[~near] = (wave - rest) / math.pi
    return y


def _hankel(n, x, shift):
    """J (shift 0) or Y (shift -π/2) from 25 on: both are sqrt(2 / (π x)) (P cos χ - Q sin χ)."""
    p, q, term = np.zeros_like(x), np.zeros_like(x), np.ones_like(x)
    for k in range(24):
        (p if k % 2 == 0 else q)[...] += (-1) ** (k // 2) * term
        term = term * (4 * n * n - (2 * k + 1) ** 2) / (8 * (k + 1) * x)
    chi = x - (n / 2 + 0.25) * math.pi + shift
    return np.sqrt(2 / (math.pi * x)) * (p * np.cos(chi) - q * np.sin(chi))


def _k_scaled(n, x):
    near, y = x <= 2, np.empty_like(x)
    a = x[near]
    weighted, total = _ascending(n, a, 1.0)
    y[near] = np.exp(a) * ((-1) ** (n + 1) * (np.log(a / 2) * total - weighted / 2) + (1 / a if n else 0))
    a = x[~near][:, None]
    t, step = np.arange(48) * 0.2 / np.sqrt(a), 0.2 / np.sqrt(a[:, 0])
    values = np.exp(-2 * a * np.sinh(t / 2) ** 2) * np.cosh(n * t)
    y[~near] = (values.sum(-1) - values[:, 0] / 2) * step
    return y


def _first_kind(n, x):
    size = np.abs(x)
    y = np.where(np.isinf(size), 0.0, np.nan)
    near, far = size <= _FAR, (size > _FAR) & np.isfinite(size)
    y[near], y[far] = _j(n, size[near]), _hankel(n, size[far], 0.0)
    y[size == 0] = 1.0 - n
    return np.where(x < 0, -y, y) if n else y


def _second_kind(n, x):
    y = np.where(x == 0, -np.inf, np.where(np.isposinf(x), 0.0, np.nan))
    near, far = (x > 0) & (x <= _FAR), (x > _FAR) & np.isfinite(x)
    y[near], y[far] = _y(n, x[near]), _hankel(n, x[far], -math.pi / 2)
    return y


def _modified(n, x, scaled):
    y = np.where(x == 0, np.inf, np.where(np.isposinf(x), 0.0, np.nan))
    inside = (x > 0) & np.isfinite(x)
    y[inside] = _k_scaled(n, x[inside]) * (1.0 if scaled else np.exp(-x[inside]))
    return y


def _function(name, doc, formula, derivative):
    @_of_examples
    def forward(x):
        with np.errstate(all="ignore"):
            y = formula(x.detach().cpu().numpy().astype(np.float64).reshape(-1))
        return from_numpy(np.asarray(y, x.dtype.numpy).reshape(x._shape)).to(x.device)

    forward.__name__ = name
    node = op(forward, saves="x").partials(lambda g, y, x: g * derivative(x)).pointwise()

    def f(input):
        return node(as_floating(input, name))

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"{doc} Differentiable to any order."
    return f


bessel_j0 = _function("bessel_j0", "J of order 0.", lambda x: _first_kind(0, x), lambda x: -bessel_j1(x))
bessel_j1 = _function(
    "bessel_j1", "J of order 1.", lambda x: _first_kind(1, x),
    lambda x: bessel_j0(x) - where(x == 0, 0.5, bessel_j1(x) / where(x == 0, 1.0, x)),
)  # fmt: skip
bessel_y0 = _function("bessel_y0", "Y of order 0; NaN below 0.", lambda x: _second_kind(0, x), lambda x: -bessel_y1(x))
bessel_y1 = _function("bessel_y1", "Y of order 1; NaN below 0.", lambda x: _second_kind(1, x), lambda x: bessel_y0(x) - bessel_y1(x) / x)
modified_bessel_k0 = _function("modified_bessel_k0", "K of order 0; NaN below 0.", lambda x: _modified(0, x, False), lambda x: -modified_bessel_k1(x))
modified_bessel_k1 = _function(
    "modified_bessel_k1", "K of order 1; NaN below 0.", lambda x: _modified(1, x, False),
    lambda x: -modified_bessel_k0(x) - modified_bessel_k1(x) / x,
)  # fmt: skip
scaled_modified_bessel_k0 = _function(
    "scaled_modified_bessel_k0", "K of order 0 times e^x.", lambda x: _modified(0, x, True),
    lambda x: scaled_modified_bessel_k0(x) - scaled_modified_bessel_k1(x),
)  # fmt: skip
scaled_modified_bessel_k1 = _function(
    "scaled_modified_bessel_k1", "K of order 1 times e^x.", lambda x: _modified(1, x, True),
    lambda x: scaled_modified_bessel_k1(x) * (1 - 1 / x) - scaled_modified_bessel_k0(x),
)  # fmt: skip
modified_bessel_i0, modified_bessel_i1 = i0, i1


def _airy_far(z):
    """(Ai, Ai') for |z| >= 1, |arg z| <= π/3."""
    root, scale = np.sqrt(z), np.abs(z) ** 0.25
    value, slope = np.zeros_like(z), np.zeros_like(z)
    for k in range(70):
        t2 = (0.1 * k / scale) ** 2
        part = np.exp(-root * t2) * np.cos(t2**1.5 / 3) * (0.05 if k == 0 else 0.1) / scale
        value, slope = value + part, slope - (root + t2 / (2 * root)) * part
    factor = np.exp(-2 / 3 * z * root) / math.pi
    return value * factor, slope * factor


def _airy_near(x):
    """(Ai, Ai') by the series in x³."""
    f, g, df, dg = np.ones_like(x), x.copy(), np.zeros_like(x), np.ones_like(x)
    tf, tg = f, g
    for k in range(12):
        tf, tg = tf * x**3 / ((3 * k + 2) * (3 * k + 3)), tg * x**3 / ((3 * k + 3) * (3 * k + 4))
        f, g = f + tf, g + tg
        df, dg = df + tf * (3 * k + 3) / np.where(x == 0, 1, x), dg + tg * (3 * k + 4) / np.where(x == 0, 1, x)
    a, b = 3 ** (-2 / 3) / math.gamma(2 / 3), 3 ** (-1 / 3) / math.gamma(1 / 3)
    return a * f - b * g, a * df - b * dg


def _airy(order, x):
    """Ai (order 0) or its derivative."""
    y = np.where(np.isposinf(x), 0.0, np.where(np.isneginf(x) & (order == 0), 0.0, np.nan))
    w = np.exp(1j * math.pi / 3)
    for part, values in (
        (np.abs(x) < 1, _airy_near),
        ((x >= 1) & np.isfinite(x), _airy_far),
        ((x <= -1) & np.isfinite(x), lambda a: [(2 * f * v).real for f, v in zip((w, -w * w), _airy_far(-a * w), strict=True)]),
    ):
        y[part] = values(x[part])[order]
    return y


airy_ai = _function("airy_ai", "Airy's function Ai, the solution of y'' = x y that vanishes at infinity.", lambda x: _airy(0, x), lambda x: _airy_ai_dx(x))
_airy_ai_dx = _function("airy_ai_dx", "The derivative of Ai.", lambda x: _airy(1, x), lambda x: x * airy_ai(x))


def spherical_bessel_j0(input):
    """sin(x) / x, 1 at 0."""
    return sinc(as_floating(input, "spherical_bessel_j0") / math.pi)


NAMESPACE = (  # of fastnn.special
    "airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 "
    "scaled_modified_bessel_k0 scaled_modified_bessel_k1 spherical_bessel_j0"
).split()
