"""The operators of complex tensors, and those of real ones with complex numbers."""

from __future__ import annotations

import numpy as np

from ..autodiff import Array
from .arithmetic import abs, add, div, eq, mul, ne, neg, positive, sub
from .forms import NoComplexForm, in_place
from .functions import pow
from .products import matmul
from .tensor import ComplexTensor, known


def _product(a, b):
    return matmul(known(a), known(b)) if all(hasattr(x, "ndim") for x in (a, b)) else NotImplemented


def _operators():
    """Of complex tensors on either side. What is no operand (a str) is left to Python."""

    def operator(f, swapped):
        def method(a, b):
            if not isinstance(b, (ComplexTensor, Array, np.ndarray, np.generic, int, float, complex)):
                return NotImplemented
            return f(b, a) if swapped else f(a, b)

        return method

    def refused(name):
        def method(a, b):
            raise NoComplexForm(f"\"{name}\" not implemented for complex tensors: they have no order, and no remainder")

        return method

    for name, f in (("add", add), ("sub", sub), ("mul", mul), ("truediv", div), ("pow", pow)):
        setattr(ComplexTensor, f"__{name}__", operator(f, False))
        setattr(ComplexTensor, f"__r{name}__", operator(f, True))
        setattr(ComplexTensor, f"__i{name}__", in_place(f, f"__i{name}__"))
    for name, f in (("eq", eq), ("ne", ne)):
        setattr(ComplexTensor, f"__{name}__", operator(f, False))
    for name in "lt le gt ge floordiv rfloordiv mod rmod".split():
        setattr(ComplexTensor, f"__{name}__", refused(name))
    ComplexTensor.__matmul__, ComplexTensor.__rmatmul__ = _product, lambda a, b: _product(b, a)
    ComplexTensor.__neg__, ComplexTensor.__pos__, ComplexTensor.__abs__ = neg, positive, abs


_operators()
