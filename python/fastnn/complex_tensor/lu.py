"""LU factorizations of complex matrices and Householder's reflections: as in ops/lu.py and ops/householder.py, transposes as adjoints."""

from __future__ import annotations

import numpy as np

from ..autodiff import op
from ..errors import ShapeError
from ..ops import householder
from ..ops import lu as real
from ..ops.linalg import LinAlgError, _matrix, _of_examples
from ..tensor import from_numpy
from . import partwise  # noqa: F401
from .arithmetic import conj, mul, sub
from .compositions import solve_triangular
from .forms import FORMS, form
from .functions import by_numpy, split
from .linalg import inv, solve
from .products import matmul
from .tensor import as_complex, of_array, of_whole, whole

cat = FORMS["cat"]


def _checked(A, name, square=False):
    _matrix(A.real, name, square)
    return A


def _eye(m, n, like):
    return as_complex(from_numpy(np.eye(m, n, dtype=like.real.dtype.numpy)))


@op(saves="y")
@_of_examples
def _lu_square(x):
    return by_numpy(real.eliminated, x)


def _parts(y):
    return y.tril(-1) + _eye(y.shape[-1], y.shape[-1], y), y.triu()


def _lu_rule(g, y, x):
    g, (lower, upper) = of_whole(g), _parts(of_whole(y))
    f = matmul(lower.mH, g.tril(-1)).tril(-1) + matmul(g.triu(), upper.mH).triu()
    return whole(matmul(inv(lower).mH, matmul(f, inv(upper).mH)))


_lu_square.partials(_lu_rule)


def _without_pivots(A):
    return split(_lu_square(whole(A)))


def _packed(A):
    """(packed L\\U with its derivative, order of rows, pivots)"""
    m, n = A.shape[-2:]
    k = min(m, n)
    pivots = real.pivots_of(A.detach().numpy())[1]
    order = from_numpy(real.order_of_rows(pivots, m))
    b = A.gather(-2, order.unsqueeze(-1).expand(A.shape))
    y = _without_pivots(b[..., :k, :k])
    lower, upper = _parts(y)
    if m > n:
        y = cat([y, solve(upper, b[..., k:, :], left=False)], -2)
    elif n > m:
        y = cat([y, solve(lower, b[..., k:])], -1)
    return y, order, from_numpy(pivots)


def _triangles(y):
    m, n = y.shape[-2:]
    k = min(m, n)
    return y[..., :k].tril(-1) + _eye(m, k, y), y[..., :k, :].triu()


def _permutation(order, like):
    return _eye(order.shape[-1], order.shape[-1], like)[order].mT


@form(real.lu)
def lu(A, *, pivot=True):
    if pivot:
        y, order, _ = _packed(_checked(A, "lu"))
        p = _permutation(order, A)
    else:
        y, p = _without_pivots(_checked(A, "lu", True)), as_complex(from_numpy(np.empty(0, A.real.dtype.numpy)))
    return real.lu_result(p, *_triangles(y))


@form(real.lu_factor)
def lu_factor(A, *, pivot=True):
    if not pivot:
        raise NotImplementedError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    y, _, pivots = _packed(_checked(A, "lu_factor"))
    return real.lu_factor_result(y, (pivots + 1).to("int32"))


@form(real.lu_factor_ex)
def lu_factor_ex(A, *, pivot=True, check_errors=False):
    y, pivots = lu_factor(A, pivot=pivot)
    info = real.first_zero(y.detach().diagonal(0, -2, -1).numpy())
    if check_errors and bool(info.any()):
        raise LinAlgError("linalg.lu_factor_ex: U is exactly singular")
    return real.lu_factor_ex_result(y, pivots, info)


@form(real.lu_unpack)
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    lower, upper = _triangles(LU_data) if unpack_data else (None, None)
    p = _permutation(real._order_of(LU_pivots, m=LU_data.shape[-2]), LU_data) if unpack_pivots else None
    return p, lower, upper


@form(real.lu_solve)
def lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    _checked(LU, "lu_solve", True)
    if not left:
        return lu_solve(LU, pivots, B.mH, adjoint=not adjoint).mH
    p, lower, upper = lu_unpack(LU, pivots)
    if adjoint:
        return matmul(p, solve_triangular(lower.mH, solve_triangular(upper.mH, B, upper=False), upper=True, unitriangular=True))
    return solve_triangular(upper, solve_triangular(lower, matmul(p.mT, B), upper=False, unitriangular=True), upper=True)


@form(real.OLDER["lu_solve"])
def _of_pivots(b, LU_data, LU_pivots):
    return lu_solve(LU_data, LU_pivots, b)


@form(real.OLDER["lu"])
def _lu_of(A, pivot=True, get_infos=False):
    y, pivots, info = lu_factor_ex(A, pivot=pivot)
    return (y, pivots, info) if get_infos else (y, pivots)


# -- reflections 1 - tau v vᴴ -----------------------------------------------------------------------------------------------------


@form()
def geqrf(input):
    a, tau = householder.raw_qr(_checked(input, "geqrf").detach().numpy())
    return householder.geqrf_result(of_array(np.ascontiguousarray(a.swapaxes(-1, -2))), of_array(np.array(tau)))


def _reflections(A, tau, name):
    m, k = householder.check_reflections(_checked(A, name), tau, name)
    v = A.tril(-1)[..., :k] + _eye(m, k, A)
    return [(v[..., i : i + 1], tau[..., i : i + 1].unsqueeze(-1)) for i in range(k)]


def _reflected(y, reflections):
    for v, t in reflections:
        y = sub(y, mul(t, matmul(v, matmul(v.mH, y))))
    return y


@form("householder_product", "orgqr")
def householder_product(input, tau):
    reflections = _reflections(input, tau, "householder_product")
    if input.shape[-2] < input.shape[-1]:
        raise ShapeError(f"householder_product: Expected m >= n for input (..., m, n), got {list(input.shape)}")
    return _reflected(_eye(*input.shape[-2:], input).expand(input.shape).clone(), reversed(reflections))


@form()
def ormqr(input, tau, other, left=True, transpose=False):
    """transpose: Qᴴ in place of Q."""
    if not left:
        return ormqr(input, tau, other.mH, True, not transpose).mH
    reflections = _reflections(input, tau, "ormqr")
    if other.ndim < 2 or other.shape[-2] != input.shape[-2]:
        raise ShapeError(f"ormqr: other of shape {list(other.shape)} does not fit input of shape {list(input.shape)}, left={left}")
    return _reflected(other, [(v, conj(t)) for v, t in reflections] if transpose else reversed(reflections))
