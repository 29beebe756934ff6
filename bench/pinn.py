"""Physics-informed networks: a training step of Burgers' equation, network 2-20x8-1 with tanh, Adam, as users of each library write it.

Rivals: PyTorch with nested autograd.grad, DeepXDE on PyTorch (`pip install "fastnn[bench]"`). All have the same points, of
which 100 at the start and 100 at the ends, and the same number of parameters.

`python -m fastnn.bench.pinn` also trains fastnn and DeepXDE to compare errors over seeds; it needs pinn/burgers_shock.mat in FASTNN_DATA.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import time

import numpy as np

import fastnn
from fastnn import datasets, pinn
from fastnn.pinn import d

from .case import Case
from .step import torch_or_none

NU = 0.01 / math.pi
HIDDEN = [20] * 8


def burgers(u):
    return d(u, "t") + u * d(u, "x") - NU * d(u, "x", "x")


def problem(points, dtype, seed=0, ends=100, start=100):
    """points, ends, start: numbers of points, or arrays (n, 2) of them."""
    fastnn.manual_seed(seed)
    domain = pinn.Interval(-1, 1) * pinn.Time(0, 1)
    terms = [
        pinn.Equation(burgers, points=points),
        pinn.Dirichlet(0.0, points=ends),
        pinn.Initial(lambda x: -fastnn.sin(math.pi * x), points=start),
    ]
    return pinn.Problem(domain, pinn.MLP(2, HIDDEN, dtype=getattr(fastnn, dtype)), terms, seed=seed)


def torch_step(ours, fused=False, compiled=None):
    """One Adam step in PyTorch on the points and from the weights of our problem. compiled: what makes a faster function of the loss;
    that has its derivatives by jvp then, as PyTorch does not compile a gradient inside a loss."""
    torch = torch_or_none()
    if torch is None:
        return None
    layers = []
    for a, b in zip([2, *HIDDEN], [*HIDDEN, 1], strict=True):
        layers += [torch.nn.Linear(a, b), torch.nn.Tanh()]
    net = torch.nn.Sequential(*layers[:-1]).to(getattr(torch, ours.dtype.name))
    for p, q in zip(net.parameters(), ours.net.parameters(), strict=True):
        p.data.copy_(torch.from_numpy(q.detach().numpy().copy()))
    inside, ends, start = (torch.from_numpy(t.x.numpy().copy()) for t in ours.terms)
    target = -torch.sin(math.pi * start[:, :1])
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, **({"fused": True} if fused else {}))
    inside.requires_grad_(compiled is None)

    def derivatives():
        u = net(inside)
        (g,) = torch.autograd.grad(u.sum(), inside, create_graph=True)
        (gg,) = torch.autograd.grad(g[:, 0].sum(), inside, create_graph=True)
        return u, g[:, :1], g[:, 1:], gg[:, :1]

    def forward_derivatives():
        def along(f, axis):
            return lambda x: torch.func.jvp(f, (x,), (torch.eye(2)[axis].expand_as(x),))[1]

        return net(inside), along(net, 0)(inside), along(net, 1)(inside), along(along(net, 0), 0)(inside)

    def loss():
        u, ux, ut, uxx = derivatives() if compiled is None else forward_derivatives()
        return ((ut + u * ux - NU * uxx) ** 2).mean() + (net(ends) ** 2).mean() + ((net(start) - target) ** 2).mean()

    value = loss if compiled is None else compiled(loss)

    def step():
        optimizer.zero_grad()
        loss = value()
        loss.backward(inputs=list(net.parameters()))
        optimizer.step()
        return loss

    return step


def deepxde_model(points, dtype, seed=0):
    """The same problem as DeepXDE's own example writes it, compiled with Adam; None without DeepXDE."""
    os.environ.setdefault("DDE_BACKEND", "pytorch")
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):  # it announces its backend and dtype
        try:
            import deepxde as dde
        except ImportError:
            return None
        dde.config.set_default_float(dtype)
    dde.config.set_random_seed(seed)
    domain = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))

    def residual(x, u):
        u_x = dde.grad.jacobian(u, x, i=0, j=0)
        return dde.grad.jacobian(u, x, i=0, j=1) + u * u_x - NU * dde.grad.hessian(u, x, i=0, j=0)

    ends = dde.icbc.DirichletBC(domain, lambda x: 0, lambda _, on: on)
    start = dde.icbc.IC(domain, lambda x: -np.sin(np.pi * x[:, :1]), lambda _, on: on)
    data = dde.data.TimePDE(domain, residual, [ends, start], num_domain=points, num_boundary=100, num_initial=100)
    model = dde.Model(data, dde.nn.FNN([2, *HIDDEN, 1], "tanh", "Glorot normal"))
    model.compile("adam", lr=1e-3, verbose=0)
    return model


def same_problem(model, dtype):
    """Our problem with the points and the starting weights of a model of DeepXDE."""
    data = model.data
    ends, start = np.split(data.train_x_bc, np.cumsum(data.num_bcs)[:-1])
    ours = problem(data.train_x_all, dtype, ends=ends, start=start)
    with fastnn.no_grad():
        for p, q in zip(ours.net.parameters(), model.net.parameters(), strict=True):
            p.copy_(fastnn.from_numpy(q.detach().cpu().numpy().copy()))
    return ours


def deepxde_step(points, dtype):
    model = deepxde_model(points, dtype)
    if model is None:
        return None

    def step():
        state = model.train_state
        state.set_data_train(*model.data.train_next_batch())
        model._train_step(state.X_train, state.y_train, state.train_aux_vars)

    return step


def cases(quick):
    for dtype in ("float64", "float32"):  # in this order: DeepXDE sets PyTorch's default dtype
        for points in (1000,) if quick else (1000, 10_000):
            ours = problem(points, dtype)
            rivals = {"torch": torch_step(ours), "deepxde": deepxde_step(points, dtype)}
            flops = 2 * 4 * 3 * points * sum(a * b for a, b in zip([2, *HIDDEN], [*HIDDEN, 1], strict=True))
            for name, capture in (("burgers step", False), ("burgers step, captured", True)):
                step = pinn.Training(ours, lr=1e-3, record=10**9, progress=False, capture=capture).adam_step
                yield Case(name, "step", dtype, f"{points} points 2-20x8-1", step, {k: v for k, v in rivals.items() if v}, flops=flops)


def main():
    parser = argparse.ArgumentParser(description="Trains fastnn.pinn and DeepXDE on Burgers' equation from the same weights: error and time by seed.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--points", type=int, default=2500)
    parser.add_argument("--adam", type=int, default=5000)
    args = parser.parse_args()
    import scipy.io

    data = scipy.io.loadmat(datasets.find("pinn/burgers_shock.mat"))
    x, t = np.meshgrid(data["x"].ravel(), data["t"].ravel(), indexing="ij")
    at, u = np.stack([x.ravel(), t.ravel()], 1), data["usol"].ravel()
    print(f"{args.points} points, {args.adam} steps of Adam from the same weights, float32\n{'seed':>4} {'fastnn':>16} {'DeepXDE':>16}")
    rows = []
    for seed in range(args.seeds):
        theirs = deepxde_model(args.points, "float32", seed)
        ours = same_problem(theirs, "float32")
        start = time.perf_counter()
        pinn.solve(ours, args.adam, capture=True, progress=False)
        middle = time.perf_counter()
        theirs.train(iterations=args.adam, display_every=10**9, verbose=0)
        end = time.perf_counter()
        rows.append((ours.error(at, u), middle - start, pinn.relative_l2(theirs.predict(at.astype(np.float32)), u), end - middle))
        print("{:4} {:8.1e} {:5.0f} s {:8.1e} {:5.0f} s".format(seed, *rows[-1]), flush=True)
    mine, seconds, their, longer = np.array(rows).T
    print(f"mean {mine.mean():8.1e} {seconds.sum():5.0f} s {their.mean():8.1e} {longer.sum():5.0f} s: {longer.sum() / seconds.sum():.1f}x")


if __name__ == "__main__":
    main()
