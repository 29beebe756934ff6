"""Handwritten digits with a multilayer perceptron: 784-512-10, ReLU, dropout, Adam. At least 98.2 % of the test set.

    python examples/mnist_mlp.py            (finds MNIST by --root, $FASTNN_DATA, or downloads it)
"""

import argparse
import time

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim
from fastnn.datasets import MNIST
from fastnn.utils.data import DataLoader, TensorDataset


def pixels(dataset):
    return (dataset.data.float() / 255 - 0.1307) / 0.3081


def accuracy(model, x, y, batch=1000):
    model.eval()
    with fastnn.no_grad():
        right = sum((model(xb).argmax(1) == yb).sum().item() for xb, yb in zip(x.split(batch), y.split(batch), strict=True))
    return right / len(y)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of the data, looked into before $FASTNN_DATA")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--quick", action="store_true", help="one epoch on a tenth of the data")
    args = parser.parse_args()
    fastnn.manual_seed(0)
    train, test = MNIST(args.root, train=True), MNIST(args.root, train=False)
    x, y, x_test, y_test = pixels(train), train.targets, pixels(test), test.targets
    if args.quick:
        x, y, args.epochs = x[:6000], y[:6000], 1

    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.4), nn.Linear(512, 10))
    loader = DataLoader(TensorDataset(x, y), batch_size=128, shuffle=True)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=args.epochs * len(loader))

    @fastnn.capture
    def step(xb, yb):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
        return loss

    start = time.time()
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for xb, yb in loader:
            total += step(xb, yb).item()
            scheduler.step()
        print(f"epoch {epoch + 1:2}  loss {total / len(loader):.4f}  {time.time() - start:5.1f} s", flush=True)
    print(f"test accuracy {accuracy(model, x_test, y_test):.2%}")


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
