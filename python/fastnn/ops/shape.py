"""Shapes: views (no data moves) and the copies behind contiguous, clone and to. Each op's partial is the opposite view."""

from __future__ import annotations

from .. import _cpu, dtypes
from ..autodiff import Array, op
from ..creation import zero
from ..device import device as Device
from ..device import is_cuda, is_meta
from ..errors import ShapeError
from ..inplace import element_numbers
from ..tensor import Size, Tensor, empty, from_numpy, normalize_dim, shape_from

# -- copies -----------------------------------------------------------------------------------------------------------------


@op(saves="")
def _clone(x):
    y = _cpu.empty(x._shape, x.dtype)
    _cpu.copy(y, x)
    return y


_clone.partials(lambda g, y, x: g).linear()


@op(saves="")
def _to(x, *, dtype):
    y = _cpu.empty(x._shape, dtype)
    _cpu.copy(y, x)
    return y


@op(saves="")
def _move(x, *, cuda, asynchronous=False):
    return _cpu.to_place(x, cuda, asynchronous)


_move.partials(lambda g, y, x, cuda, asynchronous=False: _move(g, cuda=not cuda)).linear()

_to.partials(lambda g, y, x, dtype: to(g, x.dtype)).linear()


_RANK = {dtypes.channels_last: 4, dtypes.channels_last_3d: 5}


def _with_channels_last(x, memory_format, copy):
    """x as a view of memory in which its axis 1 is the last one. Kernels read it as they read any view; their results are packed."""
    if x.ndim != _RANK[memory_format]:
        raise ShapeError(f"required rank {_RANK[memory_format]} tensor to use {memory_format.name} format")
    last = movedim(x, 1, -1)
    return x if last._packed and not copy else movedim(_clone(last), -1, 1)


def clone(input, *, memory_format=None):
    """A copy, C-contiguous unless memory_format is channels_last; gradients flow through."""
    return _clone(input) if memory_format is None or memory_format not in _RANK else _with_channels_last(input, memory_format, True)


def contiguous(input, memory_format=None):
    """The tensor itself if it is C-contiguous (or its memory in the order that channels_last means), else a copy that is."""
    if memory_format is not None and memory_format in _RANK:
        return _with_channels_last(input, memory_format, False)
    return input if input._packed else _clone(input)


def to(input, *args, dtype=None, device=None, copy=False, non_blocking=False, memory_format=None):
    """The tensor in another dtype and/or on another device: to(dtype), to(device), to(device, dtype), to(other).

    non_blocking: from page-locked memory (`pin_memory`) to the GPU nobody waits for the copy, and what lies there must stay until it is made.
    From the GPU it goes to page-locked memory, where it is only after `cuda.synchronize()`, or what else waits for the stream.
    """
    for a in args:
        if isinstance(a, dtypes.dtype):
            dtype = a
        elif isinstance(a, Array):
            dtype, device = a.dtype, a.device
        elif isinstance(a, dtypes.memory_format):
            memory_format = a
        elif isinstance(a, bool):
            non_blocking = a
        elif isinstance(a, (Device, str)):
            if isinstance(a, str) and a in {d.name for d in dtypes.ALL}:
                dtype = a
            else:
                device = a
        elif a is not None:
            dtype = dtypes.as_dtype(a)
    dtype = input.dtype if dtype is None else dtypes.as_dtype(dtype)
    if device is not None and is_meta(device):
        return empty(input._shape, dtype=dtype, device=device)
    moves = device is not None and is_cuda(device) != input.is_cuda
    if memory_format is not None and (memory_format in _RANK or memory_format is dtypes.contiguous_format):
        return (clone if copy else contiguous)(to(input, dtype, device, non_blocking=non_blocking), memory_format=memory_format)
    if dtype is input.dtype and not moves:
        return _clone(input) if copy else input
    y = _to(input, dtype=dtype) if dtype is not input.dtype else input
    if moves:
        y = _move(y, cuda=not input.is_cuda, asynchronous=non_blocking)
    if input._steps is not None:  # argmax(x).float(): messages still name argmax
        y._steps = input._steps
    return y


def broadcast_tensors(*tensors):
    """All tensors expanded to their common shape."""
    shape = broadcast_shapes(*(t._shape for t in tensors))
    return tuple(expand(t, shape) for t in tensors)


def broadcast_shapes(*shapes, op=None):
    """The shape to which these broadcast together, an int standing for a vector's; RuntimeError when they do not."""
    shapes = [(s,) if isinstance(s, int) else s for s in shapes]
    out = []
    for k in range(1, 1 + max((len(s) for s in shapes), default=0)):
        sizes = {s[-k] for s in shapes if len(s) >= k} - {1}
        if len(sizes) > 1:
            listed = ", ".join(str(tuple(s)) for s in shapes)
            raise ShapeError(f"{op}: Shape mismatch: objects cannot be broadcast to a single shape: {listed}".removeprefix("None: "))
        out.append(sizes.pop() if sizes else 1)
    return Size(reversed(out))


# -- reshape ----------------------------------------------------------------------------------------------------------------


@op(saves="")
def _reshape(x, *, shape):
    y = x._reshape(shape)
    if y is None:
        y = _clone.forward(x)._reshape(shape)
    return y


_reshape.partials(lambda g, y, x, shape: _reshape(g, shape=x._shape)).linear()


def _infer(input, shape, name):
    """shape with -1 resolved."""
    if -1 in shape:
        known = 1
        for s in shape:
            known *= s if s != -1 else 1
        if shape.count(-1) > 1:
            raise ShapeError("only one dimension can be inferred")
        if known == 0 or input._size % known:
            if known == 0 and input._size == 0:
                raise ShapeError(f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 can be any value and is ambiguous")
            raise ShapeError(f"shape '{list(shape)}' is invalid for input of size {input._size}")
        shape = tuple(input._size // known if s == -1 else s for s in shape)
    elif shape and min(shape) < 0:
        raise ShapeError(f"{name}: invalid shape dimension {min(shape)}")
    return shape


def reshape(input, *shape):
    """The same elements in another shape (one length may be -1); a view where the strides allow it, else a copy."""
    return _reshape(input, shape=_infer(input, shape_from(shape), "reshape"))


def view(input, *shape, dtype=None):
    """As `reshape`, but always a view: RuntimeError where the strides do not allow one. view(dtype) reads the same bytes as that dtype."""
    dtype = shape[0] if len(shape) == 1 and isinstance(shape[0], dtypes.dtype) else dtype
    if dtype is not None:
        from .storage import in_dtype

        return in_dtype(input, dtype)
    shape = _infer(input, shape_from(shape), "view")
    if input._reshape(shape) is None:
        raise ShapeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return _reshape(input, shape=shape)


def view_as(input, other):
    return view(input, other._shape)


def reshape_as(input, other):
    return reshape(input, other._shape)


def flatten(input, start_dim=0, end_dim=-1):
    """Axes start_dim..end_dim as one."""
    a, b = normalize_dim(start_dim, input.ndim), normalize_dim(end_dim, input.ndim)
    if a > b:
        raise ShapeError("flatten() has invalid args: start_dim cannot come after end_dim")
    shape = input._shape
    if not shape:
        return _reshape(input, shape=(1,))
    n = 1
    for s in shape[a : b + 1]:
        n *= s
    return _reshape(input, shape=(*shape[:a], n, *shape[b + 1 :])) if a != b else input


def ravel(input):
    """input as a vector: a view where memory allows, else a copy."""
    return reshape(input, -1)


def unflatten(input, dim, sizes):
    """One axis as several: the inverse of flatten; one size may be -1."""
    dim = normalize_dim(dim, input.ndim)
    sizes, n = tuple(sizes), input._shape[dim]
    known = 1
    for s in sizes:
        known *= s if s != -1 else 1
    if -1 in sizes:
        if known == 0 or n % known:
            raise ShapeError(f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({n}) in the input tensor")
        sizes = tuple(n // known if s == -1 else s for s in sizes)
    elif known != n:
        raise ShapeError(f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({n}) in the input tensor")
    return _reshape(input, shape=input._shape[:dim] + sizes + input._shape[dim + 1 :])


def squeeze(input, dim=None):
    """Without axes of length 1 (all of them, or those named)."""
    if dim is None:
        shape = tuple(s for s in input._shape if s != 1)
    else:
        dims = {normalize_dim(d, input.ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))}
        shape = tuple(s for d, s in enumerate(input._shape) if s != 1 or d not in dims)
    return _reshape(input, shape=shape)


def unsqueeze(input, dim):
    """With a new axis of length 1 at dim."""
    dim = normalize_dim(dim, input.ndim + 1)
    return _reshape(input, shape=(*input._shape[:dim], 1, *input._shape[dim:]))


# -- permute ----------------------------------------------------------------------------------------------------------------


@op(saves="")
def _permute(x, *, dims):
    return x._permute(dims)


def _inverse(dims):
    out = [0] * len(dims)
    for i, d in enumerate(dims):
        out[d % len(dims)] = i
    return tuple(out)


_permute.partials(lambda g, y, x, dims: _permute(g, dims=_inverse(dims))).linear()


def permute(input, *dims):
    """Axes in another order."""
    return _permute(input, dims=shape_from(dims))


def transpose(input, dim0, dim1):
    """Two axes exchanged."""
    n = input.ndim
    a, b = normalize_dim(dim0, n), normalize_dim(dim1, n)
    dims = list(range(n))
    if n:
        dims[a], dims[b] = b, a
    return _permute(input, dims=tuple(dims))




def swapaxes(input, axis0, axis1):
    """`transpose`."""
    return transpose(input, axis0, axis1)


def swapdims(input, dim0, dim1):
    """`transpose`."""
    return transpose(input, dim0, dim1)


def t(input):
    """The transpose of a matrix; 0-d and 1-d tensors as they are."""
    if input.ndim > 2:
        raise ShapeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return transpose(input, 0, 1) if input.ndim == 2 else input


def movedim(input, source, destination):
    """Axes moved to other places, the rest in order."""
    source = (source,) if isinstance(source, int) else tuple(source)
    destination = (destination,) if isinstance(destination, int) else tuple(destination)
    if len(source) != len(destination):
        raise ShapeError(f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same number of dims as destination ({list(destination)} dims)")
    n = input.ndim
    source = [normalize_dim(d, n) for d in source]
    destination = [normalize_dim(d, n) for d in destination]
    if len(set(source)) != len(source) or len(set(destination)) != len(destination):
        raise ShapeError("movedim: repeated dim in source or destination")
    rest = [d for d in range(n) if d not in source]
    order = [None] * n
    for s, d in zip(source, destination, strict=True):
        order[d] = s
    return _permute(input, dims=tuple(rest.pop(0) if o is None else o for o in order))


moveaxis = movedim

# -- expand -----------------------------------------------------------------------------------------------------------------


@op(saves="")
def _expand(x, *, shape):
    return x._expand(shape)


_expand.partials(lambda g, y, x, shape: g).linear()  # summed back to x's shape by grad


def expand(input, *sizes, implicit=False):
    """Axes of length 1 repeated without copying; -1 keeps a length; new axes come in front."""
    sizes = shape_from(sizes)
    lead = len(sizes) - input.ndim
    if -1 in sizes:
        if lead >= 0 and -1 in sizes[:lead]:
            raise ShapeError("expand: the expanded size -1 is not allowed in a leading, non-existing dimension 0")
        sizes = tuple(input._shape[i - lead] if s == -1 else s for i, s in enumerate(sizes))
    return _expand(input, shape=sizes)


def expand_as(input, other):
    return expand(input, other._shape)


def broadcast_to(input, size):
    """A view of input in the shape to which it broadcasts, as `expand`; ShapeError where it does not."""
    return expand(input, size)


# -- slices -----------------------------------------------------------------------------------------------------------------


@op(saves="")
def _slice(x, *, dim, start, length, step):
    return x._slice(dim, start, length, step)


@op(saves="")
def _slice_dx(g, *, shape, dim, start, length, step):
    """Zeros of this shape with g written into the slice."""
    y = _cpu.empty(shape, g.dtype, g)
    n = shape[dim]
    if step == 1 and length:  # only the rest needs zeros
        for a, b in ((0, start), (start + length, n)):
            if b > a:
                _zero(y._slice(dim, a, b - a, 1))
    else:
        _zero(y)
    _cpu.copy(y._slice(dim, start, length, step), g)
    return y


def _zero(y):
    _cpu.copy(y, zero(y.dtype)._expand(y._shape))


def add_into(part, g):
    """part += g, in its memory."""
    _cpu.add(part, g, part)


_slice.partials(lambda g, y, x, **p: _slice_dx(g, shape=x._shape, **p)).linear()
_slice.into(lambda total, g, x, **p: add_into(total._slice(*[p[k] for k in ("dim", "start", "length", "step")]), g))
_slice_dx.partials(lambda h, y, g, shape, **p: _slice(h, **p)).linear()


@op(saves="")
def _select(x, *, dim, index):
    return x._select(dim, index)


_select.partials(
    lambda g, y, x, dim, index: _slice_dx(
        unsqueeze(g, dim), shape=x._shape, dim=dim, start=index % x._shape[dim], length=1, step=1
    )
).linear()
_select.into(lambda total, g, x, dim, index: add_into(total._select(dim, index), g))


def slice_view(input, dim, start, length, step=1):
    """length elements of axis dim from start, step apart (step may be negative). A view."""
    return _slice(input, dim=dim, start=start, length=length, step=step)


def select(input, dim, index):
    """The slice at one index of axis dim, without that axis. A view."""
    if not input.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    return _select(input, dim=normalize_dim(dim, input.ndim), index=int(index))


def narrow(input, dim, start, length):
    """length elements of axis dim from start. A view."""
    if not input.ndim:
        raise ShapeError("narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Array) and (start.ndim or start._floating or start.dtype is dtypes.bool):
        raise ShapeError("start must be an 0-dim integral Tensor.")
    dim, start = normalize_dim(dim, input.ndim), int(start)
    n = input._shape[dim]
    if length < 0:
        raise ShapeError("narrow(): length must be non-negative.")
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {start})")
    start += n if start < 0 else 0
    if start + length > n:
        raise ShapeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return _slice(input, dim=dim, start=start, length=length, step=1)


def as_strided(input, size, stride, storage_offset=None):
    """Any view of the memory behind a tensor; RuntimeError where it would reach outside.

    Of a contiguous tensor that requires grad it is a copy, whose gradient is added up where views overlap.
    """
    from .storage import storage_offset as offset_of

    start = 0 if storage_offset is None else storage_offset - offset_of(input)
    if not input.requires_grad:
        return input._view(tuple(size), tuple(stride), start)
    return reshape(input, (-1,))[_places("as_strided", input, size, stride, start)]


def _places(name, input, size, stride, start):
    """Where in a contiguous input, counted from its first element, the elements of that view lie."""
    if not input._packed:
        raise RuntimeError(f"{name}: a tensor that requires grad must be contiguous")
    places = element_numbers(size, stride, start)
    if places.size and not 0 <= places.min() <= places.max() < input._size:
        raise RuntimeError(f"{name}: size {list(size)}, stride {list(stride)} reach outside a tensor of {input._size} elements")
    return from_numpy(places)


def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy of input, contiguous, with src in the place of that view of its memory (see `as_strided`)."""
    x = contiguous(input)
    if src._shape != tuple(size):
        raise ShapeError(f"as_strided_scatter: expected src to have a size equal to the slice of self. src size = {list(src._shape)}, slice size = {list(size)}")
    places = _places("as_strided_scatter", x, size, stride, storage_offset or 0)
    return reshape(reshape(x, (-1,)).index_put((places,), src), x._shape)


__all__ = (
    "as_strided as_strided_scatter broadcast_shapes broadcast_tensors broadcast_to clone flatten movedim moveaxis narrow permute ravel reshape "
    "select squeeze swapaxes swapdims t transpose unflatten unsqueeze"
).split()
METHODS = (
    "as_strided as_strided_scatter broadcast_to clone contiguous expand expand_as flatten movedim moveaxis narrow permute ravel reshape reshape_as "
    "select squeeze swapaxes swapdims t to transpose unflatten unsqueeze view view_as"
).split()
FUNCTIONAL = ()

Tensor.T = property(lambda x: _permute(x, dims=tuple(range(x.ndim))[::-1]), doc="axes in reverse order")


def _mT(x):
    if x.ndim < 2:
        raise ShapeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {x.ndim}-D tensor.")
    return transpose(x, -2, -1)


Tensor.mT = property(_mT, doc="the last two axes exchanged")
