"""What functions given by formulas are made with: float64 inside, rounded once."""

from __future__ import annotations

import functools

from .. import dtypes
from ..autodiff import Array, no_grad


def as_floating(x, name):
    """x in a floating dtype: integers become the default one, as in PyTorch."""
    if not isinstance(x, Array):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(x).__name__}")
    return x if x._floating else x.to(dtypes.get_default_dtype())


def rounded(formula):
    """The formula in float64, unrecorded; its result in the dtype of the (last) argument."""

    @functools.wraps(formula)
    def f(*args, **options):
        with no_grad():
            wide = [a.detach().to(dtypes.float64) if isinstance(a, Array) else a for a in args]
            dtype = max((a.dtype for a in args if isinstance(a, Array)), key=lambda d: d.itemsize)
            return formula(*wide, **options).to(dtype)

    return f


def series(x, coefficients):
    """Σ c_k x^k"""
    y = coefficients[-1]
    for c in coefficients[-2::-1]:
        y = y * x + c
    return y
