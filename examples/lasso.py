"""LASSO by proximal gradient steps recovers a sparse vector from fewer measurements than unknowns.

    minimise  ||A x - b||^2 / (2 m) + lambda |x|_1

The smooth part takes a gradient step, the L1 part its proximal operator, soft thresholding, which makes exact zeros: an
L1 term in the loss never does. Source: Tibshirani 1996; ISTA: Daubechies, Defrise, De Mol 2004.
"""

import argparse

import numpy as np

import fastnn


def problem(m=80, n=200, nonzero=8, noise=0.01, seed=0):
    rng = np.random.default_rng(seed)
    x = np.zeros(n)
    x[rng.choice(n, nonzero, replace=False)] = rng.choice([-1, 1], nonzero) * rng.uniform(1, 3, nonzero)
    a = rng.standard_normal((m, n))
    return a, a @ x + noise * rng.standard_normal(m), x


def soft_threshold(x, t):
    return fastnn.sign(x) * fastnn.clamp(fastnn.abs(x) - t, min=0)


def lasso(a, b, penalty, steps):
    a, b = fastnn.from_numpy(a), fastnn.from_numpy(b)
    m, n = a.shape
    rate = m / np.linalg.norm(a.numpy(), 2) ** 2  # 1 / Lipschitz constant of the gradient
    x = fastnn.zeros(n, dtype=fastnn.float64, requires_grad=True)

    @fastnn.capture
    def step():
        loss = ((a @ x - b) ** 2).sum() / (2 * m)
        (g,) = fastnn.autograd.grad(loss, x)
        with fastnn.no_grad():
            x.copy_(soft_threshold(x - rate * g, rate * penalty))

    for _ in range(steps):
        step()
    return x.detach().numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    args = parser.parse_args()
    a, b, truth = problem()
    x = lasso(a, b, penalty=0.02, steps=500 if args.quick else 5000)
    support, found = np.flatnonzero(truth), np.flatnonzero(np.abs(x) > 1e-6)
    dense = np.linalg.lstsq(a, b, rcond=None)[0]
    print(f"{a.shape[0]} measurements, {a.shape[1]} unknowns, {len(support)} of them not zero")
    print(f"LASSO:          {len(found):3} non-zeros, all of the true ones: {set(support) <= set(found)}, error {np.linalg.norm(x - truth):.3f}")
    print(f"least squares:  {np.sum(np.abs(dense) > 1e-6):3} non-zeros, error {np.linalg.norm(dense - truth):.3f}")


if __name__ == "__main__":
    main()
