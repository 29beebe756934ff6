"""Products: squares, odd sizes, few rows, transposes, batches, and the derivatives of a linear layer."""

import numpy as np

import fastnn
from fastnn.ops import matmul as F

from .case import Case

try:
    import torch
except ImportError:
    torch = None

# m, n, k, form (A and B: N as stored, T transposed), batch; quick runs take those of QUICK
SQUARES = [(s, s, s, "NN", 0) for s in (16, 24, 32, 48, 64, 96, 127, 128, 192, 256, 384, 512, 700, 1000, 1024, 2048)]
SHAPES = [
    *((512, 512, 512, form, 0) for form in ("NT", "TN", "TT")),
    (509, 769, 1021, "NT", 0),
    (200, 300, 250, "TN", 0),
    (32, 512, 784, "NT", 0),
    (128, 512, 784, "NT", 0),
    (512, 784, 32, "TN", 0),  # a weight gradient
    (784, 256, 4096, "TN", 0),
    (20, 20, 10000, "TN", 0),
    (8, 4096, 1024, "NT", 0),
    (8, 4096, 1024, "NN", 0),
    (1, 1024, 1024, "NT", 0),
    (1, 1024, 1024, "NN", 0),
    (4096, 64, 64, "NN", 0),
    (64, 10, 512, "NN", 0),
    (48, 48, 48, "NN", 512),
    (64, 64, 32, "NT", 96),
]
DOUBLE = [(s, s, s, "NN", 0) for s in (64, 256, 512, 1000)]
QUICK = [(16, 16, 16, "NN", 0), (128, 128, 128, "NN", 0), (512, 512, 512, "NN", 0), (509, 769, 1021, "NT", 0), (8, 4096, 1024, "NN", 0)]
QUICK += [(64, 10, 512, "NN", 0), (64, 64, 32, "NT", 96)]


def product(m, n, k, form, batch, dtype="float32"):
    rng = np.random.default_rng(0)

    def operand(rows, columns, transposed):
        lead = (batch,) if batch else ()
        x = rng.standard_normal((*lead, *((columns, rows) if transposed else (rows, columns)))).astype(dtype)
        return x.swapaxes(-1, -2) if transposed else x

    a, b = operand(m, k, form[0] == "T"), operand(k, n, form[1] == "T")
    x, y = fastnn.from_numpy(a), fastnn.from_numpy(b)
    rivals = {"numpy": lambda: a @ b}
    if torch:
        p, q = torch.from_numpy(a), torch.from_numpy(b)
        rivals["torch"] = lambda: p @ q
    count = batch or 1
    return Case(
        case="matmul",
        direction="forward",
        dtype=dtype,
        shape=f"{f'{batch}x' if batch else ''}{m}x{n}x{k} {form}",
        run=lambda: x @ y,
        rivals=rivals,
        reference=(lambda: a.astype(float) @ b.astype(float)) if m * n * k * count <= 2**28 else None,
        flops=2.0 * m * n * k * count,
        bytes=float(np.dtype(dtype).itemsize) * count * (m * k + k * n + m * n),
    )


def linear(rows, inputs, outputs, direction):
    rng = np.random.default_rng(0)
    x, w, b, g = (rng.standard_normal(s).astype(np.float32) for s in ((rows, inputs), (outputs, inputs), (outputs,), (rows, outputs)))
    leaves = [fastnn.from_numpy(v).requires_grad_(direction == "derivative") for v in (x, w, b)]
    gradient = fastnn.from_numpy(g)
    rivals = {}
    if direction == "forward":
        run = lambda: F.linear(*leaves)  # noqa: E731
        rivals["numpy"] = lambda: x @ w.T + b
        reference = lambda: x.astype(float) @ w.T + b  # noqa: E731
    else:
        y = F.linear(*leaves)
        run = lambda: fastnn.autograd.grad(y, leaves, gradient, retain_graph=True)  # noqa: E731
        rivals["numpy"] = lambda: (g @ w, g.T @ x, g.sum(0))
        reference = None
    if torch:
        t = [torch.from_numpy(v).requires_grad_(direction == "derivative") for v in (x, w, b)]
        if direction == "forward":
            rivals["torch"] = lambda: torch.nn.functional.linear(*t)
        else:
            ty, tg = torch.nn.functional.linear(*t), torch.from_numpy(g)
            rivals["torch"] = lambda: torch.autograd.grad(ty, t, tg, retain_graph=True)
    flops = 2.0 * rows * inputs * outputs * (1 if direction == "forward" else 2)
    return Case(
        case="linear",
        direction=direction,
        dtype="float32",
        shape=f"{rows}x{inputs}->{outputs}",
        run=run,
        rivals=rivals,
        reference=reference,
        flops=flops,
        bytes=4.0 * (rows * inputs + inputs * outputs + rows * outputs),
    )


def cases(quick):
    for shape in QUICK if quick else SQUARES + SHAPES:
        yield product(*shape)
    for shape in [(512, 512, 512, "NN", 0)] if quick else DOUBLE:
        yield product(*shape, "float64")
    for rows, inputs, outputs in [(32, 784, 512), (128, 784, 512), (32, 512, 10)][: 1 if quick else None]:
        yield linear(rows, inputs, outputs, "forward")
        yield linear(rows, inputs, outputs, "derivative")
