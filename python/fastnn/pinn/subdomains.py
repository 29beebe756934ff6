"""Domain decomposition: one network a subdomain, all evaluated together, joined at interfaces (XPINN, cPINN)."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..nn import init
from ..nn.module import Module
from ..nn.parameter import Parameter
from ..ops.activation import tanh
from ..ops.diagonal import diag
from ..ops.jet import jet_mlp
from ..ops.join import cat
from ..tensor import from_numpy, tensor, zeros
from .terms import Term

__all__ = ["Interface", "Subdomains"]


class Subdomains(Module):
    """Networks of one shape, one a geometry; a point belongs to the first geometry that contains it.

    All are one batch of matrix products: weights (subdomains, in, out). x (n, d) → (n, outputs). Every network scales its
    own subdomain to -1..1. `which`: the number of the subdomain whose network is wanted, rather than by place.
    """

    def __init__(self, geometries, hidden, outputs=1, *, activation=tanh, dtype=dtypes.float64):
        super().__init__()
        self.geometries, self.activation = list(geometries), activation
        k, dims = len(self.geometries), len(self.geometries[0].names)
        low, high = (np.stack([getattr(g, end) for g in self.geometries]) for end in ("low", "high"))
        self.register_buffer("factor", tensor(2 / (high - low)[:, None], dtype=dtype))
        self.register_buffer("shift", tensor(-((high + low) / (high - low))[:, None], dtype=dtype))
        widths = [dims, *hidden, outputs]
        self.layers = len(widths) - 1
        for i, (a, b) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            weight = zeros(k, a, b, dtype=dtype)
            for j in range(k):
                init.xavier_normal_(weight[j])
            self.register_parameter(f"weight{i}", Parameter(weight))
            self.register_parameter(f"bias{i}", Parameter(zeros(k, 1, b, dtype=dtype)))

    def place(self, x):
        """The number of the subdomain of each point (n,); of the last one for points in none."""
        owner = np.full(len(x), len(self.geometries) - 1)
        for j in reversed(range(len(self.geometries))):
            owner[self.geometries[j].contains(x)] = j
        return owner

    def _groups(self, x, which):
        """The rows of each subdomain's points."""
        owner = self.place(x.detach().numpy()) if which is None else np.full(len(x), which)
        return [np.flatnonzero(owner == j) for j in range(len(self.geometries))]

    def forward(self, x, which=None):
        groups = self._groups(x, which)
        longest = max(map(len, groups))
        rows = np.zeros((len(groups), longest), dtype=np.int64)  # shorter groups are filled up with point 0
        back = np.empty(len(x), dtype=np.int64)
        for j, group in enumerate(groups):
            rows[j, : len(group)] = group
            back[group] = j * longest + np.arange(len(group))
        z = x[from_numpy(rows.ravel())].reshape(len(groups), longest, x.shape[1]) * self.factor + self.shift
        for i in range(self.layers):
            z = z @ getattr(self, f"weight{i}") + getattr(self, f"bias{i}")
            z = self.activation(z) if i < self.layers - 1 else z
        return z.reshape(len(groups) * longest, z.shape[2])[from_numpy(back)]

    @property
    def jet(self):
        """As of `MLP`, one pass of the kernel a subdomain; None for an activation that is not tanh."""
        return self._jet if self.activation is tanh else None

    def _jet(self, x, orders, which=None):
        groups = self._groups(x, which)
        parts = []
        for j, rows in enumerate(groups):
            if len(rows):
                weights = [p for i in range(self.layers) for p in (getattr(self, f"weight{i}")[j].t(), getattr(self, f"bias{i}")[j, 0])]
                z = x[from_numpy(rows)] * self.factor[j] + self.shift[j]
                parts.append(jet_mlp(z, diag(self.factor[j, 0]), weights, orders))
        back = np.argsort(np.concatenate(groups), kind="stable")
        return cat(parts, 1)[:, from_numpy(back)]


class Interface(Term):
    """Joins the networks of subdomains a and b (their numbers) where their geometries touch.

    Always: the outputs are equal. equation: a residual that both sides share (XPINN: Jagtap & Karniadakis 2020).
    flux: a function by name, or a pair of them, one a side, giving the components of a flux, (n, 1) each, one a coordinate
    of space; its component along the normal is the same on both sides (cPINN: Jagtap, Kharazmi & Karniadakis 2020).
    """

    def __init__(self, a=0, b=1, points=100, *, equation=None, flux=None, name=None, weight=1.0, sampler="uniform"):
        super().__init__(points, name, weight, sampler)
        self.a, self.b, self.equation = a, b, equation
        self.flux = flux if flux is None or isinstance(flux, tuple) else (flux, flux)

    def place(self, problem, rng):
        a, b = (problem.net.geometries[i] for i in (self.a, self.b))
        x, normals = a.sample_boundary(self.wanted, lambda **c: b.contains(np.stack(list(c.values()), 1)), self.sampler, rng, self.name)
        self.n = tensor(normals, dtype=problem.dtype)
        self.move(x, problem)

    def residuals(self, problem):
        sides = [self._side(problem, i) for i in range(2)]
        return [p - q for p, q in zip(*sides, strict=True)]

    def _side(self, problem, side):
        with problem.fields(self.x, self.derivatives, which=(self.a, self.b)[side]) as f:
            out = [f.values[name] for name in problem.outputs]
            if self.equation is not None:
                out += self._as_list(f.call(self.equation, problem.coefficients, self.name), self.x)
            if self.flux is not None:
                parts = f.call(self.flux[side], problem.coefficients, self.name)
                out.append(sum(part * self.n[:, i : i + 1] for i, part in enumerate(parts)))
            return out
