"""Masks: nonzero, masked_select, masked_fill, masked_scatter (csrc/kernels/index/mask.cpp)."""

from __future__ import annotations

from .. import _cpu, dtypes
from ..autodiff import Array, op
from ..creation import number
from ..errors import DTypeError, ShapeError
from ..inplace import inplace, writable
from .shape import _clone, _slice, broadcast_shapes, contiguous, expand, reshape, to

CHUNK = 16384


def count_ones(mask):
    """(start, total): how many ones lie before each chunk of a contiguous mask, and in all of it."""
    start = _cpu.empty((-(-mask._size // CHUNK) + 1,), dtypes.int64)
    _cpu.mask_starts(start, mask, CHUNK)
    return start, int(start._select(0, -1).item())


def _nonzero(mask, by_axis):
    mask = contiguous(mask)
    start, total = count_ones(mask)
    y = _cpu.empty((mask.ndim, total) if by_axis else (total, mask.ndim), dtypes.int64, mask)
    if total and mask.ndim:
        _cpu.nonzero(y if by_axis else y._permute((1, 0)), mask, start, CHUNK)
    return y


def nonzero_columns(mask):
    y = _nonzero(mask, True)
    return [y._select(0, d) for d in range(mask.ndim)]


def nonzero(input, *, as_tuple=False):
    """Coordinates of the elements that are not zero, in row-major order: (count, ndim), or a tuple of one vector an axis."""
    mask = input if input.dtype is dtypes.bool else _cpu.ne(input, 0)
    if as_tuple:
        return tuple(nonzero_columns(mask if mask.ndim else mask._reshape((1,))))
    return _nonzero(mask, False)


def argwhere(input):
    """Where input is not 0: (n, input.ndim) int64, a row of indices for each, as `nonzero`."""
    return nonzero(input)


@op(saves="mask, start")
def _masked_select(x, mask, start, *, total):
    y = _cpu.empty((total,), x.dtype)
    _cpu.masked_select(y, x if x._packed else x.clone(), mask, start, CHUNK)
    return y


@op(saves="mask, start")
def _masked_select_dx(g, mask, start, *, total):
    y = _cpu.empty(mask._shape, g.dtype)
    _cpu.masked_put(y, g if g._packed else g.clone(), mask, start, CHUNK, 1)
    return y


_masked_select.partials(lambda g, y, x, mask, start, **p: _masked_select_dx(g, mask, start, **p), None, None).linear(0)
_masked_select_dx.partials(lambda h, y, g, mask, start, **p: _masked_select(h, mask, start, **p), None, None).linear(0)


@op(saves="mask, start")
def _masked_scatter(x, values, mask, start):
    y = _clone.forward(x)
    _cpu.masked_put(y, contiguous(values), mask, start, CHUNK, 0)
    return y


_masked_scatter.partials(
    lambda g, y, x, values, mask, start: masked_fill(g, mask, 0),
    lambda g, y, x, values, mask, start: _masked_select(g, mask, start, total=values._size),
    None,
    None,
).linear(0, 1)


def _bool_mask(mask, name):
    if not isinstance(mask, Array):
        raise TypeError(f"{name}(): mask must be a Tensor, not {type(mask).__name__}")
    if mask.dtype is not dtypes.bool:
        raise DTypeError(f"{name}: expected BoolTensor for mask, got {mask.dtype.name}")
    return mask


def masked_select(input, mask):
    """The elements of input where mask (broadcast with it) is True, as a vector in row-major order."""
    mask = _bool_mask(mask, "masked_select")
    if mask._shape != input._shape:
        shape = broadcast_shapes(input._shape, mask._shape, op="masked_select")
        input, mask = expand(input, shape), expand(mask, shape)
    mask = contiguous(mask)
    start, total = count_ones(mask)
    return _masked_select(input, mask, start, total=total)


def _fill_value(input, mask, value):
    mask = _bool_mask(mask, "masked_fill")
    if not isinstance(value, Array):
        value = number(value, input.dtype)
    elif value.ndim:
        raise ShapeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    return mask, to(value, input.dtype)


def masked_fill(input, mask, value):
    """input with one value where mask (broadcast with it) is True."""
    from .elementwise import where

    mask, value = _fill_value(input, mask, value)
    return where(mask, value, input)


def masked_scatter(input, mask, source):
    """input with the elements where mask is True replaced by those of source, in order."""
    mask = _bool_mask(mask, "masked_scatter")
    shape = broadcast_shapes(input._shape, mask._shape, op="masked_scatter")
    input, mask = expand(input, shape), expand(mask, shape)
    if source.dtype is not input.dtype:
        raise DTypeError(f"masked_scatter_: expected self and source to have same dtypes but got {input.dtype.name} and {source.dtype.name}")
    mask = contiguous(mask)
    if mask._levels:  # inside vmap, where each example takes a number of its own of them
        place = (to(reshape(mask, (-1,)), dtypes.int64).cumsum(0) - 1).clamp(0, max(source._size - 1, 0))
        return reshape(reshape(source, (-1,)).gather(0, place), shape).where(mask, input)
    start, n = count_ones(mask)
    if source._size < n:
        raise ShapeError(f"masked_scatter: expected at least {n} elements in source, got {source._size}")
    values = _slice(reshape(source, (-1,)), dim=0, start=0, length=n, step=1)
    return _masked_scatter(input, values, mask, start)


def masked_fill_(input, mask, value):
    """In-place version of `masked_fill`."""
    mask, value = _fill_value(input, mask, value)
    if _cpu.grad_mode() and (input.requires_grad or value.requires_grad):
        return inplace(masked_fill)(input, mask, value)
    if broadcast_shapes(input._shape, mask._shape, op="masked_fill_") != input._shape:
        raise ShapeError(f"masked_fill_: mask of shape {list(mask._shape)} does not broadcast to {list(input._shape)}")
    writable(input, "masked_fill_")
    _cpu.where(mask, value, input, input)
    _cpu.mutate(input)
    return input


def masked_scatter_(input, mask, source):
    """In-place version of `masked_scatter`."""
    return inplace(masked_scatter)(input, mask, source)


__all__ = ("argwhere", "masked_fill", "masked_scatter", "masked_select", "nonzero")
METHODS = (
    "argwhere masked_fill masked_fill_ masked_scatter masked_scatter_ masked_select nonzero"
).split()
