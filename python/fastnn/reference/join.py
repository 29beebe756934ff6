"""What the joining and padding kernels mean, in NumPy."""

import numpy as np

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def cat(*xs, dim=0):
    return np.concatenate(xs, dim)


def stack(*xs, dim=0):
    return np.stack(xs, dim)


def triangle(x, k, upper):
    """x on one side of diagonal k, 0 on the other."""
    i, j = np.ogrid[: x.shape[-2], : x.shape[-1]]
    return np.where(j - i >= k if upper else j - i <= k, x, 0.0)


def pad(x, pad, mode="constant", value=None):
    """pad: (left, right) of the last axis, then of the one before, ...; negative lengths cut."""
    pairs = [(0, 0)] * (x.ndim - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    if mode == "circular":  # wraps what is left after cutting; the other modes cut last
        x = x[tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, x.shape, strict=True))]
    options = {"constant_values": value or 0.0} if mode == "constant" else {}
    y = np.pad(x, [(max(a, 0), max(b, 0)) for a, b in pairs], MODES[mode], **options)
    if mode == "circular":
        return y
    return y[tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, y.shape, strict=True))]


def pad_dx(g, shape, pad, mode="constant"):
    """The adjoint of pad: every element of g added to the element of x it was read from."""
    source = globals()["pad"](np.arange(1.0, np.prod(shape) + 1).reshape(shape), pad, mode).astype(np.int64)
    return np.bincount(source.ravel(), g.ravel(), int(np.prod(shape)) + 1)[1:].reshape(shape)


def roll(x, shifts, dims=None):
    return np.roll(x, shifts, dims)


def repeat(x, *repeats):
    return np.tile(x, repeats)


def flip(x, *dims):
    return np.flip(x, dims)
