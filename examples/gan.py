"""Digits invented by a generative adversarial network (DCGAN), judged by a classifier that knows real ones.

    python examples/gan.py --plot digits.png      (finds MNIST by --root, $FASTNN_DATA, or downloads it)

How good they are: the Frechet distance between what a classifier's last hidden layer sees in generated and in real test digits
(Heusel et al., 2017, with a network trained on digits instead of Inception), beside that of real training digits (as good as it
gets) and of a Gaussian fitted to the pixels (the trivial baseline). Network after Radford, Metz and Chintala (2016).
"""

import argparse
import time

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim
from fastnn.datasets import MNIST
from fastnn.utils.data import DataLoader, TensorDataset

NOISE = 64


def generator():
    """(batch, 64) of noise to (batch, 1, 28, 28) in (-1, 1)."""
    return nn.Sequential(
        nn.Linear(NOISE, 64 * 7 * 7, bias=False), nn.BatchNorm1d(64 * 7 * 7), nn.ReLU(), nn.Unflatten(1, (64, 7, 7)),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


def convolutions(norm):
    """(batch, 1, 28, 28) to (batch, 3136)."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1), norm(64), nn.LeakyReLU(0.2), nn.Flatten(),
    )  # fmt: skip


class Judge(nn.Module):
    """A classifier of digits; `features` is its last hidden layer."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(convolutions(nn.BatchNorm2d), nn.Linear(64 * 7 * 7, 64), nn.ReLU())
        self.output = nn.Linear(64, 10)

    def forward(self, x):
        return self.output(self.features(x))


def frechet(a, b):
    """|mean_a - mean_b|^2 + trace(A + B - 2 sqrt(A B)) of two samples' means and covariances."""
    a, b = a.numpy().astype(np.float64), b.numpy().astype(np.float64)
    A, B = np.cov(a.T), np.cov(b.T)
    root = np.sqrt(np.maximum(np.linalg.eigvals(A @ B).real, 0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(A) + np.trace(B) - 2 * root)


def batches(x, *rest, shuffle=True):
    return DataLoader(TensorDataset(x, *rest), batch_size=128, shuffle=shuffle, drop_last=shuffle)


def train_judge(x, y, x_test, y_test):
    judge = Judge()
    optimizer = optim.Adam(judge.parameters(), lr=1e-3)

    @fastnn.capture
    def step(xb, yb):
        optimizer.zero_grad()
        F.cross_entropy(judge(xb), yb).backward()
        optimizer.step()

    for xb, yb in batches(x, y):
        step(xb, yb)
    judge.eval()
    with fastnn.no_grad():
        right = fastnn.cat([judge(xb).argmax(1) == yb for xb, yb in batches(x_test, y_test, shuffle=False)]).float().mean().item()
    return judge, right


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of the data, looked into before $FASTNN_DATA")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="write 64 generated digits as PNG")
    parser.add_argument("--quick", action="store_true", help="one epoch on a thirtieth of the data")
    args = parser.parse_args()
    fastnn.manual_seed(args.seed)
    train, test = MNIST(args.root, train=True), MNIST(args.root, train=False)
    (x, y), (x_test, y_test) = ((d.data.float().unsqueeze(1) / 127.5 - 1, d.targets) for d in (train, test))
    if args.quick:
        x, y, x_test, y_test, args.epochs = x[:2000], y[:2000], x_test[:500], y_test[:500], 1

    judge, right = train_judge(x, y, x_test, y_test)
    print(f"the judge knows {right:.1%} of the test digits")
    G, D = generator(), nn.Sequential(convolutions(nn.BatchNorm2d), nn.Linear(64 * 7 * 7, 1))
    for m in [*G.modules(), *D.modules()]:
        if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(m.weight, 0.0, 0.02)
    optimizer_g = optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    optimizer_d = optim.Adam(D.parameters(), lr=3e-4, betas=(0.5, 0.999))

    @fastnn.capture
    def step(real):
        """One step of each: D learns to tell real from invented, G to be taken for real."""
        ones, zeros = fastnn.ones(len(real), 1), fastnn.zeros(len(real), 1)
        invented = G(fastnn.randn(len(real), NOISE))
        optimizer_d.zero_grad()
        loss_d = F.binary_cross_entropy_with_logits(D(real), ones) + F.binary_cross_entropy_with_logits(D(invented.detach()), zeros)
        loss_d.backward()
        optimizer_d.step()
        optimizer_g.zero_grad()
        loss_g = F.binary_cross_entropy_with_logits(D(invented), ones)
        loss_g.backward()
        optimizer_g.step()
        return loss_d, loss_g

    @fastnn.no_grad()
    def invent(count):
        G.eval()
        made = fastnn.cat([G(fastnn.randn(min(500, count - k), NOISE)) for k in range(0, count, 500)])
        G.train()
        return made

    @fastnn.no_grad()
    def features(images):
        return fastnn.cat([judge.features(xb) for (xb,) in batches(images, shuffle=False)])

    start, seen = time.time(), features(x_test)
    for epoch in range(args.epochs):
        for k, (real,) in enumerate(batches(x)):
            loss_d, loss_g = step(real)
            if k % 100 == 0:
                print(f"epoch {epoch + 1}  step {k:3}  D {loss_d.item():.3f}  G {loss_g.item():.3f}  {time.time() - start:5.1f} s", flush=True)
        print(f"epoch {epoch + 1}  Frechet distance {frechet(features(invent(len(x_test))), seen):.2f}", flush=True)

    made = invent(len(x_test))
    flat = x.flatten(1).numpy()
    gauss = np.random.default_rng(args.seed).multivariate_normal(flat.mean(0), np.cov(flat.T), len(x_test)).clip(-1, 1)
    with fastnn.no_grad():
        kinds = fastnn.bincount(fastnn.cat([judge(xb).argmax(1) for (xb,) in batches(made, shuffle=False)]), minlength=10) / len(made)
    print("share of each digit:", " ".join(f"{k}:{100 * share:.0f}%" for k, share in enumerate(kinds.tolist())))
    print(
        f"Frechet distance to test digits: {frechet(features(made), seen):.2f}, real training digits {frechet(features(x[: len(x_test)]), seen):.2f}, "
        f"Gaussian pixels {frechet(features(fastnn.tensor(gauss).float().reshape(x_test.shape)), seen):.2f}; "
        f"seed {args.seed}, {time.time() - start:.0f} s"
    )
    if args.plot:
        import matplotlib.image

        sheet = made[:64].reshape(8, 8, 28, 28).permute(0, 2, 1, 3).reshape(224, 224)
        matplotlib.image.imsave(args.plot, sheet.numpy(), cmap="gray")


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
