"""Reductions: sum, mean, max, logsumexp, var, ... over any axes. {sum, expand} are each other's partials.

`dim` is None (all axes), an int or a tuple; `axis` and `keepdims` are accepted as in NumPy. Sums, products and counts of
integers and bools are int64. Errors: IndexError for an axis that does not exist, RuntimeError for one named twice, and
where a reduction without a neutral element (max, argmax) meets no elements.
"""

from __future__ import annotations

import builtins
import functools
from collections import namedtuple

from .. import _cpu, dtypes
from ..autodiff import no_grad, op
from ..device import kernels
from ..errors import DTypeError, ShapeError
from ..tensor import Tensor, normalize_dim
from .shape import _expand, _reshape

# -- axes and shapes --------------------------------------------------------------------------------------------------------

_ALL = {n: tuple(range(n)) for n in range(9)}


def _dims(x, dim):
    """dim as a tuple of distinct axes of x; None and () mean all."""
    if dim is None:
        return _ALL[x.ndim]
    n = x.ndim
    if type(dim) is int and -n <= dim < n:
        return (dim if dim >= 0 else dim + n,)
    if not isinstance(dim, (tuple, list)):
        d = normalize_dim(dim, n)
        return (d,) if n else ()
    if not dim:
        return _ALL[n]
    dims = tuple(normalize_dim(d, n) for d in dim)
    if len(set(dims)) != len(dims):
        twice = next(d for d in dims if dims.count(d) > 1)
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    return dims if n else ()


def _shape(x, dims, keepdim):
    if len(dims) == x.ndim:
        return (1,) * x.ndim if keepdim else ()
    if keepdim:
        return tuple([1 if d in dims else s for d, s in enumerate(x._shape)])
    return tuple([s for d, s in enumerate(x._shape) if d not in dims])


def _kept(y, x, dims):
    """y, a result of reducing x over dims, with the reduced axes as length 1."""
    if y._size == 1 or y.ndim == x.ndim:
        return y if y.ndim <= x.ndim and y._size == 1 or y.ndim == x.ndim else _reshape(y, shape=(1,) * x.ndim)
    return _reshape(y, shape=tuple([1 if d in dims else s for d, s in enumerate(x._shape)]))


def _spread(g, x, dims):
    """g, the gradient of a result, at every element of x that went into it."""
    return _expand(_kept(g, x, dims), shape=x._shape)


def _numpy_names(function):
    """axis= and keepdims= as other names of dim= and keepdim=."""

    @functools.wraps(function)
    def named(input, *args, **kwargs):
        if kwargs:
            if "axis" in kwargs:
                kwargs["dim"] = kwargs.pop("axis")
            if "keepdims" in kwargs:
                kwargs["keepdim"] = kwargs.pop("keepdims")
        return function(input, *args, **kwargs)

    return named


def _need_elements(x, dims, name):
    if x._size == 0:
        if len(dims) == x.ndim:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.")
        for d in dims:
            if x._shape[d] == 0:
                raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


def _need_float(x, name, what="a floating point"):
    if not x._floating:
        raise DTypeError(f"{name}: expected {what} tensor, got {x.dtype.name}")


def _run(kernel, x, dims, shape, dtype, *numbers):
    y = _cpu.empty(shape, dtype)
    kernel(y, x, dims, *numbers)
    return y


# -- sum and mean -----------------------------------------------------------------------------------------------------------


@op(saves="")
def _sum(x, *, dims, shape):
    y = _cpu.empty(shape, x.dtype if x._floating else dtypes.int64)
    kernels(x).sum(y, x, dims)
    return y


_sum.partials(lambda g, y, x, dims, shape: _spread(g, x, dims))


@op(saves="")
def _mean(x, *, dims, shape):
    return _run(kernels(x).mean, x, dims, shape, x.dtype)


_mean.partials(lambda g, y, x, dims, shape: _spread(g * (y._size / x._size), x, dims))


@_numpy_names
def sum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over dim; 0 where there are no elements. float32 is summed in blocks: the error does not grow with length."""
    if dtype is not None:
        input = input.to(dtype)
    dims = _dims(input, dim)
    return _sum(input, dims=dims, shape=_shape(input, dims, keepdim))


@_numpy_names
def mean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean over dim; NaN where there are no elements. RuntimeError for integers, unless dtype says otherwise."""
    if dtype is not None:
        input = input.to(dtype)
    if not input._floating:
        raise DTypeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {input.dtype.name}"
        )
    dims = _dims(input, dim)
    return _mean(input, dims=dims, shape=_shape(input, dims, keepdim))


def sum_to(x, shape):
    """x summed over the axes along which `shape` was broadcast: the partial of broadcasting. ShapeError if it was not."""
    shape = tuple(shape)
    if x._shape == shape:
        return x
    lead = x.ndim - len(shape)
    if lead < 0 or any(s not in (1, n) for s, n in zip(shape, x._shape[lead:], strict=True)):
        raise ShapeError(f"sum_to: a tensor of shape {list(x._shape)} is not a broadcast of shape {list(shape)}")
    dims = tuple([d for d, n in enumerate(x._shape) if d < lead or (shape[d - lead] == 1 and n != 1)])
    return _sum(x, dims=dims, shape=shape)


@_numpy_names
def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over dim, NaN counted as 0."""
    return sum(_without_nan(input)[0], dim, keepdim, dtype=dtype)


@_numpy_names
def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean over dim of what is not NaN; NaN where nothing is left."""
    x, valid = _without_nan(input)
    return sum(x, dim, keepdim, dtype=dtype) / sum(valid, dim, keepdim)


def _without_nan(x):
    from .elementwise import where

    valid = x == x
    return where(valid, x, 0.0 if x._floating else 0), valid


__all__ = "mean sum".split()
METHODS = "mean sum".split()
