"""Samples of the normalisations."""

import numpy as np

from fastnn.ops import norm as ops
from fastnn.reference import norm as ref

from . import Sample


def layer(x, w, b, *, normalized_shape, eps=1e-5):
    return ops.layer_norm(x, normalized_shape, w, b, eps)


def layer_ref(x, w, b, *, normalized_shape, eps=1e-5):
    return ref.layer_norm(x, normalized_shape, w, b, eps)


def rms(x, w, *, normalized_shape, eps=None):
    return ops.rms_norm(x, normalized_shape, w, eps)


def rms_ref(x, w, *, normalized_shape, eps=None):
    return ref.rms_norm(x, normalized_shape, w, 1e-12 if eps is None else eps)


def group(x, w, b, *, groups, eps=1e-5):
    return ops.group_norm(x, groups, w, b, eps)


def group_ref(x, w, b, *, groups, eps=1e-5):
    return ref.group_norm(x, groups, w, b, eps)


def instance(x, w, b):
    return ops.instance_norm(x, None, None, w, b)


def batch(x, w, b, *, eps=1e-5):
    return ops.batch_norm(x, None, None, w, b, training=True, eps=eps)


def batch_running(x, mean, var, *, momentum):
    """The statistics after one step: they are not differentiable."""
    m, v = mean.detach().clone(), var.detach().clone()
    ops.batch_norm(x, m, v, training=True, momentum=momentum)
    return m, v


def batch_eval(x, mean, var, w, b, *, eps=1e-5):
    return ops.batch_norm(x, mean, var, w, b, training=False, eps=eps)


def samples(rng):
    def pair(n, given):
        return (rng.standard_normal(n), rng.standard_normal(n)) if given else (None, None)

    for shape, k in (((4, 7), 1), ((3, 1), 1), ((2, 3, 33), 1), ((2, 3, 4), 2), ((17,), 1), ((5, 70), 1), ((0, 4), 1)):
        x, tail = rng.standard_normal(shape) * 2 + 3, shape[len(shape) - k :]
        smooth = tail != (1,)  # one number is 0 after subtracting its mean: nothing but rounding is left
        for given in (True, False):
            w, b = pair(tail, given)
            yield Sample(layer, (x, w, b), {"normalized_shape": tail, "eps": 1e-3}, ref=layer_ref, name="layer_norm", smooth=smooth)
        yield Sample(layer, (x, w, rng.standard_normal(tail)), {"normalized_shape": tail}, ref=layer_ref, name="layer_norm", smooth=smooth, grad=smooth)
        yield Sample(rms, (x, rng.standard_normal(tail)), {"normalized_shape": tail}, ref=rms_ref, name="rms_norm", rtol=1e-4)
        yield Sample(rms, (x, None), {"normalized_shape": tail, "eps": 1e-2}, ref=rms_ref, name="rms_norm")
    for shape in ((900, 40), (3, 9001)):
        x, (w, b) = rng.standard_normal(shape), pair(shape[1:], True)
        yield Sample(layer, (x, w, b), {"normalized_shape": shape[1:]}, ref=layer_ref, grad=False, name="layer_norm")
        yield Sample(rms, (x, w), {"normalized_shape": shape[1:]}, ref=rms_ref, grad=False, name="rms_norm", rtol=1e-4)

    for shape, groups in (((3, 6), 2), ((2, 4, 3), 4), ((2, 6, 3, 3), 3), ((2, 4, 5, 5), 2), ((2, 2, 40), 1), ((0, 4, 3), 2)):
        x = rng.standard_normal(shape) * 2 + 1
        for given in (True, False):
            w, b = pair(shape[1], given)
            r = group_ref if x.size else None
            yield Sample(group, (x, w, b), {"groups": groups, "eps": 1e-3}, ref=r, name="group_norm")
    yield Sample(group, (rng.standard_normal((40, 4, 300)), *pair(4, True)), {"groups": 2}, ref=group_ref, grad=False, name="group_norm")
    for shape in ((2, 3, 5), (2, 3, 4, 5)):
        x = rng.standard_normal(shape)
        for given in (True, False):
            yield Sample(instance, (x, *pair(3, given)), ref=lambda x, w, b: ref.instance_norm(x, w, b), name="instance_norm")

    for shape in ((5, 3), (4, 17), (3, 2, 5), (2, 3, 4, 5), (3, 2, 33), (2, 1, 2, 3, 4), (2, 0, 3)):
        x = rng.standard_normal(shape) * 2 + 1
        for given in (True, False):
            w, b = pair(shape[1], given)
            yield Sample(batch, (x, w, b), {"eps": 1e-3}, ref=lambda x, w, b, eps: ref.batch_norm(x, w, b, eps), name="batch_norm")
            mean, var = rng.standard_normal(shape[1]), rng.random(shape[1]) + 0.5
            yield Sample(
                batch_eval, (x, mean, var, w, b), {"eps": 1e-3},
                ref=lambda x, m, v, w, b, eps: ref.batch_norm_eval(x, m, v, w, b, eps), name="batch_norm_eval",
            )  # fmt: skip
        yield Sample(
            batch_running, (x, mean, var), {"momentum": 0.3},
            ref=lambda x, m, v, momentum: ref.batch_norm_running(m, v, x, momentum), grad=False, name="batch_norm_running",
        )  # fmt: skip
    # blocks of rows; blocks of samples; a channel at a time; pieces of a channel larger than the cache
    for shape in ((3000, 20), (70, 40, 49), (6, 20, 900), (150, 2, 2000)):
        x, (w, b) = rng.standard_normal(shape) * 2 + 1, pair(shape[1], True)
        yield Sample(batch, (x, w, b), ref=lambda x, w, b: ref.batch_norm(x, w, b), grad=False, name="batch_norm")

    x = rng.standard_normal((3, 4, 2))
    for p, dim in ((2.0, 1), (3.0, -1), (1.0, 0)):
        yield Sample(ops.normalize, (x + np.sign(x) * 0.1, p, dim), ref=ref.normalize, name="normalize")
    for size in (1, 2, 3):
        yield Sample(ops.local_response_norm, (x, size, 0.5, 0.75, 2.0), ref=ref.local_response_norm, name="local_response_norm")
