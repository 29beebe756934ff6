"""Distances of all pairs of rows."""

from __future__ import annotations

import math

from ..errors import DTypeError, ShapeError, rounded_once
from .diagonal import triu_indices
from .elementwise import where


@rounded_once
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-norm distances of all pairs of rows: x1 (..., P, M), x2 (..., R, M) -> (..., P, R); leading axes broadcast.

    p = 2 with more than 25 rows goes through a product, |a|² + |b|² - 2 a.b (compute_mode as in PyTorch). The gradient of a
    distance of 0 is 0.
    """
    if not (x1._floating and x2._floating):
        raise DTypeError(f"cdist only supports floating-point dtypes, X1 got: {x1.dtype.name}, X2 got: {x2.dtype.name}")
    if x1.ndim < 2 or x2.ndim < 2:
        raise ShapeError(f"cdist only supports at least 2D tensors, X1 got: {x1.ndim}D, X2 got: {x2.ndim}D")
    if x1._shape[-1] != x2._shape[-1]:
        raise ShapeError(f"X1 and X2 must have the same number of columns. X1: {x1._shape[-1]} X2: {x2._shape[-1]}")
    if p < 0:
        raise ShapeError("cdist only supports non-negative p values")
    modes = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
    if compute_mode not in modes:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    many = x1._shape[-2] > 25 or x2._shape[-2] > 25
    if p == 2 and (compute_mode == modes[1] or (compute_mode == modes[0] and many)):
        far = x1.square().sum(-1, keepdim=True) + x2.square().sum(-1).unsqueeze(-2) - 2.0 * (x1 @ x2.mT)
    else:
        d = (x1.unsqueeze(-2) - x2.unsqueeze(-3)).abs()
        if p == 0:
            return (d != 0).to(d.dtype).sum(-1)
        if not d._shape[-1]:
            return d.sum(-1)
        if p == math.inf:
            return d.amax(-1)
        if p == 1:
            return d.sum(-1)
        far = (d.square() if p == 2 else d**p).sum(-1)
    apart = far > 0
    root = where(apart, far, 1.0)
    return where(apart, root.sqrt() if p == 2 else root ** (1 / p), 0.0)


def pdist(input, p=2.0):
    """The p-norm distances of all pairs of rows i < j of a matrix (n, m), in order: n (n - 1) / 2 of them."""
    if input.ndim != 2:
        raise ShapeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    i, j = triu_indices(input._shape[0], input._shape[0], 1)
    return cdist(input, input, p, "donot_use_mm_for_euclid_dist")[i, j]


__all__ = ("cdist", "pdist")
FUNCTIONAL = ("pdist",)
