"""Whole training steps with Adam, recorded once and replayed, beside the same steps elsewhere, each at its best.

    eager          fastnn's plain step          torch fused      Adam(fused=True)
    torch          PyTorch's, default Adam      torch compile    the model compiled (max-autotune), fused Adam
    numpy          an MLP by hand               jax              the whole step jitted, its buffers donated

`python -m fastnn.bench.capture` prints the table of docs/capture.md, each case in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

import numpy as np

import fastnn
import fastnn.nn.functional as F

from .board_steps import STEPS
from .case import Case
from .jax_steps import RATE, jax_dense, jax_of, jax_step
from .pinn import HIDDEN, NU, problem, torch_step
from .rivals import compiled, library
from .run import measure, microseconds
from .step import numpy_mlp, train_step

CASES = ("18e", "18d", "18a", "18b", "19a", "19b", "20a", "20c", "burgers")
RIVALS = ("eager", "torch", "torch fused", "torch compile", "jax", "numpy")


def ours(case, d, x, y, capture=True):
    model = case.build(fastnn.nn, F, d)
    optimizer = fastnn.optim.Adam(model.parameters(), lr=RATE)
    loss, x, y = getattr(F, case.loss), fastnn.from_numpy(x).clone(), fastnn.from_numpy(y).clone()

    def step(x, y):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    run = fastnn.capture(step) if capture else step
    return lambda: run(x, y)


def torch_steps(case, d, x, y, rivals):
    torch = library("torch")
    kinds = {"torch": (False, lambda m: m), "torch fused": (True, lambda m: m), "torch compile": (True, lambda m: compiled(torch, m))}
    steps = {}
    for name, (fused, wrap) in kinds.items():
        if torch is None or name not in rivals:
            continue
        model = case.build(torch.nn, torch.nn.functional, d)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE, **({"fused": True} if fused else {}))
        steps[name] = train_step(wrap(model), getattr(torch.nn.functional, case.loss), optimizer, torch.from_numpy(x), torch.from_numpy(y))
    return steps


# -- Burgers' equation, 1,000 points ----------------------------------------------------------------------------------------


def burgers(rivals, points=1000):
    equation = problem(points, "float32")
    parameters = equation.parameters()
    optimizer = fastnn.optim.Adam(parameters, lr=RATE)

    def step():
        optimizer.zero_grad()
        loss = sum(equation.losses(None)[0].values())
        loss.backward()
        optimizer.step()
        return loss

    calls = {"fastnn": fastnn.capture(step), "eager": step}
    inside, ends, start = (t.x.numpy().copy() for t in equation.terms)
    target = -np.sin(np.pi * start[:, :1]).astype(np.float32)
    weights = [p.detach().numpy().copy() for p in parameters]
    weights = [w.T.copy() if w.ndim == 2 else w for w in weights]
    torch = library("torch") if any(r.startswith("torch") for r in rivals) else None
    kinds = {"torch": {}, "torch fused": {"fused": True}, "torch compile": {"fused": True, "compiled": lambda f: compiled(torch, f)}}
    for name in [n for n in kinds if n in rivals and torch is not None]:
        calls[name] = torch_step(equation, **kinds[name])
    if "jax" in rivals and library("jax") is not None:
        jax = library("jax")
        np_ = jax.numpy

        def loss(p, inside, ends, start, target):
            def u(x):
                return jax_dense(p, x, np_.tanh)

            def along(f, x, v):
                return jax.jvp(f, (x,), (np_.broadcast_to(np_.asarray(v, np_.float32), x.shape),))

            value, ux = along(u, inside, (1, 0))
            _, ut = along(u, inside, (0, 1))
            _, uxx = along(lambda x: along(u, x, (1, 0))[1], inside, (1, 0))
            r = ut + value * ux - NU * uxx
            return np_.mean(r**2) + np_.mean(u(ends) ** 2) + np_.mean((u(start) - target) ** 2)

        calls["jax"] = jax_step(weights, loss, inside, ends, start, target)
    flops = 2 * 4 * 3 * points * sum(a * b for a, b in zip([2, *HIDDEN], [*HIDDEN, 1], strict=True))
    return Case("PINN Burgers", "step", "float32", f"{points} points 2-20x8-1", calls.pop("fastnn"), calls, flops=flops)


def case_named(key, rivals=RIVALS):
    if key == "burgers":
        return burgers(rivals)
    case = next(c for c in STEPS if c.name.split()[0] == key)
    d = case.dimensions()
    x, y = case.batch(np.random.default_rng(0), d)
    calls = {"eager": ours(case, d, x, y, capture=False)} | torch_steps(case, d, x, y, rivals)
    if "jax" in rivals and library("jax") is not None:
        step = jax_of(case, d, x, y)
        calls |= {"jax": step} if step else {}
    if "numpy" in rivals and case.name.startswith("18"):
        calls["numpy"] = numpy_mlp(x, y, d.sizes, RATE, d.activation, case.loss)
    shape = f"batch {d.batch}" + (f" {d.steps} steps" if hasattr(d, "steps") else "")
    return Case(case.name.partition(" ")[2], "step", "float32", shape, ours(case, d, x, y), calls, None, case.flops(d))


def cases(quick):
    for key in CASES[:4] if quick else CASES:
        yield case_named(key, ("torch", "torch fused", "jax", "numpy"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--case", help="measure this one here and print one line of JSON")
    parser.add_argument("--rivals", default=",".join(RIVALS))
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--budget", type=float, default=0.5)
    args = parser.parse_args()
    if args.case:
        from .run import limit_threads

        case = case_named(args.case, args.rivals.split(","))
        limit_threads(fastnn.get_num_threads())
        seconds = measure({"fastnn": case.run} | case.rivals, args.budget)
        print(json.dumps({"case": case.case, "shape": case.shape, "seconds": seconds}))
        return
    print("| step | fastnn | " + " | ".join(RIVALS) + " |\n|---" * 1 + "|---" * (1 + len(RIVALS)) + "|")
    for key in args.only.split(","):
        command = [sys.executable, "-m", __spec__.name, "--case", key, "--rivals", args.rivals, "--budget", str(args.budget)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        row = json.loads(done.stdout.strip().splitlines()[-1])
        mine = row["seconds"]["fastnn"]
        cells = [f"{microseconds(s)} {s / mine:.1f}x" if (s := row["seconds"].get(r)) else "-" for r in RIVALS]
        print(f"| {row['case']}, {row['shape']} | {microseconds(mine)} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
