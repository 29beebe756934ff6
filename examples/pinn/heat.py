"""The heat equation:  u_t = 0.4 u_xx on [0, 1] × [0, 1], u = 0 at the ends, u(x, 0) = sin(π x);  u = exp(-0.4 π² t) sin(π x)."""

import argparse

import numpy as np

import fastnn
from fastnn import pinn
from fastnn.pinn import d

PI = np.pi


def heat(u):
    return d(u, "t") - 0.4 * d(u, "x", "x")


def exact(x, t):
    return np.exp(-0.4 * PI**2 * t) * np.sin(PI * x)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="solution, error and loss as PNG")
    args = parser.parse_args()
    fastnn.manual_seed(args.seed)
    domain = pinn.Interval(0, 1) * pinn.Time(0, 1)
    terms = [pinn.Equation(heat, points=600), pinn.Dirichlet(0.0, points=100), pinn.Initial(lambda x: fastnn.sin(PI * x), points=100)]
    problem = pinn.Problem(domain, pinn.MLP(domain, [20, 20, 20]), terms, seed=args.seed)
    history = pinn.solve(problem, adam=100, lbfgs=20 if args.quick else 800, capture=True)
    points = np.stack(np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 1, 101), indexing="ij"), -1).reshape(-1, 2)
    error = problem.error(points, exact(*points.T))
    print(f"relative L2 error {error:.1e} (bar 1e-03), {history.seconds[-1]:.1f} s, seed {args.seed}")
    if args.plot:
        pinn.plot(problem, args.plot, reference=exact, history=history)


if __name__ == "__main__":
    main()
