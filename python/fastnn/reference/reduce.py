"""Reductions in NumPy float64: what each one means."""

import numpy as np


def axes(dim):
    """NumPy's axis: None for all of them."""
    return None if dim is None or dim == () else dim


def count(x, dim):
    """How many elements make one result."""
    return int(np.prod([x.shape[d] for d in (range(x.ndim) if axes(dim) is None else np.atleast_1d(dim) if x.ndim else ())]))


def total(x, dim=None, keepdim=False):
    return np.sum(x, axis=axes(dim), keepdims=keepdim)


def mean(x, dim=None, keepdim=False):
    y = np.sum(x, axis=axes(dim), keepdims=keepdim)
    return y * 1.0 / np.float64(count(x, dim))


def prod(x, dim=None, keepdim=False):
    return np.prod(x, axis=axes(dim), keepdims=keepdim)


def amax(x, dim=None, keepdim=False):
    return np.max(x, axis=axes(dim), keepdims=keepdim)


def amin(x, dim=None, keepdim=False):
    return np.min(x, axis=axes(dim), keepdims=keepdim)


def largest(x, dim, keepdim=False):
    return np.max(x, axis=dim, keepdims=keepdim), np.argmax(x, axis=dim, keepdims=keepdim)


def smallest(x, dim, keepdim=False):
    return np.min(x, axis=dim, keepdims=keepdim), np.argmin(x, axis=dim, keepdims=keepdim)


def argmax(x, dim=None, keepdim=False):
    return np.argmax(x, axis=dim, keepdims=keepdim)


def argmin(x, dim=None, keepdim=False):
    return np.argmin(x, axis=dim, keepdims=keepdim)


def any(x, dim=None, keepdim=False):
    return np.any(x, axis=axes(dim), keepdims=keepdim)


def all(x, dim=None, keepdim=False):
    return np.all(x, axis=axes(dim), keepdims=keepdim)


def count_nonzero(x, dim=None):
    return np.count_nonzero(x, axis=axes(dim))


def logsumexp(x, dim, keepdim=False):
    m = np.max(x, axis=axes(dim), keepdims=True, initial=-np.inf)
    m = np.where(np.isfinite(m), m, 0)
    y = m + np.log(np.sum(np.exp(x - m), axis=axes(dim), keepdims=True))
    return y if keepdim else np.squeeze(y, axis=axes(dim))


def var(x, dim=None, keepdim=False, correction=1):
    n = count(x, dim)
    square = np.sum((x - mean(x, dim, True)) ** 2, axis=axes(dim), keepdims=keepdim)
    return square / np.float64(max(n - correction, 0))


def std(x, dim=None, keepdim=False, correction=1):
    return np.sqrt(var(x, dim, keepdim, correction))


def norm(x, p=2, dim=None, keepdim=False):
    a, reduced = np.abs(x), axes(dim)
    if p == np.inf:
        return np.max(a, axis=reduced, keepdims=keepdim)
    if p == -np.inf:
        return np.min(a, axis=reduced, keepdims=keepdim)
    if p == 0:
        return np.sum(a != 0, axis=reduced, keepdims=keepdim).astype(x.dtype)
    return np.sum(a**p, axis=reduced, keepdims=keepdim) ** (1 / p)


def cumsum(x, dim):
    return np.cumsum(x, axis=dim)


def cumprod(x, dim):
    return np.cumprod(x, axis=dim)


def linear_scan(a, b, dim, reverse=False, lag=0):
    """y[i] = a[i - lag] y[i - 1] + b[i], from the other end if reverse."""
    a, b = np.moveaxis(a, dim, 0), np.moveaxis(b, dim, 0)
    if reverse:
        a, b = a[::-1], b[::-1]
    y = np.array(b)
    for i in range(1, len(b)):
        y[i] = a[i - lag] * y[i - 1] + b[i]
    return np.moveaxis(y[::-1] if reverse else y, 0, dim)
