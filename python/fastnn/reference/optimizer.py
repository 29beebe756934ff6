"""What the optimizer kernels mean, in NumPy float64, for one parameter p with gradient g. Each returns the new values.

t is the number of this step, starting at 1.
"""

from __future__ import annotations

import numpy as np


def decayed(p, g, weight_decay, maximize):
    """The gradient of loss + weight_decay |p|² / 2, or of -loss."""
    g = -g if maximize else g
    return g + weight_decay * p if weight_decay else g


def sgd(p, b, g, lr, *, momentum, dampening, weight_decay, nesterov, maximize, first):
    """(p, b): b is the momentum buffer, which starts as the first gradient."""
    g = decayed(p, g, weight_decay, maximize)
    if not momentum:
        return p - lr * g, b
    b = g if first else momentum * b + (1 - dampening) * g
    return p - lr * (g + momentum * b if nesterov else b), b


def adam(p, m, v, vmax, g, lr, t, *, beta1, beta2, eps, weight_decay, decoupled, maximize):
    """(p, m, v, vmax): vmax is None except for AMSGrad. Kingma & Ba 2015; decoupled: Loshchilov & Hutter 2019."""
    g = decayed(p, g, 0 if decoupled else weight_decay, maximize)
    if decoupled:
        p = p - lr * weight_decay * p
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    largest = v if vmax is None else np.maximum(vmax, v)
    p = p - lr * (m / (1 - beta1**t)) / (np.sqrt(largest / (1 - beta2**t)) + eps)
    return p, m, v, None if vmax is None else largest


def nadam(p, m, v, product, g, lr, t, *, beta1, beta2, eps, weight_decay, momentum_decay, decoupled, maximize):
    """(p, m, v, product). Dozat 2016."""
    g = decayed(p, g, 0 if decoupled else weight_decay, maximize)
    if decoupled:
        p = p - lr * weight_decay * p
    mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    ahead = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    product = product * mu
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    step = (1 - mu) / (1 - product) * g + ahead / (1 - product * ahead) * m
    return p - lr * step / (np.sqrt(v / (1 - beta2**t)) + eps), m, v, product


def adamax(p, m, u, g, lr, t, *, beta1, beta2, eps, weight_decay, maximize):
    """(p, m, u). Kingma & Ba 2015, section 7."""
    g = decayed(p, g, weight_decay, maximize)
    m = beta1 * m + (1 - beta1) * g
    u = np.maximum(beta2 * u, np.abs(g) + eps)
    return p - lr / (1 - beta1**t) * m / u, m, u


def rmsprop(p, v, mean, b, g, lr, *, alpha, eps, weight_decay, momentum, maximize):
    """(p, v, mean, b): mean is None unless centered, b None without momentum. Tieleman & Hinton 2012; Graves 2013."""
    g = decayed(p, g, weight_decay, maximize)
    v = alpha * v + (1 - alpha) * g * g
    if mean is not None:
        mean = alpha * mean + (1 - alpha) * g
    step = g / (np.sqrt(v if mean is None else v - mean * mean) + eps)
    if b is not None:
        step = b = momentum * b + step
    return p - lr * step, v, mean, b


def adagrad(p, total, g, lr, t, *, lr_decay, eps, weight_decay, maximize):
    """(p, total). Duchi et al. 2011."""
    g = decayed(p, g, weight_decay, maximize)
    total = total + g * g
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(total) + eps), total


def adadelta(p, v, d, g, lr, *, rho, eps, weight_decay, maximize):
    """(p, v, d). Zeiler 2012."""
    g = decayed(p, g, weight_decay, maximize)
    v = rho * v + (1 - rho) * g * g
    step = np.sqrt(d + eps) / np.sqrt(v + eps) * g
    return p - lr * step, v, rho * d + (1 - rho) * step * step


def soft_threshold(p, lr, l1):
    return np.sign(p) * np.maximum(np.abs(p) - lr * l1, 0)


def grad_norm(grads, p):
    flat = np.abs(np.concatenate([np.ravel(g) for g in grads]))
    return np.max(flat, initial=0) if np.isinf(p) else (flat**p).sum() ** (1 / p)


def clip_to_norm(g, norm, max_norm):
    return g * min(1.0, max_norm / (norm + 1e-6))


def clip_to_value(g, limit):
    return np.clip(g, -limit, limit)
