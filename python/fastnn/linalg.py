"""PyTorch's `torch.linalg`: see ops/linalg.py, ops/lu.py and ops/matrix.py."""

from .errors import named
from .ops import linalg as _linalg
from .ops import lu as _lu
from .ops import matrix as _matrix
from .ops.calculus import vander as _vander
from .ops.matmul import matmul as _matmul

globals().update({name: named(getattr(module, name)) for module in (_linalg, _lu, _matrix) for name in module.NAMESPACE})
matmul = named(_matmul)


@named
def vander(x, *, N=None):
    """The powers of x, from 0 upwards, as columns."""
    return _vander(x, N, True)


__all__ = [*_linalg.NAMESPACE, *_lu.NAMESPACE, *_matrix.NAMESPACE, "matmul", "vander"]
