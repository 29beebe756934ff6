"""Samples of the shape ops."""

import numpy as np

from fastnn.ops import shape

from . import Sample


def samples(rng):
    x = rng.standard_normal((3, 4, 5))
    yield Sample(shape.clone, (x,), ref=lambda a: a)
    yield Sample(shape.reshape, (x, (5, 12)), ref=np.reshape)
    yield Sample(shape.reshape, (x, (-1,)), ref=np.reshape)
    yield Sample(shape.reshape, (np.zeros((0, 3)), (3, 0)), ref=np.reshape)
    yield Sample(shape.permute, (x, (2, 0, 1)), ref=np.transpose)
    yield Sample(shape.transpose, (x, -1, 0), ref=np.swapaxes)
    yield Sample(shape.expand, (x[:, :1], (2, 3, 4, 5)), ref=np.broadcast_to)
    yield Sample(shape.expand, (rng.standard_normal(()), (2, 3)), ref=np.broadcast_to)
    yield Sample(shape.slice_view, (x, 1, 3, 2, -2), ref=lambda a, *_: a[:, 3::-2])
    yield Sample(shape.slice_view, (x, 2, 1, 3), ref=lambda a, *_: a[:, :, 1:4])
    yield Sample(shape.select, (x, 1, -1), ref=lambda a, *_: a[:, -1])
    yield Sample(shape.narrow, (x, 0, 1, 2), ref=lambda a, *_: a[1:3])
    yield Sample(shape.squeeze, (x[:, :1],), ref=np.squeeze)
    yield Sample(shape.unsqueeze, (x, -1), ref=np.expand_dims)
    yield Sample(shape.flatten, (x, 1), ref=lambda a, *_: a.reshape(3, 20))
    yield Sample(shape.movedim, (x, 0, 2), ref=np.moveaxis)
