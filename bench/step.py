"""Whole training steps: zero the gradients, forward, loss, backward, optimizer. The rivals do the same from equal weights."""

from __future__ import annotations

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim

from .case import Case


def torch_or_none():
    try:
        import torch
    except ImportError:
        return None
    return torch


class Cnn:
    """conv 1-32 3x3, conv 32-64 3x3, pool, 9216-128-10: written once for both libraries."""

    @staticmethod
    def build(nn):
        return nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip


def mlp(nn, sizes, activation):
    layers = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(a, b), getattr(nn, activation)()]
    return nn.Sequential(*layers[:-1])


def train_step(model, loss, optimizer, x, y):
    def step():
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    return step


def pair(build, x, y, loss, rate, method="Adam"):
    """(our step, {"torch": its step}) on the same data."""
    model = build(nn)
    tensors = [fastnn.from_numpy(a.copy()).clone() for a in (x, y)]
    ours = train_step(model, getattr(F, loss), getattr(optim, method)(model.parameters(), lr=rate), *tensors)
    torch = torch_or_none()
    if torch is None:
        return ours, {}
    theirs = build(torch.nn)
    tensors = [torch.from_numpy(a.copy()) for a in (x, y)]
    optimizer = getattr(torch.optim, method)(theirs.parameters(), lr=rate)
    return ours, {"torch": train_step(theirs, getattr(torch.nn.functional, loss), optimizer, *tensors)}


def numpy_mlp(x, y, sizes, rate, activation="ReLU", loss="cross_entropy"):
    """The same step by hand: ReLU or Tanh, softmax cross-entropy or mean squared error, Adam, one array per quantity."""
    rng = np.random.default_rng(0)
    params = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        params += [(rng.standard_normal((a, b)) / a**0.5).astype(np.float32), np.zeros(b, np.float32)]
    m, v, count = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params], [0]
    rows = np.arange(len(x))

    def step():
        h, kept = x, []
        for i in range(0, len(params), 2):
            kept.append(h)
            h = h @ params[i] + params[i + 1]
            if i + 2 < len(params):
                h = np.maximum(h, 0) if activation == "ReLU" else np.tanh(h)
        if loss == "cross_entropy":
            e = np.exp(h - h.max(1, keepdims=True))
            p = e / e.sum(1, keepdims=True)
            value = -np.log(p[rows, y]).mean()
            p[rows, y] -= 1
            g = p / len(x)
        else:
            g = h - y
            value = (g * g).mean()
            g *= np.float32(2 / g.size)
        grads = []
        for i in range(len(params) - 2, -1, -2):
            grads += [g.sum(0), kept[i // 2].T @ g]
            if i:
                h = kept[i // 2]
                g = (g @ params[i].T) * (h > 0 if activation == "ReLU" else 1 - h * h)
        count[0] += 1
        t = count[0]
        for p, d, a, b in zip(params, reversed(grads), m, v, strict=True):
            a *= 0.9
            a += 0.1 * d
            b *= 0.999
            b += 0.001 * d * d
            p -= rate * (a / (1 - 0.9**t)) / (np.sqrt(b / (1 - 0.999**t)) + 1e-8)
        return value

    return step


def cases(quick):
    rng = np.random.default_rng(0)
    for sizes, batch in (((784, 512, 10), 32), ((784, 512, 10), 128), ((32, 64, 64, 10), 32)):
        x = rng.standard_normal((batch, sizes[0])).astype(np.float32)
        y = rng.integers(0, sizes[-1], batch)
        ours, rivals = pair(lambda nn, sizes=sizes: mlp(nn, sizes, "ReLU"), x, y, "cross_entropy", 1e-3)
        rivals["numpy"] = numpy_mlp(x, y, sizes, 1e-3)
        weights = sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))
        flops = 6.0 * batch * weights - 2.0 * batch * sizes[0] * sizes[1]
        name = "-".join(map(str, sizes))
        yield Case(f"MLP {name} Adam", "step", "float32", f"batch {batch}", ours, rivals, None, flops, 28.0 * weights)

    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([[0], [1], [1], [0]], np.float32)
    ours, rivals = pair(lambda nn: mlp(nn, (2, 8, 1), "Tanh"), x, y, "mse_loss", 0.1, "SGD")
    yield Case("XOR 2-8-1 SGD", "step", "float32", "batch 4", ours, rivals)

    batch = 16 if quick else 64
    x = rng.standard_normal((batch, 1, 28, 28)).astype(np.float32)
    y = rng.integers(0, 10, batch)
    ours, rivals = pair(Cnn.build, x, y, "cross_entropy", 1e-3)
    conv = 2.0 * batch * (26 * 26 * 32 * 9 * 2 + 24 * 24 * 64 * 32 * 9 * 3) + 6.0 * batch * (9216 * 128 + 1280)
    yield Case("CNN MNIST Adam", "step", "float32", f"batch {batch}", ours, rivals, None, conv)
