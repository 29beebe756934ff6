"""Products of Householder's reflections H_i = 1 - tau_i v_i v_i', v_i = (0, .., 0, 1, A[i+1:, i]): what `geqrf` leaves of a QR factorisation.

Compositions of products, so differentiable to any order; geqrf itself runs on NumPy's LAPACK.
"""

from __future__ import annotations

import numpy as np

from ..errors import ShapeError
from ..results import result_type
from ..tensor import from_numpy
from .diagonal import eye, tril
from .linalg import _matrix, _of_examples, _run

geqrf_result = result_type("geqrf", "a tau")


def raw_qr(x):
    return np.linalg.qr(x, mode="raw")


def geqrf(input):
    """(a, tau) of matrices (..., m, n): R in the upper triangle of a, the reflections below it and in tau. Without derivative (see linalg.qr)."""
    return geqrf_result(*_raw(_matrix(input, "geqrf").detach()))


@_of_examples
def _raw(x):
    a, tau = _run(raw_qr, x)
    return from_numpy(np.ascontiguousarray(a.swapaxes(-1, -2))), from_numpy(np.array(tau))


def check_reflections(A, tau, name):
    """(m, k). ShapeError where tau is not that of k reflections of m axes."""
    m, k = A.shape[-2], tau.shape[-1] if tau.ndim else 0
    if tau.ndim != A.ndim - 1 or tau.shape[:-1] != A.shape[:-2]:
        raise ShapeError(f"{name}: Expected tau to have one dimension less than input, but got {list(tau.shape)} for {list(A.shape)}")
    if k > min(m, A.shape[-1]):
        raise ShapeError(f"{name}: Expected m, n >= k, the sizes of input (..., m, n) and tau (..., k), got {list(A.shape)} and {list(tau.shape)}")
    if A.dtype is not tau.dtype:
        raise ShapeError(f"{name}: tau dtype {tau.dtype} does not match input dtype {A.dtype}")
    return m, k


def _reflections(A, tau, name):
    m, k = check_reflections(A, tau, name)
    v = tril(A, -1)[..., :k] + eye(m, k, dtype=A.dtype)
    return [(v[..., i : i + 1], tau[..., i : i + 1].unsqueeze(-1)) for i in range(k)]


def _reflected(y, reflections):
    for v, t in reflections:
        y = y - t * (v @ (v.mT @ y))
    return y


def householder_product(input, tau):
    """The first n columns of H_1 H_2 .. H_k: input (..., m, n), tau (..., k), m >= n >= k -> (..., m, n)."""
    reflections = _reflections(_matrix(input, "householder_product"), tau, "householder_product")
    if input._shape[-2] < input._shape[-1]:
        raise ShapeError(f"householder_product: Expected m >= n for input (..., m, n), got {list(input._shape)}")
    start = eye(input._shape[-2], input._shape[-1], dtype=input.dtype).expand(input._shape)
    return _reflected(start, reversed(reflections)) if reflections else start.clone()


def orgqr(input, tau):
    """linalg.householder_product."""
    return householder_product(input, tau)


def ormqr(input, tau, other, left=True, transpose=False):
    """Q other (left=False: other Q), Q = H_1 H_2 .. H_k the whole (m, m) product; transpose: Q' in its place."""
    reflections = _reflections(_matrix(input, "ormqr"), tau, "ormqr")
    if other.ndim < 2 or other._shape[-2 if left else -1] != input._shape[-2]:
        raise ShapeError(f"ormqr: other of shape {list(other._shape)} does not fit input of shape {list(input._shape)}, left={left}")
    if not left:
        return ormqr(input, tau, other.mT, True, not transpose).mT
    return _reflected(other, reflections if transpose else reversed(reflections))


__all__ = METHODS = ("geqrf", "orgqr", "ormqr")
NAMESPACE = ("householder_product",)  # of fastnn.linalg
