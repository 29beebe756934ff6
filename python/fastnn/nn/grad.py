"""The gradients of convolutions as functions of their own: `conv2d_input`, `conv2d_weight` and their like in one and three dimensions.

They are what backward computes for a convolution without bias: gradients with respect to an input (or weight) of the given size.
"""

from __future__ import annotations

from .. import autodiff
from ..tensor import zeros
from . import functional as F

__all__ = [f"conv{n}d_{of}" for n in (1, 2, 3) for of in ("input", "weight")]


def _made(n):
    convolution = getattr(F, f"conv{n}d")

    def of_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
        with autodiff.enable_grad():
            x = zeros(input_size, dtype=weight.dtype, device=weight.device, requires_grad=True)
            y = convolution(x, weight, None, stride, padding, dilation, groups)
            return autodiff.grad(y, x, grad_output, create_graph=weight.requires_grad or grad_output.requires_grad)[0]

    def of_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
        with autodiff.enable_grad():
            w = zeros(weight_size, dtype=input.dtype, device=input.device, requires_grad=True)
            y = convolution(input, w, None, stride, padding, dilation, groups)
            return autodiff.grad(y, w, grad_output, create_graph=input.requires_grad or grad_output.requires_grad)[0]

    for f, of, shapes in (
        (of_input, "input", "input_size of the input; weight, grad_output (the shape of the result) → the gradient of the input"),
        (of_weight, "weight", "input; weight_size of the weight, grad_output (the shape of the result) → the gradient of the weight"),
    ):
        f.__name__ = f.__qualname__ = f"conv{n}d_{of}"
        f.__doc__ = f"{shapes}. Differentiable. Errors are `conv{n}d`'s."
    return of_input, of_weight


conv1d_input, conv1d_weight = _made(1)
conv2d_input, conv2d_weight = _made(2)
conv3d_input, conv3d_weight = _made(3)
