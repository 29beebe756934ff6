"""Linear algebra of small matrices: LAPACK through NumPy, with derivatives of every order written with ops.

A matrix is the last two axes; every function takes batches of them. `LinAlgError` (a RuntimeError, and NumPy's class) for a
matrix that is singular or not positive definite, ShapeError for one that is not square where it must be. Formulas: Giles,
"An extended collection of matrix derivative results for forward and reverse mode algorithmic differentiation", 2008;
QR: Walter and Lehmann, 2010. Factorizations with several results are one op whose
output holds the factors below each other, so that one gradient reaches it.
"""

from __future__ import annotations

import functools

import numpy as np

from .. import _cpu
from ..autodiff import Array, op
from ..errors import DTypeError, ShapeError
from ..results import result_type
from ..tensor import from_numpy
from .diagonal import diag_embed, diagonal, eye, tril, triu
from .elementwise import where
from .join import cat
from .reduce import sum
from .shape import clone


class LinAlgError(RuntimeError, np.linalg.LinAlgError):
    """A matrix has no inverse, no Cholesky factor, or an iteration did not converge."""


_ITERATIVE = (np.linalg.svd, np.linalg.pinv, np.linalg.eigh)  # LAPACK's iteration need not end on an infinity


def _run(f, *tensors, **options):
    if any(t.is_cuda for t in tensors):
        raise NotImplementedError(f"linalg.{f.__name__}: runs on the CPU only; x.cpu() moves a tensor there")
    arrays = [_cpu.numpy(t, False) for t in tensors]
    if f in _ITERATIVE and not all(np.isfinite(a).all() for a in arrays):
        raise LinAlgError(f"linalg.{f.__name__}: The algorithm failed to converge because the input matrix contained non-finite values.")
    try:
        y = f(*arrays, **options)
    except np.linalg.LinAlgError as e:
        raise LinAlgError(f"linalg.{f.__name__}: {str(e)[:1].lower()}{str(e)[1:]}") from None
    return y


def of_all(x):
    """x with the axes that vmaps hide as leading ones: for numbers that depend on the values of all examples."""
    for level in sorted(x._levels or (), reverse=True):
        x = _cpu.show(x, 0, level, 1)
    return x


def _of_examples(forward):
    """Inside vmap: the axes it hides become leading axes of the matrices, and are hidden again in the results."""

    @functools.wraps(forward)
    def f(*args, **options):
        tensors = [x for x in args if isinstance(x, Array)]
        levels = sorted({level for x in tensors for level in x._levels or ()})
        if not levels:
            return forward(*args, **options)
        sizes = {level: _cpu.show(x, 0, level, 1)._shape[0] for x in tensors for level in x._levels or ()}
        most = max(x.ndim for x in tensors)

        def shown(x):
            own = x._shape
            for level in reversed(levels):
                x = _cpu.show(x, 0, level, sizes[level])
            x = x if x._packed else clone(x)
            return x._reshape((*(sizes[level] for level in levels), *(1,) * (most - len(own)), *own))

        def hidden(y):
            for level in levels:
                y = _cpu.hide(y, 0, level)
            return y

        y = forward(*(shown(x) if isinstance(x, Array) else x for x in args), **options)
        return tuple(hidden(t) for t in y) if isinstance(y, tuple) else hidden(y)

    return f


def by_numpy(ufunc):
    """A NumPy function of two arrays as one of tensors, inside vmap too. No derivative."""
    return _of_examples(lambda a, b: from_numpy(np.asarray(ufunc(a.numpy(), b.numpy()))))


def _matrix(a, name, square=False):
    if not isinstance(a, Array):
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
@_of_examples
def _inv(x):
    return from_numpy(_run(np.linalg.inv, x))


_inv.partials(lambda g, y, x: -(y.mT @ g @ y.mT)).tangents(lambda t, y, x: -(y @ t @ y))


@op(saves="x")
@_of_examples
def _det(x):
    return from_numpy(np.asarray(_run(np.linalg.det, x)))


@op(saves="x")
@_of_examples
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


_det.partials(lambda g, y, x: _each(g) * _cofactors(x)).tangents(lambda t, y, x: sum(t * _cofactors(x), (-2, -1)))
_cofactors.partials(_cofactors_dx).tangents(_cofactors_dx)  # a second derivative: symmetric


@op(saves="x")
@_of_examples
def _logabsdet(x):
    return from_numpy(np.asarray(_run(np.linalg.slogdet, x)[1]))


_logabsdet.partials(lambda g, y, x: _each(g) * _inv(x).mT).tangents(lambda t, y, x: sum(t * _inv(x).mT, (-2, -1)))


@op(saves="ay")
@_of_examples
def _solve(a, b):
    return from_numpy(_run(np.linalg.solve, a, b))


_solve.partials(
    lambda g, y, a, b: -(_solve(a.mT, g) @ y.mT),
    lambda g, y, a, b: _solve(a.mT, g),
).tangents(
    lambda t, y, a, b: -_solve(a, t @ y),
    lambda t, y, a, b: _solve(a, t),
)


def inv(A):
    """The inverse of square matrices."""
    return _inv(_matrix(A, "inv", True))


def det(A):
    """The determinant."""
    return _det(_matrix(A, "det", True))


@_of_examples
def _sign_of_det(x):
    return from_numpy(np.asarray(_run(np.linalg.slogdet, x)[0]))


slogdet_result = result_type("linalg_slogdet", "sign logabsdet")


def slogdet(A):
    """(sign, logabsdet): det(A) = sign · exp(logabsdet). logabsdet is -inf where A is singular."""
    _matrix(A, "slogdet", True)
    return slogdet_result(_sign_of_det(A), _logabsdet(A))


def logdet(A):
    """log det(A); NaN where the determinant is negative."""
    sign, logabsdet = slogdet(A)
    return where(sign < 0, float("nan"), logabsdet)


def solve(A, B, *, left=True):
    """X with A X = B (left=False: X A = B). B is (..., n, k), or one vector (n,) or a batch (..., n) of them for A (..., n, n)."""
    _matrix(A, "solve", True)
    if not isinstance(B, Array):
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
@_of_examples
def _cholesky(x):
    return from_numpy(_run(np.linalg.cholesky, x))


def _half(p):
    """The lower triangle, with half the diagonal."""
    p = tril(p)
    return p - diag_embed(diagonal(p, 0, -2, -1)) * 0.5


def _cholesky_dx(g, y, x):
    inverse = _inv(y)
    s = inverse.mT @ _half(y.mT @ g) @ inverse
    return (s + s.mT) * 0.5


def _cholesky_tangent(t, y, x):
    inverse = _inv(y)
    return y @ _half(inverse @ ((t + t.mT) * 0.5) @ inverse.mT)


_cholesky.partials(_cholesky_dx).tangents(_cholesky_tangent)


def cholesky(A, *, upper=False):
    """The lower triangular L with A = L L' (upper: its transpose). Only the lower triangle of A is read."""
    factor = _cholesky(_matrix(A, "cholesky", True))
    return factor.mT if upper else factor


@op(saves="y")
@_of_examples
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


def _qr_tangent(t, y, x):
    m = x._shape[-2]
    q, r = y[..., :m, :], y[..., m:, :].mT
    c = _solve(r.mT, t.mT).mT  # dA R^-1 = dQ + Q dR R^-1, of which Q' dQ is antisymmetric and dR R^-1 upper triangular
    p = q.mT @ c
    upper = p - tril(p, -1) + tril(p, -1).mT
    return cat([c - q @ upper, (upper @ r).mT], -2)


_qr.partials(_qr_dx).tangents(_qr_tangent)


@op(saves="")
@_of_examples
def _qr_constant(x, *, mode):
    q, r = _run(np.linalg.qr, x, mode=mode)
    return from_numpy(q), from_numpy(r)


qr_result = result_type("linalg_qr", "Q R")


def qr(A, mode="reduced"):
    """(Q, R) with A = Q R, Q orthonormal, R upper triangular. mode "reduced", "complete" or "r" (Q empty).

    Differentiable, but not in mode "complete" for matrices that are higher than wide.
    """
    m, n = _matrix(A, "qr")._shape[-2:]
    if mode not in ("reduced", "complete", "r"):
        raise ShapeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'")
    if mode == "complete" and m > n:
        q, r = _qr_constant(A, mode=mode)
    else:
        k = min(m, n)
        y = _qr(A[..., :k])
        q, r = y[..., :m, :], y[..., m:, :].mT
        if m < n:  # Q is that of the first m columns
            r = cat([r, q.mT @ A[..., k:]], -1)
    return qr_result(from_numpy(np.empty(0, A.dtype.numpy)) if mode == "r" else q, r)


def _gaps(v):
    """1 / (v_j - v_i), and 0 where they are equal: there, vectors of a result have no derivative, and values need none."""
    d = v.unsqueeze(-2) - _column(v)
    return where(d == 0, 0.0, 1 / where(d == 0, 1.0, d))


@op(saves="y")
@_of_examples
def _eigh(x, *, uplo):
    """Eigenvalues (1, n) above eigenvectors (n, n)."""
    w, v = _run(np.linalg.eigh, x, UPLO=uplo)
    return from_numpy(np.concatenate([w[..., None, :], v], -2))


def _eigh_dx(g, y, x, uplo):
    w, v = y[..., 0, :], y[..., 1:, :]
    dx = v @ (diag_embed(g[..., 0, :]) + _gaps(w) * (v.mT @ g[..., 1:, :])) @ v.mT
    return 0.5 * (dx + dx.mT)


def _eigh_tangent(t, y, x, uplo):
    w, v = y[..., 0, :], y[..., 1:, :]
    p = v.mT @ t @ v
    return cat([diagonal(p, 0, -2, -1).unsqueeze(-2), v @ (_gaps(w) * p)], -2)


_eigh.partials(_eigh_dx).tangents(_eigh_tangent)
eigh_result = result_type("linalg_eigh", "eigenvalues eigenvectors")


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
@_of_examples
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


def _svd_tangent(t, y, x):
    m, n = x._shape[-2:]
    u, s, v = _parts(y, m)
    row, f = s.unsqueeze(-2), _gaps(s * s)
    p = u.mT @ t @ v
    a, b = p * row, _column(s) * p
    du, dv = u @ (f * (a + a.mT)), v @ (f * (b + b.mT))
    safe = where(row == 0, float("inf"), row)
    if m > n:
        du = du + (t @ v - u @ p) / safe
    elif n > m:
        dv = dv + (t.mT @ u - v @ p.mT) / safe
    return cat([du, diagonal(p, 0, -2, -1).unsqueeze(-2), dv], -2)


_svd.partials(_svd_dx).tangents(_svd_tangent)


@op(saves="")
@_of_examples
def _svd_full(x):
    u, _, vh = _run(np.linalg.svd, x, full_matrices=True)
    return from_numpy(u), from_numpy(vh)


svd_result = result_type("linalg_svd", "U S Vh")


def svd(A, full_matrices=True, *, driver=None):
    """(U, S, Vh) with A = U diag(S) Vh, S descending. Differentiable, but for the vectors that only full_matrices adds: they are
    one choice of many, and no gradient flows through them. driver: of cuSOLVER, accepted and not asked."""
    m, n = _matrix(A, "svd")._shape[-2:]
    u, s, v = _parts(_svd(A), m)
    vh = v.mT
    if full_matrices and m != n:
        more_u, more_vh = _svd_full(A.detach())
        if m > n:
            u = cat([u, more_u[..., n:]], -1)
        else:
            vh = cat([vh, more_vh[..., m:, :]], -2)
    return svd_result(u, s, vh)


def svdvals(A, *, driver=None):
    """The singular values, descending."""
    return svd(A, False).S


def inverse(input):
    """linalg.inv."""
    return inv(input)


__all__ = ["cholesky", "det", "inverse", "logdet", "slogdet"]
METHODS = __all__
NAMESPACE = "LinAlgError cholesky det eigh eigvalsh inv qr slogdet solve solve_triangular svd svdvals".split()  # fastnn.linalg
