"""Poisson's equation on an L:  -Δu = 1, u = 0 on the boundary of [-1, 1]² less its upper right quarter.

The second derivatives of u are infinite at the re-entrant corner, where u behaves as r^(2/3) sin(2 φ / 3): a smooth network
of x and y stays at a few per cent. The map w = z^(2/3) of the complex plane straightens the corner, and u is smooth in w;
so the network gets w. Im w is zero on the two sides that meet in the corner, so (1 - x²) (1 - y²) Im w times the network is
zero on the whole boundary and only the equation is left to be learned.

Reference: the series u = p + Σ a_k r^(2k/3) sin(2k φ/3) with a particular solution p that is zero on the same two sides;
the a_k by least squares on the other four. Its ∫u is 0.2140758036, the value that adaptive finite elements agree on.
The file Poisson_Lshape.npz of DeepXDE, where there is one, is compared too: it is 10 % away from the series, and so from
every accurate solution.
"""

import argparse
import os
from pathlib import Path

import numpy as np

import fastnn
from fastnn import pinn
from fastnn.pinn import laplacian

PI = np.pi


def polar(x, y, xp):
    """r, and the angle φ from the side x = 0, y > 0, through the L, to the side y = 0, x > 0: 0 to 3 π / 2."""
    angle = (xp.atan2 if xp is fastnn else xp.arctan2)(x, y)  # 0 on the side x = 0; then down to -π, and from π to π / 2
    return xp.sqrt(x * x + y * y), xp.where(angle > 1e-9, 2 * PI - angle, -angle)


class Straighten(fastnn.nn.Module):
    """(x, y) → w = z^(2/3), (n, 2)"""

    out_features = 2

    def forward(self, p):
        r, angle = polar(p[:, :1], p[:, 1:], fastnn)
        size = r ** (2 / 3)
        return fastnn.cat([size * fastnn.cos(2 / 3 * angle), size * fastnn.sin(2 / 3 * angle)], 1)


def zero_on_the_boundary(x, y, u):
    r, angle = polar(x, y, fastnn)
    return (1 - x * x) * (1 - y * y) * r ** (2 / 3) * fastnn.sin(2 / 3 * angle) * u


def poisson(u, x, y):
    """Times r^(2/3), the derivative |dw/dz|⁻² up to a factor: bounded at the corner."""
    return (x * x + y * y) ** (1 / 3) * (laplacian(u) + 1)


def reference(points, terms=160):
    """(values at points, integral over the L)"""

    def particular(r, a):
        log = np.log(np.maximum(r, 1e-300))
        return r**2 * (np.cos(2 * a) - 1) / 4 - r**2 * (log * np.sin(2 * a) + a * np.cos(2 * a)) / (3 * PI)

    def series(r, a):
        k = np.arange(1, terms + 1) * 2 / 3
        return (r[:, None] / np.sqrt(2)) ** k * np.sin(a[:, None] * k)

    s = np.cos(PI * (np.arange(400) + 0.5) / 400)  # denser towards the corners
    one = np.ones_like(s)
    sides = np.concatenate([np.stack(p, 1) for p in ((s, -one), (-one, s), (one, (s - 1) / 2), ((s - 1) / 2, one))])
    r, a = polar(*sides.T, np)
    weights = np.linalg.lstsq(series(r, a), -particular(r, a), rcond=None)[0]

    def u(x):
        r, a = polar(*x.T, np)
        return particular(r, a) + series(r, a) @ weights

    nodes, w = np.polynomial.legendre.leggauss(40)
    x, y = np.meshgrid((nodes + 1) / 2, (nodes + 1) / 2)
    squares = [np.stack([x.ravel() + i, y.ravel() + j], 1) for i, j in ((-1, -1), (-1, 0), (0, -1))]
    return u(points), sum(np.outer(w, w).ravel() / 4 @ u(square) for square in squares)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="the solution as PNG")
    args = parser.parse_args()
    fastnn.manual_seed(args.seed)
    domain = pinn.Rectangle((-1, -1), (1, 1)) - pinn.Rectangle((0, 0), (1, 1))
    net = pinn.MLP(domain, [24, 24, 24], features=Straighten(), scale=False)
    terms = [pinn.Equation(poisson, points=600)]
    problem = pinn.Problem(domain, net, terms, transform=zero_on_the_boundary, seed=args.seed)
    history = pinn.solve(problem, adam=100, lbfgs=20 if args.quick else 3000, capture=True)
    points = domain.sample(10_000, rng=1)
    exact, integral = reference(points)
    error = problem.error(points, exact)
    print(f"relative L2 error {error:.1e} (bar 1e-03), {history.seconds[-1]:.1f} s, seed {args.seed}")
    print(f"integral of the reference {integral:.6f}, known 0.214076")
    file = Path(os.environ.get("FASTNN_DATA", "")) / "pinn/deepxde/Poisson_Lshape.npz"
    if file.is_file():
        with np.load(file) as data:
            inside = np.isfinite(data["y_ref"][:, 0])
            points, theirs = data["X_test"][inside], data["y_ref"][inside, 0]
        error, off = pinn.relative_l2(problem.predict(points)[:, 0], theirs), pinn.relative_l2(theirs, reference(points)[0])
        print(f"against DeepXDE's file {error:.1e}; the file against the series {off:.1e}")
    if args.plot:
        pinn.plot(problem, args.plot, reference=lambda x, y: reference(np.stack([x, y], 1))[0], history=history)


if __name__ == "__main__":
    main()
