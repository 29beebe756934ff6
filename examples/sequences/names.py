"""Names, a character at a time: bigram, MLP with batch norm, and a WaveNet that halves the context.

    python examples/sequences/names.py            (text/names/names.txt below --root or $FASTNN_DATA)

32,033 names (karpathy/makemore), shuffled and split 80/10/10; printed is the mean -log p of a character of the second part.
"""

import argparse
import random
import time

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn import datasets, nn, optim

BARS = {"bigram": 2.46, "MLP + batch norm": 2.12, "WaveNet": 2.02}


def windows(names, context):
    """(characters before (N, context), next character (N)); 0 is the end of a name and what lies before it."""
    x, y = [], []
    for name in names:
        codes = [0] * context + [ord(c) - 96 for c in name] + [0]
        x += [codes[i : i + context] for i in range(len(name) + 1)]
        y += codes[context:]
    return fastnn.tensor(np.array(x)), fastnn.tensor(np.array(y))


def count_bigram(train, held):
    """The trivial baseline: how often one character follows another, plus one."""
    counts = np.ones((27, 27))
    x, y = (t.numpy() for t in windows(train, 1))
    np.add.at(counts, (x[:, 0], y), 1)
    logs = np.log(counts / counts.sum(1, keepdims=True))
    x, y = (t.numpy() for t in windows(held, 1))
    return -logs[x[:, 0], y].mean()


def mlp(context, dim=16, hidden=256):
    return nn.Sequential(
        nn.Embedding(27, dim), nn.Flatten(), nn.Linear(context * dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.Tanh(),
        nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden), nn.Tanh(), nn.Linear(hidden, 27),
    )  # fmt: skip


class WaveNet(nn.Module):
    """Pairs of characters, pairs of pairs, ..: three convolutions of width and stride 2 over a context of 8 (van den Oord 2016).

    Where windows do not overlap, a convolution is a linear layer on two rows put side by side: (2n, c) is (n, 2c).
    """

    def __init__(self, dim=24, hidden=160):
        super().__init__()
        self.table = nn.Embedding(27, dim)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * wide, hidden, bias=False), nn.BatchNorm1d(hidden), nn.Tanh()) for wide in (dim, hidden, hidden)
        )
        self.head = nn.Linear(hidden, 27)

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


def sample(model, context, count, rng):
    names = []
    model.eval()
    for _ in range(count):
        codes = [0] * context
        while len(codes) == context or codes[-1]:
            with fastnn.no_grad():
                p = F.softmax(model(fastnn.tensor([codes[-context:]])), 1).numpy()[0].astype(float)
            codes.append(int(rng.choice(27, p=p / p.sum())))
        names.append("".join(chr(c + 96) for c in codes[context:-1]))
    return " ".join(names)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one epoch on a tenth of the names")
    args = parser.parse_args()
    names = datasets.find("text/names/names.txt", root=args.root).read_text().split()
    random.Random(42).shuffle(names)
    if args.quick:
        names = names[:3000]
    a, b = len(names) * 8 // 10, len(names) * 9 // 10
    train, held = names[:a], names[a:b]
    baseline = count_bigram(train, held)
    models = {
        "bigram": (1, lambda: nn.Sequential(nn.Embedding(27, 27), nn.Flatten()), 6, 0.05, 0.0),
        "MLP + batch norm": (5, lambda: mlp(5), 12, 4e-3, 0.02),
        "WaveNet": (8, WaveNet, 14, 4e-3, 0.02),
    }
    for name, (context, build, epochs, rate, decay) in models.items():
        fastnn.manual_seed(args.seed)
        model, start = build(), time.time()
        fit(model, windows(train, context), 1 if args.quick else epochs, rate, decay)
        loss = loss_on(model, *windows(held, context))
        print(
            f"{name:18} loss {loss:.4f}  bar {BARS[name]}  count bigram {baseline:.4f}  {time.time() - start:.0f} s  seed {args.seed}", flush=True
        )
    print("names it makes up:", sample(model, context, 8, np.random.default_rng(args.seed)))


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
