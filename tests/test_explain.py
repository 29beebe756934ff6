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
