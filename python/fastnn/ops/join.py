"""Joining, splitting, padding, repeating and reordering: cat, stack, split, pad, flip, roll, tile, triangles, diagonals.

Splits are views. `_pad` carries F.pad, roll and tile: y[i] = x[m(i - before)] along each axis, m being the mode's rule for
positions outside x (csrc/kernels/join/pad.cpp).
"""

from __future__ import annotations

import numpy as np

from .. import _cpu, dtypes
from ..autodiff import Array, op
from ..errors import ShapeError
from ..tensor import from_numpy, full, normalize_dim, result_type, shape_from
from .index import _getitem, _zero
from .shape import _clone, _expand, _permute, _reshape, _select, _slice, contiguous, reshape, to

MOST = 256  # arrays one launch of cat takes

# -- cat and stack ------------------------------------------------------------------------------------------------------------


def _cat_into(y, xs, dim):
    if len(xs) <= MOST:
        return _cpu.cat(y, xs, dim)
    at = 0
    for i in range(0, len(xs), MOST):
        part = xs[i : i + MOST]
        n = sum(x._shape[dim] for x in part)
        _cpu.cat(y._slice(dim, at, n, 1), part, dim)
        at += n


@op(saves="")
def _cat(*xs, dim):
    shape = list(xs[0]._shape)
    shape[dim] = sum([x._shape[dim] for x in xs])
    y = _cpu.empty(tuple(shape), xs[0].dtype)
    _cat_into(y, xs, dim)
    return y


@op(saves="")
def _stack(*xs, dim):
    shape = xs[0]._shape
    y = _cpu.empty((*shape[:dim], len(xs), *shape[dim:]), xs[0].dtype)
    unit = (*shape[:dim], 1, *shape[dim:])
    _cat_into(y, [x._reshape(unit) for x in xs], dim)
    return y


def _cat_rule(g, y, *xs, index=0, dim):
    return _slice(g, dim=dim, start=sum([x._shape[dim] for x in xs[:index]]), length=xs[index]._shape[dim], step=1)


_cat.partials(_cat_rule)
_stack.partials(lambda g, y, *xs, index=0, dim: _select(g, dim=dim, index=index))


def _tensors(tensors, name):
    if isinstance(tensors, Array):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor")
    tensors = tuple(tensors)
    for i, t in enumerate(tensors):
        if not isinstance(t, Array):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    first = tensors[0].dtype if tensors else None
    if any(t.dtype is not first for t in tensors):
        common = first
        for t in tensors[1:]:
            common = result_type(_cpu.empty((1,), common), _cpu.empty((1,), t.dtype))
        tensors = tuple(to(t, common) for t in tensors)
    return tensors


def cat(tensors, dim=0, *, axis=None):
    """Tensors of equal shape (but for dim) one after the other along dim; dtypes are promoted. 1-d empty ones are skipped."""
    tensors = _tensors(tensors, "cat")
    if not tensors:
        raise ShapeError("torch.cat(): expected a non-empty list of Tensors")
    for i, t in enumerate(tensors):
        if not t.ndim:
            raise ShapeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    kept = tuple([t for t in tensors if t._shape != (0,)]) or tensors[:1]
    ndim, shape = kept[0].ndim, kept[0]._shape
    dim = normalize_dim(dim if axis is None else axis, ndim)
    for t in kept:
        if t._shape == shape:
            continue
        if t.ndim != ndim:
            raise ShapeError(f"Tensors must have same number of dimensions: got {ndim} and {t.ndim}")
        for d in range(ndim):
            if d != dim and t._shape[d] != shape[d]:
                position = next(i for i, s in enumerate(tensors) if s is t)
                raise ShapeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {shape[d]} but got size "
                    f"{t._shape[d]} for tensor number {position} in the list."
                )
    return _cat(*kept, dim=dim)


concat = concatenate = cat


def stack(tensors, dim=0):
    """Tensors of equal shape along a new axis dim."""
    tensors = _tensors(tensors, "stack")
    if not tensors:
        raise ShapeError("stack expects a non-empty TensorList")
    shape = tensors[0]._shape
    for i, t in enumerate(tensors):
        if t._shape != shape:
            raise ShapeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and {list(t._shape)} at entry {i}"
            )
    return _stack(*tensors, dim=normalize_dim(dim, len(shape) + 1))


def atleast_1d(*tensors):
    """Tensors with at least one axis (0-d ones get one)."""
    return _at_least(tensors, 1, lambda t: reshape(t, (1,)))


def atleast_2d(*tensors):
    """Tensors with at least two axes; new ones come in front."""
    return _at_least(tensors, 2, lambda t: reshape(t, (1,) * (2 - t.ndim) + t._shape))


def atleast_3d(*tensors):
    """Tensors with at least three axes, as NumPy's atleast_3d places them."""
    return _at_least(tensors, 3, lambda t: reshape(t, {0: (1, 1, 1), 1: (1, *t._shape, 1), 2: (*t._shape, 1)}[t.ndim]))


def _at_least(tensors, n, grow):
    if len(tensors) == 1 and isinstance(tensors[0], Array):
        return tensors[0] if tensors[0].ndim >= n else grow(tensors[0])
    if len(tensors) == 1:
        tensors = tuple(tensors[0])
    return tuple(t if t.ndim >= n else grow(t) for t in tensors)


def hstack(tensors):
    """cat along axis 1, or along axis 0 of vectors."""
    tensors = [atleast_1d(t) for t in _tensors(tensors, "hstack")]
    if not tensors:
        raise ShapeError("hstack expects a non-empty TensorList")
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


def vstack(tensors):
    """cat along axis 0; vectors are rows."""
    tensors = [atleast_2d(t) for t in _tensors(tensors, "vstack")]
    if not tensors:
        raise ShapeError("vstack expects a non-empty TensorList")
    return cat(tensors, 0)


row_stack = vstack


def dstack(tensors):
    """cat along the third axis."""
    tensors = [atleast_3d(t) for t in _tensors(tensors, "dstack")]
    if not tensors:
        raise ShapeError("dstack expects a non-empty TensorList")
    return cat(tensors, 2)


def column_stack(tensors):
    """cat along axis 1; vectors are columns."""
    tensors = [t if t.ndim > 1 else reshape(t, (-1, 1)) for t in _tensors(tensors, "column_stack")]
    if not tensors:
        raise ShapeError("column_stack expects a non-empty TensorList")
    return cat(tensors, 1)


# -- splits: views --------------------------------------------------------------------------------------------------------------


def _pieces(input, dim, lengths):
    out, at = [], 0
    for n in lengths:
        out.append(_slice(input, dim=dim, start=at if n else 0, length=n, step=1))
        at += n
    return tuple(out)


def _split_dim(input, dim, name):
    if not input.ndim:
        raise ShapeError(f"{name} expects at least a 1-dimensional tensor")
    return normalize_dim(dim, input.ndim)


def split(input, split_size_or_sections, dim=0):
    """Views along dim: of this length each (the last may be shorter), or of the listed lengths."""
    dim = _split_dim(input, dim, "split")
    n, size = input._shape[dim], split_size_or_sections
    if isinstance(size, (list, tuple)):
        sizes = [int(s) for s in size]
        if any(s < 0 for s in sizes):
            raise ShapeError(f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={sizes}")
        if sum(sizes) != n:
            raise ShapeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {dim}), but got "
                f"split_sizes={sizes}"
            )
        return _pieces(input, dim, sizes)
    size = size.__index__()
    if size < 0:
        raise ShapeError(f"split expects split_size be non-negative, but got split_size={size}")
    if size == 0:
        if n:
            raise ShapeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
        return _pieces(input, dim, [0])
    return _pieces(input, dim, [min(size, n - i) for i in range(0, n, size)] or [0])


def chunk(input, chunks, dim=0):
    """At most this many views of equal length along dim (the last may be shorter)."""
    dim = _split_dim(input, dim, "chunk")
    if chunks < 1:
        raise ShapeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = input._shape[dim]
    if n == 0:
        return _pieces(input, dim, [0] * chunks)
    return split(input, -(-n // chunks), dim)


def tensor_split(input, indices_or_sections, dim=0):
    """Views along dim: this many of nearly equal length, or cut at these positions."""
    dim = _split_dim(input, dim, "tensor_split")
    n, cuts = input._shape[dim], indices_or_sections
    if isinstance(cuts, Array):
        cuts = cuts.tolist()
    if not isinstance(cuts, (list, tuple)):
        if cuts < 1:
            raise ShapeError(f"number of sections must be larger than 0, got {cuts}")
        return _pieces(input, dim, [n // cuts + (i < n % cuts) for i in range(cuts)])
    edges = [0] + [slice(c).indices(n)[1] for c in cuts] + [n]
    return tuple(
        _slice(input, dim=dim, start=a if b > a else 0, length=max(b - a, 0), step=1) for a, b in zip(edges, edges[1:], strict=False)
    )


def unbind(input, dim=0):
    """Every slice along dim, without that axis, as views."""
    if not input.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = normalize_dim(dim, input.ndim)
    return tuple(_select(input, dim=dim, index=i) for i in range(input._shape[dim]))


def hsplit(input, indices_or_sections):
    """tensor_split along axis 1, or axis 0 of a vector."""
    if not input.ndim:
        raise ShapeError("torch.hsplit requires a tensor with at least 1 dimension, but got a tensor with 0 dimensions!")
    return tensor_split(input, indices_or_sections, 0 if input.ndim == 1 else 1)


def vsplit(input, indices_or_sections):
    """tensor_split along axis 0."""
    if input.ndim < 2:
        raise ShapeError(f"torch.vsplit requires a tensor with at least 2 dimension, but got a tensor with {input.ndim} dimensions!")
    return tensor_split(input, indices_or_sections, 0)


# -- pad, roll, tile --------------------------------------------------------------------------------------------------------------

MODES = {"constant": 0, "reflect": 1, "replicate": 2, "circular": 3}


@op(saves="")
def _pad(x, *, shape, before, mode, value=0.0):
    y = _cpu.empty(shape, x.dtype)
    _cpu.pad(y, x if x._packed else _clone.forward(x), before, mode, value)
    return y


@op(saves="")
def _pad_dx(g, *, shape, before, mode):
    y = _cpu.empty(shape, g.dtype)
    _cpu.pad_dx(y, g if g._packed else _clone.forward(g), before, mode)
    return y


_pad.partials(lambda g, y, x, shape, before, mode, value=0.0: _pad_dx(g, shape=x._shape, before=before, mode=mode))
_pad_dx.partials(lambda h, y, g, shape, before, mode: _pad(h, shape=g._shape, before=before, mode=mode))


def pad(input, pad, mode="constant", value=None):
    """input made larger (or, by negative lengths, smaller) at both ends of its last axes.

    pad: (left, right, top, bottom, front, back, ...), the last axis first. mode: "constant" (filled with value), "reflect"
    (without the edge), "replicate" (the edge), "circular". RuntimeError for lengths that the mode does not allow.
    """
    pad = tuple([p.__index__() for p in pad])
    n = input.ndim
    if len(pad) % 2:
        raise ShapeError("Padding length must be divisible by 2")
    if len(pad) > 2 * n:
        raise ShapeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {n}"
        )
    if mode not in MODES:
        raise ValueError(f"Unrecognised padding mode {mode}")
    if mode != "constant" and value not in (None, 0):
        raise ShapeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    before, after = [0] * n, [0] * n
    for i in range(len(pad) // 2):
        before[n - 1 - i], after[n - 1 - i] = pad[2 * i], pad[2 * i + 1]
    if mode == "circular":  # wraps what is left after cutting
        for d in range(n):
            cut = max(-before[d], 0), max(-after[d], 0)
            if cut != (0, 0):
                left = input._shape[d] - sum(cut)
                if left < 0:
                    raise ShapeError("narrow(): length must be non-negative.")
                input = _slice(input, dim=d, start=cut[0] if left else 0, length=left, step=1)
            before[d], after[d] = max(before[d], 0), max(after[d], 0)
    shape = []
    for d, (a, b, s) in enumerate(zip(before, after, input._shape, strict=True)):
        if a + b + s < 0 or s < -a or s < -b:
            raise ShapeError(f"pad: padding ({a}, {b}) leaves a negative length of dimension {d} of input {list(input._shape)}")
        if mode == "reflect" and (a >= s or b >= s) and (a, b) != (0, 0):
            raise ShapeError(
                f"Padding size should be less than the corresponding input dimension, but got: padding ({a}, {b}) at dimension "
                f"{d} of input {list(input._shape)}"
            )
        if mode == "circular" and (a > s or b > s):
            raise ShapeError("Padding value causes wrapping around more than once.")
        if mode == "replicate" and s == 0 and a + b > 0:
            raise ShapeError(f"Expected a non-empty dimension {d} to replicate, got input {list(input._shape)}")
        shape.append(a + b + s)
    if not any(before) and not any(after):
        return _clone(input)
    value = 0.0 if value is None else float(value)
    if not input.dtype.is_floating_point:
        value = float(int(value))
        if mode != "constant" and input.requires_grad:
            raise TypeError("pad: expected floating-point values")
    return _pad(input, shape=tuple(shape), before=tuple(before), mode=MODES[mode], value=value)


def _int_tuple(v, name):
    if isinstance(v, (tuple, list)):
        return tuple([i.__index__() for i in v])
    try:
        return (v.__index__(),)
    except AttributeError:
        raise TypeError(f"{name} must be int or a tuple of ints, not {type(v).__name__}") from None


def roll(input, shifts, dims=None):
    """Elements moved by shifts along dims; what leaves at one end comes in at the other. Without dims, of the flattened input."""
    shifts = _int_tuple(shifts, "shifts")
    dims = () if dims is None else _int_tuple(dims, "dims")
    if not dims and len(shifts) == 1:
        return reshape(roll(reshape(input, (-1,)), shifts, 0), input._shape)
    if len(shifts) != len(dims) or not dims:
        raise ShapeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    shape, before = input._shape, [0] * input.ndim
    for s, d in zip(shifts, dims, strict=True):
        d = normalize_dim(d, input.ndim)
        if shape and shape[d]:
            before[d] = (before[d] + s) % shape[d]
    return _pad(input, shape=shape, before=tuple(before), mode=3) if any(before) else _clone(input)


def repeat(input, *repeats):
    """input repeated along each axis: sizes multiply; further axes come in front."""
    repeats = shape_from(repeats)
    if len(repeats) < input.ndim:
        raise ShapeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    shape = (1,) * (len(repeats) - input.ndim) + input._shape
    made = tuple([n * r.__index__() for n, r in zip(shape, repeats, strict=True)])
    if any(r < 0 for r in repeats):
        raise ShapeError(f"Trying to create tensor with negative dimension {min(made)}: {list(made)}")
    return _pad(reshape(input, shape), shape=made, before=(0,) * len(shape), mode=3)


def tile(input, *dims):
    """repeat, where missing repeats are 1."""
    dims = shape_from(dims)
    return repeat(input, *((1,) * (input.ndim - len(dims)) + dims))


def repeat_interleave(input, repeats, dim=None, *, output_size=None):
    """Each element of axis dim (of the flattened input without dim) repeated: y = [a, a, b, b, ...]; repeats may be a vector."""
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    dim = normalize_dim(dim, input.ndim)
    if not input.ndim:
        input = reshape(input, (1,))
    n = input._shape[dim]
    if isinstance(repeats, (list, tuple)):
        repeats = np.array(repeats)
    if isinstance(repeats, (Array, np.ndarray)):
        counts = np.asarray(repeats.detach().numpy() if isinstance(repeats, Array) else repeats)
        if counts.dtype.kind not in "iu":
            raise TypeError("repeats has to be Long or Int tensor")
        if counts.ndim > 1:
            raise ShapeError("repeat_interleave only accept 0-dim or 1-dim repeat vector as repeat")
        if (counts < 0).any():
            raise ShapeError("Repeats must be non-negative")
        if counts.size != 1 and counts.size != n:
            raise ShapeError(
                f"repeats must have the same size as input along dim, but got repeats.size(0) = {counts.size} and "
                f"input.size({dim}) = {n}"
            )
        if counts.size != 1:
            index = from_numpy(np.repeat(np.arange(n), counts))
            return _getitem(input, index, axes=(dim,), at=dim, wrap=0)
        repeats = int(counts.reshape(-1)[0])
    if repeats < 0:
        raise ShapeError("Repeats must be non-negative")
    shape = input._shape
    outer, inner = int(np.prod(shape[:dim], dtype=np.int64)), int(np.prod(shape[dim + 1 :], dtype=np.int64))
    y = _expand(reshape(input, (outer, n, 1, inner)), shape=(outer, n, int(repeats), inner))
    return contiguous(_reshape(y, shape=(*shape[:dim], n * int(repeats), *shape[dim + 1 :])))


# -- flip, triangles, diagonals ----------------------------------------------------------------------------------------------------


@op(saves="")
def _flip(x, *, dims):
    y = _cpu.empty(x._shape, x.dtype)
    for d in dims:
        n = x._shape[d]
        if n > 1:
            x = x._slice(d, n - 1, n, -1)
    _cpu.copy(y, x)
    return y


_flip.partials(lambda g, y, x, dims: _flip(g, dims=dims))


def flip(input, *dims):
    """A copy with the order of elements along dims reversed."""
    dims = tuple([normalize_dim(d, input.ndim) for d in shape_from(dims)])
    for d in dims:
        if dims.count(d) > 1:
            raise ShapeError(f"dim {d} appears multiple times in the list of dims")
    return _flip(input, dims=dims)


def fliplr(input):
    """flip along axis 1."""
    if input.ndim < 2:
        raise ShapeError("Input must be >= 2-d.")
    return _flip(input, dims=(1,))


def flipud(input):
    """flip along axis 0."""
    if input.ndim < 1:
        raise ShapeError("Input must be >= 1-d.")
    return _flip(input, dims=(0,))


def rot90(input, k=1, dims=(0, 1)):
    """Rotated by k quarter turns in the plane of dims, from the first towards the second."""
    if len(dims) != 2:
        raise ShapeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise ShapeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    a, b = (normalize_dim(d, input.ndim) for d in dims)
    if a == b:
        raise ShapeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    k %= 4
    if k == 0:
        return _clone(input)
    if k == 2:
        return _flip(input, dims=(a, b))
    order = list(range(input.ndim))
    order[a], order[b] = b, a
    if k == 1:
        return contiguous(_permute(_flip(input, dims=(b,)), dims=tuple(order)))
    return _flip(_permute(input, dims=tuple(order)), dims=(b,))


@op(saves="")
def _triangle(x, *, k, upper):
    y = _cpu.empty(x._shape, x.dtype)
    _cpu.triangle(y, x, k, upper)
    return y


_triangle.partials(lambda g, y, x, **p: _triangle(g, **p))


def _triangle_of(input, diagonal, upper, name):
    if input.ndim < 2:
        raise ShapeError(f"{name}: input tensor must have at least 2 dimensions")
    return _triangle(input, k=max(-(2**62), min(2**62, diagonal.__index__())), upper=upper)


def tril(input, diagonal=0):
    """The matrices in the last two axes, zero above this diagonal."""
    return _triangle_of(input, diagonal, 0, "tril")


def triu(input, diagonal=0):
    """The matrices in the last two axes, zero below this diagonal."""
    return _triangle_of(input, diagonal, 1, "triu")


def _diagonal_view(x, offset, a, b):
    n, m = x._shape[a], x._shape[b]
    length = max(min(n, m - offset) if offset >= 0 else min(n + offset, m), 0)
    start = (offset * x._strides[b] if offset >= 0 else -offset * x._strides[a]) if length else 0
    rest = [d for d in range(x.ndim) if d not in (a, b)]
    shape = (*[x._shape[d] for d in rest], length)
    return x._view(shape, (*[x._strides[d] for d in rest], x._strides[a] + x._strides[b]), start)


@op(saves="")
def _diagonal(x, *, offset, a, b):
    return _diagonal_view(x, offset, a, b)


@op(saves="")
def _diagonal_dx(g, *, shape, offset, a, b):
    y = _cpu.empty(shape, g.dtype)
    _cpu.copy(y, _zero(g.dtype)._expand(shape))
    _cpu.copy(_diagonal_view(y, offset, a, b), g)
    return y


_diagonal.partials(lambda g, y, x, **p: _diagonal_dx(g, shape=x._shape, **p))
_diagonal_dx.partials(lambda h, y, g, shape, **p: _diagonal(h, **p))


def diagonal(input, offset=0, dim1=0, dim2=1):
    """The diagonals of the planes dim1, dim2 as the last axis. A view."""
    a, b = normalize_dim(dim1, input.ndim), normalize_dim(dim2, input.ndim)
    if a == b:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _diagonal(input, offset=offset.__index__(), a=a, b=b)


def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Matrices (axes dim1, dim2) with the last axis of input on a diagonal, zero elsewhere."""
    n = input.ndim + 1
    a, b = normalize_dim(dim1, n), normalize_dim(dim2, n)
    if a == b:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if not input.ndim:
        raise ShapeError("diag_embed: input must have at least 1 dimension")
    size = input._shape[-1] + abs(offset)
    shape = list(input._shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, size)
    return _diagonal_dx(input, shape=tuple(shape), offset=offset, a=a, b=b)


def diag(input, diagonal=0):
    """The matrix with a vector on its diagonal, or the diagonal of a matrix."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return _clone(_diagonal(input, offset=diagonal, a=0, b=1))
    raise ShapeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")


def diagflat(input, offset=0):
    """The matrix with the flattened input on a diagonal."""
    return diag_embed(reshape(input, (-1,)), offset)


def meshgrid(*tensors, indexing=None):
    """Vectors as coordinates of a grid: one tensor each, expanded over all axes. indexing "ij" (default) or "xy"."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise ShapeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise ShapeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for t in tensors:
        if t.ndim > 1:
            raise ShapeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}")
        if t.dtype is not tensors[0].dtype:
            raise ShapeError("torch.meshgrid expects all tensors to have the same dtype")
    n = len(tensors)
    order = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    shape = [0] * n
    for t, d in zip(tensors, order, strict=True):
        shape[d] = t._size
    out = []
    for t, d in zip(tensors, order, strict=True):
        unit = [1] * n
        unit[d] = t._size
        out.append(_expand(reshape(t, tuple(unit)), shape=tuple(shape)))
    return tuple(out)


# -- ranges -------------------------------------------------------------------------------------------------------------------------


def _made(a, dtype, requires_grad):
    t = from_numpy(a).clone()
    if dtype is not None:
        t = to(t, dtype)
    return t.requires_grad_() if requires_grad else t


def arange(start, end=None, step=1, *, dtype=None, device=None, requires_grad=False, **ignored):
    """start, start + step, ... up to but not including end; arange(end) starts at 0. Integers give int64, floats float32."""
    if end is None:
        start, end = 0, start
    start, end, step = (v.item() if isinstance(v, (Array, np.generic)) else v for v in (start, end, step))
    if step == 0:
        raise ShapeError("step must be nonzero")
    if (end - start) * step < 0:
        raise ShapeError("upper bound and lower bound inconsistent with step sign")
    if dtype is None:
        floats = any(isinstance(v, float) for v in (start, end, step))
        dtype = dtypes.get_default_dtype() if floats else dtypes.int64
    count = -(-(end - start) // step) if all(isinstance(v, int) for v in (start, end, step)) else int(np.ceil((end - start) / step))
    a = np.arange(count, dtype=np.int64)
    if step != 1 or start != 0:
        a = start + a * step
    return _made(np.asarray(a), dtypes.as_dtype(dtype), requires_grad)


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False, **ignored):
    """steps values from start to end, both included, evenly spaced."""
    return _made(np.linspace(*_ends(start, end, steps)), dtype or dtypes.get_default_dtype(), requires_grad)


def logspace(start, end, steps, base=10.0, *, dtype=None, device=None, requires_grad=False, **ignored):
    """base ** linspace(start, end, steps)."""
    return _made(base ** np.linspace(*_ends(start, end, steps)), dtype or dtypes.get_default_dtype(), requires_grad)


def _ends(start, end, steps):
    steps = steps.__index__()
    if steps < 0:
        raise ShapeError("number of steps must be non-negative")
    return (*(float(v.item() if isinstance(v, Array) else v) for v in (start, end)), steps)


def eye(n, m=None, *, dtype=None, device=None, requires_grad=False, **ignored):
    """The n x m matrix with ones on its diagonal."""
    m = n if m is None else m
    for name, v in (("n", n), ("m", m)):
        if v < 0:
            raise ShapeError(f"{name} must be greater or equal to 0, got {v}")
    y = full((n, m), 0, dtype=dtype or dtypes.get_default_dtype())
    one = full((), 1, dtype=y.dtype)
    line = _diagonal_view(y, 0, 0, 1)
    _cpu.copy(line, one._expand(line._shape))
    return y.requires_grad_() if requires_grad else y


def tril_indices(row, col, offset=0, *, dtype=None, device=None):
    """(2, count): row and column of each element of the lower triangle of a row x col matrix, row by row."""
    return _made(np.array(np.tril_indices(row, offset, col)), dtype, False)


def triu_indices(row, col, offset=0, *, dtype=None, device=None):
    """(2, count): row and column of each element of the upper triangle of a row x col matrix, row by row."""
    return _made(np.array(np.triu_indices(row, offset, col)), dtype, False)


__all__ = (
    "arange atleast_1d atleast_2d atleast_3d cat chunk column_stack concat concatenate diag diag_embed diagflat diagonal dstack "
    "eye flip fliplr flipud hsplit hstack linspace logspace meshgrid repeat_interleave roll rot90 row_stack split stack "
    "tensor_split tile tril tril_indices triu triu_indices unbind vsplit vstack"
).split()
METHODS = (
    "chunk diag diag_embed diagflat diagonal flip fliplr flipud hsplit repeat repeat_interleave roll rot90 split tensor_split "
    "tile tril triu unbind vsplit"
).split()
FUNCTIONAL = ("pad",)
