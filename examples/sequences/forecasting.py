"""Oil temperature and loads of a transformer, 96 hours ahead from 336: DLinear, LSTM, GRU on ETTh1.

    python examples/sequences/forecasting.py                (timeseries/ETTh1.csv below --root or $FASTNN_DATA)
    python examples/sequences/forecasting.py --csv FILE     (other hourly series: columns of numbers; three fifths to learn from)

Seven hourly series, 12 months to learn from, 4 to choose by, 4 to test; standardised by the first part, as in the literature.
Each series is forecast from its own past by the same network, from which its last value is taken first.
"""

import argparse
import time

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn import datasets, nn, optim

PAST, AHEAD, MONTH = 336, 96, 30 * 24
BARS = {"DLinear": 0.385, "LSTM": 0.50, "GRU": 0.50}


class DLinear(nn.Module):
    """A moving average and what it leaves, each mapped linearly to the hours ahead (Zeng et al. 2023)."""

    def __init__(self, width=25):
        super().__init__()
        self.width, self.trend, self.rest = width, nn.Linear(PAST, AHEAD), nn.Linear(PAST, AHEAD)

    def forward(self, x):
        side = self.width // 2
        padded = F.pad(x.unsqueeze(1), (side, side), mode="replicate")
        mean = F.avg_pool1d(padded, self.width, 1).squeeze(1)
        return self.trend(mean) + self.rest(x - mean)


class Recurrent(nn.Module):
    """A day is a step: 14 steps of 24 hours, the last state mapped to the hours ahead."""

    def __init__(self, kind, units=128):
        super().__init__()
        self.layer = getattr(nn, kind)(24, units, batch_first=True)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(units, AHEAD)

    def forward(self, x):
        y, _ = self.layer(x.reshape(len(x), PAST // 24, 24))
        return self.head(self.drop(y[:, -1]))


def forecast(model, past):
    """past (N, 336) → (N, 96), both as differences from the last value."""
    last = past[:, -1:]
    return model(past - last) + last


def load(path, ends):
    """(rows, series), and the rows where the parts to learn from, to choose by and to test end (None: after 3, 4 and 5 fifths)."""
    table = datasets.csv(path)
    names = [name for name, values in table.items() if values.dtype.kind in "if"]
    series = table.matrix(names)
    ends = ends or [len(series) * part // 5 for part in (3, 4, 5)]
    need = max(ends[2], 5 * AHEAD, (PAST + AHEAD + 1) * 5 // 3 + 1)
    if len(series) < need or not names:
        raise ValueError(f"{path}: {len(series)} rows of {len(names)} columns of numbers; expected {need} rows or more")
    if np.isnan(series).any():
        row, column = np.argwhere(np.isnan(series))[0]
        raise ValueError(f"{path}, line {table.lines[row]}: no value in column {names[column]!r}")
    return series, ends


def windows(series, begin, end):
    """(past, future) of every hour whose future lies in begin .. end, all series below one another."""
    starts = np.arange(begin - PAST, end - PAST - AHEAD + 1)
    rows = starts[:, None] + np.arange(PAST + AHEAD)
    w = series[rows].transpose(0, 2, 1).reshape(-1, PAST + AHEAD)  # an hour's series stay together
    return fastnn.tensor(w[:, :PAST]), fastnn.tensor(w[:, PAST:])


def error(model, past, future):
    model.eval()
    with fastnn.no_grad():
        parts = [F.mse_loss(forecast(model, a), b, reduction="sum").item() for a, b in zip(past.split(4096), future.split(4096), strict=True)]
    return sum(parts) / future.numel()


def fit(model, train, held, epochs, rate, batch):
    """Trains, and returns to the weights that were best on the held-out months."""
    optimizer = optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-2)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    best, kept = np.inf, None

    @fastnn.capture
    def step(rows):
        optimizer.zero_grad()
        F.mse_loss(forecast(model, train[0][rows]), train[1][rows]).backward()
        optimizer.step()

    for _ in range(epochs):
        model.train()
        for rows in fastnn.randperm(len(train[0])).split(batch):
            step(rows)
        schedule.step()
        if (now := error(model, *held)) < best:
            best, kept = now, {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of the data, looked into before $FASTNN_DATA")
    parser.add_argument("--csv", metavar="FILE", help="other series")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one epoch on two months")
    args = parser.parse_args()
    months = None if args.csv else [12 * MONTH, 16 * MONTH, 20 * MONTH]
    series, (learn, choose, end) = load(args.csv or datasets.find("timeseries/ETTh1.csv", root=args.root), months)
    series = ((series - series[:learn].mean(0)) / (series[:learn].std(0) + 1e-9)).astype(np.float32)
    first = max(PAST, learn - 2 * MONTH) if args.quick else PAST
    train, held, test = windows(series, first, learn), windows(series, learn, choose), windows(series, choose, end)
    day = test[0][:, -24:].repeat(1, AHEAD // 24)
    naive = F.mse_loss(day, test[1]).item()
    for name, build, epochs, rate, batch in (
        ("DLinear", DLinear, 8, 1e-3, 224), ("LSTM", lambda: Recurrent("LSTM"), 6, 1e-3, 448), ("GRU", lambda: Recurrent("GRU"), 6, 1e-3, 448),
    ):  # fmt: skip
        fastnn.manual_seed(args.seed)
        model, start = build(), time.time()
        fit(model, train, held, 1 if args.quick else epochs, rate, batch)
        bar = "" if args.csv else f"  bar {BARS[name]}"
        print(f"{name:8} MSE {error(model, *test):.4f}{bar}  yesterday again {naive:.4f}  {time.time() - start:.0f} s  seed {args.seed}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
