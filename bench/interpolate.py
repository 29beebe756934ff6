"""Resampling against fancy indexing in NumPy and against PyTorch."""

import numpy as np

import fastnn
from fastnn.ops.interpolate import interpolate

from .case import Case

try:
    import torch
    import torch.nn.functional as TF
except ImportError:
    torch = None


def np_nearest(x, r):
    n, c, h, w = x.shape
    return np.broadcast_to(x[:, :, :, None, :, None], (n, c, h, r, w, r)).reshape(n, c, h * r, w * r)


def np_linear(x, k, out):
    size = x.shape[k]
    p = np.maximum((np.arange(out) + 0.5) * (size / out) - 0.5, 0)
    low = p.astype(np.int64)
    shape = [-1 if i == k else 1 for i in range(x.ndim)]
    part = (p - low).astype(x.dtype).reshape(shape)
    a, b = np.take(x, low, k), np.take(x, np.minimum(low + 1, size - 1), k)
    b -= a
    b *= part
    b += a
    return b


def cases(quick):
    rng = np.random.default_rng(0)
    shape, out = (2 if quick else 16, 32, 64, 64), (128, 128)
    x = rng.standard_normal(shape).astype(np.float32)
    g = rng.standard_normal((*shape[:2], *out)).astype(np.float32)
    text = "x".join(map(str, shape)) + " to 128x128"
    for mode, numpy in (("nearest", lambda: np_nearest(x, 2)), ("bilinear", lambda: np_linear(np_linear(x, 2, 128), 3, 128))):
        ours = fastnn.from_numpy(x)
        rivals = {"numpy": numpy}
        if torch:
            rivals["torch"] = lambda mode=mode, t=torch.from_numpy(x): TF.interpolate(t, out, mode=mode)
        traffic = x.nbytes + g.nbytes
        yield Case(f"interpolate {mode}", "forward", "float32", text, lambda mode=mode, x=ours: interpolate(x, out, mode=mode), rivals, bytes=traffic)

        leaf, og = fastnn.from_numpy(x).requires_grad_(), fastnn.from_numpy(g)
        y = interpolate(leaf, out, mode=mode)
        rivals = {}
        if mode == "nearest":
            rivals["numpy"] = lambda: g.reshape(*shape[:3], 2, shape[3], 2).sum((3, 5))
        if torch:
            tx = torch.from_numpy(x).requires_grad_()
            ty, tg = TF.interpolate(tx, out, mode=mode), torch.from_numpy(g)
            rivals["torch"] = lambda ty=ty, tx=tx, tg=tg: torch.autograd.grad(ty, tx, tg, retain_graph=True)[0]

        def run(y=y, leaf=leaf, og=og):
            return fastnn.autograd.grad(y, leaf, og, retain_graph=True)[0]

        yield Case(f"interpolate {mode}", "derivative", "float32", text, run, rivals, bytes=traffic)
