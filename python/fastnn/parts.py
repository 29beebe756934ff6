"""Complex tensors among others, for what works on real ones: taken apart into their two parts, and put together again."""

from __future__ import annotations

from .autodiff import Array
from .tensor import Tensor, zeros_like


def is_complex(x):
    """Whether x is a complex tensor."""
    return not isinstance(x, Array) and isinstance(x, Tensor) and not x.is_sparse


def flat(values):
    """One tensor, or several values, as a tuple with the real and the imaginary part of each complex tensor in its place; None stays None."""
    if values is None:
        return None
    return tuple(p for x in ((values,) if isinstance(values, Tensor) else values) for p in ((x.real, x.imag) if is_complex(x) else (x,)))


def flat_as(values, where):
    """The same, where `where` says which values are two parts each, though they be real (their imaginary part is None) or None."""
    return tuple(p for x, two in zip(values, where, strict=True) for p in (flat((x,)) if is_complex(x) or not two else (x, None)))


def joined(parts, where):
    """The values that parts are those of: two of them one complex tensor where `where`, of one entry a value, is true. Two None are one."""
    from .complex_tensor import ComplexTensor

    def one(re, im):
        if re is None and im is None:
            return None
        return ComplexTensor(zeros_like(im) if re is None else re, zeros_like(re) if im is None else im)

    parts = iter(parts)
    return tuple(one(next(parts), next(parts)) if two else next(parts) for two in where)
