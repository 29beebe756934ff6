"""Two subdomains with a network each:  -∇·(k ∇u) = 2 π² sin(π x) sin(π y) on [-1, 1] × [0, 1], u = 0 on the boundary.

The conductivity k is 1 on the left and 5 on the right, so u = sin(π x) sin(π y) / k has a kink at x = 0, where u and the
flux k u_x are continuous. XPINN and cPINN: Jagtap & Karniadakis 2020, Jagtap, Kharazmi & Karniadakis 2020.
"""

import argparse

import numpy as np

import fastnn
from fastnn import pinn
from fastnn.pinn import d, laplacian

PI = np.pi
K = 1.0, 5.0


def conduction(u, x, y):
    k = fastnn.where(x < 0, K[0], K[1])
    return k * laplacian(u) + 2 * PI**2 * fastnn.sin(PI * x) * fastnn.sin(PI * y)


def flux(k):
    return lambda u: (k * d(u, "x"), k * d(u, "y"))


def exact(x, y):
    return np.sin(PI * x) * np.sin(PI * y) / np.where(x < 0, *K)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="solution, error and loss as PNG")
    args = parser.parse_args()
    domain = pinn.Rectangle((-1, 0), (1, 1))
    halves = pinn.Rectangle((-1, 0), (0, 1)), pinn.Rectangle((0, 0), (1, 1))
    points = domain.sample(10_000, "grid")
    inside = [pinn.Equation(conduction, points=800), pinn.Dirichlet(0.0, points=300, weight=100)]
    joined = pinn.Interface(points=60, flux=(flux(K[0]), flux(K[1])), weight=10)
    for name, net, terms in (
        ("one network", lambda: pinn.MLP(domain, [24, 24, 24]), inside),
        ("two networks", lambda: pinn.Subdomains(halves, [24, 24, 24]), [*inside, joined]),
    ):
        fastnn.manual_seed(args.seed)
        problem = pinn.Problem(domain, net(), terms, seed=args.seed)
        history = pinn.solve(problem, adam=100, lbfgs=20 if args.quick else 800)  # not captured: placing the points reads them
        error = problem.error(points, exact(*points.T))
        print(f"{name:13} relative L2 error {error:.1e}{' (bar 1e-02)' if joined in terms else ''}, {history.seconds[-1]:.1f} s, seed {args.seed}")
    if args.plot:
        pinn.plot(problem, args.plot, reference=exact, history=history)


if __name__ == "__main__":
    main()
