"""Distances between vectors."""

from __future__ import annotations

from .stateless import Stateless

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class _Distance(Stateless):
    def extra_repr(self):
        return ""


class CosineSimilarity(_Distance):
    """x₁ · x₂ / max(|x₁| |x₂|, eps) along dim"""

    function, options = "cosine_similarity", dict(dim=1, eps=1e-8)


class PairwiseDistance(_Distance):
    """|x₁ - x₂ + eps| in the p-norm along the last axis"""

    function, options = "pairwise_distance", dict(p=2.0, eps=1e-6, keepdim=False)
    norm = property(lambda self: self.p)  # PyTorch's name of it
