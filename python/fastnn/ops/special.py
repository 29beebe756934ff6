"""Special functions: gamma, its logarithm's derivatives, zeta, the inverse error function, Bessel functions I.

Each is computed in float64 from arithmetic, exp and log of the elementwise family and rounded once, so results in float32 are
exact to rounding and those in float64 to about 1e-14 (of the largest term, where terms cancel). They cost 20 to 60 elementwise passes. Their
derivatives are each other, so there is one of every order; none is known for the first argument of igamma and of zeta.

Formulas: Abramowitz and Stegun, chapters 6 and 9; Euler and Maclaurin's sum for zeta; Giles 2010 for where erfinv begins.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from .. import dtypes
from ..autodiff import no_grad, op
from ..device import beside
from ..errors import ShapeError
from ..inplace import inplace
from ..tensor import Tensor, from_numpy, tensor, zeros_like
from .elementwise import cos, erf, erfc, exp, floor, isinf, log, log1p, sign, sin, sqrt, square, tan, where, xlogy
from .linalg import _of_examples
from .reduce import sum as total

_NAN, _INF = float("nan"), float("inf")
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)  # B_2, B_4, ...


def _float(x, name):
    """x in a floating dtype: integers become the default one, as in PyTorch."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(x).__name__}")
    return x if x._floating else x.to(dtypes.get_default_dtype())


def _rounded(formula):
    """The formula in float64, unrecorded; its result in the dtype of the (last) argument."""

    @functools.wraps(formula)
    def f(*args, **options):
        with no_grad():
            wide = [a.detach().to(dtypes.float64) if isinstance(a, Tensor) else a for a in args]
            dtype = max((a.dtype for a in args if isinstance(a, Tensor)), key=lambda d: d.itemsize)
            return formula(*wide, **options).to(dtype)

    return f


def _series(x, coefficients):
    """Σ c_k x^k"""
    y = coefficients[-1]
    for c in coefficients[-2::-1]:
        y = y * x + c
    return y


# -- gamma ------------------------------------------------------------------------------------------------------------------

_SHIFT = 8  # the asymptotic series are used from here on


def _lgamma_positive(x):
    small = x < _SHIFT
    product = x
    for k in range(1, _SHIFT):
        product = product * (x + k)
    z = where(small, x + _SHIFT, x)
    stirling = [b / ((2 * k + 2) * (2 * k + 1)) for k, b in enumerate(_BERNOULLI)]
    y = (z - 0.5) * log(z) - z + 0.5 * math.log(2 * math.pi) + _series(1 / square(z), stirling) / z
    y = where(small, y - log(where(small, product, 1.0)), y)
    return where((x == 1) | (x == 2), 0.0, where(isinf(x), _INF, y))


@op(saves="x")
@_rounded
def _lgamma(x):
    left = x < 0.5
    y = _lgamma_positive(where(left, 1 - x, x))
    distance = x - floor(x)  # sin(pi x) from the distance to an integer, which is exact
    y = where(left, math.log(math.pi) - log(abs(sin(math.pi * distance))) - y, y)
    return where(isinf(x) | ((x <= 0) & (distance == 0)), _INF, y)


@op(saves="x")
@_rounded
def _digamma(x):
    left = x < 0
    z = where(left, 1 - x, x)
    small = z < _SHIFT
    shifted = where(small, z + _SHIFT, z)
    y = log(shifted) - 0.5 / shifted - _series(1 / square(shifted), [b / (2 * k + 2) for k, b in enumerate(_BERNOULLI)]) / square(shifted)
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
@_rounded
def _polygamma(x, *, n):
    # Reflected left of 1/2: psi_n(x) = (-1)^n psi_n(1 - x) - pi d^n cot(pi x) / dx^n, in which no terms cancel.
    left = x < 0.5
    y = _zeta_of(float(n + 1), where(left, 1 - x, x))
    y = y * math.factorial(n) if n <= 170 else exp(math.lgamma(n + 1.0) + log(y))
    cot = 1 / tan(math.pi * (x - floor(x)))
    power = math.pi ** (n + 1) * _series(cot, _cot_derivative(n)) if n <= 100 else _NAN
    reflected = where(x == floor(x), _INF if n % 2 else -_INF, -y - power)
    return where(left, reflected, y if n % 2 else -y)


@op(saves="sq")
@_rounded
def _zeta(s, q):
    y = where((s > 1) & (q > 0), _zeta_of(where(s > 1, s, 2.0), where(q > 0, q, 1.0)), _NAN)
    return where((s == 1) | ((q <= 0) & (q == floor(q)) & (s > 1)), _INF, y)


_lgamma.partials(lambda g, y, x: g * _digamma(x)).pointwise()
_digamma.partials(lambda g, y, x: g * _polygamma(x, n=1)).pointwise()
_polygamma.partials(lambda g, y, x, n: g * _polygamma(x, n=n + 1)).pointwise()
_zeta.partials(None, lambda g, y, s, q: -g * s * _zeta(s + 1, q)).pointwise()


def lgamma(input):
    """log |gamma(input)|; infinite at 0, -1, -2, ..."""
    return _lgamma(_float(input, "lgamma"))


def digamma(input):
    """The derivative of `lgamma`; NaN at -1, -2, ..."""
    return _digamma(_float(input, "digamma"))


def polygamma(n, input):
    """The n-th derivative of `digamma`. For n > 100 NaN where input < 1/2."""
    if isinstance(n, Tensor):
        n, input = input, n
    if n < 0:
        raise ShapeError(f"polygamma(n, x) does not support negative n, got {n}")
    return digamma(input) if n == 0 else _polygamma(_float(input, "polygamma"), n=int(n))


def mvlgamma(input, p):
    """log of the multivariate gamma function of dimension p: p(p-1)/4 log pi + Σ lgamma(input - j/2), j = 0 .. p-1."""
    if p < 1:
        raise ShapeError(f"p has to be greater than or equal to 1, got {p}")
    x = _float(input, "mvlgamma").unsqueeze(-1)
    halves = beside(from_numpy(np.arange(p) * 0.5), x).to(x.dtype)
    return total(lgamma(x - halves), -1) + p * (p - 1) / 4 * math.log(math.pi)


def zeta(input, other):
    """Hurwitz's zeta function Σ (other + k)^-input, k = 0, 1, ...; NaN for input < 1 and for other < 0."""
    if not isinstance(input, Tensor):
        input = zeros_like(other) + input
    if not isinstance(other, Tensor):
        other = zeros_like(input) + other
    return _zeta(_float(input, "zeta"), _float(other, "zeta"))


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
    series = _series(np.where(near, m, 0.0), [0.0, 0.0] + [(-1) ** k / k for k in range(2, 20)])
    with np.errstate(divide="ignore"):
        log = np.log1p(m)
    half = np.where(near, series, m - np.where(near, 0.0, log))
    eta = np.sign(m) * np.sqrt(2 * half)
    s = eta * np.sqrt(a / 2)
    small = np.clip(eta, -0.5, 0.5)  # beyond, e^(-s²) is 0
    c = sum(_series(small, p) / a**k for k, p in enumerate(_TEMME))
    slope = sum(_series(small, [i * v for i, v in enumerate(p)][1:]) / a**k for k, p in enumerate(_TEMME))
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
    return _igamma(_float(input, "igamma"), _float(other, "igamma"))


def igammac(input, other):
    """The regularized upper incomplete gamma function 1 - P(input, other). Differentiable in other."""
    return _igammac(_float(input, "igammac"), _float(other, "igammac"))


# -- the normal distribution ---------------------------------------------------------------------------------------------------


def _giles(w, x):
    """Giles' approximation of erfinv(x), w = -log(1 - x²): exact to 1e-6, where Halley's steps begin."""
    near, far = w - 2.5, sqrt(w) - 3.0
    a = (1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-6, -3.5233877e-6, 3.43273939e-7, 2.81022636e-8)
    b = (2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844, 0.00134934322, 0.000100950558, -0.000200214257)
    return where(w < 5, _series(near, a), _series(far, b)) * x


def _erfcinv(q):
    """erfinv(1 - q) for q in (0, 1], exact where q is tiny."""
    w = -(log(q) + log(2 - q))
    far = w > 16
    tail = -log(where(far, q, 1e-8))
    y = where(far, sqrt(tail - 0.5 * log(math.pi * tail)), _giles(where(far, 1.0, w), 1 - q))
    for _ in range(3):
        error = (erfc(y) - q) * (-0.5 * math.sqrt(math.pi)) * exp(square(y))
        y = y - error / (1 + y * error)
    return y


@op(saves="y")
@_rounded
def _erfinv(x):
    size = abs(x)
    middle = size <= 0.5
    inside = where(middle, x, 0.0)
    y = _giles(-log1p(-square(inside)), inside)
    for _ in range(2):
        error = (erf(y) - inside) * (0.5 * math.sqrt(math.pi)) * exp(square(y))
        y = y - error / (1 + y * error)
    tail = (size > 0.5) & (size < 1)
    y = where(middle, y, sign(x) * _erfcinv(where(tail, 1 - size, 0.5)))
    return where(size < 1, y, where(size == 1, x * _INF, _NAN))


_erfinv.partials(lambda g, y, x: g * exp(square(y)) * (0.5 * math.sqrt(math.pi))).pointwise()


def erfinv(input):
    """The inverse of erf: infinite at -1 and 1, NaN beyond."""
    return _erfinv(_float(input, "erfinv"))


@op(saves="y")
@_rounded
def _ndtri(p):
    low = p < 0.5
    inside = (p > 0) & (p < 1)
    q = where(inside, where(low, p, 1 - p), 0.25)
    y = _erfcinv(2 * q) * math.sqrt(2)
    y = where(low, -y, y)
    return where(inside, y, where(p == 0, -_INF, where(p == 1, _INF, _NAN)))


_ndtri.partials(lambda g, y, p: g * exp(0.5 * square(y)) * math.sqrt(2 * math.pi)).pointwise()


def ndtri(input):
    """The quantile of the standard normal distribution."""
    return _ndtri(_float(input, "ndtri"))


def ndtr(input):
    """The distribution function of the standard normal distribution."""
    return 0.5 * erfc(_float(input, "ndtr") * -math.sqrt(0.5))


@op(saves="x")
@_rounded
def _log_ndtr(x):
    """log erfc(-x/√2)/2; below -20 by the asymptotic series of the tail."""
    far = x < -20
    z = where(far, x, -30.0)
    s = 1 / square(z)
    tail = -0.5 * square(z) - log(-z) - 0.5 * math.log(2 * math.pi) + log(_series(s, (1.0, -1.0, 3.0, -15.0, 105.0, -945.0, 10395.0)))
    near = where(far, 0.0, x)
    right = log1p(-0.5 * erfc(where(near > 0, near, 1.0) * math.sqrt(0.5)))
    return where(far, tail, where(near > 0, right, log(0.5 * erfc(near * -math.sqrt(0.5)))))


def _log_ndtr_dx(g, y, x):
    """By the ratio of density and probability, each scaled by e^(x²/2) left of 0: their logarithms are as large as x² there."""
    left = x < 0
    far, near = where(left, x, 0.0), where(left, 0.0, x)
    ratio = math.sqrt(2 / math.pi) / _erfcx(far * -math.sqrt(0.5))
    return g * where(left, ratio, exp(-0.5 * square(near) - 0.5 * math.log(2 * math.pi) - log_ndtr(near)))


_log_ndtr.partials(_log_ndtr_dx).pointwise()


def log_ndtr(input):
    """log(ndtr(input)), without underflow."""
    return _log_ndtr(_float(input, "log_ndtr"))


@op(saves="xy")
@_rounded
def _erfcx(x):
    """e^(x²) erfc(x); from 20 on by the asymptotic series, where erfc would underflow."""
    far = x > 20
    z = where(far, x, 30.0)
    s = 1 / (2 * square(z))
    tail = _series(s, (1.0, -1.0, 3.0, -15.0, 105.0, -945.0, 10395.0, -135135.0)) / (z * math.sqrt(math.pi))
    near = where(far, 0.0, x)
    return where(far, tail, exp(square(near)) * erfc(near))


_erfcx.partials(lambda g, y, x: g * (2 * x * _erfcx(x) - 2 / math.sqrt(math.pi))).pointwise()


def erfcx(input):
    """exp(input²) erfc(input)."""
    return _erfcx(_float(input, "erfcx"))


# -- Bessel functions of an imaginary argument ------------------------------------------------------------------------------------


@op(saves="x")
@_rounded
def _bessel(x, *, order, scaled):
    """I_0 or I_1 (times e^-|x| if scaled): the power series below 20, the asymptotic one above."""
    size = abs(x)
    far = size > 20
    near, z = where(far, 0.0, size), where(far, size, 30.0)
    quarter, term = square(near) * 0.25, near * 0 + 1.0
    series = term
    for k in range(1, 50):
        term = term * quarter / (k * (k + order))
        series = series + term
    if order:
        series = series * near * 0.5
    mu, term = 4.0 * order * order, z * 0 + 1.0
    tail = term
    for k in range(1, 25):
        term = term * -(mu - (2 * k - 1) ** 2) / (k * 8 * z)
        tail = tail + term
    tail = tail / sqrt(2 * math.pi * z)
    y = where(far, tail if scaled else tail * exp(z), series * exp(-near) if scaled else series)
    y = where(isinf(size), 0.0 if scaled else _INF, y)
    return y * sign(x) if order else y


def _bessel_dx(g, y, x, order, scaled):
    if order == 0:
        slope = _bessel(x, order=1, scaled=scaled)
    else:
        zero = x == 0
        ratio = where(zero, 0.5, _bessel(x, order=1, scaled=scaled) / where(zero, 1.0, x))
        slope = _bessel(x, order=0, scaled=scaled) - ratio
    if scaled:
        slope = slope - sign(x) * _bessel(x, order=order, scaled=True)
    return g * slope


_bessel.partials(_bessel_dx).pointwise()


def _bessel_function(name, order, scaled):
    def f(input):
        return _bessel(_float(input, name), order=order, scaled=scaled)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"The modified Bessel function of the first kind, of order {order}{', times exp(-|input|)' if scaled else ''}."
    return f


i0, i1 = _bessel_function("i0", 0, False), _bessel_function("i1", 1, False)
i0e, i1e = _bessel_function("i0e", 0, True), _bessel_function("i1e", 1, True)


# -- compositions ------------------------------------------------------------------------------------------------------------------


def entr(input):
    """-x log x: 0 at 0, -inf below."""
    x = _float(input, "entr")
    return where(x < 0, -_INF, -xlogy(x, where(x < 0, 1.0, x)))


def xlog1py(input, other):
    """input · log(1 + other), 0 where input is 0."""
    if isinstance(input, Tensor) and not input._floating and not (isinstance(other, Tensor) and other._floating):
        input = _float(input, "xlog1py")
    if not isinstance(other, Tensor):
        other = tensor(float(other), dtype=input.dtype)
    edge = (input == 0) & ((other <= -1) | (other == _INF))  # elsewhere the product is 0 by itself, and its derivative is log1p(other)
    return where(edge, 0.0, input * log1p(where(edge, 0.0, other)))


__all__ = "digamma erfinv i0 igamma igammac lgamma mvlgamma polygamma".split()


def _polygamma_method(input, n):
    """The n-th derivative of `digamma`, as a method: x.polygamma(n)."""
    return polygamma(n, input)


_polygamma_method.__name__ = "polygamma"
Tensor.polygamma, Tensor.polygamma_ = _polygamma_method, inplace(_polygamma_method)
METHODS = "digamma erfinv i0 igamma igammac lgamma mvlgamma".split()
FUNCTIONAL = ()
NAMESPACE = (
    "digamma entr erfcx erfinv i0 i0e i1 i1e log_ndtr ndtr ndtri polygamma xlog1py zeta"  # those of fastnn.special under these names
).split()
