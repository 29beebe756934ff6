"""Reductions of arrays that fit in L2 and of arrays that do not, over every kind of axis; with their derivatives."""

from __future__ import annotations

import numpy as np

import fastnn

from .case import Case

try:
    import torch
except ImportError:
    torch = None


def logsumexp(x, axis):
    m = np.max(x, axis=axis, keepdims=True)
    return np.squeeze(m, axis) + np.log(np.sum(np.exp(x - m), axis=axis))


# name: fastnn, NumPy, torch
OPS = {
    "sum": (fastnn.sum, np.sum),
    "mean": (fastnn.mean, np.mean),
    "var": (fastnn.var, lambda x, axis: np.var(x, axis=axis, ddof=1)),
    "amax": (fastnn.amax, np.max),
    "logsumexp": (fastnn.logsumexp, logsumexp),
    "prod": (fastnn.prod, np.prod),
    "argmax": (fastnn.argmax, np.argmax),
    "cumsum": (fastnn.cumsum, np.cumsum),
}
DERIVATIVE = {
    "sum": lambda x, g, y: np.broadcast_to(g, x.shape) * np.ones((), x.dtype),
    "mean": lambda x, g, y: np.broadcast_to(g / x.dtype.type(x.shape[-1]), x.shape) * np.ones((), x.dtype),
    "var": lambda x, g, y: (g * x.dtype.type(2 / (x.shape[-1] - 1))) * (x - x.mean(-1, keepdims=True)),
    "amax": lambda x, g, y: (x == y) * (g / np.sum(x == y, -1, keepdims=True, dtype=x.dtype)),
    "logsumexp": lambda x, g, y: g * np.exp(x - y),
    "prod": lambda x, g, y: g * y / x,
    "cumsum": lambda x, g, y: np.flip(np.cumsum(np.flip(g, -1), -1), -1),
}


def forward(name, shape, axis, data):
    ours, theirs = OPS[name]
    x = data.astype(np.float32)
    t = fastnn.from_numpy(x)
    rivals = {"numpy": lambda: theirs(x, axis=axis)}
    if torch is not None:
        f, tt = getattr(torch, name), torch.from_numpy(x)
        if axis is None:
            rivals["torch"] = (lambda: f(tt)) if name != "logsumexp" else lambda: f(tt, tuple(range(tt.ndim)))
        else:
            rivals["torch"] = lambda: f(tt, axis)
    wide = data.astype(np.float64)
    exact = None if name == "argmax" else lambda: theirs(wide, axis=axis)
    moved = 2 if name == "cumsum" else 1
    label = "x".join(map(str, shape)) + (" all" if axis is None else f" axis {axis}")
    return Case(name, "forward", "float32", label, lambda: ours(t, axis), rivals, exact, bytes=x.nbytes * moved, flops=x.size)


def derivative(name, shape, data):
    ours, theirs = OPS[name]
    x = data.astype(np.float32)
    t = fastnn.from_numpy(x).requires_grad_()
    kept = shape if name == "cumsum" else (*shape[:-1], 1)
    g = np.random.default_rng(1).standard_normal(kept).astype(np.float32)
    fg = fastnn.from_numpy(g if name == "cumsum" else g[..., 0].copy())

    def run():
        return fastnn.autograd.grad(ours(t, -1), t, fg)[0]

    def numpy():
        y = theirs(x, axis=-1)
        return DERIVATIVE[name](x, g, y if name == "cumsum" else y[..., None])

    rivals = {"numpy": numpy}
    if torch is not None:
        f, tt, tg = getattr(torch, name), torch.from_numpy(x).requires_grad_(), torch.from_numpy(fg.numpy())
        rivals["torch"] = lambda: torch.autograd.grad(f(tt, -1), tt, tg)[0]
    label = "x".join(map(str, shape)) + " axis -1"
    return Case(name, "derivative", "float32", label, run, rivals, None, bytes=x.nbytes * 3, flops=2 * x.size)


def logical(name, shape, axis):
    x = np.zeros(shape, bool) if name != "all" else np.ones(shape, bool)
    t = fastnn.from_numpy(x)
    theirs = getattr(np, name)
    rivals = {"numpy": lambda: theirs(x, axis=axis)}
    if torch is not None:
        f, tt = getattr(torch, name), torch.from_numpy(x)
        rivals["torch"] = (lambda: f(tt)) if axis is None else lambda: f(tt, axis)
    ours = getattr(fastnn, name)
    label = "x".join(map(str, shape)) + (" all" if axis is None else f" axis {axis}")
    return Case(name, "forward", "bool", label, lambda: ours(t, axis), rivals, lambda: theirs(x, axis=axis), bytes=x.nbytes)


def cases(quick):
    rng = np.random.default_rng(0)
    small, matrix, block = (rng.standard_normal(s) for s in ((1000,), (4096, 1024), (512, 512, 64)))
    batch, narrow = rng.standard_normal((128, 10)), rng.standard_normal((100000, 10))
    for name in ("sum", "mean", "amax"):
        yield forward(name, (1000,), None, small)
    yield forward("sum", (128, 10), 0, batch)
    yield forward("argmax", (128, 10), 1, batch)
    for name in OPS:
        data = 1 + matrix * 1e-3 if name == "prod" else matrix
        for axis in (0, 1) if quick else (None, 0, 1):
            if not (axis is None and name in ("argmax", "cumsum", "logsumexp")):
                yield forward(name, (4096, 1024), axis, data)
    for axis in (1, (0, 2)) if quick else (None, 0, 1, 2, (0, 2)):
        yield forward("sum", (512, 512, 64), axis, block)
    if not quick:
        yield forward("argmax", (512, 512, 64), 2, block)
        for name in ("sum", "amax", "argmax", "logsumexp"):
            yield forward(name, (100000, 10), 1, narrow)
        yield forward("sum", (100000, 10), 0, narrow)
        yield forward("cumsum", (1000000,), 0, rng.standard_normal(1000000))
    for name in ("any", "all", "count_nonzero"):
        for axis in (None, 1):
            yield logical(name, (4096, 1024), axis)
    for name in DERIVATIVE:
        yield derivative(name, (4096, 1024), 1 + matrix * 1e-3 if name == "prod" else matrix)
