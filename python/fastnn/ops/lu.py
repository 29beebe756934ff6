"""LU factorizations and what is solved with factors; the variants of linalg that report failure in a number.

The derivative of A = P L U of a square matrix: with F = L^-1 P' dA U^-1, dL = L tril(F, -1) and dU = triu(F) U; the other shapes
are that of the leading square, and solves.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ..autodiff import op
from ..errors import ShapeError
from ..results import result_type
from ..tensor import Tensor, from_numpy, zeros
from .diagonal import diagonal as _diagonal
from .diagonal import eye, tril, triu
from .join import cat
from .linalg import LinAlgError, _matrix, _of_examples, cholesky, inv, of_all, solve, solve_triangular, svd
from .reduce import mean
from .shape import reshape


def pivots_of(a):
    """(packed L\\U, pivots, 0-based) of matrices (..., m, n) as arrays: Gauss, the largest of each column on top. Zero columns stay."""
    a = np.array(a)
    m, n = a.shape[-2:]
    batch = a.reshape((-1, m, n))
    rows = np.arange(len(batch))
    pivots = np.zeros((len(batch), min(m, n)), np.int64)
    for k in range(min(m, n)):
        size = np.abs(batch[:, k:, k].real) + np.abs(batch[:, k:, k].imag)  # of complex numbers too, as LAPACK has it
        p = k + size.argmax(1)
        pivots[:, k] = p
        batch[rows, k], batch[rows, p] = batch[rows, p], batch[rows, k].copy()
        top = batch[:, k, k]
        batch[:, k + 1 :, k] /= np.where(top == 0, 1, top)[:, None]
        batch[:, k + 1 :, k + 1 :] -= batch[:, k + 1 :, k, None] * batch[:, k, None, k + 1 :]
    return batch.reshape(a.shape), pivots.reshape((*a.shape[:-2], min(m, n)))


def order_of_rows(pivots, m):
    """The rows of A in the order that its pivots bring them into: (..., m)."""
    flat = pivots.reshape((math.prod(pivots.shape[:-1]), pivots.shape[-1]))
    order = np.tile(np.arange(m), (len(flat), 1))
    rows = np.arange(len(flat))
    for k in range(flat.shape[1]):
        p = flat[:, k]
        order[rows, k], order[rows, p] = order[rows, p], order[rows, k].copy()
    return order.reshape((*pivots.shape[:-1], m))


@_of_examples
def _pivoting(a):
    """(order of rows, pivots) of matrices, int64."""
    pivots = pivots_of(a.detach().numpy())[1]
    return from_numpy(order_of_rows(pivots, a._shape[-2])), from_numpy(pivots)


@_of_examples
def _order_of(pivots, *, m):
    """The order of m rows that pivots, as LAPACK counts them, bring about."""
    return from_numpy(order_of_rows(pivots.numpy().astype(np.int64) - 1, m))


def _permuted(a, order):
    """Rows of matrices in this order."""
    return a.gather(-2, order.unsqueeze(-1).expand(a._shape))


def eliminated(a):
    """Packed L\\U of square matrices (..., n, n) as arrays, rows as they are."""
    a = np.array(a)
    for k in range(a.shape[-1]):
        top = a[..., k, k]
        a[..., k + 1 :, k] /= np.where(top == 0, 1, top)[..., None]
        a[..., k + 1 :, k + 1 :] -= a[..., k + 1 :, k, None] * a[..., k, None, k + 1 :]
    return a


@op(saves="y")
@_of_examples
def _lu_square(x):
    return from_numpy(eliminated(x.detach().numpy()))


def _parts(y):
    n = y._shape[-1]
    return tril(y, -1) + eye(n, dtype=y.dtype), triu(y)


def _lu_dx(g, y, x):
    lower, upper = _parts(y)
    f = tril(lower.mT @ tril(g, -1), -1) + triu(triu(g) @ upper.mT)
    return inv(lower).mT @ f @ inv(upper).mT


def _lu_tangent(t, y, x):
    lower, upper = _parts(y)
    f = inv(lower) @ t @ inv(upper)
    return tril(lower @ tril(f, -1), -1) + triu(f) @ upper


_lu_square.partials(_lu_dx).tangents(_lu_tangent)


def _packed(A):
    """(packed L\\U with its derivative, order of rows, pivots)"""
    m, n = A._shape[-2:]
    k = min(m, n)
    order, pivots = _pivoting(A.detach())
    b = _permuted(A, order)
    y = _lu_square(b[..., :k, :k])
    lower, upper = _parts(y)
    if m > n:
        y = cat([y, solve(upper, b[..., k:, :], left=False)], -2)
    elif n > m:
        y = cat([y, solve(lower, b[..., k:])], -1)
    return y, order, pivots


def _triangles(y):
    """L (m, k) with ones on its diagonal, U (k, n)."""
    m, n = y._shape[-2:]
    k = min(m, n)
    return tril(y[..., :k], -1) + eye(m, k, dtype=y.dtype), triu(y[..., :k, :])


def _permutation(order, dtype):
    """P with A = P L U."""
    return eye(order._shape[-1], dtype=dtype)[order].mT


lu_result = result_type("linalg_lu", "P L U")
lu_factor_result = result_type("linalg_lu_factor", "LU pivots")
lu_factor_ex_result = result_type("linalg_lu_factor_ex", "LU pivots info")


def lu(A, *, pivot=True):
    """(P, L, U) with A = P L U: a permutation, a lower triangle with ones on its diagonal, an upper triangle. A is (..., m, n)."""
    y, order, _ = _packed(_matrix(A, "lu")) if pivot else (_lu_square(_matrix(A, "lu", True)), None, None)
    lower, upper = _triangles(y)
    p = from_numpy(np.empty(0, A.dtype.numpy)) if order is None else _permutation(order, A.dtype)
    return lu_result(p, lower, upper)


def lu_factor(A, *, pivot=True):
    """(LU, pivots): both triangles in one matrix, and as LAPACK counts them, from 1, the rows that changed places."""
    if not pivot:
        raise NotImplementedError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    y, _, pivots = _packed(_matrix(A, "lu_factor"))
    return lu_factor_result(y, (pivots + 1).to("int32"))


def first_zero(diagonal):
    """0, or the position of the first zero, from 1, along the last axis of an array."""
    zero = diagonal == 0
    return from_numpy(np.where(zero.any(-1), zero.argmax(-1) + 1, 0).astype(np.int32))


@_of_examples
def _info(y):
    """`first_zero` of the pivots in packed L\\U."""
    return first_zero(_diagonal(y, 0, -2, -1).numpy())


def lu_factor_ex(A, *, pivot=True, check_errors=False):
    """`lu_factor`, and info: 0, or the first pivot (from 1) that is zero."""
    y, pivots = lu_factor(A, pivot=pivot)
    info = _info(y.detach())
    if check_errors and bool(of_all(info).any()):
        raise LinAlgError("linalg.lu_factor_ex: U is exactly singular")
    return lu_factor_ex_result(y, pivots, info)


def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """(P, L, U) from what `lu_factor` gives."""
    lower, upper = _triangles(LU_data) if unpack_data else (None, None)
    p = _permutation(_order_of(LU_pivots, m=LU_data._shape[-2]), LU_data.dtype) if unpack_pivots else None
    return p, lower, upper


def lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """X with A X = B (left=False: X A = B; adjoint: A' in place of A), from `lu_factor` of A."""
    _matrix(LU, "lu_solve", True)
    p, lower, upper = lu_unpack(LU, pivots)
    if not left:
        return lu_solve(LU, pivots, B.mT, adjoint=not adjoint).mT
    if adjoint:
        y = solve_triangular(lower.mT, solve_triangular(upper.mT, B, upper=False), upper=True, unitriangular=True)
        return p @ y
    return solve_triangular(upper, solve_triangular(lower, p.mT @ B, upper=False, unitriangular=True), upper=True)


def _of_pivots(b, LU_data, LU_pivots):
    """torch.lu_solve: linalg.lu_solve with its arguments the other way round."""
    return lu_solve(LU_data, LU_pivots, b)


def _lu_of(A, pivot=True, get_infos=False):
    """torch.lu: (LU, pivots), and infos if asked for."""
    y, pivots, info = lu_factor_ex(A, pivot=pivot)
    return (y, pivots, info) if get_infos else (y, pivots)


# -- solves with other factors ------------------------------------------------------------------------------------------------


def cholesky_solve(B, L, upper=False):
    """X with (L L') X = B; upper: (L' L) X = B."""
    factor = L.mT if upper else L
    y = solve_triangular(factor, B, upper=False)
    return solve_triangular(factor.mT, y, upper=True)


def cholesky_inverse(L, upper=False):
    """(L L')^-1; upper: (L' L)^-1."""
    inverse = inv(triu(L).mT if upper else tril(L))
    return inverse.mT @ inverse


triangular_solve_result = result_type("triangular_solve", "solution cloned_coefficient")


def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False):
    """(X, A) with A X = b for a triangle of A, or of its transpose. The older form of linalg.solve_triangular."""
    a = A.mT if transpose else A
    return triangular_solve_result(solve_triangular(a, b, upper=upper != transpose, unitriangular=unitriangular), A.clone())


# -- failure as a number --------------------------------------------------------------------------------------------------------


def _or_info(f, A, check_errors):
    try:
        y, failed = f(), 0
    except LinAlgError:
        if check_errors:
            raise
        y, failed = zeros(A._shape, dtype=A.dtype), 1
    return y, from_numpy(np.full(A._shape[:-2], failed, np.int32))


inv_ex_result = result_type("linalg_inv_ex", "inverse info")
cholesky_ex_result = result_type("linalg_cholesky_ex", "L info")
solve_ex_result = result_type("linalg_solve_ex", "result info")


def inv_ex(A, *, check_errors=False):
    """(inverse, info): info is 1, and the inverse zero, where a matrix of the batch has none."""
    return inv_ex_result(*_or_info(functools.partial(inv, _matrix(A, "inv_ex", True)), A, check_errors))


def cholesky_ex(A, *, upper=False, check_errors=False):
    """(factor, info): info is 1, and the factor zero, where a matrix of the batch is not positive definite."""
    return cholesky_ex_result(*_or_info(functools.partial(cholesky, _matrix(A, "cholesky_ex", True), upper=upper), A, check_errors))


def solve_ex(A, B, *, left=True, check_errors=False):
    """(solution, info): info is 1, and the solution zero, where a matrix of the batch is singular."""
    y, info = _or_info(functools.partial(solve, A, B, left=left), _matrix(A, "solve_ex", True), check_errors)
    return solve_ex_result(y if not bool(info.any()) else zeros(B._shape, dtype=B.dtype), info)


# -- tensors as matrices -----------------------------------------------------------------------------------------------------------


def inverse_shape(shape, ind):
    """(n, shape of the inverse) of a tensor of this shape that is an n x n matrix from its last axes to its first `ind`."""
    if ind <= 0:
        raise ShapeError(f"Expected a strictly positive integer for 'ind', got {ind}")
    first, last = shape[:ind], shape[ind:]
    if math.prod(first) != math.prod(last):
        raise ShapeError(f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got {math.prod(last)} != {math.prod(first)}")
    return math.prod(first), (*last, *first)


def solution_shape(shape, other):
    """(n, shape of X) of an n x n system A X = B, from the shapes of A and B."""
    n, last = math.prod(other), shape[len(other) :]
    if math.prod(last) != n:
        raise ShapeError(f"Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got {math.prod(last)} != {n}")
    return n, last


def to_the_end(A, dims):
    """A with these axes last, if any are given."""
    return A if dims is None else A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))


def tensorinv(A, ind=2):
    """The inverse of A as a map from its last axes to its first `ind`."""
    n, shape = inverse_shape(A._shape, ind)
    return reshape(inv(reshape(A, (n, -1))), shape)


def tensorsolve(A, B, dims=None):
    """X with tensordot(A, X, X.ndim) = B; dims: axes of A that are moved to its end first."""
    A = to_the_end(A, dims)
    n, shape = solution_shape(A._shape, B._shape)
    return reshape(solve(reshape(A, (n, -1)), reshape(B, (-1,))), shape)


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonal of matrices, a view."""
    return _diagonal(A, offset, dim1, dim2)


# -- the older names of factorizations ------------------------------------------------------------------------------------------------


svd_result = result_type("svd", "U S V")


def _svd(input, some=True, compute_uv=True):
    """torch.svd: (U, S, V) with input = U diag(S) V'. See linalg.svd, which gives V'."""
    u, s, vh = svd(input, full_matrices=not some)
    return svd_result(u, s, vh.mT)


def svd_lowrank(A, q=6, niter=2, M=None):
    """(U, S, V): the q largest singular values of A (of A - M) and their vectors, from the whole factorization."""
    u, s, vh = svd(A if M is None else A - M, full_matrices=False)
    return u[..., :q], s[..., :q], vh.mT[..., :q]


def pca_lowrank(A, q=None, center=True, niter=2):
    """(U, S, V) of the rows of A, less their mean if center: the columns of V are the principal directions."""
    q = min(6, *A._shape[-2:]) if q is None else q
    if not 0 <= q <= min(A._shape[-2:]):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(A._shape[-2:])}")
    return svd_lowrank(A - mean(A, -2, True) if center else A, q)


OLDER = {"lu": _lu_of, "lu_solve": _of_pivots, "svd": _svd}  # of the top level: other arguments or results than in linalg
for _name, _f in OLDER.items():
    _f.__name__ = _f.__qualname__ = _name
Tensor.lu, Tensor.lu_solve, Tensor.svd = _lu_of, _of_pivots, _svd

__all__ = ["cholesky_inverse", "cholesky_solve", "lu_unpack", "pca_lowrank", "svd_lowrank", "triangular_solve"]
METHODS = ("cholesky_inverse", "cholesky_solve", "triangular_solve")
NAMESPACE = (  # fastnn.linalg
    "cholesky_ex diagonal inv_ex lu lu_factor lu_factor_ex lu_solve solve_ex tensorinv tensorsolve"
).split()
