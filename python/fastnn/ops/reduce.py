"""Reductions: sum, mean, max, logsumexp, any, ... over any axes. {sum, expand} are each other's partials.

var, std and norm are in variance.py, products and running sums in scan.py; both stand on the helpers here.

`dim` is None (all axes), an int or a tuple. Sums, products and counts of integers and bools are int64. Errors:
IndexError for an axis that does not exist, RuntimeError for one named twice, and where a reduction without a neutral
element (max, argmax) meets no elements.
"""

from __future__ import annotations

import builtins

from .. import _cpu, dtypes
from ..autodiff import Array, op
from ..device import kernels
from ..errors import DTypeError, ShapeError
from ..results import result_type
from ..tensor import normalize_dim, ones_like, shape_from, zeros
from .shape import _clone, _expand, _reshape

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
    if y.ndim == x.ndim or y.ndim == 0:
        return y
    return _reshape(y, shape=tuple([1 if d in dims else s for d, s in enumerate(x._shape)]))


def _spread(g, x, dims):
    """g, the gradient of a result, at every element of x that went into it."""
    return _expand(_kept(g, x, dims), shape=x._shape)


def _need_elements(x, dims, name):
    if x._size == 0:
        if len(dims) == x.ndim:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.")
        for d in dims:
            if x._shape[d] == 0:
                raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


def _run(kernel, x, dims, shape, dtype, *numbers):
    y = _cpu.empty(shape, dtype)
    kernel(y, x, dims, *numbers)
    return y


def _packed(x):
    return x if x._packed else _clone.forward(x)


# -- sum and mean -----------------------------------------------------------------------------------------------------------


@op(saves="")
def _sum(x, *, dims, shape):
    y = _cpu.empty(shape, x.dtype if x._floating else dtypes.int64)
    kernels(x).sum(y, x, dims)
    return y


_sum.partials(lambda g, y, x, dims, shape: _spread(g, x, dims)).linear()


@op(saves="")
def _mean(x, *, dims, shape):
    y = _cpu.empty(shape, x.dtype)
    kernels(x).mean(y, x, dims)
    return y


_mean.partials(lambda g, y, x, dims, shape: _spread(g * (y._size / (x._size or 1)), x, dims)).linear()


def sum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over dim; 0 where there are no elements. float32 is summed in blocks: the error does not grow with length."""
    if dtype is not None:
        y = sum(input.to(dtype), dim, keepdim)
        return y if y.dtype is dtype else y.to(dtype)  # integers are summed in int64
    if dim is None and not keepdim:
        return _sum(input, dims=_ALL[input.ndim], shape=())
    dims = _dims(input, dim)
    return _sum(input, dims=dims, shape=_shape(input, dims, keepdim))


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
    shape, have = tuple(shape), x._shape
    if have == shape:
        return x
    lead = len(have) - len(shape)
    if lead > 0 and have[lead:] == shape:
        return _sum(x, dims=_ALL[lead], shape=shape)
    if lead < 0 or builtins.any(s not in (1, n) for s, n in zip(shape, x._shape[lead:], strict=True)):
        raise ShapeError(f"sum_to: a tensor of shape {list(x._shape)} is not a broadcast of shape {list(shape)}")
    dims = tuple([d for d, n in enumerate(x._shape) if d < lead or (shape[d - lead] == 1 and n != 1)])
    return _sum(x, dims=dims, shape=shape)


def sum_to_size(input, *size):
    """`sum_to` as PyTorch spells it: input summed to a shape that broadcasts to its own."""
    return sum_to(input, shape_from(size))


def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over dim, NaN counted as 0."""
    return sum(_without_nan(input)[0], dim, keepdim, dtype=dtype)


def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean over dim of what is not NaN; NaN where nothing is left."""
    x, valid = _without_nan(input)
    return sum(x, dim, keepdim, dtype=dtype) / sum(valid, dim, keepdim)


def _without_nan(x):
    from .elementwise import where

    valid = x == x
    return where(valid, x, 0.0 if x._floating else 0), valid


# -- max, min, argmax, argmin -----------------------------------------------------------------------------------------------


def _ties(y, x, dims):
    """Which elements of x equal y, and how many they are (with the reduced axes kept, in x's dtype)."""
    k = kernels(x)
    ties = k.eq(x, _kept(y, x, dims))
    return ties, _run(k.count_nonzero, ties, dims, _shape(x, dims, True), dtypes.int64).to(x.dtype)


def _shared(g, y, x, dims):
    """g at the elements of x that equal y, in equal shares among them."""
    from .elementwise import where

    ties, count = _ties(y, x, dims)
    return where(ties, _kept(g, x, dims) / count, 0.0)


def _mean_of_ties(t, y, x, dims, shape):
    """The mean of t over the elements of x that equal y: the transpose of `_shared`."""
    from .elementwise import where

    ties, count = _ties(y, x, dims)
    return _sum(where(ties, t / count, 0.0), dims=dims, shape=shape)


def _shared_in_one_pass(g, y, x, needs, dims, shape):
    _, count = _ties(y, x, dims)
    return (kernels(x).extremum_dx(_kept(g, x, dims) / count, x, _kept(y, x, dims)),)


def _extremum(kernel):
    def forward(x, *, dims, shape):
        return _run(getattr(kernels(x), kernel), x, dims, shape, x.dtype)

    forward.__name__ = "a" + kernel
    partial = op(forward, saves="xy").partials(lambda g, y, x, dims, shape: _shared(g, y, x, dims))
    return partial.tangents(_mean_of_ties).joint(_shared_in_one_pass)


_amax, _amin = _extremum("max"), _extremum("min")


def _place(kernel):
    def forward(x, *, dim, shape):
        y, index = _cpu.empty(shape, x.dtype), _cpu.empty(shape, dtypes.int64)
        getattr(kernels(x), "arg" + kernel)(index, y, x, dim)
        return y, index

    forward.__name__ = kernel

    def dx(g, y, x, dim, shape):
        return _put_along(g, y[1], x, dim)

    return op(forward, saves="").partials(dx).tangents(lambda t, y, x, dim, shape: _take_along(t, y, x, dim))


def _take_along(t, y, x, dim):
    """t where the indices of y = (values, index) point along dim: the transpose of `_put_along`."""
    from .gather import _gather

    if not x.ndim:
        return t
    values, index = y[0], y[1]
    if index.ndim != x.ndim:
        index = _reshape(index, shape=(*x._shape[:dim], 1, *x._shape[dim + 1 :]))
    t = _gather(t, index, dim=dim)
    return t if t._shape == values._shape else _reshape(t, shape=values._shape)


def _put_along(g, index, x, dim):
    """Zeros of x's shape with g where index points along dim: the derivative of picking by index."""
    from .gather import scatter_add

    if g.ndim != x.ndim:
        shape = (*x._shape[:dim], 1, *x._shape[dim + 1 :])
        g, index = _reshape(g, shape=shape), _reshape(index, shape=shape)
    return scatter_add(zeros(x._shape, dtype=g.dtype, device=g.device), dim, index, g)


_max_along, _min_along = _place("max"), _place("min")
max_result = result_type("max", "values indices")
min_result = result_type("min", "values indices")


def _max_or_min(input, dim, keepdim, name, all_of, along, result, two):
    if isinstance(dim, Array):
        if isinstance(keepdim, Array):
            raise TypeError(f"{name}: expected one tensor or two, got more")
        from . import elementwise

        return getattr(elementwise, two)(input, dim)
    if dim is None:
        raise RuntimeError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.")
    dim = normalize_dim(dim, input.ndim)
    dims = (dim,) if input.ndim else ()
    _need_elements(input, dims, name)
    return result(*along(input, dim=dim, shape=_shape(input, dims, keepdim)))


def max(input, dim=None, keepdim=False, *, other=None):
    """The largest element; NaN if there is one. With dim: (values, indices), the first index where several are equal.

    max(input, other) is `maximum`. Gradients go to the element at the index, or evenly to all that are equal (no dim).
    """
    if dim is None:
        dim = other
    if dim is None and input._size:
        return _amax(input, dims=_ALL[input.ndim], shape=())
    return _max_or_min(input, dim, keepdim, "max", _amax, _max_along, max_result, "maximum")


def min(input, dim=None, keepdim=False, *, other=None):
    """The smallest element; NaN if there is one. With dim: (values, indices), the first index where several are equal."""
    if dim is None:
        dim = other
    if dim is None and input._size:
        return _amin(input, dims=_ALL[input.ndim], shape=())
    return _max_or_min(input, dim, keepdim, "min", _amin, _min_along, min_result, "minimum")


def _a_extremum(input, dim, keepdim, name, f):
    dims = _dims(input, dim)
    if not input._size and len(dims) == input.ndim:
        raise RuntimeError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.")
    _need_elements(input, dims, name)
    return f(input, dims=dims, shape=_shape(input, dims, keepdim))


def amax(input, dim=(), keepdim=False):
    """The largest elements over dim; gradients go evenly to all that are equal."""
    if dim == () and not keepdim and input._size:
        return _amax(input, dims=_ALL[input.ndim], shape=())
    return _a_extremum(input, dim, keepdim, "amax", _amax)


def amin(input, dim=(), keepdim=False):
    """The smallest elements over dim; gradients go evenly to all that are equal."""
    if dim == () and not keepdim and input._size:
        return _amin(input, dims=_ALL[input.ndim], shape=())
    return _a_extremum(input, dim, keepdim, "amin", _amin)


aminmax_result = result_type("aminmax", "min max")


def aminmax(input, *, dim=None, keepdim=False):
    """(min, max) over dim."""
    return aminmax_result(amin(input, dim, keepdim), amax(input, dim, keepdim))


def _arg(input, dim, keepdim, name):
    x = input
    if dim is None:
        if x._size == 0:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
        flat = _packed(x)._reshape((x._size,))
        shape, dim = (1,) * x.ndim if keepdim else (), 0
    else:
        dim = normalize_dim(dim, x.ndim)
        dims = (dim,) if x.ndim else ()
        if not x._size:
            _need_elements(x, dims, name)
        flat, shape = x, _shape(x, dims, keepdim)
    line = () if flat.ndim == 1 else shape
    index = _cpu.empty(line, dtypes.int64)
    getattr(kernels(x), name)(index, _cpu.empty(line, x.dtype), flat, dim)
    if line != shape:
        index = index._reshape(shape)
    if x.requires_grad:
        index._steps = name
    return index


def argmax(input, dim=None, keepdim=False):
    """The index of the largest element (the first of equals; a NaN counts as largest), of the flattened input without dim."""
    return _arg(input, dim, keepdim, "argmax")


def argmin(input, dim=None, keepdim=False):
    """The index of the smallest element (the first of equals; a NaN counts as smallest)."""
    return _arg(input, dim, keepdim, "argmin")


# -- any, all, count_nonzero ------------------------------------------------------------------------------------------------


def _logical(input, dim, keepdim, name):
    dims = _dims(input, dim)
    y = _run(getattr(kernels(input), name), input, dims, _shape(input, dims, keepdim), dtypes.bool)
    return y.to(dtypes.uint8) if input.dtype is dtypes.uint8 else y


def any(input, dim=None, keepdim=False):
    """Is any element over dim not zero? NaN is not zero; False where there are no elements."""
    return _logical(input, dim, keepdim, "any")


def all(input, dim=None, keepdim=False):
    """Are all elements over dim not zero? True where there are no elements."""
    return _logical(input, dim, keepdim, "all")


def count_nonzero(input, dim=None):
    """How many elements over dim are not zero (int64)."""
    dims = _dims(input, dim)
    return _run(kernels(input).count_nonzero, input, dims, _shape(input, dims, False), dtypes.int64)


# -- logsumexp --------------------------------------------------------------------------------------------------------------


@op(saves="xy")
def _logsumexp(x, *, dims, shape):
    return _run(kernels(x).logsumexp, x, dims, shape, x.dtype)


def _logsumexp_dx(g, y, x, dims, shape):
    from .elementwise import clamp, exp

    return _spread(g, x, dims) * exp(x - _kept(clamp(y, min=-3e38), x, dims))  # clamp: a row of -inf has gradient 0


def _logsumexp_dx_in_one_pass(g, y, x, needs, dims, shape):
    return (kernels(x).logsumexp_dx(_kept(g, x, dims), x, _kept(y, x, dims)),)


_logsumexp.partials(_logsumexp_dx).joint(_logsumexp_dx_in_one_pass).tangents(
    lambda t, y, x, dims, shape: _sum(_logsumexp_dx(ones_like(y), y, x, dims, shape) * t, dims=dims, shape=shape)
)


def logsumexp(input, dim, keepdim=False):
    """log Σ exp(x) over dim, without overflow; -inf where every element is -inf or there are none."""
    if not input._floating:
        input = input.to(dtypes.get_default_dtype())
    dims = _dims(input, dim)
    return _logsumexp(input, dims=dims, shape=_shape(input, dims, keepdim))


__all__ = (
    "all amax amin aminmax any argmax argmin count_nonzero logsumexp max mean min nanmean nansum sum"
).split()
METHODS = (*__all__, "sum_to_size")
FUNCTIONAL = ()
