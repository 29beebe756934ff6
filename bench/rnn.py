"""Recurrent layers: forward, and a whole training step of the layer with a linear one on its last state, by Adam."""

from __future__ import annotations

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim
from fastnn.reference import rnn as reference

from .case import Case
from .step import torch_or_none, train_step


class Last:
    """Makes a module of one library: layer, then a linear one on the last step."""

    @staticmethod
    def build(lib, kind, inputs, units):
        class Model(lib.Module):
            def __init__(self):
                super().__init__()
                self.layer, self.head = getattr(lib, kind)(inputs, units), lib.Linear(units, 10)

            def forward(self, x):
                return self.head(self.layer(x)[0][-1])

        return Model()


def exact(layer, x):
    """What the layer gives, in float64."""
    w = {n: p.detach().numpy().astype(float) for n, p in layer.named_parameters()}
    weights = [w[n + "_l0"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    rows, sizes = x.astype(float).reshape(-1, x.shape[2]), np.full(x.shape[0], x.shape[1])
    name, begin = type(layer).__name__, [None] * (2 if type(layer).__name__ == "LSTM" else 1)
    more = ("tanh",) if name == "RNN" else ()
    y = getattr(reference, name.lower())(rows, *begin, *weights, sizes, False, *more)
    return y[: len(rows)].reshape(*x.shape[:2], -1)


GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def products(kind, steps, batch, inputs, units):
    return 2.0 * GATES[kind] * steps * batch * units * (inputs + units)


def cases(quick):
    torch, rng = torch_or_none(), np.random.default_rng(0)
    sizes = [(100, 32, 64, 128), (77, 41, 50, 100), (64, 32, 128, 256), (50, 1, 32, 64)][: 1 if quick else None]
    for kind in ("LSTM", "GRU", "RNN"):
        for steps, batch, inputs, units in sizes:
            x = rng.standard_normal((steps, batch, inputs)).astype(np.float32)
            y, text, flops = rng.integers(0, 10, batch), f"T{steps} B{batch} {inputs}-{units}", products(kind, steps, batch, inputs, units)
            model = Last.build(nn, kind, inputs, units)
            tensors = [fastnn.from_numpy(a) for a in (x, y)]
            step = train_step(model, F.cross_entropy, optim.Adam(model.parameters()), *tensors)
            forward, rivals, rival_steps = unrecorded(fastnn, model.layer, tensors[0]), {}, {}
            if torch is not None:
                theirs = Last.build(torch.nn, kind, inputs, units)
                tensors = [torch.from_numpy(a) for a in (x, y)]
                rivals["torch"] = unrecorded(torch, theirs.layer, tensors[0])
                optimizer = torch.optim.Adam(theirs.parameters())
                rival_steps["torch"] = train_step(theirs, torch.nn.functional.cross_entropy, optimizer, *tensors)
            yield Case(kind, "forward", "float32", text, forward, rivals, lambda m=model, x=x: exact(m.layer, x), flops)
            inner = 2.0 * steps * batch * inputs * units * GATES[kind]  # the inputs themselves get no gradient
            yield Case(f"{kind} Adam", "step", "float32", text, step, rival_steps, None, 3 * flops - inner)


def unrecorded(lib, layer, x):
    def forward():
        with lib.no_grad():
            return layer(x)[0]

    return forward
