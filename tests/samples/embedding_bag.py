"""Samples of bags of embeddings."""

import numpy as np

import fastnn
from fastnn.ops import embedding_bag as ops
from fastnn.reference import embedding_bag as ref

from . import Sample


def embedding_bag(w, p, index, *, offsets, mode, skip=None):
    at = fastnn.tensor(offsets)
    return ops.embedding_bag(index, w, at, mode=mode, per_sample_weights=p, include_last_offset=True, padding_idx=skip)


def rows_only(w, p, index, *, offsets, mode):
    at = fastnn.tensor(offsets)  # w * 1: below a node, a gradient of rows becomes a tensor
    return ops.embedding_bag(index, w * 1, at, mode=mode, per_sample_weights=p, include_last_offset=True, sparse=True)


def fixed(w, index, *, mode):
    return ops.embedding_bag(index, w, mode=mode)


def samples(rng):
    for mode in ("sum", "mean", "max"):
        for rows, width, offsets in ((4, 3, (0, 2, 2, 5)), (3, 17, (0, 1, 4)), (5, 70, (0, 3, 7)), (3, 2, (0,))):
            w, index = rng.standard_normal((rows, width)), rng.integers(0, rows, offsets[-1])
            for skip in (None, 1):
                options = {"offsets": offsets, "mode": mode, "skip": skip}
                yield Sample(embedding_bag, (w, None, index), options, ref=ref.embedding_bag, name="embedding_bag")
        w, index = rng.standard_normal((4, 5)), rng.integers(0, 4, (3, 2))
        yield Sample(
            fixed, (w, index), {"mode": mode}, name="embedding_bag fixed",
            ref=lambda w, index, mode: ref.embedding_bag(w, None, index.reshape(-1), np.arange(4) * 2, mode),
        )  # fmt: skip
        index = rng.integers(0, 300, 5000)
        options = {"offsets": tuple(range(0, 5001, 20)), "mode": mode}
        yield Sample(embedding_bag, (rng.standard_normal((300, 33)), None, index), options, ref=ref.embedding_bag, name="embedding_bag")
    w, p, index = rng.standard_normal((5, 3)), rng.standard_normal(6), rng.integers(0, 5, 6)
    yield Sample(rows_only, (w, p, index), {"offsets": (0, 2, 6), "mode": "sum"}, ref=ref.embedding_bag, name="embedding_bag sparse")
    for skip in (None, 2):
        args = (rng.standard_normal((4, 19)), rng.standard_normal(6), rng.integers(0, 4, 6))
        yield Sample(embedding_bag, args, {"offsets": (0, 2, 6), "mode": "sum", "skip": skip}, ref=ref.embedding_bag, name="embedding_bag weighted")
