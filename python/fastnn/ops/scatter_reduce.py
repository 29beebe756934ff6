"""scatter_reduce and index_reduce: sums, means, products, largest and smallest of all that falls on one place.

Sums run on the scatter kernel; products and extremes on NumPy's `ufunc.at`. Derivatives follow PyTorch: ties of an extreme
share the gradient equally, a product with one zero gives it to the zero.
"""

from __future__ import annotations

import numpy as np

from .. import _cpu, dtypes
from ..autodiff import op
from ..creation import from_numpy, zero
from ..errors import ShapeError
from ..inplace import inplace
from ..tensor import normalize_dim, ones_like, zeros_like
from .elementwise import floor_divide, where
from .gather import _scatter_args, gather, scatter, scatter_add
from .index import as_rows
from .linalg import _of_examples
from .shape import expand, reshape, to

_UFUNCS = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def _places(index, dim):
    """index as a tuple for NumPy: x[places] is gather(x, dim, index)."""
    places = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    places[dim] = index
    return tuple(places)


@op(saves="y, x, index, src")
@_of_examples
def _reduce_at(x, index, src, *, dim, reduce):
    """dim is counted from the end. IndexError for places outside 0 .. size - 1 (NumPy would count from the end)."""
    values, size = index.numpy(), x._shape[dim]
    bad = values[(values < 0) | (values >= size)]
    if bad.size:
        raise IndexError(f"index {int(bad[0])} is out of bounds for dimension with size {size}")
    y = x.detach().numpy().copy()
    _UFUNCS[reduce].at(y, _places(values, dim), src.detach().numpy())
    return from_numpy(y)


_reduce_at.saved = (-1, 0, 1, 2)


def _shares(y, x, index, src, dim):
    """1 where x and src are what was chosen, over how many there are."""
    mine, theirs = to(_cpu.eq(x, y), y.dtype), to(_cpu.eq(src, gather(y.detach(), dim, index)), y.dtype)
    count = scatter_add(mine, dim, index, theirs)
    return mine, theirs, where(_cpu.eq(count, 0), ones_like(count), count)


def _others(x, index, src, dim):
    """The product of all at a place but zeros, how many zeros there are, and their sum, which is 0 but has a derivative."""
    one, none, at_x, at_src = ones_like(zero(x.dtype)), zero(x.dtype), _cpu.eq(x, 0), _cpu.eq(src, 0)
    product = _reduce_at(where(at_x, one, x), index, where(at_src, one, src), dim=dim, reduce="prod")
    zeros = scatter_add(to(at_x, x.dtype), dim, index, to(at_src, x.dtype))
    return product, zeros, scatter_add(where(at_x, x, none), dim, index, where(at_src, src, none))


def _without(v, product, zeros, total):
    """The product of the others at v's place; of one zero among them, that zero times the rest."""
    none = zero(v.dtype)
    is_zero, one, two = _cpu.eq(v, 0), _cpu.eq(zeros, 1), _cpu.eq(zeros, 2)
    divided = product / where(is_zero, ones_like(zero(v.dtype)), v)
    of_zero = where(one, product, where(two, product * (total - v), none))
    return where(is_zero, of_zero, where(one, divided * total, where(_cpu.eq(zeros, 0), divided, none)))


def _dx(g, y, x, index, src, dim, reduce):
    if reduce == "prod":
        return g * _without(x, *_others(x, index, src, dim))
    mine, _, count = _shares(y, x, index, src, dim)
    return g * mine / count


def _dsrc(g, y, x, index, src, dim, reduce):
    if reduce == "prod":
        return gather(g, dim, index) * _without(src, *(gather(t, dim, index) for t in _others(x, index, src, dim)))
    _, theirs, count = _shares(y, x, index, src, dim)
    return gather(g / count, dim, index) * theirs


def _dsrc_forward(t, y, x, index, src, dim, reduce):
    return scatter_add(zeros_like(x), dim, index, _dsrc(ones_like(y), y, x, index, src, dim, reduce) * t)


_reduce_at.partials(_dx, None, _dsrc).tangents(_dx, None, _dsrc_forward)


def _start(x, dim, index, reduce):
    """x where nothing arrives, the reduction's neutral value elsewhere (include_self=False)."""
    if reduce == "prod":
        value = 1
    elif reduce in ("sum", "mean"):
        value = 0
    elif x.dtype.is_floating_point:
        value = float("-inf" if reduce == "amax" else "inf")
    elif x.dtype is dtypes.bool:
        value = reduce == "amin"
    else:
        info = np.iinfo(x.dtype.numpy)
        value = int(info.min if reduce == "amax" else info.max)
    return scatter(x, dim, index, value)


def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """input with y[i, index[i, j, k], k] reduced with src[i, j, k] (dim 1): "sum", "prod", "mean", "amax" or "amin".

    include_self=False: what input holds at those places does not take part. IndexError outside 0 .. size - 1.
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise ShapeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    (index, src), params = _scatter_args(input, dim, index, src, "scatter_reduce", 1)
    dim, x = params["dim"], as_rows(input)
    if not index._size:
        return input.clone()
    base = x if include_self else _start(x, dim, index, reduce)
    if reduce in ("sum", "mean"):
        y = scatter_add(base, dim, index, src)
        if reduce == "mean":
            count = ones_like(x, dtype=x.dtype) if include_self else zeros_like(x)
            count = scatter_add(count, dim, index, ones_like(src))
            count = where(_cpu.eq(count, 0), ones_like(count), count)
            y = y / count if y.dtype.is_floating_point else floor_divide(y, count)
    else:
        y = _reduce_at(base, index, src, dim=dim - x.ndim, reduce=reduce)
    return y if input.ndim else reshape(y, ())


def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """input with the slices of axis dim that index (a vector) names reduced with those of source: "prod", "mean", "amax", "amin"."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise ShapeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    dim = normalize_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_reduce(): Index is supposed to be a vector")
    if source.ndim != input.ndim or (source.ndim and source._shape[dim] != index._size):
        raise ShapeError(
            f"index_reduce(): Number of indices ({index._size}) should be equal to source.size(dim) of {list(source._shape)}"
        )
    shape = [1] * max(source.ndim, 1)
    shape[dim] = index._size
    table = expand(reshape(index, tuple(shape)), as_rows(source)._shape)
    return scatter_reduce(input, dim, table if input.ndim else reshape(table, ()), source, reduce, include_self=include_self)


scatter_reduce_, index_reduce_ = (inplace(f, composite=True) for f in (scatter_reduce, index_reduce))

__all__ = ("index_reduce", "scatter_reduce")
METHODS = ("index_reduce", "index_reduce_", "scatter_reduce", "scatter_reduce_")
