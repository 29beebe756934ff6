"""fastnn.explain: every kernel call of a computation, what it worked on and what it cost."""

import pytest

import fastnn
import fastnn.nn.functional as F


def test_every_call_is_told(rng):
    a, b, d = (fastnn.from_numpy(rng.standard_normal(s)) for s in ((6, 5), (5, 7), (7,)))

    def f():
        return F.softmax(fastnn.relu(a @ b + d), 1).sum()

    before = fastnn._cpu.launches()
    told = fastnn.explain(f)
    after = fastnn._cpu.launches()
    assert told.result.item() == f().item()
    names = [c.kernel for c in told]
    assert names == ["matmul", "add", "relu", "softmax", "sum"]
    assert sum(after.values()) - sum(before.values()) == len(names)
    product = told[0]
    assert product.shapes == [(6, 7), (6, 5), (5, 7)] and product.dtype == "float64"
    assert product.flops == 2 * 6 * 5 * 7 and product.bytes == 8 * (42 + 30 + 35) and product.seconds > 0
    assert all(name in str(told) for name in names) and "5 kernel calls" in str(told)


def notes(fn):
    return [" ".join(c.notes) for c in fastnn.explain(fn)]


def test_says_which_way_and_why():
    a, b = fastnn.ones(100, 300), fastnn.ones(300, 77)
    assert "tiles of" in notes(lambda: a @ b)[0] and "in place" in notes(lambda: a @ b)[0]
    assert "bound by reading B" in notes(lambda: a[:3] @ b)[0]
    assert "held in registers" in notes(lambda: F.softmax(b[:, :30].contiguous(), 1))[-1]  # 30: eight vectors of SSE at most
    assert "turned" in notes(lambda: F.softmax(b[:, :3].contiguous(), 1))[-1]
    assert "row by row" in notes(lambda: F.layer_norm(a, (300,)))[0]
    assert "offsets" in notes(lambda: F.max_pool2d(fastnn.ones(1, 1, 9, 9), 3))[0]
    with fastnn.threads(2):
        assert "2 threads share" in notes(lambda: fastnn.ones(600, 600) @ fastnn.ones(600, 600))[-1]
    with fastnn.threads(1):
        assert "threads share" not in notes(lambda: fastnn.ones(600, 600) @ fastnn.ones(600, 600))[-1]


def test_flops_of_convolutions():
    x, w = fastnn.ones(2, 3, 8, 8).requires_grad_(), fastnn.ones(4, 3, 3, 3).requires_grad_()
    told = {c.kernel: c for c in fastnn.explain(lambda: F.conv2d(x, w).sum().backward())}
    assert told["conv2d"].flops == told["conv2d_dx"].flops == told["conv2d_dw"].flops == 2 * 2 * 4 * 6 * 6 * 27


def test_an_error_ends_it():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fastnn.explain(lambda: fastnn.ones(2, 3) @ fastnn.ones(2, 3))
    heard = len(fastnn.explain(lambda: None))
    assert heard == 0 and fastnn.explain(lambda x: x + 1, fastnn.ones(3))[0].kernel == "add"


def test_profile():
    from fastnn.autograd.profiler import record_function as same
    from fastnn.profiler import ProfilerActivity, profile, record_function, schedule

    assert same is record_function
    x = fastnn.ones(20, 20)

    @record_function("inner")
    def inner():
        return x @ x

    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as told:
        with record_function("outer"):
            F.relu(inner()) + inner()
        with pytest.raises(RuntimeError), profile():
            pass
    inner()  # heard by no one
    seen = {e.key: e for e in told.key_averages()}
    assert {k: e.count for k, e in seen.items()} == {"outer": 1, "inner": 2, "matmul": 2, "relu": 1, "add": 1}
    assert seen["outer"].cpu_time_total >= seen["inner"].cpu_time_total >= seen["matmul"].cpu_time_total > 0
    assert seen["outer"].self_cpu_time_total < seen["outer"].cpu_time_total and "matmul" in told.key_averages().table(sort_by="cpu_time", row_limit=9)
    ready = []
    with profile(schedule=schedule(wait=1, warmup=1, active=2, repeat=2), on_trace_ready=lambda p: ready.append((p.step_num, len(p.events())))) as told:
        for _ in range(10):
            inner()
            told.step()
    assert ready == [(4, 4), (8, 4)]


def test_profile_writes_what_chrome_reads(tmp_path):
    import json

    from fastnn.profiler import profile

    with profile() as told:
        fastnn.ones(3) + 1
    told.export_chrome_trace(tmp_path / "trace.json")
    assert "add" in [e["name"] for e in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]]
