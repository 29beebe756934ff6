"""Linear and softmax regression on real digits: least squares, multi-class hinge and cross-entropy, one line apart.

The same linear model 64 -> 10 on the 8x8 digits under three losses, trained by SGD with momentum; then the regression
that started it all, a line through points, against its closed form.
"""

import argparse

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim
from fastnn.datasets import Digits

LOSSES = {
    "least squares": lambda s, y: F.mse_loss(s, F.one_hot(y, 10).float()),
    "hinge": lambda s, y: F.multi_margin_loss(s, y),
    "cross-entropy": F.cross_entropy,
}


def classify(loss, steps):
    fastnn.manual_seed(0)
    train, test = Digits(train=True), Digits(train=False)
    x, x_test = (d.data.float().flatten(1) / 16 for d in (train, test))
    model = nn.Linear(64, 10)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    @fastnn.capture
    def step():
        optimizer.zero_grad()
        loss(model(x), train.targets).backward()
        optimizer.step()

    for _ in range(steps):
        step()
    with fastnn.no_grad():
        return [(model(a).argmax(1) == d.targets).float().mean().item() for a, d in ((x, train), (x_test, test))]


def line(steps):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (100, 1))
    y = 3 * x - 0.5 + 0.1 * rng.standard_normal((100, 1))
    exact = np.linalg.lstsq(np.c_[x, np.ones(100)], y, rcond=None)[0].ravel()
    model = nn.Linear(1, 1).double()
    optimizer = optim.SGD(model.parameters(), lr=0.3)
    xt, yt = fastnn.from_numpy(x), fastnn.from_numpy(y)

    @fastnn.capture
    def step():
        optimizer.zero_grad()
        F.mse_loss(model(xt), yt).backward()
        optimizer.step()

    for _ in range(steps):
        step()
    return exact, (model.weight.item(), model.bias.item())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    args = parser.parse_args()
    steps = 60 if args.quick else 1000
    exact, found = line(200)
    print(f"line: closed form slope {exact[0]:.6f} offset {exact[1]:.6f}; gradient descent {found[0]:.6f} {found[1]:.6f}\n")
    print(f"{'loss':14} {'training':>9} {'held out':>9}")
    for name, loss in LOSSES.items():
        a, b = classify(loss, steps)
        print(f"{name:14} {a:9.1%} {b:9.1%}")


if __name__ == "__main__":
    main()
