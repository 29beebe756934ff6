"""House prices: a small network against linear regression on rows that neither has seen.

Two data sets: 1,000 houses (Kaggle "Home Value Insights") and 20,640 districts of California (1990 census).

    python examples/house_prices.py --root DIR      (DIR/housing/...; or $FASTNN_DATA)
"""

import argparse

import numpy as np

import fastnn
from fastnn import nn, optim
from fastnn.datasets import california_housing, house_prices
from fastnn.utils.data import DataLoader, TensorDataset


def houses(root):
    """(features, price, name): seven numbers a house; a missing one takes the median, a house without a price is left out."""
    x, y, _ = house_prices(root)
    x, y = x[~np.isnan(y)], y[~np.isnan(y)]
    return np.where(np.isnan(x), np.nanmedian(x, axis=0), x), y, "houses"


def california(root):
    """(features, price, name): eight numbers, the kind of coast as one-hot, ratios and logarithms."""
    x, y, names = california_housing(root)
    rooms, bedrooms, people, households = (x[:, names.index(k)] for k in ("total_rooms", "total_bedrooms", "population", "households"))
    ratios = np.stack([rooms / households, bedrooms / rooms, people / households], 1)
    return np.concatenate([x[:, :8], np.log1p(ratios), np.log1p(x[:, 3:7]), x[:, 8:]], 1), y, "california"


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
    parser.add_argument("--root", help="folder of the data, looked into before $FASTNN_DATA")
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    args = parser.parse_args()
    print(f"{'data':12} {'rows':>6} {'linear regression':>18} {'network':>10}   RMSE on held-out rows")
    for load, epochs, width, decay in ((houses, 40, 16, 1.0), (california, 60, 64, 0.02)):
        x, y, name = load(args.root)
        x, y, x_test, y_test = split(x, y)
        linear = rmse(linear_regression(x, y, x_test), y_test)
        net = rmse(network(x, y, x_test, 3 if args.quick else epochs, width, decay), y_test)
        print(f"{name:12} {len(x) + len(x_test):6} {linear:18,.0f} {net:10,.0f}   {'better' if net < linear else 'not better'}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
