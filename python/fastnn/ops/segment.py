"""Rows by segment: sums, means, extremes and softmax of rows with the same id; products with a sparse matrix (CSR).

Where ids are edges' targets these are message passing on graphs: `csr_matmul` gathers neighbours, weighs them and adds them up
without keeping the gathered rows; with (n, H) values every head of a graph attention has its own weights.
"""

from __future__ import annotations

import math

import numpy as np

from .. import dtypes
from ..autodiff import Array, op
from ..creation import number
from ..device import beside, kernels
from ..errors import DTypeError, ShapeError
from ..tensor import empty, empty_like, from_numpy, normalize_dim
from .elementwise import where
from .gather import gather
from .index import INDEX_TYPES
from .rows import index_select
from .scatter_reduce import scatter_reduce
from .shape import contiguous


def _packed(t):
    return None if t is None else contiguous(t)


def _ids(t, x):
    return None if t is None else contiguous(beside(t, x))


# Partial derivatives of F(g, x, p) = Σ_k Σ_h p[k, h] <g[to[k], h], x[source[k], h]>, g (R, H, D), x (V, H, D), p (n, H) or None (1);
# to and source are ids (n), None (k itself), or, for one of them, where rows begin: csr = 1 says that of to, -1 of source.
# F is linear in each of g, x, p, so the two ops are each other's derivatives.


@op(saves="x, p, source, to")
def _segment_sum(x, p, source, to, *, rows, entries, csr=0):
    y = empty((rows, *x._shape[1:]), dtype=x.dtype)
    kernels(x).segment_sum(y, contiguous(x), _packed(p), _ids(source, x), _ids(to, x), entries, csr)
    return y


@op(saves="g, x, to, source")
def _segment_dot(g, x, to, source, *, entries, csr=0):
    dp = empty((entries, g._shape[1]), dtype=g.dtype)
    kernels(g).segment_dot(dp, contiguous(g), contiguous(x), _ids(to, g), _ids(source, g), csr)
    return dp


def _segment_sum_dx(g, y, x, p, source, to, rows, entries, csr=0):
    if p is None and source is None and not csr:
        return index_select(g, 0, to)
    return _segment_sum(g, p, to, source, rows=x._shape[0], entries=entries, csr=-csr)


_segment_sum.partials(
    _segment_sum_dx,
    lambda g, y, x, p, source, to, rows, **o: _segment_dot(g, x, to, source, **o),
    None,
    None,
).multilinear(0, 1)
_segment_dot.partials(
    lambda h, dp, g, x, to, source, **o: _segment_sum(x, h, source, to, rows=g._shape[0], **o),
    lambda h, dp, g, x, to, source, entries, csr=0: _segment_sum(g, h, to, source, rows=x._shape[0], entries=entries, csr=-csr),
    None,
    None,
).multilinear(0, 1)


@op(saves="ids")
def _segment_max(x, ids, *, segments):
    """(largest of each segment's column, which row it is)."""
    shape = (segments, x._shape[1])
    y, at = empty(shape, dtype=x.dtype), empty(shape, dtype=dtypes.int32)
    kernels(x).segment_max(y, at, contiguous(x), contiguous(ids))
    return y, at


@op(saves="at, ids")
def _segment_max_dx(g, at, ids):
    dx = empty((ids._shape[0], g._shape[1]), dtype=g.dtype)
    kernels(g).segment_max_dx(dx, contiguous(g), at, contiguous(ids))
    return dx


def _rows_at(x, at):
    if not x._shape[0]:
        return where(at < 0, 0.0, 0.0).to(x.dtype)
    return where(at < 0, 0.0, gather(x, 0, at.clamp(min=0)))


_segment_max.partials(lambda g, y, x, ids, segments: _segment_max_dx(g, y[1], ids), None)
_segment_max.tangents(lambda t, y, x, ids, segments: _rows_at(t, y[1]), None)
_segment_max_dx.partials(lambda h, dx, g, at, ids: _rows_at(h, at), None, None).linear(0)


@op(saves="y, ids")
def _segment_softmax(x, ids, *, segments):
    y = empty_like(x)
    kernels(x).segment_softmax(y, contiguous(x), contiguous(ids), segments)
    return y


@op(saves="g, y, ids")
def _segment_softmax_dx(g, y, ids, *, segments):
    """y·(g - Σ g·y), the sum over the row's segment."""
    dx = empty_like(y)
    kernels(y).segment_softmax_dx(dx, contiguous(g), contiguous(y), contiguous(ids), segments)
    return dx


def _total(x, ids, segments):
    """For each row of x (n, D) the sum over its segment."""
    return index_select(_sum(x, ids, segments), 0, ids)


_segment_softmax.partials(lambda g, y, x, ids, segments: _segment_softmax_dx(g, y, ids, segments=segments), None)
_segment_softmax.tangents(lambda t, y, x, ids, segments: _segment_softmax_dx(t, y, ids, segments=segments), None)
_segment_softmax_dx.partials(
    lambda h, dx, g, y, ids, segments: _segment_softmax_dx(h, y, ids, segments=segments),
    lambda h, dx, g, y, ids, segments: h * (g - _total(g * y, ids, segments)) - g * _total(h * y, ids, segments),
    None,
).tangents(
    lambda t, dx, g, y, ids, segments: _segment_softmax_dx(t, y, ids, segments=segments),
    lambda t, dx, g, y, ids, segments: t * (g - _total(g * y, ids, segments)) - y * _total(g * t, ids, segments),
    None,
)


def _sum(x, ids, segments):
    return _segment_sum(x.unsqueeze(1), None, None, ids, rows=segments, entries=x._shape[0]).squeeze(1)


# -- what users call --------------------------------------------------------------------------------------------------------


def _index(name, what, ids):
    if not isinstance(ids, Array) or ids.dtype not in INDEX_TYPES:
        raise DTypeError(f"{name}: expected {what} of dtype int64 or int32, got {getattr(ids, 'dtype', type(ids).__name__)}")
    if ids.ndim != 1:
        raise ShapeError(f"{name}: expected {what} in one axis, got shape {list(ids._shape)}")
    return ids.to("int64")


def _floats(name, what, x):
    if not isinstance(x, Array):
        raise TypeError(f"{name}: expected {what} to be a Tensor, not {type(x).__name__}")
    if not x.dtype.is_floating_point:
        raise DTypeError(f"{name}: expected {what} of a floating dtype, got {x.dtype.name}")


def _arguments(name, data, segment_ids, num_segments):
    """(data as (n, D), ids, number of segments)."""
    _floats(name, "data", data)
    ids = _index(name, "segment_ids", segment_ids)
    if data.ndim == 0 or data._shape[0] != ids._shape[0]:
        raise ShapeError(f"{name}: one id a row of data, got {list(ids._shape)} ids and data of shape {list(data._shape)}")
    if num_segments is None:
        num_segments = int(ids.max().item()) + 1 if ids._size else 0
    if num_segments < 0:
        raise ValueError(f"{name}: num_segments must not be negative, got {num_segments}")
    return data.reshape((data._shape[0], math.prod(data._shape[1:]))), ids, int(num_segments)


def _shaped(y, data):
    return y.reshape((y._shape[0], *data._shape[1:]))


def segment_sum(data, segment_ids, num_segments=None):
    """y[s] = sum of the rows data[i] (n, ...) with segment_ids[i] = s (n, in any order): (num_segments, ...), 0 for an empty segment.

    num_segments: the largest id plus one if not given. IndexError for an id outside 0 .. num_segments - 1.
    """
    x, ids, segments = _arguments("segment_sum", data, segment_ids, num_segments)
    return _shaped(_sum(x, ids, segments), data)


def segment_mean(data, segment_ids, num_segments=None):
    """Mean of the rows of each segment, 0 for an empty one; shapes and errors as segment_sum."""
    x, ids, segments = _arguments("segment_mean", data, segment_ids, num_segments)
    counts = _sum(beside(number(1, x.dtype), x).expand((ids._shape[0], 1)), ids, segments).clamp(min=1)
    return _shaped(_sum(x, ids, segments) * counts.reciprocal(), data)


def segment_max(data, segment_ids, num_segments=None):
    """Largest value of each column over a segment, -inf for an empty one; NaN wins; shapes and errors as segment_sum.

    Of equal values the first gets the gradient.
    """
    x, ids, segments = _arguments("segment_max", data, segment_ids, num_segments)
    return _shaped(_segment_max(x, ids, segments=segments)[0], data)


def segment_min(data, segment_ids, num_segments=None):
    """Smallest value of each column over a segment, inf for an empty one; otherwise as segment_max."""
    x, ids, segments = _arguments("segment_min", data, segment_ids, num_segments)
    return _shaped(-_segment_max(-x, ids, segments=segments)[0], data)


def segment_softmax(data, segment_ids, num_segments=None):
    """exp(data[i]) divided by its sum over the rows of i's segment, column by column; the shape of data (n, ...).

    With scores of edges and their targets as ids: the attention of graph networks. Errors as segment_sum.
    """
    x, ids, segments = _arguments("segment_softmax", data, segment_ids, num_segments)
    return _segment_softmax(x, ids, segments=segments).reshape(data._shape)


def segment_reduce(data, reduce, *, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None):
    """Reduces neighbours along an axis, as many as lengths (..., S) says or between offsets (..., S + 1), as torch.segment_reduce.

    reduce: "sum", "mean", "max", "min" or "prod"; the axis of data is the last one of lengths, the axes before it are those of
    lengths. `initial` takes part in every segment; without it an empty one gives 0, nan, -inf, inf or 1. RuntimeError where
    lengths do not add up to the axis. Of equal values the first gets the gradient.
    """
    name = "segment_reduce"
    _floats(name, "data", data)
    if indices is not None:
        raise RuntimeError(f"{name}(): indices based reduction is not supported yet.")
    if lengths is None and offsets is None:
        raise RuntimeError(f"{name}(): Either lengths or offsets must be defined.")
    what, counts = ("lengths", lengths) if lengths is not None else ("offsets", offsets)
    if not isinstance(counts, Array) or counts.dtype not in INDEX_TYPES:
        raise DTypeError(f"{name}: expected {what} of dtype int64 or int32, got {getattr(counts, 'dtype', type(counts).__name__)}")
    reduce = {"amax": "max", "amin": "min"}.get(reduce, reduce)
    if reduce not in ("sum", "mean", "max", "min", "prod"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    axis = normalize_dim(axis, data.ndim)
    if axis != counts.ndim - 1:
        raise RuntimeError(f"{name}(): Expected axis to be the last dimension of {what} but got {axis}.")
    counts = np.asarray(counts.detach().numpy(), np.int64)
    if lengths is None:
        counts = np.diff(counts, axis=-1)
    if (counts < 0).any():
        raise RuntimeError("lengths contains negative value!")
    if counts.shape[:-1] != data._shape[:axis] or (counts.sum(-1) != data._shape[axis]).any():
        raise ShapeError(
            f"{name}(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1), got lengths {list(counts.shape)} "
            f"and data {list(data._shape)}"
        )
    shape = (*counts.shape, *data._shape[axis + 1 :])
    rows = data.reshape((counts.sum(), math.prod(data._shape[axis + 1 :])))
    ids = from_numpy(np.repeat(np.arange(counts.size), counts.ravel()))
    return _reduced(rows, ids, counts, reduce, initial).reshape(shape)


def _reduced(rows, ids, counts, reduce, initial):
    n = counts.size
    if reduce in ("max", "min"):
        y = _segment_max(rows if reduce == "max" else -rows, ids, segments=n)[0]
        y = y if reduce == "max" else -y
        return y if initial is None else y.clamp(min=initial) if reduce == "max" else y.clamp(max=initial)
    if reduce == "prod":
        start = number(1.0 if initial is None else initial, rows.dtype).expand((n, rows._shape[1]))
        return scatter_reduce(start, 0, ids.unsqueeze(1).expand(rows._shape), rows, "prod")
    y = _sum(rows, ids, n)
    y = y if initial is None else y + initial
    if reduce == "sum":
        return y
    least = 0 if initial is None else 1  # 0 / 0 is nan, the mean of nothing
    return y / from_numpy(np.maximum(counts, least).reshape(n, 1).astype(rows.dtype.numpy))


def csr_matmul(crow_indices, col_indices, values, dense):
    """Product of a sparse matrix in compressed rows, as torch.sparse_csr_tensor takes it, with dense (V, D), (V,) or (V, H, D).

    Row r has the entries crow_indices[r] .. crow_indices[r + 1] - 1 (R + 1 offsets), at the columns col_indices (n), in any order;
    values (n), or None for ones: (R, D) or (R,). With dense (V, H, D), values may be (n, H): a matrix for each head.
    Differentiable in values and dense. IndexError for a column outside 0 .. V - 1; ValueError for offsets that fall.
    """
    name = "csr_matmul"
    crow, col = _index(name, "crow_indices", crow_indices), _index(name, "col_indices", col_indices)
    _floats(name, "dense", dense)
    n = col._shape[0]
    if not crow._size:
        raise ShapeError(f"{name}: crow_indices must have one entry more than there are rows, got none")
    if dense.ndim not in (1, 2, 3):
        raise ShapeError(f"{name}: expected dense with 1, 2 or 3 axes, got shape {list(dense._shape)}")
    x = dense if dense.ndim == 3 else dense.reshape((dense._shape[0], 1, dense._shape[1] if dense.ndim == 2 else 1))
    if values is not None:
        _floats(name, "values", values)
        if values._shape not in ((n,), (n, x._shape[1])):
            heads = f" or {[n, x._shape[1]]}" if dense.ndim == 3 else ""
            raise ShapeError(f"{name}: expected values of shape {[n]}{heads}, one an entry, got {list(values._shape)}")
        if values.dtype is not dense.dtype:
            raise DTypeError(f"{name}: expected values and dense of one type, got {values.dtype.name} and {dense.dtype.name}")
        if values.ndim == 1 and x._shape[1] != 1:
            values = values.unsqueeze(1).expand((n, x._shape[1]))
        values = values.reshape((n, x._shape[1]))
    y = _segment_sum(x, values, col, crow, rows=crow._shape[0] - 1, entries=n, csr=1)
    return y.reshape((y._shape[0], *dense._shape[1:]))


__all__ = ("csr_matmul", "segment_max", "segment_mean", "segment_min", "segment_reduce", "segment_softmax", "segment_sum")
METHODS = ()
