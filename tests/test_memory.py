"""Training does not grow: live buffers exactly, resident memory within 1 MiB. Changes from outside are seen."""

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


# -- memory that others can write to ----------------------------------------------------------------------------------------


def fingerprint(x):
    h = fastnn.empty((), dtype=fastnn.int64)
    _cpu.fingerprint(h, x)
    return h.item()


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_fingerprint_sees_every_change(dtype, rng):
    a = rng.integers(0, 100, (7, 11, 33)).astype(dtype)
    views = [a, a.T, a.transpose(1, 0, 2), a[:, ::2], a[::-1], a[1:, 3:, 2], a[:0], np.broadcast_to(a[:1], (3, 11, 33))]
    wide = rng.integers(0, 100, (6, 5, 600)).astype(dtype)
    views += [wide[:, 1:4, 7:590], wide[::-2, ::2], wide.transpose(1, 0, 2)[1:]]
    for v in views:
        t = fastnn.from_numpy(v) if v.flags.writeable else fastnn.from_numpy(a)[:1].expand(v.shape)
        before = [fingerprint(t)]
        for _ in range(20 if v.size else 0):
            i = tuple(rng.integers(0, n) for n in v.shape)
            j = i if v.flags.writeable else (0, *i[1:])
            (v if v.flags.writeable else a)[j] += 1
            before.append(fingerprint(t))
        assert len(set(before)) == len(before)
    long = fastnn.from_numpy(rng.standard_normal(300_001).astype(dtype))
    same = set()
    for threads in (1, 2, 3, 7):
        with fastnn.threads(threads):
            same.add(fingerprint(long))
    assert len(same) == 1
    for name, _, supported in _cpu.isas():
        if supported:
            with fastnn.isa(name):
                same.add(fingerprint(long))
    assert len(same) == 1
    fastnn.from_numpy(long.numpy()).neg_()
    assert fingerprint(long) not in same
    rows = fastnn.from_numpy(rng.standard_normal((900, 400)).astype(dtype))[1:, 3:390]
    same = {fingerprint(rows)}
    with fastnn.threads(1):
        assert same == {fingerprint(rows)}
