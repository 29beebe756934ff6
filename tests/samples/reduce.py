"""Samples of reductions and scans: every shape of loop (across, down, turned, grouped), every option."""

import numpy as np

import fastnn as op
from fastnn.ops.scan import _linear_scan
from fastnn.reference import reduce as ref

from . import Sample

# shape, dim: rows of full and cut vectors, few and many columns, several axes, axes of length 1, short rows, 0-d
PLACES = [
    ((), None), ((1,), 0), ((3,), None), ((17,), 0), ((33,), -1), ((130,), None), ((2, 3), 0), ((3, 33), 1), ((33, 3), 0),
    ((40, 5), 0), ((5, 40), (0, 1)), ((4, 3, 17), 1), ((3, 4, 5), (0, 2)), ((2, 1, 5), (1,)), ((2, 3, 4, 5), (-1, 1)),
    ((40, 7), 1), ((300, 1), 0),
]  # fmt: skip
LARGE = [((2100,), None), ((70, 1100), 0), ((3, 2300), 1), ((200, 6), 0), ((70000, 2), 0), ((9, 20, 70), (0, 2)), ((3, 140000), 1)]
EMPTY = [((0,), None), ((0, 3), 0), ((3, 0), 1), ((2, 0, 3), (1, 2)), ((0, 3), 1)]
FLOATING = {
    "sum": (op.sum, ref.total), "mean": (op.mean, ref.mean), "prod": (op.prod, ref.prod), "amax": (op.amax, ref.amax),
    "amin": (op.amin, ref.amin), "logsumexp": (op.logsumexp, ref.logsumexp), "var": (op.var, ref.var), "std": (op.std, ref.std),
}  # fmt: skip
INTEGER = {
    "sum": (op.sum, ref.total), "prod": (op.prod, ref.prod), "amax": (op.amax, ref.amax), "amin": (op.amin, ref.amin),
    "any": (op.any, ref.any), "all": (op.all, ref.all),
}  # fmt: skip


def samples(rng):
    def x(*shape):
        return np.asarray(rng.standard_normal(shape))

    def near_one(*shape):
        return np.asarray(1 + 0.2 * rng.standard_normal(shape))

    def distinct(*shape):
        n = int(np.prod(shape))
        return np.asarray(rng.permutation(n).reshape(shape) * 0.37 - 0.1 * n)

    for name, (f, r) in FLOATING.items():
        values = distinct if name in ("amax", "amin") else near_one if name == "prod" else x
        for i, (shape, dim) in enumerate(PLACES):
            if name in ("var", "std") and np.prod([shape[d] for d in np.atleast_1d(dim)] if dim is not None else shape) < 2:
                continue
            yield Sample(f, (values(*shape),), {"dim": dim, "keepdim": i % 3 == 1}, r, name=name)
        for shape, dim in LARGE:
            if name == "prod" and np.prod(shape) > 100000:
                continue
            v = values(*shape)
            v = 1 + (v - 1) * 1e-2 if name == "prod" else v
            yield Sample(f, (v,), {"dim": dim}, r, grad=False, name=name, rtol=2e-4 if name == "prod" else None)
        if name not in ("amax", "amin"):
            for shape, dim in EMPTY:
                yield Sample(f, (x(*shape),), {"dim": dim}, r, grad=False, name=name)
    zeros = x(4, 5)
    zeros[0, 1] = zeros[2, 3] = zeros[2, 4] = 0
    for dim in (None, 0, 1):
        yield Sample(op.prod, (zeros,), {"dim": dim}, ref.prod, name="prod_zeros")
    for correction in (0, 2):
        yield Sample(op.var, (x(6, 9),), {"dim": 1, "correction": correction}, ref.var)
        yield Sample(op.std, (x(6, 9),), {"dim": (0, 1), "correction": correction}, ref.std)
    yield Sample(op.var, (x(50, 30) + 1000,), {"dim": 0}, ref.var, grad=False, name="var_far_from_zero", rtol=2e-4)
    yield Sample(op.amax, (np.repeat(x(3, 4), 2, 1),), {"dim": 1}, ref.amax, grad=False, name="amax_ties")

    for p in (1, 2, 3.5, 0.5, np.inf, -np.inf):
        for shape, dim in (((17,), None), ((5, 40), 1), ((40, 5), 0), ((3, 4, 5), (0, 2)), ((2, 2100), 1)):
            yield Sample(op.norm, (distinct(*shape) / 7,), {"p": p, "dim": dim}, ref.norm, grad=bool(np.prod(shape) < 500))
    yield Sample(op.norm, (np.round(x(5, 40)),), {"p": 0, "dim": 1}, ref.norm, grad=False)

    for f, r in ((op.max, ref.largest), (op.min, ref.smallest)):
        for shape, dim in (((17,), 0), ((3, 33), 1), ((40, 5), 0), ((4, 3, 17), 1), ((40, 7), -1), ((1, 1), 0)):
            yield Sample(f, (distinct(*shape),), {"dim": dim, "keepdim": dim == 1}, r)
    for f, r in ((op.argmax, ref.argmax), (op.argmin, ref.argmin)):
        for shape, dim in (((), None), ((17,), None), ((3, 33), None), ((40, 5), 0), ((5, 2100), 1), ((300, 10), 1), ((70, 1100), 0), ((3, 7, 20), 1), ((70000, 3), 0), ((2, 140000), 1)):  # fmt: skip
            yield Sample(f, (np.asarray(np.round(x(*shape) * 9)),), {"dim": dim}, r, grad=False)
            yield Sample(f, (rng.integers(0, 200, shape),), {"dim": dim, "keepdim": True}, r, grad=False)

    for name, (f, r) in INTEGER.items():
        for shape, dim in (((17,), None), ((3, 33), 1), ((40, 5), 0), ((9, 20, 70), (0, 2)), ((70, 1100), 0), ((3, 2300), 1)):
            v = rng.integers(-3, 4, shape)
            yield Sample(f, (v,), {"dim": dim}, r, grad=False, name=f"{name}_int64")
            if name not in ("amax", "amin", "prod"):
                yield Sample(f, (v > 2,), {"dim": dim}, r, grad=False, name=f"{name}_bool")
    for v in (np.round(x(7, 40)), rng.integers(0, 2, (70, 1100)) > 0, rng.integers(0, 3, (5, 9000)), np.round(x(33, 70))):
        for dim in (None, 0, 1):
            yield Sample(op.count_nonzero, (v,), {"dim": dim}, ref.count_nonzero, grad=False)

    for f, r in ((op.cumsum, ref.cumsum), (op.cumprod, ref.cumprod)):
        for shape, dim in (((17,), 0), ((33,), 0), ((3, 35), 1), ((5, 6), 0), ((4, 3, 18), 1), ((1,), 0)):
            yield Sample(f, (x(*shape),), {"dim": dim}, r)
        yield Sample(f, (1 + 1e-3 * x(3, 2300),), {"dim": 1}, r, grad=False, rtol=1e-4)
        yield Sample(f, (1 + 1e-3 * x(300, 1100),), {"dim": 0}, r, grad=False, rtol=1e-4)
        yield Sample(f, (x(0, 3),), {"dim": 0}, r, grad=False)
        yield Sample(f, (rng.integers(1, 3, (4, 20)),), {"dim": 1}, r, grad=False, name=f.__name__ + "_int64")
    for dim in (0, 1):
        yield Sample(op.cumprod, (zeros,), {"dim": dim}, ref.cumprod, name="cumprod_zeros")
        for reverse in (False, True):
            for lag in (0, 1):
                options = {"dim": dim, "reverse": reverse, "lag": lag}
                yield Sample(_linear_scan, (x(4, 5), x(4, 5)), options, ref.linear_scan, name="linear_scan")
