"""Training steps recorded once and replayed, beside PyTorch's eager steps. The plain fastnn step is a column too: "eager"."""

from __future__ import annotations

import numpy as np

import fastnn
import fastnn.nn.functional as F

from .board import step_row
from .board_steps import STEPS
from .step import train_step


def captured(case, d, rng):
    """The step of a board case, on its arguments, captured and recorded."""
    model = case.build(fastnn.nn, F, d)
    optimizer = getattr(fastnn.optim, case.optimizer)(model.parameters(), **case.options)
    x, y = (fastnn.from_numpy(a).clone() for a in case.batch(rng, d))

    @fastnn.capture
    def step(x, y):
        return train_step(model, getattr(F, case.loss), optimizer, x, y)()

    step(x, y), step(x, y)
    return lambda: step(x, y)


def cases(quick):
    for case in STEPS:
        if quick and case.name.startswith("19"):
            continue
        d = case.dimensions()
        row = step_row(case, d, np.random.default_rng(0), ("torch",))
        row.rivals["eager"] = row.run
        row.run = captured(case, d, np.random.default_rng(0))
        yield row
