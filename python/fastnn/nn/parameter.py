"""Parameters: tensors that a module owns and an optimizer changes."""

from __future__ import annotations

from ..tensor import Tensor, as_tensor, empty

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A leaf tensor that registers itself with the module it is assigned to; shares the memory of `data`."""

    def __new__(cls, data=None, requires_grad: bool = True):
        parameter = super().__new__(cls, empty(0) if data is None else as_tensor(data))
        parameter.requires_grad = requires_grad
        return parameter

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that registers itself as a buffer (state without gradient) of the module it is assigned to."""

    persistent = True

    def __new__(cls, data=None, *, persistent: bool = True):
        buffer = super().__new__(cls, empty(0) if data is None else as_tensor(data))
        if not persistent:
            buffer.persistent = False
        return buffer
