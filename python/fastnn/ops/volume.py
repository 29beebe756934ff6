"""Three spatial axes, (N, C, D, H, W) or (C, D, H, W), by the kernels of two.

Convolution: the taps along depth become channels of a two-dimensional convolution. It is one call of its kernel, on depth
kernel_size[0] times the memory of the input. Pooling: over the plane, then along depth. Derivatives are those of the parts.
"""

from __future__ import annotations

from operator import index

from ..autodiff import Array
from ..errors import ShapeError, rounded_once
from . import conv2d as plane
from . import pool
from .fractional_pool import fractional_max_pool2d, fractional_max_pool3d
from .gather import gather
from .pad import pad
from .ranges import arange
from .reduce import mean
from .rows import index_add
from .shape import contiguous, narrow, permute, reshape
from .windows import taps


def _batched(input, name):
    if not isinstance(input, Array):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if input.ndim not in (4, 5):
        raise ShapeError(f"{name}: Expected 4D or 5D (batch mode) tensor for input, but got: {list(input._shape)}")
    return input if input.ndim == 5 else reshape(input, (1, *input._shape))


def _like(y, input):
    """y without its batch axis, if input has none."""
    return y if input.ndim == 5 else reshape(y, y._shape[1:])


@rounded_once
def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """`conv2d` along three axes: input (N, C, D, H, W) or (C, D, H, W), weight (O, C / groups, P, Q, R), bias (O)."""
    name = "conv3d"
    stride, dilation = plane._tuple(stride, 3, "stride", name), plane._tuple(dilation, 3, "dilation", name)
    same = padding == "same"
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ShapeError(f"Invalid padding string: '{padding}'")
        if same and any(s != 1 for s in stride):
            raise ShapeError("padding='same' is not supported for strided convolutions")
        padding = 0
    padding, groups = plane._tuple(padding, 3, "padding", name), index(groups)
    plane._check(name, 3, input, weight, bias, stride, padding, (0,) * 3, dilation, groups, False)
    plane._nonempty(input._shape, 3)
    x = _batched(input, name)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, weight._shape[2:], strict=True)]
    depth = ((reach[0] - 1) // 2, reach[0] // 2) if same else (padding[0],) * 2
    sizes = [n + (r - 1 if same else 2 * p) for n, r, p in zip(x._shape[2:], reach, padding, strict=True)]
    if any(r > n for r, n in zip(reach, sizes, strict=True)):
        raise ShapeError(
            f"Calculated padded input size per channel: ({plane._by(sizes)}). Kernel size: ({plane._by(reach)}). Kernel size can't be "
            "greater than actual input size"
        )
    if depth != (0, 0):
        x = pad(x, (0, 0, 0, 0, *depth))
    n, c, _, h, w = x._shape
    filters, channels, p, *area = weight._shape
    x = taps(x, 2, p, stride[0], dilation[0])  # (N, C, D', H, W, P)
    d = x._shape[2]
    x = reshape(permute(x, 0, 2, 1, 5, 3, 4), (n * d, c * p, h, w))
    y = plane.conv2d(
        x, reshape(weight, (filters, channels * p, *area)), bias, stride[1:], "same" if same else padding[1:], dilation[1:], groups
    )
    return _like(contiguous(permute(reshape(y, (n, d, *y._shape[1:])), 0, 2, 1, 3, 4)), input)


@rounded_once
def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of `conv3d`: input (N, C, D, H, W) or (C, D, H, W), weight (C, O / groups, P, Q, R), bias (O)."""
    name = "conv_transpose3d"
    stride, dilation = plane._tuple(stride, 3, "stride", name), plane._tuple(dilation, 3, "dilation", name)
    padding, extra = plane._tuple(padding, 3, "padding", name), plane._tuple(output_padding, 3, "output_padding", name)
    groups = index(groups)
    plane._check(name, 3, input, weight, bias, stride, padding, extra, dilation, groups, True)
    if any(e >= s and e >= d for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ShapeError(
            f"output padding must be smaller than either stride or dilation, but got output_padding={list(extra)}, "
            f"stride={list(stride)}, dilation={list(dilation)}"
        )
    plane._nonempty(input._shape, 3)
    x = _batched(input, name)
    n, c, d, h, w = x._shape
    _, filters, p, *area = weight._shape
    size = (d - 1) * stride[0] - 2 * padding[0] + dilation[0] * (p - 1) + extra[0] + 1
    if size <= 0:
        raise ShapeError(f"{name}: output size {size} of depth is too small")
    x = reshape(permute(x, 0, 2, 1, 3, 4), (n * d, c, h, w))
    y = plane.conv_transpose2d(
        x, reshape(weight, (c, filters * p, *area)), None, stride[1:], padding[1:], extra[1:], groups, dilation[1:]
    )
    y = permute(reshape(y, (n, d, groups * filters, p, *y._shape[2:])), 0, 2, 1, 3, 4, 5)  # (N, O, D, P, H', W')
    y = reshape(y, (n, groups * filters, d * p, *y._shape[4:]))
    whole = max((d - 1) * stride[0] + dilation[0] * (p - 1) + 1, padding[0] + size)
    places = reshape(arange(d) * stride[0], (d, 1)) + arange(p) * dilation[0]
    empty = y.new_zeros((n, groups * filters, whole, *y._shape[3:]))
    y = narrow(index_add(empty, 2, reshape(places, (-1,)), y), 2, padding[0], size)
    return _like(y if bias is None else y + reshape(bias, (-1, 1, 1, 1)), input)


# -- pooling ------------------------------------------------------------------------------------------------------------------


def _three(value, name, what, stride=False):
    if stride and value in (None, [], ()):
        return (None,) * 3
    return pool._tuple(value, 3, name, what)


def _by_plane(x, f):
    """f of the planes (N·D, C, H, W), with depth back in its place: each result (N, C, D, H', W')."""
    n, c, d, h, w = x._shape
    results = f(reshape(permute(x, 0, 2, 1, 3, 4), (n * d, c, h, w)))
    several = isinstance(results, tuple)
    out = tuple(permute(reshape(y, (n, d, *y._shape[1:])), 0, 2, 1, 3, 4) for y in (results if several else (results,)))
    return out if several else out[0]


def _along_depth(x, f):
    """f of (N, C, D, H·W), depth being the height: each result (N, C, D', H, W)."""
    *lead, d, h, w = x._shape
    results = f(reshape(x, (*lead, d, h * w)))
    several = isinstance(results, tuple)
    out = tuple(reshape(y, (*y._shape[:3], h, w)) for y in (results if several else (results,)))
    return out if several else out[0]


def _with_indices(x, over_plane, over_depth):
    """Largest values, and their positions in the D·H·W volume."""
    size = x._shape[3] * x._shape[4]
    y, in_plane = _by_plane(x, over_plane)
    plane_size = y._shape[3] * y._shape[4]
    y, place = _along_depth(y, over_depth)
    depth = place // plane_size if plane_size else place
    return y, depth * size + gather(in_plane, 2, depth)


def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest value of each window of (C, D, H, W) or (N, C, D, H, W); see `max_pool2d`."""
    name = "max_pool3d"
    k, s = _three(kernel_size, name, "kernel_size"), _three(stride, name, "stride", True)
    p, d = _three(padding, name, "padding"), _three(dilation, name, "dilation")
    x = _batched(input, name)
    s = k if s[0] is None else s

    def over_plane(x):
        return pool._max(x, 2, name, k[1:], s[1:], p[1:], d[1:], ceil_mode, return_indices)

    def over_depth(x):
        return pool._max(x, 2, name, (k[0], 1), (s[0], 1), (p[0], 0), (d[0], 1), ceil_mode, return_indices)

    if not return_indices:
        return _like(_along_depth(_by_plane(x, over_plane), over_depth), input)
    y, places = _with_indices(x, over_plane, over_depth)
    return _like(y, input), _like(places, input)


@rounded_once
def avg_pool3d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """The mean of each window of (C, D, H, W) or (N, C, D, H, W); see `avg_pool2d`."""
    name = "avg_pool3d"
    k, s, p = _three(kernel_size, name, "kernel_size"), _three(stride, name, "stride", True), _three(padding, name, "padding")
    if divisor_override == 0:
        raise ShapeError("divisor must be not zero")
    x = _batched(input, name)
    s = k if s[0] is None else s
    one = None if divisor_override is None else 1
    y = _by_plane(x, lambda x: pool._avg(x, 2, name, k[1:], s[1:], p[1:], ceil_mode, count_include_pad, one))
    y = _along_depth(
        y, lambda x: pool._avg(x, 2, name, (k[0], 1), (s[0], 1), (p[0], 0), ceil_mode, count_include_pad, divisor_override)
    )
    return _like(y, input)


def _sizes(output_size, x, name):
    given = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * 3
    if len(given) != 3:
        raise ShapeError(f"{name}: output_size must be 3")
    return tuple(n if v is None else v for v, n in zip(given, x._shape[2:], strict=True))


@rounded_once
def adaptive_avg_pool3d(input, output_size):
    """The means of output_size nearly equal windows along each of three axes; None keeps an axis."""
    x = _batched(input, "adaptive_avg_pool3d")
    d, h, w = _sizes(output_size, x, "adaptive_avg_pool3d")
    if (d, h, w) == (1, 1, 1) and x._floating:
        return _like(mean(x, (2, 3, 4), True), input)
    y = _by_plane(x, lambda x: pool.adaptive_avg_pool2d(x, (h, w)))
    return _like(_along_depth(y, lambda x: pool.adaptive_avg_pool2d(x, (d, None))), input)


def adaptive_max_pool3d(input, output_size, return_indices=False):
    """The largest of output_size nearly equal windows along each of three axes; None keeps an axis."""
    x = _batched(input, "adaptive_max_pool3d")
    d, h, w = _sizes(output_size, x, "adaptive_max_pool3d")

    def over_plane(x):
        return pool.adaptive_max_pool2d(x, (h, w), return_indices)

    def over_depth(x):
        return pool.adaptive_max_pool2d(x, (d, x._shape[-1]), return_indices)

    if not return_indices:
        return _like(_along_depth(_by_plane(x, over_plane), over_depth), input)
    y, places = _with_indices(x, over_plane, over_depth)
    return _like(y, input), _like(places, input)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(Σ x^p)^(1/p) of each window of (C, D, H, W) or (N, C, D, H, W)."""
    k = _three(kernel_size, "lp_pool3d", "kernel_size")
    return pool._lp("lp_pool3d", input, norm_type, k[0] * k[1] * k[2], lambda x: avg_pool3d(x, k, stride, 0, ceil_mode))


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with each value at its index in the volume: the inverse of `max_pool3d` up to what was lost."""
    name = "max_unpool3d"
    if indices._shape != input._shape:
        raise ShapeError(f"{name}: Expected shape of indices to be same as that of the input tensor ({list(input._shape)}) but got {list(indices._shape)}")
    k, p = _three(kernel_size, name, "kernel_size"), _three(padding, name, "padding")
    s = k if stride in (None, [], ()) else _three(stride, name, "stride")
    default = [(n - 1) * a + b - 2 * c for n, a, b, c in zip(input._shape[-3:], s, k, p, strict=True)]
    size = default if output_size is None else [int(v) for v in output_size][-3:]
    if any(not a - t < n < a + t for n, a, t in zip(size, default, s, strict=True)):
        raise ValueError(f'{name}: invalid output_size "{list(size)}" (each must be less than a stride from {default})')
    flat = (*input._shape[:-3], 1, -1)  # as a plane of height 1
    volume = size[0] * size[1] * size[2]
    y = pool._unpool(reshape(input, flat), contiguous(reshape(indices, flat)), size=(1, volume), add=False)
    return reshape(y, (*input._shape[:-3], *size))


def _indexed(pool):
    """PyTorch's name of a pool with return_indices=True."""

    def f(*args, **options):
        options["return_indices"] = True
        return pool(*args, **options)

    f.__name__ = f.__qualname__ = f"{pool.__name__}_with_indices"
    f.__module__, f.__doc__ = __name__, f"`{pool.__name__}` with return_indices=True: (values, indices)."
    return f


_POOLS = [
    *(getattr(pool, name) for name in ("max_pool1d", "max_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d")), max_pool3d, adaptive_max_pool3d,
    fractional_max_pool2d, fractional_max_pool3d,
]  # fmt: skip
globals().update({f"{p.__name__}_with_indices": _indexed(p) for p in _POOLS})

__all__ = ("conv3d", "conv_transpose3d", "max_pool3d")
METHODS = ()
FUNCTIONAL = (
    "adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d conv3d conv_transpose3d lp_pool3d max_pool3d max_unpool3d " + " ".join(f"{p.__name__}_with_indices" for p in _POOLS)
).split()
