"""What resampling means: each axis on its own, sample by sample, from the position of the output in the input."""

import math

import numpy as np


def cubic(t, a=-0.75):
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def axis(x, k, out, mode, align_corners, scale_factor):
    """Axis k of x resampled to length out."""
    size = x.shape[k]
    rows = []
    for i in range(out):
        step = 1 / scale_factor if scale_factor else size / out
        if mode.startswith("nearest"):
            half = 0.5 if mode == "nearest-exact" else 0.0
            step = np.float32(step) if scale_factor else np.float32(size) / np.float32(out)
            if mode == "nearest" and out in (size, 2 * size):
                step = np.float32(size / out)  # as PyTorch: the same size is the identity, twice the size a repetition
            rows.append(np.take(x, min(int(np.float32(i + half) * step), size - 1), k))
            continue
        position = i * (size - 1) / (out - 1) if align_corners and out > 1 else 0.0 if align_corners else (i + 0.5) * step - 0.5
        if mode == "cubic":
            taps = {math.floor(position) + t: cubic(position - math.floor(position) - t) for t in range(-1, 3)}
        else:
            position = max(position, 0.0)
            low = min(math.floor(position), size - 1)
            taps = {low: 1 - (position - low), low + 1: position - low}
        rows.append(sum(w * np.take(x, min(max(t, 0), size - 1), k) for t, w in taps.items()))
    return np.stack(rows, k)


def interpolate(x, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None):
    n = x.ndim - 2
    given = size if size is not None else scale_factor
    given = tuple(given) if isinstance(given, (tuple, list)) else (given,) * n
    outs = given if size is not None else tuple(math.floor(s * f) for s, f in zip(x.shape[2:], given, strict=True))
    factors = given if size is None and not recompute_scale_factor else (None,) * n
    kind = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    for i in range(n):
        x = axis(x, i + 2, outs[i], kind, align_corners, factors[i])
    return x


def pixel_shuffle(x, r):
    """y[c, h r + a, w r + b] = x[c r² + a r + b, h, w]"""
    *lead, c, h, w = x.shape
    y = np.empty((*lead, c // r**2, h * r, w * r))
    for a in range(r):
        for b in range(r):
            y[..., a::r, b::r] = x[..., a * r + b :: r * r, :, :]
    return y


def pixel_unshuffle(x, r):
    *lead, c, h, w = x.shape
    y = np.empty((*lead, c * r**2, h // r, w // r))
    for a in range(r):
        for b in range(r):
            y[..., a * r + b :: r * r, :, :] = x[..., a::r, b::r]
    return y
