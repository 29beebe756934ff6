"""Runs benchmark cases: fastnn and its rivals interleaved, medians, checked against float64, beside this machine's limits."""

from __future__ import annotations

import importlib
import json
import math
import os
import pkgutil
import statistics
import sys
import time
from pathlib import Path

import numpy as np

import fastnn
from fastnn.files import write_whole

from .machine import describe, limits

ORDER = ("elementwise", "matmul", "conv2d", "pool", "softmax", "norm", "loss", "reduce")


def families():
    """Benchmark modules, the best known first."""
    names = [m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)])]
    found = [n for n in names if n not in ("board", "board_cases", "board_steps", "case", "cuda", "jax_steps", "ladder", "machine", "rivals", "run")]
    return sorted(found, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n))


def cases(names, quick):
    """(family, Case) of the families named (all if none)."""
    for name in names or families():
        for case in importlib.import_module(f"{__package__}.{name}").cases(quick):
            yield name, case


def once(f, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        f()
    return (time.perf_counter() - start) / repeats


# Seconds a function runs untimed after another library: until that one's threads, which go on spinning and hold a core,
# sleep (OpenBLAS: 2^28 ticks of the time stamp counter, 103 ms at 2.6 GHz), and the clock is up again.
WARM = {"numpy": 0.11, "torch": 0.04, "fastnn": 0.02}


def measure(functions, budget):
    """{name: median seconds} of `samples`."""
    return {name: statistics.median(s) for name, s in samples(functions, budget).items()}


def samples(functions, budget):
    """{name: [seconds of a call]}, 20 or more: every function in turn, block by block, so that all meet the same noise.

    A block is four samples, each of as many calls as take about 2 ms. Before each block the function runs untimed for WARM
    seconds, depending on whose block was before it. Measured with sgemm 512, alone 1.4 ms in all three: 40 ms after NumPy fastnn took 2.5 and
    torch 1.9 to 3.7; after a mere pause the clock is down (4.3 ms).
    """
    repeats = {}
    for name, f in functions.items():
        f()
        repeats[name] = max(1, min(2000, int(2e-3 / max(once(f, 1), 1e-7))))
    taken = {name: [] for name in functions}
    names = list(functions)
    warm = {name: WARM.get(names[i - 1], 0.04) if len(names) > 1 else 0.0 for i, name in enumerate(names)}
    end = time.perf_counter() + budget * len(functions) + 5 * sum(warm.values())
    while len(taken[names[0]]) < 20 or (time.perf_counter() < end and len(taken[names[0]]) < 400):
        for name, f in functions.items():
            ready = time.perf_counter() + warm[name]
            f()
            while time.perf_counter() < ready:
                f()
            taken[name] += [once(f, repeats[name]) for _ in range(4)]
        if time.perf_counter() > end + 2 * budget * len(functions):  # calls of many milliseconds: as many as there is time for
            break
    return taken


def as_float64(result):
    if isinstance(result, (tuple, list)):
        result = result[0]
    if isinstance(result, fastnn.Tensor):
        result = result.detach().numpy()
    return np.asarray(result, dtype=np.float64)


def error(result, reference):
    """Largest difference relative to the largest value of the float64 reference."""
    return difference(as_float64(result), np.asarray(reference, dtype=np.float64))


def difference(got, want):
    if got.shape != want.shape:
        raise AssertionError(f"shape {got.shape}, the reference has {want.shape}")
    if not want.size:
        return 0.0
    scale = np.abs(want[np.isfinite(want)]).max(initial=0.0) or 1.0
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    return float(np.where(same, 0.0, np.abs(got - want)).max() / scale)


def bench(names=(), *, threads=None, quick=False, rivals=("numpy",), json_path=None, out=None, filter=None):
    """Runs the families and prints a table; returns the JSON object. Rivals that are not installed are left out.

    ValueError for an unknown family, or if no case's name contains `filter`.
    """
    known = families()
    for name in names:
        if name not in known:
            raise ValueError(f"unknown benchmark family '{name}'; there are: {', '.join(known)}")
    if threads is not None:
        fastnn.set_num_threads(threads)
    n = fastnn.get_num_threads()
    limit_threads(n)
    budget = 0.05 if quick else 0.3
    roof = limits(quick)
    machine = describe() | roof
    rows = []
    print(
        f"{machine['cpu']}, {machine['isa']}, {n} threads; measured here: {roof['gflops']:.0f} GFLOP/s float32, "
        f"{roof['stream_gbs']:.0f} GB/s\n",
        file=out,
    )
    columns = "  ".join(f"{r:>9}" for r in rivals)
    print(f"{'case':28} {'':10} {'shape':24} {'fastnn':>10}  {columns}  {'ratio':>6} {'roofline':>8} {'error':>8}", file=out)
    family = None
    for name, case in cases(names, quick):
        if filter and filter not in case.case:
            continue
        if name != family:
            family = name
            print(f"--- {name}", file=out)
        functions = {"fastnn": case.run} | {r: f for r, f in case.rivals.items() if r in rivals and f is not None}
        seconds = measure(functions, budget)
        mine = seconds.pop("fastnn")
        limit = max(case.flops / (roof["gflops"] * (0.5 if case.dtype == "float64" else 1.0)), case.bytes / bandwidth(roof, case.bytes)) * 1e-9
        row = {
            "family": name,
            "case": case.case,
            "direction": case.direction,
            "dtype": case.dtype,
            "shape": case.shape,
            "seconds": mine,
            "rivals": seconds,
            "roofline": limit / mine if limit else None,
            "error": error(case.run(), case.reference()) if case.reference else None,
        }
        rows.append(row)
        print(line(row, rivals), file=out, flush=True)
    if not rows:
        raise ValueError(f"no case's name contains '{filter}'")
    summary(rows, rivals, out)
    result = {"machine": machine, "rows": rows}
    if json_path:
        write_whole(json_path, json.dumps(result, indent=1).encode())
    return result


def bandwidth(roof, size):
    return roof["cache_gbs"] if size < roof["cache_bytes"] else roof["stream_gbs"]


def microseconds(s):
    return f"{s * 1e6:.1f}us" if s < 1e-3 else f"{s * 1e3:.2f}ms"


def line(row, rivals):
    cells = "  ".join(f"{microseconds(row['rivals'][r]) if r in row['rivals'] else '-':>9}" for r in rivals)
    best = min(row["rivals"].values(), default=None)
    ratio = f"{best / row['seconds']:5.1f}x" if best else "     -"
    roof = f"{row['roofline']:7.0%}" if row["roofline"] else "      -"
    error = f"{row['error']:8.0e}" if row["error"] is not None else "       -"
    kind = {"forward": "", "derivative": "derivative"}.get(row["direction"], row["direction"])
    precision = "" if row["dtype"] == "float32" else f" {row['dtype']}"
    return f"{row['case'] + precision:28} {kind:10} {row['shape']:24} {microseconds(row['seconds']):>10}  {cells}  {ratio} {roof:>8} {error}"


def summary(rows, rivals, out):
    print(file=out)
    for r in rivals:
        ratios = [(row["rivals"][r] / row["seconds"], row) for row in rows if r in row["rivals"]]
        if not ratios:
            print(f"{r}: not installed, or no case has it as a rival", file=out)
            continue
        mean = math.exp(sum(math.log(x) for x, _ in ratios) / len(ratios))
        worst, row = min(ratios, key=lambda p: p[0])
        losses = sum(x < 0.9 for x, _ in ratios)
        print(
            f"against {r}: {len(ratios)} cases, geometric mean {mean:.2f}x, worst {worst:.2f}x "
            f"({row['case']} {row['direction']} {row['shape']}), below 0.9x: {losses}",
            file=out,
        )


def limit_threads(n):
    """The rivals' own thread pools, as far as they can be told in a running process."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n)
    try:
        import threadpoolctl

        threadpoolctl.threadpool_limits(n)
    except ImportError:
        if (os.cpu_count() or 1) != n and not os.environ.get("OPENBLAS_NUM_THREADS"):
            print("note: install threadpoolctl to limit NumPy's threads too", file=sys.stderr)
