"""Weights that follow the training: between terms (gradient norms) and between points of a term (residual attention)."""

from __future__ import annotations

import numpy as np

from ..autodiff import grad
from ..tensor import from_numpy, tensor

__all__ = ["GradNorm", "ResidualAttention"]


class GradNorm:
    """Balances the terms so that their gradients have equal norms: weight_i moves towards Σ_j ‖∇L_j‖ / ‖∇L_i‖.

    Renewed every `every` Adam steps, as memory · old + (1 - memory) · new. Sources: Wang, Teng & Perdikaris 2021; in this
    form Wang, Sankaran, Wang & Perdikaris 2023 (An expert's guide to training PINNs), algorithm 1.
    """

    def __init__(self, every=100, memory=0.9):
        self.every, self.memory = every, memory
        self.values = {}

    def update(self, step, losses, parameters):
        if step % self.every:
            return
        norms = {}
        for name, loss in losses.items():
            gs = grad(loss, parameters, retain_graph=True, allow_unused=True)
            norms[name] = np.sqrt(sum(float((g * g).sum()) for g in gs if g is not None))
        total = sum(norms.values())
        for name, norm in norms.items():
            new = total / max(norm, 1e-30 * total) if total else 1.0
            self.values[name] = self.memory * self.values.get(name, 1.0) + (1 - self.memory) * new

    def state_dict(self):
        return dict(self.values)

    def load_state_dict(self, state):
        self.values = dict(state)


class ResidualAttention:
    """Factors of the residuals of the named terms, point by point: λ ← decay · λ + rate · |r| / max |r|, after each Adam step.

    λ starts at `start`, and its running largest value is rate / (1 - decay). Source: Anagnostopoulos, Toscano, Stergiopulos &
    Karniadakis 2024 (Residual-based attention in physics-informed neural networks).
    """

    def __init__(self, *names, decay=0.999, rate=0.01, start=1.0):
        self.names, self.decay, self.rate, self.start = names, decay, rate, start
        self.factors = {}

    def of(self, problem):
        """{term name: factors (n, 1)} for the points that the terms have now."""
        known = [term.name for term in problem.terms]
        for name in self.names:
            if name not in known:
                raise ValueError(f"ResidualAttention: there is no term {name!r}; there are {', '.join(known)}")
        for term in problem.terms:
            if term.name in self.names and len(self.factors.get(term.name, ())) != len(term.points):
                self.factors[term.name] = np.full((len(term.points), 1), float(self.start))
        return {name: tensor(f, dtype=problem.dtype) for name, f in self.factors.items()}

    def update(self, residuals):
        """residuals: {term name: array (n, k)} of this step."""
        for name, r in residuals.items():
            size = np.abs(r).max(1, keepdims=True)
            self.factors[name] = self.decay * self.factors[name] + self.rate * size / max(size.max(), 1e-300)

    def state_dict(self):
        return {name: from_numpy(f) for name, f in self.factors.items()}

    def load_state_dict(self, state):
        self.factors = {name: np.array(f) for name, f in state.items()}
