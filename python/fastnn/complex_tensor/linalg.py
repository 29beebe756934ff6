"""Linear algebra of complex matrices.

A + iB acts as the real matrix [[A, -B], [B, A]] of twice the size does: inverses, solutions, exponentials and powers are read off from
those of it, with their derivatives. Factorizations are NumPy's, with derivatives as complex expressions.
"""

from __future__ import annotations

import numpy as np

from .. import _cpu
from ..autodiff import op
from ..ops import linalg as factor
from ..ops import matrix
from ..ops.join import cat
from ..ops.linalg import LinAlgError, _matrix, _of_examples
from ..results import result_type
from ..tensor import from_numpy
from .arithmetic import conj, div, mul, sub
from .forms import form, native
from .functions import by_numpy, split
from .products import matmul
from .tensor import COMPLEX, ComplexTensor, as_complex, of_whole, parts, whole


def _embedded(z):
    """[[A, -B], [B, A]]"""
    re, im = parts(as_complex(z))
    return cat([cat([re, -im], -1), cat([im, re], -1)], -2)


def _read(m):
    """A + iB of that matrix, or of its first half of columns."""
    return _halves(m[..., : m.shape[-1] // 2])


def _halves(m):
    """A + iB of A above B."""
    n = m.shape[-2] // 2
    return ComplexTensor(m[..., :n, :].clone(), m[..., n:, :].clone())


def _by_embedding(f):
    @form(f)
    def g(A, *args, **kwargs):
        return _read(f(_embedded(A), *args, **kwargs))

    return g


inv = _by_embedding(factor.inv)
form("inverse")(inv)
matrix_exp = _by_embedding(matrix.matrix_exp)
form("matrix_exp")(matrix_exp)


@form(matrix.pinv)
def pinv(A, *, atol=None, rtol=None, hermitian=False):
    if hermitian:  # the lower triangle is read
        below = A.tril(-1)
        A = below + below.mH + A.real.diagonal(0, -2, -1).diag_embed()
    return _read(matrix.pinv(_embedded(A), atol=atol, rtol=rtol))


form("pinverse")(lambda input, rcond=1e-15: pinv(input, rtol=rcond))



@form(factor.solve)
def solve(A, B, *, left=True):
    """X with A X = B (or X A = B)."""
    A, B = as_complex(A), as_complex(B)
    if not left:
        return solve(A.mT, B.mT).mT
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    B = B.unsqueeze(-1) if vector else B
    x = _halves(factor.solve(_embedded(A), cat(parts(B), -2)))
    return x.squeeze(-1) if vector else x


@form(matrix.matrix_power)
def matrix_power(A, n):
    if n < 0:
        return matrix_power(inv(A), -n)
    if n == 0:
        eye = matrix.matrix_power(A.real, 0)
        return ComplexTensor(eye, eye * 0)
    if n == 1:
        return A.clone()
    half = matrix_power(A, n // 2)
    half = matmul(half, half)
    return matmul(half, A) if n % 2 else half


form("matrix_power")(matrix_power)


@form(matrix.vecdot)
def vecdot(x, y, *, dim=-1):
    """Σ conj(x) y along dim."""
    return mul(conj(x) if isinstance(x, ComplexTensor) else x, y).sum(dim)


@op
@_of_examples
def _det(x):
    return by_numpy(np.linalg.det, x)


def _det_rule(g, y, x):
    g, y = (z.unsqueeze(-1).unsqueeze(-1) for z in (of_whole(g), of_whole(y)))
    return whole(mul(mul(g, conj(y)), inv(of_whole(x)).mH))


_det.partials(_det_rule)


@form(factor.det)
def det(A):
    """The determinant. Its derivative is by the inverse: none of a singular matrix."""
    return split(_det(whole(A)))


form("det")(det)

# -- eigenvalues ------------------------------------------------------------------------------------------------------------


def _factored(f, x, **options):
    """NumPy's (values, vectors) of complex matrices as pairs: the vectors, and below them the values."""
    if x.is_cuda:
        raise NotImplementedError(f"linalg.{f.__name__}: runs on the CPU only; x.cpu() moves a tensor there")
    a = np.ascontiguousarray(_cpu.numpy(x, False)).view(COMPLEX[x.dtype].numpy)[..., 0]
    if not np.isfinite(a).all():
        raise LinAlgError(f"linalg.{f.__name__}: The algorithm failed to converge because the input matrix contained non-finite values.")
    a = a if a.imag.any() else a.real  # whose complex eigenvalues are pairs, exactly
    try:
        values, vectors = f(a, **options)
    except np.linalg.LinAlgError as e:
        raise LinAlgError(f"linalg.{f.__name__}: {e}") from None
    both = np.concatenate([vectors, values[..., None, :]], -2).astype(COMPLEX[x.dtype].numpy)
    return from_numpy(np.ascontiguousarray(both).view(x.dtype.numpy).reshape(*both.shape, 2))


def _taken_apart(y):
    return y[..., -1, :], y[..., :-1, :]


@op
@_of_examples
def _eig(x):
    return _factored(np.linalg.eig, x)


@op
@_of_examples
def _eigh(x, *, uplo):
    return _factored(np.linalg.eigh, x, UPLO=uplo)


def _eig_rule(g, y, x):
    """Giles 2008, section 3.1, for vectors of length 1: V⁻ᴴ (diag(gλ) + (Vᴴ gV - VᴴV Re diag(Vᴴ gV)) / conj(λj - λi)) Vᴴ"""
    (gl, gv), (values, vectors) = _taken_apart(of_whole(g)), _taken_apart(of_whole(y))
    gaps = sub(values.unsqueeze(-2), values.unsqueeze(-1))
    n = gaps.shape[-1]
    eye = from_numpy(np.eye(n, dtype=values.real.dtype.numpy))
    gaps = ComplexTensor(gaps.real + eye, gaps.imag)
    vh = vectors.mH
    moved = matmul(vh, gv)
    along = (moved * eye).sum(-2).real  # of vᴴ gv
    moved = sub(moved, mul(matmul(vh, vectors), along.unsqueeze(-2)))
    inner = div(moved, conj(gaps)) * (1 - eye) + gl.unsqueeze(-2) * eye
    return whole(solve(vh, matmul(inner, vh)))


def _eigh_rule(g, y, x, uplo):
    (gl, gv), (values, vectors) = _taken_apart(of_whole(g)), _taken_apart(of_whole(y))
    gaps = values.real.unsqueeze(-2) - values.real.unsqueeze(-1)
    eye = from_numpy(np.eye(gaps.shape[-1], dtype=gaps.dtype.numpy))
    inner = div(matmul(vectors.mH, gv), gaps + eye) * (1 - eye) + ComplexTensor(gl.real, gl.imag * 0).unsqueeze(-2) * eye
    return whole(matmul(matmul(vectors, inner), vectors.mH))


_eig.partials(_eig_rule)
_eigh.partials(_eigh_rule)
linalg_eig, linalg_eigh = result_type("linalg_eig", "eigenvalues eigenvectors"), result_type("linalg_eigh", "eigenvalues eigenvectors")


def _square(A, name):
    _matrix(A.real if isinstance(A, ComplexTensor) else A, name, square=True)
    return as_complex(A)


@native
def eig(A):
    """Eigenvalues (..., n) and eigenvectors (..., n, n; each a column of length 1) of a square matrix: complex. ShapeError for other shapes.

    The phase of a vector is arbitrary: only what does not depend on it has a gradient with a meaning. Equal eigenvalues have none.
    """
    values, vectors = _taken_apart(split(_eig(whole(_square(A, "eig")))))
    return linalg_eig(values, vectors)


@native
def eigvals(A):
    """The eigenvalues (..., n) of a square matrix: complex."""
    return eig(A).eigenvalues


@form(factor.eigh)
def eigh(A, UPLO="L"):
    """Of a Hermitian matrix, of which only the lower triangle (UPLO "L"), or the upper, is read."""
    values, vectors = _taken_apart(split(_eigh(whole(_square(A, "eigh")), uplo=UPLO.upper())))
    return linalg_eigh(values.real, vectors)


@form(factor.eigvalsh)
def eigvalsh(A, UPLO="L"):
    return eigh(A, UPLO).eigenvalues

