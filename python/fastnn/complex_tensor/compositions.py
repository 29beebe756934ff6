"""Functions of complex tensors that are made of others: sums of exponentials, integrals, covariances, solves with factors, ranks."""

from __future__ import annotations

import functools

import numpy as np

from .. import linalg
from ..errors import ShapeError
from ..ops import calculus, lu, mask, matrix
from ..ops import linalg as factor
from ..ops.comparison import isfinite
from ..ops.elementwise import where
from ..ops.join import cat as real_cat
from ..tensor import normalize_dim, zeros, zeros_like
from . import creation, partwise, reductions  # noqa: F401
from .arithmetic import abs, add, div, is_zero, mul, sub
from .factorizations import _eye, cholesky, svd, svdvals
from .forms import FORMS, NoComplexForm, form
from .functions import exp, log, log1p, pow, tanh
from .linalg import inv, pinv, solve
from .products import matmul, multilinear
from .tensor import ComplexTensor, as_complex, is_real, parts

cat, stack, zeros_like_complex = FORMS["cat"], FORMS["stack"], FORMS["zeros_like"]

# -- element by element, and sums of exponentials -----------------------------------------------------------------------------


@form()
def softsign(input):
    return div(input, add(abs(input), 1))


@form()
def tanhshrink(input):
    return sub(input, tanh(input))


@form()
def ldexp(input, other):
    return mul(input, pow(2, as_complex(other)) if not is_real(other) else 2.0**other)


def _finite(size):
    return where(isfinite(size), size, zeros_like(size)).detach()


@form()
def logsumexp(input, dim, keepdim=False):
    largest = _finite(input.real.amax(dim, keepdim=True))
    y = add(log(exp(sub(input, largest)).sum(dim, keepdim=True)), largest)
    if keepdim or not input.ndim:
        return y
    dims = sorted({normalize_dim(d, input.ndim) for d in ((dim,) if isinstance(dim, int) else dim)})
    return y.reshape([n for d, n in enumerate(input.shape) if d not in dims])


@form()
def logaddexp(input, other):
    a, b = as_complex(input), as_complex(other)
    first = a.real >= b.real
    high, low = (ComplexTensor(where(first, p.real, q.real), where(first, p.imag, q.imag)) for p, q in ((a, b), (b, a)))
    y = add(high, log1p(exp(sub(low, high))))
    infinite = ~isfinite(high.real) & (high.real == low.real)  # where the difference is no number
    return ComplexTensor(where(infinite, high.real, y.real), where(infinite, high.imag, y.imag))


@form()
def logcumsumexp(input, dim):
    if not input.ndim:
        return input.clone()
    dim = normalize_dim(dim, input.ndim)
    n, step, z = input.shape[dim], 1, input
    while step < n:
        z = cat([z.narrow(dim, 0, step), logaddexp(z.narrow(dim, step, n - step), z.narrow(dim, 0, n - step))], dim)
        step *= 2
    return z.clone() if z is input else z


# -- integrals and slopes -----------------------------------------------------------------------------------------------------


def _integral(f):
    @form(f)
    def g(y, x=None, *, dx=1, dim=-1):
        if x is None:
            return multilinear(lambda a: f(a, dim=dim), y) * dx
        return multilinear(lambda a, b: f(a, b, dim=dim), y, x)


_integral(calculus.trapezoid)
_integral(calculus.cumulative_trapezoid)


def _place(s):
    """A distance of samples, or their places: real numbers, though they may be of a complex dtype."""
    if is_real(s):
        return s
    re, im = parts(s)
    if (im != 0).any() if isinstance(s, ComplexTensor) else im:
        raise NoComplexForm("gradient: places of samples that are not real are not implemented")
    return re


@form()
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    spacing = [_place(s) for s in spacing] if isinstance(spacing, (tuple, list)) else _place(spacing)
    each = [calculus.gradient(part, spacing=spacing, dim=dim, edge_order=edge_order) for part in parts(as_complex(input))]
    return tuple(ComplexTensor(re, im) for re, im in zip(*each, strict=True))


# -- statistics -----------------------------------------------------------------------------------------------------------------


@form()
def cov(input, *, correction=1, fweights=None, aweights=None):
    """Of x + iy: that of the rows x and y is [[Cxx, Cxy], [Cyx, Cyy]], and this is Cxx + Cyy + i (Cyx - Cxy)."""
    if input.ndim > 2:
        raise ShapeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions")
    z = input.reshape(1, -1) if input.ndim < 2 else input
    n = z.shape[0]
    both = calculus.cov(real_cat([z.real, z.imag], 0), correction=correction, fweights=fweights, aweights=aweights).reshape(2, n, 2, n)
    result = ComplexTensor(both[0, :, 0] + both[1, :, 1], both[1, :, 0] - both[0, :, 1])
    return result.reshape(()) if n == 1 else result


@form()
def corrcoef(input):
    c = cov(input)
    if not c.ndim:
        return div(c, c)
    d = c.real.diagonal().sqrt()
    re, im = parts(div(div(c, d.unsqueeze(1)), d.unsqueeze(0)))
    return ComplexTensor(re.clamp(-1.0, 1.0), im.clamp(-1.0, 1.0))


@form()
def argwhere(input):
    return mask.argwhere(~is_zero(input))


@form()
def renorm(input, p, dim, maxnorm):
    dim = normalize_dim(dim, input.ndim)
    size = FORMS["norm"](input, p, tuple(d for d in range(input.ndim) if d != dim), True)
    return mul(input, where(size > maxnorm, maxnorm / (size + 1e-7), 1.0))


# -- linear algebra ---------------------------------------------------------------------------------------------------------------


@form(factor.solve_triangular)
def solve_triangular(A, B, *, upper, left=True, unitriangular=False):
    triangle = A.triu(1 if unitriangular else 0) if upper else A.tril(-1 if unitriangular else 0)
    if unitriangular:
        triangle = triangle + as_complex(_eye(A))
    return solve(triangle, B, left=left)


@form()
def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False):
    a = A.mT if transpose else A
    return lu.triangular_solve_result(solve_triangular(a, b, upper=upper != transpose, unitriangular=unitriangular), A.clone())


@form()
def cholesky_solve(B, L, upper=False):
    lower = L.mH if upper else L
    return solve_triangular(lower.mH, solve_triangular(lower, B, upper=False), upper=True)


@form()
def cholesky_inverse(L, upper=False):
    inverse = inv(L.triu().mH if upper else L.tril())
    return matmul(inverse.mH, inverse)


def _or_info(result, f, A, like, check_errors):
    try:
        y, failed = f(), 0
    except factor.LinAlgError:
        if check_errors:
            raise
        y, failed = zeros_like_complex(like), 1
    return result(y, zeros(A.shape[:-2], dtype="int32") + failed)


@form()
def inv_ex(A, *, check_errors=False):
    return _or_info(lu.inv_ex_result, lambda: inv(A), A, A, check_errors)


@form()
def cholesky_ex(A, *, upper=False, check_errors=False):
    return _or_info(lu.cholesky_ex_result, lambda: cholesky(A, upper=upper), A, A, check_errors)


@form()
def solve_ex(A, B, *, left=True, check_errors=False):
    return _or_info(lu.solve_ex_result, lambda: solve(A, B, left=left), A, B, check_errors)


@form()
def tensorinv(A, ind=2):
    n, shape = lu.inverse_shape(A.shape, ind)
    return inv(A.reshape(n, -1)).reshape(shape)


@form()
def tensorsolve(A, B, dims=None):
    A = lu.to_the_end(A, dims)
    n, shape = lu.solution_shape(A.shape, B.shape)
    return solve(A.reshape(n, -1), B.reshape(-1)).reshape(shape)


@form()
def multi_dot(tensors):
    tensors = list(tensors)
    if len(tensors) < 2:
        raise ShapeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    return functools.reduce(matmul, tensors)


@form()
def matrix_rank(A, *, atol=None, rtol=None, hermitian=False):
    s = svdvals((A.tril() + A.tril(-1).mH if hermitian else A).detach())
    if rtol is None and atol is None:
        rtol = max(A.shape[-2:]) * float(np.finfo(A.real.dtype.numpy).eps)
    return matrix.matrix_rank(s.diag_embed(), atol=atol, rtol=rtol)  # a real matrix of the same singular values


@form()
def cond(A, p=None):
    if p in (None, 2, -2):
        s = svdvals(A)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    norm = FORMS[matrix.matrix_norm]
    return norm(A, p) * norm(inv(A), p)


@form()
def lstsq(A, B, rcond=None, *, driver=None):
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise ShapeError(f"torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver}")
    A, B = as_complex(A), as_complex(B)
    m, n = A.shape[-2:]
    vector = B.ndim == A.ndim - 1
    B = B.unsqueeze(-1) if vector else B
    if B.ndim < 2 or B.shape[-2] != m:
        raise ShapeError(f"linalg.lstsq: input.size(-2) should match other.size(-2), got {list(A.shape)} and {list(B.shape)}")
    x, rank = matmul(pinv(A, rtol=rcond), B), matrix_rank(A, rtol=rcond)
    full = m > n and driver not in (None, "gelsy") and bool((rank == n).all())
    residuals = (abs(sub(matmul(A, x), B)) ** 2).sum(-2) if full else zeros(0, dtype=A.real.dtype)
    values = svdvals(A.detach()) if driver in ("gelsd", "gelss") else zeros(0, dtype=A.real.dtype)
    rank = zeros(0, dtype="int64") if driver == "gels" else rank
    return matrix.lstsq_result(x.squeeze(-1) if vector else x, residuals, rank, values)


@form(lu.OLDER["svd"])
def older_svd(input, some=True, compute_uv=True):
    u, s, vh = svd(input, full_matrices=not some)
    return lu.svd_result(u, s, vh.mH)


@form()
def svd_lowrank(A, q=6, niter=2, M=None):
    u, s, vh = svd(A if M is None else sub(A, M), full_matrices=False)
    return u[..., :q], s[..., :q], vh.mH[..., :q]


@form()
def pca_lowrank(A, q=None, center=True, niter=2):
    q = min(6, *A.shape[-2:]) if q is None else q
    if not 0 <= q <= min(A.shape[-2:]):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(A.shape[-2:])}")
    return svd_lowrank(sub(A, A.mean(-2, True)) if center else A, q)


@form(calculus.vander)
def vander(x, N=None, increasing=False):
    if x.ndim != 1:
        raise ShapeError(f"vander: x must be a one-dimensional tensor, got {x.ndim}-d")
    N = x.shape[0] if N is None else int(N)
    if N < 0:
        raise ShapeError(f"vander: N must be non-negative, got {N}")
    if not N:
        return zeros_like_complex(x.unsqueeze(1)[:, :0])
    return stack([pow(x, k) for k in (range(N) if increasing else range(N - 1, -1, -1))], 1)


@form(linalg.vander)
def linalg_vander(x, *, N=None):
    N = x.shape[-1] if N is None else int(N)
    if N <= 1:
        raise ShapeError(f"N must be greater than 1, got {N}")
    x = x.unsqueeze(0) if x.ndim == 0 else x
    return stack([pow(x, k) for k in range(N)], -1)
