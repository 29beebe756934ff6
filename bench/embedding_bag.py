"""Bags of embeddings, and their gradient with respect to the table."""

from __future__ import annotations

import numpy as np

import fastnn
import fastnn.nn.functional as F

from .case import Case
from .step import torch_or_none


def cases(quick):
    torch, rng = torch_or_none(), np.random.default_rng(0)
    shapes = [(20000, 64, 256, 40), (20000, 128, 1024, 20), (3000, 33, 100, 15), (100, 300, 64, 30)]
    for rows, width, bags, length in shapes[: 1 if quick else None]:
        w = rng.standard_normal((rows, width)).astype(np.float32)
        lengths = rng.integers(1, 2 * length, bags)
        index, offsets = rng.integers(0, rows, lengths.sum()), np.concatenate([[0], np.cumsum(lengths)[:-1]])
        for mode in ("sum", "mean", "max"):
            runs = {}
            for name, lib, functional in (("fastnn", fastnn, F), ("torch", torch, getattr(torch, "nn", None) and torch.nn.functional)):
                if lib is not None:
                    runs[name] = calls(lib, functional, w, index, offsets, mode)
            forward, gradient = runs.pop("fastnn")
            text, size = f"{bags} of ~{length}, {rows}x{width}", 4.0 * width * len(index)
            yield Case(f"embedding_bag {mode}", "forward", "float32", text, forward, {k: v[0] for k, v in runs.items()}, None, bytes=size)
            yield Case(f"embedding_bag {mode}", "derivative", "float32", text, gradient, {k: v[1] for k, v in runs.items()}, None,
                       bytes=size + w.nbytes)  # fmt: skip


def calls(lib, functional, w, index, offsets, mode):
    plain, table, ids, at = lib.from_numpy(w), lib.from_numpy(w.copy()).requires_grad_(), lib.from_numpy(index), lib.from_numpy(offsets)
    y = functional.embedding_bag(ids, table, at, mode=mode)
    g = lib.ones_like(y)
    return (lambda: functional.embedding_bag(ids, plain, at, mode=mode)), (lambda: lib.autograd.grad(y, table, g, retain_graph=True)[0])
