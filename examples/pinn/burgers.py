"""Burgers' equation:  u_t + u u_x = (0.01 / π) u_xx on [-1, 1] × [0, 1], u(x, 0) = -sin(π x), u = 0 at the ends.

A shock forms at x = 0. Equation, network (8 layers of 20) and reference solution (burgers_shock.mat) are those of Raissi,
Perdikaris & Karniadakis 2019, who report a relative L2 error of 6.7e-4 with 10,000 points. Here start and ends are built
into the solution, and 3,000 points are drawn anew every 1,000 steps, more of them where the residual is large (Wu et al., 2023):
a third of the work, and 4e-4 to 7e-4. --plain trains as they did: 10,000 points and 200 at the start and the ends.
"""

import argparse

import numpy as np
import scipy.io

import fastnn
from fastnn import datasets, pinn
from fastnn.pinn import d

NU = 0.01 / np.pi


def burgers(u):
    return d(u, "t") + u * d(u, "x") - NU * d(u, "x", "x")


def start_and_ends(x, t, u):
    return -fastnn.sin(np.pi * x) + t * (1 - x * x) * u


def plain(seed, points=10_000):
    domain = pinn.Interval(-1, 1) * pinn.Time(0, 1)
    terms = [
        pinn.Equation(burgers, points=points, sampler="lhs"),
        pinn.Initial(lambda x: -fastnn.sin(np.pi * x), points=100, sampler="lhs"),
        pinn.Dirichlet(0.0, points=100, sampler="lhs"),
    ]
    return pinn.Problem(domain, pinn.MLP(domain, [20] * 8), terms, seed=seed)


def built_in(seed, points=3000):
    domain = pinn.Interval(-1, 1) * pinn.Time(0, 1)
    terms = [pinn.Equation(burgers, points=points, sampler="lhs")]
    return pinn.Problem(domain, pinn.MLP(domain, [20] * 8), terms, transform=start_and_ends, seed=seed)


def reference():
    """points (n, 2) and values (n,)"""
    data = scipy.io.loadmat(datasets.find("pinn/burgers_shock.mat"))
    x, t = np.meshgrid(data["x"].ravel(), data["t"].ravel(), indexing="ij")
    return np.stack([x.ravel(), t.ravel()], 1), data["usol"].ravel()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--plain", action="store_true", help="10,000 points, soft conditions, no refinement")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lbfgs", type=int, default=12_000, help="iterations")
    parser.add_argument("--checkpoint", metavar="FILE", help="write it on the way, and continue from it")
    parser.add_argument("--plot", metavar="FILE", help="solution, error and loss as PNG")
    args = parser.parse_args()
    points, u = reference()
    fastnn.manual_seed(args.seed)
    make, refine = (plain, None) if args.plain else (built_in, pinn.RAD("burgers", every=1000))
    problem = make(args.seed, 500) if args.quick else make(args.seed)
    history = pinn.solve(
        problem, adam=10 if args.quick else 500, lbfgs=20 if args.quick else args.lbfgs, refine=refine, seed=args.seed, capture=True,
        lbfgs_options={"history_size": 100}, checkpoint=args.checkpoint, resume=bool(args.checkpoint),
    )  # fmt: skip
    error = problem.error(points, u)
    print(f"relative L2 error {error:.1e} (bar 1e-03), {history.seconds[-1]:.0f} s, {history.step[-1]} steps, seed {args.seed}")
    if args.plot:
        pinn.plot(problem, args.plot, points=points, reference=u, history=history)


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
