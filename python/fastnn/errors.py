"""Exceptions that satisfy both guesses (code that expects PyTorch's class and code that expects NumPy's), and their messages."""

from __future__ import annotations

import copyreg
import functools
import inspect
import re
import warnings

from . import _cpu
from .dtypes import is_complex


class ShapeError(RuntimeError, ValueError):
    """Shapes, sizes or values that do not fit: PyTorch raises RuntimeError here, NumPy ValueError."""


class BoundsError(RuntimeError, IndexError):
    """An index outside an axis: PyTorch raises RuntimeError for most ops, NumPy IndexError."""


class DTypeError(NotImplementedError, TypeError):
    """Element types that do not fit: PyTorch raises RuntimeError here, or NotImplementedError, which is one; NumPy TypeError."""


class OutOfMemoryError(MemoryError, RuntimeError):
    """No more memory on the GPU: PyTorch raises a RuntimeError of this name, Python MemoryError."""


@functools.cache
def named(f):
    """f as users call it: what goes wrong in it is an exception that names it. (f itself if it is no plain function.)

    Ops check what must fit (shapes, dtypes, ranges) and say so themselves. That each argument is of the kind at all, a
    tensor where a tensor is needed, they find by using it; the error of that use is worded here, once for all.
    """
    if not inspect.isfunction(f):
        return f
    return functools.update_wrapper(_cpu.named(f, _blame, _in_float32 if hasattr(f, "rounded_once") else None), f)


def rounded_once(f):
    """Decorator of a function that is made of several kernels here and is one in PyTorch: called with float16 or bfloat16, it is computed in
    float32 and its result rounded once."""
    f.rounded_once = True
    return f


def _in_float32(f, args, kwargs):
    return halves().in_float32(f, args, kwargs)


copyreg.pickle(_cpu.Named, lambda f: (named, (f.__wrapped__,)))


@functools.cache
def complex_forms():
    """complex_tensor/forms.py, whose `answer` is what a function means for complex arguments; loaded now, if it is not yet."""
    from .complex_tensor import forms

    return forms


@functools.cache
def halves():
    """halves.py, whose `in_float32` computes what NumPy cannot; loaded when that is first needed."""
    from . import halves as module

    return module


def _blame(f, error, args, kwargs):
    """The exception to raise for `error`, which f(*args, **kwargs) raised; or the result, where only f's lack of out= was wrong, or
    where an argument is complex: no kernel takes those, so that this is where real functions hand over to their complex forms."""
    if type(error) is TypeError and "unexpected keyword argument" in str(error) and not _NUMPY.keys().isdisjoint(kwargs):
        renamed = {_NUMPY.get(name, name): value for name, value in kwargs.items()}
        if len(renamed) == len(kwargs) and all(name in kwargs or name in f.__code__.co_varnames for name in renamed):
            return named(f)(*args, **renamed)
    if type(error) is TypeError and f.__name__.rstrip("_") in _FACTORS and isinstance(args[-1] if args else None, _cpu.Array):
        again = _with_factors(f, args, kwargs)
        if again is not None:
            return again
    if isinstance(error, Exception) and (is_complex(args) or is_complex(kwargs)) and f not in complex_forms().NATIVE:
        try:
            return complex_forms().answer(f, args, kwargs)
        except Exception as its:
            error = its
    if isinstance(error, TypeError) and "unsupported" in str(error) and _ours(error) and halves().without_numpy(f, error):
        return halves().in_float32(f, args, kwargs)
    if isinstance(error, (TypeError, AttributeError)):
        from .overrides import of_foreign

        result = of_foreign(named(f), args, kwargs)
        if result is not NotImplemented:
            return result
    if "out" in kwargs and type(error) is TypeError and "unexpected keyword argument 'out'" in str(error):
        from .out import written

        return written(named(f), args, kwargs)
    if f.__name__ in _SIZES and _SIZES[f.__name__] in kwargs and type(error) is TypeError and "unexpected keyword argument" in str(error):
        return _with_sizes(f, args, kwargs)
    if not isinstance(error, Exception) or not error.args or not _ours(error):
        return error
    name, text = f.__name__.removeprefix("__").removesuffix("__"), str(error.args[-1])
    kind = type(error)
    if name != "empty":
        text = text.removeprefix("empty: ")  # what makes all memory, and checks the sizes
    if isinstance(error, AttributeError):  # of an argument that is no tensor
        kind, text = TypeError, _not_a_tensor(f, error, args, kwargs) or text
    elif kind.__module__.startswith("numpy"):
        kind, text = next(c for c in (MemoryError, TypeError, IndexError, ValueError, RuntimeError) if isinstance(error, c)), str(error)
    if kind is not type(error):
        new = kind(f"{name}: {text}, in {_call(name, args, kwargs)}")
        new.__cause__ = error
        return new
    if kind is TypeError and name.rstrip("_") not in text and not names_an_op(text):  # others are PyTorch's words, kept as they are
        error.args = (f"{name}: {text}, in {_call(name, args, kwargs)}",)
    return error


def _not_a_tensor(f, error, args, kwargs):
    """Which argument it was whose use as a tensor raised the error; None if that is not clear."""
    try:
        given = inspect.signature(f).bind(*args, **kwargs).arguments
    except TypeError:
        return None
    name = next((name for name, value in given.items() if value is error.obj and not isinstance(value, _cpu.Array)), None)
    return name and f"argument '{name}' must be Tensor, not {type(error.obj).__name__}"


_NUMPY = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other"}  # its names, which every function takes too
_SIZES = {"expand": "size", "permute": "dims", "repeat": "repeats", "reshape": "shape", "tile": "dims", "view": "size"}


def _with_sizes(f, args, kwargs):
    """f(x, size=(2, 3)): by keyword, what f takes as numbers one by one."""
    sizes = kwargs.pop(_SIZES[f.__name__])
    return f(*((kwargs.pop("input"),) if "input" in kwargs else ()), *args, sizes, **kwargs)


_FACTORS = dict.fromkeys(("add", "sub"), ("alpha",)) | dict.fromkeys(("addcmul", "addcdiv"), ("value",))
_FACTORS |= dict.fromkeys(("addbmm", "addmm", "addmv", "addr", "baddbmm"), ("beta", "alpha"))


def _with_factors(f, args, kwargs):
    """x.add_(2, y) for x.add_(y, alpha=2), as older scripts have it: factors by place, before what they multiply. None if it is not that."""
    names = _FACTORS[f.__name__.rstrip("_")]
    numbers = [a for a in args if isinstance(a, (int, float))]
    tensors = [a for a in args if isinstance(a, _cpu.Array)]
    if not 1 <= len(numbers) <= len(names) or len(numbers) + len(tensors) < len(args) or len(tensors) != (2 if names == ("alpha",) else 3):
        return None
    warnings.warn(f"This overload of {f.__name__} is deprecated: give {' and '.join(names)} by name", UserWarning, stacklevel=3)
    return named(f)(*tensors, **dict(zip(names, numbers, strict=False)), **kwargs)


def names_an_op(message):
    """Whether it begins with the name of a function: "matmul: ...", "cat(): ...", "linalg.inv: ...", '"neg" not implemented'."""
    return re.match(r"\"?[\w.]+\"?(\(\))?(: | not implemented|\(\) )", message) is not None


def _ours(error):
    """Whether it was raised in fastnn (or NumPy on its behalf), not in a function that the user handed in."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] not in (__package__, "numpy"):
            return False
        trace = trace.tb_next
    return True


def _call(name, args, kwargs):
    """The call in words: "add(float32[2, 3], alpha=None)"."""
    words = [_word(a) for a in args] + [f"{k}={_word(v)}" for k, v in kwargs.items()]
    return f"{name}({', '.join(words)})"


def _word(x):
    if isinstance(x, _cpu.Array):
        return f"{str(x.dtype).removeprefix('fastnn.')}{list(x.shape)}"
    if isinstance(x, (list, tuple)):
        inside = ", ".join(_word(v) for v in x[:4]) + (", ..." if len(x) > 4 else "")
        return f"[{inside}]" if isinstance(x, list) else f"({inside})"
    return repr(x) if x is None or (isinstance(x, (bool, int, float, str)) and len(repr(x)) < 40) else type(x).__name__
