"""PyTorch's `torch.linalg`: see ops/linalg.py and ops/matrix.py."""

from .errors import named
from .ops import linalg as _linalg
from .ops import matrix as _matrix
from .ops.matmul import matmul as _matmul

globals().update({name: named(getattr(module, name)) for module in (_linalg, _matrix) for name in module.NAMESPACE})
matmul = named(_matmul)
__all__ = [*_linalg.NAMESPACE, *_matrix.NAMESPACE, "matmul"]
