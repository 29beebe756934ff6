"""Transforms of functions: gradients of every example (vmap of grad) beside a loop over examples, and Hessians."""

from __future__ import annotations

import numpy as np

import fastnn
from fastnn import func as F

from .case import Case
from .step import torch_or_none


def per_example(lib, transforms, params, data, classes):
    """The gradient of an MLP's loss at each example: (run in one pass, run in a loop)."""

    def loss(p, x, y):
        h = lib.tanh(x @ p["w1"] + p["b1"])
        return lib.nn.functional.cross_entropy((h @ p["w2"] + p["b2"])[None], y[None])

    gradient = transforms.grad(loss)
    together = transforms.vmap(gradient, in_dims=(None, 0, 0))

    def loop():
        rows = [gradient(params, x, y) for x, y in zip(data, classes, strict=True)]
        return {k: lib.stack([r[k] for r in rows]) for k in params}

    return (lambda: together(params, data, classes)), loop


def cases(quick):
    torch = torch_or_none()
    rng = np.random.default_rng(0)
    for wide, hidden, n in ((32, 64, 64),) if quick else ((32, 64, 64), (784, 128, 64), (784, 128, 512)):
        shapes = {"w1": (wide, hidden), "b1": (hidden,), "w2": (hidden, 10), "b2": (10,)}
        params = {k: (rng.standard_normal(s) * 0.1).astype("float32") for k, s in shapes.items()}
        data, classes = rng.standard_normal((n, wide)).astype("float32"), rng.integers(0, 10, n)
        t = fastnn.tensor
        together, loop = per_example(fastnn, F, {k: t(p) for k, p in params.items()}, t(data), t(classes))
        rivals = {"loop": loop}
        if torch is not None:
            t = torch.tensor
            rivals["torch"] = per_example(torch, torch.func, {k: t(p) for k, p in params.items()}, t(data), t(classes))[0]
            rivals = {"torch": rivals["torch"], "loop": loop}
        size = 4 * n * sum(p.size for p in params.values())
        yield Case(f"vmap(grad) {n} examples", "derivative", "float32", f"{wide}-{hidden}-10", together, rivals, bytes=size)

    w = rng.standard_normal((16, 16)).astype("float32")
    x = rng.standard_normal(16).astype("float32")

    def hessian(lib, transforms, t):
        v = t(w)
        return lambda z=t(x): transforms.hessian(lambda a: lib.tanh(lib.sin(a @ v) @ v).square().sum())(z)

    rivals = {"torch": hessian(torch, torch.func, torch.tensor)} if torch is not None else {}
    yield Case("hessian", "derivative", "float32", "16", hessian(fastnn, F, fastnn.tensor), rivals)
