"""Memory of captured steps: nothing is allocated by a replay, nothing grows, and the plan needs no more than the plain step."""

import gc
import resource

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
