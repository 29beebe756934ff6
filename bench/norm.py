"""Layer norm of transformer rows, batch norm of feature maps; the derivative gives dx, dw and db together."""

from __future__ import annotations

import numpy as np

import fastnn
from fastnn.ops import norm as F
from fastnn.reference import norm as reference

from .case import Case

EPS = 1e-5


def numpy_forward(x, axes, w, b, centre=True):
    c = x - x.mean(axes, keepdims=True) if centre else x
    r = 1 / np.sqrt(np.square(c).mean(axes, keepdims=True) + x.dtype.type(EPS))
    y = c * r
    y *= w
    if b is not None:
        y += b
    return y


def numpy_backward(g, x, axes, w, rows):
    """dx, dw, db; like the others it starts from x: the statistics are part of the work."""
    c = x - x.mean(axes, keepdims=True)
    r = 1 / np.sqrt(np.square(c).mean(axes, keepdims=True) + x.dtype.type(EPS))
    x_hat = c * r
    scaled = g * w
    dx = (scaled - scaled.mean(axes, keepdims=True) - x_hat * (scaled * x_hat).mean(axes, keepdims=True)) * r
    return dx, (g * x_hat).sum(rows), g.sum(rows)


def gradients(y, inputs, g, lib):
    """A call that differentiates y again and again."""
    grad = fastnn.autograd.grad if lib is fastnn else lib.autograd.grad
    return lambda: grad(y, inputs, g, retain_graph=True)


def layers(name, shape, dtype, rng):
    """(forward, [x, w, b], axes, rows): axes the statistics run over, rows the ones that dw and db sum over."""
    per_channel = name in ("batch_norm", "group_norm")
    n = shape[1] if per_channel else shape[-1]
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in (shape, n, n))
    wide = (lambda v: v.reshape((1, n) + (1,) * (len(shape) - 2))) if per_channel else (lambda v: v)
    axes = (0, *range(2, len(shape))) if per_channel else (len(shape) - 1,)
    rows = axes if per_channel else tuple(range(len(shape) - 1))
    return x, w, b, wide, axes, rows


def call(functional, name):
    return {
        "layer_norm": lambda x, w, b: functional.layer_norm(x, x.shape[-1:], w, b, EPS),
        "rms_norm": lambda x, w, b: functional.rms_norm(x, x.shape[-1:], w, EPS),
        "batch_norm": lambda x, w, b: functional.batch_norm(x, None, None, w, b, training=True, eps=EPS),
    }[name]


def cases(quick):
    try:
        import torch
    except ImportError:
        torch = None
    rng = np.random.default_rng(0)
    shapes = [
        ("layer_norm", (4096, 1024)), ("layer_norm", (8192, 768)), ("rms_norm", (4096, 1024)),
        ("batch_norm", (32, 64, 56, 56)), ("batch_norm", (128, 512, 7, 7)), ("batch_norm", (4096, 256)),
    ]  # fmt: skip
    if quick:
        shapes = [shapes[0], shapes[3]]
    for dtype in ("float32",) if quick else ("float32", "float64"):
        for name, shape in shapes:
            x, w, b, wide, axes, rows = layers(name, shape, dtype, rng)
            g, text, centre = rng.standard_normal(shape).astype(dtype), "x".join(map(str, shape)), name != "rms_norm"
            broad_w, broad_b = wide(w), wide(b) if centre else None
            rivals = {"numpy": lambda x=x, w=broad_w, b=broad_b, a=axes, c=centre: numpy_forward(x, a, w, b, c)}
            rivals_dx = {"numpy": lambda g=g, x=x, w=broad_w, a=axes, r=rows: numpy_backward(g, x, a, w, r)} if centre else {}
            runs = {}
            for lib in filter(None, (fastnn, torch)):
                f = call(F if lib is fastnn else torch.nn.functional, name)
                xs = [lib.from_numpy(v) for v in (x, w, b)]
                inputs = [v.clone().requires_grad_() for v in xs]
                used = inputs if centre else inputs[:2]
                runs[lib] = (lambda f=f, xs=xs: f(*xs)), gradients(f(*inputs), used, lib.from_numpy(g), lib)
            if torch is not None:
                rivals["torch"], rivals_dx["torch"] = runs[torch]

            def exact(x=x, w=w, b=b, name=name, shape=shape):
                x, w, b = x.astype(float), w.astype(float), b.astype(float)
                if name == "batch_norm":
                    return reference.batch_norm(x, w, b, EPS)
                if name == "rms_norm":
                    return reference.rms_norm(x, shape[-1:], w, EPS)
                return reference.layer_norm(x, shape[-1:], w, b, EPS)

            yield Case(name, "forward", dtype, text, runs[fastnn][0], rivals, exact, bytes=2.0 * x.nbytes)
            run = runs[fastnn][1]
            yield Case(name, "derivative", dtype, text, lambda run=run: run()[0], rivals_dx, None, bytes=3.0 * x.nbytes)
