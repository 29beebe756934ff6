"""Triangles and diagonals of matrices: tril, triu, diagonal (a view), diag_embed, diag, eye."""

from __future__ import annotations

import numpy as np

from .. import _cpu, dtypes
from ..autodiff import op
from ..creation import zero
from ..errors import ShapeError
from ..tensor import full, normalize_dim
from .ranges import made
from .shape import _clone, reshape


@op(saves="")
def _triangle(x, *, k, upper):
    y = _cpu.empty(x._shape, x.dtype)
    _cpu.triangle(y, x, k, upper)
    return y


_triangle.partials(lambda g, y, x, **p: _triangle(g, **p)).linear()


def _triangle_of(input, diagonal, upper, name):
    if input.ndim < 2:
        raise ShapeError(f"{name}: input tensor must have at least 2 dimensions")
    return _triangle(input, k=max(-(2**62), min(2**62, diagonal.__index__())), upper=upper)


def tril(input, diagonal=0):
    """The matrices in the last two axes, zero above this diagonal."""
    return _triangle_of(input, diagonal, 0, "tril")


def triu(input, diagonal=0):
    """The matrices in the last two axes, zero below this diagonal."""
    return _triangle_of(input, diagonal, 1, "triu")


def _diagonal_view(x, offset, a, b):
    n, m = x._shape[a], x._shape[b]
    length = max(min(n, m - offset) if offset >= 0 else min(n + offset, m), 0)
    start = (offset * x._strides[b] if offset >= 0 else -offset * x._strides[a]) if length else 0
    rest = [d for d in range(x.ndim) if d not in (a, b)]
    shape = (*[x._shape[d] for d in rest], length)
    return x._view(shape, (*[x._strides[d] for d in rest], x._strides[a] + x._strides[b]), start)


@op(saves="")
def _diagonal(x, *, offset, a, b):
    return _diagonal_view(x, offset, a, b)


@op(saves="")
def _diagonal_dx(g, *, shape, offset, a, b):
    y = _cpu.empty(shape, g.dtype, g)
    _cpu.copy(y, zero(g.dtype)._expand(shape))
    _cpu.copy(_diagonal_view(y, offset, a, b), g)
    return y


_diagonal.partials(lambda g, y, x, **p: _diagonal_dx(g, shape=x._shape, **p)).linear()
_diagonal_dx.partials(lambda h, y, g, shape, **p: _diagonal(h, **p)).linear()


def diagonal(input, offset=0, dim1=0, dim2=1):
    """The diagonals of the planes dim1, dim2 as the last axis. A view."""
    a, b = normalize_dim(dim1, input.ndim), normalize_dim(dim2, input.ndim)
    if a == b:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _diagonal(input, offset=offset.__index__(), a=a, b=b)


def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Matrices (axes dim1, dim2) with the last axis of input on a diagonal, zero elsewhere."""
    n = input.ndim + 1
    a, b = normalize_dim(dim1, n), normalize_dim(dim2, n)
    if a == b:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if not input.ndim:
        raise ShapeError("diag_embed: input must have at least 1 dimension")
    size = input._shape[-1] + abs(offset)
    shape = list(input._shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, size)
    return _diagonal_dx(input, shape=tuple(shape), offset=offset, a=a, b=b)


def diag(input, diagonal=0):
    """The matrix with a vector on its diagonal, or the diagonal of a matrix."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return _clone(_diagonal(input, offset=diagonal, a=0, b=1))
    raise ShapeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")


def diagflat(input, offset=0):
    """The matrix with the flattened input on a diagonal."""
    return diag_embed(reshape(input, (-1,)), offset)


def eye(n, m=None, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """The n x m matrix with ones on its diagonal."""
    m = n if m is None else m
    for name, v in (("n", n), ("m", m)):
        if v < 0:
            raise ShapeError(f"{name} must be greater or equal to 0, got {v}")
    y = full((n, m), 0, dtype=dtype or dtypes.get_default_dtype())
    one = full((), 1, dtype=y.dtype)
    line = _diagonal_view(y, 0, 0, 1)
    _cpu.copy(line, one._expand(line._shape))
    return y.requires_grad_() if requires_grad else y


def trace(input):
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise ShapeError("trace: expected a matrix")
    return diagonal(input).sum()


def tril_indices(row, col, offset=0, *, dtype=None, device=None):
    """(2, count): row and column of each element of the lower triangle of a row x col matrix, row by row."""
    return made(np.array(np.tril_indices(row, offset, col)), dtype, False)


def triu_indices(row, col, offset=0, *, dtype=None, device=None):
    """(2, count): row and column of each element of the upper triangle of a row x col matrix, row by row."""
    return made(np.array(np.triu_indices(row, offset, col)), dtype, False)


__all__ = ("diag", "diag_embed", "diagflat", "diagonal", "eye", "trace", "tril", "tril_indices", "triu", "triu_indices")
METHODS = ("diag", "diag_embed", "diagflat", "diagonal", "trace", "tril", "triu")
