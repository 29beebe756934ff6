"""Samples of the activations."""

import numpy as np

from fastnn.ops import activation as F
from fastnn.reference import elementwise as ref

from . import Sample

PLAIN = (
    "sigmoid logsigmoid gelu silu mish softplus relu leaky_relu elu celu selu hardtanh relu6 hardsigmoid hardswish "
    "softsign tanhshrink hardshrink softshrink"
).split()


def samples(rng):
    def x(*shape):  # away from the kinks at 0, 1/2, 1, 3, 6
        v = rng.uniform(-5, 7, shape)
        return np.asarray(np.where(np.abs(v * 2 - np.round(v * 2)) < 0.05, v + 0.05, v))

    for name in PLAIN:
        f, r = getattr(F, name), getattr(ref, name)
        yield Sample(f, (x(3, 11),), ref=r)
        yield Sample(f, (x(1),), ref=r)
        yield Sample(f, (x(),), ref=r)
        yield Sample(f, (x(0, 3),), ref=r)
        yield Sample(f, (x(5, 263),), ref=r, grad=False)
    yield Sample(F.tanh, (x(3, 11),), ref=np.tanh)
    yield Sample(F.tanh, (x(5, 263),), ref=np.tanh, grad=False)
    yield Sample(F.gelu, (x(3, 11),), {"approximate": "tanh"}, ref=ref.gelu)
    yield Sample(F.softplus, (x(3, 11),), {"beta": 2.5, "threshold": 10}, ref=ref.softplus)
    yield Sample(F.leaky_relu, (x(17),), {"negative_slope": 0.3}, ref=ref.leaky_relu)
    yield Sample(F.elu, (x(17),), {"alpha": 1.7}, ref=ref.elu)
    yield Sample(F.celu, (x(17),), {"alpha": 1.7}, ref=ref.celu)
    yield Sample(F.hardtanh, (x(17), -2.25, 4.25), ref=ref.hardtanh)
    yield Sample(F.threshold, (x(17), 0.25, 4.0), ref=ref.threshold)
    yield Sample(F.hardshrink, (x(17), 2.25), ref=ref.hardshrink)
    yield Sample(F.softshrink, (x(17), 2.25), ref=ref.softshrink)
    yield Sample(F.prelu, (x(2, 3, 4), np.array([0.2, 0.3, -0.1])), ref=ref.prelu)
    yield Sample(F.prelu, (x(7), np.array([0.25])), ref=ref.prelu)
    yield Sample(F.glu, (x(3, 6),), ref=ref.glu)
    yield Sample(F.glu, (x(4, 3), 0), ref=ref.glu)
    yield Sample(F.relu, (rng.integers(-5, 5, 70),), ref=ref.relu, grad=False)
