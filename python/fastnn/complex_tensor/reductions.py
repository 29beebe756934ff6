"""Reductions of complex tensors that are not sums, and what only their magnitudes decide: norms, spreads, tests for zero."""

from __future__ import annotations

from .. import dtypes
from ..ops import matrix, reduce, variance
from ..tensor import normalize_dim, ones_like, zeros_like
from . import partwise  # noqa: F401
from .arithmetic import abs, is_zero, mul, sub
from .factorizations import svdvals
from .forms import FORMS, NoComplexForm, form
from .tensor import ComplexTensor

cat, stack = FORMS["cat"], FORMS["stack"]


@form()
def prod(input, dim=None, keepdim=False, *, dtype=None):
    z = input if dtype is None else input.to(dtype)
    if dim is None:
        z, dim = z.reshape(-1), 0
    dim = normalize_dim(dim, z.ndim)
    z = z.reshape(1) if z.ndim == 0 else z
    n = z.shape[dim]
    if n == 0:
        empty = z.real.sum(dim, keepdim=True)
        z = ComplexTensor(ones_like(empty), zeros_like(empty))
    while n > 1:  # halves: n/2 products at once
        half = n // 2
        rest = z.narrow(dim, 2 * half, n % 2)
        z = mul(z.narrow(dim, 0, half), z.narrow(dim, half, half))
        if n % 2:
            z = mul(z.narrow(dim, 0, 1), rest) if half == 1 else cat([z, rest], dim)
        n = z.shape[dim]
    return z if keepdim and input.ndim else z.squeeze(dim)


@form()
def cumprod(input, dim, *, dtype=None):
    z = input if dtype is None else input.to(dtype)
    if z.ndim == 0:
        return z.clone()
    each = z.unbind(dim)
    result = list(each[:1])
    for z in each[1:]:
        result.append(mul(result[-1], z))
    return stack(result, dim) if result else input.clone()


def _spread(f):
    def g(input, *args, **kwargs):
        return f(input.real, *args, **kwargs) + f(input.imag, *args, **kwargs)

    return g


var = form("var")(_spread(variance.var))


@form()
def std(input, *args, **kwargs):
    return var(input, *args, **kwargs).sqrt()


def _and_mean(name, f):
    def g(input, dim=None, *args, keepdim=False, **kwargs):
        if args:
            raise NoComplexForm(f"{name}: of complex tensors, only dim, correction, unbiased and keepdim (by keyword)")
        if isinstance(dim, bool):  # the older var_mean(input, unbiased)
            dim, kwargs = None, {"unbiased": dim}
        return f(input, dim, keepdim=keepdim, **kwargs), input.mean(dim, keepdim=keepdim)

    form(name)(g)


_and_mean("var_mean", var)
_and_mean("std_mean", std)


def _real(dtype):
    """The dtype of magnitudes of numbers of this one, or None."""
    if dtype is not None and not isinstance(dtype, dtypes.dtype):
        raise TypeError(f"dtype must be a fastnn dtype, not {type(dtype).__name__}")
    return dtype and dtype.to_real()


@form()
def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    if p == "nuc":
        return _by_singular_values(input, p, (-2, -1) if dim is None else dim, keepdim)
    return variance.norm(abs(input), p, dim, keepdim, _real(dtype))


@form(matrix.vector_norm)
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    return matrix.vector_norm(abs(x), ord, dim, keepdim, dtype=_real(dtype))


def _by_singular_values(A, ord, dim, keepdim):
    rows, columns = (normalize_dim(d, A.ndim) for d in dim)
    s = svdvals(A.movedim((rows, columns), (-2, -1)))
    y = s.sum(-1) if ord == "nuc" else s.amax(-1) if ord == 2 else s.amin(-1)
    for d in sorted((rows, columns)) if keepdim else ():
        y = y.unsqueeze(d)
    return y


@form(matrix.norm)
def linalg_norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    of_matrices = (dim is None and A.ndim == 2) or (isinstance(dim, (tuple, list)) and len(dim) == 2)
    if ord == "nuc" or (of_matrices and ord in (2, -2)):
        return _by_singular_values(A, ord, (-2, -1) if dim is None else dim, keepdim)
    return matrix.norm(abs(A), ord, dim, keepdim, dtype=_real(dtype))


@form(matrix.matrix_norm)
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    return linalg_norm(A, ord, tuple(dim), keepdim, dtype=dtype)


@form()
def dist(input, other, p=2):
    return vector_norm(sub(input, other), p)


@form()
def nonzero(input, *, as_tuple=False):
    return (~is_zero(input)).nonzero(as_tuple=as_tuple)


@form()
def count_nonzero(input, dim=None):
    return reduce.count_nonzero(~is_zero(input), dim)


@form()
def all(input, dim=None, keepdim=False):
    return reduce.all(~is_zero(input), dim, keepdim)


@form()
def any(input, dim=None, keepdim=False):
    return reduce.any(~is_zero(input), dim, keepdim)


@form()
def l1_loss(input, target, reduction="mean", **older):
    distance = abs(sub(input, target))
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return distance if reduction == "none" else getattr(distance, reduction)()
