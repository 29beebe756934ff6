"""What one row of the bench measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Case:
    """`run` and each rival do the same work once and return the result; the runner interleaves and times them.

    `reference` gives the float64 result that `run`'s is compared with; flops and bytes are the compulsory work, from which
    the fraction of this machine's roofline follows.
    """

    case: str
    direction: str  # "forward" or "derivative"
    dtype: str
    shape: str
    run: Callable
    rivals: dict[str, Callable] = field(default_factory=dict)
    reference: Callable | None = None
    flops: float = 0.0
    bytes: float = 0.0
