"""PyTorch's `torch.linalg`: see ops/linalg.py."""

from .ops import linalg as _linalg
from .ops.matmul import matmul

globals().update({name: getattr(_linalg, name) for name in _linalg.NAMESPACE})
__all__ = [*_linalg.NAMESPACE, "matmul"]
