"""Bags of rows of a table: sums, means, maxima."""

from __future__ import annotations

import functools

import numpy as np

from ..autodiff import Array, op
from ..device import kernels
from ..errors import DTypeError, ShapeError
from ..tensor import empty, from_numpy
from .elementwise import where
from .gather import gather
from .index import INDEX_TYPES
from .rows import _shorten
from .shape import contiguous

NOTHING = -1  # no index is this one


def _packed(t):
    return None if t is None else contiguous(t)


# The three partial derivatives of one trilinear form of gradients g (B, D), table w (V, D) and weights p (n): each is linear in
# the other two, so every order of derivative exists.


@op(saves="wp")
def _embedding_bag(w, p, index, offsets, *, bags, skip, mean):
    y = empty((bags, w._shape[1]), dtype=w.dtype)
    kernels(w).embedding_bag(y, contiguous(w), _packed(p), contiguous(index), contiguous(offsets), skip, mean)
    return y


@op(saves="gp")
def _embedding_bag_dw(g, p, index, offsets, *, rows, skip, mean):
    dw = empty((rows, g._shape[1]), dtype=g.dtype)
    kernels(g).embedding_bag_dw(dw, contiguous(g), _packed(p), contiguous(index), contiguous(offsets), skip, mean)
    return dw


@op(saves="gw")
def _embedding_bag_dp(g, w, index, offsets, *, skip, mean):
    dp = empty(index._shape, dtype=g.dtype)
    kernels(g).embedding_bag_dp(dp, contiguous(g), contiguous(w), contiguous(index), contiguous(offsets), skip, mean)
    return dp


def _y(w, p, index, offsets, g, options):
    return _embedding_bag(w, p, index, offsets, bags=g._shape[0], **options)


def _dw(g, p, index, offsets, w, options):
    return _embedding_bag_dw(g, p, index, offsets, rows=w._shape[0], **options)


_embedding_bag.partials(
    lambda g, y, w, p, index, offsets, bags, **o: _dw(g, p, index, offsets, w, o),
    lambda g, y, w, p, index, offsets, bags, **o: _embedding_bag_dp(g, w, index, offsets, **o),
    None,
    None,
).multilinear(0, 1)
_embedding_bag_dw.partials(
    lambda h, dw, g, p, index, offsets, rows, **o: _y(h, p, index, offsets, g, o),
    lambda h, dw, g, p, index, offsets, rows, **o: _embedding_bag_dp(g, h, index, offsets, **o),
    None,
    None,
).multilinear(0, 1)
_embedding_bag_dp.partials(
    lambda h, dp, g, w, index, offsets, **o: _y(w, h, index, offsets, g, o),
    lambda h, dp, g, w, index, offsets, **o: _dw(g, h, index, offsets, w, o),
    None,
    None,
).multilinear(0, 1)


def _largest(w, index, offsets, bags, skip):
    at = empty((bags, w._shape[1]), dtype="int64")
    kernels(w).embedding_bag_max(at, contiguous(w.detach()), contiguous(index), contiguous(offsets), skip)
    return where(at < 0, 0.0, gather(w, 0, at.clamp(min=0)))


@functools.lru_cache(64)
def _equal(bags, length):
    return from_numpy(np.arange(bags, dtype=np.int64) * length)


def _bags(input, offsets, include_last_offset):
    """(indices in one axis, offsets, number of bags); the kernel checks offsets."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences. "
                f"However, found offsets of type {type(offsets)}"
            )
        return input.reshape((-1,)), _equal(*input._shape), input._shape[0]
    if input.ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if not isinstance(offsets, Array) or offsets.ndim != 1:
        raise ValueError(f"offsets has to be a 1D Tensor but got {'None' if offsets is None else list(offsets.shape)}")
    if offsets.dtype not in INDEX_TYPES:
        raise DTypeError(f"embedding_bag: expected offsets of dtype int64 or int32, got {offsets.dtype}")
    if include_last_offset and not offsets._size:
        raise ShapeError("include_last_offset: number of offset should be at least 1")
    return input, offsets.to("int64"), offsets._shape[0] - bool(include_last_offset)


def embedding_bag(
    input, weight, offsets=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode="mean", sparse=False,
    per_sample_weights=None, include_last_offset=False, padding_idx=None,
):  # fmt: skip
    """Sums, means or maxima of bags of rows of weight (V, D): (bags, D), zeros for an empty bag.

    input (bags, n), or (n) with offsets, where each bag begins; include_last_offset: and where the last ends. per_sample_weights,
    shaped as input, multiply rows (mode "sum" only). padding_idx takes no part. max_norm: rows used are first shortened, in place.
    IndexError for an index outside 0 .. V - 1. `sparse` is accepted; gradients are dense.
    """
    if not isinstance(input, Array) or input.dtype not in INDEX_TYPES:
        raise DTypeError(f"embedding_bag: expected indices of dtype int64 or int32, got {getattr(input, 'dtype', type(input).__name__)}")
    if weight.ndim != 2 or not weight.dtype.is_floating_point:
        raise ShapeError(f"embedding_bag: 'weight' must be 2-D and of floats, got {weight.dtype} {list(weight._shape)}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if scale_grad_by_freq:
        raise ValueError("embedding_bag: scale_grad_by_freq is not supported")
    p = per_sample_weights
    if p is not None:
        if mode != "sum":
            raise NotImplementedError(
                f"embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got mode='{mode}')."
            )
        if p._shape != input._shape:
            raise ValueError(
                f"embedding_bag: If per_sample_weights ({list(p._shape)}) is not None, then it must have the same shape as the "
                f"input ({list(input._shape)})"
            )
        if p.dtype is not weight.dtype:
            raise DTypeError(f"embedding_bag: expected per_sample_weights of weight's type {weight.dtype}, got {p.dtype}")
    skip = NOTHING
    if padding_idx is not None:
        if not -weight._shape[0] <= padding_idx < weight._shape[0]:
            raise RuntimeError(
                f"padding_idx must be within the number of embeddings, -{weight._shape[0]} through {weight._shape[0] - 1}, but got {padding_idx}"
            )
        skip = padding_idx % weight._shape[0]
    index, offsets, bags = _bags(input, offsets, include_last_offset)
    index = index.to("int64")
    if max_norm is not None:
        _shorten(weight, index, max_norm, norm_type)
    if mode == "max":
        return _largest(weight, index, offsets, bags, skip)
    p = None if p is None else p.reshape((-1,))
    return _embedding_bag(weight, p, index, offsets, bags=bags, skip=skip, mean=mode == "mean")


__all__ = ("embedding_bag",)
METHODS = ()
FUNCTIONAL = ("embedding_bag",)
