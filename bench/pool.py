"""Pooling against sliding windows in NumPy and against PyTorch."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import fastnn
from fastnn.ops import pool

from .case import Case

try:
    import torch
    import torch.nn.functional as TF
except ImportError:
    torch = None


def windows(x, k, s, p, fill):
    if p:
        x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=fill)
    return sliding_window_view(x, (k, k), axis=(2, 3))[:, :, ::s, ::s]


def np_max(x, k, s, p):
    """One maximum a tap: the strided slices beat a reduction over the window axes."""
    w = windows(x, k, s, p, -np.inf)
    y = w[..., 0, 0].copy()
    for a in range(k):
        for b in range(k):
            np.maximum(y, w[..., a, b], out=y)
    return y


def np_avg(x, k, s, p):
    w = windows(x, k, s, p, 0)
    y = np.zeros(w.shape[:4], x.dtype)
    for a in range(k):
        for b in range(k):
            y += w[..., a, b]
    return y * x.dtype.type(1 / k**2)


def np_max_dx(x, g, k, s):
    """Windows that do not overlap: the first largest of each takes g."""
    n, c, h, w = x.shape
    v = x.reshape(n, c, h // k, k, w // k, k).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // k, w // k, k * k)
    d = np.zeros_like(v)
    np.put_along_axis(d, v.argmax(-1)[..., None], g[..., None], -1)
    return d.reshape(n, c, h // k, w // k, k, k).transpose(0, 1, 2, 4, 3, 5).reshape(x.shape)


def np_avg_dx(x, g, k, s):
    return np.repeat(np.repeat(g * x.dtype.type(1 / k**2), k, 2), k, 3)


def cases(quick):
    rng = np.random.default_rng(0)
    for name, shape, k, s, p in (
        ("max_pool2d", (32, 64, 56, 56), 2, 2, 0),
        ("max_pool2d", (8, 64, 112, 112), 3, 2, 1),
        ("avg_pool2d", (32, 64, 56, 56), 2, 2, 0),
        ("avg_pool2d", (8, 64, 112, 112), 3, 2, 1),
    ):
        shape = (shape[0] // 8, *shape[1:]) if quick else shape
        for dtype in ("float32",) if quick else ("float32", "float64"):
            x = rng.standard_normal(shape).astype(dtype)
            ours = fastnn.from_numpy(x)
            forward = getattr(pool, name)
            y = forward(ours, k, s, p)
            text = "x".join(map(str, shape)) + f" k{k} s{s} p{p}"
            traffic = x.nbytes + y.nbytes
            rivals = {"numpy": lambda x=x, k=k, s=s, p=p, f=np_max if name[0] == "m" else np_avg: f(x, k, s, p)}
            if torch:
                t = torch.from_numpy(x)
                rivals["torch"] = lambda t=t, k=k, s=s, p=p, f=getattr(TF, name): f(t, k, s, p)
            yield Case(name, "forward", dtype, text, lambda f=forward, x=ours, k=k, s=s, p=p: f(x, k, s, p), rivals, bytes=traffic)

            g = rng.standard_normal(y.shape).astype(dtype)
            leaf = fastnn.from_numpy(x).requires_grad_()
            y, og = forward(leaf, k, s, p), fastnn.from_numpy(g)

            def run(y=y, leaf=leaf, og=og):
                return fastnn.autograd.grad(y, leaf, og, retain_graph=True)[0]

            rivals = {}
            if s == k:
                rivals["numpy"] = lambda x=x, g=g, k=k, s=s, f=np_max_dx if name[0] == "m" else np_avg_dx: f(x, g, k, s)
            if torch:
                tx = torch.from_numpy(x).requires_grad_()
                ty, tg = getattr(TF, name)(tx, k, s, p), torch.from_numpy(g)
                rivals["torch"] = lambda ty=ty, tx=tx, tg=tg: torch.autograd.grad(ty, tx, tg, retain_graph=True)[0]
            yield Case(name, "derivative", dtype, text, run, rivals, bytes=traffic)

    x = rng.standard_normal((4 if quick else 32, 512, 7, 7)).astype(np.float32)
    text = "x".join(map(str, x.shape))
    ours = fastnn.from_numpy(x)
    rivals = {"numpy": lambda: x.mean((2, 3), keepdims=True)}
    if torch:
        rivals["torch"] = lambda t=torch.from_numpy(x): TF.adaptive_avg_pool2d(t, 1)
    yield Case("adaptive_avg_pool2d", "forward", "float32", text + " to 1x1", lambda: pool.adaptive_avg_pool2d(ours, 1), rivals, bytes=x.nbytes)
    rivals = {"numpy": lambda: np.stack([x[..., a : a + 3, b : b + 3].mean((2, 3)) for a in (0, 2, 4) for b in (0, 2, 4)], -1)}
    if torch:
        rivals["torch"] = lambda t=torch.from_numpy(x): TF.adaptive_avg_pool2d(t, 3)
    yield Case("adaptive_avg_pool2d", "forward", "float32", text + " to 3x3", lambda: pool.adaptive_avg_pool2d(ours, 3), rivals, bytes=x.nbytes)
