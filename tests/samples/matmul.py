"""Samples of the products."""

import numpy as np

import fastnn
from fastnn.ops import matmul as ops
from fastnn.reference import matmul as reference

from . import Sample


def samples(rng):
    def x(*shape):
        return rng.standard_normal(shape)

    # rows around the register tile (14, 6, 4), columns around one and two vectors, odd depths
    for m, n, k in [(1, 1, 1), (2, 3, 4), (9, 17, 5), (13, 33, 16), (15, 31, 7), (29, 9, 3), (5, 1, 9), (1, 7, 6), (3, 70, 2)]:
        yield Sample(fastnn.matmul, (x(m, k), x(k, n)), ref=reference.matmul)
    for m, n, k in [(150, 70, 33), (65, 47, 400), (8, 300, 129), (300, 3, 65), (1, 260, 130), (7, 5, 9000)]:
        yield Sample(fastnn.matmul, (x(m, k), x(k, n)), ref=reference.matmul, grad=False, rtol=2e-5)
    yield Sample(fastnn.matmul, (x(12, 40000), x(40000, 11)), ref=reference.matmul, grad=False, rtol=2e-5, name="long k")
    for a, b in [((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3), (3, 0)), ((4, 0, 3), (3, 2)), ((0,), (0,))]:
        yield Sample(fastnn.matmul, (x(*a), x(*b)), ref=reference.matmul)
    # vectors and batches
    for a, b in [((5,), (5,)), ((5,), (5, 3)), ((3, 5), (5,)), ((2, 3, 5), (5,)), ((5,), (2, 5, 3)), ((2, 3, 4), (4, 5)),
                 ((3, 4), (2, 4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((3, 1, 1, 4), (3, 2, 4, 3))]:
        yield Sample(fastnn.matmul, (x(*a), x(*b)), ref=reference.matmul)
    yield Sample(fastnn.matmul, (x(40, 12, 9), x(40, 9, 10)), ref=reference.matmul, grad=False)
    yield Sample(lambda a: a @ a, (x(4, 4),), ref=lambda a: a @ a, name="square")
    yield Sample(lambda a: a.mT @ a, (x(6, 3),), ref=lambda a: a.T @ a, name="gram")
    yield Sample(lambda a, b: a.expand(3, 2, 4) @ b, (x(2, 4), x(3, 4, 2)), ref=lambda a, b: a @ b, name="expanded")
    integers = rng.integers(-50, 50, (2, 7, 5)), rng.integers(-50, 50, (5, 3))
    yield Sample(fastnn.matmul, integers, ref=np.matmul, grad=False)
    yield Sample(fastnn.matmul, (rng.integers(-(2**62), 2**62, (3, 4)), rng.integers(-(2**62), 2**62, (4, 2))), ref=np.matmul, grad=False)

    yield Sample(fastnn.mm, (x(3, 4), x(4, 5)), ref=reference.matmul)
    yield Sample(fastnn.bmm, (x(3, 2, 4), x(3, 4, 5)), ref=reference.matmul)
    yield Sample(fastnn.mv, (x(3, 4), x(4)), ref=reference.matmul)
    yield Sample(fastnn.dot, (x(7), x(7)), ref=reference.matmul)
    yield Sample(fastnn.outer, (x(3), x(4)), ref=np.outer)
    yield Sample(fastnn.inner, (x(2, 3, 4), x(5, 4)), ref=np.inner)
    yield Sample(fastnn.kron, (x(2, 3), x(2, 2)), ref=np.kron)
    yield Sample(fastnn.kron, (x(3), x(2, 2)), ref=np.kron)
    for d in [(5,), (3, 1), (3, 5), (), (1,)]:
        yield Sample(fastnn.addmm, (x(*d), x(3, 4), x(4, 5)), ref=reference.addmm)
    yield Sample(fastnn.addmm, (x(5), x(3, 4), x(4, 5)), {"beta": 0.5, "alpha": -2.0}, ref=reference.addmm)
    yield Sample(fastnn.addmm, (np.full(5, np.nan), x(3, 4), x(4, 5)), {"beta": 0}, ref=reference.addmm, grad=False)
    yield Sample(fastnn.addmm, (x(5), x(3, 0), x(0, 5)), ref=reference.addmm)
    yield Sample(fastnn.addmm, (x(20, 40), x(20, 500), x(500, 40)), ref=reference.addmm, grad=False)
    yield Sample(fastnn.addmm, (x(3), x(700, 20), x(20, 3)), ref=reference.addmm, grad=False)
    yield Sample(fastnn.baddbmm, (x(2, 1, 5), x(2, 3, 4), x(2, 4, 5)), ref=reference.baddbmm)
    yield Sample(fastnn.baddbmm, (x(3, 1), x(2, 3, 4), x(2, 4, 5)), {"beta": 2.0, "alpha": 0.5}, ref=reference.baddbmm)
    yield Sample(fastnn.addmv, (x(3), x(3, 4), x(4)), ref=reference.addmv)

    for s in [(6, 4), (4,), (2, 3, 4), (0, 4), (17, 4)]:
        yield Sample(ops.linear, (x(*s), x(5, 4), x(5)), ref=reference.linear)
        yield Sample(ops.linear, (x(*s), x(5, 4)), ref=reference.linear)
    yield Sample(ops.linear, (x(3, 4), x(4)), ref=lambda a, w: a @ w)
    yield Sample(ops.linear, (x(33, 65), x(40, 65), x(40)), ref=reference.linear, grad=False)
    yield Sample(ops.linear, (x(4, 65), x(40, 65), x(40)), ref=reference.linear, grad=False)
    for s, weight in [((3, 4), (5, 4)), ((2, 3, 4), (5, 4)), ((1, 1, 9), (17, 9)), ((2, 5, 3), (20, 3)), ((4,), (3, 4)), ((0, 4), (3, 4))]:
        yield Sample(ops.linear_of_sequences, (x(*s), x(*weight), x(weight[0])), ref=reference.linear)
        yield Sample(ops.linear_of_sequences, (x(*s), x(*weight)), ref=reference.linear)
    for m in (1, 4, 8, 9, 40):
        yield Sample(ops.linear_of_sequences, (x(m, 500), x(37, 500), x(37)), ref=reference.linear, grad=False, rtol=2e-5)
    yield Sample(ops.bilinear, (x(4, 2), x(4, 3), x(5, 2, 3), x(5)), ref=reference.bilinear)
    yield Sample(ops.bilinear, (x(2, 3, 2), x(2, 3, 3), x(5, 2, 3)), ref=reference.bilinear)

    yield Sample(fastnn.tensordot, (x(2, 3, 4), x(3, 4, 5)), ref=np.tensordot)
    yield Sample(fastnn.tensordot, (x(2, 3), x(4), 0), ref=np.tensordot)
    yield Sample(fastnn.tensordot, (x(2, 3, 4), x(4, 5, 2), ([2, 0], [0, 2])), ref=np.tensordot)
    for equation, *shapes in [
        ("ij,jk->ik", (2, 3), (3, 4)), ("ij,kj", (2, 3), (4, 3)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("ij->ji", (2, 3)),
        ("ij->", (2, 3)), ("ij->j", (2, 3)), ("ii", (3, 3)), ("ii->i", (3, 3)), ("i,i", (4,), (4,)), ("i,j->ij", (2,), (3,)),
        ("ij,ij->ij", (2, 3), (2, 3)), ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)), ("...i->...", (2, 3)),
        ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)), ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)), ("iij->j", (3, 3, 2)),
        ("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)), ("ij,k->", (2, 3), (4,)), ("b...,b->...", (2, 3), (2,)),
    ]:  # fmt: skip
        yield Sample(fastnn.einsum, (equation, *(x(*s) for s in shapes)), ref=reference.einsum)
    yield Sample(fastnn.chain_matmul, (x(2, 5), x(5, 3), x(3, 4), x(4)), ref=lambda *m: np.linalg.multi_dot(m))
