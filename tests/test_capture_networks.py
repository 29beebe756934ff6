"""Captured steps of networks drawn at random: layers, norms, dropout, recurrence, attention, graphs; optimizers, schedules, clipping, modes."""

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim

ACTIVATIONS = ("ReLU", "Tanh", "SiLU", "Sigmoid", "Softplus", "ELU", "Mish", "Hardswish", "GELU", "LeakyReLU", "Softsign", "SELU")
OPTIMIZERS = {
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, {"proximal_l1": 0.01}],
    "Adam": [{}, {"amsgrad": True}, {"weight_decay": 0.1}], "AdamW": [{}, {"maximize": True}], "NAdam": [{}], "Adamax": [{}],
    "RMSprop": [{}, {"momentum": 0.9, "centered": True}], "Adagrad": [{}, {"lr_decay": 0.01}], "Adadelta": [{}], "RAdam": [{}], "ASGD": [{}],
    "Rprop": [{}], "Adafactor": [{}],
}  # fmt: skip
ROWS, STEPS, FEATURES = 5, 6, 8


class Attention(nn.Module):
    def __init__(self, width, dropout):
        super().__init__()
        self.attention, self.norm = nn.MultiheadAttention(width, 2, dropout=dropout, batch_first=True), nn.LayerNorm(width)

    def forward(self, x):  # (N, T, F)
        y, _ = self.attention(x, x, x, need_weights=False)
        return self.norm(x + y)


class Recurrent(nn.Module):
    def __init__(self, kind, width, layers, both):
        super().__init__()
        self.layer = getattr(nn, kind)(width, width // (1 + both), layers, batch_first=True, bidirectional=both)

    def forward(self, x):
        return self.layer(x)[0]


class Segments(nn.Module):
    """Every two positions share a message: their sum, mean or maximum."""

    def __init__(self, reduce):
        super().__init__()
        self.reduce = reduce

    def forward(self, x):
        n, t, f = x.shape
        flat = x.reshape(n * t, f)
        to = fastnn.arange(n * t) // 2
        y = getattr(fastnn, f"segment_{self.reduce}")(flat, to, n * t // 2 + 1)
        return (flat + y[to]).reshape(n, t, f)


class Images(nn.Module):
    def __init__(self, rng, activation):
        super().__init__()
        c = int(rng.integers(1, 5))
        norm = [nn.BatchNorm2d(c), nn.GroupNorm(1, c), nn.Identity()][rng.integers(3)]
        pool = [nn.MaxPool2d(2, 1, 1), nn.AvgPool2d(3, 1, 1), nn.Identity()][rng.integers(3)]
        self.body = nn.Sequential(nn.Conv2d(1, c, int(rng.choice([1, 3])), padding="same"), norm, activation(), pool, nn.AdaptiveAvgPool2d((6, 8)))
        self.out = nn.Conv2d(c, 1, 1)

    def forward(self, x):
        return x + self.out(self.body(x.unsqueeze(1))).squeeze(1)


def draw(rng):
    """A network (N, 6, 8) -> (N, 3) and the plan of its training."""
    layers = []
    for _ in range(rng.integers(1, 5)):
        activation = getattr(nn, rng.choice(ACTIVATIONS))
        kind = rng.choice(["linear", "attention", "rnn", "images", "segment", "norm", "dropout", "residual"])
        if kind == "linear":
            layers += [nn.Linear(FEATURES, FEATURES, bias=bool(rng.integers(2))), activation()]
        elif kind == "attention":
            layers.append(Attention(FEATURES, float(rng.choice([0.0, 0.2]))))
        elif kind == "rnn":
            layers.append(Recurrent(rng.choice(["RNN", "LSTM", "GRU"]), FEATURES, int(rng.integers(1, 3)), bool(rng.integers(2))))
        elif kind == "images":
            layers.append(Images(rng, activation))
        elif kind == "segment":
            layers.append(Segments(rng.choice(["sum", "mean", "max"])))
        elif kind == "norm":
            layers.append([nn.LayerNorm(FEATURES), nn.RMSNorm(FEATURES), nn.BatchNorm1d(6)][rng.integers(3)])
        elif kind == "dropout":
            layers.append(nn.Dropout(float(rng.choice([0.1, 0.5]))))
        else:
            layers.append(nn.Sequential(nn.Linear(FEATURES, 3 * FEATURES), activation(), nn.Linear(3 * FEATURES, FEATURES)))
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(6 * FEATURES, 3))
    method = rng.choice(list(OPTIMIZERS))
    options = OPTIMIZERS[method][rng.integers(len(OPTIMIZERS[method]))]
    optimizer = getattr(optim, method)(model.parameters(), lr=float(rng.choice([1e-3, 1e-2])), **options)
    schedule = [
        lambda: optim.lr_scheduler.StepLR(optimizer, 3, 0.5), lambda: optim.lr_scheduler.CosineAnnealingLR(optimizer, 8),
        lambda: optim.lr_scheduler.ExponentialLR(optimizer, 0.9), lambda: None,
    ][rng.integers(4)]()  # fmt: skip
    loss = rng.choice(["cross_entropy", "mse_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits"])
    clip = [lambda p: nn.utils.clip_grad_norm_(p, 1.0), lambda p: nn.utils.clip_grad_value_(p, 0.01), lambda p: None][rng.integers(3)]
    return model, optimizer, schedule, loss, clip, bool(rng.integers(2))


def train(seed, captured):
    rng = np.random.default_rng(seed)
    fastnn.manual_seed(seed)
    model, optimizer, schedule, loss, clip, set_to_none = draw(rng)
    parameters = list(model.parameters())

    def step(x, y):
        optimizer.zero_grad(set_to_none=set_to_none)
        value = getattr(F, loss)(model(x), y)
        value.backward()
        clip(parameters)
        optimizer.step()
        return value

    def predict(x):
        with fastnn.no_grad():
            return model(x)

    if captured:
        step, predict = fastnn.capture(step), fastnn.capture(predict)
    log = []
    for i in range(STEPS):
        x = fastnn.from_numpy(rng.standard_normal((ROWS, 6, FEATURES)).astype(np.float32))
        y = rng.integers(0, 3, ROWS) if loss == "cross_entropy" else rng.random((ROWS, 3)).astype(np.float32)
        log.append(step(x, fastnn.from_numpy(y)).detach().numpy().tobytes())
        if schedule:
            schedule.step()
        if i % 2:
            model.eval()
            log.append(predict(x).numpy().tobytes())
            model.train()
    log += [t.numpy().tobytes() for t in model.state_dict().values()]
    log += [None if p.grad is None else p.grad.numpy().tobytes() for p in parameters]
    log += [t.numpy().tobytes() for s in optimizer.state.values() for t in s.values() if isinstance(t, fastnn.Tensor)]
    return log, step


@pytest.mark.parametrize("part", range(4))
def test_200_random_networks(part):
    for seed in range(50 * part, 50 * part + 50):
        plain, _ = train(seed, False)
        replayed, step = train(seed, True)
        assert plain == replayed, f"seed {seed}"
        assert len(step.programs) == 1 and step.programs[0].replays == STEPS - 2, f"seed {seed}: {step.programs and step.programs[0].why}"


def test_1000_steps():
    runs = []
    for captured in (False, True):
        fastnn.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.2), nn.Tanh(), nn.LayerNorm(16), nn.Linear(16, 2))
        optimizer = optim.AdamW(model.parameters(), lr=1e-2)
        schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, 1000)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (model(x) - x[:, :2]).square().mean()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            return loss

        run, rng, losses = fastnn.capture(step) if captured else step, np.random.default_rng(0), []
        for _ in range(1000):
            losses.append(run(fastnn.from_numpy(rng.standard_normal((7, 6)).astype(np.float32))).item())
            schedule.step()
        runs.append(losses + [p.detach().numpy().tobytes() for p in model.parameters()])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("dtype", [fastnn.float32, fastnn.float64])
@pytest.mark.parametrize("shape", [(40000,), (17, 3001), (300, 7, 31), (2, 40000), (64, 32, 30)])
def test_chains_of_pointwise_calls(shape, dtype, rng):
    """Joined and run tile by tile: broadcasts, comparisons, conditions, results that are used later, in-place changes, transposed operands."""
    fastnn.manual_seed(0)

    def f(x, y, row, column):
        a = (x + row).tanh() * y - 0.5
        b = fastnn.where(a > 0, a * column, fastnn.exp(-a) + x)
        c = b.clone()
        c.mul_(2).add_(x)
        d = x.transpose(0, -1).contiguous().transpose(0, -1) * c if x.ndim > 1 else c * c
        return a, (d - b).sum(), c + d, (a < b).logical_and(d > c)

    x, y = (fastnn.from_numpy(rng.standard_normal(shape)).to(dtype) for _ in range(2))
    row, column = x[:1].clone(), (x.sum(-1, keepdim=True) if x.ndim > 1 else x[:1].clone())
    g = fastnn.capture(f)
    for threads in (1, 2, 3):
        fastnn.set_num_threads(threads)
        for _ in range(3):
            assert [t.numpy().tobytes() for t in g(x, y, row, column)] == [t.numpy().tobytes() for t in f(x, y, row, column)]
    fastnn.set_num_threads(2)
    if x.numel() / shape[0] <= 4096 or x.ndim == 1:
        assert any("+" in c.kernel for c in g.program())


def test_chains_in_a_backward_pass():
    runs = []
    for captured in (False, True):
        fastnn.manual_seed(0)
        w = nn.Parameter(fastnn.randn(300))
        optimizer = optim.SGD([w], lr=0.1)

        def step(x, w=w, optimizer=optimizer):
            optimizer.zero_grad()
            y = F.gelu(x * w + 1) * fastnn.sigmoid(x) - (x - w).abs()
            loss = (y.square() + y.exp().clamp(max=3)).mean()
            loss.backward()
            optimizer.step()
            return loss

        run = fastnn.capture(step) if captured else step
        runs.append([run(fastnn.randn(128, 300)).item() for _ in range(8)] + [w.detach().numpy().tobytes()])
    assert runs[0] == runs[1]
    assert any("+" in c.kernel for c in run.program())
