"""The non-linearities of networks, element by element. Same scheme as elementwise.py: an op and its derivative op a row.

All are `fastnn.nn.functional` functions with PyTorch's names, defaults and values at kinks; NaN stays NaN.
"""

from __future__ import annotations

import functools
import math

from .. import _cpu
from ..autodiff import record
from ..errors import ShapeError
from ..inplace import inplace
from ..tensor import Tensor, empty_like, normalize_dim
from .elementwise import _clamp, clamp, exp, sign, square, where
from .elementwise import abs as absolute
from .pointwise import linear, nothing, pointwise, unary
from .shape import _slice, reshape

# -- saturating -----------------------------------------------------------------------------------------------------------------

_tanh_dx = linear("tanh_dx", "gx", lambda h, y, g, x: _tanh_dx_dy(h, g, x))  # these read the function's result
_tanh_dx_dy = pointwise(  # -2 a b c: linear in each of its arguments, so its partials are itself
    "tanh_dx_dy", "abc",
    lambda g, y, a, b, c: _tanh_dx_dy(g, b, c), lambda g, y, a, b, c: _tanh_dx_dy(a, g, c), lambda g, y, a, b, c: _tanh_dx_dy(a, b, g),
)  # fmt: skip
_sigmoid_dx = linear("sigmoid_dx", "gx", lambda h, y, g, x: h * g * (1 - 2 * x))
tanh = unary("tanh", "Hyperbolic tangent.", "y", lambda g, y, x: _tanh_dx(g, y))
sigmoid = unary("sigmoid", "1 / (1 + exp(-input)).", "y", lambda g, y, x: _sigmoid_dx(g, y))

_logsigmoid_dx = linear("logsigmoid_dx", "gx", lambda h, y, g, x: -_sigmoid_dx(h * g, sigmoid(-x)))
logsigmoid = unary("logsigmoid", "log(sigmoid(input)), without overflow.", "x", lambda g, y, x: _logsigmoid_dx(g, x))

_softsign_dx = linear("softsign_dx", "gx", lambda h, y, g, x: _softsign_dx(h * g * sign(x) * -2, x) / (1 + absolute(x)))
softsign = unary("softsign", "x / (1 + |x|).", "x", lambda g, y, x: _softsign_dx(g, x))
tanhshrink = unary("tanhshrink", "x - tanh(x).", "x", lambda g, y, x: g * square(tanh(x)))

# -- one-sided, smooth --------------------------------------------------------------------------------------------------------------


def _gelu_dx_dx(h, y, g, x):  # x P(X < x) has second derivative (2 - x²) p(x)
    return h * g * (2 - square(x)) * exp(square(x) * -0.5) * (1 / math.sqrt(2 * math.pi))


def _gelu_tanh_dx_dx(h, y, g, x):
    a, b = math.sqrt(2 / math.pi), 0.044715
    z = square(x)
    t, du = tanh(a * x * (1 + b * z)), a * (1 + 3 * b * z)
    return h * g * (1 - square(t)) * (du + 3 * a * b * z - x * t * square(du))


def _silu_dx_dx(h, y, g, x):
    s = sigmoid(x)
    return h * g * _sigmoid_dx(2 + x * (1 - 2 * s), s)


def _mish_dx_dx(h, y, g, x):
    s, t = sigmoid(x), tanh(softplus(x))
    return h * g * s * (1 - square(t)) * (2 + x * (1 - s - 2 * s * t))


_gelu_dx = linear("gelu_dx", "gx", _gelu_dx_dx)
_gelu_tanh_dx = linear("gelu_tanh_dx", "gx", _gelu_tanh_dx_dx)
_silu_dx = linear("silu_dx", "gx", _silu_dx_dx)
_mish_dx = linear("mish_dx", "gx", _mish_dx_dx)
_softplus_dx = linear("softplus_dx", "gxa", lambda h, y, g, x, a: where(_cpu.gt(x, a), 0, _sigmoid_dx(h * g, sigmoid(x))), None)
_softplus = pointwise("softplus", "ab", lambda g, y, a, b: _softplus_dx(g, a, b), None)
_gelu = pointwise("gelu", "x", lambda g, y, x: _gelu_dx(g, x))
_gelu_tanh = pointwise("gelu_tanh", "x", lambda g, y, x: _gelu_tanh_dx(g, x))
_silu = pointwise("silu", "x", lambda g, y, x: _silu_dx(g, x))
_mish = pointwise("mish", "x", lambda g, y, x: _mish_dx(g, x))


def gelu(input, approximate="none"):
    """x P(X < x) for a normal X (Hendrycks and Gimpel, 2016); approximate="tanh" is the formula of GPT-2."""
    if approximate == "none":
        return _gelu(input)
    if approximate == "tanh":
        return _gelu_tanh(input)
    raise RuntimeError("approximate argument must be either none or tanh.")


def silu(input, inplace=False):
    """x * sigmoid(x), also called swish."""
    return _done(_silu, input, inplace)


def mish(input, inplace=False):
    """x * tanh(softplus(x)) (Misra, 2019)."""
    return _done(_mish, input, inplace)


def softplus(input, beta=1, threshold=20):
    """log(1 + exp(beta x)) / beta; x itself where beta x > threshold."""
    return _softplus(input, threshold) if beta == 1 else _softplus(input * beta, threshold) / beta


# -- one-sided, with a kink -----------------------------------------------------------------------------------------------------------

_relu_dx = linear("relu_dx", "x", nothing)
_relu = pointwise("relu", "y", lambda g, y, x: _relu_dx(g, y))
_leaky_relu_dx = linear("leaky_relu_dx", "gxa", nothing, lambda h, y, g, x, a: where(_cpu.gt(x, 0), 0, h * g))
_leaky_relu = pointwise(
    "leaky_relu", "ab", lambda g, y, a, b: _leaky_relu_dx(g, a, b), lambda g, y, a, b: where(_cpu.gt(a, 0), 0, g * a)
)
_leaky_relu_in_place = pointwise(  # of a slope > 0: the result has the argument's sign
    "leaky_relu_in_place", "yb", lambda g, y, a, b: _leaky_relu_dx(g, y, b), None, kernel="leaky_relu"
)
_elu_dx = linear("elu_dx", "gxa", lambda h, y, g, x, a: where(_cpu.gt(x, 0), 0, _elu_dx(h * g, x, a)), None)
_elu = pointwise("elu", "ab", lambda g, y, a, b: _elu_dx(g, a, b), None)
_celu_dx = linear("celu_dx", "gxa", lambda h, y, g, x, a: where(_cpu.gt(x, 0), 0, _celu_dx(h * g, x, a) / a), None)
_celu = pointwise("celu", "ab", lambda g, y, a, b: _celu_dx(g, a, b), None)
_selu_dx = linear("selu_dx", "gx", lambda h, y, g, x: where(_cpu.gt(x, 0), 0, _selu_dx(h * g, x)))
_selu = pointwise("selu", "x", lambda g, y, x: _selu_dx(g, x))


_relu_kernel = _cpu.relu


def relu(input, inplace=False):
    """max(x, 0); derivative 0 at 0."""
    return _done(_relu, input, inplace) if inplace else record(_relu_kernel(input), _relu, (input,))


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x for x > 0, else negative_slope * x."""
    return _done(_leaky_relu_in_place if inplace and negative_slope > 0 else _leaky_relu, input, inplace, negative_slope)


def prelu(input, weight):
    """x for x > 0, else weight * x: one weight, or one for each channel (axis 1)."""
    if weight._size != 1:
        if input.ndim < 2 or weight.ndim > 1 or weight._size != input._shape[1]:
            channels = input._shape[1] if input.ndim > 1 else 1
            raise ShapeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight._size} and channel "
                f"size = {channels}."
            )
        weight = reshape(weight, (1, -1) + (1,) * (input.ndim - 2))
    elif weight.ndim > input.ndim:
        weight = reshape(weight, ())
    return _leaky_relu(input, weight)


def elu(input, alpha=1.0, inplace=False):
    """x for x > 0, else alpha * (exp(x) - 1) (Clevert et al., 2015)."""
    return _done(_elu, input, inplace, alpha)


def celu(input, alpha=1.0, inplace=False):
    """x for x > 0, else alpha * (exp(x / alpha) - 1). RuntimeError for alpha = 0."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _done(_celu, input, inplace, alpha)


def selu(input, inplace=False):
    """elu scaled so that activations keep mean 0 and variance 1 (Klambauer et al., 2017)."""
    return _done(_selu, input, inplace)


# -- piecewise linear -------------------------------------------------------------------------------------------------------------------

_hardsigmoid_dx = linear("hardsigmoid_dx", "x", nothing)
_hardsigmoid = pointwise("hardsigmoid", "x", lambda g, y, x: _hardsigmoid_dx(g, x))
_hardswish_dx = linear("hardswish_dx", "gx", lambda h, y, g, x: where(_cpu.between(x, -3, 3), h * g * (1 / 3), 0))
_hardswish = pointwise("hardswish", "x", lambda g, y, x: _hardswish_dx(g, x))
_relu6 = pointwise("relu6", "y", lambda g, y, x: where(_cpu.between(y, 0, 6), g, 0))
_threshold = pointwise("threshold", "ab", lambda g, y, a, b, c: where(_cpu.gt(a, b), g, 0), None, None)
_shrink_dx = linear("shrink_dx", "xa", nothing, None)
_hardshrink = pointwise("hardshrink", "ab", lambda g, y, a, b: _shrink_dx(g, a, b), None)
_softshrink = pointwise("softshrink", "ab", lambda g, y, a, b: _shrink_dx(g, a, b), None)


def hardsigmoid(input, inplace=False):
    """clamp(x / 6 + 1/2, 0, 1)."""
    return _done(_hardsigmoid, input, inplace)


def hardswish(input, inplace=False):
    """x * clamp(x / 6 + 1/2, 0, 1) (Howard et al., 2019)."""
    return _done(_hardswish, input, inplace)


def relu6(input, inplace=False):
    """min(max(x, 0), 6)."""
    if not input._floating:
        return _integers(clamp(input, 0, 6), input, inplace)
    return _done(_relu6, input, inplace)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x limited to [min_val, max_val]; derivative 0 on the bounds."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if not input._floating:
        return _integers(clamp(input, int(min_val), int(max_val)), input, inplace)
    return _done(_clamp, input, inplace, min_val, max_val)


def threshold(input, threshold, value, inplace=False):
    """x where x > threshold, else value."""
    if not input._floating:
        return _integers(where(input > threshold, input, int(value)), input, inplace)
    return _done(_threshold, input, inplace, threshold, value)


def hardshrink(input, lambd=0.5):
    """x where |x| > lambd, else 0."""
    return _hardshrink(input, lambd)


def softshrink(input, lambd=0.5):
    """x moved towards 0 by lambd, at most to 0. RuntimeError for lambd < 0."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd:g}.")
    return _softshrink(input, lambd)


def glu(input, dim=-1):
    """a * sigmoid(b), a and b the halves of axis dim (Dauphin et al., 2016). RuntimeError where its length is odd."""
    if not input.ndim:
        raise ShapeError("glu does not support 0-dimensional tensors")
    dim = normalize_dim(dim, input.ndim)
    n = input._shape[dim]
    if n % 2:
        raise ShapeError(f"Halving dimension must be even, but dimension {dim} is size {n}")
    a, b = (_slice(input, dim=dim, start=s, length=n // 2, step=1) for s in (0, n // 2))
    return a * sigmoid(b)


def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """x where x >= 0, else a x with a drawn uniformly from [lower, upper]; their mean when not training (Xu et al. 2015)."""
    if lower > upper:
        raise RuntimeError(f"Lower bound should be less than or equal to the upper bound, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slope = where(input >= 0, 1, empty_like(input).uniform_(lower, upper))
    return input.mul_(slope) if inplace else input * slope


_in_place = functools.cache(lambda op: inplace(op, op.forward))


def _done(op, x, in_place, *args):
    return _in_place(op)(x, *args) if in_place else op(x, *args)


def _integers(y, x, in_place):
    return x.copy_(y) if in_place else y


def _changing(f):
    """f_(input, ...), which is f(input, ..., inplace=True)."""

    def change(input, *args, **kwargs):
        return f(input, *args, inplace=True, **kwargs)

    change.__name__ = change.__qualname__ = f.__name__ + "_"
    change.__module__ = __name__
    change.__doc__ = f"In-place version of :func:`{f.__name__}`."
    return change


relu_, elu_, celu_, selu_, leaky_relu_, hardtanh_, threshold_, rrelu_ = map(
    _changing, (relu, elu, celu, selu, leaky_relu, hardtanh, threshold, rrelu)
)
Tensor.relu_, Tensor.sigmoid_, Tensor.tanh_ = relu_, _in_place(sigmoid.op), _in_place(tanh.op)

__all__ = "celu celu_ hardshrink prelu relu relu_ rrelu rrelu_ selu selu_ sigmoid tanh threshold threshold_".split()
METHODS = "hardshrink prelu relu sigmoid tanh".split()
FUNCTIONAL = (
    "celu celu_ elu elu_ gelu glu hardshrink hardsigmoid hardswish hardtanh hardtanh_ leaky_relu leaky_relu_ logsigmoid mish prelu relu "
    "relu6 relu_ rrelu rrelu_ selu selu_ sigmoid silu softplus softshrink softsign tanh tanhshrink threshold threshold_"
).split()
