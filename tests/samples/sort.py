"""Samples of sorting: short rows (insertion), long rows (radix), every axis, ties."""

import numpy as np

from fastnn.ops import sort as op
from fastnn.reference import sort as ref

from . import Sample


def samples(rng):
    def distinct(*shape):
        n = int(np.prod(shape))
        return np.asarray(rng.permutation(n).reshape(shape) * 0.25 - 0.1 * n)

    def ties(*shape):
        return np.asarray(np.round(rng.standard_normal(shape) * 3))

    for shape, dim in (((), -1), ((1,), 0), ((17,), 0), ((3, 33), 1), ((50, 3), 0), ((2, 60, 3), 1)):
        for descending in (False, True):
            yield Sample(op.sort, (distinct(*shape),), {"dim": dim, "descending": descending}, ref.sort)
            yield Sample(op.argsort, (ties(*shape),), {"dim": dim, "descending": descending}, ref.argsort, grad=False)
            if shape:
                v = rng.integers(-9, 9, shape)
                yield Sample(op.sort, (v,), {"dim": dim, "descending": descending}, ref.sort, grad=False, name="sort_int64")
    for shape, dim in (((2, 3000), 1), ((140000,), 0)):
        yield Sample(op.argsort, (ties(*shape),), {"dim": dim}, ref.argsort, grad=False)
        yield Sample(op.sort, (ties(*shape),), {"dim": dim, "descending": True}, ref.sort, grad=False)
        for k in (5, 700):
            yield Sample(op.topk, (ties(*shape),), {"k": k, "dim": dim}, ref.topk, grad=False)
    for shape, dim, k in (((17,), 0, 17), ((17,), 0, 0), ((3, 40), 1, 4), ((60, 2), 0, 1), ((2, 90, 3), 1, 7)):
        for largest in (True, False):
            yield Sample(op.topk, (distinct(*shape),), {"k": k, "dim": dim, "largest": largest}, ref.topk)
    for shape, dim, k in (((17,), 0, 5), ((3, 40), 1, 40), ((50, 2), 0, 1)):
        yield Sample(op.kthvalue, (distinct(*shape),), {"k": k, "dim": dim, "keepdim": k == 1}, ref.kthvalue)
        yield Sample(op.median, (distinct(*shape),), {"dim": dim, "keepdim": k == 1}, ref.median)
    for v in (ties(40), ties(5, 9), rng.integers(0, 20, (200,)), ties(0)):
        yield Sample(op.unique, (v,), {"return_inverse": True, "return_counts": True}, ref.unique, grad=False)
    for right in (False, True):
        edges = np.sort(ties(30))
        yield Sample(op.searchsorted, (edges, ties(4, 7)), {"right": right}, ref.searchsorted, grad=False)
        yield Sample(op.searchsorted, (np.sort(ties(4, 30)), ties(4, 7)), {"right": right}, ref.searchsorted, grad=False)
