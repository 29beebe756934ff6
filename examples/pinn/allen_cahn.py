"""The Allen-Cahn equation:  u_t = 0.001 u_xx + 5 (u - u³) on [-1, 1] × [0, 1], u(x, 0) = x² cos(π x), u(±1, t) = -1.

Start and ends are built into the solution: u = x² cos(π x) + t (1 - x²) v. Problem and reference solution
(Allen_Cahn.mat, 201 × 101 points) are those of DeepXDE. 20 wide and 3 deep without new points ends at 6e-2; so do 4 layers with.
"""

import argparse

import numpy as np
import scipy.io

import fastnn
from fastnn import datasets, pinn
from fastnn.pinn import d


def allen_cahn(u):
    return d(u, "t") - 0.001 * d(u, "x", "x") - 5 * (u - u * u * u)


def start_and_ends(x, t, u):
    return x * x * fastnn.cos(np.pi * x) + t * (1 - x * x) * u


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="solution, error and loss as PNG")
    args = parser.parse_args()
    data = scipy.io.loadmat(datasets.find("pinn/deepxde/Allen_Cahn.mat"))
    t, x = np.meshgrid(data["t"].ravel(), data["x"].ravel(), indexing="ij")
    points = np.stack([x.ravel(), t.ravel()], 1)
    fastnn.manual_seed(args.seed)
    domain = pinn.Interval(-1, 1) * pinn.Time(0, 1)
    terms = [pinn.Equation(allen_cahn, points=500 if args.quick else 4000, sampler="lhs", name="allen-cahn")]
    problem = pinn.Problem(domain, pinn.MLP(domain, [32] * 4), terms, transform=start_and_ends, seed=args.seed)
    history = pinn.solve(
        problem, adam=10 if args.quick else 500, lbfgs=20 if args.quick else 10_000, refine=pinn.RAD("allen-cahn", every=1000),
        seed=args.seed, capture=True, lbfgs_options={"history_size": 100},
    )  # fmt: skip
    error = problem.error(points, data["u"].ravel())
    print(f"relative L2 error {error:.1e} (bar 1e-02), {history.seconds[-1]:.0f} s, {history.step[-1]} steps, seed {args.seed}")
    if args.plot:
        pinn.plot(problem, args.plot, points=points, reference=data["u"].ravel(), history=history)


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
