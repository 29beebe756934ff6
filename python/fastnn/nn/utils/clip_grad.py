"""Gradients cut to a size, all at once."""

from __future__ import annotations

import math

from ...autodiff import no_grad
from ...ops import optimizer
from ...parts import flat, is_complex
from ...row_sparse import RowSparse
from ...tensor import Tensor, tensor

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _listed(parameters):
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def _gradients(parameters):
    return [_values(p) for p in _listed(parameters) if p.grad is not None]


def _values(p):
    """p's gradient, or its rows where it has only some: every row once, so that their norm is the gradient's."""
    if not isinstance(p.grad, RowSparse):
        return p.grad
    p.grad = p.grad.coalesce()
    return p.grad.values()


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of all tensors as if they were one vector; norm_type > 0, math.inf for the largest magnitude."""
    tensors = [t.detach().abs() if is_complex(t) else t for t in _listed(tensors)]
    if not tensors:
        return tensor(0.0)
    norm_type = float(norm_type)
    if not norm_type > 0:
        raise ValueError(f"norm_type must be positive, got {norm_type}")
    with no_grad():
        norm = optimizer.grad_norm(tensors, norm_type)
    if error_if_nonfinite and not math.isfinite(float(norm)):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return norm


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scale all gradients by max_norm / their norm, if that is below 1. Returns the norm they had."""
    parameters = _listed(parameters)
    norm = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, norm)
    return norm


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """Scale all gradients by max_norm / total_norm (of `get_total_norm`, perhaps over more of them), if that is below 1."""
    gradients = _gradients(parameters)
    if gradients:
        with no_grad():
            optimizer.clip_to_norm(list(flat(gradients)), total_norm, float(max_norm))


clip_grad_norm = clip_grad_norm_


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Clip each element of each gradient to ±clip_value."""
    gradients = _gradients(parameters)
    if gradients:
        with no_grad():
            optimizer.clip_to_value(list(flat(gradients)), float(clip_value))
