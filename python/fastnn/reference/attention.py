"""softmax(scale q kᵀ + mask) v with the whole matrix of scores in memory."""

import numpy as np

from .random import dropout


def attention(q, k, v, mask=None, causal=False, scale=None, dropped=None, p=0.0):
    """q (.., G·H, L, E), k (.., H, S, E), v (.., H, S, F), mask (.., G·H, L, S): flags or numbers. Rows that see nothing are 0.

    dropped: the seed and offset of the random numbers with which weights are dropped out, of probability p.
    """
    if q.ndim > 2 and k.shape[-3] != q.shape[-3]:
        k, v = (np.repeat(x, q.shape[-3] // x.shape[-3], -3) for x in (k, v))
    scale = 1 / np.sqrt(q.shape[-1]) if scale is None else scale
    s = scale * (q @ np.swapaxes(k, -1, -2))
    if mask is not None:
        s = np.where(mask, s, -np.inf) if mask.dtype == bool else s + mask
    if causal:
        s = np.where(np.tri(*s.shape[-2:], dtype=bool), s, -np.inf)
    top = s.max(-1, keepdims=True, initial=-np.inf)
    weights = np.exp(s - np.where(np.isfinite(top), top, 0))
    total = weights.sum(-1, keepdims=True)
    weights /= np.where(total == 0, 1, total)
    return (weights if dropped is None else dropout(*dropped, weights, p)) @ v
