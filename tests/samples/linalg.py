"""Samples of linear algebra: square, tall, wide and batched matrices. Vectors count up to their sign, so their squares are compared."""

import numpy as np

import fastnn
from fastnn import linalg

from . import Sample


def regular(rng, *shape):
    return rng.standard_normal(shape) + 3 * np.eye(shape[-2], shape[-1])


def positive(a):
    return a @ a.mT + 1


def vectors(f, part):
    """f's part (a matrix with vectors as columns), squared."""
    return lambda a: f(a)[part] ** 2


def samples(rng):
    for shape in ((3, 3), (2, 4, 4), (1, 1)):
        a, b = regular(rng, *shape), rng.standard_normal((*shape[:-1], 2))
        yield Sample(linalg.inv, (a,), ref=np.linalg.inv)
        yield Sample(linalg.det, (a,), ref=np.linalg.det)
        yield Sample(lambda a: linalg.slogdet(a).logabsdet, (a,), ref=lambda a: np.linalg.slogdet(a)[1], name="logabsdet")
        yield Sample(linalg.solve, (a, b), ref=np.linalg.solve)
        yield Sample(lambda a: linalg.cholesky(positive(a)), (a,), ref=lambda a: np.linalg.cholesky(a @ np.swapaxes(a, -1, -2) + 1), name="cholesky")
        symmetric = (a + np.swapaxes(a, -1, -2)) + np.diag(np.arange(shape[-1]) * 5.0)
        for part in (0, 1):
            yield Sample(vectors(lambda a: linalg.eigh(a + a.mT), part), (symmetric,), name=f"eigh {part}",
                         ref=vectors(lambda a: np.linalg.eigh(a + np.swapaxes(a, -1, -2)), part))  # fmt: skip
    for shape in ((4, 3), (2, 3, 3), (5, 1), (2, 4)):
        a = regular(rng, *shape) + np.eye(*shape[-2:]) * np.arange(shape[-1]) * 2
        yield Sample(linalg.svdvals, (a,), ref=lambda a: np.linalg.svd(a)[1])
        for part in (0, 2):
            yield Sample(vectors(lambda a: linalg.svd(a, full_matrices=False), part), (a,), name=f"svd {part}",
                         ref=vectors(lambda a: np.linalg.svd(a, full_matrices=False), part))  # fmt: skip
        if shape[-2] >= shape[-1]:
            for part in (0, 1):
                yield Sample(vectors(linalg.qr, part), (a,), ref=vectors(np.linalg.qr, part), name=f"qr {part}")
    for shape in ((3, 3), (2, 4, 4), (5, 3), (3, 4)):
        a = rng.standard_normal(shape)
        yield Sample(lambda a: linalg.lu(a)[1], (a,), name="lu L")
        yield Sample(lambda a: linalg.lu(a)[2], (a,), name="lu U")
        yield Sample(lambda a: linalg.lu(a).P @ linalg.lu(a).L @ linalg.lu(a).U, (a,), ref=lambda a: a, name="P L U")
        if shape[-1] == shape[-2]:
            b = rng.standard_normal((*shape[:-1], 2))
            yield Sample(lambda a, b: linalg.lu_solve(*linalg.lu_factor(a), b), (a, b), ref=np.linalg.solve, name="lu_solve", rtol=1e-4)
            yield Sample(lambda a, b: linalg.lu_solve(*linalg.lu_factor(a), b, adjoint=True), (a, b), name="lu_solve adjoint", rtol=1e-4,
                         ref=lambda a, b: np.linalg.solve(np.swapaxes(a, -1, -2), b))  # fmt: skip
            yield Sample(lambda a, b: fastnn.cholesky_solve(b, linalg.cholesky(positive(a))), (a, b), name="cholesky_solve", rtol=1e-3,
                         ref=lambda a, b: np.linalg.solve(a @ np.swapaxes(a, -1, -2) + 1, b))  # fmt: skip
