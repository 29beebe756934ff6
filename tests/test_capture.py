"""Captured steps: replay == the plain step, bit for bit; and what ends in an error or a new program instead of a stale result."""

import gc

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim


def network(kind, seed=0):
    fastnn.manual_seed(seed)
    if kind == "mlp":
        return nn.Sequential(nn.Linear(20, 32), nn.GELU(), nn.Dropout(0.3), nn.LayerNorm(32), nn.Linear(32, 5))
    return nn.Sequential(
        nn.Unflatten(1, (1, 4, 5)), nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 5)
    )


def trainer(model, method="Adam", clip=True, **options):
    optimizer = getattr(optim, method)(model.parameters(), lr=1e-2, **options)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return optimizer, step


def batches(n, rows=16, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield fastnn.from_numpy(rng.standard_normal((rows, 20)).astype(np.float32)), fastnn.from_numpy(rng.integers(0, 5, rows))


def train(kind, captured, method="Adam", steps=60, **options):
    model = network(kind)
    optimizer, step = trainer(model, method, **options)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    run = fastnn.capture(step) if captured else step
    losses = []
    for i, (x, y) in enumerate(batches(steps)):
        losses.append(run(x, y).item())
        if i % 10 == 9:
            schedule.step()
    return losses, [t.numpy().tobytes() for t in model.state_dict().values()], run


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("method, options", [("Adam", {}), ("SGD", {"momentum": 0.9, "nesterov": True}), ("RMSprop", {}), ("AdamW", {"amsgrad": True})])
def test_replay_is_the_plain_step(kind, method, options):
    plain, captured = train(kind, False, method, **options), train(kind, True, method, **options)
    assert plain[:2] == captured[:2]
    assert len(captured[2].program()) > 10


@pytest.mark.parametrize("clip", [False, True])
def test_gradients_that_are_filled_with_zeros(clip):
    """The fills are not in the program, and the bits are those of the plain step: also where a gradient is -0, is added to twice or not at all."""
    runs = []
    for captured in (False, True):
        model = network("mlp")
        model.unused = fastnn.nn.Parameter(fastnn.ones(3))
        optimizer = optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
        for p in model.parameters():
            p.grad = fastnn.full(p.shape, 7.0)

        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad(set_to_none=False)
            loss = F.cross_entropy(model[:5](x), y) - 0.0 * model[0].weight.sum()
            loss.backward(retain_graph=True)
            (loss * -0.5).backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            return loss

        run = fastnn.capture(step) if captured else step
        losses = [run(x, y).item() for x, y in batches(20)]
        runs.append((losses, [p.grad.numpy().tobytes() for p in model.parameters()], [p.detach().numpy().tobytes() for p in model.parameters()]))
    assert runs[0] == runs[1]
    fills = [c.shapes[0] for c in run.program() if c.kernel == "copy" and not c.backward]
    assert (3,) in fills and (32, 20) not in fills  # the one that nothing is added to is filled
    assert np.array_equal(model.unused.grad.numpy(), np.zeros(3))


def test_random_networks(rng):
    """Layers drawn at random: 1 to 4 of them, any activation, norm or not, residual or not."""
    activations = [nn.ReLU, nn.Tanh, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.ELU, nn.Mish, nn.Hardswish]
    for trial in range(30):
        plan = [(rng.choice(len(activations)), rng.random() < 0.5, int(rng.integers(1, 40))) for _ in range(rng.integers(1, 5))]

        def build(plan=plan, trial=trial):
            fastnn.manual_seed(trial)
            layers, width = [], 20
            for act, norm, n in plan:
                layers += [nn.Linear(width, n), activations[act]()] + ([nn.LayerNorm(n)] if norm else [])
                width = n
            return nn.Sequential(*layers, nn.Linear(width, 5))

        results = []
        for captured in (False, True):
            model = build()
            _, step = trainer(model)
            run = fastnn.capture(step) if captured else step
            results.append([run(x, y).item() for x, y in batches(8, 7, trial)] + [p.numpy().tobytes() for p in model.state_dict().values()])
        assert results[0] == results[1], plan


def test_shapes_modes_and_values_have_programs_of_their_own():
    model = network("mlp")
    calls = []

    @fastnn.capture
    def predict(x, scale=1.0, *, flag=False):
        calls.append(x.shape)
        with fastnn.no_grad():
            return {"y": model(x) * scale, "more": (x.sum(), flag)}

    model.eval()
    for rows in (4, 6):
        for x, _ in batches(5, rows):
            got = predict(x, 2.0, flag=True)
            np.testing.assert_array_equal(got["y"].numpy(), (model(x) * 2.0).detach().numpy())
            assert got["more"][0].item() == x.sum().item() and got["more"][1] is True
    assert len(calls) == 4  # two a shape
    x = next(iter(batches(1, 4)))[0]
    np.testing.assert_array_equal(predict(x, 3.0, flag=True)["y"].numpy(), (model(x) * 3.0).detach().numpy())
    assert len(calls) == 5
    model.train()
    outputs = {predict(x, 2.0, flag=True)["y"].numpy().tobytes() for _ in range(4)}
    assert len(outputs) == 4 and len(calls) == 6  # dropout draws anew in each; recorded once more
    model.eval()
    np.testing.assert_array_equal(predict(x, 2.0, flag=True)["y"].numpy(), (model(x) * 2.0).detach().numpy())
    assert len(calls) == 6


def test_results_are_the_callers_own():
    @fastnn.capture
    def double(x):
        return x * 2

    results = [double(fastnn.full((3,), float(i))) for i in range(6)]
    assert [r.tolist() for r in results] == [[2.0 * i] * 3 for i in range(6)]
    results[-1].zero_()
    assert double(fastnn.ones(3)).tolist() == [2.0] * 3
    assert results[0].tolist() == [0.0] * 3 and results[4].tolist() == [8.0] * 3


def test_reading_a_value_raises():
    @fastnn.capture
    def branch(x):
        return x + 1 if x.sum() > 0 else x - 1

    x = fastnn.ones(3)
    branch(x)
    with pytest.raises(RuntimeError, match=r"test_capture.py:\d+: item\(\) reads the result of gt while a step is being recorded"):
        branch(x)
    assert (x + 1).tolist() == [2.0] * 3  # nothing is being recorded any more
    reads = fastnn.capture(lambda x: fastnn.from_numpy(x.numpy() * 2))
    reads(x)
    with pytest.raises(RuntimeError, match=r"numpy\(\) reads a value while"):
        reads(x)


def test_replaced_parameters_and_gradients():
    model = network("mlp").eval()
    run = fastnn.capture(lambda x: model(x))
    x = next(iter(batches(1)))[0]
    for _ in range(3):
        run(x)
    model[0].weight = nn.Parameter(fastnn.ones(32, 20))
    np.testing.assert_array_equal(run(x).numpy(), model(x).detach().numpy())
    model[0].weight.data = fastnn.zeros(32, 20)
    np.testing.assert_array_equal(run(x).numpy(), model(x).detach().numpy())
    with fastnn.no_grad():
        model[0].weight.fill_(0.5)  # in place: the same memory
    np.testing.assert_array_equal(run(x).numpy(), model(x).detach().numpy())


@pytest.mark.parametrize("outside", ["zero", "nothing"])
def test_gradients_of_a_step_without_its_optimizer(outside):
    results = []
    for captured in (False, True):
        model = network("mlp").eval()
        optimizer = optim.SGD(model.parameters(), lr=0.01)

        def gradients(x, y, model=model):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        run = fastnn.capture(gradients) if captured else gradients
        for x, y in batches(6):
            if outside == "zero":
                optimizer.zero_grad()
            run(x, y)
            optimizer.step()
        results.append([p.grad.numpy().tobytes() for p in model.parameters()] + [p.detach().numpy().tobytes() for p in model.parameters()])
    assert results[0] == results[1]


def test_derivatives_inside_a_step():
    model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1)).double()
    optimizer = optim.Adam(model.parameters())

    def residual(x):
        optimizer.zero_grad()
        x = x.detach().requires_grad_()
        u = model(x)
        (ux,) = fastnn.autograd.grad(u.sum(), x, create_graph=True)
        (uxx,) = fastnn.autograd.grad(ux.sum(), x, create_graph=True)
        loss = ((uxx + u) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    start = {k: v.clone() for k, v in model.state_dict().items()}
    x = fastnn.linspace(0, 1, 50, dtype=fastnn.float64).unsqueeze(1)
    plain = [residual(x).item() for _ in range(8)]
    model.load_state_dict(start)
    optimizer = optim.Adam(model.parameters())
    step = fastnn.capture(residual)
    assert [step(x).item() for _ in range(8)] == plain


def test_an_error_in_a_replay_leaves_parameters_alone():
    model = network("mlp").eval()
    _, step = trainer(model)
    run = fastnn.capture(step)
    for x, y in batches(4):
        run(x, y)
    before = [p.detach().numpy().tobytes() for p in model.parameters()]
    with pytest.raises((IndexError, RuntimeError)):
        run(x, fastnn.full((16,), 77))
    assert [p.detach().numpy().tobytes() for p in model.parameters()] == before
    assert np.isfinite(run(x, y).item())


def test_an_error_while_recording():
    fail = [False]

    @fastnn.capture
    def f(x):
        y = x * 2
        if fail[0]:
            raise KeyError("mine")
        return y

    x = fastnn.ones(2)
    f(x)
    fail[0] = True
    with pytest.raises(KeyError, match="mine"):
        f(x)
    fail[0] = False
    assert f(x).tolist() == f(x).tolist() == [2.0, 2.0]
    g = fastnn.capture(lambda x: f(x + 1) + 1)
    assert [g(x).tolist() for _ in range(4)] == [[5.0, 5.0]] * 4 and len(g.program()) == 3
    with pytest.raises(RuntimeError, match="nothing is recorded yet"):
        fastnn.capture(lambda x: x).program()


def test_memory():
    model = network("cnn")
    _, step = trainer(model)
    run = fastnn.capture(step)
    data = list(batches(3))
    for x, y in data:
        run(x, y)
    gc.collect()
    live, peak = fastnn._cpu.live_buffers(), fastnn.memory_stats()["live_bytes"]
    for _ in range(300):
        for x, y in data:
            run(x, y)
    assert fastnn._cpu.live_buffers() == live and fastnn.memory_stats()["live_bytes"] == peak
    fastnn._cpu.pool_reset_peak()
    base = fastnn.memory_stats()["live_bytes"]
    step(*data[0])
    eager = fastnn.memory_stats()["peak_bytes"] - base
    assert run.memory() <= 2 * eager  # gradients stay in the arena, where the plain step drops the last ones first
    del run
    gc.collect()


def test_methods_and_many_shapes():
    class Model:
        def __init__(self, k):
            self.k = k

        @fastnn.capture
        def scaled(self, x):
            return x * self.k

    a, b = Model(2.0), Model(3.0)
    for n in range(1, 14):
        for _ in range(3):
            assert a.scaled(fastnn.ones(n)).sum().item() == 2.0 * n
            assert b.scaled(fastnn.ones(n)).sum().item() == 3.0 * n
    assert len(a.scaled.programs) == 8
    assert "kernel calls" in repr(a.scaled)


def test_a_program_tells_its_calls_and_leaves_no_trace(tmp_path):
    """Shapes, work, bytes and seconds of every call; measuring them changes neither parameters, gradients nor random numbers."""
    steps = []
    for measured in (False, True):
        fastnn.manual_seed(3)
        model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 2))
        optimizer = fastnn.optim.Adam(model.parameters(), lr=0.1)

        @fastnn.capture
        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        x = fastnn.ones(5, 6)
        losses = [step(x).item() for _ in range(3)]
        if measured:
            calls = step.program()
            step.graph(tmp_path / "step.html")
        steps.append(losses + [step(x).item() for _ in range(3)] + [p.grad.tolist() for p in model.parameters()])
    assert steps[0] == steps[1]
    product = next(c for c in calls if c.kernel == "matmul_bias")
    assert product.flops == 2 * 5 * 6 * 8 and product.shapes[0] == (5, 8) and product.seconds > 0 and not product.backward
    assert any(c.backward for c in calls) and calls[-1].kernel == "adam" and "matmul_bias" in str(calls)
    text = (tmp_path / "step.html").read_text()
    assert text.count("<tr class=") == len(calls) and "http" not in text and 'class="backward"' in text


def test_dependencies_of_calls():
    from fastnn.explain import Call
    from fastnn.graph import memory, producers

    def call(reads, writes):
        return Call("k", [], "", None, 0, 1e-6, [], reads, writes)

    calls = [call([], [(0, 8)]), call([(0, 8)], [(8, 8)]), call([(4, 8)], [(100, 4)]), call([(100, 4)], [(0, 8)]), call([(0, 8)], [])]
    assert producers(calls) == [[], [0], [0, 1], [2], [3]]
    assert memory(calls, producers(calls)) == [8, 16, 20, 12, 8]
