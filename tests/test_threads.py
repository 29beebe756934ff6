"""Threads, processes, signals, the environment: what happens around a computation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fastnn
from fastnn import _cpu


def run(code, **env):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env={**os.environ, **env}
    )


def test_threads_in_parallel_agree():
    x = fastnn.from_numpy(np.random.default_rng(0).standard_normal((200, 2000)).astype(np.float32))
    expected, errors = (x * 2).exp().sum(1).tolist(), []

    def work():
        for _ in range(20):
            if (x * 2).exp().sum(1).tolist() != expected:
                errors.append("differs")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_after_use():
    code = """
import os, fastnn
x = fastnn.ones(1 << 20)
assert (x + x).sum().item() == 2 << 20
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        ok = (x + x).sum().item() == 2 << 20
        os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
print("fine")
"""
    assert run(code, PYTHONWARNINGS="ignore").stdout.strip() == "fine"


def test_interrupt_stops_a_long_kernel():
    code = """
import signal, time, fastnn
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background job
x = fastnn.empty(1)
print("go", flush=True)
start = time.time()
try:
    fastnn._cpu.peak(fastnn.empty(1, dtype=fastnn.float64), 1 << 34)
    print("finished")
except KeyboardInterrupt:
    print("interrupted")
assert fastnn.ones(3).sum().item() == 3
"""
    p = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline().strip() == "go"
    time.sleep(0.3)
    p.send_signal(signal.SIGINT)
    assert p.communicate(timeout=100)[0].strip() == "interrupted"


def test_import_is_clean():
    code = """
import sys, threading, warnings
warnings.simplefilter("error")
import numpy
before = set(sys.modules), threading.active_count()
import fastnn
assert sys.float_info.min / 2 > 0, "subnormals are flushed"
assert threading.active_count() == before[1]
for heavy in ("torch", "scipy", "matplotlib", "pooch"):
    assert heavy not in sys.modules, heavy
print(fastnn._cpu.isa())
"""
    r = run(code)
    assert r.returncode == 0, r.stderr


@pytest.mark.parametrize("name", [n for n, _, ok in _cpu.isas() if ok])
def test_isa_by_environment(name):
    assert run("import fastnn; print(fastnn._cpu.isa())", FASTNN_ISA=name).stdout.strip() == name


def test_unknown_isa():
    r = run("import fastnn", FASTNN_ISA="v9")
    assert r.returncode != 0 and "v9" in r.stderr
    with pytest.raises(ValueError, match="unknown instruction set"), fastnn.isa("v9"):
        pass


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads are placed on Linux only")
def test_workers_may_run_anywhere_afterwards():
    """Loops that end while workers are still waking: none is left barred from its caller's core."""
    text = """
import glob, random, time, fastnn
fastnn.set_num_threads(2)
small, large = fastnn.randn(64, 64), fastnn.randn(512, 512)
for i in range(1200):
    small @ small, large @ large
    if i % 3 == 0: time.sleep(random.random() * 0.0008)
time.sleep(0.01)
print({line for path in glob.glob("/proc/self/task/*/status") for line in open(path) if line.startswith("Cpus_allowed_list")})
"""
    got = run(text, FASTNN_NUM_THREADS="2")
    assert got.stdout.count("Cpus_allowed_list") == 1, got.stdout + got.stderr


def test_thread_count():
    with pytest.raises(ValueError):
        fastnn.set_num_threads(0)
    assert run("import fastnn; print(fastnn.get_num_threads())", FASTNN_NUM_THREADS="3").stdout.strip() == "3"
