"""Burgers' equation found in data: a network learns burgers_shock.mat, sparse regression reads the equation off its derivatives.

    u_t = -u u_x + (0.01 / π) u_xx,  0.01 / π = 0.0031831

The network is fitted to values only. Its exact derivatives at random points are the columns of a library of products; a
LASSO path proposes which few of them make up u_t (Brunton, Proctor & Kutz 2016; Rudy et al. 2017).
"""

import argparse

import numpy as np
import scipy.io

import fastnn
from fastnn import datasets, pinn
from fastnn.pinn import d

COLUMNS = {
    "u": lambda u: u,
    "u_x": lambda u: d(u, "x"),
    "u_xx": lambda u: d(u, "x", "x"),
    "u_xxx": lambda u: d(u, "x", "x", "x"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    data = scipy.io.loadmat(datasets.find("pinn/burgers_shock.mat"))
    x, t = np.meshgrid(data["x"].ravel(), data["t"].ravel(), indexing="ij")
    points, u = np.stack([x.ravel(), t.ravel()], 1), data["usol"].ravel()
    rng = np.random.default_rng(args.seed)
    chosen = rng.choice(len(u), 500 if args.quick else 4000, replace=False)

    fastnn.manual_seed(args.seed)
    domain = pinn.Interval(-1, 1) * pinn.Time(0, 1)
    problem = pinn.Problem(domain, pinn.MLP(domain, [30] * 4), [pinn.Data(points[chosen], u[chosen])], seed=args.seed)
    history = pinn.solve(problem, adam=100, lbfgs=20 if args.quick else 2000, capture=True)
    print(f"network: relative L2 error {problem.error(points, u):.1e}, {history.seconds[-1]:.0f} s, seed {args.seed}")

    at = domain.sample(5000, "sobol", args.seed)
    columns = {name: problem.evaluate(f, at) for name, f in COLUMNS.items()}
    columns["u_t"] = problem.evaluate(lambda u: d(u, "t"), at)
    curved = np.abs(columns["u_xx"])  # in the shock a fit to values says little about derivatives
    columns = {name: c[curved < np.quantile(curved, 0.98)] for name, c in columns.items()}
    u_t = columns.pop("u_t")
    formula = pinn.SparseRegression(pinn.library(COLUMNS, degree=2)).fit(columns, u_t, name="u_t")
    print(formula)
    print(f"fidelity: {formula.fidelity(columns, u_t)}")
    found = set(formula.coefficients) == {"u*u_x", "u_xx"}
    print(f"the terms of Burgers' equation and no others: {found}")
    if found:
        a, b = formula.coefficients["u*u_x"], formula.coefficients["u_xx"] * np.pi / 0.01
        print(f"coefficients {abs(a + 1):.2%} and {abs(b - 1):.2%} off")


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
