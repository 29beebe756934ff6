"""Samples of the losses."""

import warnings

import numpy as np

from fastnn.nn import functional as ops
from fastnn.reference import loss as ref

from . import Sample

REDUCTIONS = ("none", "mean", "sum")


def fixed(w):
    """Class weights are not differentiated."""
    return None if w is None else w.detach()


def cross_entropy(x, target, weight, **options):
    return ops.cross_entropy(x, target, fixed(weight), **options)


def nll_loss(x, target, weight, **options):
    return ops.nll_loss(x, target, fixed(weight), **options)


def bce(x, t, w, **options):
    return ops.binary_cross_entropy(x, t, fixed(w), **options)


def bce_with_logits(x, t, w, pos_weight, **options):
    return ops.binary_cross_entropy_with_logits(x, t, fixed(w), pos_weight=fixed(pos_weight), **options)


def kl_div(x, t, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ops.kl_div(x, t, **options)


def multi_margin(x, t, weight, **options):
    return ops.multi_margin_loss(x, t, weight=fixed(weight), **options)


def triplet(a, p, n, *, norm=2, **options):
    return ops.triplet_margin_loss(a, p, n, p=norm, **options)


def samples(rng):
    def x(*shape):
        return np.asarray(rng.standard_normal(shape))

    shapes = ((3, 5), (1, 1), (70, 3), (9, 17), (5, 33), (2, 140), (2, 3, 4), (2, 5, 2, 3), (2, 3, 20), (0, 4))
    for i, shape in enumerate(shapes):
        classes = shape[1]
        target = rng.integers(0, classes, (shape[0], *shape[2:]))
        weight = rng.random(classes) + 0.2
        some = target.copy()
        if target.size > 1:
            some.flat[::3] = -100
        reductions = REDUCTIONS if shape[0] else ("none", "sum")
        for reduction in reductions:
            for w, smoothing, t in ((None, 0.0, target), (weight, 0.0, some), (None, 0.1, some), (weight, 0.3, target)):
                if i > 2 and reduction != reductions[i % len(reductions)]:
                    continue
                options = {"reduction": reduction, "label_smoothing": smoothing}
                logits = x(*shape) * 2
                yield Sample(cross_entropy, (logits, t, w), options, ref=ref.cross_entropy, grad=[0])
                if not smoothing:
                    yield Sample(nll_loss, (logits, t, w), {"reduction": reduction}, ref=ref.nll_loss, grad=[0])
    t = np.array([1, 0, 2, 1])
    yield Sample(cross_entropy, (x(4, 3), t, None), {"ignore_index": 1}, ref=ref.cross_entropy)
    yield Sample(nll_loss, (x(4, 3), t, None), {"ignore_index": 1}, ref=ref.nll_loss)
    for shape in ((3000, 10), (60, 700), (3, 6, 4000)):
        t = rng.integers(0, shape[1], (shape[0], *shape[2:]))
        yield Sample(cross_entropy, (x(*shape), t, None), ref=ref.cross_entropy, grad=False)
        yield Sample(nll_loss, (x(*shape), t, None), ref=ref.nll_loss, grad=False)
    for shape in ((4, 5), (2, 3, 4)):
        p = rng.random(shape)
        p /= p.sum(1, keepdims=True)
        for reduction in REDUCTIONS:
            for w, smoothing in ((None, 0.0), (rng.random(shape[1]), 0.2)):
                options = {"reduction": reduction, "label_smoothing": smoothing}
                yield Sample(cross_entropy, (x(*shape), p, w), options, ref=ref.cross_entropy, grad=[0, 1])
    far = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]])
    yield Sample(cross_entropy, (far, np.array([1, 0]), None), ref=ref.cross_entropy, grad=False)

    for shape in ((), (7,), (3, 33), (2, 3, 4), (0, 3)):
        a, b = x(*shape), x(*shape)
        b = np.where(np.abs(np.abs(a - b) - 0.7) < 0.05, b + 0.2, np.where(np.abs(a - b) < 0.05, b + 0.3, b))  # off the kinks
        for reduction in REDUCTIONS if a.size else ("none", "sum"):
            r = {"reduction": reduction}
            yield Sample(ops.mse_loss, (a, b), r, ref=ref.mse_loss)
            yield Sample(ops.l1_loss, (a, b), r, ref=ref.l1_loss)
            yield Sample(ops.smooth_l1_loss, (a, b), {**r, "beta": 0.7}, ref=ref.smooth_l1_loss)
            yield Sample(ops.huber_loss, (a, b), {**r, "delta": 0.7}, ref=ref.huber_loss)
            p, t, w = rng.random(shape) * 0.9 + 0.05, np.asarray(rng.random(shape)), np.asarray(rng.random(shape))
            yield Sample(bce, (np.asarray(p), t, None), r, ref=ref.binary_cross_entropy)
            yield Sample(bce, (np.asarray(p), t, w), r, ref=ref.binary_cross_entropy, grad=[0, 1])
            yield Sample(bce_with_logits, (a, t, None, None), r, ref=ref.binary_cross_entropy_with_logits)
            pos = np.asarray(rng.random(shape[-1:]) + 0.5)
            yield Sample(bce_with_logits, (a, t, w, pos), r, ref=ref.binary_cross_entropy_with_logits, grad=[0, 1])
    yield Sample(ops.smooth_l1_loss, (x(5), x(5)), {"beta": 0}, ref=ref.smooth_l1_loss)
    big = x(40, 1000)
    yield Sample(ops.mse_loss, (big, big[::-1].copy()), ref=ref.mse_loss, grad=False)
    yield Sample(bce_with_logits, (big, rng.random(big.shape), None, rng.random(1000)), ref=ref.binary_cross_entropy_with_logits, grad=False)

    a, b, c = x(4, 5), x(4, 5), x(4, 5)
    p = rng.random((4, 5)) + 0.1
    sign = np.where(rng.random((4, 5)) < 0.5, 1, -1)
    near = np.array([1, -1, 1, -1])
    for reduction in REDUCTIONS:
        r = {"reduction": reduction}
        for log_target in (False, True):
            yield Sample(kl_div, (np.log(p), np.log(p[::-1]) if log_target else p[::-1].copy()), {**r, "log_target": log_target}, ref=ref.kl_div)
        yield Sample(ops.poisson_nll_loss, (a, p * 5), {**r, "full": True}, ref=ref.poisson_nll_loss)
        yield Sample(ops.poisson_nll_loss, (p, p[::-1] * 5), {**r, "log_input": False}, ref=ref.poisson_nll_loss)
        yield Sample(ops.gaussian_nll_loss, (a, b, p), {**r, "full": True}, ref=ref.gaussian_nll_loss)
        yield Sample(ops.hinge_embedding_loss, (np.abs(a) + 0.1, sign), {**r, "margin": 3.3}, ref=ref.hinge_embedding_loss)
        yield Sample(ops.margin_ranking_loss, (a, b, sign.astype(float)), {**r, "margin": 0.3}, ref=ref.margin_ranking_loss, grad=[0, 1])
        yield Sample(ops.soft_margin_loss, (a, sign.astype(float)), r, ref=ref.soft_margin_loss, grad=[0])
        yield Sample(ops.cosine_embedding_loss, (a, b, near), {**r, "margin": -0.8}, ref=ref.cosine_embedding_loss)
        for power in (1, 2):
            yield Sample(multi_margin, (a, np.array([0, 4, 2, 1]), p[0]), {**r, "p": power}, ref=ref.multi_margin_loss, grad=[0])
        yield Sample(multi_margin, (a, np.array([0, 4, 2, 1]), None), r, ref=ref.multi_margin_loss)
        yield Sample(ops.multilabel_soft_margin_loss, (a, (sign > 0).astype(float)), r, ref=ref.multilabel_soft_margin_loss, grad=[0])
        for swap in (False, True):
            yield Sample(triplet, (a, b, c), {**r, "swap": swap, "margin": 2.0}, ref=ref.triplet_margin_loss)
    yield Sample(kl_div, (np.log(p[::-1]), np.where(p > 0.5, p, 0.0)), {"reduction": "batchmean"}, ref=ref.kl_div, grad=[0])
    for power in (1.0, 2.0, 3.0):
        yield Sample(ops.pairwise_distance, (a, b, power), ref=ref.pairwise_distance)
    yield Sample(ops.pairwise_distance, (a, b), {"keepdim": True}, ref=ref.pairwise_distance)
    for dim in (0, 1, -1):
        yield Sample(ops.cosine_similarity, (a, b, dim), ref=ref.cosine_similarity)
    yield Sample(ops.cosine_similarity, (a[:, None], b[None], -1), ref=ref.cosine_similarity)
