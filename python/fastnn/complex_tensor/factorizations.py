"""Factorizations of complex matrices, and eigenvalues of any: NumPy's, with derivatives as complex expressions.

A factorization is one op. Its output holds the factors below each other, each with as many columns (some as their adjoint), so that
one gradient reaches it. Formulas: Giles 2008; Walter and Lehmann 2010 (QR); Wan and Zhang 2019 (SVD of complex matrices).
"""

from __future__ import annotations

import numpy as np

from .. import _cpu
from ..autodiff import op
from ..ops import linalg as factor
from ..ops.linalg import LinAlgError, _matrix, _of_examples
from ..results import result_type
from ..tensor import from_numpy
from .arithmetic import conj, div, mul, sub
from .forms import FORMS, NoComplexForm, form, native
from .functions import split
from .linalg import solve
from .products import matmul
from .tensor import COMPLEX, ComplexTensor, as_complex, of_array, of_whole, whole


def _factored(compute, x):
    """compute(ndarray) gives the factors; below each other, as pairs."""
    if x.is_cuda:
        raise NotImplementedError(f"linalg.{compute.__name__}: runs on the CPU only; x.cpu() moves a tensor there")
    a = np.ascontiguousarray(_cpu.numpy(x, False)).view(COMPLEX[x.dtype].numpy)[..., 0]
    if not np.isfinite(a).all():
        raise LinAlgError(f"linalg.{compute.__name__}: The algorithm failed to converge because the input matrix contained non-finite values.")
    try:
        factors = compute(a if a.imag.any() else a.real)  # of a real matrix, whose complex eigenvalues are pairs, exactly
    except np.linalg.LinAlgError as e:
        raise LinAlgError(f"linalg.{compute.__name__}: {e}") from None
    y = np.concatenate(factors, -2).astype(COMPLEX[x.dtype].numpy)
    return from_numpy(np.ascontiguousarray(y).view(x.dtype.numpy).reshape(*y.shape, 2))


def _op(compute):
    """The op of a factorization of one matrix without options."""

    @op
    @_of_examples
    def f(x):
        return _factored(compute, x)

    f.name = compute.__name__
    return f


def _both(g, y, take):
    """take(g), take(y) of the op's gradient and output."""
    return take(of_whole(g)), take(of_whole(y))


def _checked(A, name, square=True):
    _matrix(A.real if isinstance(A, ComplexTensor) else A, name, square)
    return as_complex(A)


def _adjoint(a):
    return a.conj().swapaxes(-1, -2)


def _eye(z):
    return from_numpy(np.eye(z.shape[-1], dtype=z.real.dtype.numpy))


# -- eigenvalues ------------------------------------------------------------------------------------------------------------


def _vectors_and_values(y):
    return y[..., :-1, :], y[..., -1, :]


def eig_of(a):
    values, vectors = np.linalg.eig(a)
    return vectors, values[..., None, :]


_eig = _op(eig_of)


@op
@_of_examples
def _eigh(x, *, uplo):
    def eigh(a):
        values, vectors = np.linalg.eigh(a, uplo)
        return vectors, values[..., None, :]

    return _factored(eigh, x)


def _inverse(d):
    """1 / d, and 0 where d is: vectors of equal values have no derivative, and the values need none."""
    zero = d == 0
    return (1 / d.masked_fill(zero, 1.0)).masked_fill(zero, 0.0)


def _eig_rule(g, y, x):
    """V⁻ᴴ (diag(gλ) + (Vᴴ gV - VᴴV Re diag(Vᴴ gV)) / conj(λj - λi)) Vᴴ, for vectors of length 1"""
    (gv, gl), (vectors, values) = _both(g, y, _vectors_and_values)
    gaps = sub(values.unsqueeze(-2), values.unsqueeze(-1))
    eye, equal = _eye(gaps), gaps == 0  # there, as in _inverse
    vh = vectors.mH
    moved = matmul(vh, gv)
    along = (moved * eye).sum(-2).real  # of vᴴ gv
    moved = sub(moved, mul(matmul(vh, vectors), along.unsqueeze(-2)))
    inner = div(moved, conj(gaps).masked_fill(equal, 1)).masked_fill(equal, 0) + gl.unsqueeze(-2) * eye
    return whole(solve(vh, matmul(inner, vh)))


def _eigh_rule(g, y, x, uplo):
    (gv, gl), (vectors, values) = _both(g, y, _vectors_and_values)
    inverse = _inverse(values.real.unsqueeze(-2) - values.real.unsqueeze(-1))
    inner = mul(matmul(vectors.mH, gv), inverse) + gl.real.unsqueeze(-2) * _eye(vectors)
    return whole(matmul(matmul(vectors, inner), vectors.mH))


_eig.partials(_eig_rule)
_eigh.partials(_eigh_rule)
linalg_eig = result_type("linalg_eig", "eigenvalues eigenvectors")


@native
def eig(A):
    """Eigenvalues (..., n) and eigenvectors (..., n, n; each a column of length 1) of a square matrix: complex. ShapeError for other shapes.

    The phase of a vector is arbitrary: only what does not depend on it has a gradient with a meaning. Equal eigenvalues have none.
    """
    vectors, values = _vectors_and_values(split(_eig(whole(_checked(A, "eig")))))
    return linalg_eig(values, vectors)


@native
def eigvals(A):
    """The eigenvalues (..., n) of a square matrix: complex."""
    return eig(A).eigenvalues


@form(factor.eigh)
def eigh(A, UPLO="L"):
    """Of a Hermitian matrix, of which only the lower triangle (UPLO "L"), or the upper, is read."""
    vectors, values = _vectors_and_values(split(_eigh(whole(_checked(A, "eigh")), uplo=UPLO.upper())))
    return factor.eigh_result(values.real, vectors)


@form(factor.eigvalsh)
def eigvalsh(A, UPLO="L"):
    return eigh(A, UPLO).eigenvalues


# -- Cholesky, QR -------------------------------------------------------------------------------------------------------------


def cholesky_of(a):
    return (np.linalg.cholesky(a),)


def _halved(z):
    """The lower triangle with half of its diagonal."""
    return z.tril() - z * _eye(z) * 0.5


_cholesky = _op(cholesky_of)


def _cholesky_rule(g, y, x):
    """L⁻ᴴ ½ (P + Pᴴ) L⁻¹ of P: the lower triangle of Lᴴ gL, with half of its diagonal"""
    lower = of_whole(y)
    inner = _halved(matmul(lower.mH, of_whole(g)))
    inner = (inner + inner.mH) * 0.5
    return whole(solve(lower.mH, solve(lower.mH, inner.mH).mH))


_cholesky.partials(_cholesky_rule)


@form(factor.cholesky)
def cholesky(A, *, upper=False):
    """The lower triangular L with A = L Lᴴ (upper: Lᴴ) of a Hermitian, positive definite A, of which the lower triangle is read."""
    lower = split(_cholesky(whole(_checked(A, "cholesky"))))
    return lower.mH if upper else lower


def qr_of(a):
    q, r = np.linalg.qr(a)
    return q, _adjoint(r)


def _q_and_r(shape):
    return lambda y: (y[..., : shape[-3], :], y[..., shape[-3] :, :].mH)


_qr = _op(qr_of)


def _qr_rule(g, y, x):
    """(gQ + Q M) R⁻ᴴ of the Hermitian M whose upper triangle is that of gR Rᴴ - Qᴴ gQ, with a real diagonal"""
    (gq, gr), (q, r) = _both(g, y, _q_and_r(x._shape))
    inner = _halved(sub(matmul(gr, r.mH), matmul(q.mH, gq)).mH)
    inner = inner + inner.mH
    return whole(solve(r, (gq + matmul(q, inner)).mH).mH)


_qr.partials(_qr_rule)


@form(factor.qr)
def qr(A, mode="reduced"):
    """(Q, R) with A = Q R; modes "reduced" and, of matrices that are not higher than wide, "complete"."""
    A = _checked(A, "qr", square=False)
    if mode != "reduced" and (mode != "complete" or A.shape[-2] > A.shape[-1]):
        raise NoComplexForm(f"qr: mode={mode!r} is not implemented for complex matrices of shape {list(A.shape)}")
    m, n = A.shape[-2:]
    pairs = whole(A[..., :m])
    q, r = _q_and_r(pairs._shape)(split(_qr(pairs)))
    return factor.qr_result(q, r if m >= n else FORMS["cat"]([r, matmul(q.mH, A[..., m:])], -1))


# -- singular values ----------------------------------------------------------------------------------------------------------


def svd_of(a):
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return u, s[..., None, :], _adjoint(vh)


def _u_s_v(shape):
    m = shape[-3]
    return lambda y: (y[..., :m, :], y[..., m, :].real, y[..., m + 1 :, :])


_svd = _op(svd_of)


def _svd_rule(g, y, x):
    (gu, gs, gv), (u, s, v) = _both(g, y, _u_s_v(x._shape))
    eye, row, column = _eye(u), s.unsqueeze(-2), s.unsqueeze(-1)
    inverse, inverse_row = _inverse((row - column) * (row + column)), _inverse(row)
    along_u, along_v = matmul(u.mH, gu), matmul(v.mH, gv)
    skew_u, skew_v = along_u - along_u.mH, along_v - along_v.mH
    inner = skew_u * inverse * row + column * (skew_v * inverse)
    inner = inner + (skew_u * (0.5 * inverse_row) + gs.unsqueeze(-2)) * eye  # the skew diagonal turns u and v together
    result = matmul(u, matmul(inner, v.mH))
    if u.shape[-2] > u.shape[-1]:
        result = result + matmul((gu - matmul(u, along_u)) * inverse_row, v.mH)
    if v.shape[-2] > v.shape[-1]:
        result = result + matmul(u, ((gv - matmul(v, along_v)) * inverse_row).mH)
    return whole(result)


_svd.partials(_svd_rule)


@form(factor.svd)
def svd(A, full_matrices=True):
    """(U, S, Vh) with A = U diag(S) Vh. No gradient flows through the vectors that only full_matrices adds.

    The phases of the vectors are arbitrary: only what does not depend on them has a gradient with a meaning.
    """
    A = _checked(A, "svd", square=False)
    m, n = A.shape[-2:]
    pairs = whole(A)
    u, s, v = _u_s_v(pairs._shape)(split(_svd(pairs)))
    if full_matrices and m > n:
        u = FORMS["cat"]([u, _complement(u)], -1)
    elif full_matrices and n > m:
        v = FORMS["cat"]([v, _complement(v)], -1)
    return factor.svd_result(u, s, v.mH)


def _complement(q):
    """Columns that make those of q a basis: any, without a derivative."""
    return of_array(np.linalg.svd(q.detach().numpy(), full_matrices=True)[0][..., q.shape[-1] :])


@form(factor.svdvals)
def svdvals(A):
    return svd(A, False).S
