"""var, std and norm over any axes: reductions whose derivative has the distance from a mean, or from zero."""

from __future__ import annotations

import builtins

from ..autodiff import no_grad, op
from ..device import kernels
from ..errors import DTypeError, ShapeError, rounded_once
from ..tensor import normalize_dim
from .elementwise import where
from .reduce import (
    _dims,
    _kept,
    _mean,
    _mean_of_ties,
    _need_elements,
    _run,
    _shape,
    _shared,
    _spread,
    _sum,
    mean,
)

# -- var, std ---------------------------------------------------------------------------------------------------------------


@op(saves="x")
def _var(x, *, dims, shape, correction):
    return _run(kernels(x).var, x, dims, shape, x.dtype, correction)


@op(saves="xy")
def _std(x, *, dims, shape, correction):
    return _run(kernels(x).std, x, dims, shape, x.dtype, correction)


def _from_mean(x, dims):
    return x - _mean(x, dims=dims, shape=_shape(x, dims, True))


def _free(y, x, correction):
    """n - correction, at least 0."""
    n = x._size // builtins.max(y._size, 1) - correction
    return n if n > 0 else float("nan")


def _var_slope(g, y, x, correction):
    return g * (2 / _free(y, x, correction))


def _std_slope(g, y, x, correction):
    return g / (_zero_as_inf(y) * _free(y, x, correction))


def _dx(slope):
    """The derivative, slope · (x - mean), both ways: written with ops, and backwards also in one pass after the mean's."""

    def partial(g, y, x, dims, shape, correction):
        return _spread(slope(g, y, x, correction), x, dims) * _from_mean(x, dims)

    def tangent(t, y, x, dims, shape, correction):
        return slope(_sum(_from_mean(x, dims) * t, dims=dims, shape=shape), y, x, correction)

    def in_one_pass(g, y, x, needs, dims, shape, correction):
        k = kernels(x)
        mean = _run(k.mean, x, dims, _shape(x, dims, True), x.dtype)
        return (k.var_dx(_kept(slope(g, y, x, correction), x, dims), x, mean),)

    return partial, tangent, in_one_pass


for _op, _slope in ((_var, _var_slope), (_std, _std_slope)):
    _partial, _tangent, _in_one_pass = _dx(_slope)
    _op.partials(_partial).tangents(_tangent).joint(_in_one_pass)


def _zero_as_inf(y):
    """y, infinite where it is 0, so that g / y is 0 there, as is its derivative."""
    from .elementwise import where

    return where(y == 0, float("inf"), y)


def _variance(f, name, input, dim, unbiased, correction, keepdim):
    if isinstance(dim, builtins.bool):  # var(x, unbiased)
        dim, unbiased = None, dim
    if not input._floating:
        raise DTypeError(f"std and var only support floating point and complex dtypes, got {input.dtype.name}")
    if unbiased is not None:
        if correction is not None:
            raise TypeError(f"{name}: give unbiased or correction, not both")
        correction = int(unbiased)
    dims = _dims(input, dim)
    return f(input, dims=dims, shape=_shape(input, dims, keepdim), correction=1.0 if correction is None else float(correction))


def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Σ (x - mean)² / (n - correction) over dim, correction 1 unless given (unbiased=False: 0). Two passes, no cancellation."""
    return _variance(_var, "var", input, dim, unbiased, correction, keepdim)


def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The square root of `var`. Where it is 0 its gradient is 0."""
    return _variance(_std, "std", input, dim, unbiased, correction, keepdim)


def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """(var, mean) over dim."""
    v = var(input, dim, unbiased, keepdim, correction=correction)
    return v, mean(input, None if isinstance(dim, builtins.bool) else dim, keepdim)


@rounded_once
def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """(std, mean) over dim."""
    v = std(input, dim, unbiased, keepdim, correction=correction)
    return v, mean(input, None if isinstance(dim, builtins.bool) else dim, keepdim)


# -- norm -------------------------------------------------------------------------------------------------------------------


@op(saves="xy")
def _norm(x, *, dims, shape, p):
    return _run(kernels(x).norm, x, dims, shape, x.dtype, p)


def _norm_dx(g, y, x, dims, shape, p):
    from .elementwise import sign

    if p == 2:
        return _spread(g / _zero_as_inf(y), x, dims) * x
    with no_grad():
        signs = sign(x.detach())
    if p == 1:
        return _spread(g, x, dims) * signs
    return _shared(g, y, abs(x), dims) * signs


def _norm_tangent(t, y, x, dims, shape, p):
    from .elementwise import sign

    if p == 2:
        return _sum(x * t, dims=dims, shape=shape) / _zero_as_inf(y)
    t = t * sign(x.detach())
    return _sum(t, dims=dims, shape=shape) if p == 1 else _mean_of_ties(t, y, abs(x), dims, shape)


_norm.partials(_norm_dx).tangents(_norm_tangent)


@rounded_once
def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """(Σ |x|^p)^(1/p) over dim: p = 2 ("fro", None), 1, 0 (how many are not 0), inf (largest |x|), -inf, or any number."""
    if dtype is not None:
        input = input.to(dtype)
    if not input._floating:
        raise DTypeError(f"norm: expected a floating point tensor, got {input.dtype.name}")
    if p in ("fro", None):
        p = 2.0
    if p == "nuc":
        from .matrix import matrix_norm

        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim)
    if isinstance(p, str):
        raise ValueError(f"norm: unknown order '{p}'; expected a number, inf, -inf or 'fro'")
    p, dims = float(p), _dims(input, dim)
    shape = _shape(input, dims, keepdim)
    if abs(p) == float("inf"):
        _need_elements(input, dims, "norm")
    if p in (1.0, 2.0) or abs(p) == float("inf"):
        return _norm(input, dims=dims, shape=shape, p=p)
    if p == 0:
        return _sum((input != 0).to(input.dtype), dims=dims, shape=shape)
    return _sum(abs(input) ** p, dims=dims, shape=shape) ** (1 / p)


@rounded_once
def dist(input, other, p=2):
    """norm(input - other, p)."""
    return norm(input - other, p)


def renorm(input, p, dim, maxnorm):
    """input with the slices along dim whose p-norm is above maxnorm scaled down to it."""
    dim = normalize_dim(dim, input.ndim)
    if not p > 0:
        raise ShapeError(f"renorm: non-positive norm not supported, got {p}")
    if input.ndim < 2:
        raise ShapeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    if maxnorm < 0:
        raise ShapeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    size = norm(input, p, tuple([d for d in range(input.ndim) if d != dim]), True)
    return input * where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)


__all__ = ("dist", "norm", "renorm", "std", "std_mean", "var", "var_mean")
METHODS = __all__
FUNCTIONAL = ()
