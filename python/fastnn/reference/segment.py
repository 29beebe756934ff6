"""Rows by segment, and a sparse matrix times a dense one."""

import numpy as np


def segment(x, ids, segments, reduce):
    """Sum, mean, max or min of the rows of each segment; what an empty segment gives: 0, 0, -inf, inf."""
    out = np.full((segments, *x.shape[1:]), {"max": -np.inf, "min": np.inf}.get(reduce, 0.0))
    for s in range(segments):
        rows = x[ids == s]
        if len(rows):
            out[s] = {"sum": rows.sum, "mean": rows.mean, "max": rows.max, "min": rows.min}[reduce](0)
    return out


def segment_softmax(x, ids, segments):
    out = np.empty(x.shape)
    for s in range(segments):
        if (ids == s).any():
            e = np.exp(x[ids == s] - x[ids == s].max(0))
            out[ids == s] = e / e.sum(0)
    return out


def csr_matmul(crow, col, values, dense):
    out = np.zeros((len(crow) - 1, *dense.shape[1:]))
    for r in range(len(crow) - 1):
        for k in range(crow[r], crow[r + 1]):
            p = 1.0 if values is None else values[k]
            out[r] += (p[:, None] if np.ndim(p) else p) * dense[col[k]]
    return out
