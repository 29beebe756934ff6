"""Networks with derivatives: the residual of a differential equation and its gradient, against nested reverse mode.

A row is one residual of a 20-wide tanh network, its mean square, and the gradients of all weights:
Burgers u_t + u u_x - ν u_xx, biharmonic u_xxxx + 2 u_xxyy + u_yyyy, beam u_xxxx + u_t. `python -m fastnn.bench.jet plot.svg` draws
derivatives of order 1-4 by jets and by nested reverse mode (needs matplotlib).
"""

from __future__ import annotations

import sys

import numpy as np

import fastnn
from fastnn import func, nn

from .case import Case
from .run import measure
from .step import mlp, torch_or_none

PROBLEMS = {
    "burgers": (["u", "u_x", "u_t", "u_xx"], lambda u, u_x, u_t, u_xx: u_t + u * u_x - 0.01 / np.pi * u_xx),
    "beam": (["u_t", "u_xxxx"], lambda u_t, u_xxxx: u_t + u_xxxx),
    "biharmonic": (["u_xxxx", "u_xxtt", "u_tttt"], lambda a, b, c: a + 2 * b + c),
}


def nested(grad, net, x, names):
    """The same derivatives by reverse mode upon reverse mode, each prefix computed once; for both libraries."""
    known = {"": net(x)}
    gradients = {}
    for name in names:
        steps = name[2:]
        for k in range(len(steps)):
            if steps[: k + 1] not in known:
                if steps[:k] not in gradients:
                    (gradients[steps[:k]],) = grad(known[steps[:k]].sum(), x, create_graph=True)
                i = "xt".index(steps[k])
                known[steps[: k + 1]] = gradients[steps[:k]][:, i : i + 1]
    return [known[name[2:]] for name in names]


def networks(dtype, width=20, depth=8):
    """Equal networks of both libraries (torch's is None without it)."""
    sizes = (2, *[width] * depth, 1)
    net, torch = mlp(nn, sizes, "Tanh").to(getattr(fastnn, dtype)), torch_or_none()
    if torch is None:
        return net, None
    theirs = mlp(torch.nn, sizes, "Tanh").to(getattr(torch, dtype))
    for p, q in zip(theirs.parameters(), net.parameters(), strict=True):
        p.data.copy_(torch.from_numpy(q.detach().numpy().copy()))
    return net, theirs


def gradient(lib, net, x, derivatives, residual):
    """A call that computes the loss and the gradients of all weights."""
    parameters = list(net.parameters())
    grad = fastnn.autograd.grad if lib is fastnn else lib.autograd.grad

    def run():
        r = residual(*derivatives(net, x))
        return grad((r * r).mean(), parameters, allow_unused=True)[0]  # u_x does not depend on the last bias

    return run


def cases(quick):
    torch = torch_or_none()
    for dtype in ("float32", "float64"):
        for name, (names, residual) in PROBLEMS.items():
            for points in (1000,) if quick else (1000, 10_000):
                x = np.random.default_rng(0).uniform(-1, 1, (points, 2)).astype(dtype)
                net, theirs = networks(dtype)
                ours = gradient(fastnn, net, fastnn.from_numpy(x), lambda f, x, names=names: func.derivatives_of(f, x, names, "xt"), residual)
                rivals = {}
                if theirs is not None:
                    y = torch.from_numpy(x).requires_grad_()
                    rivals["torch"] = gradient(torch, theirs, y, lambda f, x, names=names: nested(torch.autograd.grad, f, x, names), residual)
                z = fastnn.from_numpy(x).requires_grad_()
                rivals["nested"] = gradient(fastnn, net, z, lambda f, x, names=names: nested(fastnn.autograd.grad, f, x, names), residual)
                if points == 10_000 and name == "biharmonic":
                    rivals = {}  # 2 GB and seconds a call
                yield Case(name, "gradient", dtype, f"{points} points 2-20x8-1", ours, rivals)


def plot(path, points=1000):
    """Seconds for u_x .. u_xxxx and the gradients of the weights, by jets and by nested reverse mode, as a drawing."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    torch = torch_or_none()
    x = np.random.default_rng(0).uniform(-1, 1, (points, 2)).astype("float32")
    net, theirs = networks("float32")
    times = {}
    for order in range(1, 5):
        names = ["u_" + "x" * order]
        runs = {
            "fastnn jets": gradient(fastnn, net, fastnn.from_numpy(x), lambda f, x, names=names: func.derivatives_of(f, x, names, "xt"), lambda u: u),
            "fastnn nested": gradient(
                fastnn, net, fastnn.from_numpy(x).requires_grad_(), lambda f, x, names=names: nested(fastnn.autograd.grad, f, x, names), lambda u: u
            ),
        }
        if torch is not None:
            y = torch.from_numpy(x).requires_grad_()
            runs["torch nested"] = gradient(torch, theirs, y, lambda f, x, names=names: nested(torch.autograd.grad, f, x, names), lambda u: u)
        for name, seconds in measure(runs, 0.3).items():
            times.setdefault(name, []).append(1e3 * seconds)
    figure, axes = pyplot.subplots(figsize=(6, 4))
    for name, values in times.items():
        axes.plot(range(1, 5), values, "o-", label=name)
        print(f"{name:14}", "  ".join(f"{v:8.2f} ms" for v in values))
    axes.set(yscale="log", xlabel="order of the derivative", ylabel="ms", xticks=range(1, 5), title=f"∂ᵏu/∂xᵏ and all weight gradients, {points} points")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    fastnn.set_num_threads(2)
    if torch_or_none() is not None:
        torch_or_none().set_num_threads(2)
    plot(sys.argv[1] if len(sys.argv) > 1 else "jets.svg")
