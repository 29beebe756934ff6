"""Points where the residual is large: refinement while training."""

from __future__ import annotations

import numpy as np

__all__ = ["RAD", "RAR"]


class RAR:
    """Adds, every `every` steps, the `add` candidates with the largest residuals (Lu, Meng, Mao & Karniadakis 2021)."""

    def __init__(self, term, every=1000, add=10, candidates=10_000):
        self.term, self.every, self.add, self.candidates = term, every, add, candidates

    def __call__(self, problem, rng):
        term = _equation(problem, self.term, "RAR")
        x = problem.domain.sample(self.candidates, "uniform", rng)
        worst = np.argsort(-problem.residual(term, x), kind="stable")[: self.add]
        term.move(np.concatenate([term.points, x[worst]]), problem)


class RAD:
    """Draws all points anew, every `every` steps, with density ∝ |r|^k / mean |r|^k + c (Wu et al. 2023)."""

    def __init__(self, term, every=1000, k=1.0, c=1.0, candidates=10_000):
        self.term, self.every, self.k, self.c, self.candidates = term, every, k, c, candidates

    def __call__(self, problem, rng):
        term = _equation(problem, self.term, "RAD")
        x = problem.domain.sample(max(self.candidates, 2 * len(term.points)), "uniform", rng)
        r = problem.residual(term, x) ** self.k
        p = r / max(r.mean(), 1e-300) + self.c
        chosen = rng.choice(len(x), len(term.points), replace=False, p=p / p.sum())
        term.move(x[chosen], problem)


def _equation(problem, name, what):
    from .terms import Equation

    equations = {term.name: term for term in problem.terms if isinstance(term, Equation)}
    if name not in equations:
        raise ValueError(f"{what}: there is no equation {name!r}; there are {', '.join(equations)}")
    return equations[name]
