"""Convolution layers."""

from __future__ import annotations

import math

from ..errors import ShapeError
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter, empty

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


def per_axis(value, axes, what):
    """An int for every axis, or a tuple of one int each: (value,) * axes."""
    if isinstance(value, (tuple, list)):
        if len(value) != axes:
            raise ShapeError(f"{what} must be an int or a tuple of {axes} ints, got {tuple(value)}")
        return tuple(int(v) for v in value)
    return (int(value),) * axes


class _ConvNd(Module):
    """What all convolutions share, as PyTorch's base to subclass: kernel_size, stride, ... are tuples of one int an axis."""

    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, dilation, transposed, output_padding, groups, bias,
                 padding_mode, device=None, dtype=None):  # fmt: skip
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                "padding_mode must be one of ('zeros', 'reflect', 'replicate', 'circular'), "
                f"but got padding_mode='{padding_mode}'"
            )
        self.in_channels, self.out_channels, self.groups, self.transposed = in_channels, out_channels, groups, transposed
        self.kernel_size, self.stride, self.padding, self.dilation, self.output_padding = kernel_size, stride, padding, dilation, output_padding
        self.padding_mode = padding_mode
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string '{padding}', should be one of 'same', 'valid'")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        channels = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(empty(*channels, *self.kernel_size, dtype=dtype, device=device))
        self.register_parameter("bias", Parameter(empty(out_channels, dtype=dtype, device=device)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = init.fans(self.weight)[0]
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    @property
    def _reversed_padding_repeated_twice(self):
        """[last axis before, after, previous axis before, after, ...], as F.pad wants it."""
        pads = []
        for axis in reversed(range(len(self.kernel_size))):
            if self.padding == "same":
                total = self.dilation[axis] * (self.kernel_size[axis] - 1)
                pads += [total // 2, total - total // 2]
            else:
                p = 0 if self.padding == "valid" else self.padding[axis]
                pads += [p, p]
        return pads

    def extra_repr(self):
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != (0,) * len(self.kernel_size):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * len(self.kernel_size):
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * len(self.kernel_size):
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Forward(_ConvNd):
    axes: int

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode="zeros", device=None, dtype=None):  # fmt: skip
        each = self.axes
        super().__init__(in_channels, out_channels, per_axis(kernel_size, each, "kernel_size"), per_axis(stride, each, "stride"),
                         padding if isinstance(padding, str) else per_axis(padding, each, "padding"), per_axis(dilation, each, "dilation"),
                         False, (0,) * each, groups, bias, padding_mode, device, dtype)  # fmt: skip

    def _conv_forward(self, input, weight, bias):
        """The convolution of input with another weight and bias, for subclasses that compute them."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return self._convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input):
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Forward):
    """x (N, C, L) or (C, L) → (N, O, L');  weight (O, C / groups, P)."""

    axes = 1
    _convolve = staticmethod(lambda *args: F.conv1d(*args))


class Conv2d(_Forward):
    """x (N, C, H, W) or (C, H, W) → (N, O, H', W');  weight (O, C / groups, P, Q)."""

    axes = 2
    _convolve = staticmethod(lambda *args: F.conv2d(*args))


class Conv3d(_Forward):
    """x (N, C, D, H, W) or (C, D, H, W) → (N, O, D', H', W');  weight (O, C / groups, P, Q, R)."""

    axes = 3
    _convolve = staticmethod(lambda *args: F.conv3d(*args))


class _ConvTransposeNd(_ConvNd):
    axes: int

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True,
                 dilation=1, padding_mode="zeros", device=None, dtype=None):  # fmt: skip
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        each = self.axes
        super().__init__(in_channels, out_channels, per_axis(kernel_size, each, "kernel_size"), per_axis(stride, each, "stride"),
                         per_axis(padding, each, "padding"), per_axis(dilation, each, "dilation"), True,
                         per_axis(output_padding, each, "output_padding"), groups, bias, padding_mode, device, dtype)  # fmt: skip

    def _output_padding(self, input, output_size):
        """The output padding that gives output_size, out of the stride[d] sizes one input size may have come from."""
        if output_size is None:
            return self.output_padding
        size = tuple(output_size)
        spatial = input.shape[-self.axes :]
        if len(size) == input.ndim:
            size = size[-self.axes :]
        if len(size) != self.axes:
            raise ValueError(
                f"{type(self).__name__}: for {input.ndim}D input, output_size must have {self.axes} or {input.ndim} "
                f"elements (got {len(size)})"
            )
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(spatial, self.stride, self.padding, self.dilation, self.kernel_size, strict=True)
        ]
        most = [low + s - 1 for low, s in zip(least, self.stride, strict=True)]
        if any(not low <= n <= high for n, low, high in zip(size, least, most, strict=True)):
            raise ValueError(
                f"requested an output size of {list(size)}, but valid sizes range from {least} to {most} "
                f"(for an input of {list(spatial)})"
            )
        return tuple(n - low for n, low in zip(size, least, strict=True))

    def forward(self, input, output_size=None):
        extra = self._output_padding(input, output_size)
        return self._convolve(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)


class ConvTranspose1d(_ConvTransposeNd):
    """The derivative of Conv1d with respect to its input:  x (N, C, L) → (N, O, L');  weight (C, O / groups, P)."""

    axes = 1
    _convolve = staticmethod(lambda *args: F.conv_transpose1d(*args))


class ConvTranspose2d(_ConvTransposeNd):
    """The derivative of Conv2d with respect to its input:  x (N, C, H, W) → (N, O, H', W');  weight (C, O / groups, P, Q)."""

    axes = 2
    _convolve = staticmethod(lambda *args: F.conv_transpose2d(*args))


class ConvTranspose3d(_ConvTransposeNd):
    """The derivative of Conv3d with respect to its input:  x (N, C, D, H, W) → (N, O, D', H', W');  weight (C, O / groups, P, Q, R)."""

    axes = 3
    _convolve = staticmethod(lambda *args: F.conv_transpose3d(*args))
