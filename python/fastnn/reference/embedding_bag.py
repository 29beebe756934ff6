"""Bags of rows of a table."""

import numpy as np


def embedding_bag(w, p, index, offsets, mode, skip=None):
    """Sum, mean or max of the rows w[index[i]] (times p[i]) for i in offsets[b] .. offsets[b + 1], without those that are `skip`."""
    out = np.zeros((len(offsets) - 1, w.shape[1]))
    for b in range(len(offsets) - 1):
        at = [i for i in range(offsets[b], offsets[b + 1]) if index[i] != skip]
        if at:
            rows = w[index[at]] * (1 if p is None else p[at][:, None])
            out[b] = {"sum": rows.sum, "mean": rows.mean, "max": rows.max}[mode](0)
    return out
