"""Joining and splitting: cat, stack and their kin; split, chunk and unbind, which are views."""

from __future__ import annotations

from .. import _cpu
from ..autodiff import Array, op
from ..errors import ShapeError
from ..tensor import Tensor, normalize_dim, result_type, zeros
from .shape import _select, _slice, reshape, to

MOST = 256  # arrays one launch of cat takes

# -- cat and stack ------------------------------------------------------------------------------------------------------------


def _cat_into(y, xs, dim):
    if len(xs) <= MOST:
        return _cpu.cat(y, xs, dim)
    _cpu.widen(y, *xs)
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


_cat.partials(_cat_rule).linear()
_stack.partials(lambda g, y, *xs, index=0, dim: _select(g, dim=dim, index=index)).linear()


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


def cat(tensors, dim=0):
    """Tensors of equal shape (but for dim) one after the other along dim; dtypes are promoted. 1-d empty ones are skipped."""
    tensors = _tensors(tensors, "cat")
    if not tensors:
        raise ShapeError("torch.cat(): expected a non-empty list of Tensors")
    for i, t in enumerate(tensors):
        if not t.ndim:
            raise ShapeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    kept = tuple([t for t in tensors if t._shape != (0,)]) or tensors[:1]
    ndim, shape = kept[0].ndim, kept[0]._shape
    dim = normalize_dim(dim, ndim)
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
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
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


def split(tensor, split_size_or_sections=None, dim=0, *, split_size=None):
    """Views along dim: of this length each (the last may be shorter), or of the listed lengths. split_size: the method's name for them."""
    dim = _split_dim(tensor, dim, "split")
    n, size = tensor._shape[dim], split_size if split_size_or_sections is None else split_size_or_sections
    if size is None:
        raise TypeError("split() missing 1 required positional argument: 'split_size'")
    if isinstance(size, (list, tuple)):
        sizes = [int(s) for s in size]
        if any(s < 0 for s in sizes):
            raise ShapeError(f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={sizes}")
        if sum(sizes) != n:
            raise ShapeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {dim}), but got "
                f"split_sizes={sizes}"
            )
        return _pieces(tensor, dim, sizes)
    size = size.__index__()
    if size < 0:
        raise ShapeError(f"split expects split_size be non-negative, but got split_size={size}")
    if size == 0:
        if n:
            raise ShapeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
        return _pieces(tensor, dim, [0])
    return _pieces(tensor, dim, [min(size, n - i) for i in range(0, n, size)] or [0])


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
        if cuts >= 2**31:
            raise MemoryError(f"tensor_split: {cuts} tensors do not fit into memory")
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


def dsplit(input, indices_or_sections):
    """tensor_split along axis 2."""
    if input.ndim < 3:
        raise ShapeError(f"torch.dsplit requires a tensor with at least 3 dimension, but got a tensor with {input.ndim} dimensions!")
    return tensor_split(input, indices_or_sections, 2)


def split_with_sizes(input, split_sizes, dim=0):
    """`split` into the listed lengths."""
    return split(input, list(split_sizes), dim)


def block_diag(*tensors):
    """The matrix with these matrices (numbers and vectors as rows) along its diagonal, zero elsewhere."""
    blocks = [atleast_2d(t) for t in _tensors(tensors, "block_diag")]
    for i, b in enumerate(blocks):
        if b.ndim > 2:
            raise ShapeError(f"block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {b.ndim} dimensions")
    width, left, rows = sum(b._shape[1] for b in blocks), 0, []
    for b in blocks:
        n, m = b._shape
        dtype = b.dtype
        rows.append(cat([zeros((n, left), dtype=dtype), b, zeros((n, width - left - m), dtype=dtype)], 1))
        left += m
    return cat(rows, 0) if rows else zeros((1, 0))


__all__ = (
    "atleast_1d atleast_2d atleast_3d cat chunk column_stack concat block_diag concatenate dsplit dstack hsplit hstack row_stack split split_with_sizes stack "
    "tensor_split unbind vsplit vstack"
).split()
METHODS = ("chunk", "dsplit", "hsplit", "split", "split_with_sizes", "tensor_split", "unbind", "vsplit")
