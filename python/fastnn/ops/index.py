"""Indexing: `x[...]` and `x[...] = v`. Read on: rows.py (index_select, embedding), gather.py, mask.py.

Three ops carry every kind of index, each the partial derivative of another:

    _getitem(x, *indices)         y = view(x)[indices]            view: ints, slices and new axes, no data moves
    _getitem_dx(g, *indices)      x = 0;  view(x)[indices] += g   its adjoint
    _setitem(x, v, *indices)      y = x;  view(y)[indices]  = v   (or += v)

`indices` are int64 or int32 tensors, one for each axis of the view named in `axes`; they broadcast together and their axes
take the place `at` among the axes that remain. Negative indices count from the end where `wrap` is set; rows whose index is
`skip` (embedding's padding_idx) give and receive nothing in the derivative.
"""

from __future__ import annotations

import warnings

import numpy as np

from .. import _cpu, dtypes
from ..autodiff import Array, op, record
from ..creation import number, zero
from ..device import beside
from ..errors import DTypeError, ShapeError
from ..inplace import before_change, check_change, is_written, take_over, writable
from ..tensor import Tensor, as_tensor, from_numpy
from .mask import CHUNK, count_ones, masked_select, nonzero_columns
from .shape import add_into, broadcast_shapes, contiguous, reshape, to

NO_SKIP = -(2**63)
_INDICES = tuple(range(1, 9))  # what getitem's derivative reads: the indices, never x
INDEX_TYPES = (dtypes.int64, dtypes.int32)


def _view(x, key):
    return x if key is None else _cpu.basic_view(x, key)


def _tables(indices):
    if len(indices) == 1:
        return indices[0]._shape
    try:
        return broadcast_shapes(*(i._shape for i in indices))
    except ShapeError:
        shapes = ", ".join(str(list(i._shape)) for i in indices)
        raise IndexError(f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}") from None


def _region(shape, indices, axes, at):
    """The shape of x[indices]."""
    kept = [n for d, n in enumerate(shape) if d not in axes]
    return (*kept[:at], *_tables(indices), *kept[at:])


def _beside(indices, x):
    """Tables of indices on x's device: Python makes them on the CPU, and PyTorch takes them from there too."""
    return [beside(i, x) for i in indices] if x.is_cuda else indices


@op
def _getitem(x, *indices, view=None, axes=(), at=0, wrap=1, skip=NO_SKIP):
    x = _view(x, view)
    if not axes:
        return x
    y = _cpu.empty(_region(x._shape, indices, axes, at), x.dtype)
    _cpu.index_get(y, x, _beside(indices, x), axes, at, wrap, NO_SKIP)
    return y


@op
def _getitem_skipping(x, *indices, axes, at=0, wrap=1, skip=NO_SKIP):
    """getitem with zeros where the index is `skip`: the derivative of getitem_dx."""
    y = _cpu.empty(_region(x._shape, indices, axes, at), x.dtype)
    _cpu.index_get(y, x, _beside(indices, x), axes, at, wrap, skip)
    return y


@op
def _getitem_dx(g, *indices, shape, view=None, axes=(), at=0, wrap=1, skip=NO_SKIP):
    indices = _beside(indices, g)
    y = _cpu.empty(shape, g.dtype, g, *indices)
    if view is None:
        _cpu.index_sum(y, g, indices, axes, at, wrap, skip)
        return y
    _cpu.copy(y, zero(g.dtype)._expand(shape))
    part = _view(y, view)
    if axes:
        _cpu.index_put(part, g, indices, axes, at, wrap, skip, 1)
    else:
        _cpu.copy(part, g)
    return y


@op
def _setitem(x, v, *indices, view=None, axes=(), at=0, wrap=1, accumulate=0):
    y = _cpu.empty(x._shape, x.dtype)
    _cpu.copy(y, x)
    _write(y, v, *indices, view=view, axes=axes, at=at, wrap=wrap, accumulate=accumulate)
    return y


_getitem.saved = _getitem_dx.saved = _getitem_skipping.saved = _INDICES
_setitem.saved = tuple(range(2, 10))


def _getitem_rule(g, y, x, *indices, index=0, **p):
    return _getitem_dx(g, *indices, shape=x._shape, **p)


def _getitem_dx_rule(h, y, g, *indices, index=0, shape, skip=NO_SKIP, **p):
    return _getitem(h, *indices, **p) if skip == NO_SKIP else _getitem_skipping(h, *indices, skip=skip, **p)


def _getitem_into(total, g, x, *indices, view=None, axes=(), **p):
    if view is None or axes:
        return False
    add_into(_view(total, view), g)


def _getitem_tangent(t, y, x, *indices, index=0, **p):
    return _getitem_dx_rule(t, y, x, *indices, shape=None, **p)  # embedding's padding row gives no tangent, as it gets no gradient


def _setitem_rule(g, y, x, v, *indices, index=0, accumulate=0, **p):
    if index == 0:
        return g if accumulate else _setitem(g, zero(g.dtype), *indices, **p)
    g = _getitem(g, *indices, **p)
    if indices and not accumulate:
        g = only_where(_last_writers(x._shape, _beside(indices, g), **p), g)
    lead = len(v._shape) - len(g._shape)  # setitem drops leading axes of length 1
    return g if lead <= 0 else reshape(g, (1,) * lead + g._shape)


_getitem.partials(_getitem_rule).tangents(_getitem_tangent).into(_getitem_into)
_getitem_skipping.partials(_getitem_rule).linear(0)
_getitem_dx.partials(_getitem_dx_rule).linear(0)
_setitem.partials(_setitem_rule).linear(0, 1)


def _write(y, v, *indices, view=None, axes=(), at=0, wrap=1, accumulate=0):
    """view(y)[indices] = v, or += v, in y's memory."""
    indices = _beside(indices, y)
    _cpu.widen(y, v, *indices)
    part = _view(y, view)
    if axes:
        shape = _region(part._shape, indices, axes, at)
        v = _fitting(v, shape)
        _cpu.index_put(part, v, indices, axes, at, wrap, NO_SKIP, accumulate)
    else:
        _cpu.copy(part, _fitting(v, part._shape)._expand(part._shape))


def _fitting(v, shape):
    """v without leading axes of length 1 that shape does not have; ShapeError where it does not broadcast to shape."""
    have = v._shape
    if have == shape or not have:
        return v
    extra = len(have) - len(shape)
    if extra > 0:
        if any(n != 1 for n in have[:extra]):
            raise _misfit(have, shape)
        v = v._reshape(have[extra:])
        have = v._shape
    for n, m in zip(reversed(have), reversed(shape)):  # noqa: B905
        if n != m and n != 1:
            raise _misfit(have, shape)
    return v


def _misfit(have, shape):
    return ShapeError(
        f"shape mismatch: value tensor of shape {list(have)} cannot be broadcast to indexing result of shape {list(shape)}"
    )


def _last_writers(shape, indices, view=None, axes=(), at=0, wrap=1):
    """A mask over x[indices]: True where the value written there stayed, False where a later one replaced it."""
    place = _cpu.empty(shape, dtypes.int64, *indices)
    part = _view(place, view)
    region = _region(part._shape, indices, axes, at)
    number = beside(from_numpy(np.arange(int(np.prod(region))).reshape(region)), indices[0])
    _cpu.index_put(part, number, indices, axes, at, wrap, NO_SKIP, 0)
    got = _cpu.empty(region, dtypes.int64)
    _cpu.index_get(got, part, indices, axes, at, wrap, NO_SKIP)
    return _cpu.eq(got, number)


def int_index(index, name):
    if not isinstance(index, Array):
        raise TypeError(f"{name}(): index must be a Tensor, not {type(index).__name__}")
    if index.dtype not in INDEX_TYPES:
        raise DTypeError(f"{name}(): Expected dtype int32 or int64 for index, got {index.dtype.name}")
    return index


def as_rows(x):
    return x if x.ndim else reshape(x, (1,))


def only_where(mask, g):
    """g where mask, else 0."""
    from .elementwise import where

    return where(mask, g, zero(g.dtype))


# -- x[...] -----------------------------------------------------------------------------------------------------------------


def _index_item(k):
    """Anything but an int, slice, None or ... as an int or an index tensor (int64, int32 or bool)."""
    if isinstance(k, Array):
        if k.dtype in INDEX_TYPES or k.dtype is dtypes.bool:
            return k
        if k.dtype is dtypes.uint8:
            return _cpu.ne(k, 0)
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if isinstance(k, (bool, np.bool_)):
        return as_tensor(np.array(k))
    if isinstance(k, (int, np.integer)):
        return int(k)
    if isinstance(k, (list, tuple, range, np.ndarray)):
        if isinstance(k, (list, tuple)) and any(isinstance(i, slice) or i is None or i is Ellipsis for i in k):
            raise IndexError("a sequence used as an index must hold integers or bools; use a tuple for several axes")
        a = np.array([i.item() if isinstance(i, Array) and i.ndim == 0 else i for i in k] if isinstance(k, list) else k)
        if a.size == 0 and a.dtype.kind == "f":
            a = a.astype(np.int64)
        if a.dtype.kind not in "iub":
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        if isinstance(k, np.ndarray) and a.dtype == np.uint8:  # a mask, as a tensor of them is
            a = a != 0
        return from_numpy(a if a.dtype.kind == "b" else a.astype(np.int64, copy=False))
    if hasattr(k, "__index__"):
        return k.__index__()
    if isinstance(k, str):
        raise TypeError("tensors are indexed by numbers, slices, None, ... and tensors, got a str")
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(k).__name__})"
    )


_PARTS = (Array, np.ndarray, list, tuple, range, slice)  # what makes a list a tuple of indices in PyTorch's eyes


def _parse(x, key):
    """(view, indices, axes, at): the key of the view to take first, or None, then index tensors for axes of that view."""
    if type(key) is list and len(key) < 32 and any(isinstance(k, _PARTS) or k is None or k is Ellipsis for k in key):
        warnings.warn("a list of several indices is taken as a tuple, as PyTorch does: write x[tuple(list)]", stacklevel=4)
        key = tuple(key)
    if type(key) is not tuple:
        key = (key,)
    items, used, dots = [], 0, None
    for k in key:
        t = type(k)
        if t is int or t is slice:
            used += 1
        elif k is Ellipsis:
            if dots is not None:
                raise IndexError("an index can only have a single ellipsis ('...')")
            dots = len(items)
        elif k is not None:
            k = _index_item(k)
            used += k.ndim if isinstance(k, Array) and k.dtype is dtypes.bool else 1
        items.append(k)
    if used > x.ndim:
        if x.ndim == 0:
            raise IndexError("invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to a number")
        raise IndexError(f"too many indices for tensor of dimension {x.ndim}")
    if dots is not None:
        items[dots : dots + 1] = [_ALL] * (x.ndim - used)
    view, tables, masks, d, plain = [], [], [], 0, True  # d: the next axis of the view
    for k in items:
        if not isinstance(k, Array):
            view.append(k)
            plain = plain and k == _ALL
            d += type(k) is not int
        elif k.dtype is not dtypes.bool:
            view.append(_ALL)
            tables.append((d, k))
            d += 1
        elif k.ndim:
            masks.append((d, k))
            view += [_ALL] * k.ndim
            tables += [(d + i, None) for i in range(k.ndim)]
            d += k.ndim
        else:  # a new axis of length 1 or 0
            view.append(None)
            plain = False
            tables.append((d, from_numpy(np.zeros(int(k.item()), np.int64))))
            d += 1
    view = None if plain else tuple(view)
    if not tables:
        return view, (), (), 0
    axes, indices = map(list, zip(*tables, strict=True))
    shape = _view(x, view)._shape
    for d, mask in masks:
        if mask._shape != shape[d : d + mask.ndim]:
            k = next(k for k in range(mask.ndim) if mask._shape[k] != shape[d + k])
            raise IndexError(
                f"The shape of the mask {list(mask._shape)} at index {k} does not match the shape of the indexed "
                f"tensor {list(shape)} at index {d + k}"
            )
        i = axes.index(d)
        indices[i : i + mask.ndim] = nonzero_columns(mask)
    # 0-d indices act as ints do; the others' axes go where they are if they are neighbours, else to the front
    gone = {a for a, i in zip(axes, indices, strict=True) if not i.ndim}
    rest = [a for a in range(len(shape)) if a not in gone]
    places = [p for p, a in enumerate(rest) if a in axes]
    at = places[0] if places and places[-1] - places[0] == len(places) - 1 else 0
    return view, tuple(indices), tuple(axes), at


_ALL = slice(None)


def _getitem_method(x, key):
    y = _cpu.basic_view(x, key)
    if y is not None:
        return record(y, _getitem, (x,), {"view": (None,) if key is None else key}) if x.requires_grad else y
    if isinstance(key, Array):
        d = key.dtype
        if d in INDEX_TYPES and x.ndim:
            key = beside(key, x)
            y = _cpu.empty(key._shape + x._shape[1:], x.dtype)
            _cpu.index_get(y, x, (key,), (0,), 0, 1, NO_SKIP)
            return record(y, _getitem, (x, key), {"axes": (0,)}) if x.requires_grad else y
        if d is dtypes.bool and key._shape == x._shape:
            return masked_select(x, key)
    view, indices, axes, at = _parse(x, key)
    return _getitem(x, *indices, view=view, axes=axes, at=at)


def _setitem_method(x, key, value):
    if not isinstance(value, Array):
        value = as_tensor(np.asarray(value)) if not isinstance(value, (int, float)) else number(value, x.dtype)
    if value.dtype is not x.dtype:
        value = to(value, x.dtype)
    mask = key if isinstance(key, Array) and key.dtype is dtypes.bool and key.ndim else None
    if mask is not None and mask._shape == x._shape[: mask.ndim] and not (_cpu.grad_mode() and (x.requires_grad or value.requires_grad)):
        if value._size == 1:
            mask = contiguous(mask)._reshape(mask._shape + (1,) * (x.ndim - mask.ndim))
            writable(x, "setitem")
            _cpu.where(mask, value._reshape(()), x, x)
            _cpu.mutate(x)
            return
        if mask.ndim == x.ndim and x._packed and value.ndim == 1:
            mask = contiguous(mask)
            start, total = count_ones(mask)
            if value._size != total:
                raise _misfit(value._shape, (total,))
            writable(x, "setitem")
            value = contiguous(value)
            _cpu.masked_put(x, value if value._buffer != x._buffer else value.clone(), mask, start, CHUNK, 0)
            _cpu.mutate(x)
            return
    place = _cpu.basic_view(x, key)
    if place is not None:
        if is_written(x, place, value):
            return
        del place  # in_place asks who else sees this memory
        view, indices, axes, at = key, (), (), 0
    else:
        view, indices, axes, at = _parse(x, key)
    in_place(x, "setitem", _setitem, (value, *indices), {"view": view, "axes": axes, "at": at})


def in_place(x, name, f, args, params, write=None):
    """x = f(x, *args, **params) in x's own memory, as write(x, *args, **params) does it (f is _setitem if None).

    Nothing of the old x is copied: its values are in no derivative, only its history is kept. RuntimeError for a leaf that
    requires grad.
    """
    recorded = _cpu.grad_mode() and (x.requires_grad or any(isinstance(a, Array) and a.requires_grad for a in args))
    if recorded:
        check_change(x, name)
    writable(x, name)
    before = []
    for a in args:
        if isinstance(a, Array) and a._buffer == x._buffer:
            node = before_change(a)._node  # x[i] += v: the value is a view of x that has been changed already
            a = a.detach().clone()
            a._node = node
        before.append(a)
    if recorded:
        old = before_change(x)
    (write or _write)(x, *before, **params)
    if recorded:
        _cpu.mutate(x, True)
        take_over(x, (f, (old, *before), params, 0, None, None), old)
    else:
        _cpu.mutate(x)
    return x


_cpu.set_getitem(_getitem_method)
Tensor.__setitem__ = _setitem_method
