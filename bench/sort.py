"""Sorting one long row and many short ones. NumPy's stable argsort and take_along_axis give the same two results."""

from __future__ import annotations

import numpy as np

import fastnn

from .case import Case

try:
    import torch
except ImportError:
    torch = None


def numpy_sort(x):
    i = np.argsort(x, axis=-1, kind="stable")
    return np.take_along_axis(x, i, -1), i


def numpy_topk(x, k):
    i = np.argpartition(-x, k - 1, axis=-1)[..., :k]
    v = np.take_along_axis(x, i, -1)
    j = np.argsort(-v, axis=-1)
    return np.take_along_axis(v, j, -1), np.take_along_axis(i, j, -1)


def cases(quick):
    rng = np.random.default_rng(0)
    for shape in ((1000, 1000), (1000000,)):
        x = rng.standard_normal(shape).astype(np.float32)
        t = fastnn.from_numpy(x)
        label = "x".join(map(str, shape))
        tt = torch.from_numpy(x) if torch is not None else None

        def rivals(numpy, torchs):
            return {"numpy": numpy, "torch": torchs} if torch is not None else {"numpy": numpy}

        r = rivals(lambda x=x: numpy_sort(x), lambda tt=tt: torch.sort(tt, stable=True))
        yield Case("sort", "forward", "float32", label, lambda t=t: fastnn.sort(t), r, bytes=x.nbytes * 4)
        r = rivals(lambda x=x: np.argsort(x, -1), lambda tt=tt: torch.argsort(tt))
        yield Case("argsort", "forward", "float32", label, lambda t=t: fastnn.argsort(t), r, bytes=x.nbytes * 3)
        for k in (5,) if quick else (5, 100):
            r = rivals(lambda x=x, k=k: numpy_topk(x, k), lambda tt=tt, k=k: torch.topk(tt, k))
            yield Case(f"topk {k}", "forward", "float32", label, lambda t=t, k=k: fastnn.topk(t, k), r, bytes=x.nbytes)
        g = rng.standard_normal(shape).astype(np.float32)
        leaf, fg = fastnn.from_numpy(x).requires_grad_(), fastnn.from_numpy(g)

        def run(leaf=leaf, fg=fg):
            return fastnn.autograd.grad(fastnn.sort(leaf).values, leaf, fg)[0]

        def numpy(x=x, g=g):
            _, i = numpy_sort(x)
            d = np.empty_like(g)
            np.put_along_axis(d, i, g, -1)
            return d

        def torchs(x=x, g=g):
            tl = torch.from_numpy(x).requires_grad_()
            return torch.autograd.grad(torch.sort(tl, stable=True).values, tl, torch.from_numpy(g))[0]

        yield Case("sort", "derivative", "float32", label, run, rivals(numpy, torchs), bytes=x.nbytes * 6)
    ids = rng.integers(0, 5000, 200000)
    ti = fastnn.from_numpy(ids)
    r = {"numpy": lambda: np.unique(ids)}
    if torch is not None:
        tids = torch.from_numpy(ids)
        r["torch"] = lambda: torch.unique(tids)
    yield Case("unique", "forward", "int64", "200000", lambda: fastnn.unique(ti), r, bytes=ids.nbytes)
    edges, v = np.sort(rng.standard_normal(10000)).astype(np.float32), rng.standard_normal(200000).astype(np.float32)
    te, tv = fastnn.from_numpy(edges), fastnn.from_numpy(v)
    r = {"numpy": lambda: np.searchsorted(edges, v)}
    if torch is not None:
        se, sv = torch.from_numpy(edges), torch.from_numpy(v)
        r["torch"] = lambda: torch.searchsorted(se, sv)
    yield Case("searchsorted", "forward", "float32", "200000 in 10000", lambda: fastnn.searchsorted(te, tv), r, bytes=v.nbytes)
