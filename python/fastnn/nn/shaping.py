"""Layers that move data without changing values: flatten, pad, fold, upsample, shuffle."""

from __future__ import annotations

import math

from . import functional as F
from .module import Module
from .stateless import REQUIRED, Stateless

__all__ = [
    "ChannelShuffle", "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d", "Flatten",
    "Fold", "PixelShuffle", "PixelUnshuffle", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
    "ReplicationPad2d", "ReplicationPad3d", "Unflatten", "Unfold", "Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d",
    "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class Flatten(Module):
    """Axes start_dim to end_dim become one."""

    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input):
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Axis dim becomes several, of sizes unflattened_size; one of them may be -1."""

    def __init__(self, dim, unflattened_size):
        super().__init__()
        if not isinstance(dim, int):
            raise TypeError("unflattened_size must be a tuple of ints and dim an int")
        if not isinstance(unflattened_size, (tuple, list)) or not all(isinstance(n, int) for n in unflattened_size):
            raise TypeError(f"unflattened_size must be tuple of ints, but found type {type(unflattened_size).__name__}")
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input):
        if not -input.ndim <= self.dim < input.ndim:
            raise IndexError(f"Unflatten: dimension {self.dim} out of range for {input.ndim}D input")
        axis = self.dim % input.ndim
        sizes, whole = list(self.unflattened_size), input.shape[axis]
        known = math.prod(n for n in sizes if n != -1)
        if sizes.count(-1) == 1 and known > 0 and whole % known == 0:
            sizes[sizes.index(-1)] = whole // known
        if math.prod(sizes) != whole or min(sizes, default=0) < 0:
            raise RuntimeError(
                f"Unflatten: provided sizes {self.unflattened_size} don't multiply up to the size of dim {self.dim} "
                f"({whole}) in the input tensor"
            )
        return input.reshape(*input.shape[:axis], *sizes, *input.shape[axis + 1 :])

    def extra_repr(self):
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class _Pad(Module):
    """padding: one int, or (before, after) for each axis, the last axis first."""

    axes: int
    mode: str

    def __init__(self, padding):
        super().__init__()
        self.padding = (padding,) * (2 * self.axes) if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != 2 * self.axes:
            raise ValueError(f"{type(self).__name__}: padding must have {2 * self.axes} numbers, got {self.padding}")

    def forward(self, input):
        if self.mode == "circular" and input.ndim not in (self.axes + 1, self.axes + 2):
            raise ValueError(f"{type(self).__name__}: expected {self.axes + 1}D or {self.axes + 2}D input (got {input.ndim}D input)")
        return F.pad(input, self.padding, mode=self.mode)

    def extra_repr(self):
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, mode="constant", value=self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """value around the last axis"""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """value around the last two axes"""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """value around the last three axes"""

    axes = 3


class ZeroPad1d(ConstantPad1d):
    """zeros around the last axis"""

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ZeroPad2d(ConstantPad2d):
    """zeros around the last two axes"""

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ZeroPad3d(ConstantPad3d):
    """zeros around the last three axes"""

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ReflectionPad1d(_Pad):
    """mirrored at the edge, which is not repeated: 2 1 | 0 1 2"""

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """mirrored at the edges, which are not repeated"""

    axes, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """mirrored at the edges, which are not repeated"""

    axes, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """the edge repeated: 0 0 | 0 1 2"""

    axes, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """the edges repeated"""

    axes, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """the edges repeated"""

    axes, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """the other end: 1 2 | 0 1 2"""

    axes, mode = 1, "circular"


class CircularPad2d(_Pad):
    """the other end, on the last two axes"""

    axes, mode = 2, "circular"


class CircularPad3d(_Pad):
    """the other end, on the last three axes"""

    axes, mode = 3, "circular"


class Unfold(Stateless):
    """Sliding windows as columns: x (N, C, H, W) → (N, C · kernel, positions)"""

    function = "unfold"
    options = dict(kernel_size=REQUIRED, dilation=1, padding=0, stride=1)


class Fold(Stateless):
    """Columns summed back into windows: x (N, C · kernel, positions) → (N, C, *output_size)"""

    function = "fold"
    options = dict(output_size=REQUIRED, kernel_size=REQUIRED, dilation=1, padding=0, stride=1)


class Upsample(Stateless):
    """Resized to size, or by scale_factor: mode "nearest", "linear", "bilinear" or "bicubic" """

    function = "interpolate"
    options = dict(size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None)

    def forward(self, input):
        options = {} if self.recompute_scale_factor is None else dict(recompute_scale_factor=self.recompute_scale_factor)
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners, **options)

    def extra_repr(self):
        how = f"size={self.size}" if self.scale_factor is None else f"scale_factor={_as_float(self.scale_factor)}"
        return f"{how}, mode={self.mode!r}"


def _as_float(factor):
    return tuple(map(float, factor)) if isinstance(factor, (tuple, list)) else float(factor)


class UpsamplingNearest2d(Upsample):
    """Upsample(mode="nearest")"""

    options = dict(size=None, scale_factor=None)
    mode, align_corners, recompute_scale_factor = "nearest", None, None


class UpsamplingBilinear2d(Upsample):
    """Upsample(mode="bilinear", align_corners=True)"""

    options = dict(size=None, scale_factor=None)
    mode, align_corners, recompute_scale_factor = "bilinear", True, None


class ChannelShuffle(Stateless):
    """Channels of groups interleaved: (N, C, ...), C = groups * n"""

    function, options = "channel_shuffle", dict(groups=REQUIRED)


class PixelShuffle(Stateless):
    """(N, C r², H, W) → (N, C, H r, W r): channels become pixels"""

    function, options = "pixel_shuffle", dict(upscale_factor=REQUIRED)


class PixelUnshuffle(Stateless):
    """(N, C, H r, W r) → (N, C r², H, W): pixels become channels"""

    function, options = "pixel_unshuffle", dict(downscale_factor=REQUIRED)
