"""The table of complex forms: what a function of real tensors means for complex ones, found when its kernel has refused them."""

from __future__ import annotations

import inspect
import threading

from .. import dtypes
from ..autodiff import Array
from ..errors import named
from ..out import into
from ..tensor import Tensor
from .tensor import ComplexTensor

FORMS = {}  # by the function itself, or by its name


NATIVE = {Tensor.stft.__wrapped__, Tensor.istft.__wrapped__}  # functions that take complex tensors themselves


class NoComplexForm(NotImplementedError, TypeError):
    """A function that has no meaning, or no implementation, for complex tensors."""


def form(*keys):
    """Registers the complex form of functions: by name, or by the (real) function where another has the same name."""

    def register(f):
        for key in keys or (f.__name__,):
            FORMS[getattr(key, "__wrapped__", key)] = f
        return f

    return register


def native(f):
    """`errors.named` for a function that takes complex tensors itself: its errors are its own."""
    NATIVE.add(f)
    return named(f)


def find(f):
    """The complex form of the function f, or None. A name that ends in _ is its function's in-place form."""
    f = getattr(f, "__wrapped__", f)
    name = f.__name__
    found = FORMS.get(f) or FORMS.get(name)
    if found is None and name.endswith("_") and not name.startswith("_") and name[:-1] in FORMS:
        found = in_place(FORMS[name[:-1]], name)
    return found


class _Open(threading.local):
    """The forms that are being computed."""

    def __init__(self):
        self.functions = []


_open = _Open()


def answer(f, args, kwargs):
    """The result of f's complex form. NoComplexForm where there is none; TypeError where it only finds its way back to f."""
    if _open.functions.count(f) > 5:
        raise TypeError(f"{f.__name__}: expected Tensors, got {', '.join(type(a).__name__ for a in args)}")
    _open.functions.append(f)
    try:
        return _answer(f, args, kwargs)
    finally:
        _open.functions.pop()


def _answer(f, args, kwargs):
    name = f.__name__.removeprefix("__").removesuffix("__")
    found = find(f)
    if found is None:
        kind = next((x.dtype for x in args if isinstance(x, ComplexTensor)), dtypes.complex64)
        raise NoComplexForm(f"\"{name}\" not implemented for '{'ComplexFloat' if kind is dtypes.complex64 else 'ComplexDouble'}'")
    takes_input = getattr(f, "__code__", None) is not None and f.__code__.co_varnames[:1] == ("input",)
    if takes_input and args and isinstance(args[0], complex) and not any(isinstance(a, (Array, ComplexTensor)) for a in (*args, *kwargs.values())):
        raise TypeError(f"{name}: argument 'input' (position 1) must be Tensor, not complex")
    if name.endswith("_") and args and isinstance(args[0], Array):
        raise RuntimeError(f"{name}: result type ComplexFloat can't be cast to the desired output type {args[0].dtype.name}")
    out = kwargs.pop("out", None)
    result = found(*args, **kwargs)
    return result if out is None else into(name, out, result)


def in_place(f, name):
    """`z.f_(...)`: z with its parts changed to f's result. What the derivative of f reads is a copy of what z was."""

    def method(self, *args, **kwargs):
        old = self.clone() if self.requires_grad or any(isinstance(a, Tensor) and a.requires_grad for a in args) else self
        result = f(old, *[old if a is self else a for a in args], **kwargs)
        return self.copy_(result)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of :func:`{f.__name__}`."
    return method


def _missing(name):
    def method(self, *args, **kwargs):
        raise NoComplexForm(f"\"{name}\" not implemented for 'Complex{'Float' if self.dtype is dtypes.complex64 else 'Double'}'")

    method.__name__ = method.__qualname__ = name
    return method


def attach():
    """Gives `ComplexTensor` the methods of `Tensor`: those with a complex form, or that need none, and for others one that says so."""
    for name, f in list(vars(Tensor).items()):
        if name.startswith("_") or name in vars(ComplexTensor) or not inspect.isroutine(f):
            continue
        setattr(ComplexTensor, name, find(f) or (f if getattr(f, "__wrapped__", f) in NATIVE else _missing(name)))
