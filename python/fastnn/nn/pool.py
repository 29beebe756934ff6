"""Pooling layers. The formulas are those of nn.functional."""

from __future__ import annotations

from . import functional as F
from .module import Module
from .stateless import REQUIRED, Stateless

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d",
    "AvgPool1d", "AvgPool2d", "AvgPool3d", "FractionalMaxPool2d", "FractionalMaxPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d",
    "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
]  # fmt: skip


class _Pool(Stateless):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.stride is None:
            self.stride = self.kernel_size


class _MaxPool(_Pool):
    options = dict(kernel_size=REQUIRED, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False)

    def extra_repr(self):
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest of each window: x (N, C, L) → (N, C, L')"""

    function = "max_pool1d"


class MaxPool2d(_MaxPool):
    """The largest of each window: x (N, C, H, W) → (N, C, H', W')"""

    function = "max_pool2d"


class MaxPool3d(_MaxPool):
    """The largest of each window: x (N, C, D, H, W) → (N, C, D', H', W')"""

    function = "max_pool3d"


class AvgPool1d(_Pool):
    """The mean of each window: x (N, C, L) → (N, C, L')"""

    function = "avg_pool1d"
    options = dict(kernel_size=REQUIRED, stride=None, padding=0, ceil_mode=False, count_include_pad=True)

    def extra_repr(self):
        return f"kernel_size={per_1d(self.kernel_size)}, stride={per_1d(self.stride)}, padding={per_1d(self.padding)}"


def per_1d(value):
    return value if isinstance(value, tuple) else (value,)


class AvgPool2d(_Pool):
    """The mean of each window: x (N, C, H, W) → (N, C, H', W')"""

    function = "avg_pool2d"
    options = dict(
        kernel_size=REQUIRED, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    )

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(_Pool):
    """The mean of each window: x (N, C, D, H, W) → (N, C, D', H', W')"""

    function = "avg_pool3d"
    options = dict(
        kernel_size=REQUIRED, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    )

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _LPPool(Stateless):
    options = dict(norm_type=REQUIRED, kernel_size=REQUIRED, stride=None, ceil_mode=False)


class LPPool1d(_LPPool):
    """(Σ x^norm_type)^(1 / norm_type) of each window"""

    function = "lp_pool1d"


class LPPool2d(_LPPool):
    """(Σ x^norm_type)^(1 / norm_type) of each window"""

    function = "lp_pool2d"


class LPPool3d(_LPPool):
    """(Σ x^norm_type)^(1 / norm_type) of each window"""

    function = "lp_pool3d"


class _Adaptive(Stateless):
    options = dict(output_size=REQUIRED)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class _AdaptiveAvgPoolNd(_Adaptive):
    pass


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The mean of output_size nearly equal windows: x (N, C, L) → (N, C, output_size)"""

    function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The mean of output_size nearly equal windows; None keeps an axis"""

    function = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The mean of output_size nearly equal windows; None keeps an axis"""

    function = "adaptive_avg_pool3d"


class _AdaptiveMaxPoolNd(_Adaptive):
    options = dict(output_size=REQUIRED, return_indices=False)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest of output_size nearly equal windows: x (N, C, L) → (N, C, output_size)"""

    function = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest of output_size nearly equal windows; None keeps an axis"""

    function = "adaptive_max_pool2d"


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest of output_size nearly equal windows; None keeps an axis"""

    function = "adaptive_max_pool3d"


class _MaxUnpool(Module):
    axes: int

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()

        def each(value):
            return tuple(value) if isinstance(value, (tuple, list)) else (value,) * self.axes

        self.kernel_size, self.padding = each(kernel_size), each(padding)
        self.stride = self.kernel_size if stride is None else each(stride)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Each value back where MaxPool1d(return_indices=True) found it, zeros elsewhere"""

    axes = 1

    def forward(self, input, indices, output_size=None):
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpool):
    """Each value back where MaxPool2d(return_indices=True) found it, zeros elsewhere"""

    axes = 2

    def forward(self, input, indices, output_size=None):
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpool):
    """Each value back where MaxPool3d(return_indices=True) found it, zeros elsewhere"""

    axes = 3

    def forward(self, input, indices, output_size=None):
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class _Fractional(Module):
    function: str

    def __init__(self, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{type(self).__name__}: give output_size or output_ratio, one of them")
        self.kernel_size, self.output_size, self.output_ratio = kernel_size, output_size, output_ratio
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input):
        f = getattr(F, self.function)
        return f(input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples)


class FractionalMaxPool2d(_Fractional):
    """The largest of windows at random distances: x (N, C, H, W) → (N, C, *output_size)"""

    function = "fractional_max_pool2d"


class FractionalMaxPool3d(_Fractional):
    """The largest of windows at random distances: x (N, C, D, H, W) → (N, C, *output_size)"""

    function = "fractional_max_pool3d"
