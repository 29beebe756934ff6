"""Special functions: the error function's inverse, the normal distribution, Bessel functions I. gamma.py has those around gamma.

Each is computed in float64 from arithmetic, exp and log of the elementwise family and rounded once, so results in float32 are
exact to rounding and those in float64 to about 1e-14 (of the largest term, where terms cancel). They cost 20 to 60 elementwise passes.
Their derivatives are each other, so there is one of every order.

Formulas: Abramowitz and Stegun, chapter 9; Giles 2010 for where erfinv begins.
"""

from __future__ import annotations

import math

from ..autodiff import Array, op
from ..tensor import tensor
from .comparison import isinf
from .elementwise import erf, erfc, exp, log, log1p, sign, sqrt, square, where, xlogy
from .formulas import as_floating, rounded, series

_NAN, _INF = float("nan"), float("inf")


# -- the normal distribution ---------------------------------------------------------------------------------------------------


def _giles(w, x):
    """Giles' approximation of erfinv(x), w = -log(1 - x²): exact to 1e-6, where Halley's steps begin."""
    near, far = w - 2.5, sqrt(w) - 3.0
    a = (1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-6, -3.5233877e-6, 3.43273939e-7, 2.81022636e-8)
    b = (2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844, 0.00134934322, 0.000100950558, -0.000200214257)
    return where(w < 5, series(near, a), series(far, b)) * x


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
@rounded
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
    return _erfinv(as_floating(input, "erfinv"))


@op(saves="y")
@rounded
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
    return _ndtri(as_floating(input, "ndtri"))


def ndtr(input):
    """The distribution function of the standard normal distribution."""
    return 0.5 * erfc(as_floating(input, "ndtr") * -math.sqrt(0.5))


@op(saves="x")
@rounded
def _log_ndtr(x):
    """log erfc(-x/√2)/2; below -20 by the asymptotic series of the tail."""
    far = x < -20
    z = where(far, x, -30.0)
    s = 1 / square(z)
    tail = -0.5 * square(z) - log(-z) - 0.5 * math.log(2 * math.pi) + log(series(s, (1.0, -1.0, 3.0, -15.0, 105.0, -945.0, 10395.0)))
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
    return _log_ndtr(as_floating(input, "log_ndtr"))


@op(saves="xy")
@rounded
def _erfcx(x):
    """e^(x²) erfc(x); from 20 on by the asymptotic series, where erfc would underflow."""
    far = x > 20
    z = where(far, x, 30.0)
    s = 1 / (2 * square(z))
    tail = series(s, (1.0, -1.0, 3.0, -15.0, 105.0, -945.0, 10395.0, -135135.0)) / (z * math.sqrt(math.pi))
    near = where(far, 0.0, x)
    return where(far, tail, exp(square(near)) * erfc(near))


_erfcx.partials(lambda g, y, x: g * (2 * x * _erfcx(x) - 2 / math.sqrt(math.pi))).pointwise()


def erfcx(input):
    """exp(input²) erfc(input)."""
    return _erfcx(as_floating(input, "erfcx"))


# -- Bessel functions of an imaginary argument ------------------------------------------------------------------------------------


@op(saves="x")
@rounded
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
        return _bessel(as_floating(input, name), order=order, scaled=scaled)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"The modified Bessel function of the first kind, of order {order}{', times exp(-|input|)' if scaled else ''}."
    return f


i0, i1 = _bessel_function("i0", 0, False), _bessel_function("i1", 1, False)
i0e, i1e = _bessel_function("i0e", 0, True), _bessel_function("i1e", 1, True)


# -- compositions ------------------------------------------------------------------------------------------------------------------


def entr(input):
    """-x log x: 0 at 0, -inf below."""
    x = as_floating(input, "entr")
    return where(x < 0, -_INF, -xlogy(x, where(x < 0, 1.0, x)))


def xlog1py(input, other):
    """input · log(1 + other), 0 where input is 0."""
    if isinstance(input, Array) and not input._floating and not (isinstance(other, Array) and other._floating):
        input = as_floating(input, "xlog1py")
    if not isinstance(other, Array):
        other = tensor(float(other), dtype=input.dtype)
    edge = (input == 0) & ((other <= -1) | (other == _INF))  # elsewhere the product is 0 by itself, and its derivative is log1p(other)
    return where(edge, 0.0, input * log1p(where(edge, 0.0, other)))


__all__ = METHODS = "erfinv i0".split()
NAMESPACE = "entr erfcx erfinv i0 i0e i1 i1e log_ndtr ndtr ndtri xlog1py".split()  # in fastnn.special under these names
