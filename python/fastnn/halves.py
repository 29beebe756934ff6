"""Functions of float16 and bfloat16 that are computed in float32 as a whole and rounded once: see `in_float32` and `rounded_once`."""

from __future__ import annotations

from . import dtypes
from .autodiff import Array
from .tensor import Tensor, result_type

HALVES = (dtypes.float16, dtypes.bfloat16)


def _mapped(x, change):
    """x, or what is in a tuple, list or dict of it, with `change` made of the tensors."""
    if isinstance(x, Array):
        return change(x)
    if isinstance(x, (tuple, list)) and any(isinstance(v, (Array, tuple, list)) for v in x):
        of = [_mapped(v, change) for v in x]
        return type(x)._make(of) if hasattr(x, "_make") else type(x)(of)
    return {k: _mapped(v, change) for k, v in x.items()} if isinstance(x, dict) else x


def in_float32(f, args, kwargs):
    """f(*args, **kwargs), computed in float32 and rounded to the dtype that its floating arguments have together."""
    dtype = None

    def wide(t):
        nonlocal dtype
        if not t._floating:
            return t
        dtype = t.dtype if dtype is None else result_type(t.new_empty(1), t.new_empty(1, dtype=dtype))
        return t.to(dtypes.float32) if t.dtype in HALVES else t

    result = f(*_mapped(args, wide), **_mapped(kwargs, wide))
    if f.__name__.endswith("_") and not f.__name__.startswith("_"):
        return args[0].copy_(result)
    if dtype not in HALVES or kwargs.get("dtype") is not None:
        return result
    return _mapped(result, lambda t: t.to(dtype) if t.dtype is dtypes.float32 else t)


def without_numpy(f, error):
    """Whether f failed only because NumPy, which computes a part of it, has no bfloat16, or no linear algebra of float16."""
    words = str(error)
    return ("unsupported ScalarType BFloat16" in words or "float16 is unsupported in linalg" in words) and f not in _NUMPYS


_NUMPYS = {getattr(Tensor.numpy, "__wrapped__", Tensor.numpy), Tensor.__array__}
