"""Whole slices picked along one axis by a vector of indices: index_select, index_add, ..., embedding, one_hot.

All are `_getitem` and `_setitem` of index.py with one table.
"""

from __future__ import annotations

import numpy as np

from .. import _cpu, dtypes
from ..autodiff import Array, is_grad_enabled, op
from ..creation import number
from ..errors import DTypeError, ShapeError
from ..inplace import inplace
from ..row_sparse import RowSparse
from ..tensor import from_numpy, normalize_dim
from .index import INDEX_TYPES, NO_SKIP, _getitem, _getitem_dx, _parse, _setitem, as_rows, in_place, int_index
from .shape import movedim, reshape, to


def _vector_index(input, dim, index, name):
    index = int_index(index, name)
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    return normalize_dim(dim, input.ndim), index if index.ndim else reshape(index, (1,))


def index_select(input, dim, index):
    """The slices of axis dim that index (a vector) names, in its order. IndexError outside 0 .. size - 1."""
    dim, index = _vector_index(input, dim, index, "index_select")
    y = _getitem(as_rows(input), index, axes=(dim,), at=dim, wrap=0)
    return y if input.ndim else reshape(y, ())


def _index_write(input, dim, index, source, name, accumulate, alpha=1):
    dim, index = _vector_index(input, dim, index, name)
    if not isinstance(source, Array):
        raise TypeError(f"{name}(): source must be a Tensor, not {type(source).__name__}")
    if source.dtype is not input.dtype:
        raise DTypeError(f"{name}(): self ({input.dtype.name}) and source ({source.dtype.name}) must have the same dtype")
    source = as_rows(source)
    have, want = source._shape, as_rows(input)._shape
    n = index._size
    if len(have) == len(want) and have[dim] != n:
        raise ShapeError(f"{name}(): Number of indices ({n}) should be equal to source.size(dim): ({have[dim]}), for dim: {dim}")
    if have != (*want[:dim], n, *want[dim + 1 :]):
        raise ShapeError(
            f"{name}(): source tensor shape must match self tensor shape, excluding the specified dimension. Got "
            f"self.shape = {list(input._shape)} source.shape = {list(source._shape)}"
        )
    if alpha != 1:
        source = source * alpha
    return source, (source, index), {"axes": (dim,), "at": dim, "wrap": 0, "accumulate": accumulate}


def _out_of_place(input, args, params):
    y = _setitem(as_rows(input), *args, **params)
    return y if input.ndim else reshape(y, ())


def index_add(input, dim, index, source, *, alpha=1):
    """input with alpha * source added to the slices of axis dim that index names; equal indices add up, in order."""
    return _out_of_place(input, *_index_write(input, dim, index, source, "index_add", 1, alpha)[1:])


def index_copy(input, dim, index, source):
    """input with the slices of axis dim that index names replaced by those of source; the last of equal indices stays."""
    return _out_of_place(input, *_index_write(input, dim, index, source, "index_copy", 0)[1:])


def _fill_args(input, dim, index, value):
    dim, index = _vector_index(input, dim, index, "index_fill")
    if not isinstance(value, Array):
        value = number(value, input.dtype)
    elif value.ndim:
        raise ShapeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    return (to(value, input.dtype), index), {"axes": (dim,), "at": dim}


def index_fill(input, dim, index, value):
    """input with the slices of axis dim that index names set to one value."""
    return _out_of_place(input, *_fill_args(input, dim, index, value))


def _put_args(input, indices, values, accumulate):
    view, tables, axes, at = _parse(input, tuple(indices))
    if not isinstance(values, Array):
        values = number(values, input.dtype)
    if values.dtype is not input.dtype:
        raise DTypeError(
            f"Index put requires the source and destination dtypes match, got {input.dtype.name} for the destination and "
            f"{values.dtype.name} for the source."
        )
    return (values, *tables), {"view": view, "axes": axes, "at": at, "accumulate": int(bool(accumulate))}


def index_put(input, indices, values, accumulate=False):
    """input with input[indices] set to values, or values added (equal indices add up). indices: a tuple of index tensors."""
    args, params = _put_args(input, indices, values, accumulate)
    return _setitem(input, *args, **params)


def put(input, index, source, accumulate=False):
    """input with the elements at these flat positions set to those of source, or added to."""
    flat = index_put(reshape(input, (-1,)), (reshape(int_index(index, "put"), (-1,)),), reshape(source, (-1,)), accumulate)
    return reshape(flat, input._shape)


def select_scatter(input, src, dim, index):
    """input with input.select(dim, index) replaced by src."""
    return _embedded(input, src, (*[slice(None)] * normalize_dim(dim, input.ndim), index), "select_scatter")


def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """input with input[start:end:step] along dim replaced by src."""
    return _embedded(input, src, (*[slice(None)] * normalize_dim(dim, input.ndim), slice(start, end, step)), "slice_scatter")


def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """input with input.diagonal(offset, dim1, dim2) replaced by src."""
    planes = movedim(input, (dim1, dim2), (0, 1))
    rows, columns = planes._shape[:2]
    length = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    if src._shape != (*planes._shape[2:], length):
        raise ShapeError(f"diagonal_scatter: expected src of shape {[*planes._shape[2:], length]}, got {list(src._shape)}")
    i = from_numpy(np.arange(length))
    changed = index_put(planes, (i + max(-offset, 0), i + max(offset, 0)), movedim(to(src, input.dtype), -1, 0))
    return movedim(changed, (0, 1), (dim1, dim2))


def _embedded(input, src, view, name):
    part = _cpu.basic_view(input, view)
    if part._shape != src._shape:
        raise ShapeError(f"expected src to have a size equal to the {name} slice of self. src {list(src._shape)}, slice {list(part._shape)}")
    return _setitem(input, to(src, input.dtype), view=view)


def take(input, index):
    """Elements of the flattened input; the result has index's shape."""
    return _getitem(reshape(input, (-1,)), int_index(index, "take"), axes=(0,))


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Rows of weight (V, D) for the indices in input (any shape S): (*S, D).

    padding_idx: this row gets no gradient. max_norm: rows used that are longer (in the norm_type norm) are first scaled
    down, in place. scale_grad_by_freq: each row's gradient is divided by how often it occurs in input.
    sparse: the weight's gradient has the rows looked up only (row_sparse.RowSparse), unless a graph of it is asked for.
    IndexError for an index outside 0 .. V - 1.
    """
    if not isinstance(input, Array) or input.dtype not in INDEX_TYPES:
        got = input.dtype.name if isinstance(input, Array) else type(input).__name__
        raise DTypeError(f"embedding: expected indices of dtype int64 or int32, got {got}")
    if weight.ndim != 2:
        raise ShapeError(f"embedding: 'weight' must be 2-D, got shape {list(weight._shape)}")
    skip = NO_SKIP
    if padding_idx is not None:
        if not -weight._shape[0] <= padding_idx < weight._shape[0]:
            raise AssertionError("embedding: Padding_idx must be within num_embeddings")
        skip = padding_idx % weight._shape[0]
    if max_norm is not None:
        _shorten(weight, input, max_norm, norm_type)
    y = _looked_up(weight, input, skip=skip) if sparse else _getitem(weight, input, axes=(0,), wrap=0, skip=skip)
    if scale_grad_by_freq:
        flat = np.asarray(input.detach().numpy()).ravel()
        often = np.bincount(flat, minlength=1)[flat].reshape(input._shape + (1,))
        y = _scale_gradient(y, from_numpy((1.0 / often).astype(weight.dtype.numpy)))
    return y


@op(saves="index")
def _looked_up(x, index, *, skip):
    return _getitem.forward(x, index, axes=(0,), wrap=0)


def _looked_up_dx(g, y, x, index, skip):
    if is_grad_enabled() or g._levels is not None or index._levels is not None:
        return _getitem_dx(g, index, shape=x._shape, axes=(0,), wrap=0, skip=skip)
    rows, values = reshape(index, (-1,)).to("int64"), reshape(g, (index._size, *x._shape[1:]))
    if skip != NO_SKIP:
        kept = rows != skip
        rows, values = rows[kept], values[kept]
    return RowSparse(rows, values, x._shape)


_looked_up.partials(_looked_up_dx, None).tangents(
    lambda t, y, x, index, skip: _getitem(t, index, axes=(0,), wrap=0, skip=NO_SKIP), None
)


@op(saves="s")
def _scale_gradient(x, s):
    return x.detach()


_scale_gradient.partials(lambda g, y, x, s: g * s, None).pointwise()


def _shorten(weight, index, max_norm, norm_type):
    w = weight.detach().numpy()
    rows = np.unique(index.detach().numpy())
    if rows.size and (rows[0] < 0 or rows[-1] >= len(w)):
        bad = int(rows[0] if rows[0] < 0 else rows[-1])
        raise IndexError(f"index {bad} is out of bounds for dimension 0 with size {len(w)}")
    norms = np.linalg.norm(w[rows].astype(np.float64), ord=norm_type, axis=1)
    long = norms > max_norm
    w[rows[long]] *= (max_norm / (norms[long] + 1e-7))[:, None].astype(w.dtype)
    _cpu.mutate(weight)


def one_hot(tensor, num_classes=-1):
    """(*S, C) of int64: 1 at each class, else 0. RuntimeError for a class outside 0 .. C - 1."""
    if not isinstance(tensor, Array) or tensor.dtype is not dtypes.int64:
        raise DTypeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1:
        if not tensor._size:
            raise ShapeError("Can not infer total number of classes from empty tensor.")
        num_classes = int(np.max(tensor.numpy())) + 1
        if num_classes < 1:
            raise ShapeError("one_hot: Class values must be non-negative.")
    elif num_classes < 1:
        raise ShapeError("num_classes should be positive")
    y = _cpu.empty((*tensor._shape, num_classes), dtypes.int64)
    _cpu.one_hot(y, tensor)
    return y


# -- in place ---------------------------------------------------------------------------------------------------------------


def index_add_(input, dim, index, source, *, alpha=1):
    """In-place version of `index_add`."""
    if not input.ndim:
        return inplace(index_add, composite=True)(input, dim, index, source, alpha=alpha)
    return in_place(input, "index_add_", _setitem, *_index_write(input, dim, index, source, "index_add", 1, alpha)[1:])


def index_copy_(input, dim, index, source):
    """In-place version of `index_copy`."""
    if not input.ndim:
        return inplace(index_copy, composite=True)(input, dim, index, source)
    return in_place(input, "index_copy_", _setitem, *_index_write(input, dim, index, source, "index_copy", 0)[1:])


def index_fill_(input, dim, index, value):
    """In-place version of `index_fill`."""
    if not input.ndim:
        return inplace(index_fill, composite=True)(input, dim, index, value)
    return in_place(input, "index_fill_", _setitem, *_fill_args(input, dim, index, value))


def index_put_(input, indices, values, accumulate=False):
    """In-place version of `index_put`."""
    return in_place(input, "index_put_", _setitem, *_put_args(input, indices, values, accumulate))


def fill_diagonal_(input, fill_value, wrap=False):
    """Sets input[i, i, ...] = fill_value, in place; wrap starts again one row below the end of a tall matrix."""
    if input.ndim < 2:
        raise ShapeError("dimensions must larger than 1")
    if input.ndim > 2 and len(set(input._shape)) > 1:
        raise ShapeError("all dimensions of input must be of equal length")
    rows, columns = input._shape[0], input._shape[-1]
    i = np.arange(min(input._shape))
    tables = [i] * input.ndim
    if wrap and input.ndim == 2 and rows > columns:
        flat = np.arange(0, rows * columns, columns + 1)
        tables = [flat // columns, flat % columns]
    return in_place(
        input,
        "fill_diagonal_",
        _setitem,
        (number(fill_value, input.dtype), *(from_numpy(np.array(t)) for t in tables)),
        {"axes": tuple(range(input.ndim))},
    )


put_ = inplace(put)

__all__ = ("diagonal_scatter", "index_add", "index_copy", "index_fill", "index_put", "index_select", "put", "select_scatter", "slice_scatter", "take")
METHODS = (
    "diagonal_scatter fill_diagonal_ index_add index_add_ index_copy index_copy_ index_fill index_fill_ index_put index_put_ index_select put put_ select_scatter slice_scatter take"
).split()
FUNCTIONAL = ("embedding", "one_hot")
