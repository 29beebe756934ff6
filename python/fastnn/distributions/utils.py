"""Probabilities as logits and back, arguments of one shape, triangles as vectors: what distributions of one's own are made with."""

from __future__ import annotations

import math

from ..ops.activation import sigmoid
from ..ops.elementwise import log, log1p
from ..ops.softmax import softmax
from ..tensor import finfo, zeros
from .distribution import broadcast_all

__all__ = ["broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits", "tril_matrix_to_vec", "vec_to_tril_matrix"]


def clamp_probs(probs):
    """probs at least eps from 0 and from 1, eps that of the dtype."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


def probs_to_logits(probs, is_binary=False):
    """Logs of probabilities of classes, or log-odds of those of one event."""
    p = clamp_probs(probs)
    return log(p) - log1p(-p) if is_binary else log(p)


def logits_to_probs(logits, is_binary=False):
    """Softmax over the last axis, or sigmoid."""
    return sigmoid(logits) if is_binary else softmax(logits, -1)


class lazy_property:
    """A property that is computed once: what its function returns takes its place on the object."""

    def __init__(self, wrapped):
        self.wrapped, self.__doc__ = wrapped, wrapped.__doc__

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def _below(n, diag):
    return zip(*((i, j) for i in range(n) for j in range(n) if j <= i + diag), strict=True)


def vec_to_tril_matrix(vec, diag=0):
    """The vectors (..., m) as lower triangles (..., n, n), row by row, below the diagonal `diag`."""
    m = vec.shape[-1]
    n = (-(1 + 2 * diag) + math.sqrt((1 + 2 * diag) ** 2 + 8 * m + 4 * abs(diag) * (diag + 1))) / 2
    if not round(n) == n:
        raise ValueError(f"The size of last dimension is {m} which cannot be expressed as the lower triangular part of a square D x D matrix.")
    rows, columns = _below(int(n), diag)
    matrix = zeros((*vec.shape[:-1], int(n), int(n)), dtype=vec.dtype)
    matrix[..., list(rows), list(columns)] = vec
    return matrix


def tril_matrix_to_vec(mat, diag=0):
    """The inverse of `vec_to_tril_matrix`."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = _below(n, diag)
    return mat[..., list(rows), list(columns)]
