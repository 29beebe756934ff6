"""Subclasses of Tensor, and other classes with `__torch_function__`: what is computed with them is theirs to define.

    class Logged(fastnn.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            print(func.__name__)
            return super().__torch_function__(func, types, args, kwargs)

Every function, method and operator with a Logged among its arguments (or in a list of them) calls it; without one of its own, a
subclass only gets what is computed from it as its own class. Programs without subclasses pay nothing: the first one of them
makes `_cpu.Named` ask `_watch`, and operators, which are slots of the type, are put into the subclass. A class that is no
Tensor is found where a function fails with it (errors.py).
"""

from __future__ import annotations

import threading
from contextlib import contextmanager

from . import _cpu
from .size import Size
from .tensor import Tensor

__all__ = ["handle_torch_function", "has_torch_function", "is_tensor_like"]

_KINDS = set()  # subclasses of Tensor that take part
_plain = threading.local()  # .now: inside the default, everything is a plain tensor

_OPERATORS = {  # operator: the function that computes it; reflected ones take their arguments the other way round
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide", "mod": "remainder", "pow": "pow",
    "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}  # fmt: skip
_SAME = "eq ne lt le gt ge neg abs".split()
_ITSELF = "__getitem__ __setitem__ __invert__ __round__ __divmod__ __repr__ __format__ __float__ __int__ __bool__ detach".split()
_PROPERTIES = "T mT H mH real imag data grad".split()


def disabled(func, types, args=(), kwargs=None):
    """The `__torch_function__` of classes that take no part: Parameter."""
    return NotImplemented


def default(cls, func, types, args=(), kwargs=None):
    """func(*args, **kwargs) of plain tensors; results of class cls."""
    if cls not in _KINDS or not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with plainly():
        return _as(cls, func(*args, **(kwargs or {})))


@contextmanager
def plainly():
    """Subclasses are plain tensors within."""
    before, _plain.now = getattr(_plain, "now", False), True
    try:
        yield
    finally:
        _plain.now = before


def _as(cls, y):
    return mapped_results(y, lambda t: t if isinstance(t, cls) else t.as_subclass(cls))


def mapped_results(y, change):
    """What a function returned, with `change` made of the tensors in it."""
    if isinstance(y, _cpu.Array):
        return change(y)
    if isinstance(y, (tuple, list)):
        of = (mapped_results(item, change) for item in y)
        return type(y)._make(of) if hasattr(y, "_make") else y if isinstance(y, Size) else type(y)(of)
    return y


def tensors_in(x):
    """The tensors in tuples and lists of tuples and lists."""
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, (tuple, list)):
        for item in x:
            yield from tensors_in(item)


def _types(args, kwargs, takes_part):
    """Classes among the arguments, subclasses before their bases."""
    found = []
    for x in (*args, *kwargs.values()):
        for item in x if isinstance(x, (tuple, list)) else (x,):
            kind = type(item)
            if kind not in found and takes_part(kind):
                found.insert(next((i for i, k in enumerate(found) if issubclass(kind, k)), len(found)), kind)
    return found


def _ask(func, types, args, kwargs):
    for kind in types:
        result = kind.__torch_function__(func, tuple(types), args, kwargs)
        if result is not NotImplemented:
            return result
    return NotImplemented


def _watch(func, args, kwargs):
    """What _cpu.Named makes of a call: its result, or NotImplemented where no argument takes part."""
    types = () if getattr(_plain, "now", False) else _types(args, kwargs, _KINDS.__contains__)
    return handle_torch_function(func, types, *args, **kwargs) if types else NotImplemented


_watchers = []


def watch_calls(f):
    """Lets f(func, args, kwargs) answer every call of a function or method, or give NotImplemented; after those that watch already."""
    _watchers.append(f)
    _cpu.watch_calls(f if len(_watchers) == 1 else _first_answer)


def _first_answer(func, args, kwargs):
    for f in _watchers:
        result = f(func, args, kwargs)
        if result is not NotImplemented:
            return result
    return NotImplemented


def _foreign(kind):
    return hasattr(kind, "__torch_function__") and not issubclass(kind, _cpu.Array)


def of_foreign(func, args, kwargs):
    """func's result by the `__torch_function__` of an argument that is no Tensor; NotImplemented where there is none, or it has called
    func itself, in vain."""
    types, asked = _types(args, kwargs, _foreign), _plain.__dict__.setdefault("asked", [])
    if not types or func in asked:
        return NotImplemented
    asked.append(func)
    try:
        return handle_torch_function(func, types, *args, **kwargs)
    finally:
        asked.remove(func)


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """The result of the first `__torch_function__` that has one. relevant_args: values or classes. TypeError if none has."""
    types = [a if isinstance(a, type) else type(a) for a in relevant_args]
    result = _ask(public_api, [t for t in types if hasattr(t, "__torch_function__")], args, kwargs)
    if result is NotImplemented:
        raise TypeError(f"Multiple dispatch failed for '{public_api.__name__}'; all __torch_function__ handlers returned NotImplemented")
    return result


def has_torch_function(relevant_args):
    """Whether one of the values has a `__torch_function__` that takes part."""
    return bool(_types(tuple(relevant_args), {}, lambda k: k in _KINDS or _foreign(k)))


def is_tensor_like(inp):
    return isinstance(inp, _cpu.Array) or hasattr(inp, "__torch_function__")


def join(cls):
    """A new subclass of Tensor: it takes part unless it is a Parameter."""
    super(Tensor, cls).__init_subclass__()
    ours = cls.__module__.partition(".")[0] == __package__ and not getattr(cls, "takes_part", False)
    if ours or cls.__torch_function__ is disabled:
        return
    if not _KINDS:
        watch_calls(_watch)
    _KINDS.add(cls)
    cls._prefix = f"{cls.__name__}("

    def forward(name, func, swapped=False):
        its = getattr(Tensor, name)
        if getattr(cls, name) is not its:  # the subclass's own, or put there already
            return

        def method(self, *args):
            if getattr(_plain, "now", False):
                return its(self, *args)
            args = (*args, self) if swapped else (self, *args)
            return _ask(func, _types(args, {}, _KINDS.__contains__), args, {})

        method.__name__ = name
        setattr(cls, name, method)

    for symbol, name in _OPERATORS.items():
        forward(f"__{symbol}__", getattr(Tensor, name))
        forward(f"__r{symbol}__", getattr(Tensor, name), swapped=True)
    for name in _SAME:
        forward(f"__{name}__", getattr(Tensor, name))
    for name in _ITSELF:
        forward(name, getattr(Tensor, name))
    for name in _PROPERTIES:
        its = vars(Tensor).get(name) or getattr(_cpu.Array, name)
        if getattr(cls, name, None) is its:
            setattr(cls, name, _property(its))
    if cls.__iter__ is Tensor.__iter__:
        cls.__iter__ = lambda self: iter(self.unbind(0))


def _property(its):
    def get(self):
        if getattr(_plain, "now", False):
            return its.__get__(self)
        return _ask(its.__get__, [type(self)], (self,), {})

    return property(get, its.__set__ if hasattr(its, "__set__") else None)


def as_subclass(self, cls):
    """The tensor as one of class cls, of the same memory and history."""
    if not issubclass(cls, Tensor):
        raise TypeError(f"as_subclass: expected a subclass of Tensor, got {cls!r}")
    with plainly():
        y = self[...]
    y.__class__ = cls
    return y


def _make_subclass(cls, data, require_grad=False):
    return as_subclass(data.detach(), cls).requires_grad_(require_grad)


Tensor._prefix = "tensor("
Tensor.as_subclass, Tensor._make_subclass = as_subclass, staticmethod(_make_subclass)
Tensor.__torch_function__, Tensor.__init_subclass__ = classmethod(default), classmethod(join)
