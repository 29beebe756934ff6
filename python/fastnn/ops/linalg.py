"""Linear algebra of small matrices: LAPACK through NumPy, with derivatives of every order written with ops.

A matrix is the last two axes; every function takes batches of them. `LinAlgError` (a RuntimeError, and NumPy's class) for a
matrix that is singular or not positive definite, ShapeError for one that is not square where it must be. Formulas: Giles,
"An extended collection of matrix derivative results for forward and reverse mode algorithmic differentiation", 2008;
QR: Walter and Lehmann, 2010; pseudo-inverse: Golub and Pereyra, 1973. Factorizations with several results are one op whose
output holds the factors below each other, so that one gradient reaches it.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from .. import _cpu
from ..autodiff import op
from ..errors import DTypeError, ShapeError
from ..tensor import Tensor, from_numpy, normalize_dim
from .diagonal import diag_embed, diagonal, eye, tril, triu
from .elementwise import where
from .matmul import chain_matmul
from .reduce import amax, amin, sum  # noqa: A004
from .shape import expand, movedim
from .variance import norm as entrywise_norm


class LinAlgError(RuntimeError, np.linalg.LinAlgError):
    """A matrix has no inverse, no Cholesky factor, or an iteration did not converge."""


def _run(f, *tensors, **options):
    try:
        y = f(*(_cpu.numpy(t, False) for t in tensors), **options)
    except np.linalg.LinAlgError as e:
        raise LinAlgError(f"linalg.{f.__name__}: {str(e)[:1].lower()}{str(e)[1:]}") from None
    return y


def _matrix(a, name, square=False):
    if not isinstance(a, Tensor):
        raise TypeError(f"linalg.{name}: argument 'A' must be Tensor, not {type(a).__name__}")
    if a.ndim < 2:
        raise ShapeError(f"linalg.{name}: The input tensor A must have at least 2 dimensions.")
    if square and a._shape[-1] != a._shape[-2]:
        raise ShapeError(
            f"linalg.{name}: A must be batches of square matrices, but they are {a._shape[-2]} by {a._shape[-1]} matrices"
        )
    if not a._floating:
        raise DTypeError(f"linalg.{name}: Expected a floating point tensor as input. Got {a.dtype.name}")
    return a


def _column(v):
    """(..., n) as (..., n, 1)."""
    return v.unsqueeze(-1)


def _each(v):
    """(...) as (..., 1, 1): one number for each matrix."""
    return v.unsqueeze(-1).unsqueeze(-1)


# -- inverse, determinant, solve --------------------------------------------------------------------------------------------


@op(saves="y")
def _inv(x):
    return from_numpy(_run(np.linalg.inv, x))


_inv.partials(lambda g, y, x: -(y.mT @ g @ y.mT)).tangents(lambda t, y, x: -(y @ t @ y))


@op(saves="x")
def _det(x):
    return from_numpy(np.asarray(_run(np.linalg.det, x)))


@op(saves="x")
def _cofactors(x):
    """The derivative of the determinant, of singular matrices too: U adj(S) V', signed, of x = U S V'."""
    u, s, vh = _run(np.linalg.svd, x)
    n = s.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return from_numpy(np.asarray(np.sign(sign)[..., None, None] * ((u * others[..., None, :]) @ vh), dtype=s.dtype))


def _cofactors_dx(g, y, x):
    """Of det(x) x^-T, so for regular matrices only."""
    inverse = _inv(x).mT
    return _each(_det(x)) * (_each(sum(g * inverse, (-2, -1))) * inverse - inverse @ g.mT @ inverse)


_det.partials(lambda g, y, x: _each(g) * _cofactors(x))
_cofactors.partials(_cofactors_dx)


@op(saves="x")
def _logabsdet(x):
    return from_numpy(np.asarray(_run(np.linalg.slogdet, x)[1]))


_logabsdet.partials(lambda g, y, x: _each(g) * _inv(x).mT)


@op(saves="ay")
def _solve(a, b):
    return from_numpy(_run(np.linalg.solve, a, b))


_solve.partials(
    lambda g, y, a, b: -(_solve(a.mT, g) @ y.mT),
    lambda g, y, a, b: _solve(a.mT, g),
)


def inv(A, *, out=None):
    """The inverse of square matrices."""
    return _inv(_matrix(A, "inv", True))


def det(A):
    """The determinant."""
    return _det(_matrix(A, "det", True))


slogdet_result = namedtuple("slogdet", "sign logabsdet")


def slogdet(A):
    """(sign, logabsdet): det(A) = sign · exp(logabsdet). logabsdet is -inf where A is singular."""
    _matrix(A, "slogdet", True)
    return slogdet_result(from_numpy(np.asarray(_run(np.linalg.slogdet, A)[0])), _logabsdet(A))


def logdet(A):
    """log det(A); NaN where the determinant is negative."""
    sign, logabsdet = slogdet(A)
    return where(sign < 0, float("nan"), logabsdet)


def solve(A, B, *, left=True):
    """X with A X = B (left=False: X A = B). B is (..., n, k), or one vector (n,) or a batch (..., n) of them for A (..., n, n)."""
    _matrix(A, "solve", True)
    if not isinstance(B, Tensor):
        raise TypeError(f"linalg.solve: argument 'B' must be Tensor, not {type(B).__name__}")
    if A.dtype is not B.dtype:
        raise DTypeError(f"linalg.solve: Expected A and B to have the same dtype, but found {A.dtype.name} and {B.dtype.name}")
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B._shape == A._shape[:-1])
    if vector:
        if not left:
            raise ShapeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False")
        B = _column(B)
    n, rows = A._shape[-1], B._shape[-2 if left else -1]
    if n != rows:
        raise ShapeError(f"linalg.solve: Incompatible shapes of A and B for the equation AX = B ({list(A._shape)} and {list(B._shape)})")
    x = _solve(A, B) if left else _solve(A.mT, B.mT).mT
    return x.squeeze(-1) if vector else x


def solve_triangular(A, B, *, upper, left=True, unitriangular=False):
    """X with A X = B for the upper (or lower) triangle of A, its diagonal taken as ones if unitriangular."""
    _matrix(A, "solve_triangular", True)
    triangle = triu(A, 1 if unitriangular else 0) if upper else tril(A, -1 if unitriangular else 0)
    if unitriangular:
        triangle = triangle + eye(A._shape[-1], dtype=A.dtype)
    return solve(triangle, B, left=left)


# -- factorizations ---------------------------------------------------------------------------------------------------------


@op(saves="y")
def _cholesky(x):
    return from_numpy(_run(np.linalg.cholesky, x))


def _cholesky_dx(g, y, x):
    p = tril(y.mT @ g)
    p = p - diag_embed(diagonal(p, 0, -2, -1)) * 0.5
    inverse = _inv(y)
    s = inverse.mT @ p @ inverse
    return (s + s.mT) * 0.5


_cholesky.partials(_cholesky_dx)


def cholesky(A, *, upper=False, out=None):
    """The lower triangular L with A = L L' (upper: its transpose). Only the lower triangle of A is read."""
    factor = _cholesky(_matrix(A, "cholesky", True))
    return factor.mT if upper else factor


@op(saves="y")
def _qr(x):
    """(m, n), m >= n: Q (m, n) above R' (n, n)."""
    q, r = _run(np.linalg.qr, x)
    return from_numpy(np.concatenate([q, np.swapaxes(r, -1, -2)], -2))


def _qr_dx(g, y, x):
    m = x._shape[-2]
    q, r = y[..., :m, :], y[..., m:, :].mT
    gq, gr = g[..., :m, :], g[..., m:, :].mT
    s = r @ gr.mT - gq.mT @ q
    s = tril(s) + tril(s, -1).mT
    return _solve(r, (gq + q @ s).mT).mT


_qr.partials(_qr_dx)


@op(saves="")
def _qr_constant(x, *, mode):
    q, r = _run(np.linalg.qr, x, mode=mode)
    return from_numpy(q), from_numpy(r)


qr_result = namedtuple("qr", "Q R")


def qr(A, mode="reduced"):
    """(Q, R) with A = Q R, Q orthonormal, R upper triangular. mode "reduced", "complete" or "r" (Q empty).

    Differentiable for matrices that are at least as high as wide, in mode "reduced" (or "r").
    """
    m, n = _matrix(A, "qr")._shape[-2:]
    if mode not in ("reduced", "complete", "r"):
        raise ShapeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'")
    if mode == "complete" or m < n:
        q, r = _qr_constant(A, mode="reduced" if mode == "r" else mode)
    else:
        y = _qr(A)
        q, r = y[..., :m, :], y[..., m:, :].mT
    return qr_result(from_numpy(np.empty(0, A.dtype.numpy)) if mode == "r" else q, r)


def _gaps(v):
    """1 / (v_j - v_i), and 0 where they are equal: there, vectors of a result have no derivative, and values need none."""
    d = v.unsqueeze(-2) - _column(v)
    return where(d == 0, 0.0, 1 / where(d == 0, 1.0, d))


@op(saves="y")
def _eigh(x, *, uplo):
    """Eigenvalues (1, n) above eigenvectors (n, n)."""
    w, v = _run(np.linalg.eigh, x, UPLO=uplo)
    return from_numpy(np.concatenate([w[..., None, :], v], -2))


def _eigh_dx(g, y, x, uplo):
    w, v = y[..., 0, :], y[..., 1:, :]
    return v @ (diag_embed(g[..., 0, :]) + _gaps(w) * (v.mT @ g[..., 1:, :])) @ v.mT


_eigh.partials(_eigh_dx)
eigh_result = namedtuple("eigh", "eigenvalues eigenvectors")


def eigh(A, UPLO="L"):
    """(eigenvalues, ascending, and eigenvectors as columns) of symmetric matrices, of which one triangle is read."""
    if UPLO.upper() not in ("L", "U"):
        raise ShapeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    y = _eigh(_matrix(A, "eigh", True), uplo=UPLO.upper())
    return eigh_result(y[..., 0, :], y[..., 1:, :])


def eigvalsh(A, UPLO="L"):
    """The eigenvalues of symmetric matrices, ascending."""
    return eigh(A, UPLO).eigenvalues


@op(saves="y")
def _svd(x):
    """(m, n), k = min(m, n): U (m, k) above S (1, k) above V (n, k)."""
    u, s, vh = _run(np.linalg.svd, x, full_matrices=False)
    return from_numpy(np.concatenate([u, s[..., None, :], np.swapaxes(vh, -1, -2)], -2))


def _parts(y, m):
    return y[..., :m, :], y[..., m, :], y[..., m + 1 :, :]


def _svd_dx(g, y, x):
    m, n = x._shape[-2:]
    (u, s, v), (gu, gs, gv) = _parts(y, m), _parts(g, m)
    row, f = s.unsqueeze(-2), _gaps(s * s)
    a, b = u.mT @ gu, v.mT @ gv
    core = f * (a - a.mT) * row + _column(s) * (f * (b - b.mT)) + diag_embed(gs)
    dx = u @ core @ v.mT
    safe = where(row == 0, float("inf"), row)
    if m > n:
        dx = dx + ((gu - u @ a) / safe) @ v.mT
    elif n > m:
        dx = dx + u @ ((gv - v @ b) / safe).mT
    return dx


_svd.partials(_svd_dx)


@op(saves="")
def _svd_full(x):
    u, _, vh = _run(np.linalg.svd, x, full_matrices=True)
    return from_numpy(u), from_numpy(vh)


svd_result = namedtuple("svd", "U S Vh")


def svd(A, full_matrices=True):
    """(U, S, Vh) with A = U diag(S) Vh, S descending. full_matrices=False is differentiable in all three for every shape."""
    m, n = _matrix(A, "svd")._shape[-2:]
    u, s, v = _parts(_svd(A), m)
    if full_matrices and m != n:
        u, vh = _svd_full(A)
        return svd_result(u, s, vh)
    return svd_result(u, s, v.mT)


def svdvals(A):
    """The singular values, descending."""
    return svd(A, False).S


# -- pseudo-inverse, least squares, rank ------------------------------------------------------------------------------------


@op(saves="xy")
def _pinv(x, *, rcond):
    return from_numpy(_run(np.linalg.pinv, x, rcond=rcond))


def _pinv_dx(g, y, x, rcond):
    m, n = x._shape[-2:]
    left, right = eye(m, dtype=x.dtype) - x @ y, eye(n, dtype=x.dtype) - y @ x
    return left @ g.mT @ y @ y.mT + y.mT @ y @ g.mT @ right - y.mT @ g @ y.mT


_pinv.partials(_pinv_dx)


def _relative(A, rtol):
    return rtol if rtol is not None else max(A._shape[-2:]) * float(np.finfo(A.dtype.numpy).eps)


def pinv(A, *, atol=None, rtol=None, hermitian=False):
    """The Moore-Penrose pseudo-inverse; singular values below max(atol, rtol · the largest) count as 0."""
    _matrix(A, "pinv", hermitian)
    if not A._size:
        return from_numpy(np.zeros((*A._shape[:-2], A._shape[-1], A._shape[-2]), A.dtype.numpy))
    rcond = _relative(A, 0.0 if atol and rtol is None else rtol)
    if atol:
        largest = _run(np.linalg.svd, A, compute_uv=False).max(-1)
        rcond = np.maximum(rcond, atol / np.where(largest == 0, 1, largest))
    return _pinv(A, rcond=rcond)


lstsq_result = namedtuple("lstsq", "solution residuals rank singular_values")


def lstsq(A, B, rcond=None, *, driver=None):
    """X that minimizes |A X - B|, of smallest norm where several do: pinv(A) B. Also residuals, rank and singular values."""
    _matrix(A, "lstsq")
    m, n = A._shape[-2:]
    vector = B.ndim == A.ndim - 1
    if vector:
        B = _column(B)
    if B.ndim < 2 or B._shape[-2] != m:
        raise ShapeError(f"linalg.lstsq: input.size(-2) should match other.size(-2), got {list(A._shape)} and {list(B._shape)}")
    x, rank = pinv(A, rtol=rcond) @ B, matrix_rank(A, rtol=rcond)
    full = m > n and bool((rank == n).all())
    residuals = sum((A @ x - B) ** 2, -2) if full else from_numpy(np.empty(0, A.dtype.numpy))
    return lstsq_result(x.squeeze(-1) if vector else x, residuals, rank, svdvals(A.detach()))


def matrix_rank(A, *, atol=None, rtol=None, hermitian=False):
    """How many singular values exceed max(atol, rtol · the largest); rtol is max(m, n) · eps unless given."""
    s = svdvals(_matrix(A, "matrix_rank", hermitian).detach())
    if not A._size:
        return sum(s > 0, -1)
    rtol = 0.0 if atol and rtol is None else _relative(A, rtol)
    return sum(s > (amax(s, -1, True) * rtol).clamp(min=atol or 0.0), -1)


def cond(A, p=None):
    """The condition number: largest by smallest singular value, or norm(A, p) · norm(inv(A), p)."""
    if p in (None, 2, -2):
        s = svdvals(A)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


# -- norms and products -----------------------------------------------------------------------------------------------------


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):  # noqa: A002
    """(Σ |x|^ord)^(1/ord) over dim (all axes if None), the entries taken as one vector."""
    return entrywise_norm(x, ord, dim, keepdim, dtype)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):  # noqa: A002
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
        y = sum(s, -1) if ord == "nuc" else (amax if ord == 2 else amin)(s, -1)
    elif ord in (1, -1, math.inf, -math.inf):
        y = (amax if ord > 0 else amin)(sum(abs(x), -2 if abs(ord) == 1 else -1), -1)
    else:
        raise ShapeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if keepdim:
        for d in sorted((rows, columns)):
            y = y.unsqueeze(d)
    return y


def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):  # noqa: A002
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
    size = float(amax(sum(abs(A.detach()), -1)).item())
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


def cross(input, other, *, dim=-1):
    """The vector product of vectors of 3 along dim."""
    for x in (input, other):
        if x._shape[normalize_dim(dim, x.ndim)] != 3:
            raise ShapeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {list(input._shape)} and {list(other._shape)}")
    return input.roll(-1, dim) * other.roll(-2, dim) - input.roll(-2, dim) * other.roll(-1, dim)


def vecdot(x, y, *, dim=-1):
    """Σ x y along dim."""
    return sum(x * y, dim)


def multi_dot(tensors, *, out=None):
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


def trace(input):
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise ShapeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return sum(diagonal(input))


def inverse(input):
    """linalg.inv."""
    return inv(input)


def pinverse(input, rcond=1e-15):
    """linalg.pinv."""
    return pinv(input, rtol=rcond)




__all__ = "cholesky cross det inverse logdet matrix_exp matrix_power pinverse slogdet trace".split()
METHODS = __all__
NAMESPACE = (  # fastnn.linalg
    "LinAlgError cholesky cond cross det eigh eigvalsh inv lstsq matrix_exp matrix_norm matrix_power matrix_rank multi_dot norm "
    "pinv qr slogdet solve solve_triangular svd svdvals vecdot vector_norm"
).split()
