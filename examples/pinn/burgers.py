"""Burgers' equation:  u_t + u u_x = (0.01 / π) u_xx on [-1, 1] × [0, 1], u(x, 0) = -sin(π x), u = 0 at the ends.

A shock forms at x = 0. The problem, the network (8 layers of 20), 10,000 points by Latin hypercube, 100 points at the start
and at the ends, and the reference solution are those of Raissi, Perdikaris & Karniadakis 2019 (burgers_shock.mat), who
report a relative L2 error of 6.7e-4.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import scipy.io

import fastnn
from fastnn import pinn
from fastnn.pinn import d

NU = 0.01 / np.pi


def burgers(u):
    return d(u, "t") + u * d(u, "x") - NU * d(u, "x", "x")


def reference():
    """points (n, 2) and values (n,)"""
    data = scipy.io.loadmat(Path(os.environ["FASTNN_DATA"]) / "pinn/burgers_shock.mat")
    x, t = np.meshgrid(data["x"].ravel(), data["t"].ravel(), indexing="ij")
    return np.stack([x.ravel(), t.ravel()], 1), data["usol"].ravel()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--adam", type=int, default=1000)
    parser.add_argument("--lbfgs", type=int, default=8000)
    parser.add_argument("--checkpoint", metavar="FILE", help="write it on the way, and continue from it")
    parser.add_argument("--plot", metavar="FILE", help="solution, error and loss as PNG")
    args = parser.parse_args()
    if args.quick:
        args.points, args.adam, args.lbfgs = 500, 10, 20
    fastnn.manual_seed(args.seed)
    domain = pinn.Interval(-1, 1) * pinn.Time(0, 1)
    terms = [
        pinn.Equation(burgers, points=args.points, sampler="lhs"),
        pinn.Initial(lambda x: -fastnn.sin(np.pi * x), points=100, sampler="lhs"),
        pinn.Dirichlet(0.0, points=100, sampler="lhs"),
    ]
    problem = pinn.Problem(domain, pinn.MLP(domain, [20] * 8), terms, seed=args.seed)
    history = pinn.solve(problem, args.adam, args.lbfgs, checkpoint=args.checkpoint, resume=bool(args.checkpoint))
    points, u = reference()
    error = problem.error(points, u)
    print(f"relative L2 error {error:.1e} (bar 1e-03), {history.seconds[-1]:.0f} s, {history.step[-1]} steps, seed {args.seed}")
    if args.plot:
        pinn.plot(problem, args.plot, points=points, reference=u, history=history)


if __name__ == "__main__":
    main()
