"""Rows by segment: sums, extremes and softmax over the edges of a graph, and sparse times dense, with gradients."""

from __future__ import annotations

import numpy as np

import fastnn

from .case import Case
from .step import torch_or_none


def cases(quick):
    torch, rng = torch_or_none(), np.random.default_rng(0)
    for nodes, edges, width in ((2708, 13264, 64), (20000, 200000, 32), (1000, 100000, 1), (3000, 40000, 7))[: 1 if quick else None]:
        x = rng.standard_normal((edges, width)).astype(np.float32)
        for order in ("sorted", "unsorted"):
            ids = rng.integers(0, nodes, edges)
            ids = np.sort(ids) if order == "sorted" else ids
            text, size = f"{edges}x{width} into {nodes}, {order}", 4.0 * (edges + nodes) * width
            for reduce in ("sum", "mean", "max", "softmax"):
                mine = calls(fastnn, SEGMENT[reduce], x, ids, nodes)
                rival = calls(torch, TORCH[reduce], x, ids, nodes) if torch else None
                yield from pair(f"segment_{reduce}", text, mine, rival, size)
        dense = rng.standard_normal((nodes, width)).astype(np.float32)
        values = rng.standard_normal(edges).astype(np.float32)
        crow, col = np.searchsorted(np.sort(ids), np.arange(nodes + 1)), rng.integers(0, nodes, edges)
        text, size = f"{nodes}x{nodes}, {edges} entries, {width}", 4.0 * (edges + 2 * nodes) * width
        mine, rival = (sparse(lib, crow, col, values, dense) if lib else None for lib in (fastnn, torch))
        yield from pair("csr_matmul", text, mine, rival, size)


def pair(case, text, mine, rival, size):
    for i, direction in enumerate(("forward", "derivative")):
        yield Case(case, direction, "float32", text, mine[i], {"torch": rival[i]} if rival else {}, None, bytes=size)


def calls(lib, f, x, ids, segments):
    plain, leaf, at = lib.from_numpy(x), lib.from_numpy(x.copy()).requires_grad_(), lib.from_numpy(ids)
    y = f(leaf, at, segments)
    g = lib.ones_like(y)
    return (lambda: f(plain, at, segments)), (lambda: lib.autograd.grad(y, leaf, g, retain_graph=True)[0])


def sparse(lib, crow, col, values, dense):
    """The derivative is that of dense: PyTorch's of the values is a dense matrix product, sampled."""
    crow, col, values, plain = (lib.from_numpy(a) for a in (crow, col, values, dense))
    leaf = lib.from_numpy(dense.copy()).requires_grad_()
    if lib is fastnn:
        product = lambda x: fastnn.csr_matmul(crow, col, values, x)  # noqa: E731
    else:
        matrix = lib.sparse_csr_tensor(crow, col, values, (len(crow) - 1, len(dense)))
        product = lambda x: lib.sparse.mm(matrix, x)  # noqa: E731
    y = product(leaf)
    g = lib.ones_like(y)
    return (lambda: product(plain)), (lambda: lib.autograd.grad(y, leaf, g, retain_graph=True)[0])


SEGMENT = {name: getattr(fastnn, f"segment_{name}") for name in ("sum", "mean", "max", "softmax")}


def reduced(kind):
    def f(x, ids, segments):
        return x.new_zeros(segments, x.shape[1]).scatter_reduce(0, ids[:, None].expand_as(x), x, kind, include_self=False)

    return f


def softmax(x, ids, segments):
    e = (x - reduced("amax")(x, ids, segments)[ids]).exp()
    return e / e.new_zeros(segments, x.shape[1]).index_add(0, ids, e)[ids]


TORCH = {
    "sum": lambda x, ids, segments: x.new_zeros(segments, x.shape[1]).index_add(0, ids, x),
    "mean": reduced("mean"), "max": reduced("amax"), "softmax": softmax,
}  # fmt: skip
