"""Parameters: tensors that a module owns and an optimizer changes."""

from __future__ import annotations

from ..complex_tensor.tensor import ComplexTensor, parts
from ..errors import named
from ..tensor import Tensor, as_tensor
from ..tensor import empty as _empty

__all__ = ["Buffer", "Parameter"]

empty = named(_empty)  # of complex dtypes too


class ComplexParameter(ComplexTensor):
    """A `Parameter` of complex numbers: what `Parameter(z)` makes."""

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()


class _ParameterType(type(Tensor)):
    def __instancecheck__(cls, x):
        return super().__instancecheck__(x) or (cls is Parameter and isinstance(x, ComplexParameter))


class Parameter(Tensor, metaclass=_ParameterType):
    """A leaf tensor that registers itself with the module it is assigned to; shares the memory of `data`.

    Of a complex tensor it is one too (an optimizer's parameters are its two parts).
    """

    def __new__(cls, data=None, requires_grad: bool = True):
        if isinstance(data, ComplexTensor):
            return ComplexParameter(*parts(data.detach())).requires_grad_(requires_grad)
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
