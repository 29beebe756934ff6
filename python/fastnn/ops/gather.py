"""One index per element, along one axis: gather, scatter, and their sums (csrc/kernels/index/gather.cpp)."""

from __future__ import annotations

import numpy as np

from .. import _cpu, dtypes
from ..autodiff import Array, op
from ..creation import number, zero
from ..device import beside
from ..errors import DTypeError, ShapeError
from ..inplace import inplace
from ..tensor import from_numpy, normalize_dim
from .index import as_rows, in_place, int_index, only_where
from .shape import _slice, broadcast_shapes, expand, reshape


@op(saves="index")
def _gather(x, index, *, dim):
    y = _cpu.empty(index._shape, x.dtype)
    _cpu.gather(y, x, index, dim)
    return y


@op(saves="index")
def _gather_dx(g, index, *, shape, dim):
    y = _cpu.empty(shape, g.dtype, g, index)
    _cpu.copy(y, zero(g.dtype)._expand(shape))
    _cpu.scatter(y, index, g, dim, 1)
    return y


@op(saves="index")
def _scatter(x, index, src, *, dim, accumulate):
    y = _cpu.empty(x._shape, x.dtype)
    _cpu.copy(y, x)
    _scatter_into(y, index, src, dim, accumulate)
    return y


def _scatter_into(y, index, src, dim, accumulate):
    _cpu.scatter(y, index, src, dim, accumulate)


def _scatter_dsrc(g, y, x, index, src, dim, accumulate):
    g = _gather(g, index, dim=dim)
    if accumulate:
        return g
    place, got = _cpu.empty(x._shape, dtypes.int64), _cpu.empty(index._shape, dtypes.int64)
    number = beside(from_numpy(np.arange(index._size).reshape(index._shape)), index)
    _cpu.scatter(place, index, number, dim, 0)
    _cpu.gather(got, place, index, dim)
    return only_where(_cpu.eq(got, number), g)


_gather.partials(lambda g, y, x, index, dim: _gather_dx(g, index, shape=x._shape, dim=dim), None).linear(0)
_gather_dx.partials(lambda h, y, g, index, shape, dim: _gather(h, index, dim=dim), None).linear(0)
_scatter.partials(
    lambda g, y, x, index, src, dim, accumulate: (
        g if accumulate else _scatter(g, index, zero(g.dtype)._expand(index._shape), dim=dim, accumulate=0)
    ),
    None,
    _scatter_dsrc,
).linear(0, 2)


def _check_index(input, dim, index, name, src=None):
    dim = normalize_dim(dim, input.ndim)
    if max(index.ndim, 1) != max(input.ndim, 1) and index._size:
        raise ShapeError(f"{name}(): Index tensor must have the same number of dimensions as input tensor")
    for d, n in enumerate(index._shape if index._size and input.ndim else ()):
        if (d != dim and n > input._shape[d]) or (src is not None and n > src._shape[d]):
            also = "" if src is None else f" and to be no larger size than src {list(src._shape)}"
            raise ShapeError(
                f"{name}(): Size does not match at dimension {d}: expected index {list(index._shape)} to be no larger than "
                f"self {list(input._shape)} apart from dimension {dim}{also}"
            )
    return dim


def gather(input, dim, index, *, sparse_grad=False):
    """y[i, j, k] = input[i, index[i, j, k], k] for dim 1, and so on; y has index's shape. IndexError outside 0 .. size - 1."""
    if not index._size:
        _check_index(input, dim, index, "gather")
        return _cpu.empty(index._shape, input.dtype)
    dim = _check_index(input, dim, int_index(index, "gather"), "gather")
    if input.ndim == 0:
        return reshape(_gather(as_rows(input), as_rows(index), dim=0), index._shape)
    return _gather(input, index, dim=dim)


def _scatter_args(input, dim, index, src, name, accumulate):
    index = int_index(index, name)
    if not isinstance(src, Array):
        if isinstance(src, (int, float, np.number)):
            src = expand(number(src, input.dtype), index._shape)
        else:
            raise TypeError(f"{name}(): src must be a Tensor or a number, not {type(src).__name__}")
    if src.dtype is not input.dtype:
        raise DTypeError(f"{name}(): Expected self.dtype to be equal to src.dtype, got {input.dtype.name} and {src.dtype.name}")
    if src.ndim != index.ndim and index._size:
        raise ShapeError(f"{name}(): Index tensor must have the same number of dimensions as src tensor")
    dim = _check_index(input, dim, index, name, src)
    for d, n in enumerate(index._shape if index._size else ()):
        if src._shape[d] != n:
            src = _slice(src, dim=d, start=0, length=n, step=1)
    return (as_rows(index), as_rows(src)), {"dim": dim, "accumulate": accumulate}


def _scattered(input, args, params):
    if not args[0]._size:
        return input.clone()
    if input.ndim == 0:
        return reshape(_scatter(as_rows(input), *args, **params), ())
    return _scatter(input, *args, **params)


def _reduction(reduce):
    if reduce not in (None, "add", "multiply"):
        raise ShapeError(f"reduce argument must be either add or multiply, got {reduce!r}")
    return int(reduce == "add")


def _source(src, value):
    if (src is None) == (value is None):
        raise TypeError("scatter() takes one of src and value")
    return value if src is None else src


def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """input with y[i, index[i, j, k], k] = src[i, j, k] (dim 1); src may be a number. The last of equal indices stays.

    reduce="add" adds instead, "multiply" multiplies. IndexError outside 0 .. size - 1.
    """
    args, params = _scatter_args(input, dim, index, _source(src, value), "scatter", _reduction(reduce))
    if reduce == "multiply":
        from .scatter_reduce import scatter_reduce

        product = scatter_reduce(as_rows(input), params["dim"], *args, "prod") if args[0]._size else input.clone()
        return reshape(product, input._shape)
    return _scattered(input, args, params)


def scatter_add(input, dim, index, src):
    """input with y[i, index[i, j, k], k] += src[i, j, k] (dim 1); the order of sums does not depend on threads."""
    return _scattered(input, *_scatter_args(input, dim, index, src, "scatter_add", 1))


def take_along_dim(input, indices, dim=None):
    """gather where the other axes of input and indices broadcast; dim None takes from the flattened input.

    Negative indices count from the end.
    """
    indices = int_index(indices, "take_along_dim")
    if dim is None:
        return take_along_dim(reshape(input, (-1,)), reshape(indices, (-1,)), 0)
    if input.ndim != indices.ndim:
        raise ShapeError(
            "take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    dim = normalize_dim(dim, input.ndim)
    a, b = list(input._shape), list(indices._shape)
    if a:
        a[dim] = b[dim] = 1
    common = list(broadcast_shapes(tuple(a), tuple(b)))
    if a:
        a, b = list(common), list(common)
        a[dim], b[dim] = input._shape[dim], indices._shape[dim]
    n = input._shape[dim] if a else 1
    indices = indices + _cpu.lt(indices, 0).to(indices.dtype) * n
    return gather(expand(input, tuple(a)), dim, expand(indices, tuple(b)))


def scatter_(input, dim, index, src=None, *, value=None, reduce=None):
    """In-place version of `scatter`."""
    if reduce == "multiply" or not input.ndim:
        return inplace(scatter, composite=True)(input, dim, index, src, value=value, reduce=reduce)
    args, params = _scatter_args(input, dim, index, _source(src, value), "scatter_", _reduction(reduce))
    return in_place(input, "scatter_", _scatter, args, params, _scatter_into) if args[0]._size else input


def scatter_add_(input, dim, index, src):
    """In-place version of `scatter_add`."""
    if not input.ndim:
        return inplace(scatter_add, composite=True)(input, dim, index, src)
    args, params = _scatter_args(input, dim, index, src, "scatter_add_", 1)
    return in_place(input, "scatter_add_", _scatter, args, params, _scatter_into) if args[0]._size else input


__all__ = ("gather", "scatter", "scatter_add", "take_along_dim")
METHODS = ("gather", "scatter", "scatter_", "scatter_add", "scatter_add_", "take_along_dim")
