"""Samples of the joining, splitting and padding ops."""

import numpy as np

from fastnn.ops import diagonal, join, pad, ranges
from fastnn.reference import join as ref

from . import Sample


def samples(rng):
    x = rng.standard_normal((3, 4, 5))
    for dim, sizes in ((0, (3, 1)), (1, (4, 0, 2)), (2, (1, 2, 3, 4, 17)), (-1, (5, 5))):
        parts = [rng.standard_normal(tuple(n if d == dim % 3 else s for d, s in enumerate(x.shape))) for n in sizes]
        yield Sample(lambda *xs, dim: join.cat(xs, dim), tuple(parts), {"dim": dim}, ref=ref.cat, name="cat")
    yield Sample(lambda *xs: join.cat(xs), (np.zeros(0), rng.standard_normal(17), rng.standard_normal(1)), ref=ref.cat, name="cat")
    for dim in (0, 1, 3, -1):
        yield Sample(lambda *xs, dim: join.stack(xs, dim), (x, x + 1, x), {"dim": dim}, ref=ref.stack, name="stack")
    yield Sample(lambda *xs: join.stack(xs), (np.array(1.0), np.array(2.0)), ref=ref.stack, name="stack")
    yield Sample(lambda *xs: join.hstack(xs), (x, x), ref=lambda *a: np.hstack(a), name="hstack")
    yield Sample(lambda *xs: join.hstack(xs), (x[0, 0], x[0, 1]), ref=lambda *a: np.hstack(a), name="hstack")
    yield Sample(lambda *xs: join.vstack(xs), (x[0, 0], x[0]), ref=lambda *a: np.vstack(a), name="vstack")
    yield Sample(lambda *xs: join.dstack(xs), (x[0], x[1]), ref=lambda *a: np.dstack(a), name="dstack")
    yield Sample(lambda *xs: join.column_stack(xs), (x[0, :, 0], x[0]), ref=lambda *a: np.column_stack(a), name="column_stack")
    yield Sample(join.atleast_2d, (x[0, 0],), ref=np.atleast_2d)
    yield Sample(join.atleast_3d, (x[0],), ref=np.atleast_3d)
    yield Sample(join.split, (x, 2, 2), ref=lambda a, *_: np.split(a, [2, 4], 2))
    yield Sample(join.split, (x, [1, 0, 3], 1), ref=lambda a, *_: np.split(a, [1, 1], 1))
    yield Sample(join.chunk, (x, 3, -1), ref=lambda a, *_: np.split(a, [2, 4], 2))
    yield Sample(join.tensor_split, (x, 3, 2), ref=lambda a, *_: np.array_split(a, 3, 2))
    yield Sample(join.tensor_split, (x, [1, 7], 1), ref=lambda a, *_: np.array_split(a, [1, 7], 1))
    yield Sample(join.unbind, (x, 1), ref=lambda a, *_: list(np.moveaxis(a, 1, 0)))

    pads = {
        "constant": [(1, 2), (0, 0, 3, 1), (1, 0, 0, 2, 1, 1), (-1, 2, 1, -2), (-2, -2), (0, 0, 0, 0, 2, 0)],
        "reflect": [(1, 2), (4, 4, 3, 0), (1, 0, 0, 2, 1, 1), (-1, 2), (0, 0, 2, 1)],
        "replicate": [(1, 2), (9, 4, 3, 0), (1, 0, 0, 2, 4, 1), (-1, 2), (0, 0, 2, 1)],
        "circular": [(1, 2), (5, 4, 3, 0), (1, 0, 0, 2, 3, 1), (-1, 2), (0, 0, 2, 1)],
    }
    for mode, widths in pads.items():
        for width in widths:
            yield Sample(pad.pad, (x, width, mode), ref=ref.pad, name="pad")
    yield Sample(pad.pad, (x, (1, 1), "constant", 2.5), ref=ref.pad)
    yield Sample(pad.pad, (np.zeros((0, 3)), (1, 1)), ref=ref.pad)
    yield Sample(pad.pad, (rng.standard_normal((2, 1, 33)), (16, 17, 0, 0), "reflect"), ref=ref.pad)
    yield Sample(pad.pad, (rng.standard_normal(()), ()), ref=lambda a, _: a)

    yield Sample(pad.roll, (x, 7), ref=ref.roll)
    yield Sample(pad.roll, (x, (1, -2), (0, 2)), ref=ref.roll)
    yield Sample(pad.roll, (x, (1, 1, 1), (0, 1, 0)), ref=ref.roll)
    yield Sample(pad.roll, (np.zeros((0, 3)), 1, 0), ref=ref.roll)
    yield Sample(pad.repeat, (x, 2, 1, 3), ref=ref.repeat)
    yield Sample(pad.repeat, (x[0], 2, 3, 1), ref=ref.repeat)
    yield Sample(pad.repeat, (x[0], 0, 3), ref=ref.repeat)
    yield Sample(pad.repeat, (np.array(2.0), 17), ref=ref.repeat)
    yield Sample(pad.tile, (x, 3), ref=lambda a, r: np.tile(a, r))
    yield Sample(pad.repeat_interleave, (x, 2), ref=lambda a, r: np.repeat(a, r))
    yield Sample(pad.repeat_interleave, (x, 3, 1), ref=lambda a, r, d: np.repeat(a, r, d))
    yield Sample(pad.repeat_interleave, (x, np.array([1, 0, 2, 1]), 1), ref=lambda a, r, d: np.repeat(a, r, d))

    for dims in ((0,), (1, 2), (-1,), ()):
        yield Sample(pad.flip, (x, *dims), ref=ref.flip)
    yield Sample(pad.fliplr, (x,), ref=np.fliplr)
    yield Sample(pad.flipud, (x,), ref=np.flipud)
    for k in range(-1, 4):
        yield Sample(pad.rot90, (x, k, (0, 2)), ref=np.rot90)
    for k in (-9, -1, 0, 2, 9):
        yield Sample(diagonal.tril, (x, k), ref=np.tril)
        yield Sample(diagonal.triu, (x, k), ref=np.triu)
        yield Sample(diagonal.diagonal, (x, k, 1, 2), ref=np.diagonal)
    yield Sample(diagonal.diagonal, (x,), ref=np.diagonal)
    yield Sample(diagonal.diag, (x[0], 1), ref=np.diag)
    yield Sample(diagonal.diag, (x[0, 0], -2), ref=np.diag)
    yield Sample(diagonal.diagflat, (x[0], 1), ref=np.diagflat)
    yield Sample(diagonal.diag_embed, (x,), ref=lambda a: a[..., None] * np.eye(5))
    for indexing in ("ij", "xy"):
        yield Sample(
            ranges.meshgrid, (x[0, 0], x[0, :, 0], x[:, 0, 0]), {"indexing": indexing}, ref=lambda *a, indexing: np.meshgrid(*a, indexing=indexing)
        )
