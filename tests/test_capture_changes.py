"""What changes between the calls of a captured step: a new program, a clear error or a plain run; never a stale result."""

import gc
import signal
import threading
import time
import warnings

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim

X = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


def x_():
    return fastnn.from_numpy(X).clone()


def pair(make, calls=12):
    """Runs make(capture or identity) -> (step, between) twice, `between(i)` before call i; the results must be the same bits."""
    runs = []
    for wrap in (lambda f: f, fastnn.capture):
        fastnn.manual_seed(0)
        step, between, state = make(wrap)
        results = []
        for i in range(calls):
            between(i)
            results.append(step(x_()).detach().numpy().tobytes())
        runs.append(results + [t.detach().numpy().tobytes() for t in state()])
    assert runs[0] == runs[1]


def training(wrap, between, optimizer=None, model=None):
    model = model or nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 2))
    world = {"model": model, "scale": 1.0, "optimizer": (optimizer or optim.Adam)(model.parameters(), lr=0.01)}

    class Trainer:
        """Attributes of an object that the step reads."""

    t = Trainer()
    t.__dict__.update(world)

    def step(x):
        t.optimizer.zero_grad()
        loss = (t.model(x) * t.scale).square().mean()
        loss.backward()
        t.optimizer.step()
        return loss

    return wrap(step), lambda i: between(t, i), t.model.parameters


@pytest.mark.parametrize("what", [
    "new optimizer", "weight decay", "learning rate", "loaded optimizer", "cleared state", "another group", "new layer", "replaced layer", "activation",
    "dropout", "mode", "frozen", "parameter data", "scale", "gradients dropped", "gradient set", "loaded model", "momentum", "hook", "seed",
])  # fmt: skip
def test_a_change_outside_is_seen(what):
    kept = {}

    def between(t, i):
        if i == 4 and what == "loaded optimizer":
            kept["state"] = {"state": {k: {n: v.clone() for n, v in s.items()} for k, s in t.optimizer.state_dict()["state"].items()},
                             "param_groups": t.optimizer.state_dict()["param_groups"]}  # fmt: skip
        if i == 4 and what == "loaded model":
            kept["model"] = {k: v.clone() for k, v in t.model.state_dict().items()}
        if i != 7:
            return
        if what == "new optimizer":
            t.optimizer = optim.SGD(t.model.parameters(), lr=0.1)
        elif what == "weight decay":
            t.optimizer.param_groups[0]["weight_decay"] = 0.1
        elif what == "learning rate":
            t.optimizer.param_groups[0]["lr"] = 0.3
        elif what == "loaded optimizer":
            t.optimizer.load_state_dict(kept["state"])
        elif what == "cleared state":
            t.optimizer.state.clear()
        elif what == "another group":
            t.extra = nn.Parameter(fastnn.ones(2))
            t.optimizer.add_param_group({"params": [t.extra]})
        elif what == "new layer":
            t.model.append(nn.Linear(2, 2))
        elif what == "replaced layer":
            t.model[3] = nn.Linear(8, 2)
        elif what == "activation":
            t.model[2] = nn.ReLU()
        elif what == "dropout":
            t.model[1].p = 0.7
        elif what == "mode":
            t.model.eval()
        elif what == "frozen":
            t.model[0].weight.requires_grad_(False)
        elif what == "parameter data":
            t.model[0].weight.data = fastnn.ones(8, 4)
        elif what == "scale":
            t.scale = 2.5
        elif what == "gradients dropped":
            t.optimizer.zero_grad()
        elif what == "gradient set":
            t.model[0].weight.grad = fastnn.ones(8, 4)
        elif what == "loaded model":
            t.model.load_state_dict(kept["model"])
        elif what == "momentum":
            t.optimizer.param_groups[0]["betas"] = (0.5, 0.9)
        elif what == "hook":
            t.model[0].register_forward_hook(lambda m, a, y: y * 2)
        elif what == "seed":
            fastnn.manual_seed(5)

    pair(lambda wrap: training(wrap, between))


SCALE = 1.0


def test_globals_closures_defaults_and_helpers(monkeypatch):
    factor, table = 2.0, {"shift": 1.0, "more": [1.0, 2.0]}

    def helper(x):
        return x * SCALE + table["shift"] + table["more"][1]

    @fastnn.capture
    def step(x):
        return helper(x) * factor

    def check():
        for _ in range(4):
            np.testing.assert_array_equal(step(x_()).numpy(), (helper(x_()) * factor).numpy())

    check()
    monkeypatch.setattr(__import__(__name__), "SCALE", 3.0)
    check()
    factor = 5.0
    check()
    table["shift"] = 0.25
    check()
    table["more"][1] = 7.0
    check()
    assert len(step.programs) == 5


def test_numbers_in_arguments_keep_their_type():
    calls = []

    @fastnn.capture
    def step(x, k):
        calls.append(k)
        return x // k if isinstance(k, int) and not isinstance(k, bool) else x * k

    x = fastnn.arange(6)
    for k in (2, 2.0, True, 0.0, -0.0):
        for _ in range(3):
            want = x // k if isinstance(k, int) and not isinstance(k, bool) else x * k
            got = step(x, k)
            assert got.dtype is want.dtype and got.numpy().tobytes() == want.numpy().tobytes()
    assert len(calls) == 10
    with pytest.raises(TypeError, match="ndarray can be neither copied nor compared"):
        step(x, np.ones(6))


def test_layouts_are_kept():
    @fastnn.capture
    def strides(x):
        return x.sum(0), x.sum(1), x.t() @ x

    base = fastnn.randn(40, 30)
    for view in (base, base.t(), base[::2], base.flip(1), base[:, 3:9], base[:1].expand(7, 30), base[5]):
        if view.ndim == 1:
            view = view.expand(3, 30)
        for _ in range(3):
            got, want = strides(view), (view.sum(0), view.sum(1), view.t() @ view)
            assert [a.numpy().tobytes() for a in got] == [a.numpy().tobytes() for a in want]


def test_arguments_that_are_changed_or_differentiated():
    def step(x, w):
        x.mul_(2)
        (x * w).sum().backward()
        return x.sum()

    runs = []
    for f in (step, fastnn.capture(step)):
        w, log = fastnn.ones(6, 4).requires_grad_(), []
        for _ in range(5):
            x = x_()
            log += [f(x, w).item(), x.numpy().tobytes(), w.grad.numpy().tobytes()]
        runs.append(log)
    assert runs[0] == runs[1]


def test_an_argument_with_a_history_is_part_of_something_larger():
    w = fastnn.ones(4).requires_grad_()
    f = fastnn.capture(lambda y: (y * y).sum())
    for _ in range(4):
        w.grad = None
        f(w * 2).backward()
        assert w.grad.tolist() == [8.0] * 4
    g = fastnn.capture(lambda x: (x * 2).sum())
    for _ in range(4):
        np.testing.assert_array_equal(fastnn.func.vmap(g)(x_()).numpy(), (x_() * 2).sum(1).numpy())


def test_gradients_that_a_user_holds_are_not_overwritten():
    fastnn.manual_seed(1)
    step, _, parameters = training(fastnn.capture, lambda t, i: None)
    for _ in range(3):
        step(x_())
    held, copies = [], []
    for _ in range(4):
        p = next(iter(parameters()))
        held += [p.grad, p.grad[0], p.grad.numpy()]
        copies += [p.grad.numpy().copy(), p.grad[0].numpy().copy(), p.grad.numpy().copy()]
        step(x_())
    for h, c in zip(held, copies, strict=True):
        np.testing.assert_array_equal(h.numpy() if isinstance(h, fastnn.Tensor) else h, c)
    del held, h
    gc.collect()
    before = step.programs[0].replays
    step(x_())
    assert step.programs[0].replays == before + 1


def test_a_tensor_kept_outside_the_step_is_an_error():
    kept = []

    @fastnn.capture
    def appends(x):
        y = (x * 3).sin()
        kept.append(y)
        return y.sum()

    appends(x_()), appends(x_()), appends(x_())
    with pytest.raises(RuntimeError, match=r"test_capture_changes.py:\d+: the result of sin is kept by .*appends outside the step"):
        appends(x_())
    for y in kept:  # and none was overwritten
        np.testing.assert_array_equal(y.numpy(), (x_() * 3).sin().numpy())

    class Cell:
        def __init__(self):
            self.h = fastnn.zeros(6, 4)

        @fastnn.capture
        def carried(self, x):
            self.h = (self.h + x).tanh()
            return self.h.sum()

        @fastnn.capture
        def in_place(self, x):
            self.h.copy_((self.h + x).tanh())
            return self.h.sum()

    cell, plain = Cell(), Cell()
    with pytest.warns(UserWarning, match="Cell.h|h changes with every call"):
        for _ in range(12):
            plain.h = (plain.h + x_()).tanh()
            assert cell.carried(x_()).item() == plain.h.sum().item()
    cell, plain = Cell(), Cell()
    for _ in range(6):
        plain.h = (plain.h + x_()).tanh()
        assert cell.in_place(x_()).item() == plain.h.sum().item()
    arguments = []
    keeps = fastnn.capture(lambda x: (arguments.append(x), x.sum())[1])
    with pytest.raises(RuntimeError, match="an argument is kept"):
        for _ in range(4):
            keeps(x_())


def test_state_that_is_made_late_is_no_error():
    cache = {}

    def step(x, warm=[0]):  # noqa: B006
        warm[0] += 1
        if warm[0] >= 2 and "k" not in cache:
            cache["k"] = fastnn.ones(4) * 2
        return x * cache["k"] if "k" in cache else x

    f = fastnn.capture(step)
    got = [f(x_()) for _ in range(6)]
    np.testing.assert_array_equal(got[0].numpy(), X)
    for g in got[1:]:
        np.testing.assert_array_equal(g.numpy(), X * 2)


def test_a_step_that_changes_every_time_runs_plainly():
    count = 0

    @fastnn.capture
    def step(x):
        nonlocal count
        count += 1
        return x * count

    with pytest.warns(UserWarning, match="count changes with every call of .*step, which runs plainly"):
        for i in range(14):
            np.testing.assert_array_equal(step(x_()).numpy(), X * (i + 1))
    epoch = 0

    @fastnn.capture
    def other(x):
        return x + epoch

    with pytest.warns(UserWarning, match="epoch changes with every call of .*other, which runs plainly"):
        for epoch in range(14):
            np.testing.assert_array_equal(other(x_()).numpy(), X + epoch)


@pytest.mark.parametrize("how", ["item", "bool", "numpy", "tolist", "print", "nonzero", "mask", "float", "index", "dlpack"])
def test_reading_a_value_names_line_and_operation(how):
    read = {
        "item": lambda y: y.item(), "bool": lambda y: 1 if y > 0 else 2, "numpy": lambda y: y.numpy(), "tolist": lambda y: y.tolist(),
        "print": lambda y: str(y), "nonzero": lambda y: fastnn.nonzero(y), "mask": lambda y: y[y > 0], "float": lambda y: float(y),
        "index": lambda y: [1, 2, 3][y.long() * 0 + 1], "dlpack": lambda y: y.__dlpack__(),
    }[how]  # fmt: skip
    f = fastnn.capture(lambda x: (read((x * x).sum()), x)[1])
    f(x_())
    with pytest.raises(RuntimeError, match=r"test_capture_changes\.py:\d+: .* reads .* while a step is being recorded"):
        f(x_())
    assert (x_() + 1).numpy().shape == (6, 4) and not fastnn._cpu.recording()


@pytest.mark.parametrize("method", ["Adam", "SGD"])
def test_an_exception_leaves_everything_as_before_the_step(method):
    """Also what the calls before it have changed: running means, generators, the first of two optimizers."""
    fastnn.manual_seed(0)
    first, second = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3)), nn.Linear(4, 3)
    optimizers = [getattr(optim, method)(m.parameters(), lr=0.1) for m in (first, second)]

    @fastnn.capture
    def step(x, y):
        for m, o in zip((first, second), optimizers, strict=True):
            o.zero_grad()
            F.cross_entropy(m(x), y).backward()
            o.step()
            y = y[fastnn.arange(6)]  # an index is refused here at the latest
        return y

    def state():
        tensors = [*first.state_dict().values(), *second.state_dict().values(), fastnn.get_rng_state()]
        tensors += [t for o in optimizers for s in o.state.values() for t in s.values()]
        return [t.numpy().tobytes() for t in tensors]

    good = fastnn.from_numpy(np.arange(6) % 3)
    for _ in range(4):
        step(x_(), good)
    before, replays = state(), step.programs[0].replays
    bad = good.clone()
    bad[3] = 77
    with pytest.raises((IndexError, RuntimeError)):
        step(x_(), bad)
    assert state() == before
    step(x_(), good)
    assert step.programs[0].replays == replays + 1 and state() != before


def test_an_error_between_two_optimizers():
    model = nn.Linear(4, 3)
    optimizer = optim.Adam(model.parameters(), lr=0.1)

    @fastnn.capture
    def step(x, i):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
        return x[i]

    index = fastnn.zeros(2, dtype=fastnn.int64)
    for _ in range(4):
        step(x_(), index)
    before = model.weight.detach().numpy().copy()
    with pytest.raises(IndexError):
        step(x_(), index + 50)
    np.testing.assert_array_equal(model.weight.detach().numpy(), before)


def test_ctrl_c():
    """In the middle of a replay it leaves the parameters as before the step; between two, as after the last."""
    a = fastnn.randn(300, 300) / 300**0.5
    weight = nn.Parameter(fastnn.ones(300, 300))
    optimizer = optim.SGD([weight], lr=1e-3)

    def plain(x):
        optimizer.zero_grad()
        y = x @ weight
        for _ in range(100):
            y = y @ a
        y.mean().backward()
        optimizer.step()
        return y

    long = fastnn.capture(plain)
    short = fastnn.randn(300, 300)
    long(short), long(short), long(short)
    before = weight.detach().numpy().copy()
    timer = threading.Timer(0.05, signal.raise_signal, (signal.SIGINT,))
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job is started with it ignored
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            while time.monotonic() < start + 60:
                before = weight.detach().numpy().copy()
                long(short)
    finally:
        signal.signal(signal.SIGINT, handler)
    got = weight.detach().numpy().copy()
    with fastnn.no_grad():
        weight.copy_(fastnn.from_numpy(before))
    plain(short)
    assert np.array_equal(got, before) or np.array_equal(got, weight.detach().numpy())
    assert np.isfinite(long(short).sum().item())


def test_threads_share_a_step():
    f = fastnn.capture(lambda x: (x * 2).tanh() @ x.t())
    data = [fastnn.randn(64, 256) for _ in range(4)]
    want = [((x * 2).tanh() @ x.t()).numpy() for x in data]
    f(data[0]), f(data[0])
    wrong = []

    def work(k):
        for _ in range(50):
            if not np.array_equal(f(data[k]).numpy(), want[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_captured_steps_are_collected():
    """A step that refers to itself, through its closure, is freed with its memory."""
    gc.collect()
    live = fastnn._cpu.live_buffers()

    def make():
        model = nn.Linear(4, 4)

        @fastnn.capture
        def step(x):
            return model(x) if step else x

        for _ in range(4):
            step(x_())

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            make()
    gc.collect()
    assert fastnn._cpu.live_buffers() == live


@pytest.mark.parametrize("method, options", [("Adam", {}), ("SGD", {"momentum": 0.9}), ("RMSprop", {"momentum": 0.9}), ("NAdam", {}), ("AdamW", {})])
def test_a_schedule_of_momentum_is_followed(method, options):
    """OneCycleLR moves momentum, or the first of betas, with every step: replays read it where it is."""
    runs = []
    for captured in (False, True):
        fastnn.manual_seed(0)
        model = nn.Linear(4, 3)
        optimizer = getattr(optim, method)(model.parameters(), lr=0.01, weight_decay=0.01, **options)
        schedule = optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=30)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        run, log = fastnn.capture(step) if captured else step, []
        for i in range(30):
            log.append(run(x_()).item())
            schedule.step()
            if i == 10:
                optimizer.param_groups[0]["weight_decay"] = 0.05
            if i == 20:
                optimizer.param_groups[0]["weight_decay"] = 0
        runs.append(log + [model.weight.detach().numpy().tobytes()])
    assert runs[0] == runs[1]
    assert len(run.programs) == 2 and [p.replays for p in run.programs] == [8, 19]
