"""The three coefficients of the Lorenz system from 25 observations of a path:

    x' = σ (y - x),  y' = x (ρ - z) - y,  z' = x y - β z;    σ = 10, ρ = 15, β = 8 / 3

Data (Lorenz.npz, times 0 to 3) and problem are those of DeepXDE.
"""

import argparse

import numpy as np

import fastnn
from fastnn import datasets, pinn
from fastnn.pinn import d

TRUE = {"sigma": 10.0, "rho": 15.0, "beta": 8 / 3}


def lorenz(x, y, z, sigma, rho, beta):
    return d(x, "t") - sigma * (y - x), d(y, "t") - x * (rho - z) + y, d(z, "t") - x * y + beta * z


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    fastnn.manual_seed(args.seed)
    with np.load(datasets.find("pinn/deepxde/Lorenz.npz")) as data:
        t, path = data["t"], data["y"]
    domain = pinn.Time(0, 3)
    outputs = ("x", "y", "z")
    terms = [pinn.Equation(lorenz, points=300, sampler="grid"), pinn.Data(t, path, output=outputs, weight=100)]
    net = pinn.MLP(domain, [40, 40], 3, features=pinn.FourierFeatures(1, 10, scale=4.0, rng=args.seed))
    ten_times = lambda x, y, z: (10 * x, 10 * y, 10 * z)  # noqa: E731  the path is of that size
    start = dict.fromkeys(TRUE, 1.0)
    problem = pinn.Problem(domain, net, terms, outputs=outputs, coefficients=start, transform=ten_times, seed=args.seed)
    history = pinn.solve(problem, adam=10 if args.quick else 1000, lbfgs=20 if args.quick else 3000, capture=True)
    for name, value in TRUE.items():
        found = float(problem.coefficients[name])
        print(f"{name:6} {found:.4f} ({abs(found / value - 1):.2%} off, bar 1%)")
    error = pinn.relative_l2(problem.predict(t), path)
    print(f"relative L2 error at the observations {error:.1e}, {history.seconds[-1]:.0f} s, seed {args.seed}")


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
