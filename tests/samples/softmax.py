"""Samples of softmax: every way through memory (rows turned, held, long; axes in the middle) and their tails."""

import numpy as np

from fastnn.ops import softmax as ops
from fastnn.reference import softmax as ref

from . import Sample

# the last two are long enough for several chunks of a parallel loop, so too large for gradients by differences
SHAPES = (
    ((5,), 0), ((1, 1), 1), ((3, 7), 1), ((70, 3), -1), ((33, 10), 1), ((20, 17), 1), ((9, 33), 1), ((3, 130), 1),
    ((2, 5, 3), 1), ((2, 3, 17), 1), ((2, 3, 70), 1), ((7, 2), 0), ((2, 3, 4, 5), -3), ((3, 0), 1), ((0, 3), 1), ((2, 0, 3), 2),
)  # fmt: skip
LARGE = (((2000, 10), 1), ((300, 150), 1), ((40, 8, 90), 1))


def samples(rng):
    for shape, dim in SHAPES:
        x = rng.standard_normal(shape) * 2
        g, y = rng.standard_normal(shape), ref.softmax(x, dim) if x.size else x
        axis = dim % x.ndim
        empty = not x.size
        yield Sample(ops.softmax, (x, dim), ref=None if empty else ref.softmax, grad=not empty)
        yield Sample(ops.log_softmax, (x, dim), ref=None if empty else ref.log_softmax, grad=not empty)
        if not empty:
            yield Sample(ops._softmax_dx, (g, y), {"axis": axis}, ref=ref.softmax_dx, name="softmax_dx")
            yield Sample(ops._log_softmax_dx, (g, np.log(y)), {"axis": axis}, ref=ref.log_softmax_dx, name="log_softmax_dx")
    for shape, dim in LARGE:
        x = rng.standard_normal(shape) * 2
        yield Sample(ops.softmax, (x, dim), ref=ref.softmax, grad=False)
        yield Sample(ops.log_softmax, (x, dim), ref=ref.log_softmax, grad=False)
        y = ref.softmax(x, dim)
        yield Sample(ops._softmax_dx, (x, y), {"axis": dim}, ref=ref.softmax_dx, grad=False, name="softmax_dx")
        yield Sample(ops._log_softmax_dx, (x, np.log(y)), {"axis": dim}, ref=ref.log_softmax_dx, grad=False, name="log_softmax_dx")
    yield Sample(ops.softmax, (rng.standard_normal(()), 0), ref=lambda x, dim: np.ones(()))
    yield Sample(ops.log_softmax, (rng.standard_normal(()), -1), ref=lambda x, dim: np.zeros(()))
    yield Sample(ops.softmin, (rng.standard_normal((4, 5)), 1), ref=lambda x, dim: ref.softmax(-x, dim))
    # far apart: exp underflows to 0, log_softmax stays finite
    far = np.array([[1e4, -1e4, 0.0], [3e4, 3e4, 3e4], [-1e4, -1e4 + 1, -1e4]])
    yield Sample(ops.softmax, (far, 1), ref=ref.softmax, grad=False)
    yield Sample(ops.log_softmax, (far, 1), ref=ref.log_softmax, grad=False)
