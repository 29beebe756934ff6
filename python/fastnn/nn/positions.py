"""Where a token stands: rotary and sinusoidal positions. Learned ones are an Embedding of arange(length)."""

from __future__ import annotations

import numpy as np

from ..errors import ShapeError
from ..tensor import from_numpy
from .module import Module

__all__ = ["RotaryEmbedding", "SinusoidalEmbedding"]


def _angles(dim, max_length, base, name):
    """(max_length, dim / 2): position times base^(-2i / dim), in float64."""
    if dim <= 0 or dim % 2:
        raise ValueError(f"{name}: dim must be even and positive, got {dim}")
    return np.arange(max_length)[:, None] * base ** (-np.arange(0, dim, 2) / dim)


class _Positions(Module):
    def _rows(self, x, offset, table):
        """Rows offset .. offset + L of a table, for x (..., L, dim)."""
        name, most = type(self).__name__, table._shape[0]
        if x.ndim < 2 or x._shape[-1] != self.dim:
            raise ShapeError(f"{name}: expected (..., length, {self.dim}), got shape {list(x._shape)}")
        length = x._shape[-2]
        if offset < 0 or offset + length > most:
            raise ShapeError(f"{name}: positions {offset} to {offset + length} of x {list(x._shape)} are not below max_length {most}")
        rows = table[offset : offset + length]
        return rows if rows.dtype is x.dtype else rows.to(x.dtype)

    def extra_repr(self):
        return f"{self.dim}, max_length={self.max_length}, base={self.base:g}"


class RotaryEmbedding(_Positions):
    """Rotates the pairs (x[i], x[i + dim / 2]) of queries and keys by position · base^(-2i / dim): RoPE (Su et al. 2021).

    x (..., L, dim) keeps its shape; offset: the position of the first of the L, as in decoding with a cache. The product of a
    query and a key then depends on the distance between them only. ShapeError where positions reach max_length.
    """

    def __init__(self, dim, max_length=2048, base=10000.0):
        super().__init__()
        self.dim, self.max_length, self.base = dim, max_length, base
        angles = _angles(dim, max_length, base, "RotaryEmbedding")
        self.register_buffer("cos", from_numpy(np.tile(np.cos(angles), 2).astype(np.float32)), persistent=False)
        self.register_buffer("sin", from_numpy(np.concatenate([-np.sin(angles), np.sin(angles)], 1).astype(np.float32)), persistent=False)

    def forward(self, x, offset=0):
        return x * self._rows(x, offset, self.cos) + x.roll(self.dim // 2, -1) * self._rows(x, offset, self.sin)


class SinusoidalEmbedding(_Positions):
    """x (..., L, dim) plus sin and cos of position · base^(-2i / dim) in columns 2i and 2i + 1 (Vaswani et al. 2017)."""

    def __init__(self, dim, max_length=2048, base=10000.0):
        super().__init__()
        self.dim, self.max_length, self.base = dim, max_length, base
        angles = _angles(dim, max_length, base, "SinusoidalEmbedding")
        table = np.stack([np.sin(angles), np.cos(angles)], 2).reshape(max_length, dim)
        self.register_buffer("table", from_numpy(table.astype(np.float32)), persistent=False)

    def forward(self, x, offset=0):
        return x + self._rows(x, offset, self.table)
