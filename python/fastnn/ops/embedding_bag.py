"""Bags of rows of a table: sums, means, maxima."""

from __future__ import annotations

import functools

import numpy as np

from ..autodiff import Array, is_grad_enabled, op
from ..device import beside, kernels
from ..errors import DTypeError, ShapeError
from ..row_sparse import RowSparse
from ..tensor import empty, from_numpy
from .elementwise import where
from .gather import gather
from .index import INDEX_TYPES
from .rows import _scale_gradient, _shorten
from .shape import contiguous

NOTHING = -1  # no index is this one


def _packed(t):
    return None if t is None else contiguous(t)


# The three partial derivatives of one trilinear form of gradients g (B, D), table w (V, D) and weights p (n): each is linear in
# the other two, so every order of derivative exists.


@op(saves="wp")
def _embedding_bag(w, p, index, offsets, *, bags, skip, mean):
    y = empty((bags, w._shape[1]), dtype=w.dtype)
    kernels(w).embedding_bag(y, contiguous(w), _packed(p), contiguous(index), contiguous(beside(offsets, w)), skip, mean)
    return y


@op(saves="gp")
def _embedding_bag_dw(g, p, index, offsets, *, rows, skip, mean):
    dw = empty((rows, g._shape[1]), dtype=g.dtype)
    kernels(g).embedding_bag_dw(dw, contiguous(g), _packed(p), contiguous(index), contiguous(beside(offsets, g)), skip, mean)
    return dw


@op(saves="gw")
def _embedding_bag_dp(g, w, index, offsets, *, skip, mean):
    dp = empty(index._shape, dtype=g.dtype)
    kernels(g).embedding_bag_dp(dp, contiguous(g), contiguous(w), contiguous(index), contiguous(beside(offsets, g)), skip, mean)
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


# The same with a gradient of rows (row_sparse.py): of each index its bag's gradient, times its weight, divided as the bag is.


@op(saves="wpio")
def _bags_of_rows(w, p, i, o, *, bags, skip, mean, often):
    return _embedding_bag.forward(w, p, i, o, bags=bags, skip=skip, mean=mean)


def _rows_of(g, y, w, p, index, offsets, bags, skip, mean, often):
    if is_grad_enabled() or any(t is not None and t._levels is not None for t in (g, p, index)):
        dw = _embedding_bag_dw(g, p, index, offsets, rows=w._shape[0], skip=skip, mean=mean)
        return dw if often is None else dw * _shares(index, w)
    ends = offsets.numpy()[: bags + 1]
    ends = np.append(ends, index._size)[: bags + 1] if len(ends) <= bags else ends
    kept = np.ones(ends[-1], bool) if skip == NOTHING else index.numpy()[: ends[-1]] != skip
    bag = np.repeat(np.arange(bags), np.diff(ends))
    scale = None
    if mean:
        scale = 1.0 / np.maximum(np.bincount(bag[kept], minlength=bags), 1)[bag]
    if often is not None:
        scale = often[: ends[-1]] if scale is None else scale * often[: ends[-1]]
    rows = index[: int(ends[-1])]
    values = g[from_numpy(bag)]
    if p is not None:
        values = values * p[: int(ends[-1])].unsqueeze(-1)
    if scale is not None:
        values = values * from_numpy(scale.astype(g.dtype.numpy)).unsqueeze(-1)
    if not kept.all():
        kept = from_numpy(kept)
        rows, values = rows[kept], values[kept]
    return RowSparse(rows, values, w._shape)


_bags_of_rows.partials(
    _rows_of,
    lambda g, y, w, p, i, o, bags, skip, mean, often: _embedding_bag_dp(g, w, i, o, skip=skip, mean=mean),
    None,
    None,
).multilinear(0, 1)


def _often(index):
    """1 / how often it occurs, for each index."""
    flat = index.numpy()
    return 1.0 / np.bincount(flat, minlength=1)[flat] if flat.size else np.ones(0)


def _shares(index, w):
    """1 / how often it is looked up, for each row of w, as (V, 1); 1 for those that are not."""
    counts = np.bincount(index.numpy(), minlength=w._shape[0])
    return from_numpy((1.0 / np.maximum(counts, 1)).astype(w.dtype.numpy)).unsqueeze(-1)


def _largest(w, index, offsets, bags, skip):
    at = empty((bags, w._shape[1]), dtype="int64")
    kernels(w).embedding_bag_max(at, contiguous(w.detach()), contiguous(index), contiguous(beside(offsets, w)), skip)
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
    scale_grad_by_freq: a row's gradient is divided by how often it is looked up. sparse: the gradient has the rows looked up only
    (row_sparse.RowSparse), unless a graph of it is asked for; neither with mode "max". IndexError for an index outside 0 .. V - 1.
    """
    if not isinstance(input, Array) or input.dtype not in INDEX_TYPES:
        raise DTypeError(f"embedding_bag: expected indices of dtype int64 or int32, got {getattr(input, 'dtype', type(input).__name__)}")
    if weight.ndim != 2 or not weight.dtype.is_floating_point:
        raise ShapeError(f"embedding_bag: 'weight' must be 2-D and of floats, got {weight.dtype} {list(weight._shape)}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
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
    if sparse:
        often = _often(index) if scale_grad_by_freq else None
        return _bags_of_rows(weight, p, index, offsets, bags=bags, skip=skip, mean=mode == "mean", often=often)
    if scale_grad_by_freq:
        weight = _scale_gradient(weight, _shares(index, weight))
    return _embedding_bag(weight, p, index, offsets, bags=bags, skip=skip, mean=mode == "mean")


__all__ = ("embedding_bag",)
METHODS = ()
FUNCTIONAL = ("embedding_bag",)
