"""Pooling: every option, odd sizes, rows around vector widths, windows of more than 256 taps, overlaps and gaps."""

import numpy as np

from fastnn.ops import pool
from fastnn.reference import pool as reference

from . import Sample


def distinct(rng, *shape):
    """Values far enough apart that a difference quotient does not change which is largest."""
    return rng.permutation(int(np.prod(shape))).reshape(shape) / 8 - 3.0


def samples(rng):
    def sample(name, args, kwargs=None, **options):
        ref = options.pop("ref", getattr(reference, name))
        return Sample(getattr(pool, name), args, kwargs or {}, ref=ref, name=name, **options)

    for shape, kwargs in (
        ((2, 3, 4, 6), {"kernel_size": 2}),
        ((1, 2, 5, 67), {"kernel_size": 2}),  # the 2x2 loop with an overlapping last vector
        ((3, 7, 66), {"kernel_size": 2}),
        ((2, 9, 7), {"kernel_size": 2, "ceil_mode": True}),
        ((1, 2, 9, 35), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ((2, 8, 34), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
        ((2, 6, 19), {"kernel_size": 3, "stride": 1}),
        ((1, 7, 18), {"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0)}),
        ((1, 12, 17), {"kernel_size": (2, 3), "stride": (3, 5), "dilation": (2, 3), "padding": (1, 1)}),
        ((1, 11, 9), {"kernel_size": (3, 2), "stride": 2, "dilation": (3, 4), "padding": (1, 1), "ceil_mode": True}),
        ((2, 3, 3), {"kernel_size": 3}),
        ((1, 4, 5), {"kernel_size": 1, "stride": 3}),
        ((0, 3, 4, 4), {"kernel_size": 2}),
        ((1, 18, 20), {"kernel_size": (17, 18), "padding": (4, 9)}),  # offsets above one byte
    ):
        yield sample("max_pool2d", (distinct(rng, *shape),), kwargs)
        if "dilation" not in kwargs:
            yield sample("avg_pool2d", (rng.standard_normal(shape),), kwargs)
            yield sample("avg_pool2d", (rng.standard_normal(shape),), kwargs | {"count_include_pad": False})
            yield sample("avg_pool2d", (rng.standard_normal(shape),), kwargs | {"divisor_override": 3})
    yield sample("max_pool2d", (distinct(rng, 2, 2, 5, 9),), {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True}, grad=False)
    yield sample("max_pool1d", (distinct(rng, 2, 3, 19),), {"kernel_size": 4, "stride": 3, "return_indices": True}, grad=False)
    ties = np.array([0.0, 1.0, 1.0, -0.0, np.nan, -np.inf])[rng.integers(0, 6, (2, 13, 37))]
    for kwargs in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": (2, 3), "dilation": 2}):
        yield sample("max_pool2d", (ties,), kwargs | {"return_indices": True}, grad=False)
    for shape, kwargs in (
        ((3, 40), {"kernel_size": 2}),
        ((2, 3, 23), {"kernel_size": 5, "stride": 2, "padding": 2}),
        ((2, 3, 9), {"kernel_size": 9}),
        ((1, 1, 70), {"kernel_size": 65}),
    ):
        yield sample("max_pool1d", (distinct(rng, *shape),), kwargs)
        yield sample("avg_pool1d", (rng.standard_normal(shape),), kwargs)
    yield sample("avg_pool2d", (rng.standard_normal((2, 40, 37)),), {"kernel_size": (40, 37)})
    yield sample("avg_pool2d", (rng.standard_normal((1, 9, 70)),), {"kernel_size": (3, 40), "stride": (2, 30)})
    for shape, size in (((2, 3, 7, 7), 1), ((2, 10, 9), (3, 4)), ((1, 5, 21), (7, 2)), ((2, 6, 8), (3, 2)), ((1, 4, 33), (None, 20))):
        yield sample("adaptive_avg_pool2d", (rng.standard_normal(shape), size))
        yield sample("adaptive_max_pool2d", (distinct(rng, *shape), size))
    for shape, size in (((2, 3, 10), 4), ((3, 5), 7), ((1, 2, 35), 5)):
        yield sample("adaptive_avg_pool1d", (rng.standard_normal(shape), size))
        yield sample("adaptive_max_pool1d", (distinct(rng, *shape), size))
    indices = np.stack([rng.permutation(30)[:6].reshape(2, 3) for _ in range(4)]).reshape(2, 2, 2, 3)
    yield Sample(
        unpool, (rng.standard_normal((2, 2, 2, 3)), indices), ref=lambda x, i: reference.max_unpool2d(x, i, (5, 6)), name="max_unpool2d"
    )


def unpool(x, indices):
    return pool.max_unpool2d(x, indices, 2, output_size=(5, 6))
