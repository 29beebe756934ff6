"""The CPU kernels. Generated from csrc/kernels.def by tools/stubs.py; do not edit."""

from collections.abc import Callable, Sequence
from typing import Any

from .tensor import Tensor

class Array:
    ndim: int
    requires_grad: bool
    def __getattr__(self, name: str) -> Any: ...

KERNELS: list[tuple[str, str, str]]

def __getattr__(name: str) -> Callable[..., Any]: ...

def copy(y: Tensor, x: Tensor | None) -> None: ...
def peak(flops: Tensor, steps: int) -> None: ...
