"""Local response normalisation: each channel divided by the activity of its neighbours."""

from __future__ import annotations

from ..errors import ShapeError
from .pad import pad
from .shape import narrow


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """x / (k + alpha/size Σ x²)^beta, the sum over `size` neighbouring channels; input (N, C, ...). Krizhevsky et al. 2012."""
    if input.ndim < 3:
        raise ShapeError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if not input._size:
        return input
    n = input._shape[1]
    before = size // 2
    rest = (0, 0) * (input.ndim - 2)
    running = pad(input.square(), (*rest, before + 1, (size - 1) // 2)).cumsum(1)
    around = narrow(running, 1, size, n) - narrow(running, 1, 0, n)
    return input / (around * (alpha / size) + k) ** beta


FUNCTIONAL = ("local_response_norm",)
