"""Resampling of the spatial axes: nearest, linear, bilinear, bicubic, trilinear; pixel shuffles.

A mode is a table: which inputs each output reads, with which weights (`_table`). One kernel applies a table to each of two
axes, another its transpose: the two are each other's derivative, of every order.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from .. import _cpu, dtypes
from ..autodiff import op
from ..device import kernels
from ..errors import DTypeError, ShapeError, rounded_once
from ..tensor import empty, from_numpy
from .pool import adaptive_avg_pool1d, adaptive_avg_pool2d
from .shape import contiguous, permute, reshape
from .volume import adaptive_avg_pool3d

# -- tables -----------------------------------------------------------------------------------------------------------------


def _cubic(t, a):
    """Keys' kernel at distance t (IEEE TASSP 1981); a = -0.75 as in PyTorch and OpenCV, -0.5 with antialiasing as in PIL."""
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _triangle(t):
    return np.maximum(1 - np.abs(t), 0.0)


@functools.lru_cache(maxsize=256)
def _table(size, out, mode, align_corners, scale_factor, antialias):
    """(indices (out, taps) int64, weights (out, taps) float64 or None) of one axis, as tensors."""
    if mode in ("nearest", "nearest-exact"):  # in float32, as PyTorch, whose ties decide
        scale = np.float32(1 / scale_factor) if scale_factor else np.float32(size) / np.float32(out)
        position = np.arange(out, dtype=np.float32) + np.float32(0.5 if mode == "nearest-exact" else 0)
        index = np.minimum(np.floor(position * scale).astype(np.int64), size - 1)[:, None]
        return from_numpy(index), None
    if align_corners:
        scale = (size - 1) / (out - 1) if out > 1 else 0.0
        position = np.arange(out) * scale
    else:
        scale = 1 / scale_factor if scale_factor else size / out
        position = (np.arange(out) + 0.5) * scale - 0.5
    if antialias:
        kernel, reach = (_triangle, 1.0) if mode == "linear" else (functools.partial(_cubic, a=-0.5), 2.0)
        stretch = max(scale, 1.0)
        center = position + 0.5
        first = np.maximum((center - reach * stretch + 0.5).astype(np.int64), 0)
        last = np.minimum((center + reach * stretch + 0.5).astype(np.int64), size)
        taps = first[:, None] + np.arange(max(int((last - first).max()), 1))
        inside = taps < last[:, None]
        weight = np.where(inside, kernel((taps - center[:, None] + 0.5) / stretch), 0.0)
        weight /= weight.sum(1, keepdims=True)
        index = np.where(inside, taps, first[:, None])
    elif mode == "linear":
        position = np.maximum(position, 0.0)
        low = np.minimum(np.floor(position).astype(np.int64), size - 1)
        part = np.clip(position - low, 0.0, 1.0)
        index, weight = np.stack([low, np.minimum(low + 1, size - 1)], 1), np.stack([1 - part, part], 1)
    else:
        low = np.floor(position).astype(np.int64)
        taps = low[:, None] + np.arange(-1, 3)
        index, weight = np.clip(taps, 0, size - 1), _cubic(taps - position[:, None], -0.75)
    return from_numpy(np.ascontiguousarray(index)), from_numpy(np.ascontiguousarray(weight))


# -- the linear pair --------------------------------------------------------------------------------------------------------
# tables: (row indices, row weights, column indices, column weights), None where an axis stays as it is


@op(saves="")
def _interpolate(x, *, size, tables):
    y = empty((*x._shape[:-2], *size), dtype=x.dtype)
    kernels(x).interpolate2d(y, contiguous(x), *tables)
    return y


@op(saves="")
def _interpolate_dx(g, *, size, tables):
    dx = empty((*g._shape[:-2], *size), dtype=g.dtype)
    kernels(g).interpolate2d_dx(dx, contiguous(g), *tables)
    return dx


_interpolate.partials(lambda g, y, x, size, tables: _interpolate_dx(g, size=x._shape[-2:], tables=tables)).linear()
_interpolate_dx.partials(lambda h, y, g, size, tables: _interpolate(h, size=g._shape[-2:], tables=tables)).linear()

_MODES = {  # mode: (kernel of one axis, number of spatial axes or None for any)
    "nearest": ("nearest", None),
    "nearest-exact": ("nearest-exact", None),
    "linear": ("linear", 1),
    "bilinear": ("linear", 2),
    "bicubic": ("cubic", 2),
    "trilinear": ("linear", 3),
    "area": ("area", None),
}


@rounded_once
def interpolate(
    input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None, antialias=False
):
    """Resamples (N, C, L), (N, C, H, W) or (N, C, D, H, W) to `size`, or by `scale_factor`, which is also the step between
    samples unless recompute_scale_factor.

    mode: nearest, nearest-exact, linear (3-D), bilinear, bicubic (4-D), trilinear (5-D), area (mean of each cell).
    align_corners: the corner samples, not the corner edges, coincide. antialias: widen the kernel when shrinking.
    NotImplementedError for another mode, or a mode that does not go with the number of axes.
    """
    if not isinstance(input, _cpu.Array):
        raise TypeError(f"interpolate: expected a Tensor, not {type(input).__name__}")
    n = input.ndim - 2
    if mode not in _MODES or not 1 <= n <= 3:
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: {' | '.join(_MODES)} (got {mode})"
        )
    kernel, axes = _MODES[mode]
    if axes is not None and n != axes:
        raise NotImplementedError(f"Got {input.ndim}D input, but {mode} mode needs {axes + 2}D input")
    if kernel in ("nearest", "nearest-exact", "area"):
        if align_corners is not None:
            raise ValueError("align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError("Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input")
    if input.dtype is dtypes.uint8:  # images as they are stored
        y = interpolate(input.to(dtypes.float32), size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
        return y.round().clamp(0, 255).to(dtypes.uint8)
    if not input._floating:
        raise DTypeError(f"interpolate: expected a floating dtype, got {input.dtype.name}")
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    sizes = input._shape[2:]
    given = size if size is not None else scale_factor
    values = tuple(given) if isinstance(given, (tuple, list)) else (given,) * n
    if len(values) != n:
        raise ValueError(
            f"Input and output must have the same number of spatial dimensions, but got input with spatial dimensions of "
            f"{list(sizes)} and {'output size' if size is not None else 'scale_factor'} of {given}."
        )
    factors = (None,) * n
    if size is not None:
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        if not all(hasattr(v, "__index__") for v in values):
            raise TypeError(f"interpolate: size must be ints, not {size!r}")
        outs = tuple(int(v) for v in values)
    else:
        if not all(math.isfinite(v) for v in values):
            raise ValueError(f"interpolate: scale_factor must be finite, got {scale_factor}")
        outs = tuple(math.floor(float(s) * float(v)) for s, v in zip(sizes, values, strict=True))
        factors = values if not recompute_scale_factor else factors
    if min(outs) <= 0 or min(sizes) <= 0:
        raise ShapeError(
            f"interpolate: Input and output sizes should be greater than 0, but got input {list(sizes)} output {list(outs)}"
        )
    if max(*outs, *sizes) >= 2**31:
        raise ShapeError(f"interpolate: sizes above 2**31 are not supported: {list(sizes)} to {list(outs)}")

    def by_sizes(s, o):
        """Whether the sizes decide, whatever factor was given: PyTorch's shortcuts, with their results."""
        return (o == s and (kernel == "linear" or antialias)) or (kernel == "nearest" and n == 2 and o in (s, 2 * s))

    if kernel == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[n - 1](input, outs)
    table = [
        _table(s, o, kernel, bool(align_corners), None if f is None or by_sizes(s, o) else float(f), bool(antialias))
        for s, o, f in zip(sizes, outs, factors, strict=True)
    ]
    lead = input._shape[:2]
    if n == 1:
        return _interpolate(input, size=(lead[1], outs[0]), tables=(None, None, *table[0]))
    if n == 2:
        return _interpolate(input, size=outs, tables=(*table[0], *table[1]))
    planes = _interpolate(reshape(input, -1 if input._size else 0, *sizes[1:]), size=outs[1:], tables=(*table[1], *table[2]))
    flat = outs[1] * outs[2]
    y = _interpolate(reshape(planes, lead[0] * lead[1], sizes[0], flat), size=(outs[0], flat), tables=(*table[0], None, None))
    return reshape(y, *lead, *outs)


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """The older name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    """`interpolate` with mode="nearest"."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    """`interpolate` with mode="bilinear" and align_corners=True."""
    return interpolate(input, size, scale_factor, "bilinear", True)


# -- pixel shuffles ---------------------------------------------------------------------------------------------------------


def pixel_shuffle(input, upscale_factor):
    """(..., C·r², H, W) -> (..., C, H·r, W·r). Shi et al., CVPR 2016."""
    r = upscale_factor
    if input.ndim < 3:
        raise ShapeError(f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)")
    if r <= 0:
        raise ShapeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, c, h, w = input._shape
    if c % (r * r):
        raise ShapeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
            f"input.size(-3)={c} is not divisible by {r * r}"
        )
    k = len(lead)
    x = reshape(input, *lead, c // (r * r), r, r, h, w)
    return reshape(permute(x, *range(k), k, k + 3, k + 1, k + 4, k + 2), *lead, c // (r * r), h * r, w * r)


def pixel_unshuffle(input, downscale_factor):
    """(..., C, H·r, W·r) -> (..., C·r², H, W): the inverse of `pixel_shuffle`."""
    r = downscale_factor
    if input.ndim < 3:
        raise ShapeError(f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)")
    if r <= 0:
        raise ShapeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *lead, c, h, w = input._shape
    if h % r or w % r:
        raise ShapeError(f"pixel_unshuffle expects height and width to be divisible by downscale_factor, but got {h}x{w} and {r}")
    k = len(lead)
    x = reshape(input, *lead, c, h // r, r, w // r, r)
    return reshape(permute(x, *range(k), k, k + 2, k + 4, k + 1, k + 3), *lead, c * r * r, h // r, w // r)


def channel_shuffle(input, groups):
    """Channels of (N, C, ...) dealt out over groups. Zhang et al., CVPR 2018."""
    if input.ndim < 3:
        raise ShapeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input._shape)}")
    if groups <= 0:
        raise ShapeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    n, c, *rest = input._shape
    if c % groups:
        raise ShapeError(f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups.")
    x = reshape(input, n, groups, c // groups, *rest)
    return reshape(permute(x, 0, 2, 1, *range(3, x.ndim)), n, c, *rest)


__all__ = ("channel_shuffle", "pixel_shuffle", "pixel_unshuffle")
METHODS = ()
FUNCTIONAL = (
    "channel_shuffle interpolate pixel_shuffle pixel_unshuffle upsample upsample_bilinear upsample_nearest"
).split()
