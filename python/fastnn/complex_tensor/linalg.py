"""Linear algebra of complex matrices.

A + iB acts as the real matrix [[A, -B], [B, A]] of twice the size does: inverses, solutions, exponentials and powers are read off from
those of it, with their derivatives. Factorizations are in factorizations.py.
"""

from __future__ import annotations

import operator

import numpy as np

from ..autodiff import op
from ..ops import linalg as factor
from ..ops import matrix
from ..ops.join import cat
from ..ops.linalg import _of_examples
from .arithmetic import conj, mul
from .forms import form
from .functions import by_numpy, split
from .products import matmul
from .tensor import ComplexTensor, as_complex, of_whole, parts, whole


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
    n = operator.index(n)
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


def _each(z):
    """(...) as (..., 1, 1)"""
    return z.unsqueeze(-1).unsqueeze(-1)


@op
@_of_examples
def _det(x):
    return by_numpy(np.linalg.det, x)


def _det_rule(g, y, x):
    return whole(mul(mul(_each(of_whole(g)), conj(_each(of_whole(y)))), inv(of_whole(x)).mH))


@op
@_of_examples
def _log_det(x):
    """log |det| + i angle(det), where the determinant itself may be too large."""

    def compute(a):
        sign, size = np.linalg.slogdet(a)
        return size + 1j * np.angle(sign)

    return by_numpy(compute, x)


_det.partials(_det_rule)
_log_det.partials(lambda g, y, x: whole(mul(_each(of_whole(g)), inv(of_whole(x)).mH)))


@form(factor.det)
def det(A):
    """The determinant. Its derivative is by the inverse: none of a singular matrix."""
    return split(_det(whole(A)))


form("det")(det)


@form("logdet")
def logdet(A):
    """log |det A| + i angle(det A)."""
    return split(_log_det(whole(A)))


@form(factor.slogdet)
def slogdet(A):
    """(sign, logabsdet): det(A) = sign · exp(logabsdet), with a sign of magnitude 1."""
    log = logdet(A)
    return factor.slogdet_result(ComplexTensor(log.imag.cos(), log.imag.sin()), log.real)
