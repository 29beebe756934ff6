"""House prices: a small network against linear regression on rows that neither has seen.

Two data sets: 1,000 houses (Kaggle "Home Value Insights") and 20,640 districts of California (1990 census).

    python examples/house_prices.py --root DIR      (DIR/housing/...; or $FASTNN_DATA)
"""

import argparse
import csv
import io
import os
import tarfile
from pathlib import Path

import numpy as np

import fastnn
from fastnn import nn, optim
from fastnn.utils.data import DataLoader, TensorDataset


def find(root, name):
    for base in (root, os.environ.get("FASTNN_DATA")):
        if base:
            for path in (Path(base) / name, Path(base) / "housing" / name):
                if path.exists():
                    return path
    raise SystemExit(f"{name} not found: give --root or set FASTNN_DATA to the folder that holds it")


def houses(root):
    """(features, price, name): seven numbers a house; a missing one takes the median, a house without a price is left out."""
    with open(find(root, "house_price_regression_dataset.csv"), newline="") as f:
        rows = np.array([[float(v) if v else np.nan for v in r] for r in list(csv.reader(f))[1:]])
    rows = rows[~np.isnan(rows[:, -1])]
    x = rows[:, :-1]
    return np.where(np.isnan(x), np.nanmedian(x, axis=0), x), rows[:, -1], "houses"


def california(root):
    """(features, price, name): eight numbers, the kind of coast as one-hot, and ratios; missing bedrooms take the median."""
    with tarfile.open(find(root, "housing.tgz")) as tar:
        text = io.TextIOWrapper(tar.extractfile("housing.csv"), newline="")
        rows = list(csv.DictReader(text))
    coast = sorted({r["ocean_proximity"] for r in rows})
    numbers = [k for k in rows[0] if k not in ("ocean_proximity", "median_house_value")]
    x = np.array([[float(r[k]) if r[k] else np.nan for k in numbers] for r in rows])
    x = np.where(np.isnan(x), np.nanmedian(x, axis=0), x)
    rooms, bedrooms, people, households = (x[:, numbers.index(k)] for k in ("total_rooms", "total_bedrooms", "population", "households"))
    ratios = np.stack([rooms / households, bedrooms / rooms, people / households], 1)
    onehot = np.array([[r["ocean_proximity"] == c for c in coast] for r in rows], dtype=np.float64)
    y = np.array([float(r["median_house_value"]) for r in rows])
    return np.concatenate([x, np.log1p(ratios), np.log1p(x[:, 3:7]), onehot], 1), y, "california"


def split(x, y):
    order = np.random.default_rng(0).permutation(len(x))
    cut = len(x) * 4 // 5
    a, b = order[:cut], order[cut:]
    mean, std = x[a].mean(0), x[a].std(0) + 1e-9
    return (x[a] - mean) / std, y[a], (x[b] - mean) / std, y[b]


def linear_regression(x, y, x_test):
    coefficients = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)[0]
    return np.c_[x_test, np.ones(len(x_test))] @ coefficients


def network(x, y, x_test, epochs, width, decay):
    """Learns what linear regression leaves over: the network starts from the linear answer and corrects it."""
    fastnn.manual_seed(0)
    base, base_test = linear_regression(x, y, x), linear_regression(x, y, x_test)
    residual = y - base
    scale = residual.std()
    inputs = fastnn.tensor(x, dtype=fastnn.float32)
    targets = fastnn.tensor(residual / scale, dtype=fastnn.float32).unsqueeze(1)
    model = nn.Sequential(nn.Linear(x.shape[1], width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))
    nn.init.zeros_(model[-1].weight)
    optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=decay)
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=128, shuffle=True)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * len(loader))

    @fastnn.capture
    def step(xb, yb):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(xb), yb).backward()
        optimizer.step()

    for _ in range(epochs):
        for xb, yb in loader:
            step(xb, yb)
            scheduler.step()
    with fastnn.no_grad():
        correction = model(fastnn.tensor(x_test, dtype=fastnn.float32)).squeeze(1).numpy()
    return base_test + scale * correction


def rmse(prediction, y):
    return float(np.sqrt(np.mean((prediction - y) ** 2)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    print(f"{'data':12} {'rows':>6} {'linear regression':>18} {'network':>10}   RMSE on held-out rows")
    for load, epochs, width, decay in ((houses, 40, 16, 1.0), (california, 60, 64, 0.02)):
        x, y, name = load(args.root)
        x, y, x_test, y_test = split(x, y)
        linear = rmse(linear_regression(x, y, x_test), y_test)
        net = rmse(network(x, y, x_test, 3 if args.quick else epochs, width, decay), y_test)
        print(f"{name:12} {len(x) + len(x_test):6} {linear:18,.0f} {net:10,.0f}   {'better' if net < linear else 'not better'}", flush=True)


if __name__ == "__main__":
    main()
