"""Poisson's equation on an interval:  -u'' = π² sin(π x) on [-1, 1], u = 0 at the ends;  u = sin(π x)."""

import argparse

import numpy as np

import fastnn
from fastnn import pinn
from fastnn.pinn import d

PI = np.pi


def poisson(u, x):
    return d(u, "x", "x") + PI**2 * fastnn.sin(PI * x)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="solution, error and loss as PNG")
    args = parser.parse_args()
    fastnn.manual_seed(args.seed)
    domain = pinn.Interval(-1, 1)
    problem = pinn.Problem(domain, pinn.MLP(domain, [20, 20]), [pinn.Equation(poisson, points=64, sampler="grid"), pinn.Dirichlet(0.0)])
    history = pinn.solve(problem, adam=50, lbfgs=20 if args.quick else 500, capture=True)
    x = np.linspace(-1, 1, 1001)
    print(f"relative L2 error {problem.error(x, np.sin(PI * x)):.1e} (bar 1e-03), {history.seconds[-1]:.1f} s, seed {args.seed}")
    if args.plot:
        pinn.plot(problem, args.plot, reference=lambda x: np.sin(PI * x), history=history)


if __name__ == "__main__":
    main()
