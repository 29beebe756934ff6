"""Samples of convolution and pooling in three axes, of windows, and of reading an image at places."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import fastnn
import fastnn.nn.functional as F

from . import Sample


def windows(x, kernel, stride, padding, dilation, fill):
    x = np.pad(x, [(0, 0)] * (x.ndim - 3) + [(p, p) for p in padding], constant_values=fill)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    w = sliding_window_view(x, reach, (-3, -2, -1))
    a, b, c = (slice(None, None, s) for s in stride)
    p, q, r = (slice(None, None, d) for d in dilation)
    return w[..., a, b, c, p, q, r]


def conv3d_ref(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    three = [v if isinstance(v, tuple) else (v,) * 3 for v in (stride, padding, dilation)]
    v = windows(x, w.shape[2:], three[0], three[1], three[2], 0.0)
    n, c, *rest = v.shape
    v, w = v.reshape(n, groups, c // groups, *rest), w.reshape(groups, -1, *w.shape[1:])
    y = np.einsum("ngcijkpqr,gocpqr->ngoijk", v, w)
    y = y.reshape(n, -1, *y.shape[3:])
    return y if b is None else y + b[:, None, None, None]


def conv_transpose3d_ref(x, w, b=None, stride=1, padding=0, output_padding=0, groups=1):
    n, c, *size = x.shape
    k = w.shape[2:]
    full = np.zeros((n, groups * w.shape[1], *((s - 1) * stride + kk + output_padding for s, kk in zip(size, k, strict=True))))
    v, w = x.reshape(n, groups, c // groups, *size), w.reshape(groups, c // groups, *w.shape[1:])
    for place in np.ndindex(*size):
        part = np.einsum("ngc,gcopqr->ngopqr", v[(..., *place)], w).reshape(n, -1, *k)
        full[(..., *(slice(i * stride, i * stride + kk) for i, kk in zip(place, k, strict=True)))] += part
    y = full[(..., *(slice(padding, s - padding) for s in full.shape[2:]))]
    return y if b is None else y + b[:, None, None, None]


def bilinear_ref(x, grid):
    n, c, h, w = x.shape
    y = np.zeros((n, c, *grid.shape[1:3]))
    for k, i, j in np.ndindex(n, *grid.shape[1:3]):
        u, v = ((grid[k, i, j] + 1) * (w, h) - 1) / 2
        for a in (int(np.floor(v)), int(np.floor(v)) + 1):
            for b in (int(np.floor(u)), int(np.floor(u)) + 1):
                if 0 <= a < h and 0 <= b < w:
                    y[k, :, i, j] += x[k, :, a, b] * (1 - abs(v - a)) * (1 - abs(u - b))
    return y


def samples(rng):
    x = rng.standard_normal((2, 4, 5, 4, 6))
    for options in (dict(), dict(stride=(1, 2, 1), padding=1), dict(dilation=(2, 1, 2), padding=(0, 1, 2)), dict(groups=2, stride=2)):
        w = rng.standard_normal((6, 4 // options.get("groups", 1), 3, 2, 2))
        yield Sample(F.conv3d, (x, w, rng.standard_normal(6)), options, ref=conv3d_ref)
    small = rng.standard_normal((1, 4, 2, 3, 2))
    for options in (dict(), dict(stride=2, padding=1, output_padding=1), dict(groups=2)):
        w = rng.standard_normal((4, 6 // options.get("groups", 1), 3, 2, 3))
        bias = rng.standard_normal(w.shape[1] * options.get("groups", 1))
        yield Sample(F.conv_transpose3d, (small, w, bias), options, ref=conv_transpose3d_ref)
    pools = (((2, 2, 2), (2, 2, 2), (0, 0, 0)), ((3, 2, 2), (2, 1, 2), (1, 0, 1)))
    for kernel, stride, padding in pools:
        options = dict(kernel_size=kernel, stride=stride, padding=padding)
        yield Sample(
            F.max_pool3d, (x,), options,
            ref=lambda x, kernel_size, stride, padding: windows(x, kernel_size, stride, padding, (1, 1, 1), -np.inf).max((-3, -2, -1)),
        )  # fmt: skip
        yield Sample(
            F.avg_pool3d, (x,), options,
            ref=lambda x, kernel_size, stride, padding: windows(x, kernel_size, stride, padding, (1, 1, 1), 0.0).mean((-3, -2, -1)),
        )  # fmt: skip
    yield Sample(F.adaptive_avg_pool3d, (x[..., :4],), {"output_size": (1, 2, 2)}, ref=lambda x, output_size: x.mean(2, keepdims=True).reshape(2, 4, 1, 2, 2, 2, 2).mean((4, 6)))
    yield Sample(F.adaptive_max_pool3d, (x,), {"output_size": 1}, ref=lambda x, output_size: x.max((2, 3, 4), keepdims=True))

    flat = rng.standard_normal((3, 9, 2))
    for size, step in ((3, 1), (4, 2), (1, 3), (9, 1)):
        yield Sample(
            lambda t, size=size, step=step: t.unfold(1, size, step), (flat,), name=f"unfold axis {size} {step}",
            ref=lambda x, size=size, step=step: sliding_window_view(x, size, 1)[:, ::step],
        )  # fmt: skip

    image, grid = rng.standard_normal((2, 3, 4, 5)), rng.uniform(-1.3, 1.3, (2, 3, 2, 2))
    yield Sample(F.grid_sample, (image, grid), ref=bilinear_ref, grad=True, smooth=False)
    for options in (dict(padding_mode="border"), dict(padding_mode="reflection", align_corners=True), dict(mode="bicubic", padding_mode="reflection"), dict(mode="bicubic")):
        yield Sample(F.grid_sample, (image, grid), options, smooth=False, grad=(0,))
    yield Sample(F.grid_sample, (x, rng.uniform(-1, 1, (2, 2, 2, 1, 3))), smooth=False)
    theta = rng.standard_normal((2, 2, 3))
    yield Sample(
        F.affine_grid, (theta,), {"size": (2, 1, 3, 4), "align_corners": True},
        ref=lambda t, size, align_corners: np.stack([*np.meshgrid(np.linspace(-1, 1, 4), np.linspace(-1, 1, 3)), np.ones((3, 4))], -1) @ t.transpose(0, 2, 1)[:, None],
    )  # fmt: skip
    yield Sample(fastnn.conv3d, (x, rng.standard_normal((2, 4, 1, 1, 1))), ref=conv3d_ref)
