"""`fastnn board`: where fastnn stands against the best alternatives on a CPU, losses printed as plainly as wins.

Rules: every rival at its best (PyTorch eager, channels-last, compiled; JAX jitted), equal threads, one run; functions take
turns in blocks, each warmed up, because other libraries' threads go on spinning after a call (`run.measure`); alternation
call by call is a row of its own. Every case has a twin whose dimensions are scaled by U(0.7, 1.3) from the seed. The score is
against the fastest rival. First-call times (compilation) are apart; outputs are compared with float64.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

import numpy as np

import fastnn
import fastnn.nn.functional as F

from .board_cases import KERNELS, RESNET18, STEPS
from .case import Case
from .machine import describe, limits
from .run import bandwidth, error, limit_threads, measure, microseconds
from .step import train_step

RIVALS = ("numpy", "torch", "jax")


def library(name):
    try:
        return __import__(name)
    except ImportError:
        return None


def torch_best(torch, f, tensors, case, compiled):
    """{name: call}: eager, channels-last for images, and compiled, of `f(torch, functional, *tensors)`."""
    functional = torch.nn.functional
    calls = {"torch": lambda: f(torch, functional, *tensors)}
    if case.images:
        last = [t.to(memory_format=torch.channels_last) if t.ndim == 4 else t for t in tensors]
        calls["torch channels_last"] = lambda: f(torch, functional, *last)
    if compiled:
        fast = torch.compile(lambda *t: f(torch, functional, *t))
        calls["torch compile"] = lambda: fast(*tensors)
    return calls


def torch_gradient(torch, call, tensors):
    def derivative(functional_call):
        y = functional_call()
        g = torch.ones_like(y)
        return lambda: torch.autograd.grad(y, tensors, g, retain_graph=True)

    return derivative(call)


def text(d):
    return " ".join(f"{k}{v}" if not isinstance(v, (tuple, str)) else str(v) for k, v in vars(d).items() if k != "activation")


def kernel_rows(case, d, rng, rivals):
    """The forward and derivative rows of a case."""
    arrays = case.arrays(rng, d)
    floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    mine = [fastnn.from_numpy(a).clone() for a in arrays]
    torch, jax = library("torch") if "torch" in rivals else None, library("jax") if "jax" in rivals else None

    def f(lib, functional, *tensors):
        return case.f(lib, functional, *tensors, d)

    double = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]
    reference = None
    if case.checked:
        def reference():
            return f(fastnn, F, *[fastnn.from_numpy(a) for a in double]).numpy()
        if torch is not None:  # somebody else's float64 where there is one
            def reference():
                return f(torch, torch.nn.functional, *[torch.from_numpy(a) for a in double]).numpy()

    common = ("float32", text(d))
    if case.forward:
        calls = {}
        if case.numpy and "numpy" in rivals:
            calls["numpy"] = lambda: case.numpy(*arrays, d)
        if torch is not None:
            theirs = [torch.from_numpy(a.copy()) for a in arrays]
            calls |= torch_best(torch, f, theirs, case, "torch.compile" in rivals)
        if jax is not None and case.jax:
            jitted = jax.jit(lambda *a: case.jax(jax.numpy, jax, *a, d))
            there = [jax.numpy.asarray(a) for a in arrays]
            calls["jax"] = lambda: jitted(*there).block_until_ready()
        yield Case(case.name, "forward", *common, lambda: f(fastnn, F, *mine), calls, reference, case.flops(d), case.bytes(d))
    if case.back:
        inputs = [mine[i].requires_grad_() for i in floats]
        y = f(fastnn, F, *mine)
        g = fastnn.ones_like(y)
        calls = {}
        if torch is not None:
            theirs = [torch.from_numpy(a.copy()).requires_grad_(a.dtype.kind == "f") for a in arrays]
            for name, call in torch_best(torch, f, theirs, case, "torch.compile" in rivals).items():
                calls[name] = torch_gradient(torch, call, [theirs[i] for i in floats])
        if jax is not None and case.jax:
            def pull(g, *a):
                def of(*xs):
                    full = list(a)
                    for i, x in zip(floats, xs, strict=True):
                        full[i] = x
                    return case.jax(jax.numpy, jax, *full, d)
                return jax.vjp(of, *[a[i] for i in floats])[1](g)

            back = jax.jit(pull)
            there, ones = [jax.numpy.asarray(a) for a in arrays], jax.numpy.ones(y.shape, "float32")
            calls["jax"] = lambda: jax.block_until_ready(back(ones, *there))
        yield Case(
            case.name, "derivative", *common, lambda: fastnn.autograd.grad(y, inputs, g, retain_graph=True), calls, None,
            case.flops(d) * case.back[0], case.bytes(d) * case.back[1],
        )  # fmt: skip


def step_row(case, d, rng, rivals):
    x, y = case.batch(rng, d)
    torch = library("torch") if "torch" in rivals else None

    def step(lib, nn, functional, optim, make):
        model = case.build(nn, functional, d)
        tensors = [make(x), make(y)]
        return train_step(model, getattr(functional, case.loss), getattr(optim, case.optimizer)(model.parameters(), **case.options), *tensors)

    ours = step(fastnn, fastnn.nn, F, fastnn.optim, lambda a: fastnn.from_numpy(a).clone())
    calls = {}
    if torch is not None:
        functional = torch.nn.functional
        calls["torch"] = step(torch, torch.nn, functional, torch.optim, lambda a: torch.from_numpy(a.copy()))
        if "torch.compile" in rivals:
            model = case.build(torch.nn, functional, d)
            optimizer = getattr(torch.optim, case.optimizer)(model.parameters(), **case.options)
            calls["torch compile"] = train_step(
                torch.compile(model), getattr(functional, case.loss), optimizer, torch.from_numpy(x.copy()), torch.from_numpy(y.copy())
            )
    return Case(case.name, "step", "float32", text(d), ours, calls, None, case.flops(d), 0.0)


def adamw_row(name, shapes, rivals):
    """AdamW alone, on gradients that are there."""
    torch = library("torch") if "torch" in rivals else None

    def make(lib, **options):
        parameters = [lib.nn.Parameter(lib.ones(*s)) for s in shapes]
        for p in parameters:
            p.grad = lib.ones(*p.shape) * 1e-3
        return lib.optim.AdamW(parameters, lr=1e-4, **options).step

    calls = {} if torch is None else {"torch": make(torch), "torch fused": make(torch, fused=True)}
    n = float(sum(math.prod(s) for s in shapes))
    return Case(name, "step", "float32", f"{len(shapes)} tensors {n * 1e-6:.2f}M", make(fastnn), calls, None, 0.0, 28.0 * n)


def cases(rivals, seed, only=None):
    """(twin, Case) of every row, made one at a time: the arrays of all would fill the memory."""
    for twin in (False, True):
        rng = np.random.default_rng(seed)
        for case in KERNELS + STEPS:
            d = case.dimensions(rng if twin else None)
            if only and only not in case.name:
                continue
            if case in STEPS:
                yield twin, step_row(case, d, np.random.default_rng(0), rivals)
            else:
                for row in kernel_rows(case, d, np.random.default_rng(0), rivals):
                    yield twin, row
        factor = rng.uniform(0.7, 1.3)
        shapes = [tuple(max(1, round(n * factor**0.5)) for n in s) if twin else s for s in RESNET18]
        small = [(round(257 * factor) if twin else 257,)] * 200
        for name, s in (("17a AdamW ResNet-18", shapes), ("17b AdamW small", small)):
            if not only or only in name:
                yield twin, adamw_row(name, s, rivals)


def alternating(functions, seconds=0.4):
    """{name: median seconds} where the functions follow each other call by call, nobody warmed up again."""
    samples = {name: [] for name in functions}
    end = time.perf_counter() + seconds * len(functions)
    while time.perf_counter() < end or len(samples["fastnn"]) < 5:
        for name, f in functions.items():
            start = time.perf_counter()
            f()
            samples[name].append(time.perf_counter() - start)
    return {name: float(np.median(s)) for name, s in samples.items()}


def board(rivals=RIVALS, *, seed=0, threads=None, budget=0.25, json_path=None, only=None, out=sys.stdout):
    """Runs the board and prints it; returns {"machine", "seed", "rows"}. A row has what `fastnn bench` gives, and "twin"."""
    if threads:
        fastnn.set_num_threads(threads)
    limit_threads(fastnn.get_num_threads())
    missing = [r for r in rivals if r != "torch.compile" and library(r) is None]
    roof = limits()
    machine = describe() | roof | {r: library(r).__version__ for r in rivals if r not in (*missing, "torch.compile")}
    print(f"{machine['cpu']}, {machine['isa']}, {machine['threads']} threads; {roof['gflops']:.0f} GFLOP/s, {roof['stream_gbs']:.0f} GB/s; "
          f"rivals: {', '.join(f'{r} {machine[r]}' for r in rivals if r in machine)}; seed {seed}", file=out)  # fmt: skip
    if missing:
        print(f"not installed, left out: {', '.join(missing)}", file=out)
    print(f"\n{'case':26}{'':11}{'fastnn':>10}  {'fastest rival':28}{'ratio':>7}{'roofline':>10}{'error':>9}  shape", file=out)
    rows, last = [], None
    for twin, case in cases(rivals, seed, only):
        if twin is not last:
            last = twin
            print("--- twins: every dimension times U(0.7, 1.3)" if twin else "--- the named shapes", file=out)
        functions = {"fastnn": case.run} | case.rivals
        first = {}
        for name, f in functions.items():
            start = time.perf_counter()
            f()
            first[name] = time.perf_counter() - start
        kinds = [("blocks", measure(functions, budget))]
        if case.case.startswith("1 ") and not twin:
            kinds.append(("alternating", alternating(functions)))
        for kind, seconds in kinds:
            mine = seconds.pop("fastnn")
            limit = max(case.flops / roof["gflops"], case.bytes / bandwidth(roof, case.bytes)) * 1e-9
            row = {"case": case.case + ("" if kind == "blocks" else " (alternating)"), "direction": case.direction, "dtype": case.dtype,
                   "shape": case.shape, "twin": twin, "seconds": mine, "rivals": seconds, "first": first,
                   "roofline": limit / mine if limit else None,
                   "error": error(case.run(), case.reference()) if case.reference else None}  # fmt: skip
            rows.append(row)
            print(line(row), file=out, flush=True)
    summary(rows, out)
    result = {"machine": machine, "seed": seed, "rows": rows}
    if json_path:
        temporary = Path(f"{json_path}.tmp")
        temporary.write_text(json.dumps(result, indent=1))
        temporary.replace(json_path)
    return result


def fastest(row):
    return min(row["rivals"].items(), key=lambda p: p[1], default=(None, None))


def ratio(row):
    """Seconds of the fastest rival over ours; None without a rival."""
    best = fastest(row)[1]
    return best / row["seconds"] if best else None


def line(row):
    name, best = fastest(row)
    rival = f"{name} {microseconds(best)}" if name else "-"
    r = f"{ratio(row):.2f}x" if name else "-"
    roof = f"{row['roofline']:.0%}" if row["roofline"] else "-"
    wrong = f"{row['error']:.0e}" if row["error"] is not None else "-"
    kind = "" if row["direction"] == "forward" else row["direction"]
    return f"{row['case']:26}{kind:11}{microseconds(row['seconds']):>10}  {rival:28}{r:>7}{roof:>10}{wrong:>9}  {row['shape']}"


def geometric_mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else float("nan")


def summary(rows, out):
    print(file=out)
    means = {}
    for twin in (False, True):
        known = [(ratio(r), r) for r in rows if r["twin"] is twin and ratio(r)]
        if not known:
            continue
        means[twin] = geometric_mean([x for x, _ in known])
        lost = sorted((x, r) for x, r in known if x < 1 for r in [f"{r['case']} {r['direction']}"])
        print(f"{'twins' if twin else 'named'}: {len(known)} rows, geometric mean {means[twin]:.2f}x the fastest rival; lost: "
              + (", ".join(f"{r} {x:.2f}x" for x, r in lost) or "none"), file=out)  # fmt: skip
    if len(means) == 2:
        print(f"the twins' mean is {means[True] / means[False] - 1:+.1%} of the named shapes'", file=out)


__all__ = ["alternating", "board", "cases", "geometric_mean", "ratio"]
