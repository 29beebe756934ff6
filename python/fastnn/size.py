"""`Size`, what `x.shape` is."""

from __future__ import annotations


class Size(tuple):
    """A tensor's shape: a tuple of ints."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements."""
        n = 1
        for s in self:
            n *= s
        return n

    def __getitem__(self, index):
        part = tuple.__getitem__(self, index)
        return Size(part) if type(part) is tuple else part

    def __add__(self, other):
        return Size(tuple(self) + tuple(other))

    def __radd__(self, other):
        return Size(tuple(other) + tuple(self))

    def __mul__(self, times):
        return Size(tuple(self) * times)

    __rmul__ = __mul__

    def __repr__(self):
        return f"fastnn.Size({list(self)})"
