"""Matrices: pseudo-inverse, least squares and rank; norms; powers, exponential and products. Errors as in linalg.py.

The derivative of the pseudo-inverse: Golub and Pereyra, "The differentiation of pseudo-inverses", 1973.
"""

from __future__ import annotations

import math

import numpy as np

from .. import _cpu
from ..autodiff import Array, op
from ..errors import ShapeError, rounded_once
from ..results import result_type
from ..tensor import from_numpy, normalize_dim
from .contraction import chain_matmul
from .diagonal import eye, tril
from .elementwise import maximum
from .linalg import _column, _matrix, _of_examples, _run, inv, of_all, svdvals
from .reduce import amax, amin, sum
from .shape import expand, movedim
from .variance import norm as entrywise_norm

# -- pseudo-inverse, least squares, rank ------------------------------------------------------------------------------------


@op(saves="xy")
@_of_examples
def _pinv(x, *, rcond):
    return from_numpy(_run(np.linalg.pinv, x, rcond=rcond))


def _pinv_dx(g, y, x, rcond):
    m, n = x._shape[-2:]
    left, right = eye(m, dtype=x.dtype) - x @ y, eye(n, dtype=x.dtype) - y @ x
    return left @ g.mT @ y @ y.mT + y.mT @ y @ g.mT @ right - y.mT @ g @ y.mT


def _pinv_tangent(t, y, x, rcond):
    m, n = x._shape[-2:]
    left, right = eye(m, dtype=x.dtype) - x @ y, eye(n, dtype=x.dtype) - y @ x
    return y @ y.mT @ t.mT @ left + right @ t.mT @ y.mT @ y - y @ t @ y


_pinv.partials(_pinv_dx).tangents(_pinv_tangent)


def _relative(A, rtol):
    return rtol if rtol is not None else max(A._shape[-2:]) * float(np.finfo(A.dtype.numpy).eps)


def pinv(A, *, atol=None, rtol=None, hermitian=False):
    """The Moore-Penrose pseudo-inverse; singular values below max(atol, rtol · the largest) count as 0."""
    _matrix(A, "pinv", hermitian)
    if hermitian:
        A = tril(A) + tril(A, -1).mT
    if not A._size:
        return from_numpy(np.zeros((*A._shape[:-2], A._shape[-1], A._shape[-2]), A.dtype.numpy))
    rcond = _relative(A, 0.0 if atol is not None and rtol is None else rtol)
    rcond = _cpu.numpy(rcond, False) if isinstance(rcond, Array) else rcond
    if atol is not None:
        largest = _run(np.linalg.svd, A, compute_uv=False).max(-1)
        atol = _cpu.numpy(atol, False) if isinstance(atol, Array) else atol
        rcond = np.maximum(rcond, atol / np.where(largest == 0, 1, largest))
    return _pinv(A, rcond=rcond)


lstsq_result = result_type("linalg_lstsq", "solution residuals rank singular_values")


def lstsq(A, B, rcond=None, *, driver=None):
    """X that minimizes |A X - B|, of smallest norm where several do: pinv(A) B.

    driver says, as in PyTorch, what comes with it: "gelsy" (the default) the rank, "gels" the residuals of matrices of full
    column rank, "gelsd" and "gelss" both and the singular values. What is not given is empty.
    """
    _matrix(A, "lstsq")
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise ShapeError(f"torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver}")
    m, n = A._shape[-2:]
    vector = B.ndim == A.ndim - 1
    if vector:
        B = _column(B)
    if B.ndim < 2 or B._shape[-2] != m:
        raise ShapeError(f"linalg.lstsq: input.size(-2) should match other.size(-2), got {list(A._shape)} and {list(B._shape)}")
    x, rank = pinv(A, rtol=rcond) @ B, matrix_rank(A, rtol=rcond)
    full = m > n and driver not in (None, "gelsy") and bool((of_all(rank) == n).all())
    nothing = np.empty(0, A.dtype.numpy)
    residuals = sum((A @ x - B) ** 2, -2) if full else from_numpy(nothing)
    values = svdvals(A.detach()) if driver in ("gelsd", "gelss") else from_numpy(nothing)
    rank = from_numpy(np.empty(0, np.int64)) if driver == "gels" else rank
    return lstsq_result(x.squeeze(-1) if vector else x, residuals, rank, values)


def matrix_rank(A, *, atol=None, rtol=None, hermitian=False):
    """How many singular values exceed max(atol, rtol · the largest); rtol is max(m, n) · eps unless given."""
    _matrix(A, "matrix_rank", hermitian)
    s = svdvals((tril(A) + tril(A, -1).mT if hermitian else A).detach())
    if not A._size:
        return sum(s > 0, -1)
    rtol = _limit(0.0 if rtol is None and atol is not None else _relative(A, rtol))
    return sum(s > maximum(amax(s, -1, True) * rtol, _limit(0.0 if atol is None else atol)), -1)


def _limit(x):
    """A tolerance, one number or one for each matrix, to compare rows of singular values with."""
    return _column(x) if isinstance(x, Array) else x


def cond(A, p=None):
    """The condition number: largest by smallest singular value, or norm(A, p) · norm(inv(A), p)."""
    if p in (None, 2, -2):
        s = svdvals(A)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


# -- norms and products -----------------------------------------------------------------------------------------------------


@rounded_once
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """(Σ |x|^ord)^(1/ord) over dim (all axes if None), the entries taken as one vector."""
    return entrywise_norm(x, ord, dim, keepdim, dtype)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """The norm of matrices in the axes dim: "fro", "nuc" (Σ singular values), 2, -2, 1, -1, inf, -inf."""
    if dtype is not None:
        A = A.to(dtype)
    _matrix(A, "matrix_norm")
    rows, columns = (normalize_dim(d, A.ndim) for d in dim)
    if rows == columns:
        raise ShapeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if ord == "fro":
        return entrywise_norm(A, 2, (rows, columns), keepdim)
    x = movedim(A, (rows, columns), (-2, -1))
    if ord in ("nuc", 2, -2):
        s = svdvals(x)
        y = sum(s, -1) if ord == "nuc" or not s._shape[-1] else (amax if ord == 2 else amin)(s, -1)
    elif ord in (1, -1, math.inf, -math.inf):
        y = sum(abs(x), -2 if abs(ord) == 1 else -1)
        y = sum(y, -1) if ord > 0 and not y._shape[-1] else (amax if ord > 0 else amin)(y, -1)
    else:
        raise ShapeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if keepdim:
        for d in sorted((rows, columns)):
            y = y.unsqueeze(d)
    return y


@rounded_once
def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """`vector_norm` where dim is an int, or ord is None; `matrix_norm` where dim has two axes or A has two."""
    if isinstance(ord, str) or (ord is not None and (A.ndim == 2 if dim is None else isinstance(dim, (tuple, list)) and len(dim) == 2)):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if ord is not None and dim is None and A.ndim != 1:
        raise ShapeError("linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got " + f"{A.ndim}D.")
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def matrix_power(A, n):
    """A multiplied n times by itself; n < 0 inverts first."""
    _matrix(A, "matrix_power", True)
    if n < 0:
        A, n = inv(A), -n
    y = None
    while n:
        if n & 1:
            y = A if y is None else y @ A
        A, n = (A @ A, n >> 1) if n > 1 else (A, 0)
    return expand(eye(A._shape[-1], dtype=A.dtype), A._shape).clone() if y is None else y


def matrix_exp(A):
    """Σ A^k / k!: 18 terms of A / 2^s with norm below 1/2, squared s times."""
    _matrix(A, "matrix_exp", True)
    if not A._size:
        return A.clone()
    size = float(amax(sum(abs(of_all(A.detach())), -1)).item())
    if not math.isfinite(size):
        return A * float("nan")
    s = max(0, math.ceil(math.log2(size)) + 1) if size else 0
    x, one = A * 2.0**-s, eye(A._shape[-1], dtype=A.dtype)
    y = one
    for k in range(18, 0, -1):
        y = one + x @ y / k
    for _ in range(s):
        y = y @ y
    return y


def cross(input, other, dim=None):
    """The vector product of vectors of 3 along dim; if that is not given, along the first axis of size 3."""
    if dim is None:
        if 3 not in input._shape:
            raise ShapeError(f"cross: no dimension of size 3 in input, got {list(input._shape)}")
        dim = input._shape.index(3)
    if input.ndim != other.ndim:
        raise ShapeError(f"linalg.cross: inputs must have the same number of dimensions, got {input.ndim} and {other.ndim}")
    for x in (input, other):
        if x._shape[normalize_dim(dim, x.ndim)] != 3:
            raise ShapeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {list(input._shape)} and {list(other._shape)}")
    return input.roll(-1, dim) * other.roll(-2, dim) - input.roll(-2, dim) * other.roll(-1, dim)


def vecdot(x, y, *, dim=-1):
    """Σ x y along dim."""
    return sum(x * y, dim)


def multi_dot(tensors):
    """The product of matrices in the cheapest order; the first and the last may be vectors."""
    tensors = list(tensors)
    if len(tensors) < 2:
        raise ShapeError("multi_dot(): expected at least 2 tensors but got " + str(len(tensors)))
    first, last = tensors[0].ndim == 1, tensors[-1].ndim == 1
    if first:
        tensors[0] = tensors[0].unsqueeze(0)
    if last:
        tensors[-1] = _column(tensors[-1])
    y = chain_matmul(*tensors)
    if last:
        y = y.squeeze(-1)
    return y.squeeze(0) if first else y


def pinverse(input, rcond=1e-15):
    """linalg.pinv."""
    return pinv(input, rtol=rcond)


__all__ = ["cross", "matrix_exp", "matrix_power", "pinverse"]
METHODS = __all__
NAMESPACE = (  # fastnn.linalg
    "cond lstsq matrix_exp matrix_norm matrix_power matrix_rank multi_dot norm pinv vecdot vector_norm"
).split()
