"""Samples of the indexing ops."""

import numpy as np

from fastnn.ops import gather, rows
from fastnn.ops import mask as masks
from fastnn.reference import index as ref

from . import Sample


def get(x, key):
    return x[key]


def chosen(key):
    """The sample's key by its position, so that index arrays in it stay arrays."""
    return lambda x, *_: x[key]


def put(x, v, key):
    y = x * 1.0 if isinstance(x, np.ndarray) else x.clone()
    y[key] = v
    return y


def embedding_of_rows(index, w):
    """Of a table that was computed: the gradient of rows becomes a tensor there."""
    return rows.embedding(index, w * 2, sparse=True)


def samples(rng):
    x = rng.standard_normal((3, 4, 5))
    i, j = np.array([2, 0, 2]), np.array([[1], [-1]])
    keys = [
        1,
        slice(0, 3, 2),
        (slice(None), 1),
        (Ellipsis, None, slice(1, None, 3)),
        (slice(3, 3), 0),
        i,
        (slice(None), i),
        (i, slice(None), i),
        (i, None, j),
        (slice(None), j, i),
        (0, i),
        (i, 1, slice(1, 4)),
        ([0, 2],),
        (np.array(1), i),
        x > 0,
        x[:, :, 0] > 0,
        (slice(None), np.array([True, False, True, True])),
        (np.array([], np.int64),),
        True,
    ]
    for k in keys:
        yield Sample(lambda x, k=k: x[k], (x,), ref=lambda x, k=k: x[k], name=f"x[{k}]")
    for k in (1, (slice(None), slice(1, 3)), i[:2], (slice(None), np.array([3, 0])), (i[:2], slice(None), np.array([0, 1])), x > 0.5):
        v = rng.standard_normal(x[k].shape)
        yield Sample(lambda x, v, k=k: put(x, v, k), (x, v), ref=lambda x, v, k=k: put(x, v, k), name=f"x[{k}] = v")
    yield Sample(lambda x, v: put(x, v, (slice(None), 2)), (x, rng.standard_normal(5)), ref=lambda x, v: put(x, v, (slice(None), 2)))
    for accumulate in (False, True):
        yield Sample(
            lambda x, v, a, b, accumulate=accumulate: rows.index_put(x, (a, b), v, accumulate),
            (x, rng.standard_normal((2, 3, 1)), np.array([2, 0, 2]), np.array([[1], [1]])),
            ref=lambda x, v, a, b, accumulate=accumulate: ref.index_put(x, v, a, b, accumulate=accumulate),
            name=f"index_put accumulate={accumulate}",
        )

    for dim, shape in ((0, (2, 4, 5)), (1, (3, 7, 2)), (-1, (3, 4, 33)), (1, (2, 1, 1)), (0, (0, 4, 5))):
        index = rng.integers(0, x.shape[dim], shape)
        src = rng.standard_normal(shape)
        d = dim % 3
        yield Sample(gather.gather, (x, dim, index), ref=lambda x, _, index, d=d: ref.gather(x, d, index))
        yield Sample(gather.scatter, (x, dim, index, src), ref=lambda x, _, i, s, d=d: ref.scatter(x, d, i, s))
        yield Sample(gather.scatter_add, (x, dim, index, src), ref=lambda x, _, i, s, d=d: ref.scatter_add(x, d, i, s))
    yield Sample(gather.scatter, (x, 1, np.array([[[3]]]), 2.5), ref=ref.scatter)
    v = rng.standard_normal(40)
    index = rng.integers(0, 40, 100)
    yield Sample(gather.gather, (v, 0, index), ref=ref.gather)
    yield Sample(gather.scatter_add, (v, 0, index, rng.standard_normal(100)), ref=ref.scatter_add)
    yield Sample(gather.gather, (np.array(1.5), 0, np.array(0)), ref=lambda x, *_: x)
    yield Sample(gather.take_along_dim, (x, np.array([[[1, 0, 2]]]), 2), ref=lambda x, i, d: x[:, :, [1, 0, 2]])
    yield Sample(gather.take_along_dim, (x, index), ref=lambda x, i: x.ravel()[i])
    yield Sample(rows.take, (x, np.array([[0, -1], [59, 7]])), ref=lambda x, i: x.ravel()[i])

    for dim in (0, 1, -1):
        d = dim % 3
        index = np.array([1, 0, 1, 2])
        source = rng.standard_normal(tuple(4 if k == d else n for k, n in enumerate(x.shape)))
        yield Sample(rows.index_select, (x, dim, index), ref=ref.index_select)
        yield Sample(rows.index_add, (x, dim, index, source), {"alpha": 2}, ref=ref.index_add)
        yield Sample(rows.index_copy, (x, dim, index[1:], source[tuple(slice(0, 3) if k == d else slice(None) for k in range(3))]))
        yield Sample(rows.index_fill, (x, dim, index, 2.0))
    yield Sample(rows.index_select, (np.zeros((0, 3)), 1, index), ref=ref.index_select)

    w = rng.standard_normal((7, 17))
    for n in ((), (5,), (2, 3), (0,)):
        yield Sample(rows.embedding, (rng.integers(0, 7, n), w), ref=ref.embedding)
        yield Sample(embedding_of_rows, (rng.integers(0, 7, n), w), ref=lambda i, w: ref.embedding(i, 2 * w))
    for p, n in ((1, 3), (-5, 9)):  # padding_idx makes the gradient differ from the derivative on purpose
        yield Sample(rows.embedding, (np.array([1, 2, 1, 6]), w[:, :n]), {"padding_idx": p}, ref=lambda i, w, padding_idx: w[i], grad=False)
    yield Sample(rows.one_hot, (rng.integers(0, 9, (3, 5)), 9), ref=ref.one_hot, grad=False)

    for shape in ((), (1,), (17,), (3, 33), (2, 3, 5), (0, 3)):
        a = rng.standard_normal(shape)
        mask = np.asarray(rng.random(shape) < 0.4)
        yield Sample(masks.masked_select, (a, mask), ref=ref.masked_select)
        yield Sample(masks.nonzero, (mask,), ref=lambda m: np.argwhere(m), grad=False)
        yield Sample(masks.masked_fill, (a, mask, 1.5), ref=lambda a, m, v: np.where(m, v, a))
        yield Sample(masks.masked_scatter, (a, mask, rng.standard_normal(100)), ref=lambda a, m, v: masked_put(a, m, v))
    yield Sample(masks.masked_select, (x, x[:, :1] > 0), ref=ref.masked_select)


def masked_put(a, m, v):
    return ref.masked_put(a, m, v[: int(m.sum())])
