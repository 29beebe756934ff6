"""Parameters: tensors that a module owns and an optimizer changes."""

from __future__ import annotations

from ..errors import named
from ..overrides import disabled
from ..parts import flat, is_complex
from ..tensor import Tensor, as_tensor
from ..tensor import empty as _empty

__all__ = ["Buffer", "Parameter", "UninitializedParameter", "is_lazy"]

empty = named(_empty)  # of complex dtypes too


class Parameter(Tensor):
    """A leaf tensor that registers itself with the module it is assigned to; shares the memory of `data`.

    Of a complex tensor it is one too (an optimizer's parameters are its two parts).
    """

    __torch_function__ = staticmethod(disabled)

    def __new__(cls, data=None, requires_grad: bool = True):
        if is_complex(data):
            from ..complex_tensor.creation import ComplexParameter

            return ComplexParameter(*flat(data.detach())).requires_grad_(requires_grad)
        if cls is Parameter and getattr(data, "is_meta", False):
            from ..meta import MetaParameter as cls
        parameter = super().__new__(cls, empty(0) if data is None else as_tensor(data))
        parameter.requires_grad = requires_grad
        return parameter

    def __deepcopy__(self, memo):
        """Its values, without gradient: as PyTorch's, so that a copied module starts afresh."""
        memo[id(self)] = copied = self._alike(self.detach().clone())
        return copied

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


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet; the same object becomes the Parameter."""

    def __new__(cls, requires_grad=True, dtype=None):
        return super().__new__(cls, empty(0, dtype=dtype), requires_grad)

    @property
    def shape(self):
        raise RuntimeError("Can't access the shape of an uninitialized parameter or buffer. Call the module with an input first.")

    def materialize(self, shape, device=None, dtype=None):
        """Gives it memory of this shape: from then on it is a Parameter."""
        self.data = empty(tuple(shape), dtype=self.dtype if dtype is None else dtype, device=device)
        self.__class__ = self.cls_to_become

    cls_to_become = Parameter

    def _alike(self, values):
        return type(self)(self.requires_grad, self.dtype)

    def __reduce__(self):
        return type(self), (self.requires_grad, self.dtype)

    def __repr__(self):
        return "<UninitializedParameter>"


def is_lazy(param):
    return isinstance(param, UninitializedParameter)
