"""Samples of sums, extremes and softmax by segment, and of sparse products."""

import numpy as np

import fastnn
from fastnn.ops import segment as ops
from fastnn.reference import segment as ref

from . import Sample

CASES = ((5, 3, 4), (9, 17, 3), (6, 1, 2), (0, 4, 2), (7, 70, 9))  # rows, columns, segments


def csr_matmul(values, dense, *, crow, col):
    return fastnn.csr_matmul(fastnn.tensor(crow), fastnn.tensor(col, dtype=fastnn.int64), values, dense)


def dot(g, x, to, source):  # what values' derivative calls, as an op of its own
    return ops._segment_dot(g, x, to, source, entries=to.shape[0])


def samples(rng):
    for name in ("sum", "mean", "max", "min"):
        f = getattr(ops, f"segment_{name}")
        for n, width, segments in CASES:
            ids = rng.integers(0, segments, n) if name in ("sum", "mean") else np.concatenate([np.arange(segments), rng.integers(0, segments, n)])
            x = rng.standard_normal((len(ids), width))
            for order in (ids, np.sort(ids)):
                yield Sample(f, (x, order, segments), ref=lambda x, i, s, name=name: ref.segment(x, i, s, name), name=f"segment_{name}")
        x, ids = rng.standard_normal((3000, 19)), np.concatenate([np.arange(200), rng.integers(0, 200, 2800)])
        yield Sample(f, (x, ids, 200), ref=lambda x, i, s, name=name: ref.segment(x, i, s, name), grad=False, name=f"segment_{name}")
    for n, width, segments in CASES:
        ids = rng.integers(0, segments, n)
        yield Sample(ops.segment_softmax, (rng.standard_normal((n, width)), ids, segments), ref=ref.segment_softmax)
    yield Sample(ops.segment_softmax, (rng.standard_normal(3000), rng.integers(0, 200, 3000), 200), grad=False, ref=ref.segment_softmax)
    for columns, shape in ((4, (4, 3)), (4, (4,)), (3, (3, 2, 5)), (5, (5, 70))):
        for crow in ((0, 2, 2, 5), (0,), (0, 0)):
            n = crow[-1]
            options = {"crow": crow, "col": tuple(int(c) for c in rng.integers(0, columns, n))}
            def reference(values, dense, crow, col):
                return ref.csr_matmul(crow, col, values, dense)

            dense = rng.standard_normal(shape)
            for values in (rng.standard_normal(n), None, *([rng.standard_normal((n, 2))] if len(shape) == 3 else [])):
                yield Sample(csr_matmul, (values, dense), options, ref=reference)
    g, x, to, source = rng.standard_normal((3, 2, 5)), rng.standard_normal((4, 2, 5)), rng.integers(0, 3, 6), rng.integers(0, 4, 6)
    yield Sample(dot, (g, x, to, source), name="segment_dot", ref=lambda g, x, to, source: (g[to] * x[source]).sum(2))
