"""Arithmetic, comparisons and elementary functions, element by element, with broadcasting.

Each op is a row: its kernel, and one partial derivative per argument. `f_dx(g, ...)` is a kernel that gives the derivative
of f times g in one pass; it is an op too, with partials of its own, so derivatives of any order exist. Rules end with the
shapes of the broadcast result: `grad` sums them back to the arguments' shapes.
"""

from __future__ import annotations

import builtins
import math

from .. import _cpu, dtypes
from ..autodiff import Array, Op, record
from ..errors import DTypeError, rounded_once
from ..tensor import result_type, zeros_like
from .comparison import logical_xor, lt
from .pointwise import binary, linear, nothing, pointwise, unary, zero

# -- sums and products --------------------------------------------------------------------------------------------------------

_add = pointwise("add", "", lambda g, y, a, b: g, lambda g, y, a, b: g)
_sub = pointwise("sub", "", lambda g, y, a, b: g, lambda g, y, a, b: -g)
_mul = pointwise("mul", "ab", lambda g, y, a, b: g * b, lambda g, y, a, b: g * a).read_by({0: (1,), 1: (0,)})
_div = pointwise("div", "yb", lambda g, y, a, b: g / b, lambda g, y, a, b: -(g * y / b)).read_by({-1: (1,)})
_add_kernel, _sub_kernel, _mul_kernel, _div_kernel = _cpu.add, _cpu.sub, _cpu.mul, _cpu.div


def _scaled(input, other, alpha):
    """alpha * other, in the dtype that input + other has. RuntimeError for a fraction of integers."""
    dtype = result_type(input, other)
    if isinstance(alpha, float) and not dtype.is_floating_point:
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    return mul(other.to(dtype) if isinstance(other, Array) and other.ndim else other, alpha)


def add(input, other, *, alpha=1):
    """input + alpha * other."""
    if alpha != 1:
        other = _scaled(input, other, alpha)
    return record(_add_kernel(input, other), _add, (input, other))


def sub(input, other, *, alpha=1):
    """input - alpha * other. RuntimeError for two bool tensors (use `^`)."""
    if alpha != 1:
        other = _scaled(input, other, alpha)
    return record(_sub_kernel(input, other), _sub, (input, other))


def mul(input, other):
    """input * other."""
    return record(_mul_kernel(input, other), _mul, (input, other))


def div(input, other, *, rounding_mode=None):
    """input / other (integers give float32); rounding_mode "trunc" or "floor" rounds the quotient and keeps integers."""
    if rounding_mode is None:
        return record(_div_kernel(input, other), _div, (input, other))
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
    if _cpu.promote(input, other).is_floating_point:
        return trunc(div(input, other))
    q, r = floor_divide(input, other), remainder(input, other)
    return q + ((r != 0) & (logical_xor(lt(input, 0), lt(other, 0)))).to(q.dtype)


def true_divide(input, other):
    """input / other; integers give float32."""
    return record(_div_kernel(input, other), _div, (input, other))


def rsub(input, other, *, alpha=1):
    """other - alpha * input."""
    return sub(other, input, alpha=alpha)


floor_divide = binary("floor_divide", "floor(input / other), as Python's //.", "", zero, zero)
remainder = binary(
    "remainder", "input - other * floor(input / other): has the sign of other, as Python's %.", "ab",
    lambda g, y, a, b: g, lambda g, y, a, b: -g * floor_divide(a, b),
)  # fmt: skip
fmod = binary(
    "fmod", "input - other * trunc(input / other): has the sign of input, as C's fmod.", "ab",
    lambda g, y, a, b: g, lambda g, y, a, b: -g * trunc(div(a, b)),
)  # fmt: skip

neg = unary("neg", "-input.", "", lambda g, y, x: -g)
_square_dx = linear("square_dx", "gx", lambda h, y, g, x: _square_dx(h, g))
_square = unary("square", "", "x", lambda g, y, x: _square_dx(g, x))


def square(input):
    """input ** 2; of bools in int64."""
    return _square(input.to(dtypes.int64) if input.dtype is dtypes.bool else input)


square.op = _square.op


def positive(input):
    """input. RuntimeError for bool."""
    if input.dtype is dtypes.bool:
        raise DTypeError("The `+` operator, on a bool tensor is not supported.")
    return input


@rounded_once
def addcmul(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 * tensor2."""
    if value != 1:
        tensor1 = mul(tensor1, value)
    return _addcmul(input, tensor1, tensor2)


@rounded_once
def addcdiv(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 / tensor2."""
    if value != 1:
        tensor1 = mul(tensor1, value)
    return _addcdiv(input, tensor1, tensor2)


def lerp(input, end, weight):
    """input + weight * (end - input). DTypeError for tensors of several dtypes."""
    for name, x in (("end", end), ("weight", weight)):
        if isinstance(x, Array) and x.dtype is not input.dtype and (name == "end" or x.ndim):
            raise DTypeError(f"lerp: expected dtype {input.dtype.name} for `{name}` but got dtype {x.dtype.name}")
    return _lerp(input, end, weight)


_addcmul = pointwise("addcmul", "bc", lambda g, y, a, b, c: g, lambda g, y, a, b, c: g * c, lambda g, y, a, b, c: g * b)
_addcdiv = pointwise("addcdiv", "bc", lambda g, y, a, b, c: g, lambda g, y, a, b, c: g / c, lambda g, y, a, b, c: -(g * b) / (c * c))
_lerp = pointwise("lerp", None, lambda g, y, a, b, c: g * (1 - c), lambda g, y, a, b, c: g * c, lambda g, y, a, b, c: g * (b - a))

# -- powers -------------------------------------------------------------------------------------------------------------------


def _pow_da(g, y, a, b):
    none = _cpu.eq(b, 0)  # x^0 is 1 everywhere, so its derivative is 0 there, also at x = 0
    return where(none, 0, g * b * pow(a, where(none, 1, b) - 1))


def _pow_db(g, y, a, b):
    none = _cpu.logical_and(_cpu.eq(a, 0), _cpu.ge(b, 0))  # 0^b stays 0 (or 1 at b = 0); log(0) must not make it NaN
    return where(none, 0, g * y * log(where(none, 1, a)))


_pow = pointwise("pow", "aby", _pow_da, _pow_db)

# x ** number: (kernel, by name) for the exponents that have one of their own
_POWERS = {2: _cpu.square, 3: _cpu.cube, 0.5: _cpu.sqrt, -1: _cpu.reciprocal, -0.5: _cpu.rsqrt}


def _power_forward(x, *, exponent):
    kernel = _POWERS.get(exponent)
    if kernel is not None and (x._floating or (exponent > 1)):
        return kernel(x)
    return _cpu.pow(x, exponent)


def _power_dx(g, y, x, exponent):
    if exponent == 0:
        return zeros_like(g)
    return g * exponent if exponent == 1 else g * (power(x, exponent - 1) * exponent)


_power_forward.__name__ = "pow"
_power = Op(_power_forward, "x").partials(_power_dx).pointwise()


def power(x, exponent):
    """x ** exponent for a number."""
    return _power(x, exponent=exponent)


def pow(input, exponent):
    """input ** exponent, either of them a number. RuntimeError for integers to a negative power."""
    if isinstance(exponent, (int, float)) and isinstance(input, Array):
        if input.dtype is dtypes.bool and not isinstance(exponent, bool):
            input = input.to(result_type(input, exponent))
        return _power(input, exponent=exponent)
    return _pow(input, exponent)


def float_power(input, exponent):
    """input ** exponent in float64."""
    input = input.to(dtypes.float64) if isinstance(input, Array) else input
    return pow(input, exponent.to(dtypes.float64) if isinstance(exponent, Array) else exponent)


# -- parts, signs, rounding ------------------------------------------------------------------------------------------------------

_abs_dx = linear("abs_dx", "x", nothing)
abs = unary("abs", "|input|; derivative 0 at 0.", "x", lambda g, y, x: _abs_dx(g, x))
sign = unary("sign", "-1, 0 or 1.", "", zero)
floor = unary("floor", "The largest integer <= input.", "", zero)
ceil = unary("ceil", "The smallest integer >= input.", "", zero)
trunc = unary("trunc", "The integer part.", "", zero)
frac = unary("frac", "input - trunc(input).", "", lambda g, y, x: g)
_round = unary("round", "", "", zero)


def round(input, *, decimals=0):
    """The nearest integer, halves to even; with decimals, the nearest multiple of 10**-decimals."""
    if decimals == 0:
        return _round(input)
    ten = 10.0 ** builtins.abs(decimals)
    return div(_round(mul(input, ten)), ten) if decimals > 0 else mul(_round(div(input, ten)), ten)


copysign = binary(
    "copysign", "|input| with the sign of other.", "aby",
    lambda g, y, a, b: where(_cpu.eq(a, 0), 0, g * sign(a) * sign(y)), zero,
)  # fmt: skip

# -- extremes, selection ------------------------------------------------------------------------------------------------------------

_maximum_dx = pointwise("maximum_dx", "bc", lambda h, y, a, b, c: _maximum_dx(h, b, c), nothing, nothing)
_minimum_dx = pointwise("minimum_dx", "bc", lambda h, y, a, b, c: _minimum_dx(h, b, c), nothing, nothing)
maximum = binary(
    "maximum", "The larger; NaN where either is. A tie shares the gradient.", "ab",
    lambda g, y, a, b: _maximum_dx(g, a, b), lambda g, y, a, b: _maximum_dx(g, b, a),
)  # fmt: skip
minimum = binary(
    "minimum", "The smaller; NaN where either is. A tie shares the gradient.", "ab",
    lambda g, y, a, b: _minimum_dx(g, a, b), lambda g, y, a, b: _minimum_dx(g, b, a),
)  # fmt: skip


def _chosen(g, a, b, better):
    """g where a is better than b, or b is NaN; half of it where they are equal."""
    return _where(_cpu.logical_or(better(a, b), _cpu.isnan(b)), g, _where(_cpu.eq(a, b), g * 0.5, 0))


fmax = binary(
    "fmax", "The larger; a number wins over NaN. A tie shares the gradient.", "ab",
    lambda g, y, a, b: _chosen(g, a, b, _cpu.gt), lambda g, y, a, b: _chosen(g, b, a, _cpu.gt),
)  # fmt: skip
fmin = binary(
    "fmin", "The smaller; a number wins over NaN. A tie shares the gradient.", "ab",
    lambda g, y, a, b: _chosen(g, a, b, _cpu.lt), lambda g, y, a, b: _chosen(g, b, a, _cpu.lt),
)  # fmt: skip

_where = pointwise("where", "a", None, lambda g, y, a, b, c: _where(a, g, 0), lambda g, y, a, b, c: _where(a, 0, g))


def where(condition, input=None, other=None):
    """input where condition (bool) is True, else other. No gradient, not even NaN, reaches what was not chosen."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if input is None or other is None:
        raise TypeError("where(): expected (condition) or (condition, input, other)")
    if isinstance(condition, Array) and condition.dtype not in (dtypes.bool, dtypes.uint8):
        raise DTypeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype.name}")
    return _where(condition, input, other)


_clamp = pointwise("clamp", "ybc", lambda g, y, a, b, c: _where(_cpu.between(y, b, c), g, 0), None, None)
_clamp_min = pointwise("clamp_min", "yb", lambda g, y, a, b: _where(_cpu.gt(y, b), g, 0), None, kernel="maximum")
_clamp_max = pointwise("clamp_max", "yb", lambda g, y, a, b: _where(_cpu.lt(y, b), g, 0), None, kernel="minimum")
_clamp_tensors = pointwise(
    "clamp_tensors", "abc",
    lambda g, y, a, b, c: _where(_cpu.gt(b, c), 0, g - _beyond(g, a, b, b, c, _cpu.lt) - _beyond(g, a, c, b, c, _cpu.gt)),
    lambda g, y, a, b, c: _where(_cpu.gt(b, c), 0, _beyond(g, a, b, b, c, _cpu.lt)),
    lambda g, y, a, b, c: _where(_cpu.gt(b, c), g, _beyond(g, a, c, b, c, _cpu.gt)), kernel="clamp",
)  # fmt: skip


def _beyond(g, x, bound, min, max, outside):
    """g where x is outside that bound, half of it where it is equal to it (and min < max)."""
    return _where(outside(x, bound), g, _where(_cpu.logical_and(_cpu.eq(x, bound), _cpu.lt(min, max)), g * 0.5, 0))


def clamp(input, min=None, max=None):
    """input limited to [min, max], numbers or tensors, either optional. No gradient on bounds that are numbers; bounds that are
    tensors share it there."""
    if min is None:
        if max is None:
            raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
        return clamp_max(input, max)
    if max is None:
        return clamp_min(input, min)
    return (_clamp_tensors if isinstance(min, Array) or isinstance(max, Array) else _clamp)(input, min, max)


def clamp_min(input, min):
    """input, at least min."""
    return maximum(input, min) if isinstance(min, Array) else _clamp_min(input, min)


def clamp_max(input, max):
    """input, at most max."""
    return minimum(input, max) if isinstance(max, Array) else _clamp_max(input, max)


def nan_to_num(input, nan=0.0, posinf=None, neginf=None):
    """NaN, inf and -inf replaced; infinities by default by the largest finite numbers."""
    if not input.dtype.is_floating_point:
        return input.clone()
    info = dtypes.finfo(input.dtype)
    y = where(_cpu.isnan(input), nan, input)
    y = where(_cpu.eq(input, math.inf), float(info.max) if posinf is None else posinf, y)
    return where(_cpu.eq(input, -math.inf), float(info.min) if neginf is None else neginf, y)


# -- exponentials and logarithms ------------------------------------------------------------------------------------------------------

LN2, LN10 = math.log(2), math.log(10)


exp = unary("exp", "e ** input.", "y", lambda g, y, x: g * y)
exp2 = unary("exp2", "2 ** input.", "y", lambda g, y, x: g * y * LN2)
_expm1_dx = linear("expm1_dx", "gx", lambda h, y, g, x: h * g)  # reads expm1's result
expm1 = unary("expm1", "e ** input - 1, exact near 0.", "y", lambda g, y, x: _expm1_dx(g, y))
log = unary("log", "The natural logarithm; NaN below 0.", "x", lambda g, y, x: g / x)
log2 = unary("log2", "The logarithm to base 2.", "x", lambda g, y, x: g / (x * LN2))
log10 = unary("log10", "The logarithm to base 10.", "x", lambda g, y, x: g / (x * LN10))
_log1p_dx = linear("log1p_dx", "gx", lambda h, y, g, x: -_log1p_dx(_log1p_dx(h * g, x), x))
log1p = unary("log1p", "log(1 + input), exact near 0.", "x", lambda g, y, x: _log1p_dx(g, x))
logaddexp = binary(
    "logaddexp", "log(exp(input) + exp(other)), without overflow.", "ab",
    lambda g, y, a, b: g * _sigmoid(a - b), lambda g, y, a, b: g * _sigmoid(b - a),
)  # fmt: skip


def _sigmoid(x):
    from .activation import sigmoid  # which stands on this file

    return sigmoid(x)



def _xlogy_da(g, y, a, b):
    none = _cpu.logical_and(_cpu.eq(a, 0), _cpu.le(b, 0))
    return where(none, 0, g * log(where(none, 1, b)))


xlogy = binary("xlogy", "input * log(other); 0 where input is 0.", "ab", _xlogy_da, lambda g, y, a, b: g * a / b)

# -- roots ----------------------------------------------------------------------------------------------------------------------------

_sqrt_dx = linear("sqrt_dx", "gx", lambda h, y, g, x: -(h * _sqrt_dx(g, x) / x))  # these three read the function's result
_rsqrt_dx = linear("rsqrt_dx", "gx", lambda h, y, g, x: h * g * square(x) * -1.5)
_reciprocal_dx = linear("reciprocal_dx", "gx", lambda h, y, g, x: h * g * x * -2)
sqrt = unary("sqrt", "The square root; NaN below 0.", "y", lambda g, y, x: _sqrt_dx(g, y))
rsqrt = unary("rsqrt", "1 / sqrt(input).", "y", lambda g, y, x: _rsqrt_dx(g, y))
reciprocal = unary("reciprocal", "1 / input.", "y", lambda g, y, x: _reciprocal_dx(g, y))
hypot = binary(
    "hypot", "sqrt(input² + other²), without overflow.", "aby", lambda g, y, a, b: g * (a / y), lambda g, y, a, b: g * (b / y)
)

# -- trigonometry and its hyperbolic sister ----------------------------------------------------------------------------------------------

_sin_dx = linear("sin_dx", "gx", lambda h, y, g, x: _cos_dx(h * g, x))
_cos_dx = linear("cos_dx", "gx", lambda h, y, g, x: -_sin_dx(h * g, x))
_tan_dx = linear("tan_dx", "gx", lambda h, y, g, x: h * g * x * 2)  # reads tan's result
_asin_dx = linear("asin_dx", "gx", lambda h, y, g, x: _asin_dx(h * g * x, x) / (1 - square(x)))
_atan_dx = linear("atan_dx", "gx", lambda h, y, g, x: _atan_dx(_atan_dx(h * g * x * -2, x), x))
_sinh_dx = linear("sinh_dx", "gx", lambda h, y, g, x: _cosh_dx(h * g, x))
_cosh_dx = linear("cosh_dx", "gx", lambda h, y, g, x: _sinh_dx(h * g, x))
_asinh_dx = linear("asinh_dx", "gx", lambda h, y, g, x: -_asinh_dx(h * g * x, x) / (1 + square(x)))
_acosh_dx = linear("acosh_dx", "gx", lambda h, y, g, x: -_acosh_dx(h * g * x, x) / (square(x) - 1))
_atanh_dx = linear("atanh_dx", "gx", lambda h, y, g, x: _atanh_dx(_atanh_dx(h * g * x * 2, x), x))
_erf_dx = linear("erf_dx", "gx", lambda h, y, g, x: _erf_dx(h * g * x * -2, x))

sin = unary("sin", "Sine of radians.", "x", lambda g, y, x: _sin_dx(g, x))
cos = unary("cos", "Cosine of radians.", "x", lambda g, y, x: _cos_dx(g, x))
tan = unary("tan", "Tangent of radians.", "y", lambda g, y, x: _tan_dx(g, y))
asin = unary("asin", "Inverse sine, in radians; NaN outside [-1, 1].", "x", lambda g, y, x: _asin_dx(g, x))
acos = unary("acos", "Inverse cosine, in radians; NaN outside [-1, 1].", "x", lambda g, y, x: -_asin_dx(g, x))
atan = unary("atan", "Inverse tangent, in radians.", "x", lambda g, y, x: _atan_dx(g, x))
sinh = unary("sinh", "Hyperbolic sine.", "x", lambda g, y, x: _sinh_dx(g, x))
cosh = unary("cosh", "Hyperbolic cosine.", "x", lambda g, y, x: _cosh_dx(g, x))
asinh = unary("asinh", "Inverse hyperbolic sine.", "x", lambda g, y, x: _asinh_dx(g, x))
acosh = unary("acosh", "Inverse hyperbolic cosine; NaN below 1.", "x", lambda g, y, x: _acosh_dx(g, x))
atanh = unary("atanh", "Inverse hyperbolic tangent; NaN outside [-1, 1].", "x", lambda g, y, x: _atanh_dx(g, x))
erf = unary("erf", "The error function 2/sqrt(pi) * integral of exp(-t²) from 0 to input.", "x", lambda g, y, x: _erf_dx(g, x))
erfc = unary("erfc", "1 - erf(input), exact where that is small.", "x", lambda g, y, x: -_erf_dx(g, x))



def _over_squares(a, b, c):
    """a / (b² + c²); 0 at the origin."""
    squares = b * b + c * c
    return a / _where(_cpu.eq(squares, 0), 1.0, squares)


atan2 = binary(
    "atan2", "The angle of the point (other, input), in radians, in (-pi, pi]; derivatives 0 at the origin.", "ab",
    lambda g, y, a, b: g * _over_squares(b, a, b), lambda g, y, a, b: g * _over_squares(-a, a, b),
)  # fmt: skip


def deg2rad(input):
    """Degrees to radians."""
    return mul(input, math.pi / 180)


def rad2deg(input):
    """Radians to degrees."""
    return mul(input, 180 / math.pi)


def logit(input, eps=None):
    """log(x / (1 - x)), with x limited to [eps, 1 - eps] if eps is given."""
    x = input if eps is None else _where(_cpu.lt(input, eps), eps, clamp_max(input, 1 - eps))
    return log(div(x, 1 - x))


# -- other names for the same --------------------------------------------------------------------------------------------------------

subtract, multiply, divide, negative, absolute, fix, clip = sub, mul, div, neg, abs, trunc, clamp
arcsin, arccos, arctan, arctan2, arcsinh, arccosh, arctanh = asin, acos, atan, atan2, asinh, acosh, atanh

_BOTH = (
    "abs absolute acos acosh add addcdiv addcmul arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh "
    "ceil clamp clamp_max clamp_min clip copysign cos cosh deg2rad div divide erf erfc exp exp2 expm1 fix float_power floor "
    "floor_divide fmax fmin fmod frac hypot lerp log log10 log1p log2 logaddexp logit maximum minimum mul multiply nan_to_num neg "
    "negative positive pow rad2deg reciprocal remainder round rsqrt sign sin sinh sqrt square sub subtract tan trunc true_divide "
    "xlogy"
).split()
__all__ = [*_BOTH, "rsub", "where"]
METHODS = _BOTH
FUNCTIONAL = ()
