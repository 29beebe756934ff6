"""Sorting in NumPy: what each op means. Stable; NaN counts as the largest value."""

import numpy as np


def argsort(x, dim=-1, descending=False):
    if x.ndim == 0:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    back = np.argsort(np.flip(x, dim), axis=dim, kind="stable")  # reversed twice, equals keep their order
    return x.shape[dim] - 1 - np.flip(back, dim)


def sort(x, dim=-1, descending=False):
    index = argsort(x, dim, descending)
    return (np.take_along_axis(x, index, dim) if x.ndim else x), index


def topk(x, k, dim=-1, largest=True):
    values, index = sort(x, dim, largest)
    return np.take(values, range(k), axis=dim), np.take(index, range(k), axis=dim)


def kthvalue(x, k, dim=-1, keepdim=False):
    values, index = sort(x, dim)
    picked = np.take(values, [k - 1], axis=dim), np.take(index, [k - 1], axis=dim)
    return picked if keepdim else tuple(np.squeeze(a, dim) for a in picked)


def median(x, dim, keepdim=False):
    return kthvalue(x, (x.shape[dim] + 1) // 2, dim, keepdim)


def unique(x, return_inverse=False, return_counts=False):
    return np.unique(x, return_inverse=return_inverse, return_counts=return_counts)


def searchsorted(edges, x, right=False):
    side = "right" if right else "left"
    if edges.ndim == 1:
        return np.searchsorted(edges, x, side)
    rows = zip(edges.reshape(-1, edges.shape[-1]), x.reshape(-1, x.shape[-1]), strict=True)
    return np.stack([np.searchsorted(e, v, side) for e, v in rows]).reshape(x.shape)
