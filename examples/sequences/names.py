"""Names, a character at a time: bigram, MLP with batch norm, and a WaveNet that halves the context.

    python examples/sequences/names.py                  (text/names/names.txt below --root or $FASTNN_DATA)
    python examples/sequences/names.py --names FILE     (other names, one a line)

32,033 names (karpathy/makemore), shuffled and split 80/10/10; printed is the mean -log p of a character of the second part.
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn import datasets, nn, optim

BARS = {"bigram": 2.46, "MLP + batch norm": 2.12, "WaveNet": 2.02}


def load(path):
    """(names as lists of codes, in random order, and the characters: 0 is the end of a name and what lies before it)."""
    try:
        names = [line.strip() for line in path.read_text("utf-8").split("\n") if line.strip()]
    except UnicodeDecodeError as e:
        raise ValueError(f"{path}: {e}") from None
    if len(names) < 100:
        raise ValueError(f"{path}: {len(names)} names; expected 100 or more, one a line")
    random.Random(42).shuffle(names)
    letters = ["", *sorted({c for name in names for c in name})]
    codes = {c: i for i, c in enumerate(letters)}
    return [[codes[c] for c in name] for name in names], letters


def windows(names, context):
    """(characters before (N, context), next character (N))."""
    x, y = [], []
    for name in names:
        codes = [0] * context + name + [0]
        x += [codes[i : i + context] for i in range(len(name) + 1)]
        y += codes[context:]
    return fastnn.tensor(np.array(x)), fastnn.tensor(np.array(y))


def count_bigram(train, held, letters):
    """The trivial baseline: how often one character follows another, plus one."""
    counts = np.ones((letters, letters))
    x, y = (t.numpy() for t in windows(train, 1))
    np.add.at(counts, (x[:, 0], y), 1)
    logs = np.log(counts / counts.sum(1, keepdims=True))
    x, y = (t.numpy() for t in windows(held, 1))
    return -logs[x[:, 0], y].mean()


def mlp(letters, context, dim=16, hidden=256):
    return nn.Sequential(
        nn.Embedding(letters, dim), nn.Flatten(), nn.Linear(context * dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.Tanh(),
        nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden), nn.Tanh(), nn.Linear(hidden, letters),
    )  # fmt: skip


class WaveNet(nn.Module):
    """Pairs of characters, pairs of pairs, ..: three convolutions of width and stride 2 over a context of 8 (van den Oord 2016).

    Where windows do not overlap, a convolution is a linear layer on two rows put side by side: (2n, c) is (n, 2c).
    """

    def __init__(self, letters, dim=24, hidden=160):
        super().__init__()
        self.table = nn.Embedding(letters, dim)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * wide, hidden, bias=False), nn.BatchNorm1d(hidden), nn.Tanh()) for wide in (dim, hidden, hidden)
        )
        self.head = nn.Linear(hidden, letters)

    def forward(self, x):
        rows = self.table(x)
        for layer in self.layers:
            rows = layer(rows.reshape(-1, 2 * rows.shape[-1]))
        return self.head(rows)


def loss_on(model, x, y):
    model.eval()
    with fastnn.no_grad():
        parts = [F.cross_entropy(model(a), b, reduction="sum").item() for a, b in zip(x.split(4096), y.split(4096), strict=True)]
    return sum(parts) / len(y)


def fit(model, data, epochs, rate, decay, batch=256):
    x, y = data
    steps = -(-len(y) // batch)
    optimizer = optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps)

    @fastnn.capture
    def step(rows):
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()

    for _ in range(epochs):
        model.train()
        for rows in fastnn.randperm(len(y)).split(batch):
            step(rows)
            schedule.step()


def sample(model, letters, context, count, rng):
    names = []
    model.eval()
    for _ in range(count):
        codes = [0] * context
        while len(codes) == context or codes[-1]:
            with fastnn.no_grad():
                p = F.softmax(model(fastnn.tensor([codes[-context:]])), 1).numpy()[0].astype(float)
            codes.append(int(rng.choice(len(letters), p=p / p.sum())))
        names.append("".join(letters[c] for c in codes[context:-1]))
    return ", ".join(names)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of the data, looked into before $FASTNN_DATA")
    parser.add_argument("--names", metavar="FILE", type=Path, help="other names, one a line, in UTF-8")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one epoch on a tenth of the names")
    args = parser.parse_args()
    names, letters = load(args.names or datasets.find("text/names/names.txt", root=args.root))
    if args.quick:
        names = names[:3000]
    a, b = len(names) * 8 // 10, len(names) * 9 // 10
    train, held = names[:a], names[a:b]
    kinds = len(letters)
    baseline = count_bigram(train, held, kinds)
    models = {
        "bigram": (1, lambda: nn.Sequential(nn.Embedding(kinds, kinds), nn.Flatten()), 6, 0.05, 0.0),
        "MLP + batch norm": (5, lambda: mlp(kinds, 5), 12, 4e-3, 0.02),
        "WaveNet": (8, lambda: WaveNet(kinds), 14, 4e-3, 0.02),
    }
    for name, (context, build, epochs, rate, decay) in models.items():
        fastnn.manual_seed(args.seed)
        model, start = build(), time.time()
        fit(model, windows(train, context), 1 if args.quick else epochs, rate, decay)
        loss = loss_on(model, *windows(held, context))
        bar = "" if args.names else f"  bar {BARS[name]}"
        print(f"{name:18} loss {loss:.4f}{bar}  count bigram {baseline:.4f}  {time.time() - start:.0f} s  seed {args.seed}", flush=True)
    print("names it makes up:", sample(model, letters, context, 8, np.random.default_rng(args.seed)))


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
