"""Normalisation: layer, RMS, group, instance, batch, local response; and vectors to length 1.

Each op has one fused kernel forward and one for all its gradients (`joint`). When a graph of the gradient is asked for,
the same derivative is written with differentiable ops (`partials`), so gradients of any order exist.
"""

from __future__ import annotations

import functools
import math
import operator

from .. import _cpu
from ..autodiff import no_grad, op
from ..device import kernels
from ..errors import DTypeError, ShapeError, rounded_once
from ..tensor import empty, empty_like, full
from .shape import _slice_dx, contiguous

# -- the derivative, written with ops -----------------------------------------------------------------------------------


def _standardize(x, dims, eps, centre=True):
    """x̂ = (x - mean)·r and r = 1/√(mean((x - mean)²) + eps), both over dims; without the mean where centre is False."""
    c = x - x.mean(dims, keepdim=True) if centre else x
    r = ((c * c).mean(dims, keepdim=True) + eps).rsqrt()
    return c * r, r


def _standardize_dx(g, x, dims, eps, centre=True):
    x_hat, r = _standardize(x, dims, eps, centre)
    d = g - x_hat * (g * x_hat).mean(dims, keepdim=True)
    return (d - g.mean(dims, keepdim=True) if centre else d) * r


def _times(g, w):
    return g if w is None else g * w


def _packed(w):
    return None if w is None else contiguous(w)


def _wanted(need, like, x):
    """An output of a joint derivative: memory of like's shape, or an empty tensor, which the kernel leaves out."""
    return empty(like._shape, dtype=like.dtype) if need else empty((0,), dtype=x.dtype)


# -- layer norm, RMS norm -----------------------------------------------------------------------------------------------


def _trailing(x, k):
    return tuple(range(x.ndim - k, x.ndim))


@op(saves="xw")
def _layer_norm(x, w, b, *, k, eps):
    y = empty_like(x)
    kernels(x).layer_norm(y, contiguous(x), _packed(w), _packed(b), math.prod(x._shape[x.ndim - k :]), eps)
    return y


def _layer_norm_joint(g, y, x, w, b, needs, k, eps):
    dx, dw, db = empty_like(x), _wanted(needs[1], w, x), _wanted(needs[2], b, x)
    n = math.prod(x._shape[x.ndim - k :])
    kernels(x).layer_norm_dx(dx, dw, db, contiguous(g), contiguous(x), _packed(w), n, eps)
    return dx, dw, db


_layer_norm.partials(
    lambda g, y, x, w, b, k, eps: _standardize_dx(_times(g, w), x, _trailing(x, k), eps),
    lambda g, y, x, w, b, k, eps: g * _standardize(x, _trailing(x, k), eps)[0],
    lambda g, y, x, w, b, k, eps: g,
).joint(_layer_norm_joint).tangents(
    lambda t, y, x, w, b, k, eps: _times(_standardize_dx(t, x, _trailing(x, k), eps), w),
    lambda t, y, x, w, b, k, eps: t * _standardize(x, _trailing(x, k), eps)[0],
    lambda t, y, x, w, b, k, eps: t,
)


@op(saves="xw")
def _rms_norm(x, w, *, k, eps):
    y = empty_like(x)
    kernels(x).rms_norm(y, contiguous(x), _packed(w), math.prod(x._shape[x.ndim - k :]), eps)
    return y


def _rms_norm_joint(g, y, x, w, needs, k, eps):
    dx, dw = empty_like(x), _wanted(needs[1], w, x)
    kernels(x).rms_norm_dx(dx, dw, contiguous(g), contiguous(x), _packed(w), math.prod(x._shape[x.ndim - k :]), eps)
    return dx, dw


_rms_norm.partials(
    lambda g, y, x, w, k, eps: _standardize_dx(_times(g, w), x, _trailing(x, k), eps, centre=False),
    lambda g, y, x, w, k, eps: g * _standardize(x, _trailing(x, k), eps, centre=False)[0],
).joint(_rms_norm_joint).tangents(
    lambda t, y, x, w, k, eps: _times(_standardize_dx(t, x, _trailing(x, k), eps, centre=False), w),
    lambda t, y, x, w, k, eps: t * _standardize(x, _trailing(x, k), eps, centre=False)[0],
)


def _check_float(name, x, *others):
    if not x.dtype.is_floating_point:
        raise DTypeError(f"{name}: not implemented for {x.dtype}")
    for t in others:
        if t is not None and t.dtype is not x.dtype and t.dtype is not x.dtype.computed:
            raise DTypeError(f"{name}: expected weight, bias and statistics of the input's type {x.dtype}, got {t.dtype}")


def _normalized(name, input, normalized_shape, weight, bias):
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape:
        raise ShapeError(f"Expected normalized_shape to be at least 1-dimensional, but got normalized_shape = {list(shape)}")
    for what, t in (("weight", weight), ("bias", bias)):
        if t is not None and t._shape != shape:
            raise ShapeError(
                f"Expected {what} to be of same shape as normalized_shape, but got {what} of shape {list(t._shape)} and "
                f"normalized_shape = {list(shape)}"
            )
    if input._shape[-len(shape) :] != shape:
        star = ", ".join(["*", *map(str, shape)])
        raise ShapeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{star}], but got input of size{list(input._shape)}"
        )
    _check_float(name, input, weight, bias)
    return len(shape)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """(x - mean)/√(var + eps)·weight + bias over the trailing axes normalized_shape (Ba, Kiros, Hinton 2016).

    input (*, normalized_shape) → the same;  weight, bias normalized_shape. ShapeError where they do not fit.
    """
    k = _normalized("layer_norm", input, normalized_shape, weight, bias)
    return _layer_norm(input, weight, bias, k=k, eps=float(eps))


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """x/√(mean(x²) + eps)·weight over the trailing axes normalized_shape (Zhang, Sennrich 2019).

    eps: the spacing of the dtype at 1 unless given. Shapes and errors as layer_norm.
    """
    k = _normalized("rms_norm", input, normalized_shape, weight, None)
    if eps is None:
        eps = 2.0**-23 if input.dtype.itemsize == 4 else 2.0**-52
    return _rms_norm(input, weight, k=k, eps=float(eps))


# -- group norm, instance norm ------------------------------------------------------------------------------------------


def _per_channel(w, x):
    """(C) as (1, C, 1, ..), to be broadcast with x (N, C, ..)."""
    return w.reshape((1, x._shape[1]) + (1,) * (x.ndim - 2))


def _scaled(g, w, x):
    return g if w is None else g * _per_channel(w, x)


def _in_groups(x, groups):
    n = x._shape[0]
    return x.reshape((n, groups, x._size // (n * groups) if n else math.prod(x._shape[1:]) // groups))


def _but_channels(x):
    return (0, *range(2, x.ndim))


@op(saves="xw")
def _group_norm(x, w, b, *, groups, eps):
    y = empty_like(x)
    kernels(x).group_norm(y, contiguous(x), _packed(w), _packed(b), groups, eps)
    return y


def _group_norm_dx(g, y, x, w, b, groups, eps):
    g = _scaled(g, w, x)
    return _standardize_dx(_in_groups(g, groups), _in_groups(x, groups), (2,), eps).reshape(x._shape)


def _group_norm_dw(g, y, x, w, b, groups, eps):
    return (g * _standardize(_in_groups(x, groups), (2,), eps)[0].reshape(x._shape)).sum(_but_channels(x))


def _group_norm_joint(g, y, x, w, b, needs, groups, eps):
    dx, dw, db = empty_like(x), _wanted(needs[1], w, x), _wanted(needs[2], b, x)
    kernels(x).group_norm_dx(dx, dw, db, contiguous(g), contiguous(x), _packed(w), groups, eps)
    return dx, dw, db


_group_norm.partials(
    _group_norm_dx, _group_norm_dw, lambda g, y, x, w, b, groups, eps: g.sum(_but_channels(x))
).joint(_group_norm_joint).tangents(
    lambda t, y, x, w, b, groups, eps: _scaled(_group_norm_dx(t, y, x, None, b, groups, eps), w, x),
    lambda t, y, x, w, b, groups, eps: _per_channel(t, x)
    * _standardize(_in_groups(x, groups), (2,), eps)[0].reshape(x._shape),
    lambda t, y, x, w, b, groups, eps: _per_channel(t, x),
)


def _check_channels(name, x, **vectors):
    if x.ndim < 2:
        raise ShapeError(f"{name}: expected at least 2 dimensions (N, C, ..), got {x.ndim}")
    for what, t in vectors.items():
        if t is not None and t._shape != (x._shape[1],):
            raise ShapeError(
                f"{name}: expected {what} to be a vector of size equal to the number of channels in input, but got {what} of "
                f"shape {list(t._shape)} and input of shape {list(x._shape)}"
            )
    _check_float(name, x, *vectors.values())


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Layer norm over each of num_groups groups of channels and all places (Wu, He 2018); weight and bias per channel.

    input (N, C, *) → the same;  weight, bias (C). ShapeError unless num_groups divides C.
    """
    _check_channels("group_norm", input, weight=weight, bias=bias)
    num_groups = operator.index(num_groups)
    if num_groups <= 0:
        raise ShapeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if not input._shape[1]:
        raise ShapeError("Expected number of channels to be greater than 0, got 0")
    if 0 in input._shape[2:]:
        raise ShapeError(f"Expected HxW to be greater than 0, got input of shape {list(input._shape)}")
    if input._shape[1] % num_groups:
        raise ShapeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input._shape)} and num_groups={num_groups}"
        )
    return _group_norm(input, weight, bias, groups=num_groups, eps=float(eps))


def instance_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5
):
    """Every channel of every sample to mean 0 and variance 1 over its places (Ulyanov, Vedaldi, Lempitsky 2016).

    input (N, C, *) → the same. Running statistics, where given, are updated in place (use_input_stats) or used instead.
    """
    _check_channels(
        "instance_norm", input, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var
    )
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ShapeError("Expected running_mean and running_var to be defined when use_input_stats is false")
        return _batch_norm_eval(input, running_mean, running_var, weight, bias, eps=float(eps))
    places = math.prod(input._shape[2:])
    if places == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    if running_mean is not None and input._size:
        with no_grad():
            flat = input.detach().reshape((input._shape[0], input._shape[1], places))
            mean = flat.mean((2,), keepdim=True)
            var = ((flat - mean) * (flat - mean)).mean((2,))
            _update(running_mean, running_var, mean.reshape(var._shape).mean((0,)), var.mean((0,)), momentum, places)
    return _group_norm(input, weight, bias, groups=input._shape[1], eps=float(eps)) if input._size else input * 1


# -- batch norm ---------------------------------------------------------------------------------------------------------


@op(saves="xw")
def _batch_norm(x, w, b, *, eps):
    y, mean, var = empty_like(x), *(empty((x._shape[1],), dtype=x.dtype.computed) for _ in range(2))
    kernels(x).batch_norm(y, mean, var, contiguous(x), _packed(w), _packed(b), eps)
    return y, mean, var  # the statistics serve `joint` only: `partials` compute their own


def _batch_norm_joint(g, ys, x, w, b, needs, eps):
    _, mean, var = ys
    dx, dw, db = empty_like(x), empty_like(mean), empty_like(mean)
    kernels(x).batch_norm_dx(dx, dw, db, contiguous(g), contiguous(x), _packed(w), mean, var, eps)
    return dx, dw if needs[1] else None, db if needs[2] else None


_batch_norm.partials(
    lambda g, ys, x, w, b, eps: _standardize_dx(_scaled(g, w, x), x, _but_channels(x), eps),
    lambda g, ys, x, w, b, eps: (g * _standardize(x, _but_channels(x), eps)[0]).sum(_but_channels(x)),
    lambda g, ys, x, w, b, eps: g.sum(_but_channels(x)),
).joint(_batch_norm_joint).tangents(
    lambda t, ys, x, w, b, eps: _scaled(_standardize_dx(t, x, _but_channels(x), eps), w, x),
    lambda t, ys, x, w, b, eps: _per_channel(t, x) * _standardize(x, _but_channels(x), eps)[0],
    lambda t, ys, x, w, b, eps: _per_channel(t, x),
)


@op(saves="x mean var w")
def _batch_norm_eval(x, mean, var, w, b, *, eps):
    y = empty_like(x)
    kernels(x).batch_norm_eval(y, contiguous(x), contiguous(mean), contiguous(var), _packed(w), _packed(b), eps)
    return y


def _rstd(x, var, eps):
    return _per_channel((var + eps).rsqrt(), x)


def _scale(x, var, w, eps):
    return _rstd(x, var, eps) if w is None else _rstd(x, var, eps) * _per_channel(w, x)


_batch_norm_eval.partials(
    lambda g, y, x, mean, var, w, b, eps: g * _scale(x, var, w, eps),
    lambda g, y, x, mean, var, w, b, eps: -(g * _scale(x, var, w, eps)).sum(_but_channels(x)),
    lambda g, y, x, mean, var, w, b, eps: (
        g * (x - _per_channel(mean, x)) * _scale(x, var, w, eps)
    ).sum(_but_channels(x)) / (var + eps) * -0.5,
    lambda g, y, x, mean, var, w, b, eps: (g * (x - _per_channel(mean, x)) * _rstd(x, var, eps)).sum(_but_channels(x)),
    lambda g, y, x, mean, var, w, b, eps: g.sum(_but_channels(x)),
).tangents(
    lambda t, y, x, mean, var, w, b, eps: t * _scale(x, var, w, eps),
    lambda t, y, x, mean, var, w, b, eps: -_per_channel(t, x) * _scale(x, var, w, eps),
    lambda t, y, x, mean, var, w, b, eps: (
        (x - _per_channel(mean, x)) * _scale(x, var, w, eps) * _per_channel(t / (var + eps) * -0.5, x)
    ),
    lambda t, y, x, mean, var, w, b, eps: (x - _per_channel(mean, x)) * _rstd(x, var, eps) * _per_channel(t, x),
    lambda t, y, x, mean, var, w, b, eps: _per_channel(t, x),
)


@functools.lru_cache(64)
def _number(value, dtype):
    """A 0-d tensor: numbers that may change from step to step reach kernels in memory, so that a step can be replayed."""
    return full((), value, dtype=dtype)


def _update(running_mean, running_var, mean, var, momentum, count):
    if not isinstance(momentum, _cpu.Array):
        momentum = _number(float(momentum), mean.dtype)
    for t in (running_mean, running_var):
        if t.requires_grad and t._node is None:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation (running statistics).")
    if running_mean._packed and running_var._packed:
        kernels(mean).batch_norm_running(running_mean, running_var, mean, var, momentum, count)
    else:
        m, v = running_mean.contiguous(), running_var.contiguous()
        kernels(mean).batch_norm_running(m, v, mean, var, momentum, count)
        _cpu.copy(running_mean, m)
        _cpu.copy(running_var, v)
    _cpu.mutate(running_mean)
    _cpu.mutate(running_var)


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Every channel to mean 0 and variance 1 over the batch and all places, times weight plus bias (Ioffe, Szegedy 2015).

    input (N, C, *) → the same;  the others (C). training: by the batch's statistics, and running ← (1 - momentum)·running +
    momentum·batch in place, with the unbiased variance; else by the running statistics. momentum: a number or a 0-d tensor.
    """
    _check_channels("batch_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    eps = float(eps)
    if eps < 0 or (training and eps == 0):
        wanted = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {wanted}, but got {eps}")
    if not training:
        if running_mean is None or running_var is None:
            raise ShapeError("Expected running_mean and running_var to be defined when training=False")
        return _batch_norm_eval(input, running_mean, running_var, weight, bias, eps=eps)
    count = input._size // input._shape[1] if input._size else 0
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    y, mean, var = _batch_norm(input, weight, bias, eps=eps)
    if running_mean is not None and running_var is not None and count:
        _update(running_mean, running_var, mean, var, momentum, count)
    return y


# -- compositions -------------------------------------------------------------------------------------------------------


@rounded_once
def normalize(input, p=2.0, dim=1, eps=1e-12):
    """input / max(‖input‖ₚ, eps), the norm taken along dim. Any shape → the same."""
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps)


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """x / (k + alpha·mean(x² over size neighbouring channels))^beta, zeros beyond the ends (Krizhevsky et al. 2012).

    input (N, C, *) → the same. ShapeError for fewer than 3 dimensions.
    """
    if input.ndim < 3:
        raise ShapeError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if not input._size:
        return input
    c = input._shape[1]
    shape = (input._shape[0], c + size - 1, *input._shape[2:])
    padded = _slice_dx(input * input, shape=shape, dim=1, start=size // 2, length=c, step=1)
    window = sum((padded.narrow(1, i, c) for i in range(1, size)), padded.narrow(1, 0, c))
    return input / (window * (alpha / size) + k) ** beta


__all__ = ()
METHODS = ()
FUNCTIONAL = (
    "layer_norm rms_norm group_norm instance_norm batch_norm normalize local_response_norm"
).split()
