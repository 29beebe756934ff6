"""Samples of the pseudo-inverse: of full rank, tall and wide."""

import numpy as np

from fastnn import linalg

from . import Sample


def samples(rng):
    for shape in ((3, 3), (5, 2), (2, 2, 4)):
        yield Sample(linalg.pinv, (rng.standard_normal(shape) + 2 * np.eye(*shape[-2:]),), ref=np.linalg.pinv)
