"""A network trained on noisy measurements of a pendulum becomes a formula again.

    a = -9.81 sin(θ) - 0.4 ω      angular acceleration by angle and angular velocity, noise of 1 %

The network is asked for values and exact derivatives on a grid, and sparse regression looks for the shortest combination of
terms that agrees with both. --method gplearn searches freely with genetic programming instead.
"""

import argparse

import numpy as np

import fastnn
from fastnn import pinn
from fastnn.pinn import d


def law(theta, omega):
    return -9.81 * np.sin(theta) - 0.4 * omega


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--method", choices=["sparse", "gplearn"], default="sparse")
    args = parser.parse_args()
    fastnn.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    domain = pinn.Rectangle((-2.5, -4), (2.5, 4), names=("theta", "omega"))
    points = domain.sample(1000, rng=rng)
    a = law(*points.T)
    measured = a + 0.01 * a.std() * rng.standard_normal(len(a))
    problem = pinn.Problem(domain, pinn.MLP(domain, [16, 16]), [pinn.Data(points, measured)], outputs="a")
    history = pinn.solve(problem, adam=100, lbfgs=20 if args.quick else 300, capture=True)
    print(f"network: relative L2 error {problem.error(points, a):.1e}, {history.seconds[-1]:.1f} s, seed {args.seed}")

    at = domain.sample(900, "grid")
    columns = dict(zip(domain.names, at.T, strict=True))
    value = problem.predict(at)[:, 0]
    slopes = {name: problem.evaluate(lambda a, name=name: d(a, name), at) for name in domain.names}
    if args.method == "sparse":
        terms = pinn.library(domain.names, degree=3, functions=["sin", "cos"])
        formula = pinn.SparseRegression(terms, seed=args.seed).fit(columns, value, derivatives=slopes, name="a")
    else:
        generations = 3 if args.quick else 40
        formula = pinn.GeneticSearch(generations=generations, population=3000, seed=args.seed).fit(columns, value, name="a")
    print(formula)
    print(f"formula against network: {formula.fidelity(columns, value, slopes)}")
    theta, omega = at.T
    true = {"theta": -9.81 * np.cos(theta), "omega": np.full(len(at), -0.4)}
    print(f"formula against the law: {formula.fidelity(columns, law(theta, omega), true)}")
    try:
        print(f"sympy: {formula.sympy()}")
    except ImportError as error:
        print(error)


if __name__ == "__main__":
    main()
