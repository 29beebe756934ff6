"""Results with several named parts, such as (values, indices) of max: tuples that print as PyTorch's."""

from __future__ import annotations

from collections import namedtuple

TYPES = {}  # by name: what return_types has


def result_type(name, fields):
    """A named tuple type for the results of `name`."""
    base = namedtuple(name, fields)

    def text(self):
        parts = ",\n".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
        return f"fastnn.return_types.{name}(\n{parts})"

    made = TYPES[name] = type(name, (base,), {"__slots__": (), "__repr__": text, "__module__": "fastnn.return_types"})
    return made
