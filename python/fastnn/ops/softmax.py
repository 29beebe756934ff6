"""Probabilities along an axis: softmax, log_softmax, softmin. Their derivatives are ops too, so every order exists."""

from __future__ import annotations

import warnings

from ..autodiff import op
from ..device import kernels
from ..errors import DTypeError
from ..tensor import empty_like, normalize_dim, zeros_like
from .shape import contiguous


@op(saves="y")
def _softmax(x, *, axis):
    y = empty_like(x)
    kernels(x).softmax(y, contiguous(x), axis)
    return y


@op(saves="gy")
def _softmax_dx(g, y, *, axis):
    """y·(g - Σ g·y): the product of g with the symmetric matrix diag(y) - y·yᵀ."""
    dx = empty_like(y)
    kernels(y).softmax_dx(dx, contiguous(g), contiguous(y), axis)
    return dx


@op(saves="y")
def _log_softmax(x, *, axis):
    y = empty_like(x)
    kernels(x).log_softmax(y, contiguous(x), axis)
    return y


@op(saves="gy")
def _log_softmax_dx(g, y, *, axis):
    """g - exp(y)·Σ g."""
    dx = empty_like(y)
    kernels(y).log_softmax_dx(dx, contiguous(g), contiguous(y), axis)
    return dx


_softmax.partials(lambda g, y, x, axis: _softmax_dx(g, y, axis=axis))
_softmax.tangents(lambda t, y, x, axis: _softmax_dx(t, y, axis=axis))  # diag(y) - y·yᵀ is symmetric
_softmax_dx.partials(
    lambda h, dx, g, y, axis: _softmax_dx(h, y, axis=axis),
    lambda h, dx, g, y, axis: h * (g - _sum(g * y, axis)) - g * _sum(h * y, axis),
).tangents(
    lambda t, dx, g, y, axis: _softmax_dx(t, y, axis=axis),
    lambda t, dx, g, y, axis: t * (g - _sum(g * y, axis)) - y * _sum(g * t, axis),
)
_log_softmax.partials(lambda g, y, x, axis: _log_softmax_dx(g, y, axis=axis))
_log_softmax.tangents(lambda t, y, x, axis: t - _sum(t * y.exp(), axis))
_log_softmax_dx.partials(
    lambda h, dx, g, y, axis: h - _sum(h * y.exp(), axis),
    lambda h, dx, g, y, axis: -(h * y.exp() * _sum(g, axis)),
).tangents(
    lambda t, dx, g, y, axis: _log_softmax_dx(t, y, axis=axis),
    lambda t, dx, g, y, axis: -(t * y.exp() * _sum(g, axis)),
)


def _sum(x, axis):
    return x.sum(axis, keepdim=True) if x.ndim else x


def _apply(run, name, input, dim, dtype):
    if dim is None:
        dim = 0 if input.ndim in (0, 1, 3) else 1
        warnings.warn(
            f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
            stacklevel=3,
        )
    if isinstance(dim, bool):
        raise TypeError(f"{name}(): argument 'dim' must be int, not bool")
    dim = normalize_dim(dim, input.ndim)
    if dtype is not None:
        input = input.to(dtype)
    if not input.dtype.is_floating_point:
        raise DTypeError(f"{name}: not implemented for {input.dtype}; pass dtype= or convert the input")
    return run(input, axis=dim)


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(x) / Σ exp(x) along dim; the input is converted to dtype first where one is given.

    Any shape → the same. A row of -inf gives NaN. IndexError for a dim that does not exist, DTypeError for integers.
    """
    return _apply(_softmax, "softmax", input, dim, dtype)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """x - log Σ exp(x) along dim, finite wherever x is. Shapes and errors as softmax."""
    return _apply(_log_softmax, "log_softmax", input, dim, dtype)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-input): large where the input is small. Shapes and errors as softmax."""
    return _apply(_softmax, "softmin", -input, dim, dtype)


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A sample of the relaxed categorical distribution: softmax((logits + Gumbel noise) / tau) along dim (Jang et al. 2017).

    hard: one-hot forward, with the derivative of the relaxed sample (straight through).
    """
    from .random import rand

    uniform = rand(logits._shape, dtype=logits.dtype)
    noise = -(-(uniform.clamp(min=1e-30 if logits.dtype.name == "float32" else 1e-300)).log()).log()
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    picked = soft.detach().argmax(dim, keepdim=True)
    return (zeros_like(soft).scatter(dim, picked, 1.0) - soft.detach()) + soft


__all__ = ("softmax", "log_softmax")
METHODS = ("softmax", "log_softmax")
FUNCTIONAL = ("softmax", "gumbel_softmax", "log_softmax", "softmin")
