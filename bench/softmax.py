"""softmax and log_softmax of scores: a vocabulary, hidden units, ten classes."""

from __future__ import annotations

import numpy as np

import fastnn
from fastnn.ops import softmax as ops
from fastnn.reference import softmax as reference

from .case import Case

SHAPES = ((4096, 1024), (65536, 10), (256, 32000), (16, 100, 784))
QUICK = SHAPES[:2]


def numpy_softmax(x, axis):
    e = x - x.max(axis, keepdims=True)
    np.exp(e, out=e)
    e /= e.sum(axis, keepdims=True)
    return e


def numpy_log_softmax(x, axis):
    c = x - x.max(axis, keepdims=True)
    c -= np.log(np.exp(c).sum(axis, keepdims=True))
    return c


def numpy_softmax_dx(g, y, axis):
    return y * (g - (g * y).sum(axis, keepdims=True))


def numpy_log_softmax_dx(g, y, axis):
    return g - np.exp(y) * g.sum(axis, keepdims=True)


def cases(quick):
    try:
        import torch
    except ImportError:
        torch = None
    rng = np.random.default_rng(0)
    for dtype in ("float32",) if quick else ("float32", "float64"):
        for shape in QUICK if quick else SHAPES:
            x, g = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape).astype(dtype)
            size, text = x.nbytes, "x".join(map(str, shape))
            for name, forward, derivative in (
                ("softmax", numpy_softmax, numpy_softmax_dx),
                ("log_softmax", numpy_log_softmax, numpy_log_softmax_dx),
            ):
                y = forward(x, 1)
                fx, fg, fy = map(fastnn.from_numpy, (x, g, y))
                op, dx = getattr(ops, name), getattr(ops, f"_{name}_dx")
                ref, ref_dx = getattr(reference, name), getattr(reference, name + "_dx")
                rivals = {"numpy": lambda f=forward, x=x: f(x, 1)}
                rivals_dx = {"numpy": lambda f=derivative, g=g, y=y: f(g, y, 1)}
                if torch is not None:
                    tx, tg, ty = map(torch.from_numpy, (x, g, y))
                    there, back = getattr(torch, name), getattr(torch.ops.aten, f"_{name}_backward_data")
                    rivals["torch"] = lambda f=there, x=tx: f(x, 1)
                    rivals_dx["torch"] = lambda f=back, g=tg, y=ty: f(g, y, 1, g.dtype)
                yield Case(
                    name, "forward", dtype, text, lambda f=op, x=fx: f(x, 1), rivals,
                    lambda f=ref, x=x: f(x.astype(float), 1), bytes=2.0 * size,
                )  # fmt: skip
                yield Case(
                    name, "derivative", dtype, text, lambda f=dx, g=fg, y=fy: f(g, y, axis=1), rivals_dx,
                    lambda f=ref_dx, g=g, y=y: f(g.astype(float), y.astype(float), 1), bytes=3.0 * size,
                )  # fmt: skip
