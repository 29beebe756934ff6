"""Comparisons, logic and bits, element by element: results are bool or integers, and have no gradient."""

from __future__ import annotations

import math

from .. import _cpu, dtypes


def _flags(name, doc, arity=2):
    kernel = getattr(_cpu, name)
    if arity == 1:

        def f(input):
            return kernel(input)
    else:

        def f(input, other):
            return kernel(input, other)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    return f


eq = _flags("eq", "input == other, element by element, as bool.")
ne = _flags("ne", "input != other.")
lt = _flags("lt", "input < other.")
le = _flags("le", "input <= other.")
gt = _flags("gt", "input > other.")
ge = _flags("ge", "input >= other.")
logical_and = _flags("logical_and", "Whether both are nonzero.")
logical_or = _flags("logical_or", "Whether either is nonzero.")
logical_xor = _flags("logical_xor", "Whether exactly one is nonzero.")
logical_not = _flags("logical_not", "Whether input is zero.", 1)
isnan = _flags("isnan", "Whether NaN.", 1)
isinf = _flags("isinf", "Whether inf or -inf.", 1)
isfinite = _flags("isfinite", "Whether neither infinite nor NaN.", 1)
signbit = _flags("signbit", "Whether the sign bit is set (also of -0.0).", 1)
bitwise_and = _flags("bitwise_and", "Bits set in both (integers, bool).")
bitwise_or = _flags("bitwise_or", "Bits set in either (integers, bool).")
bitwise_xor = _flags("bitwise_xor", "Bits set in exactly one (integers, bool).")
bitwise_not = _flags("bitwise_not", "Bits inverted (integers, bool).", 1)
bitwise_left_shift = _flags("shift_left", "input << other (integers).")
bitwise_right_shift = _flags("shift_right", "input >> other (integers; the sign bit is repeated).")


def isposinf(input):
    """Whether inf."""
    return _cpu.eq(input, math.inf)


def isneginf(input):
    """Whether -inf."""
    return _cpu.eq(input, -math.inf)


def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether |input - other| <= atol + rtol * |other|; infinities match themselves."""
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {tolerance:g}")
    input, other = input.detach(), other.detach()
    if input.dtype is dtypes.bool and other.dtype is dtypes.bool:
        input, other = input.to(dtypes.uint8), other.to(dtypes.uint8)
    near = (input - other).abs() <= atol + rtol * other.abs()
    y = (input == other) | (near & isfinite(input) & isfinite(other))
    return y | (isnan(input) & isnan(other)) if equal_nan else y


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether `isclose` holds everywhere, as a bool."""
    return bool(_cpu.numpy(isclose(input, other, rtol, atol, equal_nan).cpu(), False).all())


def equal(input, other):
    """Whether two tensors have the same shape and elements, as a bool."""
    return input._shape == other._shape and bool(_cpu.numpy(_cpu.eq(input.detach(), other.detach()).cpu(), False).all())


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge

__all__ = METHODS = (
    "allclose bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor eq equal ge greater "
    "greater_equal gt isclose isfinite isinf isnan isneginf isposinf le less less_equal logical_and logical_not logical_or "
    "logical_xor lt ne not_equal signbit"
).split()
