"""What is somebody doing with a watch on the wrist? An LSTM and a TCN on BasicMotions: 40 recordings to learn from, 40 to test.

    python examples/sequences/activity.py         (activity/BasicMotions_*.ts below --root or $FASTNN_DATA)

Accelerometer and gyroscope, 6 channels x 100 steps; standing, running, walking, badminton. The mean of five seeds.
What of an LSTM's outputs is read, and whether it also runs backwards, is chosen among six by cross-validation over the recordings
to learn from; those to test are looked at once, in the end.
Other problems of the UCR/UEA archive go by --problem NAME: any channels, lengths and classes.
"""

import argparse
import time

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn import datasets, nn, optim

BAR = 0.95


def load(root, problem):
    """(recordings (N, channels, steps) float32, class of each (N)) to learn from and to test, and the classes.

    Missing values, and what a shorter recording lacks at its end, are the channel's mean over those to learn from.
    """
    files = [datasets.find(f"{problem}_{part}.ts", root=root, folders=("activity", "")) for part in ("TRAIN", "TEST")]
    parts = [datasets.read_ts(file) for file in files]
    if any(labels is None or len(series[0]) != len(parts[0][0][0]) for series, labels in parts):
        raise ValueError(f"{files[0]}, {files[1]}: expected classes, and the same channels in both")
    classes = sorted({label for _, labels in parts for label in labels})
    mean = np.nanmean(np.concatenate(parts[0][0], 1), 1, keepdims=True)
    steps, made = max(x.shape[1] for series, _ in parts for x in series), []
    for series, labels in parts:
        x = np.tile(mean, (len(series), 1, steps)).astype(np.float32)
        for row, one in zip(x, series, strict=True):
            row[:, : one.shape[1]] = np.where(np.isnan(one), mean, one)
        made.append((x, np.array([classes.index(label) for label in labels])))
    return *made, classes


READ = {"largest": lambda y: y.amax(1), "mean": lambda y: y.mean(1), "last": lambda y: y[:, -1]}  # of each output over time
VARIANTS = [{"read": read, "both": both} for both in (True, False) for read in READ]


class Recurrent(nn.Module):
    """An LSTM, in both directions or one; of its outputs one number each is read."""

    def __init__(self, channels, classes, read="largest", both=True, units=32):
        super().__init__()
        self.layer, self.read = nn.LSTM(channels, units, batch_first=True, bidirectional=both), READ[read]
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(units * (1 + both), classes))

    def forward(self, x):  # (N, channels, steps)
        return self.head(self.read(self.layer(x.transpose(1, 2))[0]))


class Block(nn.Module):
    """Two causal dilated convolutions and a way around them (Bai, Kolter, Koltun 2018)."""

    def __init__(self, wide, out, dilation):
        super().__init__()
        self.past, self.first = 2 * dilation, nn.Conv1d(wide, out, 3, dilation=dilation)
        self.second, self.around = nn.Conv1d(out, out, 3, dilation=dilation), nn.Conv1d(wide, out, 1)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        y = self.drop(F.relu(self.first(F.pad(x, (self.past, 0)))))
        y = self.drop(F.relu(self.second(F.pad(y, (self.past, 0)))))
        return F.relu(y + self.around(x))


class Tcn(nn.Module):
    def __init__(self, channels, classes, units=32):
        super().__init__()
        self.blocks = nn.Sequential(*(Block(channels if i == 0 else units, units, 2**i) for i in range(4)))
        self.head = nn.Linear(units, classes)

    def forward(self, x):
        return self.head(self.blocks(x).mean(2))


def nearest(x, y, x_test):
    """The trivial baseline: the class of the nearest recording."""
    d = ((x_test[:, None] - x[None]) ** 2).reshape(len(x_test), len(x), -1).sum(2)
    return y[d.argmin(1)]


def fit(model, x, y, epochs, rng):
    optimizer = optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-2)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    model.train()

    @fastnn.capture
    def step(xb, yb):
        optimizer.zero_grad()
        F.cross_entropy(model(xb), yb).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    for _ in range(epochs):
        for rows in fastnn.randperm(len(y)).split(10):
            scale = fastnn.tensor(rng.uniform(0.8, 1.25, (len(rows), 1, 1)).astype(np.float32))  # watches are worn differently
            step(x[rows].roll(int(rng.integers(x.shape[2])), 2) * scale, y[rows])
        schedule.step()


def cross_validated(build, x, y, epochs, parts=5):
    """(loss, share of right answers) on each part, of a model that learned from the others; classes are spread over the parts."""
    part = np.empty(len(y), int)
    part[np.argsort(y.numpy(), kind="stable")] = np.arange(len(y)) % parts
    found = []
    for p in range(parts):
        fastnn.manual_seed(p)
        model = build()
        fit(model, x[part != p], y[part != p], epochs, np.random.default_rng(p))
        model.eval()
        with fastnn.no_grad():
            scores = model(x[part == p])
            found.append((F.cross_entropy(scores, y[part == p]).item(), (scores.argmax(1) == y[part == p]).float().mean().item()))
    return np.mean(found, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of the data, looked into before $FASTNN_DATA")
    parser.add_argument("--problem", default="BasicMotions", help="NAME of NAME_TRAIN.ts and NAME_TEST.ts")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="two epochs, one seed, nothing is chosen")
    args = parser.parse_args()
    (x, y), (x_test, y_test), classes = load(args.root, args.problem)
    baseline = (nearest(x, y, x_test) == y_test).mean()
    mean, std = x.mean((0, 2), keepdims=True), x.std((0, 2), keepdims=True) + 1e-9
    x, x_test = fastnn.tensor((x - mean) / std), fastnn.tensor((x_test - mean) / std)
    y, best = fastnn.tensor(y), {}
    if not args.quick:
        tried = [(*cross_validated(lambda v=v: Recurrent(x.shape[1], len(classes), **v), x, y, 120), v) for v in VARIANTS]
        loss, right, best = min(tried, key=lambda t: t[0])
        print(f"LSTM chosen: {best}, loss {loss:.3f}, {right:.1%} right by cross-validation", flush=True)
    for name, build in (("LSTM", lambda *shape: Recurrent(*shape, **best)), ("TCN", Tcn)):
        start, right = time.time(), []
        for seed in range(1 if args.quick else args.seeds):
            fastnn.manual_seed(seed)
            model = build(x.shape[1], len(classes))
            fit(model, x, y, 2 if args.quick else 120, np.random.default_rng(seed))
            model.eval()
            with fastnn.no_grad():
                right.append((model(x_test).argmax(1).numpy() == y_test).mean())
        print(
            f"{name:5} accuracy {np.mean(right):.1%} (worst {min(right):.1%})  bar {BAR:.0%}  nearest recording {baseline:.0%}  "
            f"{time.time() - start:.0f} s  seeds 0..{len(right) - 1}", flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
