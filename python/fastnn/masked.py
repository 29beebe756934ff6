"""PyTorch's `torch.masked`: reductions of what a mask lets through.

mask is broadcast to input and is True where an element takes part; None: all do. What does not take part is replaced by what changes
nothing (0 in a sum, -inf in a maximum), which is then the result where nothing takes part; a mean of nothing is NaN. dtype is that of the
result, input's unless given. dim: one axis, several, or None for all.
"""

from __future__ import annotations

import builtins
import math

from . import dtypes, linalg
from .errors import named
from .nn import functional as F
from .tensor import Tensor, iinfo, normalize_dim

_WIDE = (dtypes.uint8, dtypes.bool, dtypes.int8, dtypes.int16, dtypes.int32)  # products of these are int64


def _dims(dim, ndim):
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    dims = [normalize_dim(d, ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))]
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"dim={dim} has an axis more than once")
    return tuple(sorted(dims))


def _mask(input, mask):
    if not isinstance(mask, Tensor):
        raise TypeError(f"mask must be a Tensor, not {type(mask).__name__}")
    if mask.ndim > input.ndim:
        raise IndexError("_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)")
    return (mask if mask.dtype is dtypes.bool else mask != 0).expand(input.shape)


def _kept(input, mask, rest):
    """input with `rest` where the mask is False."""
    return input if mask is None else input.where(_mask(input, mask), input.new_full((), rest))


def _extreme(dtype, sign):
    """What no number of this dtype is smaller (sign 1) or larger (-1) than, seen from the other end: -inf, or the least integer."""
    if dtype.is_floating_point or dtype.is_complex:
        return -sign * math.inf
    return iinfo(dtype).min if sign > 0 else iinfo(dtype).max


@named
def sum(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The sum; 0 of nothing. Of integers and bool int64."""
    return _kept(input, mask, 0).sum(_dims(dim, input.ndim), keepdim, dtype=dtype)


@named
def prod(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The product; 1 of nothing. Of integers and bool int64."""
    dtype = dtype or (dtypes.int64 if input.dtype in _WIDE else input.dtype)
    y = _kept(input, mask, 1).to(dtype)
    for d in reversed(_dims(dim, input.ndim)):
        y = y.prod(d, keepdim, dtype=dtype)
    return y


def _extremes(name, sign, words):
    def f(input, dim=None, *, keepdim=False, dtype=None, mask=None):
        y = getattr(_kept(input, mask, _extreme(input.dtype, sign)), name)
        return y(_dims(dim, input.ndim), keepdim).to(dtype or input.dtype)

    def place(input, dim=None, *, keepdim=False, dtype=None, mask=None):
        y = getattr(_kept(input, mask, _extreme(input.dtype, sign)), f"arg{name[1:]}")
        return y(dim, keepdim).to(dtype or input.dtype)

    for g, title, what in ((f, name, words), (place, f"arg{name[1:]}", f"The place of {words[0].lower()}{words[1:]}")):
        g.__name__ = g.__qualname__ = title
        g.__doc__ = f"{what}, of input's dtype."
    return named(f), named(place)


amax, argmax = _extremes("amax", 1, "The largest")
amin, argmin = _extremes("amin", -1, "The smallest")


@named
def mean(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The mean; NaN of nothing. ValueError unless dtype is floating or complex."""
    dtype = dtype or input.dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(f"mean(): Could not infer output dtype: it must be either a floating point or complex dtype. Got: {dtype}")
    return sum(input, dim, keepdim=keepdim, dtype=dtype, mask=mask) / _count(input, dim, keepdim, mask)


def _count(input, dim, keepdim, mask):
    dims = _dims(dim, input.ndim)
    if mask is None:
        return math.prod(input.shape[d] for d in dims if input.ndim)
    return _mask(input, mask).sum(dims, keepdim)


@named
def median(input, dim=-1, *, keepdim=False, dtype=None, mask=None):
    """The lower median along an axis; NaN of nothing. ValueError for integers where nothing takes part."""
    dtype = dtype or input.dtype
    floating = input.is_floating_point()
    y = _kept(input if floating else input.to(dtypes.float32), mask, math.nan).nanmedian(_dims(dim, input.ndim)[0], keepdim).values
    if floating:
        return y
    if builtins.bool(y.isnan().any()):
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return y.to(dtype)


@named
def logsumexp(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """log Σ exp; -inf of nothing."""
    return _kept(input, mask, _extreme(input.dtype, 1)).logsumexp(_dims(dim, input.ndim), keepdim).to(dtype or input.dtype)


@named
def logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None):
    """log(exp(input) + exp(other)), each of them with a mask."""
    x, y = (_kept(t, mask, _extreme(t.dtype, 1)) for t, mask in ((input, input_mask), (other, other_mask)))
    return x.logaddexp(y).to(dtype or input.dtype)


@named
def norm(input, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The vector norm of order ord; 0 of nothing, inf for ord -inf."""
    x = _kept(input, mask, math.inf if ord == -math.inf else 0)
    return linalg.vector_norm(x, ord, _dims(dim, input.ndim), keepdim, dtype=dtype or input.dtype)


@named
def var(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """The variance: the sum of squared distances from the mean by their number less correction (1 unless given)."""
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    correction = correction if correction is not None else 1 if unbiased in (None, True) else 0
    dtype = dtype or (input.dtype if input.is_floating_point() or input.is_complex() else dtypes.float32)
    wide = dtype if dtype.is_floating_point or dtype.is_complex else dtypes.float32
    away = input - sum(input, dim, keepdim=True, dtype=dtype, mask=mask) / _count(input, dim, True, mask)
    total = sum(away * away.conj(), dim, keepdim=keepdim, dtype=wide, mask=mask)
    count = _count(input, dim, keepdim, mask) - correction
    return (total / (max(count, 0) if mask is None else count.clamp(min=0).to(total.real.dtype))).to(dtype)


@named
def std(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """The square root of `var`."""
    return var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask).sqrt()


# -- of input's shape ------------------------------------------------------------------------------------------------------------


@named
def cumsum(input, dim, *, dtype=None, mask=None):
    """Sums of all up to each place."""
    return _kept(input, mask, 0).cumsum(_dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


@named
def cumprod(input, dim, *, dtype=None, mask=None):
    """Products of all up to each place."""
    return _kept(input, mask, 1).cumprod(_dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def _normalizing(name, sign, words):
    def f(input, dim, *, dtype=None, mask=None):
        x = _kept(input, mask, _extreme(input.dtype, sign))
        return getattr(F, name)(x, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = words
    return named(f)


softmax = _normalizing("softmax", 1, "exp(x) by the sum of them; 0 where the mask is False, NaN of nothing.")
log_softmax = _normalizing("log_softmax", 1, "log(softmax(x)); -inf where the mask is False, NaN of nothing.")
softmin = _normalizing("softmin", -1, "softmax(-x).")


@named
def normalize(input, ord, dim, *, eps=1e-12, dtype=None, mask=None):
    """input by its `norm` along dim, or by eps where that is larger; 0 where the mask is False."""
    return _kept(input, mask, 0) / norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask).clamp(min=eps)


__all__ = (
    "amax amin argmax argmin cumprod cumsum log_softmax logaddexp logsumexp mean median norm normalize prod softmax softmin std sum var"
).split()
