"""Convolutions of well-known networks: forward with bias, and the gradients of input and weight from the output's."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import fastnn
from fastnn.reference import conv2d as reference

from .case import Case

# name, batch, channels, height = width, filters, kernel, stride, padding, dilation, groups
SHAPES = (
    ("mnist conv1", 64, 1, 28, 32, 3, 1, 0, 1, 1),
    ("mnist conv2", 64, 32, 26, 64, 3, 1, 0, 1, 1),
    ("lenet 5x5", 32, 1, 28, 32, 5, 1, 2, 1, 1),
    ("5x5", 32, 32, 14, 64, 5, 1, 2, 1, 1),
    ("cifar stem", 32, 3, 32, 64, 3, 1, 1, 1, 1),
    ("cifar", 32, 64, 32, 64, 3, 1, 1, 1, 1),
    ("resnet 56", 8, 64, 56, 64, 3, 1, 1, 1, 1),
    ("resnet 28", 8, 128, 28, 128, 3, 1, 1, 1, 1),
    ("resnet 14", 8, 256, 14, 256, 3, 1, 1, 1, 1),
    ("resnet 7", 8, 512, 7, 512, 3, 1, 1, 1, 1),
    ("vgg 56", 16, 64, 56, 64, 3, 1, 1, 1, 1),
    ("64 to 128", 64, 64, 16, 128, 3, 1, 1, 1, 1),
    ("1x1", 8, 64, 56, 256, 1, 1, 0, 1, 1),
    ("1x1 narrow", 16, 256, 56, 64, 1, 1, 0, 1, 1),
    ("stem 7x7/2", 8, 3, 224, 64, 7, 2, 3, 1, 1),
    ("downsample", 8, 64, 56, 128, 3, 2, 1, 1, 1),
    ("depthwise", 8, 96, 56, 96, 3, 1, 1, 1, 96),
    ("depthwise 144", 16, 144, 56, 144, 3, 1, 1, 1, 144),
    ("depthwise/2", 8, 96, 56, 96, 3, 2, 1, 1, 96),
    ("8 groups", 8, 128, 28, 128, 3, 1, 1, 1, 8),
    ("dilated", 8, 64, 28, 64, 3, 1, 2, 2, 1),
)
QUICK = ("mnist conv2", "lenet 5x5", "cifar stem", "resnet 14", "1x1", "depthwise")


def windows(x, kernel, stride, padding, dilation):
    """(N, C, H', W', P, Q) without copying: what im2col copies."""
    x = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    reach = dilation * (kernel - 1) + 1
    return sliding_window_view(x, (reach, reach), (2, 3))[:, :, ::stride, ::stride, ::dilation, ::dilation]


def numpy_forward(x, w, b, stride, padding, dilation, groups):
    if groups > 1 and w.shape[1] > 1:
        parts = zip(np.split(x, groups, 1), np.split(w, groups), np.split(b, groups), strict=True)
        return np.concatenate([numpy_forward(*part, stride, padding, dilation, 1) for part in parts], 1)
    v = windows(x, w.shape[2], stride, padding, dilation)
    if groups == 1:
        y = np.tensordot(w, v, ((1, 2, 3), (1, 4, 5))).transpose(1, 0, 2, 3)
    else:  # depthwise
        y = np.einsum("ncijpq,cpq->ncij", v, w[:, 0], optimize=True)
    return y + b[:, None, None]


def numpy_backward(g, x, w, stride, padding, dilation, groups):
    if groups > 1 and w.shape[1] > 1:
        parts = zip(np.split(g, groups, 1), np.split(x, groups, 1), np.split(w, groups), strict=True)
        dx, dw = zip(*(numpy_backward(*part, stride, padding, dilation, 1) for part in parts), strict=True)
        return np.concatenate(dx, 1), np.concatenate(dw)
    kernel = w.shape[2]
    v = windows(x, kernel, stride, padding, dilation)
    dx = np.zeros((*x.shape[:2], x.shape[2] + 2 * padding, x.shape[3] + 2 * padding), x.dtype)
    h, k = g.shape[2:]
    if groups == 1:
        dw = np.tensordot(g, v, ((0, 2, 3), (0, 2, 3)))
        columns = np.tensordot(w, g, ((0,), (1,)))  # c p q n i j
    else:
        dw = np.einsum("ncij,ncijpq->cpq", g, v, optimize=True)[:, None]
        columns = None
    for p in range(kernel):
        for q in range(kernel):
            i, j = p * dilation, q * dilation
            to = dx[:, :, i : i + stride * (h - 1) + 1 : stride, j : j + stride * (k - 1) + 1 : stride]
            to += g * w[:, 0, p, q, None, None] if columns is None else columns[:, p, q].transpose(1, 0, 2, 3)
    return dx[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]], dw


def cases(quick):
    try:
        import torch
    except ImportError:
        torch = None
    rng = np.random.default_rng(0)
    for dtype in ("float32",) if quick else ("float32", "float64"):
        for name, n, c, h, o, kernel, stride, padding, dilation, groups in SHAPES:
            if (quick and name not in QUICK) or (dtype == "float64" and name not in ("cifar", "cifar stem")):
                continue
            size = (h + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            x, w = rng.standard_normal((n, c, h, h)).astype(dtype), rng.standard_normal((o, c // groups, kernel, kernel)).astype(dtype)
            b, g = rng.standard_normal(o).astype(dtype), rng.standard_normal((n, o, size, size)).astype(dtype)
            shape = f"{name} {n}x{c}x{h}x{h} {o}x{kernel}x{kernel}" + (f"/{stride}" if stride > 1 else "")
            flops = 2.0 * g.size * w[0].size
            options = {"stride": (stride,) * 2, "padding": (padding,) * 2, "dilation": (dilation,) * 2, "groups": groups}

            tx, tw, tb, tg = (fastnn.tensor(a) for a in (x, w, b, g))
            y = fastnn.conv2d(tx.requires_grad_(), tw.requires_grad_(), None, stride, padding, dilation, groups)

            def run(a=(tx.detach(), tw.detach(), tb, stride, padding, dilation, groups)):
                return fastnn.conv2d(*a)

            def back(y=y, tx=tx, tw=tw, tg=tg):
                return fastnn.autograd.grad(y, (tx, tw), tg, retain_graph=True)

            forward = {"numpy": lambda a=(x, w, b, stride, padding, dilation, groups): numpy_forward(*a)}
            backward = {"numpy": lambda a=(g, x, w, stride, padding, dilation, groups): numpy_backward(*a)}
            if torch:
                px, pw, pb, pg = (torch.from_numpy(a.copy()) for a in (x, w, b, g))
                forward["torch"] = lambda a=(px, pw, pb, stride, padding, dilation, groups): torch.nn.functional.conv2d(*a)
                rx, rw = px.clone().requires_grad_(), pw.clone().requires_grad_()
                ry = torch.nn.functional.conv2d(rx, rw, None, stride, padding, dilation, groups)
                backward["torch"] = lambda y=ry, a=(rx, rw), g=pg: torch.autograd.grad(y, a, g, retain_graph=True)

            def expected(x=x, w=w, b=b, size=size, options=options):
                x, w = x.astype("d"), w.astype("d")
                return reference.conv2d_full(x, w, size=(size, size), **options) + b.astype("d")[:, None, None]

            def expected_dx(g=g, w=w, h=h, options=options):
                return reference.conv2d_dx(g.astype("d"), w.astype("d"), size=(h, h), **options)

            def direct(run=run):  # without Winograd: its error and time beside
                with fastnn.rung(conv2d="implicit"):
                    return run()

            moved = float(x.nbytes + w.nbytes + g.nbytes)
            yield Case("conv2d", "forward", dtype, shape, run, forward, expected, flops, moved)
            yield Case("conv2d", "derivative", dtype, shape, back, backward, expected_dx, 2 * flops, 2 * moved)
            tiled = dtype == "float32" and kernel in (3, 5) and stride == dilation == 1 and c >= 16 * groups
            if tiled and (not quick or name == "resnet 14"):
                yield Case("conv2d, implicit", "forward", dtype, shape, direct, forward, expected, flops, moved)
    if not quick and torch:
        yield from others(torch, rng)


def others(torch, rng):
    """One dimension, and the transposed convolution as a forward operation."""
    for name, x, w, options in (
        ("conv1d", (16, 64, 1000), (128, 64, 5), {"padding": 2}),
        ("conv_transpose2d", (8, 64, 28, 28), (64, 32, 4, 4), {"stride": 2, "padding": 1}),
    ):
        x, w = rng.standard_normal(x).astype("f"), rng.standard_normal(w).astype("f")
        tx, tw, px, pw = fastnn.tensor(x), fastnn.tensor(w), torch.from_numpy(x.copy()), torch.from_numpy(w.copy())
        shape = f"{'x'.join(map(str, x.shape))} {'x'.join(map(str, w.shape))}"
        ours, theirs = getattr(fastnn, name), getattr(torch.nn.functional, name)

        def run(f=ours, a=(tx, tw), options=options):
            return f(*a, **options)

        def rival(f=theirs, a=(px, pw), options=options):
            return f(*a, **options)

        def expected(f=ours, x=x, w=w, options=options):
            return f(fastnn.tensor(x.astype("d")), fastnn.tensor(w.astype("d")), **options).numpy()

        flops = 2.0 * (w.size * x.shape[0] * np.prod(x.shape[2:]))
        yield Case(name, "forward", "float32", shape, run, {"torch": rival}, expected, flops, float(x.nbytes + w.nbytes))
