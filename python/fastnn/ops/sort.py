"""Order: sort, argsort, topk, kthvalue, median, unique, searchsorted. Stable throughout; NaN counts as the largest value.

What was picked is remembered as indices, so the derivative is a scatter through them, whose derivative is a gather.
"""

from __future__ import annotations

from operator import index as index_of

import numpy as np

from .. import _cpu, dtypes
from ..autodiff import Array, op
from ..device import kernels
from ..errors import DTypeError, ShapeError
from ..results import result_type
from ..tensor import from_numpy, full, normalize_dim
from .reduce import _mean_of_ties, _need_elements, _put_along, _shared, _take_along
from .shape import _clone, _reshape


@op(saves="")
def _sort(x, *, dim, descending):
    y, index = _cpu.empty(x._shape, x.dtype), _cpu.empty(x._shape, dtypes.int64)
    kernels(x).sort(y, index, x, dim, descending)
    return y, index


@op(saves="")
def _topk(x, *, dim, k, largest):
    shape = (*x._shape[:dim], k, *x._shape[dim + 1 :]) if x.ndim else ()
    y, index = _cpu.empty(shape, x.dtype), _cpu.empty(shape, dtypes.int64)
    kernels(x).topk(y, index, x, dim, largest)
    return y, index


@op(saves="")
def _kthvalue(x, *, dim, k, nan_wins):
    shape = (*x._shape[:dim], 1, *x._shape[dim + 1 :]) if x.ndim else ()
    y, index = _cpu.empty(shape, x.dtype), _cpu.empty(shape, dtypes.int64)
    kernels(x).kthvalue(y, index, x, dim, k, nan_wins)
    return y, index


def _picked(g, y, x, dim, **options):
    return _put_along(g, y[1], x, dim) if x.ndim else g


for _op in (_sort, _topk, _kthvalue):
    _op.partials(_picked).tangents(lambda t, y, x, dim, **options: _take_along(t, y, x, dim))



@op(saves="xy")
def _ranked(x, *, k, nan_wins):
    """The k-th smallest of a line; its gradient goes evenly to all that are equal."""
    return _reshape.forward(_kthvalue.forward(x, dim=0, k=k, nan_wins=nan_wins)[0], shape=())


_ranked.partials(lambda g, y, x, **options: _shared(g, y, x, (0,)))
_ranked.tangents(lambda t, y, x, **options: _mean_of_ties(t, y, x, (0,), ()))

sort_result = result_type("sort", "values indices")
topk_result = result_type("topk", "values indices")
kthvalue_result = result_type("kthvalue", "values indices")
median_result = result_type("median", "values indices")


def sort(input, dim=-1, descending=False, stable=True):
    """(values, indices) in order along dim; equal elements keep their order, NaN comes last (first if descending)."""
    return sort_result(*_sort(input, dim=normalize_dim(dim, input.ndim), descending=bool(descending)))


def argsort(input, dim=-1, descending=False, stable=True):
    """The indices that sort input along dim."""
    return _sort.forward(input, dim=normalize_dim(dim, input.ndim), descending=bool(descending))[1]


def msort(input):
    """Values sorted along the first axis."""
    return sort(input, 0).values


def topk(input, k, dim=-1, largest=True, sorted=True):
    """(values, indices) of the k largest (or smallest) elements along dim, best first; of equals the first. Always sorted."""
    dim = normalize_dim(dim, input.ndim)
    k = index_of(k)
    if not 0 <= k <= (input._shape[dim] if input.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if not input.ndim:
        largest, dim = bool(largest), 0
        y, index = _topk(_reshape(input, shape=(1,)), dim=0, k=k, largest=largest)
        return topk_result(_reshape(y, shape=()), index._reshape(())) if k else topk_result(y, index)
    return topk_result(*_topk(input, dim=dim, k=k, largest=bool(largest)))


def _kth(input, k, dim, keepdim, nan_wins, result):
    y, index = _kthvalue(input, dim=dim, k=k, nan_wins=nan_wins)
    if not keepdim and input.ndim:
        shape = input._shape[:dim] + input._shape[dim + 1 :]
        y, index = _reshape(y, shape=shape), index._reshape(shape)
    return result(y, index)


def kthvalue(input, k, dim=-1, keepdim=False):
    """(values, indices) of the k-th smallest element along dim, k from 1."""
    dim = normalize_dim(dim, input.ndim)
    if not 1 <= k <= (input._shape[dim] if input.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    return _kth(input, int(k), dim, keepdim, False, kthvalue_result)


def _middle(input, n, nan_wins):
    """The median of all elements, n of which count."""
    if not input._size:
        return full((), float("nan"), dtype=input.dtype) if input._floating else _none_left("median")
    return _ranked(_reshape(input, shape=(input._size,)), k=max(n + 1, 2) // 2, nan_wins=nan_wins)


def median(input, dim=None, keepdim=False):
    """The median: of an even number of elements the lower of the two in the middle; NaN if there is one.

    Without dim of all elements (gradients go evenly to all that are equal), with dim (values, indices).
    """
    if dim is None:
        return _middle(input, input._size, True)
    dim = normalize_dim(dim, input.ndim)
    _need_elements(input, (dim,) if input.ndim else (), "median")
    n = input._shape[dim] if input.ndim else 1
    return _kth(input, (n + 1) // 2, dim, keepdim, True, median_result)


def _none_left(name):
    raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements in order; with return_inverse where each element of input went, with return_counts how many."""
    if dim is not None:
        return _unique_slices(input, normalize_dim(dim, input.ndim), return_inverse, return_counts)
    x = input.detach()
    x = x if x._packed else _clone.forward(x)
    y, counts = _cpu.empty((x._size,), x.dtype), _cpu.empty((x._size,), dtypes.int64)
    inverse, found = _cpu.empty(x._shape, dtypes.int64), _cpu.empty((), dtypes.int64)
    kernels(x).unique(y, inverse, counts, found, x)
    n = found.item()
    y, counts = y._slice(0, 0, n, 1), counts._slice(0, 0, n, 1)
    out = (y, *((inverse,) if return_inverse else ()), *((counts,) if return_counts else ()))
    return out if len(out) > 1 else y


def _unique_slices(input, dim, return_inverse, return_counts):
    y, inverse, counts = np.unique(input.detach().numpy(), axis=dim, return_inverse=True, return_counts=True)
    more = ((inverse.reshape(-1),) if return_inverse else ()) + ((counts,) if return_counts else ())
    out = tuple(from_numpy(np.ascontiguousarray(a)) for a in (y, *more))
    return out if len(out) > 1 else out[0]


def searchsorted(sorted_sequence, input, *, right=False, side=None, out_int32=False, sorter=None):
    """Where input's elements belong in sorted_sequence, before equal ones (right=True or side="right": after them).

    sorted_sequence (n) with input of any shape, or (*, n) with input (*, m). sorter: the indices that sort an unsorted one.
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"searchsorted(): side can only be 'left' or 'right' but got {side}")
    if sorter is not None:
        sorted_sequence = _in_order(sorted_sequence, sorter)
    number = not isinstance(input, Array)
    x = full((), input, dtype=sorted_sequence.dtype) if number else input.detach()
    edges = sorted_sequence.detach()
    if edges.ndim == 0 or (edges.ndim > 1 and edges._shape[:-1] != x._shape[:-1]):
        raise ShapeError(
            "searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and "
            f"input value tensor must match, but we got boundaries tensor {list(edges._shape)} and input value tensor {list(x._shape)}"
        )
    if edges.dtype is not x.dtype:
        raise DTypeError(
            "searchsorted(): boundary tensor and input value tensor should have same dtype, but got boundary tensor dtype "
            f"{edges.dtype.name} and input value tensor dtype {x.dtype.name}"
        )
    y = _cpu.empty(x._shape, dtypes.int64)
    edges, x = (t if t._packed else _clone.forward(t) for t in (edges, x))
    kernels(x).searchsorted(y, edges, x, right or side == "right")
    return y.to(dtypes.int32) if out_int32 else y


def _in_order(sequence, sorter):
    from .gather import gather

    if sorter._shape != sequence._shape:
        raise ShapeError(
            "searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
            f"{list(sequence._shape)} and got sorter tensor {list(sorter._shape)}"
        )
    if sorter.dtype is not dtypes.int64:
        raise DTypeError(f"searchsorted(): sorter must be a tensor of long dtype but got dtype {sorter.dtype.name}")
    return gather(sequence, -1, sorter)


def bucketize(input, boundaries, *, out_int32=False, right=False):
    """The bucket between boundaries (1-d, ascending) that each element falls into."""
    if boundaries.ndim != 1:
        raise ShapeError(f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, right=right, out_int32=out_int32)



__all__ = "argsort bucketize kthvalue median msort searchsorted sort topk unique".split()
METHODS = "argsort kthvalue median msort sort topk unique".split()
FUNCTIONAL = ()
