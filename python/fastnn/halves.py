"""Functions of float16 and bfloat16 that are computed in float32 as a whole and rounded once: see `in_float32` and `rounded_once`."""

from __future__ import annotations

from . import _cpu, dtypes
from .casting import mapped
from .overrides import tensors_in
from .promotion import promote_types
from .tensor import Tensor

HALVES = (dtypes.float16, dtypes.bfloat16)
ONE_KERNEL = {"scaled_dot_product_attention"}  # on a GPU whose tensor cores multiply halves: it rounds once itself


def in_float32(f, args, kwargs):
    """f(*args, **kwargs), computed in float32 and rounded to the dtype that its floating arguments have together."""
    if f.__name__ in ONE_KERNEL and _cpu.device_halves() and any(t.is_cuda for t in tensors_in((*args, *kwargs.values()))):
        return f(*args, **kwargs)
    dtype = None

    def wide(t):
        nonlocal dtype
        if not t._floating:
            return t
        dtype = t.dtype if dtype is None else promote_types(t.dtype, dtype)
        return t.to(dtypes.float32) if t.dtype in HALVES else t

    result = f(*mapped(args, wide), **mapped(kwargs, wide))
    if f.__name__.endswith("_") and not f.__name__.startswith("_"):
        return args[0].copy_(result)
    if dtype not in HALVES or kwargs.get("dtype") is not None:
        return result
    return mapped(result, lambda t: t.to(dtype) if t.dtype is dtypes.float32 else t)


def without_numpy(f, error):
    """Whether f failed only because NumPy, which computes a part of it, has no bfloat16, or no linear algebra of float16."""
    words = str(error)
    return ("unsupported ScalarType BFloat16" in words or "float16 is unsupported in linalg" in words) and f not in _NUMPYS


_NUMPYS = {getattr(Tensor.numpy, "__wrapped__", Tensor.numpy), Tensor.__array__}
