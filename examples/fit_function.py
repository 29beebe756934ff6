"""Fitting a function, and what happens outside the interval it was trained on.

A tanh network fits sin(3x) + x/2 on [-2, 2] closely. Outside it knows nothing: tanh units saturate and the prediction
flattens out, so the error grows without bound. Units that are sines do no better; x + sin²(10 x) / 10 (snake: Ziyin, Hartwig,
Ueda 2020), which both grows and oscillates, follows the function further.
"""

import argparse
import math

import fastnn
from fastnn import nn, optim


def target(x):
    return fastnn.sin(3 * x) + x / 2


class Sine(nn.Module):
    def forward(self, x):
        return fastnn.sin(x)


class Snake(nn.Module):
    def forward(self, x):
        return x + fastnn.sin(10 * x) ** 2 / 10


def fit(activation, steps):
    fastnn.manual_seed(0)
    x = fastnn.linspace(-2, 2, 200).unsqueeze(1)
    y = target(x)
    model = nn.Sequential(nn.Linear(1, 32), activation(), nn.Linear(32, 32), activation(), nn.Linear(32, 1))
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

    @fastnn.capture
    def step():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()

    for _ in range(steps):
        step()
        scheduler.step()
    return model


def rms(model, low, high):
    x = fastnn.linspace(low, high, 401).unsqueeze(1)
    with fastnn.no_grad():
        return math.sqrt(nn.functional.mse_loss(model(x), target(x)).item())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--plot", metavar="FILE", help="draw the fits (needs matplotlib)")
    args = parser.parse_args()
    models = {a.__name__: fit(a, 300 if args.quick else 3000) for a in (nn.Tanh, nn.ReLU, Sine, Snake)}
    print(f"{'activation':12} {'inside [-2, 2]':>16} {'[2, 3]':>10} {'[3, 5]':>10}   root mean square error")
    for name, model in models.items():
        print(f"{name:12} {rms(model, -2, 2):16.4f} {rms(model, 2, 3):10.3f} {rms(model, 3, 5):10.3f}")
    if args.plot:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        x = fastnn.linspace(-5, 5, 600).unsqueeze(1)
        plt.axvspan(-2, 2, color="0.93", label="training interval")
        plt.plot(x.numpy(), target(x).numpy(), "k", label="sin(3x) + x/2")
        for name, model in models.items():
            plt.plot(x.numpy(), model(x).detach().numpy(), label=name)
        plt.ylim(-5, 5)
        plt.legend(loc="lower right")
        plt.savefig(args.plot, dpi=120)


if __name__ == "__main__":
    main()
