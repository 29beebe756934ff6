"""Complex tensors: `ComplexTensor` is a pair of real tensors, and every function of it is made of functions of real ones.

So every kernel, every derivative and both modes are those of real tensors, and real tensors pay nothing: a function finds out that an
argument is complex when its kernel refuses it (`errors.named`), and is then looked up in the table of complex forms (forms.py).
A function that has none raises `NoComplexForm`, which names it. This package loads when that first happens, or is first asked for.
"""

from __future__ import annotations

from . import (  # noqa: F401
    arithmetic,
    compositions,
    creation,
    derivatives,
    factorizations,
    functions,
    hooks,
    linalg,
    lu,
    operators,
    partwise,
    products,
    reductions,
)
from .creation import complex, polar, view_as_complex, view_as_real
from .forms import NoComplexForm, attach
from .tensor import ComplexTensor

attach()
__all__ = ["ComplexTensor", "NoComplexForm", "complex", "polar", "view_as_complex", "view_as_real"]
