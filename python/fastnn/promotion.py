"""Which dtype the result of two operands has."""

from __future__ import annotations

from . import _cpu, dtypes
from .creation import empty


def promote_types(type1, type2):
    """The dtype that holds both."""
    return _cpu.promote(empty((1,), dtype=type1), empty((1,), dtype=type2))


def can_cast(from_, to) -> bool:
    """Is a conversion of these dtypes allowed by the promotion rules: not from floats to integers, nor to bool?"""

    def rank(d):
        return 3 if d.is_complex else 2 if d.is_floating_point else 0 if d is dtypes.bool else 1

    return rank(from_) <= rank(to)


def result_type(a, b):
    """The dtype of an arithmetic result of a and b (tensors or numbers)."""
    return _cpu.promote(a, b)
