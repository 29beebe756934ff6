"""Losses with their mean, and the derivative of that mean."""

from __future__ import annotations

import numpy as np

import fastnn
from fastnn.ops import loss as F
from fastnn.reference import loss as reference

from .case import Case


def numpy_cross_entropy(x, t):
    c = x - x.max(1, keepdims=True)
    return (np.log(np.exp(c).sum(1)) - c[np.arange(len(t)), t]).mean()


def numpy_cross_entropy_dx(x, t):
    e = x - x.max(1, keepdims=True)
    np.exp(e, out=e)
    e /= e.sum(1, keepdims=True)
    e[np.arange(len(t)), t] -= 1
    e /= len(t)
    return e


def numpy_mse(x, t):
    return np.square(x - t).mean()


def numpy_mse_dx(x, t):
    d = x - t
    d *= 2 / d.size
    return d


def numpy_bce(x, t):
    return (np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))).mean()


def numpy_bce_dx(x, t):
    d = 1 / (1 + np.exp(-x))
    d -= t
    d /= d.size
    return d


CASES = {
    "cross_entropy": (numpy_cross_entropy, numpy_cross_entropy_dx, ((4096, 1024), (65536, 10))),
    "mse_loss": (numpy_mse, numpy_mse_dx, ((1024, 1024),)),
    "binary_cross_entropy_with_logits": (numpy_bce, numpy_bce_dx, ((1024, 1024),)),
}


def cases(quick):
    try:
        import torch
    except ImportError:
        torch = None
    rng = np.random.default_rng(0)
    for dtype in ("float32",) if quick else ("float32", "float64"):
        for name, (forward, derivative, shapes) in CASES.items():
            for shape in shapes:
                x = rng.standard_normal(shape).astype(dtype)
                if name == "cross_entropy":
                    t = rng.integers(0, shape[1], shape[0])
                else:
                    t = rng.random(shape).astype(dtype)
                rivals = {"numpy": lambda f=forward, x=x, t=t: f(x, t)}
                rivals_dx = {"numpy": lambda f=derivative, x=x, t=t: f(x, t)}
                runs = {}
                for lib in filter(None, (fastnn, torch)):
                    f = getattr(F if lib is fastnn else torch.nn.functional, name)
                    a, b = lib.from_numpy(x), lib.from_numpy(t)
                    leaf = a.clone().requires_grad_()
                    y, grad = f(leaf, b), fastnn.autograd.grad if lib is fastnn else lib.autograd.grad
                    runs[lib] = (
                        lambda f=f, a=a, b=b: f(a, b),
                        lambda grad=grad, y=y, leaf=leaf: grad(y, leaf, retain_graph=True)[0],
                    )
                if torch is not None:
                    rivals["torch"], rivals_dx["torch"] = runs[torch]
                text = "x".join(map(str, shape))
                exact = getattr(reference, name)
                read = x.nbytes + t.nbytes
                yield Case(
                    name, "forward", dtype, text, runs[fastnn][0], rivals,
                    lambda f=exact, x=x, t=t: np.asarray(f(x.astype(float), t)), bytes=read,
                )  # fmt: skip
                yield Case(
                    name, "derivative", dtype, text, runs[fastnn][1], rivals_dx,
                    lambda f=derivative, x=x, t=t: f(x.astype(float), t), bytes=read + x.nbytes,
                )  # fmt: skip
