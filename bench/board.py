"""`fastnn board`: where fastnn stands against the best alternatives on a CPU, losses printed as plainly as wins.

Rules: every rival at its best (PyTorch eager, channels-last, compiled; JAX jitted), equal threads, one run; functions take
turns in blocks, each warmed up, because other libraries' threads go on spinning after a call (`run.samples`); alternation
call by call is a row of its own. Cases bound by memory whose arrays fit into the cache are also measured cold: each call
finds other arrays than the one before. Every case has a twin whose dimensions are scaled by U(0.7, 1.3) from the seed. The score is against the fastest
rival whose result is right (a library that flushes denormal numbers to zero has no digit of theirs). First-call times (compilation) are apart; outputs and gradients, the rivals' too, are compared with float64.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import fastnn
from fastnn.files import write_whole

from .board_cases import KERNELS
from .board_steps import ADAMW, STEPS
from .case import Case
from .machine import caches, describe, limits
from .rivals import RIVALS, compiled, derivative, exact, forward, library, rotated, values
from .run import bandwidth, difference, limit_threads, microseconds, once, samples
from .step import train_step

ALTERNATING = ("1 gemm_square", "11 ew_chain", "18a MLP 784-512-10")


def chosen(name, only):
    """Whether a case is among those asked for: numbers ("9", "18a") or parts of names, with commas between."""
    if not only:
        return True
    number = name.split()[0]
    return any(t in (number, number.rstrip("abcdefgh")) if t[0].isdigit() else t in name for t in only.split(",") if t)


def text(d):
    return " ".join(f"{k}{v}" if not isinstance(v, (tuple, str)) else str(v) for k, v in vars(d).items() if k != "activation")


@dataclass
class Row(Case):
    """A row of the board: the memory is rotated in `cold` ones, `exact` gives the float64 results, as a list."""

    family: str = "kernel"
    twin: bool = False
    cold: bool = False
    exact: Callable | None = None


def kernel_rows(case, d, rng, rivals, pool):
    """The forward and derivative rows of a case; also with arrays that rotate, `pool` bytes of them, if there is a pool."""
    arrays = case.arrays(rng, d)
    sets = math.ceil(pool / sum(a.nbytes for a in arrays))
    directions = [("forward", forward, (1, 1))] if case.forward else []
    for direction, of, (flops, size) in directions + ([("derivative", derivative, case.back)] if case.back else []):
        makers = of(case, d, rivals)

        def row(calls, cold=False, direction=direction, of=of, flops=flops, size=size):
            mine = calls.pop("fastnn")
            there = (lambda: exact(case, arrays, d, of)) if case.checked and not cold else None
            return Row(case.name, direction, "float32", text(d), mine, calls, None, case.flops(d) * flops, case.bytes(d) * size, cold=cold, exact=there)

        yield row({name: make(arrays) for name, make in makers.items()})
        if sets > 1:
            copies = [arrays] + [tuple(a.copy() for a in arrays) for _ in range(sets - 1)]
            yield row({name: rotated([make(c) for c in copies]) for name, make in makers.items()}, cold=True)


def step_row(case, d, rng, rivals):
    x, y = case.batch(rng, d)

    def step(lib, move=lambda t: t, wrap=lambda f: f):
        nn, functional = lib.nn, lib.nn.functional
        model = move(case.build(nn, functional, d))
        optimizer = getattr(lib.optim, case.optimizer)(model.parameters(), **case.options)
        return train_step(wrap(model), getattr(functional, case.loss), optimizer, move(lib.from_numpy(x.copy())), lib.from_numpy(y.copy()))

    calls, torch = {}, library("torch")
    if "torch" in rivals:
        calls["torch"] = step(torch)
        if x.ndim == 4:
            calls["torch channels_last"] = step(torch, lambda t: t.to(memory_format=torch.channels_last))
    if "torch.compile" in rivals:
        calls["torch compile"] = step(torch, wrap=lambda f: compiled(torch, f))
    return Row(case.name, "step", "float32", text(d), step(fastnn), calls, None, case.flops(d), family="step")


def adamw_row(case, d, rivals):
    """AdamW alone, on gradients that are there."""
    torch, shapes, name = library("torch") if "torch" in rivals else None, case.shapes(d), case.name

    def make(lib, **options):
        parameters = [lib.nn.Parameter(lib.ones(*s)) for s in shapes]
        for p in parameters:
            p.grad = lib.ones(*p.shape) * 1e-3
        return lib.optim.AdamW(parameters, lr=1e-4, **options).step

    calls = {}
    if torch is not None:
        calls = {"torch": make(torch), "torch foreach": make(torch, foreach=True), "torch fused": make(torch, fused=True)}
    n = float(sum(math.prod(s) for s in shapes))
    return Row(name, "step", "float32", f"{len(shapes)} tensors {n * 1e-6:.2f}M", make(fastnn), calls, None, 0.0, 28.0 * n)


def cases(rivals, seed, only=None, roof=None):
    """Every `Row`, made one at a time, as the arrays of all would fill the memory. A twin's dimensions depend on seed and name."""
    for twin in (False, True):
        for case in KERNELS + STEPS + ADAMW:
            if not chosen(case.name, only):
                continue
            d = case.dimensions(np.random.default_rng([seed, *case.name.encode()]) if twin else None)
            rng = np.random.default_rng(0)
            if case in KERNELS:
                bound = roof and not twin and case.bytes(d) / roof["stream_gbs"] > case.flops(d) / roof["gflops"]  # by memory
                rows = kernel_rows(case, d, rng, rivals, roof["pool_bytes"] if bound else 0)
            else:
                rows = [step_row(case, d, rng, rivals) if case in STEPS else adamw_row(case, d, rivals)]
            for row in rows:
                row.twin = twin
                yield row


def alternating(functions, seconds=0.4):
    """{name: [seconds]} where the functions follow each other call by call, nobody warmed up again. Each round has an order of
    its own, so everyone has everyone's spinning threads beside it as often."""
    taken, order, rng = {name: [] for name in functions}, list(functions), random.Random(0)
    end = time.perf_counter() + seconds * len(functions)
    while time.perf_counter() < end or len(taken["fastnn"]) < 5:
        rng.shuffle(order)
        for name in order:
            taken[name].append(once(functions[name], 1))
    return taken


def errors(row, functions):
    """{name: largest difference from float64, relative to its largest value} of every library."""
    if row.exact is None:
        return {}
    want = row.exact()
    return {name: max(map(difference, values(f()), want)) for name, f in functions.items()}


def board(rivals=RIVALS, *, seed=0, threads=None, budget=0.25, json_path=None, only=None, out=None):
    """Runs the board and prints it; returns {"machine", "seed", "rows"}. A row has what `fastnn bench` gives, and more.

    "twin": whether the dimensions are the twin's; "cold": whether the arrays rotate; "alternating": whether the libraries took turns
    call by call; "minimum" beside the medians, "first" (the first call, compilation included) and "errors", each {library: number}.
    """
    if threads is not None:
        fastnn.set_num_threads(threads)
    if only and not any(chosen(c.name, only) for c in KERNELS + STEPS + ADAMW):
        raise ValueError(f"no case of the board is called '{only}'; there are: {', '.join(c.name for c in KERNELS + STEPS + ADAMW)}")
    limit_threads(fastnn.get_num_threads())
    here, missing = [r for r in rivals if library(r)], [r for r in rivals if not library(r)]
    roof = limits()
    roof["pool_bytes"] = 2 * caches().get("L3", 32 << 20)
    machine = describe() | roof | {r: library(r).__version__ for r in here}
    print(f"{machine['cpu']}, {machine['isa']}, {machine['threads']} threads; {roof['gflops']:.0f} GFLOP/s, {roof['stream_gbs']:.0f} GB/s; "
          f"rivals: {', '.join(f'{r} {machine[r]}' for r in here) or 'none'}; seed {seed}", file=out)  # fmt: skip
    if missing:
        print(f"not installed, left out: {', '.join(missing)}", file=out)
    print(f"\n{'case':26}{'':17}{'fastnn':>10}  {'fastest rival':28}{'ratio':>7}{'roofline':>10}{'error':>9}{'theirs':>8}  shape", file=out)
    rows, last = [], None
    for case in cases(here, seed, only, roof):
        if case.twin is not last:
            last = case.twin
            print("--- twins: every dimension times U(0.7, 1.3)" if last else "--- the named shapes", file=out)
        functions = {"fastnn": case.run} | case.rivals
        first = {name: once(f, 1) for name, f in functions.items()}
        kinds = [(False, samples(functions, budget))]
        if case.case in ALTERNATING and case.direction != "derivative" and not (case.twin or case.cold):
            kinds.append((True, alternating(functions)))
        found = errors(case, functions)
        for turns, taken in kinds:
            seconds, minimum = ({name: float(of(t)) for name, t in taken.items()} for of in (statistics.median, min))
            mine = seconds.pop("fastnn")
            rate = roof["stream_gbs"] if case.cold else bandwidth(roof, case.bytes)
            limit = max(case.flops / roof["gflops"], case.bytes / rate) * 1e-9
            row = {"family": case.family, "case": case.case, "direction": case.direction, "dtype": case.dtype, "shape": case.shape,
                   "twin": case.twin, "cold": case.cold, "alternating": turns, "seconds": mine, "rivals": seconds, "minimum": minimum, "first": first,
                   "roofline": limit / mine if limit else None, "error": found.get("fastnn"), "errors": found}  # fmt: skip
            rows.append(row)
            print(line(row), file=out, flush=True)
    summary(rows, out)
    result = {"machine": machine, "seed": seed, "rows": rows}
    if json_path:
        write_whole(json_path, json.dumps(result, indent=1).encode())
    return result


def wrong(row):
    """The rivals that have not a digit right: their times do not count."""
    return [name for name in row["rivals"] if not row["errors"].get(name, 0) < 0.1]


def fastest(row):
    out = wrong(row)
    return min(((n, s) for n, s in row["rivals"].items() if n not in out), key=lambda p: p[1], default=(None, None))


def ratio(row):
    """Seconds of the fastest rival over ours; None without a rival."""
    best = fastest(row)[1]
    return best / row["seconds"] if best else None


def kind(row):
    """What distinguishes the rows of a case: "", "derivative", "step", "cold", "derivative cold", "alternating" ..."""
    words = ["cold"] * row["cold"] + ["alternating"] * row["alternating"]
    return " ".join(words if row["direction"] == "forward" else [row["direction"], *words])


def line(row):
    name, best = fastest(row)
    rival = f"{name} {microseconds(best)}" if name else "-"
    r = f"{ratio(row):.2f}x" if name else "-"
    roof = f"{row['roofline']:.0%}" if row["roofline"] else "-"
    ours, theirs = (f"{row['errors'][n]:.0e}" if n in row["errors"] else "-" for n in ("fastnn", name))
    return f"{row['case']:26}{kind(row):17}{microseconds(row['seconds']):>10}  {rival:28}{r:>7}{roof:>10}{ours:>9}{theirs:>8}  {row['shape']}"


def geometric_mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else float("nan")


def summary(rows, out):
    """Means, every loss, the twins that differ from their named shapes, and what first calls took."""
    print(file=out)
    known = {(r["case"], kind(r), r["twin"]): ratio(r) for r in rows if ratio(r)}
    for twin in (False, True):
        here = {f"{case} {what}".strip(): x for (case, what, t), x in known.items() if t is twin}
        if here:
            lost = ", ".join(f"{name} {x:.2f}x" for name, x in sorted(here.items(), key=lambda p: p[1]) if x < 1) or "none"
            print(f"{'twins' if twin else 'named'}: {len(here)} rows, geometric mean {geometric_mean(here.values()):.2f}x the fastest rival; "
                  f"lost: {lost}", file=out)  # fmt: skip
    pairs = {f"{case} {what}".strip(): known[case, what, True] / x for (case, what, t), x in known.items() if not t and (case, what, True) in known}
    if pairs:
        print(f"the twins' mean is {geometric_mean(pairs.values()) - 1:+.1%} of that of their named shapes; by more than 10 %: "
              + (", ".join(f"{name} {x - 1:+.0%}" for name, x in pairs.items() if abs(x - 1) > 0.1) or "none"), file=out)  # fmt: skip
    if out_of_it := [f"{r['case']} {n} (error {r['errors'][n]:.0e}, {microseconds(r['rivals'][n])})" for r in rows for n in wrong(r)]:
        print(f"not counted, no digit right: {', '.join(out_of_it)}", file=out)
    names = dict.fromkeys(n for r in rows for n in r["first"])
    print("first calls, in all: " + ", ".join(f"{n} {sum(r['first'].get(n, 0) for r in rows):.2f} s" for n in names), file=out)


__all__ = ["alternating", "board", "cases", "fastest", "geometric_mean", "kind", "ratio", "wrong"]
