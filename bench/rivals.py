"""One computation in every library at its best. A maker takes a case's arrays and returns a call that does the work once.

fastnn and PyTorch share `case.f`; PyTorch runs it eagerly, with images laid out channels-last, and compiled (max-autotune); JAX is
jitted; NumPy is what one would write. The derivative is the gradient of every floating array, the forward being kept from before.
"""

from __future__ import annotations

import os

import numpy as np

import fastnn
import fastnn.nn.functional as F

RIVALS = ("numpy", "torch", "torch.compile", "jax")


def library(name):
    """The module, or None; of "torch.compile", torch. JAX asks for its number of threads when it is loaded."""
    if name == "jax":
        os.environ.setdefault("NPROC", str(fastnn.get_num_threads()))
    try:
        return __import__(name.removesuffix(".compile"))
    except ImportError:
        return None


def compiled(torch, f):
    """Compiled anew: a function that was compiled for many shapes is otherwise run eagerly, without a word."""
    import torch._functorch.config
    import torch._inductor.select_algorithm

    torch._dynamo.reset()
    torch._functorch.config.donated_buffer = False  # the graph is walked more than once
    torch._inductor.select_algorithm.PRINT_AUTOTUNE = False
    return torch.compile(f, mode="max-autotune-no-cudagraphs")


def torch_kinds(torch, case, rivals):
    """{name: (how its arrays lie, how its function is wrapped)}."""
    kinds = {}
    if "torch" in rivals:
        kinds["torch"] = (lambda t: t, lambda f: f)
        if case.images:
            kinds["torch channels_last"] = (lambda t: t.to(memory_format=torch.channels_last) if t.ndim == 4 else t, lambda f: f)
    if "torch.compile" in rivals:
        kinds["torch compile"] = (lambda t: t, lambda f: compiled(torch, f))
    return kinds


def floats(arrays):
    return [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]


def upstream(shape):
    """The gradient that arrives at a result: ones would make many of the gradients before it 0."""
    return np.random.default_rng(1).standard_normal(tuple(shape)).astype(np.float32)


def ours(a):
    return fastnn.from_numpy(a).clone()


def rotated(calls):
    """A call that does the work of each in turn: none finds its arrays in a cache, if together they are larger than it."""
    place = -1

    def call():
        nonlocal place
        place = (place + 1) % len(calls)
        return calls[place]()

    return call


def forward(case, d, rivals):
    """{name: maker} of the forward computation, "fastnn" first."""
    torch, jax = (library(n) if any(r.startswith(n) for r in rivals) else None for n in ("torch", "jax"))

    def bound(lib, functional, call, tensors):
        return lambda: call(lib, functional, *tensors, d)

    makers = {"fastnn": lambda arrays: bound(fastnn, F, case.f, [ours(a) for a in arrays])}
    if case.numpy and "numpy" in rivals:
        makers["numpy"] = lambda arrays: lambda: case.numpy(*arrays, d)
    if torch is not None:
        for name, (lay, wrap) in torch_kinds(torch, case, rivals).items():
            f = wrap(lambda *t: case.f(torch, torch.nn.functional, *t, d))

            def make(arrays, f=f, lay=lay):
                tensors = [lay(torch.from_numpy(a.copy())) for a in arrays]
                return lambda: f(*tensors)

            makers[name] = make
    if jax is not None and case.jax:
        jitted = jax.jit(lambda *a: case.jax(jax.numpy, jax, *a, d))

        def make_jax(arrays):
            there = [jax.numpy.asarray(a) for a in arrays]
            return lambda: jitted(*there).block_until_ready()

        makers["jax"] = make_jax
    return makers


def derivative(case, d, rivals):
    """{name: maker} of the gradients with respect to every floating array."""
    torch, jax = (library(n) if any(r.startswith(n) for r in rivals) else None for n in ("torch", "jax"))

    def gradient(lib, f, tensors):
        inputs = [t.requires_grad_() for t in tensors if t.is_floating_point()]
        y = f(*tensors)
        g = lib.ones_like(y) * lib.from_numpy(upstream(y.shape)).to(y.dtype)  # laid out as y
        return lambda: lib.autograd.grad(y, inputs, g, retain_graph=True)

    makers = {"fastnn": lambda arrays: gradient(fastnn, lambda *t: case.f(fastnn, F, *t, d), [ours(a) for a in arrays])}
    if torch is not None:
        for name, (lay, wrap) in torch_kinds(torch, case, rivals).items():
            f = wrap(lambda *t: case.f(torch, torch.nn.functional, *t, d))

            def make(arrays, f=f, lay=lay):
                return gradient(torch, f, [lay(torch.from_numpy(a.copy())) for a in arrays])

            makers[name] = make
    if jax is not None and case.jax:

        def pull(g, *a):
            def of(*xs):
                full = list(a)
                for i, x in zip(floats(a), xs, strict=True):
                    full[i] = x
                return case.jax(jax.numpy, jax, *full, d)

            return jax.vjp(of, *[a[i] for i in floats(a)])[1](g)

        back = jax.jit(pull)

        def make_jax(arrays):
            there = [jax.numpy.asarray(a) for a in arrays]
            g = jax.numpy.asarray(upstream(jax.eval_shape(lambda *a: case.jax(jax.numpy, jax, *a, d), *there).shape))
            return lambda: jax.block_until_ready(back(g, *there))

        makers["jax"] = make_jax
    return makers


def exact(case, arrays, d, of=forward):
    """The float64 result: PyTorch's where it is installed, somebody else's; otherwise our own."""
    arrays = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]
    makers = of(case, d, ["torch"] if library("torch") else [])
    return values(makers["torch" if "torch" in makers else "fastnn"](arrays)())


def values(result):
    """A result, or several, of any library, as NumPy arrays of float64."""
    found = []
    for r in result if isinstance(result, (tuple, list)) else (result,):
        found.append(np.asarray(r.detach().numpy() if hasattr(r, "detach") else r, dtype=np.float64))
    return found


__all__ = ["RIVALS", "compiled", "derivative", "exact", "forward", "library", "rotated", "values"]
