"""XOR, and how many layers it needs.

A perceptron draws one line, and no line separates XOR: its best possible accuracy is 75 %. One hidden layer of two units
is enough in principle; gradient descent finds it from most starting points once there are a few more.
"""

import argparse

import fastnn
from fastnn import nn, optim

X = fastnn.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = fastnn.tensor([[0.0], [1.0], [1.0], [0.0]])


def network(hidden):
    layers, width = [], 2
    for h in hidden:
        layers += [nn.Linear(width, h), nn.Tanh()]
        width = h
    return nn.Sequential(*layers, nn.Linear(width, 1))


def train(hidden, seed, steps):
    fastnn.manual_seed(seed)
    model = network(hidden)
    optimizer = optim.Adam(model.parameters(), lr=0.05)

    @fastnn.capture
    def step():
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(X), Y)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(steps):
        loss = step()
    right = ((model(X) > 0).float() == Y).float().mean().item()
    return loss.item(), right


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    args = parser.parse_args()
    seeds, steps = (3, 300) if args.quick else (10, 1000)
    print(f"{'hidden layers':16} solved from {seeds} starting points")
    for hidden in ((), (2,), (3,), (8,), (4, 4)):
        results = [train(hidden, seed, steps) for seed in range(seeds)]
        solved = sum(right == 1.0 for _, right in results)
        best = max(right for _, right in results)
        print(f"{hidden or 'none'!s:16} {solved:2}/{seeds}   best accuracy {best:.0%}   lowest loss {min(r[0] for r in results):.4f}")


if __name__ == "__main__":
    main()
