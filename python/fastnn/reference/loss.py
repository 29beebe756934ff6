"""Losses. `reduction` is "none", "mean" or "sum"."""

import numpy as np

from .softmax import log_softmax


def reduced(loss, reduction):
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def target_weights(shape, target, weight=None, smoothing=0.0, ignore_index=-100):
    """q (N, C, ..): the loss is -Σ_c q·log p. One weighted 1 a sample, smoothing shared out, zeros where ignored."""
    classes = shape[1]
    w = np.ones(classes) if weight is None else weight
    w = w.reshape((1, -1) + (1,) * (len(shape) - 2))
    c = np.arange(classes).reshape(w.shape)
    t = np.expand_dims(target, 1)
    q = ((1 - smoothing) * (c == t) + smoothing / classes) * w
    return np.where(t == ignore_index, 0.0, q)


def weighted(terms, target, weight, ignore_index, reduction):
    """The mean of a class loss divides by the total weight of the targets."""
    if reduction != "mean":
        return terms if reduction == "none" else terms.sum()
    kept = target != ignore_index
    total = kept.sum() if weight is None else np.where(kept, weight[np.where(kept, target, 0)], 0.0).sum()
    return terms.sum() / total


def cross_entropy(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    log_p = log_softmax(x, 1)
    if target.dtype.kind == "f":
        q = target * (1 - label_smoothing) + label_smoothing / x.shape[1]
        q = q * (1.0 if weight is None else weight.reshape((1, -1) + (1,) * (x.ndim - 2)))
        return reduced(-(q * log_p).sum(1), reduction)
    q = target_weights(x.shape, target, weight, label_smoothing, ignore_index)
    return weighted(-np.where(q == 0, 0, q * log_p).sum(1), target, weight, ignore_index, reduction)


def nll_loss(x, target, weight=None, ignore_index=-100, reduction="mean"):
    q = target_weights(x.shape, target, weight, 0.0, ignore_index)
    return weighted(-np.where(q == 0, 0, q * x).sum(1), target, weight, ignore_index, reduction)


def mse_loss(x, t, reduction="mean"):
    return reduced((x - t) ** 2, reduction)


def l1_loss(x, t, reduction="mean"):
    return reduced(np.abs(x - t), reduction)


def smooth_l1_loss(x, t, reduction="mean", beta=1.0):
    d = np.abs(x - t)
    return reduced(np.where(d < beta, d * d / (2 * (beta or 1)), d - beta / 2), reduction)


def huber_loss(x, t, reduction="mean", delta=1.0):
    d = np.abs(x - t)
    return reduced(np.where(d <= delta, d * d / 2, delta * (d - delta / 2)), reduction)


def binary_cross_entropy(x, t, w=None, reduction="mean"):
    loss = -(t * np.maximum(np.log(x), -100) + (1 - t) * np.maximum(np.log1p(-x), -100))
    return reduced(loss * (1.0 if w is None else w), reduction)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def binary_cross_entropy_with_logits(x, t, w=None, pos_weight=None, reduction="mean"):
    loss = (1 - t) * softplus(x) + (1.0 if pos_weight is None else pos_weight) * t * softplus(-x)
    return reduced(loss * (1.0 if w is None else w), reduction)


def kl_div(x, t, reduction="mean", log_target=False):
    loss = np.exp(t) * (t - x) if log_target else np.where(t > 0, t * np.log(np.where(t > 0, t, 1)), 0) - t * x
    return loss.sum() / x.shape[0] if reduction == "batchmean" else reduced(loss, reduction)


def poisson_nll_loss(x, t, log_input=True, full=False, eps=1e-8, reduction="mean"):
    loss = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    s = np.where(t > 1, t, 1)
    return reduced(loss + full * np.where(t > 1, s * np.log(s) - s + 0.5 * np.log(2 * np.pi * s), 0), reduction)


def gaussian_nll_loss(x, t, var, full=False, eps=1e-6, reduction="mean"):
    v = np.maximum(var, eps)
    return reduced(0.5 * (np.log(v) + (x - t) ** 2 / v) + full * 0.5 * np.log(2 * np.pi), reduction)


def hinge_embedding_loss(x, t, margin=1.0, reduction="mean"):
    return reduced(np.where(t == 1, x, np.maximum(0, margin - x)), reduction)


def margin_ranking_loss(x1, x2, t, margin=0.0, reduction="mean"):
    return reduced(np.maximum(0, -t * (x1 - x2) + margin), reduction)


def soft_margin_loss(x, t, reduction="mean"):
    return reduced(softplus(-t * x), reduction)


def multi_margin_loss(x, t, weight=None, p=1, margin=1.0, reduction="mean"):
    right = np.take_along_axis(x, t[:, None], 1)
    z = np.maximum(0, margin - right + x) ** p
    np.put_along_axis(z, t[:, None], 0, 1)
    return reduced(z.mean(1) * (1.0 if weight is None else weight[t]), reduction)


def multilabel_soft_margin_loss(x, t, weight=None, reduction="mean"):
    loss = t * softplus(-x) + (1 - t) * softplus(x)
    return reduced((loss * (1.0 if weight is None else weight)).mean(-1), reduction)


def pairwise_distance(a, b, p=2.0, eps=1e-6, keepdim=False):
    return (np.abs(a - b + eps) ** p).sum(-1, keepdims=keepdim) ** (1 / p)


def cosine_similarity(a, b, dim=1, eps=1e-8):
    a, b = np.broadcast_arrays(a, b)
    na, nb = np.sqrt((a * a).sum(dim)), np.sqrt((b * b).sum(dim))
    return (a * b).sum(dim) / (np.maximum(na, eps) * np.maximum(nb, eps))


def cosine_embedding_loss(a, b, t, margin=0.0, reduction="mean"):
    cos = cosine_similarity(a, b, a.ndim - 1)
    return reduced(np.where(t == 1, 1 - cos, np.maximum(0, cos - margin)), reduction)


def triplet_margin_loss(a, p, n, margin=1.0, norm=2, swap=False, reduction="mean"):
    far = pairwise_distance(a, n, norm)
    far = np.minimum(far, pairwise_distance(p, n, norm)) if swap else far
    return reduced(np.maximum(0, pairwise_distance(a, p, norm) - far + margin), reduction)
