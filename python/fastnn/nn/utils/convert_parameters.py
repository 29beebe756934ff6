"""All parameters as one vector and back: what L-BFGS, evolution strategies and Hessian products want."""

from __future__ import annotations

from ... import ops
from ...autodiff import no_grad
from ...errors import named
from ...tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters):
    """One vector of all parameters, in order, each in row-major order."""
    return named(ops.join.cat)([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Copy consecutive pieces of vec into the parameters."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected a Tensor, but got: {type(vec).__name__}")
    parameters = list(parameters)
    total = sum(p.numel() for p in parameters)
    if vec.ndim != 1 or vec.numel() != total:
        raise ValueError(f"vector_to_parameters: expected a vector of {total} numbers, got shape {list(vec.shape)}")
    begin = 0
    with no_grad():
        for p in parameters:
            p.copy_(vec[begin : begin + p.numel()].reshape(p.shape))
            begin += p.numel()
