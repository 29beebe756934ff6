"""Ordinary differential equations: decay, a damped oscillator, Lotka-Volterra, and a boundary-value problem.

    u' = -u                                  u(0) = 1                   exp(-t)
    u'' + u' / 2 + 9 u = 0                   u(0) = 1, u'(0) = 0        damped cosine
    r' = 2 r - 1.2 r p,  p' = r p - 1.5 p    r(0) = 1, p(0) = 0.5       no formula: Runge-Kutta of order 4, 20,000 steps
    u' - u'' / 10 = 1                        u(0) = u(1) = 0            x - (exp(10 x) - 1) / (exp(10) - 1)
"""

import argparse

import numpy as np

import fastnn
from fastnn import pinn
from fastnn.pinn import d


def decay():
    domain = pinn.Time(0, 5)
    terms = [pinn.Equation(lambda u: d(u, "t") + u, points=50, sampler="grid"), pinn.Initial(1.0)]
    yield pinn.Problem(domain, pinn.MLP(domain, [20, 20]), terms)


def oscillator():
    domain = pinn.Time(0, 5)
    terms = [
        pinn.Equation(lambda u: d(u, "t", "t") + 0.5 * d(u, "t") + 9 * u, points=150, sampler="grid"),
        pinn.Initial(1.0, weight=100),
        pinn.Initial(0.0, derivative=1, weight=10),
    ]
    yield pinn.Problem(domain, pinn.MLP(domain, [32, 32]), terms)


def damped(t):
    w = np.sqrt(9 - 0.25**2)
    return np.exp(-0.25 * t) * (np.cos(w * t) + 0.25 / w * np.sin(w * t))


def lotka_volterra():
    """Trained on [0, 1], [0, 2], ...: all at once, it falls into the equilibrium r = 1.5, p = 5/3, a solution too."""
    net = pinn.MLP(pinn.Time(0, 8), [32, 32], 2, features=pinn.FourierFeatures(1, 16, scale=3.0, rng=0))

    def law(r, p):
        return d(r, "t") - 2 * r + 1.2 * r * p, d(p, "t") - r * p + 1.5 * p

    for end in range(1, 9):
        starts = [pinn.Initial(1.0, output="r", weight=10), pinn.Initial(0.5, output="p", weight=10)]
        domain = pinn.Time(0, end)
        yield pinn.Problem(domain, net, [pinn.Equation(law, points=40 * end, sampler="grid"), *starts], outputs=("r", "p"))


def predators_and_prey(t, steps=20_000):
    def law(y):
        return np.array([2 * y[0] - 1.2 * y[0] * y[1], y[0] * y[1] - 1.5 * y[1]])

    h, path = 8 / steps, [np.array([1.0, 0.5])]
    for _ in range(steps):
        y = path[-1]
        k1 = law(y)
        k2 = law(y + h / 2 * k1)
        k3 = law(y + h / 2 * k2)
        path.append(y + h / 6 * (k1 + 2 * k2 + 2 * k3 + law(y + h * k3)))
    grid = np.linspace(0, 8, steps + 1)
    return np.stack([np.interp(t, grid, column) for column in np.transpose(path)], 1)


def boundary_layer():
    domain = pinn.Interval(0, 1)
    terms = [pinn.Equation(lambda u: d(u, "x") - 0.1 * d(u, "x", "x") - 1, points=80, sampler="grid"), pinn.Dirichlet(0.0, weight=10)]
    yield pinn.Problem(domain, pinn.MLP(domain, [20, 20]), terms)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for make, iterations, exact in (
        (decay, 400, lambda t: np.exp(-t)),
        (oscillator, 1500, damped),
        (lotka_volterra, 800, predators_and_prey),
        (boundary_layer, 600, lambda x: x - np.expm1(10 * x) / np.expm1(10)),
    ):
        fastnn.manual_seed(args.seed)
        seconds = 0.0
        for problem in make():
            seconds += pinn.solve(problem, lbfgs=20 if args.quick else iterations, capture=True).seconds[-1]
        x = np.linspace(*problem.domain.low, *problem.domain.high, 501)
        error = pinn.relative_l2(problem.predict(x), exact(x))
        print(f"{make.__name__:16} relative L2 error {error:.1e} (bar 1e-03), {seconds:.1f} s, seed {args.seed}")


if __name__ == "__main__":
    main()
