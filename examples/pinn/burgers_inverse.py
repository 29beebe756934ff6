"""Both coefficients of Burgers' equation from measurements:  u_t + λ1 u u_x - λ2 u_xx = 0;  λ1 = 1, λ2 = 0.01 / π.

2,000 points of burgers_shock.mat, exact and with noise of 1 % of the standard deviation, as in Raissi, Perdikaris &
Karniadakis 2019, who report errors of 0.1 % and 0.5 % (exact), 0.2 % and 0.5 % (1 % noise). λ2 = exp(log_lambda2) > 0.
"""

import argparse

import numpy as np
import scipy.io

import fastnn
from fastnn import datasets, pinn
from fastnn.pinn import d

TRUE = 0.01 / np.pi


def burgers(u, lambda1, log_lambda2):
    return d(u, "t") + lambda1 * u * d(u, "x") - fastnn.exp(log_lambda2) * d(u, "x", "x")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    data = scipy.io.loadmat(datasets.find("pinn/burgers_shock.mat"))
    x, t = np.meshgrid(data["x"].ravel(), data["t"].ravel(), indexing="ij")
    rng = np.random.default_rng(args.seed)
    chosen = rng.choice(x.size, 200 if args.quick else 2000, replace=False)
    points, u = np.stack([x.ravel(), t.ravel()], 1), data["usol"].ravel()
    domain = pinn.Interval(-1, 1) * pinn.Time(0, 1)
    for noise in (0.0, 0.01):
        fastnn.manual_seed(args.seed)
        measured = u[chosen] + noise * u.std() * rng.standard_normal(len(chosen))
        terms = [pinn.Equation(burgers, points=points[chosen]), pinn.Data(points[chosen], measured)]
        start = {"lambda1": 0.0, "log_lambda2": -6.0}
        problem = pinn.Problem(domain, pinn.MLP(domain, [20] * 5), terms, coefficients=start, seed=args.seed)
        history = pinn.solve(problem, adam=10 if args.quick else 200, lbfgs=20 if args.quick else 2000, capture=True)
        lambda1, lambda2 = float(problem.coefficients["lambda1"]), float(fastnn.exp(problem.coefficients["log_lambda2"]))
        print(
            f"noise {noise:.0%}: lambda1 {lambda1:.5f} ({abs(lambda1 - 1):.2%} off, bar 1%), "
            f"lambda2 {lambda2:.6f} ({abs(lambda2 / TRUE - 1):.2%} off, bar 5%), "
            f"u relative L2 {problem.error(points, u):.1e}, {history.seconds[-1]:.0f} s, seed {args.seed}"
        )


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
