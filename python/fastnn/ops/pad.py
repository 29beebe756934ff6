"""Padding, repeating and reordering: pad, roll, tile, repeat_interleave, flip, rot90.

`_pad` carries F.pad, roll and tile: y[i] = x[m(i - before)] along each axis, m being the mode's rule for positions outside x
(csrc/kernels/join/pad.cpp).
"""

from __future__ import annotations

import numpy as np

from .. import _cpu
from ..autodiff import Array, op
from ..errors import ShapeError
from ..tensor import from_numpy, normalize_dim, shape_from
from .index import _getitem
from .ranges import arange
from .shape import _clone, _expand, _permute, _reshape, _slice, contiguous, reshape

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


def _pad_rule(g, y, x, shape, before, mode, value=0.0):
    if mode == 0:  # what was added is cut off, what was cut off is zero
        return _pad(g, shape=x._shape, before=tuple([-b for b in before]), mode=0)
    return _pad_dx(g, shape=x._shape, before=before, mode=mode)


_pad.partials(_pad_rule)
_pad.tangents(lambda t, y, x, shape, before, mode, value=0.0: _pad(t, shape=shape, before=before, mode=mode))
_pad_dx.partials(lambda h, y, g, shape, before, mode: _pad(h, shape=g._shape, before=before, mode=mode)).linear()


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
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
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
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
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


def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Each element of axis dim (of the flattened input without dim) repeated: y = [a, a, b, b, ...]; repeats may be a vector.

    Of counts alone: 0, 1, 2, ..., each as often as its count says.
    """
    if repeats is None:
        input, repeats = arange(input._shape[0]), input
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    dim = normalize_dim(dim, input.ndim)
    if not input.ndim:
        input = reshape(input, (1,))
    n = input._shape[dim]
    if isinstance(repeats, (list, tuple)):
        repeats = np.array(repeats)
    if isinstance(repeats, (Array, np.ndarray)):
        counts = np.asarray(repeats.detach().cpu().numpy() if isinstance(repeats, Array) else repeats)
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


# -- flip ---------------------------------------------------------------------------------------------------------------------


@op(saves="")
def _flip(x, *, dims):
    y = _cpu.empty(x._shape, x.dtype)
    for d in dims:
        n = x._shape[d]
        if n > 1:
            x = x._slice(d, n - 1, n, -1)
    _cpu.copy(y, x)
    return y


_flip.partials(lambda g, y, x, dims: _flip(g, dims=dims)).linear()


def flip(input, *axes, dims=None):
    """A copy with the order of elements along dims reversed."""
    dims = tuple([normalize_dim(d, input.ndim) for d in (shape_from(axes) if dims is None else shape_from((dims,)))])
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


__all__ = ("flip", "fliplr", "flipud", "repeat_interleave", "roll", "rot90", "tile")
METHODS = ("flip", "fliplr", "flipud", "repeat", "repeat_interleave", "roll", "rot90", "tile")
FUNCTIONAL = ("pad",)
