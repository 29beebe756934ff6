"""Training steps of small networks on a GPU, where launches take longer than the work: `python -m fastnn.bench.cuda_steps [--json FILE]`.

    graph         fastnn.capture: one launch a step        torch         PyTorch's, Adam(fused=True)
    eager         fastnn's plain step                      torch graph   the same as a CUDA graph (capturable)

Forward, loss, backward, Adam; every step on another batch, which is copied to where the graph reads it. Medians over runs of a few steps,
with the GPU waited for at both ends; all on one card in one run (bench/gpu.sh). Losses after the same steps are compared.
"""

from __future__ import annotations

import numpy as np

import fastnn

from .cuda import seconds, started, written

BATCHES = 4


def mlp(f, *widths):
    layers = [m for a, b in zip(widths, widths[1:], strict=False) for m in (f.nn.Linear(a, b), f.nn.ReLU())]
    return f.nn.Sequential(*layers[:-1])


def cnn(f):
    return f.nn.Sequential(
        f.nn.Conv2d(1, 16, 3, padding=1), f.nn.ReLU(), f.nn.MaxPool2d(2), f.nn.Conv2d(16, 32, 3, padding=1), f.nn.ReLU(), f.nn.MaxPool2d(2),
        f.nn.Flatten(), f.nn.Linear(32 * 7 * 7, 10),
    )  # fmt: skip


CASES = [  # name, network, shape of a batch, classes
    ("XOR 2-8-2, batch 4", lambda f: mlp(f, 2, 8, 2), (4, 2), 2),
    ("MLP 32-64-64-10, batch 32", lambda f: mlp(f, 32, 64, 64, 10), (32, 32), 10),
    ("MLP 784-512-10, batch 128", lambda f: mlp(f, 784, 512, 10), (128, 784), 10),
    ("CNN MNIST, batch 64", cnn, (64, 1, 28, 28), 10),
]


def step_of(f, net, optimizer):
    def step(x, t):
        optimizer.zero_grad()
        loss = f.nn.functional.cross_entropy(net(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step


def ours(build, weights, batches, graphed):
    net = build(fastnn)
    net.load_state_dict({k: fastnn.from_numpy(v) for k, v in weights.items()})
    net = net.cuda()
    step = step_of(fastnn, net, fastnn.optim.Adam(net.parameters(), lr=1e-3))
    data = [tuple(fastnn.from_numpy(v).cuda() for v in b) for b in batches]
    run = fastnn.capture(step) if graphed else step
    return lambda i: run(*data[i % BATCHES])


def theirs(torch, build, weights, batches, graphed):
    net = build(torch)
    net.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
    net = net.cuda()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True, capturable=graphed)
    data = [tuple(torch.from_numpy(v).cuda() for v in b) for b in batches]
    x, t = (v.clone() for v in data[0])
    step = step_of(torch, net, optimizer)
    if not graphed:
        return lambda i: step(*data[i % BATCHES])
    state = {k: v.clone() for k, v in net.state_dict().items()}
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            step(x, t)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step(x, t)
    net.load_state_dict(state)
    for s in optimizer.state.values():
        for v in s.values():
            v.zero_()

    def replay(i):
        x.copy_(data[i % BATCHES][0])
        t.copy_(data[i % BATCHES][1])
        graph.replay()
        return loss

    return replay


def main():
    options, torch = started()
    rows = []
    print(f"{fastnn.cuda.get_device_name()}\n{'us a step':28}{'graph':>10}{'eager':>10}{'torch':>10}{'torch graph':>13}{'losses':>10}")
    for name, build, shape, classes in CASES:
        rng = np.random.default_rng(0)
        batches = [(rng.standard_normal(shape, np.float32), rng.integers(0, classes, shape[0])) for _ in range(BATCHES)]
        fastnn.manual_seed(0)
        weights = {k: v.numpy().copy() for k, v in build(fastnn).state_dict().items()}
        steps = {"graph": (ours(build, weights, batches, True), fastnn), "eager": (ours(build, weights, batches, False), fastnn)}
        if torch is not None:
            steps["torch"] = theirs(torch, build, weights, batches, False), torch
            steps["torch graph"] = theirs(torch, build, weights, batches, True), torch
        row, losses = {"case": name}, []
        for kind, (step, library) in steps.items():
            losses.append(float([step(i) for i in range(12)][-1]))
            row[kind] = seconds(step, library.cuda.synchronize)
        row["losses"] = losses
        rows.append(row)
        times = "".join(f"{row[k] * 1e6:{w}.1f}" if k in row else f"{'-':>{w}}" for k, w in (("graph", 10), ("eager", 10), ("torch", 10), ("torch graph", 13)))
        print(f"{name:28}{times}{max(losses) - min(losses):10.1e}", flush=True)
    written(options, rows)


if __name__ == "__main__":
    main()
