"""Probabilities along an axis."""

import numpy as np


def softmax(x, axis):
    """exp(x) / Σ exp(x); the maximum is subtracted first, which changes nothing but the range."""
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def log_softmax(x, axis):
    c = x - x.max(axis, keepdims=True)
    return c - np.log(np.exp(c).sum(axis, keepdims=True))


def softmax_dx(g, y, axis):
    """Σ_j g_j ∂y_j/∂x_i = y_i (g_i - Σ_j g_j y_j)."""
    return y * (g - (g * y).sum(axis, keepdims=True))


def log_softmax_dx(g, y, axis):
    return g - np.exp(y) * g.sum(axis, keepdims=True)
