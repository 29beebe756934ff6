"""Normalisation: subtract a mean, divide by a standard deviation (the variance divides by the count, unless it says so)."""

import numpy as np


def standardize(x, axes, eps, centre=True):
    """x̂ = (x - mean)/√(var + eps) over axes, and 1/√(var + eps)."""
    c = x - x.mean(axes, keepdims=True) if centre else x
    r = 1 / np.sqrt((c * c).mean(axes, keepdims=True) + eps)
    return c * r, r


def standardize_dx(g, x, axes, eps, centre=True):
    """The gradient of x̂ with respect to x, for the gradient g of x̂."""
    x_hat, r = standardize(x, axes, eps, centre)
    d = g - x_hat * (g * x_hat).mean(axes, keepdims=True)
    return (d - g.mean(axes, keepdims=True) if centre else d) * r


def per_channel(w, x):
    return 1.0 if w is None else w.reshape((1, -1) + (1,) * (x.ndim - 2))


def affine(x_hat, w, b):
    return x_hat * (1.0 if w is None else w) + (0.0 if b is None else b)


def layer_norm(x, shape, w=None, b=None, eps=1e-5):
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    return affine(standardize(x, axes, eps)[0], w, b)


def layer_norm_dx(g, x, shape, w, eps):
    """dx, dw, db."""
    axes, rows = tuple(range(x.ndim - len(shape), x.ndim)), tuple(range(x.ndim - len(shape)))
    x_hat = standardize(x, axes, eps)[0]
    return standardize_dx(affine(g, w, None), x, axes, eps), (g * x_hat).sum(rows), g.sum(rows)


def rms_norm(x, shape, w=None, eps=None):
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    return affine(standardize(x, axes, np.finfo(x.dtype).eps if eps is None else eps, centre=False)[0], w, None)


def group_norm(x, groups, w=None, b=None, eps=1e-5):
    x_hat = standardize(x.reshape(x.shape[0], groups, -1), (2,), eps)[0].reshape(x.shape)
    return x_hat * per_channel(w, x) + (0.0 if b is None else per_channel(b, x))


def instance_norm(x, w=None, b=None, eps=1e-5):
    return group_norm(x, x.shape[1], w, b, eps)


def batch_norm(x, w=None, b=None, eps=1e-5):
    """By the batch's own statistics, over all axes but 1."""
    axes = (0, *range(2, x.ndim))
    return standardize(x, axes, eps)[0] * per_channel(w, x) + (0.0 if b is None else per_channel(b, x))


def batch_norm_running(running_mean, running_var, x, momentum):
    """The running statistics after x; the variance unbiased."""
    axes = (0, *range(2, x.ndim))
    mean, var = x.mean(axes), x.var(axes, ddof=1)
    return (1 - momentum) * running_mean + momentum * mean, (1 - momentum) * running_var + momentum * var


def batch_norm_eval(x, mean, var, w=None, b=None, eps=1e-5):
    y = (x - per_channel(mean, x)) / np.sqrt(per_channel(var, x) + eps) * per_channel(w, x)
    return y + (0.0 if b is None else per_channel(b, x))


def normalize(x, p=2.0, dim=1, eps=1e-12):
    return x / np.maximum((np.abs(x) ** p).sum(dim, keepdims=True) ** (1 / p), eps)


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    padded = np.pad(x * x, ((0, 0), (size // 2, (size - 1) // 2)) + ((0, 0),) * (x.ndim - 2))
    window = sum(padded[:, i : i + x.shape[1]] for i in range(size))
    return x / (k + alpha / size * window) ** beta
