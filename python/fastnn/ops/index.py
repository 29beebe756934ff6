"""Indexing: `x[...]` and `x[...] = v`, gather and scatter, embedding, masks.

Three ops carry every kind of index, each the partial derivative of another:

    _getitem(x, *indices)         y = view(x)[indices]            view: ints, slices and new axes, no data moves
    _getitem_dx(g, *indices)      x = 0;  view(x)[indices] += g   its adjoint
    _setitem(x, v, *indices)      y = x;  view(y)[indices]  = v   (or += v)

`indices` are int64 or int32 tensors, one for each axis of the view named in `axes`; they broadcast together and their axes
take the place `at` among the axes that remain. Negative indices count from the end where `wrap` is set; rows whose index is
`skip` (embedding's padding_idx) give and receive nothing in the derivative.
"""

from __future__ import annotations

import numpy as np

from .. import _cpu, dtypes
from ..autodiff import Array, op, record
from ..errors import DTypeError, ShapeError
from ..inplace import before_change, inplace, take_over
from ..tensor import Tensor, as_tensor, from_numpy, normalize_dim
from .shape import _slice, broadcast_shapes, contiguous, expand, reshape, to

NO_SKIP = -(2**63)
_INDICES = tuple(range(1, 9))  # what getitem's derivative reads: the indices, never x
_INDEX_TYPES = (dtypes.int64, dtypes.int32)


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


@op
def _getitem(x, *indices, view=None, axes=(), at=0, wrap=1, skip=NO_SKIP):
    x = _view(x, view)
    if not axes:
        return x
    y = _cpu.empty(_region(x._shape, indices, axes, at), x.dtype)
    _cpu.index_get(y, x, indices, axes, at, wrap, NO_SKIP)
    return y


@op
def _getitem_skipping(x, *indices, axes, at=0, wrap=1, skip=NO_SKIP):
    """getitem with zeros where the index is `skip`: the derivative of getitem_dx."""
    y = _cpu.empty(_region(x._shape, indices, axes, at), x.dtype)
    _cpu.index_get(y, x, indices, axes, at, wrap, skip)
    return y


@op
def _getitem_dx(g, *indices, shape, view=None, axes=(), at=0, wrap=1, skip=NO_SKIP):
    y = _cpu.empty(shape, g.dtype)
    if view is None:
        _cpu.index_sum(y, g, indices, axes, at, wrap, skip)
        return y
    _cpu.copy(y, _zero(g.dtype)._expand(shape))
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
    _write(y, v, indices, view, axes, at, wrap, accumulate)
    return y


_getitem.saved = _getitem_dx.saved = _getitem_skipping.saved = _INDICES
_setitem.saved = tuple(range(2, 10))


def _getitem_rule(g, y, x, *indices, index=0, **p):
    return _getitem_dx(g, *indices, shape=x._shape, **p)


def _getitem_dx_rule(h, y, g, *indices, index=0, shape, skip=NO_SKIP, **p):
    return _getitem(h, *indices, **p) if skip == NO_SKIP else _getitem_skipping(h, *indices, skip=skip, **p)


def _setitem_rule(g, y, x, v, *indices, index=0, accumulate=0, **p):
    if index == 0:
        return g if accumulate else _setitem(g, _zero(g.dtype), *indices, **p)
    g = _getitem(g, *indices, **p)
    if indices and not accumulate:
        g = _if(_last_writers(x._shape, indices, **p), g)
    lead = len(v._shape) - len(g._shape)  # setitem drops leading axes of length 1
    return g if lead <= 0 else reshape(g, (1,) * lead + g._shape)


_getitem.partials(_getitem_rule)
_getitem_skipping.partials(_getitem_rule)
_getitem_dx.partials(_getitem_dx_rule)
_setitem.partials(_setitem_rule)

_ZEROS = {}


def _zero(dtype):
    z = _ZEROS.get(dtype)
    if z is None:
        z = _ZEROS[dtype] = as_tensor(0).to(dtype)
    return z


def _write(y, v, indices, view, axes, at, wrap, accumulate):
    """view(y)[indices] = v, or += v, in y's memory."""
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
    place = _cpu.empty(shape, dtypes.int64)
    part = _view(place, view)
    region = _region(part._shape, indices, axes, at)
    number = from_numpy(np.arange(int(np.prod(region))).reshape(region))
    _cpu.index_put(part, number, indices, axes, at, wrap, NO_SKIP, 0)
    got = _cpu.empty(region, dtypes.int64)
    _cpu.index_get(got, part, indices, axes, at, wrap, NO_SKIP)
    return _cpu.eq(got, number)


def _if(mask, g):
    """g where mask, else 0."""
    from .elementwise import where

    return where(mask, g, _zero(g.dtype))


# -- x[...] -----------------------------------------------------------------------------------------------------------------


def _index_item(k):
    """Anything but an int, slice, None or ... as an int or an index tensor (int64, int32 or bool)."""
    if isinstance(k, Array):
        if k.dtype in _INDEX_TYPES or k.dtype is dtypes.bool:
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
        return from_numpy(a if a.dtype.kind == "b" else a.astype(np.int64, copy=False))
    if hasattr(k, "__index__"):
        return k.__index__()
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(k).__name__})"
    )


def _parse(x, key):
    """(view, indices, axes, at): the key of the view to take first, or None, then index tensors for axes of that view."""
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
            masks.append((d, len(view), k))
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
    for d, position, mask in masks:
        if mask._shape != shape[d : d + mask.ndim]:
            raise IndexError(
                f"The shape of the mask {list(mask._shape)} at index {position} does not match the shape of the indexed "
                f"tensor {list(shape)} at index {d}"
            )
        i = axes.index(d)
        indices[i : i + mask.ndim] = _nonzero_columns(mask)
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
        return record(y, _getitem, (x,), {"view": key}) if x.requires_grad else y
    if isinstance(key, Array):
        d = key.dtype
        if d in _INDEX_TYPES and x.ndim:
            y = _cpu.empty(key._shape + x._shape[1:], x.dtype)
            _cpu.index_get(y, x, (key,), (0,), 0, 1, NO_SKIP)
            return record(y, _getitem, (x, key), {"axes": (0,)}) if x.requires_grad else y
        if d is dtypes.bool and key._shape == x._shape:
            return masked_select(x, key)
    view, indices, axes, at = _parse(x, key)
    return _getitem(x, *indices, view=view, axes=axes, at=at)


def _setitem_method(x, key, value):
    if not isinstance(value, Array):
        value = as_tensor(np.asarray(value)) if not isinstance(value, (int, float)) else _number(value, x.dtype)
    if value.dtype is not x.dtype:
        value = to(value, x.dtype)
    mask = key if isinstance(key, Array) and key.dtype is dtypes.bool and key.ndim else None
    if mask is not None and mask._shape == x._shape[: mask.ndim] and not (_cpu.grad_mode() and (x.requires_grad or value.requires_grad)):
        if value._size == 1:
            mask = contiguous(mask)._reshape(mask._shape + (1,) * (x.ndim - mask.ndim))
            _writable(x, "setitem")
            _cpu.where(mask, value._reshape(()), x, x)
            _cpu.mutate(x)
            return
        if mask.ndim == x.ndim and x._packed and value.ndim == 1:
            mask = contiguous(mask)
            start, total = _count(mask)
            if value._size != total:
                raise _misfit(value._shape, (total,))
            _writable(x, "setitem")
            value = contiguous(value)
            _cpu.masked_put(x, value if value._buffer != x._buffer else value.clone(), mask, start, CHUNK, 0)
            _cpu.mutate(x)
            return
    if _cpu.basic_view(x, key) is not None:
        view, indices, axes, at = key, (), (), 0
    else:
        view, indices, axes, at = _parse(x, key)
    in_place(x, "setitem", _setitem, (value, *indices), {"view": view, "axes": axes, "at": at}, leaf="a view of a leaf Variable")


def _number(value, dtype):
    """A Python number as a 0-d tensor of dtype."""
    if dtype.is_floating_point or isinstance(value, bool):
        return from_numpy(np.array(value, dtype.numpy))
    if dtype is dtypes.bool:
        return from_numpy(np.array(bool(value)))
    return from_numpy(np.array(int(value)).astype(dtype.numpy))


def _writable(x, name):
    for s, n in zip(x._strides, x._shape, strict=True):
        if s == 0 and n > 1:
            raise RuntimeError(
                f"{name}: unsupported operation: more than one element of the written-to tensor refers to a single memory "
                "location. Please clone() the tensor before performing the operation."
            )


def in_place(x, name, f, args, params, leaf="a leaf Variable"):
    """x = f(x, *args, **params) in x's own memory, f being _setitem or scatter. Nothing of the old x is copied: its values
    are in no derivative, only its history is kept. RuntimeError for a leaf that requires grad."""
    recorded = _cpu.grad_mode() and (x.requires_grad or any(isinstance(a, Array) and a.requires_grad for a in args))
    if recorded and x.requires_grad and x._node is None:
        raise RuntimeError(f"{leaf} that requires grad is being used in an in-place operation.")
    _writable(x, name)
    before = []
    for a in args:
        if isinstance(a, Array) and a._buffer == x._buffer:
            node = before_change(a)._node  # x[i] += v: the value is a view of x that has been changed already
            a = a.detach().clone()
            a._node = node
        before.append(a)
    if recorded:
        old = before_change(x)
    if f is _setitem:
        p = {"view": None, "axes": (), "at": 0, "wrap": 1, "accumulate": 0, **params}
        _write(x, before[0], tuple(before[1:]), **p)
    else:
        _cpu.scatter(x, *before, params["dim"], params["accumulate"])
    if recorded:
        _cpu.mutate(x, True)
        take_over(x, (f, (old, *before), params, 0, None, None), old)
    else:
        _cpu.mutate(x)
    return x


Tensor.__getitem__ = _getitem_method
Tensor.__setitem__ = _setitem_method

# -- rows picked by index -----------------------------------------------------------------------------------------------------


def _int_index(index, name):
    if not isinstance(index, Array):
        raise TypeError(f"{name}(): index must be a Tensor, not {type(index).__name__}")
    if index.dtype not in _INDEX_TYPES:
        raise DTypeError(f"{name}(): Expected dtype int32 or int64 for index, got {index.dtype.name}")
    return index


def _vector_index(input, dim, index, name):
    index = _int_index(index, name)
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    return normalize_dim(dim, input.ndim), index if index.ndim else reshape(index, (1,))


def _rows(x):
    return x if x.ndim else reshape(x, (1,))


def index_select(input, dim, index):
    """The slices of axis dim that index (a vector) names, in its order. IndexError outside 0 .. size - 1."""
    dim, index = _vector_index(input, dim, index, "index_select")
    y = _getitem(_rows(input), index, axes=(dim,), at=dim, wrap=0)
    return y if input.ndim else reshape(y, ())


def _index_write(input, dim, index, source, name, accumulate, alpha=1):
    dim, index = _vector_index(input, dim, index, name)
    if not isinstance(source, Array):
        raise TypeError(f"{name}(): source must be a Tensor, not {type(source).__name__}")
    if source.dtype is not input.dtype:
        raise DTypeError(f"{name}(): self ({input.dtype.name}) and source ({source.dtype.name}) must have the same dtype")
    source = _rows(source)
    have, want = source._shape, _rows(input)._shape
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
    y = _setitem(_rows(input), *args, **params)
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
        value = _number(value, input.dtype)
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
        values = _number(values, input.dtype)
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


def take(input, index):
    """Elements of the flattened input; the result has index's shape."""
    return _getitem(reshape(input, (-1,)), _int_index(index, "take"), axes=(0,))


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Rows of weight (V, D) for the indices in input (any shape S): (*S, D).

    padding_idx: this row gets no gradient. max_norm: rows used that are longer (in the norm_type norm) are first scaled
    down, in place. scale_grad_by_freq: each row's gradient is divided by how often it occurs in input.
    IndexError for an index outside 0 .. V - 1. `sparse` is accepted; gradients are dense.
    """
    if not isinstance(input, Array) or input.dtype not in _INDEX_TYPES:
        got = input.dtype.name if isinstance(input, Array) else type(input).__name__
        raise DTypeError(f"embedding: expected indices of dtype int64 or int32, got {got}")
    if weight.ndim != 2:
        raise ShapeError(f"embedding: 'weight' must be 2-D, got shape {list(weight._shape)}")
    skip = NO_SKIP
    if padding_idx is not None:
        if not -weight._shape[0] <= padding_idx < weight._shape[0]:
            raise ValueError("Padding_idx must be within num_embeddings")
        skip = padding_idx % weight._shape[0]
    if max_norm is not None:
        _shorten(weight, input, max_norm, norm_type)
    y = _getitem(weight, input, axes=(0,), wrap=0, skip=skip)
    if scale_grad_by_freq:
        flat = np.asarray(input.detach().numpy()).ravel()
        often = np.bincount(flat, minlength=1)[flat].reshape(input._shape + (1,))
        y = _scale_gradient(y, from_numpy((1.0 / often).astype(weight.dtype.numpy)))
    return y


@op(saves="s")
def _scale_gradient(x, s):
    return x.detach()


_scale_gradient.partials(lambda g, y, x, s: g * s, None)


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


# -- one index per element ----------------------------------------------------------------------------------------------------


@op(saves="index")
def _gather(x, index, *, dim):
    y = _cpu.empty(index._shape, x.dtype)
    _cpu.gather(y, x, index, dim)
    return y


@op(saves="index")
def _gather_dx(g, index, *, shape, dim):
    y = _cpu.empty(shape, g.dtype)
    _cpu.copy(y, _zero(g.dtype)._expand(shape))
    _cpu.scatter(y, index, g, dim, 1)
    return y


@op(saves="index")
def _scatter(x, index, src, *, dim, accumulate):
    y = _cpu.empty(x._shape, x.dtype)
    _cpu.copy(y, x)
    _cpu.scatter(y, index, src, dim, accumulate)
    return y


def _scatter_dsrc(g, y, x, index, src, dim, accumulate):
    g = _gather(g, index, dim=dim)
    if accumulate:
        return g
    place, got = _cpu.empty(x._shape, dtypes.int64), _cpu.empty(index._shape, dtypes.int64)
    number = from_numpy(np.arange(index._size).reshape(index._shape))
    _cpu.scatter(place, index, number, dim, 0)
    _cpu.gather(got, place, index, dim)
    return _if(_cpu.eq(got, number), g)


_gather.partials(lambda g, y, x, index, dim: _gather_dx(g, index, shape=x._shape, dim=dim), None)
_gather_dx.partials(lambda h, y, g, index, shape, dim: _gather(h, index, dim=dim), None)
_scatter.partials(
    lambda g, y, x, index, src, dim, accumulate: (
        g if accumulate else _scatter(g, index, _zero(g.dtype)._expand(index._shape), dim=dim, accumulate=0)
    ),
    None,
    _scatter_dsrc,
)


def _check_index(input, dim, index, name, src=None):
    dim = normalize_dim(dim, input.ndim)
    if index.ndim != input.ndim and index._size:
        raise ShapeError(f"{name}(): Index tensor must have the same number of dimensions as input tensor")
    for d, n in enumerate(index._shape if index._size else ()):
        if (d != dim and n > input._shape[d]) or (src is not None and n > src._shape[d]):
            also = "" if src is None else f" and to be no larger size than src {list(src._shape)}"
            raise ShapeError(
                f"{name}(): Size does not match at dimension {d}: expected index {list(index._shape)} to be no larger than "
                f"self {list(input._shape)} apart from dimension {dim}{also}"
            )
    return dim


def gather(input, dim, index, *, sparse_grad=False):
    """y[i, j, k] = input[i, index[i, j, k], k] for dim 1, and so on; y has index's shape. IndexError outside 0 .. size - 1."""
    dim = _check_index(input, dim, _int_index(index, "gather"), "gather")
    if input.ndim == 0 or not index._size:
        if not index._size:
            return _cpu.empty(index._shape, input.dtype)
        return reshape(_gather(_rows(input), _rows(index), dim=0), index._shape)
    return _gather(input, index, dim=dim)


def _scatter_args(input, dim, index, src, name, accumulate):
    index = _int_index(index, name)
    if not isinstance(src, Array):
        if isinstance(src, (int, float, np.number)):
            src = expand(_number(src, input.dtype), index._shape)
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
    return (_rows(index), _rows(src)), {"dim": dim, "accumulate": accumulate}


def _scattered(input, args, params):
    if not args[0]._size:
        return input.clone()
    if input.ndim == 0:
        return reshape(_scatter(_rows(input), *args, **params), ())
    return _scatter(input, *args, **params)


def _reduction(reduce):
    if reduce not in (None, "add"):
        raise ValueError(f"scatter: reduce must be None or 'add', got {reduce!r}")
    return int(reduce == "add")


def _source(src, value):
    if (src is None) == (value is None):
        raise TypeError("scatter() takes one of src and value")
    return value if src is None else src


def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """input with y[i, index[i, j, k], k] = src[i, j, k] (dim 1); src may be a number. The last of equal indices stays.

    reduce="add" adds instead. IndexError outside 0 .. size - 1.
    """
    return _scattered(input, *_scatter_args(input, dim, index, _source(src, value), "scatter", _reduction(reduce)))


def scatter_add(input, dim, index, src):
    """input with y[i, index[i, j, k], k] += src[i, j, k] (dim 1); the order of sums does not depend on threads."""
    return _scattered(input, *_scatter_args(input, dim, index, src, "scatter_add", 1))


def take_along_dim(input, indices, dim=None):
    """gather where the other axes of input and indices broadcast; dim None takes from the flattened input."""
    indices = _int_index(indices, "take_along_dim")
    if dim is None:
        return gather(reshape(input, (-1,)), 0, reshape(indices, (-1,)))
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
    return gather(expand(input, tuple(a)), dim, expand(indices, tuple(b)))


# -- masks --------------------------------------------------------------------------------------------------------------------

CHUNK = 16384


def _count(mask):
    """(start, total): how many ones lie before each chunk of a contiguous mask, and in all of it."""
    start = _cpu.empty((-(-mask._size // CHUNK) + 1,), dtypes.int64)
    _cpu.mask_starts(start, mask, CHUNK)
    return start, int(start._select(0, -1).item())


def _nonzero(mask, by_axis):
    mask = contiguous(mask)
    start, total = _count(mask)
    y = _cpu.empty((mask.ndim, total) if by_axis else (total, mask.ndim), dtypes.int64)
    if total and mask.ndim:
        _cpu.nonzero(y if by_axis else y._permute((1, 0)), mask, start, CHUNK)
    return y


def _nonzero_columns(mask):
    y = _nonzero(mask, True)
    return [y._select(0, d) for d in range(mask.ndim)]


def nonzero(input, *, as_tuple=False):
    """Coordinates of the elements that are not zero, in row-major order: (count, ndim), or a tuple of one vector an axis."""
    mask = input if input.dtype is dtypes.bool else _cpu.ne(input, 0)
    if as_tuple:
        return tuple(_nonzero_columns(mask if mask.ndim else mask._reshape((1,))))
    return _nonzero(mask, False)


def argwhere(input):
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


_masked_select.partials(lambda g, y, x, mask, start, **p: _masked_select_dx(g, mask, start, **p), None, None)
_masked_select_dx.partials(lambda h, y, g, mask, start, **p: _masked_select(h, mask, start, **p), None, None)


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
        shape = broadcast_shapes(input._shape, mask._shape)
        input, mask = expand(input, shape), expand(mask, shape)
    mask = contiguous(mask)
    start, total = _count(mask)
    return _masked_select(input, mask, start, total=total)


def _fill_value(input, mask, value):
    mask = _bool_mask(mask, "masked_fill")
    if not isinstance(value, Array):
        value = _number(value, input.dtype)
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
    shape = broadcast_shapes(input._shape, mask._shape)
    input, mask = expand(input, shape), expand(mask, shape)
    if source.dtype is not input.dtype:
        raise DTypeError(f"masked_scatter_: expected self and source to have same dtypes but got {input.dtype.name} and {source.dtype.name}")
    tables = tuple(_nonzero_columns(mask)) if mask.ndim else (from_numpy(np.zeros(int(mask.item()), np.int64)),)
    n = tables[0]._size
    if source._size < n:
        raise ShapeError(f"masked_scatter: expected at least {n} elements in source, got {source._size}")
    values = _slice(reshape(source, (-1,)), dim=0, start=0, length=n, step=1)
    y = _setitem(_rows(input), values, *tables, axes=tuple(range(len(tables))))
    return y if input.ndim else reshape(y, ())


# -- in place -----------------------------------------------------------------------------------------------------------------


def _with_rows(x):
    if not x.ndim:
        raise ShapeError("in-place indexing of a 0-dim tensor: use fill_ or copy_")
    return x


def index_add_(input, dim, index, source, *, alpha=1):
    """In-place version of `index_add`."""
    return in_place(_with_rows(input), "index_add_", _setitem, *_index_write(input, dim, index, source, "index_add", 1, alpha)[1:])


def index_copy_(input, dim, index, source):
    """In-place version of `index_copy`."""
    return in_place(_with_rows(input), "index_copy_", _setitem, *_index_write(input, dim, index, source, "index_copy", 0)[1:])


def index_fill_(input, dim, index, value):
    """In-place version of `index_fill`."""
    return in_place(_with_rows(input), "index_fill_", _setitem, *_fill_args(input, dim, index, value))


def index_put_(input, indices, values, accumulate=False):
    """In-place version of `index_put`."""
    return in_place(input, "index_put_", _setitem, *_put_args(input, indices, values, accumulate))


def scatter_(input, dim, index, src=None, *, value=None, reduce=None):
    """In-place version of `scatter`."""
    args, params = _scatter_args(input, dim, index, _source(src, value), "scatter_", _reduction(reduce))
    return in_place(_with_rows(input), "scatter_", _scatter, args, params) if args[0]._size else input


def scatter_add_(input, dim, index, src):
    """In-place version of `scatter_add`."""
    args, params = _scatter_args(input, dim, index, src, "scatter_add_", 1)
    return in_place(_with_rows(input), "scatter_add_", _scatter, args, params) if args[0]._size else input


def masked_fill_(input, mask, value):
    """In-place version of `masked_fill`."""
    mask, value = _fill_value(input, mask, value)
    if _cpu.grad_mode() and (input.requires_grad or value.requires_grad):
        return inplace(masked_fill)(input, mask, value)
    if broadcast_shapes(input._shape, mask._shape) != input._shape:
        raise ShapeError(f"masked_fill_: mask of shape {list(mask._shape)} does not broadcast to {list(input._shape)}")
    _writable(input, "masked_fill_")
    _cpu.where(mask, value, input, input)
    _cpu.mutate(input)
    return input


def masked_scatter_(input, mask, source):
    """In-place version of `masked_scatter`."""
    return inplace(masked_scatter)(input, mask, source)


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
        (_number(fill_value, input.dtype), *(from_numpy(np.array(t)) for t in tables)),
        {"axes": tuple(range(input.ndim))},
    )


__all__ = (
    "argwhere gather index_add index_copy index_fill index_put index_select masked_fill masked_scatter masked_select "
    "nonzero scatter scatter_add take take_along_dim"
).split()
METHODS = (
    "argwhere fill_diagonal_ gather index_add index_add_ index_copy index_copy_ index_fill index_fill_ index_put index_put_ "
    "index_select masked_fill masked_fill_ masked_scatter masked_scatter_ masked_select nonzero scatter scatter_ scatter_add "
    "scatter_add_ take take_along_dim"
).split()
FUNCTIONAL = ("embedding", "one_hot")
