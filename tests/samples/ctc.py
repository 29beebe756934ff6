"""Samples of the CTC loss."""

import numpy as np

from fastnn.ops import ctc as ops
from fastnn.reference import ctc as ref

from . import Sample


def ctc_loss(x, targets, input_lengths, target_lengths, *, blank=0):
    return ops.ctc_loss(x, targets, input_lengths, target_lengths, blank, "none")


def samples(rng):
    def sample(steps, batch, classes, width, ins, lens, blank=0, grad=True):
        x = rng.standard_normal((steps, batch, classes))
        x -= np.log(np.exp(x).sum(2, keepdims=True))
        labels = [c for c in range(classes) if c != blank]
        args = (x, rng.choice(labels, (batch, width)), np.array(ins), np.array(lens))
        return Sample(ctc_loss, args, {"blank": blank}, ref=ref.ctc_loss, grad=grad, name="ctc_loss", rtol=1e-4)

    yield sample(4, 2, 3, 2, [4, 4], [2, 1])
    yield sample(5, 3, 4, 2, [5, 4, 2], [2, 0, 1], blank=2)
    yield sample(3, 1, 2, 1, [3], [1])
    yield sample(2, 2, 3, 3, [2, 2], [3, 1], grad=False)  # the first target does not fit: inf
    yield sample(9, 2, 2, 4, [9, 9], [4, 4])  # nothing but repeated labels
    yield sample(3, 2, 3, 2, [0, 0], [0, 1], grad=False)
    yield sample(70, 5, 20, 33, [70, 60, 50, 69, 1], [33, 20, 24, 8, 1], blank=19, grad=False)
    yield sample(40, 3, 7, 8, [40, 33, 20], [8, 7, 5])
