"""Three parameters of unlike shapes at once: one step of every rule, with every option, from states in the middle."""

import itertools

import numpy as np

import fastnn
from fastnn.ops import optimizer as ops
from fastnn.reference import optimizer as ref

from . import Sample

SHAPES = [(5, 7), (), (33,), (0, 3), (2, 3, 4)]
STEP = 7.0


def count(value=STEP):
    return fastnn.tensor(value, dtype=fastnn.float64)


def stepped(rule, states, counts, order, plain=()):
    """fn(grads, params, *states) → the new params and states; `order` places lists in the op's signature."""

    def fn(grads, params, *lists, lr, **options):
        params, lists = [p.clone() for p in params], [[s.clone() for s in one] for one in lists]
        named = dict(zip(states, lists, strict=True), grads=grads, lr=fastnn.tensor(lr, dtype=fastnn.float64))
        for name in counts:
            named[name] = [count() for _ in params]
        for name in order:
            named.setdefault(name, [])
        getattr(ops, rule)(params, *(named[name] for name in order), **options)
        return [params, *lists]

    def reference(grads, params, *lists, lr, **options):
        new = []
        for i, p in enumerate(params):
            state = dict(zip(states, (one[i] for one in lists), strict=True))
            held = [state.get(name) for name in order if name not in ("grads", "lr", "steps", *plain)]
            t = (STEP + 1,) if "t" in getattr(ref, rule).__code__.co_varnames[:8] else ()
            result = getattr(ref, rule)(p, *held, grads[i], lr, *t, **options)
            new.append([r for r in (result if isinstance(result, tuple) else (result,)) if r is not None])
        return [a for column in zip(*new, strict=True) for a in column]

    return fn, reference


def samples(rng):
    def arrays(positive=False):
        arrays = [np.asarray(rng.standard_normal(s)) for s in SHAPES]
        return [np.asarray(np.abs(a) + 0.01) for a in arrays] if positive else arrays

    def case(rule, states, order, options, counts=("steps",), name=""):
        fn, reference = stepped(rule, states, counts, order)
        lists = [arrays(positive=s not in ("means", "buffers")) for s in states]
        return Sample(fn, (arrays(), arrays(), *lists), dict(lr=0.1, **options), ref=reference, grad=False, name=rule + name)

    flags = list(itertools.product([0.0, 0.3], [False, True]))
    for weight_decay, maximize in flags:
        common = dict(weight_decay=weight_decay, maximize=maximize)
        for momentum, dampening, nesterov, first in [
            (0.0, 0.0, False, False), (0.9, 0.5, False, True), (0.9, 0.5, False, False), (0.9, 0.0, True, False)
        ]:  # fmt: skip
            options = dict(momentum=momentum, dampening=dampening, nesterov=nesterov, first=first, **common)
            yield case("sgd", ["buffers"], ["buffers", "grads", "lr"], options, counts=())
        adam = dict(beta1=0.9, beta2=0.99, eps=1e-3, **common)
        for decoupled in (False, True):
            for states in (["means", "squares"], ["means", "squares", "largest"]):
                order = ["means", "squares", "largest", "steps", "grads", "lr"]
                yield case("adam", states, order, dict(decoupled=decoupled, **adam))
        yield case("adamax", ["means", "norms"], ["means", "norms", "steps", "grads", "lr"], adam)
        for states in (["squares"], ["squares", "buffers"]):
            options = dict(alpha=0.9, eps=1e-3, momentum=0.5 if "buffers" in states else 0.0, **common)
            yield case("rmsprop", states, ["squares", "means", "buffers", "steps", "grads", "lr"], options)
        options = dict(lr_decay=0.1, eps=1e-3, **common)
        yield case("adagrad", ["sums"], ["sums", "steps", "grads", "lr"], options)
        options = dict(rho=0.9, eps=1e-3, **common)
        yield case("adadelta", ["squares", "deltas"], ["squares", "deltas", "steps", "grads", "lr"], options)
    for decoupled in (False, True):
        yield nadam(arrays, decoupled)
    for centered in (["squares", "means"], ["squares", "means", "buffers"]):
        yield centered_rmsprop(arrays, centered)

    for p in (1.0, 2.0, 2.5, np.inf):
        yield Sample(ops.grad_norm, (arrays(), p), ref=ref.grad_norm, grad=False, name="grad_norm")
    for limit in (0.5, 100.0):
        yield Sample(
            lambda g, n, limit=limit: (lambda c: (ops.clip_to_norm(c, n, limit), c)[1])([a.clone() for a in g]),
            (arrays(), np.array(3.0)),
            ref=lambda g, n, limit=limit: [ref.clip_to_norm(a, n, limit) for a in g],
            grad=False, name="clip_to_norm",
        )  # fmt: skip
    yield Sample(
        lambda g: (lambda c: (ops.clip_to_value(c, 0.5), c)[1])([a.clone() for a in g]),
        (arrays(),),
        ref=lambda g: [ref.clip_to_value(a, 0.5) for a in g],
        grad=False, name="clip_to_value",
    )  # fmt: skip
    yield Sample(
        lambda g: (lambda c: (ops.soft_threshold(c, count(0.5), 0.8), c)[1])([a.clone() for a in g]),
        (arrays(),),
        ref=lambda g: [ref.soft_threshold(a, 0.5, 0.8) for a in g],
        grad=False, name="soft_threshold",
    )  # fmt: skip


def nadam(arrays, decoupled):
    options = dict(beta1=0.9, beta2=0.99, eps=1e-3, weight_decay=0.1, momentum_decay=0.004, decoupled=decoupled,
                   maximize=False)  # fmt: skip

    def fn(grads, params, means, squares):
        params, means, squares = ([a.clone() for a in one] for one in (params, means, squares))
        products, steps = [count(0.5) for _ in params], [count() for _ in params]
        ops.nadam(params, means, squares, products, steps, grads, count(0.1), **options)
        return [params, means, squares]

    def reference(grads, params, means, squares):
        new = [ref.nadam(p, m, v, 0.5, g, 0.1, STEP + 1, **options)[:3] for g, p, m, v in zip(grads, params, means, squares, strict=True)]
        return [a for column in zip(*new, strict=True) for a in column]

    lists = (arrays(), arrays(), arrays(), arrays(positive=True))
    return Sample(fn, lists, ref=reference, grad=False, name="nadam")


def centered_rmsprop(arrays, states):
    """The running square must be above the squared running mean, as it always is."""
    moving = "buffers" in states
    options = dict(alpha=0.9, eps=1e-3, weight_decay=0.1, momentum=0.5 if moving else 0.0, maximize=False)

    def fn(grads, params, squares, means, buffers):
        params, squares, means, buffers = ([a.clone() for a in one] for one in (params, squares, means, buffers))
        steps = [count() for _ in params]
        ops.rmsprop(params, squares, means, buffers if moving else [], steps, grads, count(0.1), **options)
        return [params, squares, means]

    def reference(grads, params, squares, means, buffers):
        new = [
            ref.rmsprop(p, v, m, b if moving else None, g, 0.1, **options)[:3]
            for g, p, v, m, b in zip(grads, params, squares, means, buffers, strict=True)
        ]
        return [a for column in zip(*new, strict=True) for a in column]

    means = [np.asarray(np.clip(m, -1, 1)) for m in arrays()]
    squares = [np.asarray(m * m + 0.5) for m in means]
    return Sample(fn, (arrays(), arrays(), squares, means, arrays()), ref=reference, grad=False, name="rmsprop centered")
