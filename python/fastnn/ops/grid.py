"""Sampling at places that a network computes: affine_grid and grid_sample (Jaderberg et al., spatial transformers, NeurIPS 2015).

Written with gather and arithmetic, so differentiable in the values and in the places, to any order.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from .. import dtypes
from ..autodiff import Array
from ..device import beside
from ..errors import DTypeError, ShapeError, rounded_once
from ..tensor import from_numpy
from .elementwise import floor, where
from .elementwise import round as nearest_integer
from .gather import gather
from .matmul import matmul
from .shape import expand, reshape

_MODES, _PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


def affine_grid(theta, size, align_corners=None):
    """The places that theta (N, 2, 3) or (N, 3, 4) maps the pixels of an output of this size to: (N, H, W, 2) or (N, D, H, W, 3).

    Coordinates run from -1 to 1, x (the last axis) first: the ends are the middles of the corner pixels with align_corners, else their edges.
    """
    if not isinstance(theta, Array) or not theta._floating:
        raise ValueError(f"Expected theta to have floating point type, but got {getattr(theta, 'dtype', type(theta).__name__)}")
    size = tuple(int(n) for n in size)
    if len(size) not in (4, 5):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size {list(size)}."
        )
    n = len(size) - 2
    if theta._shape != (size[0], n, n + 1):
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {list(size)}. Got {list(theta._shape)}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {list(size)}")

    def ends(count):
        if count == 1:
            return np.zeros(1)
        x = np.linspace(-1, 1, count)
        return x if align_corners else x * (count - 1) / count

    axes = np.meshgrid(*(ends(s) for s in size[2:]), indexing="ij")
    base = np.stack([*reversed(axes), np.ones(size[2:])], -1).reshape(1, -1, n + 1)
    return reshape(matmul(beside(from_numpy(base), theta).to(theta.dtype), theta.mT), (size[0], *size[2:], n))


def _reflected(x, low, high):
    """x mirrored at low and high, given in halves of a pixel, until it lies between."""
    if low == high:
        return x * 0
    low, span = low / 2, (high - low) / 2
    x = abs(x - low)
    turns = floor(x / span).detach()
    rest = x - turns * span
    even = turns - 2 * floor(turns / 2) == 0
    return where(even, rest + low, span - rest + low)


def _inside(x, size, padding_mode, align_corners):
    """Coordinates in pixels, brought into the image where padding_mode says so."""
    if padding_mode == "reflection":
        x = _reflected(x, 0, 2 * (size - 1)) if align_corners else _reflected(x, -1, 2 * size - 1)
    return x.clamp(0, size - 1) if padding_mode != "zeros" else x


def _cubic(t):
    """Keys' four weights (a = -0.75) of the pixels around a place t behind the second one."""
    a = -0.75

    def near(t):
        return ((a + 2) * t - (a + 3)) * t * t + 1

    def far(t):
        return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a

    return far(t + 1), near(t), near(1 - t), far(2 - t)


def _pixels(x, places, inside):
    """The values (N, C, L) of x at integer places (each (N, L)), zero where not inside."""
    n, c, *size = x._shape
    flat = 0
    for place, length in zip(places, size, strict=True):
        flat = flat * length + place.detach().clamp(0, length - 1)
    flat = flat.to(dtypes.int64)
    values = gather(reshape(x, (n, c, math.prod(size))), 2, expand(flat.unsqueeze(1), (n, c, flat._shape[1])))
    return values if inside is None else where(inside.unsqueeze(1), values, 0.0)


@rounded_once
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """input (N, C, H, W) read at grid (N, H', W', 2) → (N, C, H', W'); or (N, C, D, H, W) at (N, D', H', W', 3).

    Places are (x, y) or (x, y, z), from -1 to 1 over the image (see `affine_grid`). mode: "bilinear" (trilinear in volumes), "nearest",
    "bicubic" (images only). padding_mode: what is read outside: "zeros", the "border", or the image's "reflection".
    """
    for what, t in (("input", input), ("grid", grid)):
        if not isinstance(t, Array):
            raise TypeError(f"grid_sample(): argument '{what}' must be Tensor, not {type(t).__name__}")
    if mode not in _MODES:
        raise ValueError(f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'")
    if padding_mode not in _PADDINGS:
        raise ValueError(
            f"nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: '{padding_mode}'"
        )
    n = input.ndim - 2
    if n not in (2, 3) or grid.ndim != input.ndim:
        raise ShapeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
            f"{list(input._shape)} and grid with sizes {list(grid._shape)}"
        )
    if grid._shape[0] != input._shape[0]:
        raise ShapeError(
            f"grid_sampler(): expected grid and input to have same batch size, but got input with sizes {list(input._shape)} and grid "
            f"with sizes {list(grid._shape)}"
        )
    if grid._shape[-1] != n:
        raise ShapeError(f"grid_sampler(): expected grid to have size {n} in last dimension, but got grid with sizes {list(grid._shape)}")
    if 0 in input._shape[2:]:
        raise ShapeError(f"grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes {list(input._shape)}")
    if mode == "bicubic" and n == 3:
        raise ShapeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if grid.dtype is not input.dtype or not input._floating:
        raise DTypeError(f"grid_sampler(): expected input and grid of one floating dtype, but got {input.dtype.name} and {grid.dtype.name}")
    size, out = input._shape[2:], grid._shape[1:-1]
    flat = reshape(grid, (grid._shape[0], math.prod(out), n))
    where_ = []  # a place along each axis of the image, in pixels, (N, L)
    for axis, length in enumerate(size):
        x = flat[..., n - 1 - axis]
        where_.append((x + 1) * ((length - 1) / 2) if align_corners else ((x + 1) * length - 1) / 2)
    limited = padding_mode != "zeros"
    if mode != "bicubic":
        where_ = [_inside(x, length, padding_mode, align_corners) for x, length in zip(where_, size, strict=True)]
    taps = []  # along each axis: [(place, weight)]
    for x, length in zip(where_, size, strict=True):
        if mode == "nearest":
            taps.append([(nearest_integer(x.detach()), None)])
        elif mode == "bilinear":
            low = floor(x.detach())
            taps.append([(low, 1 - (x - low)), (low + 1, x - low)])
        else:
            low = floor(x.detach())
            weights = _cubic(x - low)
            taps.append([(_inside(low + k - 1, length, padding_mode, align_corners), w) for k, w in enumerate(weights)])
    y = None
    for corner in itertools.product(*taps):
        places, weights = zip(*corner, strict=True)
        inside = None
        for place, length in zip(places, size, strict=True):
            if limited and mode == "bicubic":
                continue
            fits = (place >= 0) & (place <= length - 1)
            inside = fits if inside is None else inside & fits
        part = _pixels(input, places, inside)
        for w in weights:
            part = part if w is None else part * w.unsqueeze(1)
        y = part if y is None else y + part
    return reshape(y, (*input._shape[:2], *out))


__all__ = METHODS = ()
FUNCTIONAL = ("affine_grid", "grid_sample")
