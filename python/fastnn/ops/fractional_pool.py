"""Max pooling by windows whose distances vary at random, so that the output is any size: Graham, "Fractional max-pooling", 2014.

Window i of m starts at int((i + u) a) - int(u a), a = (size - kernel) / (m - 1), the last one at the end; u is drawn for each
image, channel and axis.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import ShapeError
from ..tensor import from_numpy
from .gather import gather
from .pool import _tuple
from .random import rand
from .reduce import argmax
from .shape import reshape


def _starts(size, kernel, out, u):
    """(len(u), out) starts of windows along one axis."""
    i, u = np.arange(out), u[:, None]
    a = (size - kernel) / max(out - 1, 1)
    starts = ((i + u) * a).astype(np.int64) - (u * a).astype(np.int64)
    starts[:, -1] = size - kernel
    return starts


def _fractional(input, n, name, kernel_size, output_size, output_ratio, return_indices, samples):
    if input.ndim not in (n + 1, n + 2):
        raise ShapeError(f"{name}: expected an input of {n + 1} or {n + 2} axes, got {list(input._shape)}")
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{name}: give output_size or output_ratio, one of them")
    planes, sizes = input._shape[:-n], input._shape[-n:]
    kernel = _tuple(kernel_size, n, name, "kernel_size")
    if output_size is None:
        ratios = tuple(output_ratio) if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * n
        if len(ratios) != n or not all(0 < r < 1 for r in ratios):
            raise ValueError(f"{name}: output_ratio must be between 0 and 1 (got {output_ratio})")
        output_size = [int(s * r) for s, r in zip(sizes, ratios, strict=True)]
    out = _tuple(output_size, n, name, "output_size")
    if any(not 0 < m <= s - k + 1 for s, k, m in zip(sizes, kernel, out, strict=True)):
        raise ShapeError(f"{name}: kernel {list(kernel)} and output {list(out)} do not fit an input of shape {list(input._shape)}")
    count = int(np.prod(planes))
    u = rand(count, n) if samples is None else reshape(samples, (samples._size // n, n))
    if u._shape[0] < count:
        raise ShapeError(f"{name}: expected random samples for {list(planes)}, got {list(samples._shape)}")
    u = u.detach().numpy()[:count]
    u = u[:, ::-1] if n == 2 else u  # PyTorch's samples of images are of the last axis first
    flat = np.zeros((count, *(1,) * (2 * n)), np.int64)  # places in the plane: (count, *out, *kernel)
    for d, (size, k, m) in enumerate(zip(sizes, kernel, out, strict=True)):
        axis = _starts(size, k, m, u[:, d])[:, :, None] + np.arange(k)
        shape = [1] * (2 * n)
        shape[d], shape[n + d] = m, k
        flat = flat * size + axis.reshape(count, *shape)
    each = (count, *out, math.prod(kernel))
    table = from_numpy(flat.reshape(count, math.prod(each[1:])))
    windows = reshape(gather(reshape(input, (count, math.prod(sizes))), 1, table), each)
    best = argmax(windows, -1, keepdim=True)
    y = reshape(gather(windows, -1, best), (*planes, *out))
    return (y, reshape(gather(reshape(table, each), -1, best), (*planes, *out))) if return_indices else y


def fractional_max_pool2d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
    """The largest of windows at random distances: (C, H, W) or (N, C, H, W), to output_size or a share of the size.

    return_indices: also the flat positions in the plane. Each call draws new windows unless _random_samples (N, C, 2) are given.
    """
    return _fractional(input, 2, "fractional_max_pool2d", kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool3d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
    """`fractional_max_pool2d` of volumes (C, D, H, W) or (N, C, D, H, W); _random_samples (N, C, 3)."""
    return _fractional(input, 3, "fractional_max_pool3d", kernel_size, output_size, output_ratio, return_indices, _random_samples)


__all__ = METHODS = ()
FUNCTIONAL = ("fractional_max_pool2d", "fractional_max_pool3d")
