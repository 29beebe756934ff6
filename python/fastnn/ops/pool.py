"""Pooling over the last one or two axes: max, average, adaptive, L^p, and the inverse of max. (C, H, W) or (N, C, H, W).

max_pool keeps one byte a window (which tap won), not an int64 index; derivatives of every order gather by it.
"""

from __future__ import annotations

from .. import _cpu, dtypes
from ..autodiff import is_grad_enabled, op
from ..device import kernels
from ..errors import DTypeError, ShapeError
from ..tensor import empty
from .reduce import mean
from .shape import contiguous, squeeze, unsqueeze
from .sort import unique

# -- arguments --------------------------------------------------------------------------------------------------------------


def _tuple(value, n, name, what):
    if isinstance(value, (tuple, list)):
        values = tuple(value) * (n if len(value) == 1 else 1)
    else:
        values = (value,) * n
    if len(values) != n or not all(hasattr(v, "__index__") for v in values):
        kind = "a single int, or a tuple of two ints" if n == 2 else "a single int or a tuple of one int"
        raise (ShapeError if len(values) != n else TypeError)(f"{name}: {what} must either be {kind}, not {value!r}")
    return tuple(int(v) for v in values)


def _expect(x, n, name, sizes=True):
    if not isinstance(x, _cpu.Array):
        raise TypeError(f"{name}: expected a Tensor, not {type(x).__name__}")
    empty_axis = sizes and 0 in x._shape[1 if x.ndim == n + 2 else 0 :]
    if x.ndim not in (n + 1, n + 2) or empty_axis:
        raise ShapeError(
            f"{name}: Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got: {list(x._shape)}"
        )
    if not x._floating:
        raise DTypeError(f"{name}: expected a floating dtype, got {x.dtype.name}")


def _geometry(x, n, name, kernel_size, stride, padding, dilation, ceil_mode):
    """(kernel, stride, padding, dilation) of two axes each as the kernels take it (one axis: height 1), and the output shape."""
    k = _tuple(kernel_size, n, name, "kernel_size")
    s = k if stride in (None, [], ()) else _tuple(stride, n, name, "stride")
    p, d = _tuple(padding, n, name, "padding"), _tuple(dilation, n, name, "dilation")
    for what, values in (("kernel size", k), ("stride", s), ("dilation", d)):
        if min(values) <= 0:
            raise ShapeError(f"{name}: {what} should be greater than zero, but got {', '.join(map(str, values))}")
    if min(p) < 0:
        raise ShapeError(f"{name}: pad must be non-negative, but got pad: {min(p)}")
    for i in range(n):
        if p[i] > (d[i] * (k[i] - 1) + 1) // 2:
            raise ShapeError(
                f"{name}: pad should be at most half of effective kernel size, but got pad={p[i]}, kernel_size={k[i]} "
                f"and dilation={d[i]}"
            )
        if p[i] > k[i] // 2:
            raise ShapeError(f"{name}: pad should be smaller than or equal to half of kernel size, but got pad={p[i]}, kernel_size={k[i]}")
    sizes, outs = x._shape[-n:], []
    for i, size in enumerate(sizes):
        out = (size + 2 * p[i] - d[i] * (k[i] - 1) - 1 + (s[i] - 1 if ceil_mode else 0)) // s[i] + 1
        if ceil_mode and (out - 1) * s[i] >= size + p[i]:
            out -= 1  # the last window starts inside the input or its left padding
        outs.append(out)
    if min(outs) < 1:
        lead = x._shape[-n - 1]
        raise ShapeError(
            f"{name}: Given input size: ({'x'.join(map(str, (lead, *sizes)))}). Calculated output size: "
            f"({'x'.join(map(str, (lead, *outs)))}). Output size is too small"
        )
    k = tuple(min(k[i], (sizes[i] + 2 * p[i] - 1) // d[i] + 1) for i in range(n))  # taps that no window can reach
    if n == 1:
        k, s, p, d = (1, *k), (1, *s), (0, *p), (1, *d)
    return (*k, *s, *p, *d), (*x._shape[:-n], *outs)


# -- max --------------------------------------------------------------------------------------------------------------------


@op(saves="")
def _max_pool(x, *, geometry, shape, indices=False):
    y = empty(shape, dtype=x.dtype)
    if indices or (x.requires_grad and is_grad_enabled()):
        offsets = empty(shape, dtype=dtypes.uint8 if geometry[0] * geometry[1] <= 256 else dtypes.int32)
    else:
        offsets = empty((0,), dtype=dtypes.uint8)
    kernels(x).max_pool2d(y, offsets, contiguous(x), geometry)
    return y, offsets


@op(saves="")
def _max_pool_dx(g, offsets, *, geometry, size):
    dx = empty(size, dtype=g.dtype)
    kernels(g).max_pool2d_dx(dx, contiguous(g), offsets, geometry)
    return dx


@op(saves="")
def _max_pool_at(x, offsets, *, geometry):
    y = empty(offsets._shape, dtype=x.dtype)
    kernels(x).max_pool2d_at(y, contiguous(x), offsets, geometry)
    return y


_max_pool.partials(lambda g, y, x, geometry, **p: _max_pool_dx(g, y[1], geometry=geometry, size=x._shape))
_max_pool.tangents(lambda t, y, x, geometry, **p: _max_pool_at(t, y[1], geometry=geometry))
_max_pool_dx.partials(lambda h, y, g, offsets, geometry, size: _max_pool_at(h, offsets, geometry=geometry), None).linear(0)
_max_pool_at.partials(lambda h, y, x, offsets, geometry: _max_pool_dx(h, offsets, geometry=geometry, size=x._shape), None).linear(0)


def _max(input, n, name, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    if isinstance(input, _cpu.Array) and not input._floating and input.dtype is not dtypes.bool:  # their ranks are floats, exactly
        values, rank = unique(input, return_inverse=True)
        y = _max(rank.to(dtypes.float64), n, name, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        largest = values[(y[0] if return_indices else y).to(dtypes.int64)]
        return (largest, y[1]) if return_indices else largest
    _expect(input, n, name)
    geometry, shape = _geometry(input, n, name, kernel_size, stride, padding, dilation, ceil_mode)
    y, offsets = _max_pool(input, geometry=geometry, shape=shape, indices=return_indices)
    if not return_indices:
        return y
    *lead, wide = shape
    planes = shape if n == 2 else (*lead, 1, wide)
    height = input._shape[-2] if n == 2 else 1
    indices = empty(planes, dtype=dtypes.int64)
    kernels(input).max_pool2d_indices(indices, offsets._reshape(planes), geometry, height, input._shape[-1])
    return y, (indices if n == 2 else indices._reshape(shape))


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest value of each window of (C, L) or (N, C, L); with return_indices also where it is. NaN wins."""
    return _max(input, 1, "max_pool1d", kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest value of each window of (C, H, W) or (N, C, H, W). Padding never wins; NaN does; ties go to the first.

    return_indices: also the flat positions in the H·W plane (int64), as `max_unpool2d` takes them.
    RuntimeError: sizes below 1, padding above half the window, an input smaller than the window.
    """
    return _max(input, 2, "max_pool2d", kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# -- average ----------------------------------------------------------------------------------------------------------------


@op(saves="")
def _avg_pool(x, *, geometry, shape, count_padding, divisor):
    y = empty(shape, dtype=x.dtype)
    kernels(x).avg_pool2d(y, contiguous(x), geometry, count_padding, divisor)
    return y


@op(saves="")
def _avg_pool_dx(g, *, geometry, size, count_padding, divisor):
    dx = empty(size, dtype=g.dtype)
    kernels(g).avg_pool2d_dx(dx, contiguous(g), geometry, count_padding, divisor)
    return dx


_avg_pool.partials(lambda g, y, x, shape, **p: _avg_pool_dx(g, size=x._shape, **p)).linear()
_avg_pool_dx.partials(lambda h, y, g, size, **p: _avg_pool(h, shape=g._shape, **p)).linear()


def _avg(input, n, name, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    _expect(input, n, name)
    if divisor_override == 0:
        raise ShapeError(f"{name}: divisor must be not zero")
    geometry, shape = _geometry(input, n, name, kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool(
        input, geometry=geometry, shape=shape, count_padding=int(bool(count_include_pad)), divisor=int(divisor_override or 0)
    )


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of (C, L) or (N, C, L); count_include_pad: padding counts as zeros."""
    return _avg(input, 1, "avg_pool1d", kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """The mean of each window of (C, H, W) or (N, C, H, W), or its sum over divisor_override.

    count_include_pad: padding counts as zeros (what ceil_mode adds beyond it never does).
    """
    return _avg(input, 2, "avg_pool2d", kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# -- adaptive ---------------------------------------------------------------------------------------------------------------


@op(saves="")
def _adaptive_avg(x, *, size):
    y = empty((*x._shape[:-2], *size), dtype=x.dtype)
    kernels(x).adaptive_avg_pool2d(y, contiguous(x))
    return y


@op(saves="")
def _adaptive_avg_dx(g, *, size):
    dx = empty((*g._shape[:-2], *size), dtype=g.dtype)
    kernels(g).adaptive_avg_pool2d_dx(dx, contiguous(g))
    return dx


_adaptive_avg.partials(lambda g, y, x, size: _adaptive_avg_dx(g, size=x._shape[-2:])).linear()
_adaptive_avg_dx.partials(lambda h, y, g, size: _adaptive_avg(h, size=g._shape[-2:])).linear()


@op(saves="")
def _adaptive_max(x, *, size):
    shape = (*x._shape[:-2], *size)
    y, indices = empty(shape, dtype=x.dtype), empty(shape, dtype=dtypes.int64)
    kernels(x).adaptive_max_pool2d(y, indices, contiguous(x))
    return y, indices


@op(saves="")
def _unpool(x, indices, *, size, add):
    """Zeros of this size with x written (or added) at the indices of each plane."""
    y = empty((*x._shape[:-2], *size), dtype=x.dtype)
    kernels(x).max_unpool2d(y, contiguous(x), indices, int(add))
    return y


@op(saves="")
def _unpool_dx(g, indices):
    dx = empty(indices._shape, dtype=g.dtype)
    kernels(g).max_unpool2d_dx(dx, contiguous(g), indices)
    return dx


_adaptive_max.partials(lambda g, y, x, size: _unpool(g, y[1], size=x._shape[-2:], add=True))
_adaptive_max.tangents(lambda t, y, x, size: _unpool_dx(t, y[1]))
_unpool.partials(lambda g, y, x, indices, size, add: _unpool_dx(g, indices), None).linear(0)
_unpool_dx.partials(lambda h, y, g, indices: _unpool(h, indices, size=g._shape[-2:], add=True), None).linear(0)


def _adaptive_size(input, n, name, output_size):
    _expect(input, n, name, sizes=False)
    if 0 in input._shape[-n - 1 :]:
        raise ShapeError(
            f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {list(input._shape)}"
        )
    values = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * n
    if len(values) != n:
        raise ShapeError(f"{name}: output_size must be {n} sizes, got {list(values)}")
    size = tuple(input._shape[i - n] if v is None else v for i, v in enumerate(values))
    size = _tuple(size, n, name, "output_size")
    if min(size) < 0:
        raise ShapeError(f"{name}: elements of output_size must be greater than or equal to 0 but received {min(size)}")
    return size


def _equal_windows(input, size):
    """The kernel of ordinary pooling that gives this size, or None where windows differ."""
    pairs = tuple(zip(input._shape[-2:], size, strict=True))
    return tuple(n // m for n, m in pairs) if all(m and n % m == 0 for n, m in pairs) else None


def adaptive_avg_pool2d(input, output_size):
    """The mean over window i of n/m: [floor(i n/m), ceil((i+1) n/m)) on each axis; None keeps a length."""
    size = _adaptive_size(input, 2, "adaptive_avg_pool2d", output_size)
    if size == (1, 1):
        return mean(input, (-2, -1), keepdim=True)
    kernel = _equal_windows(input, size)
    return _adaptive_avg(input, size=size) if kernel is None else avg_pool2d(input, kernel)


def adaptive_avg_pool1d(input, output_size):
    """`adaptive_avg_pool2d` of (C, L) or (N, C, L)."""
    size = _adaptive_size(input, 1, "adaptive_avg_pool1d", output_size)
    return squeeze(adaptive_avg_pool2d(unsqueeze(input, -2), (1, *size)), -2)


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """The largest value of the windows of `adaptive_avg_pool2d`; with return_indices also its flat position in the plane."""
    size = _adaptive_size(input, 2, "adaptive_max_pool2d", output_size)
    kernel = _equal_windows(input, size)
    if kernel is not None:
        return max_pool2d(input, kernel, return_indices=return_indices)
    y, indices = _adaptive_max(input, size=size)
    return (y, indices) if return_indices else y


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """`adaptive_max_pool2d` of (C, L) or (N, C, L)."""
    size = _adaptive_size(input, 1, "adaptive_max_pool1d", output_size)
    y = adaptive_max_pool2d(unsqueeze(input, -2), (1, *size), return_indices)
    return (squeeze(y[0], -2), squeeze(y[1], -2)) if return_indices else squeeze(y, -2)


# -- the inverse of max, and L^p --------------------------------------------------------------------------------------------


def _max_unpool(input, indices, n, name, kernel_size, stride, padding, output_size):
    _expect(input, n, name)
    if indices.dtype is not dtypes.int64:
        raise DTypeError(f"{name}: elements in indices should be type int64 but got: {indices.dtype.name}")
    if indices._shape != input._shape:
        raise ShapeError(
            f"{name}: Expected shape of indices to be same as that of the input tensor ({list(input._shape)}) "
            f"but got indices tensor with shape: {list(indices._shape)}"
        )
    k = _tuple(kernel_size, n, name, "kernel_size")
    s = k if stride in (None, [], ()) else _tuple(stride, n, name, "stride")
    p = _tuple(padding, n, name, "padding")
    if min(s) <= 0 or min(k) <= 0:
        raise ShapeError(f"{name}: kernel size and stride should be greater than zero, but got {k} and {s}")
    default = tuple((input._shape[i - n] - 1) * s[i] + k[i] - 2 * p[i] for i in range(n))
    if output_size is None:
        size = default
    else:
        size = tuple(int(v) for v in output_size)[-n:]
        if len(output_size) not in (n, n + 2) or len(size) != n:
            raise ValueError(f"{name}: output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of '{len(output_size)}'")
        for i in range(n):
            if not default[i] - s[i] < size[i] < default[i] + s[i]:
                raise ValueError(
                    f'{name}: invalid output_size "{list(size)}" (dim {i} must be between {default[i] - s[i]} and {default[i] + s[i]})'
                )
    if min(size) <= 0:
        raise ShapeError(f"{name}: output size {list(size)} is too small")
    if n == 1:
        y = _unpool(unsqueeze(input, -2), contiguous(unsqueeze(indices, -2)), size=(1, *size), add=False)
        return squeeze(y, -2)
    return _unpool(input, contiguous(indices), size=size, add=False)


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """`max_unpool2d` of (C, L) or (N, C, L)."""
    return _max_unpool(input, indices, 1, "max_unpool1d", kernel_size, stride, padding, output_size)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with each value at its index in the plane: the inverse of `max_pool2d` up to what was lost.

    IndexError for an index outside the plane.
    """
    return _max_unpool(input, indices, 2, "max_unpool2d", kernel_size, stride, padding, output_size)


def _lp(name, input, norm_type, count, mean):
    if norm_type == 0:
        raise ShapeError(f"{name}: norm_type must not be 0")
    return (mean(input**norm_type) * count) ** (1.0 / norm_type)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(Σ x^p)^(1/p) of each window of (C, L) or (N, C, L)."""
    k = _tuple(kernel_size, 1, "lp_pool1d", "kernel_size")
    return _lp("lp_pool1d", input, norm_type, k[0], lambda x: avg_pool1d(x, k, stride, 0, ceil_mode))


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(Σ x^p)^(1/p) of each window of (C, H, W) or (N, C, H, W)."""
    k = _tuple(kernel_size, 2, "lp_pool2d", "kernel_size")
    return _lp("lp_pool2d", input, norm_type, k[0] * k[1], lambda x: avg_pool2d(x, k, stride, 0, ceil_mode))


__all__ = ("adaptive_avg_pool1d", "adaptive_max_pool1d", "avg_pool1d", "max_pool1d", "max_pool2d")
METHODS = ()
FUNCTIONAL = (
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d avg_pool1d avg_pool2d lp_pool1d lp_pool2d "
    "max_pool1d max_pool2d max_unpool1d max_unpool2d"
).split()
