"""Training does not grow: live buffers exactly, resident memory within 1 MiB."""

import gc
import sys

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn import _cpu, nn, optim


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_ten_thousand_steps():
    rng = np.random.default_rng(0)
    x = fastnn.from_numpy(rng.standard_normal((16, 8)).astype(np.float32)).clone()
    y = fastnn.from_numpy(rng.integers(0, 3, 16)).clone()
    model = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 3))
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    gc.collect()
    gc.disable()
    try:
        for step in range(10_000):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            if step == 500:
                buffers, memory = _cpu.live_buffers(), resident()
        assert _cpu.live_buffers() == buffers
        assert resident() - memory <= 1 << 20
    finally:
        gc.enable()
    assert np.isfinite(loss.item())
