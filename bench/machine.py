"""What this machine is, and its limits: measured in the same run as the benchmarks that are divided by them."""

from __future__ import annotations

import platform
import sys
import time

import numpy as np

import fastnn
from fastnn import _cpu


def cpu_name():
    try:
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith(("model name", "Model")):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def caches():
    """{"L1d": bytes, "L2": ..., "L3": ...} of the first core, from sysfs; empty where it is absent."""
    from pathlib import Path

    sizes = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((index / f).read_text().strip() for f in ("level", "type", "size"))
        except OSError:
            continue
        unit = {"K": 1 << 10, "M": 1 << 20}.get(size[-1], 1)
        if kind != "Instruction":
            sizes[f"L{level}{'d' if kind == 'Data' else ''}"] = int(size.rstrip("KM")) * unit
    return sizes


def describe():
    return {
        "cpu": cpu_name(),
        "isa": _cpu.isa(),
        "threads": fastnn.get_num_threads(),
        "caches": caches(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "fastnn": fastnn.__version__,
        "platform": sys.platform,
    }


def best(f, seconds):
    """The fastest of repeated calls: a limit is what the machine can do when nothing disturbs it."""
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return min(times)


def limits(quick=False):
    """Multiply-add rate of float32 registers (all threads), bandwidth of a read + write from memory and from cache."""
    seconds = 0.1 if quick else 0.5
    steps = 2_000_000
    flops = _cpu.empty((1,), fastnn.float64)
    t = best(lambda: _cpu.peak(flops, steps), seconds)
    gflops = flops.item() / t * 1e-9
    n = 16 << 20
    x, y = fastnn.ones(n), fastnn.empty(n)
    t = best(lambda: _cpu.copy(y, x), seconds)
    stream = 8 * n / t * 1e-9
    n = 64 << 10
    x, y = fastnn.ones(n), fastnn.empty(n)

    def many():
        for _ in range(50):
            _cpu.copy(y, x)

    cache = 50 * 8 * n / best(many, seconds) * 1e-9
    return {"gflops": gflops, "stream_gbs": stream, "cache_gbs": max(cache, stream), "cache_bytes": 4 << 20}


__all__ = ["caches", "cpu_name", "describe", "limits"]
