"""PyTorch's `torch.linalg`: see ops/linalg.py, ops/lu.py, ops/matrix.py and complex_tensor/linalg.py."""

from .errors import ShapeError, named
from .later import later as _later
from .ops import householder as _householder
from .ops import linalg as _linalg
from .ops import lu as _lu
from .ops import matrix as _matrix
from .ops.join import cat as _cat
from .ops.matmul import matmul as _matmul
from .tensor import ones_like as _ones_like

globals().update({name: named(getattr(module, name)) for module in (_householder, _linalg, _lu, _matrix) for name in module.NAMESPACE})
matmul = named(_matmul)
_LATER = dict.fromkeys(("eig", "eigvals"), "complex_tensor.factorizations")
__getattr__, __dir__ = _later(globals(), _LATER)


@named
def vander(x, *, N=None):
    """The powers of x (..., n), from 0 upwards, as columns: (..., n, N), N = n if not given."""
    x = x.unsqueeze(0) if x.ndim == 0 else x
    N = x.shape[-1] if N is None else int(N)
    if N <= 1:
        raise ShapeError(f"N must be greater than 1, got {N}")
    powers = x.unsqueeze(-1).expand((*x.shape, N - 1)).cumprod(-1)
    return _cat([_ones_like(powers[..., :1]), powers], -1)


@named
def cross(input, other, *, dim=-1):
    """The vector product of vectors of 3 along dim."""
    return _matrix.cross(input, other, dim)


__all__ = ["cross", *_householder.NAMESPACE, *_linalg.NAMESPACE, *_lu.NAMESPACE, *_matrix.NAMESPACE, *_LATER, "matmul", "vander"]
