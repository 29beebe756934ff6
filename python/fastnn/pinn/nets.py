"""Networks for differential equations: a smooth multilayer perceptron in float64, and features in front of it."""

from __future__ import annotations

import math

import numpy as np

from .. import dtypes
from ..func.jet import mlp_of, network_jet
from ..nn import init
from ..nn.activation import Tanh
from ..nn.container import Sequential
from ..nn.linear import Linear
from ..nn.module import Module
from ..ops.diagonal import diag, eye
from ..ops.join import cat
from ..tensor import tensor

__all__ = ["FourierFeatures", "MLP", "PeriodicFeatures", "Scale"]


class Scale(Module):
    """Maps the box low..high to -1..1 in every coordinate."""

    def __init__(self, low, high, dtype=dtypes.float64):
        super().__init__()
        low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        self.register_buffer("factor", tensor(2 / (high - low), dtype=dtype))
        self.register_buffer("shift", tensor(-(high + low) / (high - low), dtype=dtype))

    def forward(self, x):
        return x * self.factor + self.shift


class FourierFeatures(Module):
    """x (n, d) → cos(x B), sin(x B), (n, 2 features); B normal with standard deviation `scale` (Tancik et al. 2020).

    Networks learn low frequencies first; features of higher frequency turn steep functions into flat ones.
    """

    def __init__(self, dims, features, scale=1.0, rng=None, dtype=dtypes.float64):
        super().__init__()
        b = scale * np.random.default_rng(rng).standard_normal((dims, features))
        self.register_buffer("frequencies", tensor(b, dtype=dtype))
        self.out_features = 2 * features

    def forward(self, x):
        z = x @ self.frequencies
        return cat([z.cos(), z.sin()], 1)


class PeriodicFeatures(Module):
    """Replaces coordinate `axis` by cos and sin of its first `harmonics` frequencies: exactly periodic (Dong & Ni 2021).

    x (n, d) → (n, d - 1 + 2 harmonics).
    """

    def __init__(self, dims, axis, period, harmonics=1, dtype=dtypes.float64):
        super().__init__()
        self.axis, self.others = axis, [i for i in range(dims) if i != axis]
        self.register_buffer("frequencies", tensor(2 * math.pi / period * np.arange(1, harmonics + 1), dtype=dtype))
        self.out_features = dims - 1 + 2 * harmonics

    def forward(self, x):
        z = x[:, self.axis : self.axis + 1] * self.frequencies
        return cat([x[:, i : i + 1] for i in self.others] + [z.cos(), z.sin()], 1)


class MLP(Sequential):
    """MLP(domain, [20] * 8, outputs=1): coordinates scaled to -1..1, then hidden layers with an activation, then linear.

    domain: a geometry, or the number of inputs (then nothing is scaled). features: a module with `out_features` in front
    of the layers, after the scaling (`FourierFeatures`) or in place of it (scale=False). Weights start Glorot-normal, biases
    at 0, as in Raissi, Perdikaris & Karniadakis 2019.
    """

    def __init__(self, domain, hidden, outputs=1, *, activation=Tanh, features=None, scale=True, dtype=dtypes.float64):
        layers = []
        inputs = domain if isinstance(domain, int) else len(domain.names)
        if scale and not isinstance(domain, int):
            layers.append(Scale(domain.low, domain.high, dtype))
        if features is not None:
            layers.append(features)
            inputs = features.out_features
        widths = [inputs, *hidden, outputs]
        for i, (a, b) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            linear = Linear(a, b, dtype=dtype)
            init.xavier_normal_(linear.weight)
            init.zeros_(linear.bias)
            layers += [activation(), linear] if i else [linear]
        super().__init__(*layers)

    def __getitem__(self, index):
        """A layer; a slice is a Sequential of the same layers."""
        return Sequential(*list(self)[index]) if isinstance(index, slice) else super().__getitem__(index)

    @property
    def jet(self):
        """jet(x (n, d), orders) → the derivatives by the coordinates (orders, n, outputs): one pass of the fused kernel, after
        that through the features' graph. None where the layers' activation has no kernel.
        """
        layers = list(self)
        scale = layers.pop(0) if isinstance(layers[0], Scale) else None
        network = mlp_of(layers)
        if network is None:
            return None

        def jet(x, orders):
            if scale is None:
                return network_jet(network, x, eye(x.shape[1], dtype=x.dtype), orders)
            return network_jet(network, scale(x), diag(scale.factor), orders)

        return jet
