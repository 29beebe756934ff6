"""Samples of jets of multilayer perceptrons."""

import numpy as np

from fastnn.ops import jet as ops
from fastnn.reference import jet as ref

from . import Sample


def jet_mlp(x, v, *weights, wanted, activation):
    return ops.jet_mlp(x, v, weights, ops.orders_of(wanted), activation)


def jet_mlp_ref(x, v, *weights, wanted, activation):
    return ref.jet_mlp(x, v, weights, ops.orders_of(wanted).indices, activation)


BURGERS, MIXED, FOURTH = ((1, 0), (0, 1), (2, 0)), ((1, 1), (0, 2)), ((4, 0), (2, 2))


def samples(rng):
    def sample(points, sizes, wanted, activation, bias=True, grad=True, jets=False):
        weights = []
        for a, b in zip(sizes, sizes[1:], strict=False):
            weights += [rng.standard_normal((b, a)) / a**0.5, 0.3 * rng.standard_normal(b) if bias else None]
        args = (rng.standard_normal((points, sizes[0])), rng.standard_normal((len(wanted[0]), sizes[0])), *weights)
        if jets:
            args = (rng.standard_normal((len(ops.orders_of(wanted).indices), points, sizes[0])), None, *weights)
        options = {"wanted": wanted, "activation": activation}
        return Sample(jet_mlp, args, options, ref=jet_mlp_ref, grad=grad, name="jet_mlp", rtol=1e-4)

    for activation in ops.ACTIVATIONS:
        yield sample(3, (2, 5, 3, 1), BURGERS, activation)
        yield sample(2, (3, 4, 2), FOURTH, activation)
        yield sample(37, (2, 17, 9, 3), MIXED, activation, grad=False)
    yield sample(4, (1, 6, 6, 1), ((3,),), "tanh", bias=False)
    yield sample(5, (6, 7, 1), tuple(tuple(2 * (i == j) for i in range(6)) for j in range(6)), "tanh")
    yield sample(3, (2, 3), BURGERS, "sin")  # nothing but a linear layer
    yield sample(3, (2, 3, 1), ((0, 0),), "silu")  # no derivative at all
    yield sample(0, (2, 3, 1), BURGERS, "tanh", grad=False)
    yield sample(700, (2, 20, 20, 20, 1), BURGERS, "tanh", grad=True)
    yield sample(70, (2, 130, 70, 2), MIXED, "gelu", grad=False)
    yield sample(3, (3, 4, 2), BURGERS, "sin", jets=True)
    yield sample(5, (2, 4, 1), FOURTH, "tanh", jets=True)
    yield sample(140, (3, 20, 2), MIXED, "tanh", jets=True, grad=False)
    x = np.array([[1e30, -50.0], [30.0, -1e5]])  # far out: flat or linear, never NaN
    w = [np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros(2), np.ones((1, 2)), None]
    for activation in ("tanh", "sigmoid", "gelu", "silu", "softplus"):
        yield Sample(
            lambda v, activation=activation: jet_mlp(far(v, x), v, *(far(v, a) for a in w), wanted=BURGERS, activation=activation),
            (np.eye(2),), grad=False, name=f"jet_mlp far out {activation}",
        )  # fmt: skip


def far(like, a):
    import fastnn

    return None if a is None else fastnn.tensor(a, dtype=like.dtype)
