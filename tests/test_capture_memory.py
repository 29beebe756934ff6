"""Memory of captured steps: nothing is allocated by a replay, nothing grows, and the plan needs no more than the plain step."""

import ctypes
import gc
import os
import platform
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim


def mlp():
    return nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Dropout(0.3), nn.LayerNorm(128), nn.Linear(128, 5)), (32, 64)


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 64, 5),
    ), (16, 3, 16, 16)  # fmt: skip


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(64, 64) for _ in range(12)])
        self.out = nn.Linear(64, 5)

    def forward(self, x):
        for layer in self.layers:
            x = x + F.silu(layer(x)) * 0.5
        return self.out(x)


class Last(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.out = nn.LSTM(16, 32, batch_first=True), nn.Linear(32, 5)

    def forward(self, x):
        return self.out(self.layer(x)[0][:, -1])


NETWORKS = {"mlp": mlp, "cnn": cnn, "deep": lambda: (Deep(), (256, 64)), "lstm": lambda: (Last(), (8, 20, 16))}


def training(name, method="Adam"):
    fastnn.manual_seed(0)
    model, shape = NETWORKS[name]()
    optimizer = getattr(optim, method)(model.parameters(), lr=1e-3)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, fastnn.randn(*shape), fastnn.from_numpy(np.arange(shape[0]) % 5)


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_plan_needs_no_more_than_the_plain_step(name):
    step, x, y = training(name)
    for _ in range(3):
        step(x, y)
    gc.collect()
    fastnn._cpu.pool_reset_peak()
    base = fastnn.memory_stats()["live_bytes"]
    step(x, y)
    eager = fastnn.memory_stats()["peak_bytes"] - base
    gradients = sum(p.grad.numel() * 4 for p in _parameters(step))
    run = fastnn.capture(step)
    for _ in range(3):
        run(x, y)
    # The plain step's peak counts from a state in which the gradients of the step before are still there.
    assert run.memory() <= eager + gradients
    assert f"{run.memory():,} bytes" in str(run.program())


def _parameters(step):
    for cell in step.__closure__:
        if isinstance(cell.cell_contents, nn.Module):
            return list(cell.cell_contents.parameters())
    raise AssertionError


def test_10000_replays():
    step, x, y = training("mlp")
    run = fastnn.capture(step)
    for _ in range(500):
        run(x, y)
    gc.collect()
    before, live, faults = resident(), fastnn.memory_stats(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10_000):
        run(x, y)
    after = fastnn.memory_stats()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults < 100  # of 10,000 steps
    assert (after["live_bytes"], after["live_blocks"], after["cached_bytes"]) == (live["live_bytes"], live["live_blocks"], live["cached_bytes"])
    assert resident() - before <= 1 << 20


COUNTER = r"""
#include <stddef.h>
void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
long allocations;
#define COUNT __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED)
void *malloc(size_t n) { COUNT; return __libc_malloc(n); }
void *calloc(size_t n, size_t s) { COUNT; return __libc_calloc(n, s); }
void *realloc(void *p, size_t n) { COUNT; return __libc_realloc(p, n); }
void *aligned_alloc(size_t a, size_t n) { COUNT; return __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) { COUNT; return (*p = __libc_memalign(a, n)) ? 0 : 12; }
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or not shutil.which("cc"), reason="counts allocations of glibc, by a shim that cc makes")
def test_a_replay_allocates_nothing(tmp_path):
    """Neither malloc nor a page fault: 3 times 1,000 replays of each network, of which a round may meet what is made once, late (a
    thread's first scratch memory)."""
    (tmp_path / "count.c").write_text(COUNTER)
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", "count.so", "count.c"], cwd=tmp_path, check=True)
    environment = os.environ | {"LD_PRELOAD": str(tmp_path / "count.so")}
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    counted = dict(eval(line) for line in done.stdout.splitlines())
    assert counted.keys() == NETWORKS.keys()
    for name, rounds in counted.items():
        assert min(rounds) == (0, 0), f"{name}: (allocations, page faults) of 1,000 replays {rounds}"
        assert sum(a for a, _ in rounds) < 30, f"{name}: {rounds}"


def count_allocations():
    count = ctypes.c_long.in_dll(ctypes.CDLL(None), "allocations")
    for name in NETWORKS:
        step, x, y = training(name)
        run, rounds = fastnn.capture(step), []
        for _ in range(100):
            run(x, y)
        gc.collect()
        for _ in range(3):
            before = count.value, resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(1000):
                run(x, y)
            rounds.append((count.value - before[0], resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before[1]))
        print((name, rounds))


def test_programs_give_their_memory_back():
    step, x, y = training("cnn")
    gc.collect()
    run = fastnn.capture(step, limit=3)
    for rows in range(2, 16):  # more shapes than are kept
        for _ in range(3):
            run(x[:rows], y[:rows])
        assert len(run.programs) <= 3
    live = fastnn._cpu.live_buffers()
    run.clear()
    gc.collect()
    assert fastnn._cpu.live_buffers() < live
    with pytest.raises(RuntimeError, match="nothing is recorded yet"):
        run.memory()


def test_running_out_of_memory_while_recording():
    step, x, y = training("mlp")
    run = fastnn.capture(step)
    run(x, y)
    for n in (0, 3, 10):
        fastnn._cpu.pool_fail_after(n)
        with pytest.raises(MemoryError):
            run(x, y)
        fastnn._cpu.pool_fail_after(-1)
    for _ in range(4):  # the first without gradients from before: a program of its own
        assert np.isfinite(run(x, y).item())
    assert run.programs[0].replays > 0


if __name__ == "__main__":
    count_allocations()
