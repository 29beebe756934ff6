"""PyTorch's choice among kernels of attention, for scripts that make it: there is one, which `F.scaled_dot_product_attention` runs."""

from __future__ import annotations

import enum
from contextlib import contextmanager

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(enum.IntEnum):
    """PyTorch's kernels by name."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(backends, set_priority=False):
    """Accepts one SDPBackend or a list of them (TypeError for anything else); the results are those of every one."""
    if not isinstance(backends, (list, SDPBackend)) or not all(isinstance(b, SDPBackend) for b in (backends if isinstance(backends, list) else ())):
        raise TypeError("Backends must be an instance of SDPBackend or a list of SDPBackend instances")
    yield
