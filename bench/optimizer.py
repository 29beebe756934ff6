"""One optimizer step on the 62 parameters of a ResNet-18 (11.7 million numbers; quick: an eighth of the width)."""

from __future__ import annotations

import numpy as np

import fastnn
from fastnn import nn, optim

from .case import Case


def resnet18(width):
    """Shapes of ResNet-18's parameters; width 64 is the real one."""
    shapes = [(width, 3, 7, 7), (width,), (width,)]
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        for block in range(2):
            for k in range(2):
                shapes += [(outputs, inputs if (block, k) == (0, 0) else outputs, 3, 3), (outputs,), (outputs,)]
            if stage and not block:
                shapes += [(outputs, inputs, 1, 1), (outputs,), (outputs,)]
        inputs = outputs
    return [*shapes, (1000, inputs), (1000,)]


def numpy_sgd(params, grads, lr=0.1, momentum=0.9, decay=1e-4):
    buffers = [np.zeros_like(p) for p in params]
    scratch = [np.empty_like(p) for p in params]

    def step():
        for p, g, b, t in zip(params, grads, buffers, scratch, strict=True):
            np.multiply(p, decay, out=t)
            t += g
            b *= momentum
            b += t
            np.multiply(b, lr, out=t)
            p -= t

    return step


def numpy_adam(params, grads, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0):
    m, v, s, u = ([np.zeros_like(p) for p in params] for _ in range(4))
    t = 0

    def step():
        nonlocal t
        t += 1
        c1, c2 = 1 - beta1**t, (1 - beta2**t) ** 0.5
        for p, g, mi, vi, a, b in zip(params, grads, m, v, s, u, strict=True):
            if decay:
                p *= 1 - lr * decay
            mi *= beta1
            np.multiply(g, 1 - beta1, out=a)
            mi += a
            vi *= beta2
            np.multiply(g, g, out=a)
            a *= 1 - beta2
            vi += a
            np.sqrt(vi, out=a)
            a /= c2
            a += eps
            np.divide(mi, a, out=b)
            b *= lr / c1
            p -= b

    return step


def numpy_rmsprop(params, grads, lr=1e-2, alpha=0.99, eps=1e-8):
    v, s = ([np.zeros_like(p) for p in params] for _ in range(2))

    def step():
        for p, g, vi, a in zip(params, grads, v, s, strict=True):
            vi *= alpha
            np.multiply(g, g, out=a)
            a *= 1 - alpha
            vi += a
            np.sqrt(vi, out=a)
            a += eps
            np.divide(g, a, out=a)
            a *= lr
            p -= a

    return step


def numpy_adagrad(params, grads, lr=1e-2, eps=1e-10):
    v, s = ([np.zeros_like(p) for p in params] for _ in range(2))

    def step():
        for p, g, vi, a in zip(params, grads, v, s, strict=True):
            np.multiply(g, g, out=a)
            vi += a
            np.sqrt(vi, out=a)
            a += eps
            np.divide(g, a, out=a)
            a *= lr
            p -= a

    return step


def numpy_clip(params, grads, limit=1e9):
    def step():
        norm = np.sqrt(sum(float(np.vdot(g, g)) for g in grads))
        scale = min(1.0, limit / (norm + 1e-6))
        for g in grads:
            np.multiply(g, scale, out=g)
        return norm

    return step


RULES = [  # name, options, NumPy's, arrays read and written each step
    ("SGD", dict(lr=0.1, momentum=0.9, weight_decay=1e-4), numpy_sgd, 5),
    ("Adam", {}, numpy_adam, 7),
    ("AdamW", {}, lambda p, g: numpy_adam(p, g, decay=1e-2), 7),
    ("RMSprop", {}, numpy_rmsprop, 5),
    ("Adagrad", {}, numpy_adagrad, 5),
]


def torch_steps(module, name, options, arrays):
    """PyTorch's default and, where it has one, its fused CPU step."""
    steps = {}
    for label, extra in (("torch", {}), ("torch fused", {"fused": True})):
        params = [module.nn.Parameter(module.from_numpy(a.copy())) for a in arrays]
        for p in params:
            p.grad = module.ones_like(p)
        try:
            steps[label] = getattr(module.optim, name)(params, **options, **extra).step
        except (TypeError, RuntimeError):
            pass
    return steps


def cases(quick):
    try:
        import torch
    except ImportError:
        torch = None
    shapes = resnet18(8 if quick else 64)
    count = sum(int(np.prod(s)) for s in shapes)
    label = f"62 tensors {count / 1e6:.1f}M"
    for dtype in ("float32",) if quick else ("float32", "float64"):
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(s).astype(dtype) for s in shapes]
        ones = [np.ones_like(a) for a in arrays]
        for name, options, in_numpy, moved in RULES:
            params = [nn.Parameter(fastnn.tensor(a)) for a in arrays]
            for p in params:
                p.grad = fastnn.ones_like(p)
            rivals = {"numpy": in_numpy([a.copy() for a in arrays], ones)}
            if torch is not None:
                rivals |= torch_steps(torch, name, options, arrays)
            step = getattr(optim, name)(params, **options).step
            size = count * moved * np.dtype(dtype).itemsize
            yield Case(name, "step", dtype, label, step, rivals, None, flops=count * 10.0, bytes=float(size))
        params = [nn.Parameter(fastnn.tensor(a)) for a in arrays]
        for p, a in zip(params, arrays, strict=True):
            p.grad = fastnn.tensor(a)
        rivals = {"numpy": numpy_clip(arrays, [a.copy() for a in arrays])}
        if torch is not None:
            theirs = [torch.nn.Parameter(torch.from_numpy(a.copy())) for a in arrays]
            for p in theirs:
                p.grad = p.detach().clone()
            rivals["torch"] = lambda theirs=theirs: torch.nn.utils.clip_grad_norm_(theirs, 1e9)
        run = lambda params=params: nn.utils.clip_grad_norm_(params, 1e9)  # noqa: E731
        size = count * np.dtype(dtype).itemsize
        yield Case("clip_grad_norm_", "step", dtype, label, run, rivals, None, flops=2.0 * count, bytes=float(size))
