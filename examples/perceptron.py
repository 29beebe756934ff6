"""The perceptron (Rosenblatt, 1958) tells handwritten threes from eights, and its convergence theorem (Novikoff, 1962) is checked.

Its rule, "on a mistake add y x to the weights", is stochastic gradient descent with rate 1 on the loss max(0, -y w.x): the example
does both and gets the same weights. If some unit vector separates the data with margin m and |x| <= R, no order of the examples
leads to more than (R / m)^2 mistakes.
"""

import argparse

import fastnn
from fastnn import nn, optim
from fastnn.datasets import Digits


def threes_and_eights(train):
    digits = Digits(train=train)
    chosen = (digits.targets == 3) | (digits.targets == 8)
    x = digits.data.double().flatten(1)[chosen] / 16
    y = fastnn.where(digits.targets[chosen] == 8, 1.0, -1.0).double()
    return fastnn.cat([x, fastnn.ones(len(x), 1, dtype=x.dtype)], 1), y  # the last input is 1: its weight is the threshold


def by_rule(x, y, epochs):
    w, mistakes = fastnn.zeros(x.shape[1], dtype=x.dtype), 0
    for epoch in range(epochs):
        wrong = 0
        for xi, yi in zip(x, y, strict=True):
            if yi * (w @ xi) <= 0:
                w = w + yi * xi
                wrong += 1
        mistakes += wrong
        print(f"pass {epoch + 1:3}: {wrong:3} mistakes")
        if wrong == 0:
            break
    return w, mistakes, epoch + 1


def by_gradient(x, y, epochs):
    model = nn.Linear(x.shape[1], 1, bias=False).double()
    nn.init.zeros_(model.weight)
    optimizer = optim.SGD(model.parameters(), lr=1.0)

    @fastnn.capture
    def step(xi, yi):
        optimizer.zero_grad()
        score = yi * model(xi)
        fastnn.where(score <= 0, -score, 0.0 * score).sum().backward()
        optimizer.step()

    for _ in range(epochs):
        for xi, yi in zip(x, y, strict=True):
            step(xi, yi)
    return model.weight[0].detach()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three passes at most")
    args = parser.parse_args()
    (x, y), (x_test, y_test) = threes_and_eights(True), threes_and_eights(False)
    w, mistakes, passes = by_rule(x, y, 3 if args.quick else 500)
    right = ((x_test @ w) * y_test > 0).double().mean().item()
    print(f"{mistakes} mistakes on {len(x)} training digits in {passes} passes; {right:.1%} of {len(x_test)} held-out digits right")
    margin = ((x @ w) * y).min().item() / w.norm().item()
    if margin > 0:
        radius = x.norm(dim=1).max().item()
        print(f"separated with margin {margin:.4f}; radius {radius:.2f}: at most (R/m)^2 = {(radius / margin) ** 2:.0f} mistakes")
    print("stochastic gradient descent gives the same weights:", fastnn.allclose(w, by_gradient(x, y, passes)))


if __name__ == "__main__":
    main()
