"""`fastnn.autograd.function`, PyTorch's home of Function: the same class, and what stands beside it there."""

from __future__ import annotations

import functools

from ..autodiff import no_grad
from . import Context, Function

FunctionCtx, InplaceFunction = Context, Function


def once_differentiable(backward):
    """Decorator of a static backward: its gradients are constants, so second derivatives through it are refused as missing."""

    @functools.wraps(backward)
    def f(ctx, *grads):
        with no_grad():
            return backward(ctx, *grads)

    return f
