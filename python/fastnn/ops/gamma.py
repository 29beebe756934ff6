"""The gamma function: its logarithm, the derivatives of that, Hurwitz's zeta function, the incomplete gamma functions.

Computed as those of special.py are. They are each other's derivatives, so there is one of every order; none is known for the first
argument of igamma and of zeta.

Formulas: Abramowitz and Stegun, chapter 6; Euler and Maclaurin's sum for zeta; DLMF 8 for the incomplete functions.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ..autodiff import Array, op
from ..device import beside
from ..errors import ShapeError
from ..inplace import inplace
from ..tensor import Tensor, from_numpy, zeros_like
from .comparison import isinf
from .elementwise import cos, erfc, exp, floor, log, sign, sin, square, tan, where
from .formulas import as_floating, rounded, series
from .linalg import _of_examples
from .reduce import sum as total

_NAN, _INF = float("nan"), float("inf")
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)  # B_2, B_4, ...
_SHIFT = 8  # the asymptotic series are used from here on


def _lgamma_positive(x):
    small = x < _SHIFT
    product = x
    for k in range(1, _SHIFT):
        product = product * (x + k)
    z = where(small, x + _SHIFT, x)
    stirling = [b / ((2 * k + 2) * (2 * k + 1)) for k, b in enumerate(_BERNOULLI)]
    y = (z - 0.5) * log(z) - z + 0.5 * math.log(2 * math.pi) + series(1 / square(z), stirling) / z
    y = where(small, y - log(where(small, product, 1.0)), y)
    return where((x == 1) | (x == 2), 0.0, where(isinf(x), _INF, y))


@op(saves="x")
@rounded
def _lgamma(x):
    left = x < 0.5
    y = _lgamma_positive(where(left, 1 - x, x))
    distance = x - floor(x)  # sin(pi x) from the distance to an integer, which is exact
    y = where(left, math.log(math.pi) - log(abs(sin(math.pi * distance))) - y, y)
    return where(isinf(x) | ((x <= 0) & (distance == 0)), _INF, y)


@op(saves="x")
@rounded
def _digamma(x):
    left = x < 0
    z = where(left, 1 - x, x)
    small = z < _SHIFT
    shifted = where(small, z + _SHIFT, z)
    y = log(shifted) - 0.5 / shifted - series(1 / square(shifted), [b / (2 * k + 2) for k, b in enumerate(_BERNOULLI)]) / square(shifted)
    steps = 1 / z
    for k in range(1, _SHIFT):
        steps = steps + 1 / (z + k)
    y = where(small, y - steps, y)
    angle = math.pi * (x - floor(x))
    y = where(left, y - math.pi * cos(angle) / sin(angle), y)
    y = where(isinf(x), where(x > 0, _INF, _NAN), y)
    return where(left & (x == floor(x)), _NAN, where(x == 0, -_INF * sign(1 / x), y))


def _zeta_of(s, q):
    """Hurwitz's zeta for s > 1, q > 0: ten terms, and Euler and Maclaurin's formula for the rest."""
    n = 10
    y = q**-s
    for k in range(1, n):
        y = y + (q + k) ** -s
    w = q + n
    y = y + w ** (1 - s) / (s - 1) + 0.5 * w**-s
    factor, power, factorial = s, w ** (-s - 1), 2.0
    for k, b in enumerate(_BERNOULLI):
        y = y + (b / factorial) * factor * power
        factor = factor * (s + (2 * k + 1)) * (s + (2 * k + 2))
        power = power / square(w)
        factorial *= (2 * k + 3) * (2 * k + 4)
    return y


@functools.cache
def _cot_derivative(n):
    """The coefficients (lowest first) of the polynomial P with d^n cot / dx^n = P(cot x): P_k+1 = -(1 + c^2) P_k'."""
    p = [0.0, 1.0]
    for _ in range(n):
        d = [-k * c for k, c in enumerate(p)][1:]
        p = [a + b for a, b in zip([*d, 0.0, 0.0], [0.0, 0.0, *d], strict=True)]
    return p


@op(saves="x")
@rounded
def _polygamma(x, *, n):
    # Reflected left of 1/2: psi_n(x) = (-1)^n psi_n(1 - x) - pi d^n cot(pi x) / dx^n, in which no terms cancel.
    left = x < 0.5
    y = _zeta_of(float(n + 1), where(left, 1 - x, x))
    y = y * math.factorial(n) if n <= 170 else exp(math.lgamma(n + 1.0) + log(y))
    cot = 1 / tan(math.pi * (x - floor(x)))
    power = math.pi ** (n + 1) * series(cot, _cot_derivative(n)) if n <= 100 else _NAN
    reflected = where(x == floor(x), _INF if n % 2 else -_INF, -y - power)
    return where(left, reflected, y if n % 2 else -y)


@op(saves="sq")
@rounded
def _zeta(s, q):
    y = where((s > 1) & (q > 0), _zeta_of(where(s > 1, s, 2.0), where(q > 0, q, 1.0)), _NAN)
    return where((s == 1) | ((q <= 0) & (q == floor(q)) & (s > 1)), _INF, y)


_lgamma.partials(lambda g, y, x: g * _digamma(x)).pointwise()
_digamma.partials(lambda g, y, x: g * _polygamma(x, n=1)).pointwise()
_polygamma.partials(lambda g, y, x, n: g * _polygamma(x, n=n + 1)).pointwise()
_zeta.partials(None, lambda g, y, s, q: -g * s * _zeta(s + 1, q)).pointwise()


def lgamma(input):
    """log |gamma(input)|; infinite at 0, -1, -2, ..."""
    return _lgamma(as_floating(input, "lgamma"))


def digamma(input):
    """The derivative of `lgamma`; NaN at -1, -2, ..."""
    return _digamma(as_floating(input, "digamma"))


def polygamma(n, input):
    """The n-th derivative of `digamma`. For n > 100 NaN where input < 1/2."""
    if isinstance(n, Array):
        n, input = input, n
    if n < 0:
        raise ShapeError(f"polygamma(n, x) does not support negative n, got {n}")
    return digamma(input) if n == 0 else _polygamma(as_floating(input, "polygamma"), n=int(n))


def mvlgamma(input, p):
    """log of the multivariate gamma function of dimension p: p(p-1)/4 log pi + Σ lgamma(input - j/2), j = 0 .. p-1."""
    if p < 1:
        raise ShapeError(f"p has to be greater than or equal to 1, got {p}")
    x = as_floating(input, "mvlgamma").unsqueeze(-1)
    halves = beside(from_numpy(np.arange(p) * 0.5), x).to(x.dtype)
    return total(lgamma(x - halves), -1) + p * (p - 1) / 4 * math.log(math.pi)


def zeta(input, other):
    """Hurwitz's zeta function Σ (other + k)^-input, k = 0, 1, ...; NaN for input < 1 and for other < 0."""
    if not isinstance(input, Array):
        input = zeros_like(other) + input
    if not isinstance(other, Array):
        other = zeros_like(input) + other
    return _zeta(as_floating(input, "zeta"), as_floating(other, "zeta"))


# -- the incomplete gamma function --------------------------------------------------------------------------------------------


_LARGE = 1e4  # from this a on, Temme's expansion
_TEMME = (  # C_k(η) in powers of η
    (-1 / 3, 1 / 12, -2 / 135, 1 / 864, 1 / 2835, -139 / 777600, 1 / 25515),
    (-1 / 540, -1 / 288, 1 / 378, -77 / 77760),
    (25 / 6048, -139 / 51840),
)


def _temme(a, x):
    """(P, Q, dP/da) for large a: Q(a, x) = erfc(s)/2 + e^(-s²) / sqrt(2πa) Σ C_k(η) a^-k, s² = a η²/2 = x - a - a log(x/a). DLMF 8.12."""
    m = x / a - 1
    near = np.abs(m) < 0.1
    near_log = series(np.where(near, m, 0.0), [0.0, 0.0] + [(-1) ** k / k for k in range(2, 20)])
    with np.errstate(divide="ignore"):
        log = np.log1p(m)
    half = np.where(near, near_log, m - np.where(near, 0.0, log))
    eta = np.sign(m) * np.sqrt(2 * half)
    s = eta * np.sqrt(a / 2)
    small = np.clip(eta, -0.5, 0.5)  # beyond, e^(-s²) is 0
    c = sum(series(small, p) / a**k for k, p in enumerate(_TEMME))
    slope = sum(series(small, [i * v for i, v in enumerate(p)][1:]) / a**k for k, p in enumerate(_TEMME))
    gauss = np.exp(-np.minimum(s * s, 800)) / np.sqrt(2 * np.pi * a)
    upper, lower = (0.5 * erfc(from_numpy(np.array(v))).numpy() for v in (s, -s))
    ds = np.where(s == 0, -1 / np.sqrt(2 * a), -np.clip(log, -1e3, 1e3) / (2 * np.where(s == 0, 1, s)))
    rest = np.clip(log, -1e3, 1e3) * c - c / (2 * a) + slope * (ds * np.sqrt(2 / a) - eta / (2 * a))
    return lower - gauss * c, upper + gauss * c, gauss * (ds * np.sqrt(2 * a) - rest)


def gamma_tail(a, x):
    """(P(a, x), dP/da) as float64 arrays, P the regularized lower incomplete gamma function: Σ t_n, t_n = e^-x x^(a+n) / gamma(a+n+1).

    Its derivative is Σ t_n (log x - digamma(a+n+1)). Terms are added until they no longer count; they are positive.
    """
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    safe = (x > 0) & (a > 0) & np.isfinite(x) & np.isfinite(a)
    large = safe & (a >= _LARGE)
    a1, x1 = np.where(safe & ~large, a, 1.0), np.where(safe & ~large, x, 1.0)

    def of(f, v):
        return f(from_numpy(np.array(v))).numpy()

    logx, psi = np.log(x1), of(digamma, a1 + 1)
    t = np.exp(a1 * logx - x1 - of(lgamma, a1 + 1))
    p, dp, n = t.copy(), t * (logx - psi), a1 + 1
    while t.size and (t > 1e-17 * np.maximum(p, 1e-300)).any():
        t = t * (x1 / n)
        if not (t > 0).any():
            break
        psi = psi + 1 / n
        n = n + 1
        p += t
        dp += t * (logx - psi)
    far = x1 > a1 + 200 + 40 * np.sqrt(a1)  # all but nothing is below
    p, dp = np.where(far, 1.0, np.minimum(p, 1.0)), np.where(far, 0.0, dp)
    if large.any():
        p[large], _, dp[large] = _temme(a[large], x[large])
    edge = np.where((x < 0) | (a < 0) | np.isnan(x + a), np.nan, np.where(x == 0, np.where(a == 0, np.nan, 0.0), 1.0))
    edge = np.where(np.isinf(a), np.where(np.isinf(x), np.nan, 0.0), edge)
    return np.where(safe, p, edge), np.where(safe, dp, 0.0)


def _gamma_upper(a, x):
    """Q = 1 - P by the continued fraction of Legendre (modified Lentz), for x > a + 1, where the difference would cancel."""
    large = (x > 0) & (a >= _LARGE) & np.isfinite(x) & np.isfinite(a)
    use = (x > a + 1) & np.isfinite(x) & (a > 0) & ~large
    a1, x1 = np.where(use, a, 1.0), np.where(use, x, 3.0)
    b = x1 + 1 - a1
    c, d = np.full_like(b, 1e300), 1 / b
    h = d.copy()
    for i in range(1, 10000):
        an = -i * (i - a1)
        b = b + 2
        d = an * d + b
        d = 1 / np.where(np.abs(d) < 1e-300, 1e-300, d)
        c = b + an / c
        c = np.where(np.abs(c) < 1e-300, 1e-300, c)
        h = h * d * c
        if np.abs(d * c - 1).max(initial=0.0) < 1e-15:  # rounding alone leaves 2e-16 here and there
            break
    log_gamma = lgamma(from_numpy(np.array(a1))).numpy()
    skip = use | large
    q = np.where(use, np.exp(-x1 + a1 * np.log(x1) - log_gamma) * h, 1 - gamma_tail(np.where(skip, 1.0, a), np.where(skip, 1.0, x))[0])
    if large.any():
        q[large] = _temme(a[large], x[large])[1]
    return q


def _arrays(a, x):
    return np.broadcast_arrays(*(np.asarray(t.detach().numpy(), np.float64) for t in (a, x)))


def _back(y, a, x):
    wide = max(a.dtype, x.dtype, key=lambda d: d.itemsize)
    return from_numpy(np.array(y)).to(wide).reshape(y.shape)


@op(saves="ax")
@_of_examples
def _igamma(a, x):
    return _back(gamma_tail(*_arrays(a, x))[0], a, x)


@op(saves="ax")
@_of_examples
def _igammac(a, x):
    return _back(_gamma_upper(*_arrays(a, x)), a, x)


def _igamma_dx(g, a, x):
    return g * exp((a - 1) * log(x) - x - lgamma(a))


_igamma.partials(None, lambda g, y, a, x: _igamma_dx(g, a, x)).pointwise()
_igammac.partials(None, lambda g, y, a, x: -_igamma_dx(g, a, x)).pointwise()


def igamma(input, other):
    """The regularized lower incomplete gamma function P(input, other). Differentiable in other."""
    return _igamma(as_floating(input, "igamma"), as_floating(other, "igamma"))


def igammac(input, other):
    """The regularized upper incomplete gamma function 1 - P(input, other). Differentiable in other."""
    return _igammac(as_floating(input, "igammac"), as_floating(other, "igammac"))


def _polygamma_method(input, n):
    """The n-th derivative of `digamma`, as a method: x.polygamma(n)."""
    return polygamma(n, input)


_polygamma_method.__name__ = "polygamma"
Tensor.polygamma, Tensor.polygamma_ = _polygamma_method, inplace(_polygamma_method)

__all__ = "digamma igamma igammac lgamma mvlgamma polygamma".split()
METHODS = "digamma igamma igammac lgamma mvlgamma".split()
NAMESPACE = "digamma polygamma zeta".split()  # in fastnn.special under these names
