"""Handwritten digits with a convolutional network: two 3x3 convolutions, pooling, 9216-128-10. At least 99.0 %.

    python examples/mnist_cnn.py            (finds MNIST by --root, $FASTNN_DATA, or downloads it)
"""

import argparse
import time

from mnist_mlp import accuracy, pixels

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim
from fastnn.datasets import MNIST
from fastnn.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.dropout1(x.flatten(1))
        return self.fc2(self.dropout2(F.relu(self.fc1(x))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of the data, looked into before $FASTNN_DATA")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="one epoch on a thirtieth of the data")
    args = parser.parse_args()
    fastnn.manual_seed(0)
    train, test = MNIST(args.root, train=True), MNIST(args.root, train=False)
    x, y, x_test, y_test = pixels(train).unsqueeze(1), train.targets, pixels(test).unsqueeze(1), test.targets
    if args.quick:
        x, y, x_test, y_test, args.epochs = x[:2000], y[:2000], x_test[:1000], y_test[:1000], 1

    model = Net()
    loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=args.epochs * len(loader))

    @fastnn.capture
    def train_step(xb, yb):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
        return loss

    start = time.time()
    for epoch in range(args.epochs):
        model.train()
        for step, (xb, yb) in enumerate(loader):
            loss = train_step(xb, yb)
            scheduler.step()
            if step % 200 == 0:
                print(f"epoch {epoch + 1}  step {step:4}/{len(loader)}  loss {loss.item():.4f}  {time.time() - start:5.1f} s", flush=True)
    print(f"test accuracy {accuracy(model, x_test, y_test):.2%}")


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
