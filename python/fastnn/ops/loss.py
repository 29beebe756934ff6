"""Losses. The hot ones (classes, squares, binary) are one kernel forward and one for the derivative, mean included;
the others are written with ops.

`reduction` is "none", "mean" or "sum" everywhere; size_average and reduce are PyTorch's older spelling of it.
"""

from __future__ import annotations

import math
import warnings

from .. import dtypes
from ..autodiff import is_grad_enabled, op
from ..device import kernels
from ..errors import DTypeError, ShapeError
from ..tensor import empty, empty_like, ones_like
from .activation import softplus as _softplus
from .shape import broadcast_tensors, contiguous
from .softmax import log_softmax, softmax

# -- reductions ---------------------------------------------------------------------------------------------------------

NONE, MEAN, SUM = 0, 1, 2
_IGNORE_NOTHING = -(2**63)
_REDUCTIONS = {"none": NONE, "mean": MEAN, "sum": SUM}


def _reduction(reduction, size_average=None, reduce=None):
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.", stacklevel=3
        )
    found = _REDUCTIONS.get(reduction)
    if found is None:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return found


def _reduced(loss, reduction):
    return loss if reduction == NONE else loss.mean() if reduction == MEAN else loss.sum()


def _share(g, x, reduction):
    """The gradient that reaches every element of a loss of x's shape."""
    return g * (1.0 / x._size if x._size else math.nan) if reduction == MEAN else g


def _result(x, shape, reduction):
    return empty(shape if reduction == NONE else (), dtype=x.dtype)


def _packed(t):
    return None if t is None else contiguous(t)


# -- classes ------------------------------------------------------------------------------------------------------------


@op(saves="x target weight")
def _cross_entropy(x, target, weight, *, smoothing, ignore, reduction):
    y = _result(x, target._shape, reduction)
    kernels(x).cross_entropy(y, contiguous(x), contiguous(target), _packed(weight), smoothing, ignore, reduction)
    return y


def _cross_entropy_dx(g, y, x, target, weight, smoothing, ignore, reduction):
    q, total = empty_like(x), empty((), dtype=x.dtype)
    kernels(x).cross_entropy_target(q, total, contiguous(target), _packed(weight), smoothing, ignore)
    if reduction == MEAN:
        g = g / (total + (target == ignore).all().to(total.dtype))  # of nothing but ignored ones: 0, as the kernel's, not 0/0
    elif reduction == NONE:
        g = g.unsqueeze(1)
    return (softmax(x, 1) * q.sum(1, keepdim=True) - q) * g


def _cross_entropy_joint(g, y, x, target, weight, needs, smoothing, ignore, reduction):
    dx = empty_like(x)
    kernels(x).cross_entropy_dx(
        dx, contiguous(g), contiguous(x), contiguous(target), _packed(weight), smoothing, ignore, reduction
    )
    return dx, None, None


def _cross_entropy_tangent(t, y, x, *args, reduction, **p):
    t = _cross_entropy_dx(ones_like(y), y, x, *args, reduction=reduction, **p) * t
    return t.sum(1) if reduction == NONE else t.sum()


_cross_entropy.partials(_cross_entropy_dx, None, None).joint(_cross_entropy_joint).tangents(_cross_entropy_tangent, None, None)


@op(saves="target weight")
def _nll_loss(x, target, weight, *, ignore, reduction):
    y = _result(x, target._shape, reduction)
    kernels(x).nll_loss(y, contiguous(x), contiguous(target), _packed(weight), ignore, reduction)
    return y


@op(saves="target weight")
def _nll_loss_dx(g, target, weight, *, shape, ignore, reduction):
    dx = empty(shape, dtype=g.dtype)
    kernels(g).nll_loss_dx(dx, contiguous(g), contiguous(target), _packed(weight), ignore, reduction)
    return dx


# The loss is linear in x: each of the two ops is the other's derivative.
_nll_loss.partials(lambda g, y, x, target, weight, **p: _nll_loss_dx(g, target, weight, shape=x._shape, **p), None, None).linear(0)
_nll_loss_dx.partials(lambda h, dx, g, target, weight, shape, **p: _nll_loss(h, target, weight, **p), None, None).linear(0)


def _check_classes(name, input, target, weight):
    """Shapes and types of class indices: (N, C, ..) with (N, ..), or (C) with (). Returns both with a batch axis."""
    if not input.dtype.is_floating_point:
        raise DTypeError(f"{name}: not implemented for {input.dtype}")
    if target.dtype is not dtypes.int64:
        raise DTypeError(f"expected scalar type Long but found {target.dtype.scalar_type}")
    if input.ndim == 0:
        raise ShapeError(f"{name}: input should have at least 1 dimension")
    if input.ndim == 1:
        if target.ndim > 1 or target._size != 1:
            raise ShapeError(f"{name}: input of shape {list(input._shape)} needs a 0-d target, got {list(target._shape)}")
        classes = input._shape[0]
    else:
        classes = input._shape[1]
        if target.ndim == 0 or input._shape[0] != target._shape[0]:
            n = target._shape[0] if target.ndim else 1
            raise ShapeError(f"Expected input batch_size ({input._shape[0]}) to match target batch_size ({n}).")
        if target._shape != (input._shape[0], *input._shape[2:]):
            raise ShapeError(f"size mismatch (got input: {list(input._shape)}, target: {list(target._shape)})")
    _check_weight(name, weight, classes, input)


def _check_weight(name, weight, classes, input):
    if weight is None:
        return
    if weight._shape != (classes,):
        raise ShapeError(
            f"{name}: weight tensor should be defined either for all {classes} classes or no classes but got weight tensor "
            f"of shape: {list(weight._shape)}"
        )
    if weight.dtype is not input.dtype:
        raise DTypeError(f"{name}: expected weight of type {input.dtype}, got {weight.dtype}")
    _fixed(name, weight=weight)


def _fixed(name, **tensors):
    """RuntimeError for a tensor with respect to which the loss has no derivative (as in PyTorch), before it is silently 0."""
    for what, t in tensors.items():
        if t is not None and t.requires_grad and is_grad_enabled():
            raise RuntimeError(f"{name}: the derivative with respect to '{what}' is not implemented")


def cross_entropy(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0
):
    """-log softmax(input)[target] over the classes of axis 1, from logits; never forms the probabilities.

    input (N, C, *) or (C). target: class indices, int64 (N, *); or probabilities, input's shape and dtype. weight (C): per
    class; the mean divides by the weights of the targets. label_smoothing: share of the target spread over all classes.
    IndexError for a target outside 0..C-1 (ignore_index excepted); ShapeError, DTypeError where they do not fit.
    """
    reduction = _reduction(reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ShapeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if input.ndim and target._shape == input._shape and (target.dtype.is_floating_point or input.ndim > 1):
        if ignore_index >= 0:
            raise ShapeError("cross_entropy: ignore_index is not supported for floating point target")
        if not target.dtype.is_floating_point:
            raise DTypeError(
                f"Expected floating point type for target with class probabilities, got {target.dtype.scalar_type}"
            )
        return _cross_entropy_of_probabilities(input, target, weight, reduction, label_smoothing)
    _check_classes("cross_entropy", input, target, weight)
    params = {"smoothing": float(label_smoothing), "ignore": int(ignore_index), "reduction": reduction}
    if input.ndim > 1:
        return _cross_entropy(input, target, weight, **params)
    loss = _cross_entropy(input.unsqueeze(0), target.reshape((1,)), weight, **params)
    return loss.reshape(target._shape) if reduction == NONE else loss


def _cross_entropy_of_probabilities(input, target, weight, reduction, smoothing):
    axis = 0 if input.ndim == 1 else 1
    _check_weight("cross_entropy", weight, input._shape[axis], input)
    if not input.dtype.is_floating_point:
        raise DTypeError(f"cross_entropy: not implemented for {input.dtype}")
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / input._shape[axis]
    if weight is not None:
        target = target * weight.reshape((input._shape[axis],) + (1,) * (input.ndim - axis - 1))
    loss = -(log_softmax(input, axis) * target).sum(axis)
    return _reduced(loss, reduction)


def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """-weight[target]·input[target] over the classes of axis 1: cross_entropy from log-probabilities.

    Shapes, types and errors as cross_entropy with class indices.
    """
    reduction = _reduction(reduction, size_average, reduce)
    _check_classes("nll_loss", input, target, weight)
    params = {"ignore": int(ignore_index), "reduction": reduction}
    if input.ndim > 1:
        return _nll_loss(input, target, weight, **params)
    loss = _nll_loss(input.unsqueeze(0), target.reshape((1,)), weight, **params)
    return loss.reshape(target._shape) if reduction == NONE else loss


# -- number by number ---------------------------------------------------------------------------------------------------
# The kernels take inputs expanded to one shape, strides 0 included; g of a reduced loss is expanded likewise.


def _pointwise(name, *parameters):
    """(forward op's kernel call, joint's kernel call) of a loss of x and t with the given keyword parameters."""

    def forward(x, t, reduction, **p):
        y = _result(x, x._shape, reduction)
        getattr(kernels(x), name)(y, x, t, reduction, *(p[k] for k in parameters))
        return y

    def joint(g, y, x, t, needs, reduction, **p):
        dx = empty_like(x)
        g = g if reduction == NONE else g._expand(x._shape)
        getattr(kernels(x), name + "_dx")(dx, g, x, t, reduction, *(p[k] for k in parameters))
        return dx, -dx if needs[1] else None

    return forward, joint


def _symmetric(op, slope):
    """Partials of a loss of x - t with the given slope(d, **parameters)."""
    op.partials(
        lambda g, y, x, t, reduction, **p: slope(x - t, **p) * _share(g, x, reduction),
        lambda g, y, x, t, reduction, **p: slope(t - x, **p) * _share(g, x, reduction),
    )
    op.tangents(*[_then_reduced(rule) for rule in op.rules])


def _then_reduced(rule):
    """The tangent of a loss that is reduced after it was taken number by number: so is its diagonal derivative."""
    return lambda t, y, *args, reduction, **p: _reduced(rule(t, y, *args, reduction=NONE, **p), reduction)


_mse, _mse_joint = _pointwise("mse_loss")
_l1, _l1_joint = _pointwise("l1_loss")
_smooth_l1, _smooth_l1_joint = _pointwise("smooth_l1_loss", "beta")
_huber, _huber_joint = _pointwise("huber_loss", "delta")


@op(saves="xt")
def _mse_loss(x, t, *, reduction):
    return _mse(x, t, reduction)


@op(saves="xt")
def _l1_loss(x, t, *, reduction):
    return _l1(x, t, reduction)


@op(saves="xt")
def _smooth_l1_loss(x, t, *, reduction, beta):
    return _smooth_l1(x, t, reduction, beta=beta)


@op(saves="xt")
def _huber_loss(x, t, *, reduction, delta):
    return _huber(x, t, reduction, delta=delta)


_symmetric(_mse_loss.joint(_mse_joint), lambda d: d * 2.0)
_symmetric(_l1_loss.joint(_l1_joint), lambda d: d.sign())
_symmetric(_smooth_l1_loss.joint(_smooth_l1_joint), lambda d, beta: (d * (1 / beta)).clamp(-1.0, 1.0) if beta else d.sign())
_symmetric(_huber_loss.joint(_huber_joint), lambda d, delta: d.clamp(-delta, delta))


def _floating(name, *tensors):
    """All tensors in their common floating type."""
    wide = None
    if any(t is not None and t.dtype.is_complex for t in tensors):  # whose imaginary part a cast would discard
        raise DTypeError(f"{name}: not implemented for complex tensors")
    for t in tensors:
        if t is not None and t.dtype.is_floating_point and (wide is None or t.dtype.itemsize > wide.itemsize):
            wide = t.dtype
    if wide is None or not tensors[0].dtype.is_floating_point:
        raise DTypeError(f"{name}: not implemented for {tensors[0].dtype}")
    return tuple([t if t is None or t.dtype is wide else t.to(wide) for t in tensors])


def _same_shape(name, input, target, stacklevel=4):
    """Both in one floating type and shape, with PyTorch's warning where they had to be broadcast."""
    input, target = _floating(name, input, target)
    if input._shape != target._shape:
        warnings.warn(
            f"Using a target size ({_size(target)}) that is different to the input size ({_size(input)}). This will likely "
            "lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=stacklevel,
        )
        try:
            input, target = broadcast_tensors(input, target)
        except ShapeError:
            raise ShapeError(f"{name}: input {list(input._shape)} and target {list(target._shape)} do not broadcast") from None
    return input, target


def _size(t):
    return f"fastnn.Size({list(t._shape)})"


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target)², times weight where given. Any shape; a target of another shape is broadcast with a warning."""
    reduction = _reduction(reduction, size_average, reduce)
    input, target = _same_shape("mse_loss", input, target)
    if weight is None:
        return _mse_loss(input, target, reduction=reduction)
    return _weighted(_mse_loss(input, target, reduction=NONE), weight, reduction)


def _weighted(loss, weight, reduction):
    if weight._shape != loss._shape:
        raise ShapeError("Weights and input must have the same size.")
    total = loss * weight
    return total if reduction == NONE else total.sum() if reduction == SUM else total.sum() / weight.sum()


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|input - target|, times weight where given. Any shape; a target of another shape is broadcast with a warning."""
    reduction = _reduction(reduction, size_average, reduce)
    input, target = _same_shape("l1_loss", input, target)
    if weight is None:
        return _l1_loss(input, target, reduction=reduction)
    return _weighted(_l1_loss(input, target, reduction=NONE), weight, reduction)


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """d²/2β where |d| < β, else |d| - β/2, d = input - target (Girshick 2015). ShapeError for a negative beta."""
    reduction = _reduction(reduction, size_average, reduce)
    if beta < 0:
        raise ShapeError("smooth_l1_loss does not support negative values for beta.")
    input, target = _same_shape("smooth_l1_loss", input, target)
    if beta == 0:
        return _l1_loss(input, target, reduction=reduction)
    return _smooth_l1_loss(input, target, reduction=reduction, beta=float(beta))


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """d²/2 where |d| <= δ, else δ(|d| - δ/2), d = input - target (Huber 1964). ShapeError unless delta > 0."""
    reduction = _reduction(reduction)
    if delta <= 0:
        raise ShapeError("huber_loss does not support non-positive values for delta.")
    input, target = _same_shape("huber_loss", input, target)
    if weight is None:
        return _huber_loss(input, target, reduction=reduction, delta=float(delta))
    return _weighted(_huber_loss(input, target, reduction=NONE, delta=float(delta)), weight, reduction)


# -- binary cross entropy -----------------------------------------------------------------------------------------------


@op(saves="xtw")
def _binary_cross_entropy(x, t, w, *, reduction):
    y = _result(x, x._shape, reduction)
    kernels(x).binary_cross_entropy(y, x, t, w, reduction)
    return y


def _times(g, w):
    return g if w is None else g * w


def _binary_dx(g, y, x, t, w, reduction):
    return (x - t) / (x * (1 - x)).clamp(min=1e-12) * _times(_share(g, x, reduction), w)


def _binary_dt(g, y, x, t, w, reduction):
    return ((-x).log1p().clamp(min=-100.0) - x.log().clamp(min=-100.0)) * _times(_share(g, x, reduction), w)


def _binary_joint(g, y, x, t, w, needs, reduction):
    dx = None
    if needs[0]:
        dx = empty_like(x)
        kernels(x).binary_cross_entropy_dx(dx, g if reduction == NONE else g._expand(x._shape), x, t, w, reduction)
    return dx, _binary_dt(g, y, x, t, w, reduction) if needs[1] else None, None


_binary_cross_entropy.partials(_binary_dx, _binary_dt, None).joint(_binary_joint)
_binary_cross_entropy.tangents(_then_reduced(_binary_dx), _then_reduced(_binary_dt), None)


@op(saves="xtwp")
def _binary_cross_entropy_with_logits(x, t, w, p, *, reduction):
    y = _result(x, x._shape, reduction)
    kernels(x).binary_cross_entropy_with_logits(y, x, t, w, p, reduction)
    return y


def _logits_dx(g, y, x, t, w, p, reduction):
    return ((1 - t) * x.sigmoid() - _times(t * (-x).sigmoid(), p)) * _times(_share(g, x, reduction), w)


def _logits_dt(g, y, x, t, w, p, reduction):
    slope = -x if p is None else p * softplus(-x) - softplus(x)
    return slope * _times(_share(g, x, reduction), w)


def _logits_joint(g, y, x, t, w, p, needs, reduction):
    dx = None
    if needs[0]:
        dx = empty_like(x)
        g_full = g if reduction == NONE else g._expand(x._shape)
        kernels(x).binary_cross_entropy_with_logits_dx(dx, g_full, x, t, w, p, reduction)
    return dx, _logits_dt(g, y, x, t, w, p, reduction) if needs[1] else None, None, None


_binary_cross_entropy_with_logits.partials(_logits_dx, _logits_dt, None, None).joint(_logits_joint)
_binary_cross_entropy_with_logits.tangents(_then_reduced(_logits_dx), _then_reduced(_logits_dt), None, None)


def softplus(x):
    """log(1 + exp(x)) to the last digit: without the threshold above which the activation is x itself."""
    return _softplus(x, 1, math.inf)


def _expanded(name, what, w, x):
    if w is None:
        return None
    try:
        return w.expand(x._shape)
    except RuntimeError:
        raise ShapeError(f"{name}: {what} {list(w._shape)} does not broadcast to input {list(x._shape)}") from None


def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """-(t·log x + (1 - t)·log(1 - x))·weight, each logarithm kept above -100. input and target of one shape.

    RuntimeError for an input outside [0, 1]; ShapeError for another target shape.
    """
    reduction = _reduction(reduction, size_average, reduce)
    if input._shape != target._shape:
        raise ShapeError(
            f"Using a target size ({_size(target)}) that is different to the input size ({_size(input)}) is deprecated. "
            "Please ensure they have the same size."
        )
    if not target._floating:
        raise DTypeError(f"binary_cross_entropy: Found dtype {target.dtype.name} but expected {input.dtype.name}: convert the target, target.float()")
    input, target, weight = _floating("binary_cross_entropy", input, target, weight)
    _fixed("binary_cross_entropy", weight=weight)
    weight = _expanded("binary_cross_entropy", "weight", weight, input)
    return _binary_cross_entropy(input, target, weight, reduction=reduction)


def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """binary_cross_entropy of sigmoid(input), finite for every finite input; pos_weight multiplies the positive term.

    input and target of one shape; weight and pos_weight broadcast to it.
    """
    reduction = _reduction(reduction, size_average, reduce)
    if input._shape != target._shape:
        raise ShapeError(f"Target size ({_size(target)}) must be the same as input size ({_size(input)})")
    if not target._floating:
        raise DTypeError(
            f"binary_cross_entropy_with_logits: Found dtype {target.dtype.name} but expected {input.dtype.name}: convert the target, target.float()"
        )
    input, target, weight, pos_weight = _floating("binary_cross_entropy_with_logits", input, target, weight, pos_weight)
    _fixed("binary_cross_entropy_with_logits", weight=weight, pos_weight=pos_weight)
    weight = _expanded("binary_cross_entropy_with_logits", "weight", weight, input)
    pos_weight = _expanded("binary_cross_entropy_with_logits", "pos_weight", pos_weight, input)
    return _binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction=reduction)


__all__ = ()
METHODS = ()
FUNCTIONAL = (
    "binary_cross_entropy binary_cross_entropy_with_logits cross_entropy huber_loss l1_loss mse_loss nll_loss smooth_l1_loss"
).split()
