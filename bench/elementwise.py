"""Elementwise operations: in cache (1000), in the shared cache (1 M) and from memory (16 M elements); derivatives; broadcasts."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

import fastnn
from fastnn import _cpu
from fastnn.ops import activation as F
from fastnn.ops import elementwise as E
from fastnn.reference import elementwise as ref

from .case import Case

SIZES = {1000: "1000", 1 << 20: "1M", 1 << 24: "16M"}


def vector_erf(x):
    """Abramowitz and Stegun 7.1.26: what one writes in NumPy, which has no erf."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.copysign(1 - p * np.exp(-x * x), x)


def np_sigmoid(x):
    return 1 / (1 + np.exp(-x))


def np_gelu(x):
    return 0.5 * x * (1 + vector_erf(x * x.dtype.type(math.sqrt(0.5))))


# name: (fastnn, numpy, derivative kernel (g, x or y), derivative in numpy, whether it reads y, torch's backward)
UNARY = {
    "relu": (F.relu, lambda x: np.maximum(x, 0), "relu_dx", lambda g, x: g * (x > 0), False, "threshold_backward"),
    "exp": (E.exp, np.exp, "mul", lambda g, y: g * y, True, None),
    "log": (E.log, np.log, "div", lambda g, x: g / x, False, None),
    "tanh": (F.tanh, np.tanh, "tanh_dx", lambda g, y: g * (1 - y * y), True, "tanh_backward"),
    "sigmoid": (F.sigmoid, np_sigmoid, "sigmoid_dx", lambda g, y: g * y * (1 - y), True, "sigmoid_backward"),
    "gelu": (
        F.gelu, np_gelu, "gelu_dx",
        lambda g, x: g * (0.5 * (1 + vector_erf(x * x.dtype.type(math.sqrt(0.5)))) + x * np.exp(-0.5 * x * x) * x.dtype.type(1 / math.sqrt(2 * math.pi))),
        False, "gelu_backward",
    ),
    "silu": (F.silu, lambda x: x * np_sigmoid(x), "silu_dx", lambda g, x: g * (s := np_sigmoid(x)) * (1 + x * (1 - s)), False, "silu_backward"),
    "softplus": (F.softplus, lambda x: np.logaddexp(0, x), None, None, False, None),
    "sin": (E.sin, np.sin, "sin_dx", lambda g, x: g * np.cos(x), False, None),
    "sqrt": (E.sqrt, np.sqrt, "sqrt_dx", lambda g, y: 0.5 * g / y, True, None),
    "erf": (E.erf, vector_erf, "erf_dx", lambda g, x: g * x.dtype.type(2 / math.sqrt(math.pi)) * np.exp(-x * x), False, None),
}  # fmt: skip
QUICK = ("relu", "exp", "tanh", "gelu")
EXACT = {"gelu": ref.gelu, "erf": ref.erf}


def exact(name, v):
    return EXACT.get(name, UNARY[name][1])(v.astype(np.float64))


def rivals(numpy_run, torch_run):
    found = {"numpy": numpy_run}
    try:
        import torch
    except ImportError:
        return found
    return found | ({"torch": torch_run(torch)} if torch_run else {})


def on_torch(f, *arrays, needs_grad=False):
    """f(torch, *tensors on the same memory)"""

    def make(torch):
        tensors = [torch.from_numpy(a) for a in arrays]
        if needs_grad:
            tensors[0] = tensors[0].clone().requires_grad_()
        return lambda: f(torch, *tensors)

    return make


def add(a, b):
    return a + b


def less(a, b):
    return a < b


def torch_unary(name, x):
    def make(torch):
        t = torch.from_numpy(x)
        f = getattr(torch, name, None) or getattr(torch.nn.functional, name)
        return lambda: f(t)

    return make


def torch_backward(name, backward, g, v):
    def make(torch):
        a, b = torch.from_numpy(g), torch.from_numpy(v)
        if backward == "threshold_backward":
            return lambda: torch.ops.aten.threshold_backward(a, b, 0)
        if backward:
            f = getattr(torch.ops.aten, backward)
            return lambda: f(a, b)
        return {
            "exp": lambda: a * b, "log": lambda: a / b, "sin": lambda: a * torch.cos(b), "sqrt": lambda: a / (2 * b),
            "erf": lambda: (2 / math.sqrt(math.pi)) * torch.exp(-(b.pow(2))) * a,
        }[name]  # fmt: skip

    return make


def cases(quick):
    rng = np.random.default_rng(0)
    sizes = [1000, 1 << 20] if quick else list(SIZES)
    names = QUICK if quick else list(UNARY)
    for dtype in ("float32",) if quick else ("float32", "float64"):
        for n in sizes:
            if dtype == "float64" and n != 1 << 20:
                continue
            x = np.abs(rng.standard_normal(n).astype(dtype)) + np.dtype(dtype).type(0.1)
            z, g = rng.standard_normal(n).astype(dtype), rng.standard_normal(n).astype(dtype)
            size, shape = np.dtype(dtype).itemsize, SIZES[n]
            for name in names:
                f, numpy_f, dx, numpy_dx, reads_y, backward = UNARY[name]
                v = x if name in ("log", "sqrt") else z
                t = fastnn.from_numpy(v)
                yield Case(
                    case=name, direction="forward", dtype=dtype, shape=shape, bytes=2 * size * n,
                    run=lambda f=f, t=t: f(t), rivals=rivals(lambda f=numpy_f, v=v: f(v), torch_unary(name, v)),
                    reference=partial(exact, name, v) if n == 1000 else None,
                )  # fmt: skip
                if dx is None:
                    continue
                w = numpy_f(v).astype(dtype) if reads_y else v
                kernel, tg, tw = getattr(_cpu, dx), fastnn.from_numpy(g), fastnn.from_numpy(w)
                yield Case(
                    case=name, direction="derivative", dtype=dtype, shape=shape, bytes=3 * size * n,
                    run=lambda k=kernel, a=tg, b=tw: k(a, b),
                    rivals=rivals(lambda f=numpy_dx, g=g, w=w: f(g, w), torch_backward(name, backward, g, w)),
                )  # fmt: skip
            a, b = fastnn.from_numpy(z), fastnn.from_numpy(g)
            yield Case(
                case="add", direction="forward", dtype=dtype, shape=shape, bytes=3 * size * n, flops=n,
                run=partial(add, a, b), rivals=rivals(partial(add, z, g), on_torch(lambda t, a, b: a + b, z, g)),
            )  # fmt: skip
            if n == 1000:
                continue
            m = z.reshape(-1, 1024)
            square = z[: 1 << 20].reshape(1024, 1024)
            for name, p, q in (
                ("add row", m, g[:1024]), ("add column", m, g[: len(m)].reshape(-1, 1)), ("add transposed", square, square.T),
            ):  # fmt: skip
                if n > 1 << 20 and p is square:
                    continue
                yield Case(
                    case=name, direction="forward", dtype=dtype, shape=shape, bytes=2 * size * n,
                    run=partial(add, fastnn.from_numpy(p), fastnn.from_numpy(q)),
                    rivals=rivals(partial(add, p, q), on_torch(lambda t, a, b: a + b, p, q)),
                )  # fmt: skip
            c = z > 0
            args = [fastnn.from_numpy(v) for v in (c, z, g)]
            yield Case(
                case="where", direction="forward", dtype=dtype, shape=shape, bytes=(3 * size + 1) * n,
                run=partial(fastnn.where, *args),
                rivals=rivals(partial(np.where, c, z, g), on_torch(lambda t, c, a, b: t.where(c, a, b), c, z, g)),
            )  # fmt: skip
            yield Case(
                case="less than", direction="forward", dtype=dtype, shape=shape, bytes=(2 * size + 1) * n,
                run=partial(less, *args[1:]), rivals=rivals(partial(less, z, g), on_torch(lambda t, a, b: a < b, z, g)),
            )  # fmt: skip
    z, g = (rng.standard_normal(1000).astype(np.float32) for _ in range(2))
    for name, needs_grad in (("small op a+b", False), ("small op a+b, with gradients", True)):
        a, b = fastnn.tensor(z, requires_grad=needs_grad), fastnn.from_numpy(g)
        yield Case(
            case=name, direction="forward", dtype="float32", shape="1000", bytes=12000, run=partial(add, a, b),
            rivals=rivals(partial(add, z, g), on_torch(lambda t, a, b: a + b, z, g, needs_grad=needs_grad)),
        )  # fmt: skip
