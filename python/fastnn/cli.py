"""The command `fastnn`: demo, bench, board, study, info. Also `python -m fastnn`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path

import fastnn


def info(args) -> int:
    """Versions, CPU, instruction set, caches, threads, CUDA: what a bug report needs."""
    import platform

    import numpy as np

    from fastnn.bench.machine import caches, cpu_name

    kib = ", ".join(f"{k} {v >> 10} KiB" for k, v in caches().items()) or "unknown"
    isas = ", ".join(f"{name}{'' if ok else ' (not supported here)'}" for name, _, ok in fastnn._cpu.isas())
    about = {name: text for name, text, _ in fastnn._cpu.isas()}
    for key, value in (
        ("fastnn", fastnn.__version__),
        ("python", platform.python_version()),
        ("numpy", np.__version__),
        ("cpu", cpu_name()),
        ("instruction set", f"{fastnn._cpu.isa()} ({about[fastnn._cpu.isa()]})"),
        ("built for", isas),
        ("caches", kib),
        ("threads", fastnn.get_num_threads()),
        ("kernels", len(fastnn._cpu.KERNELS)),
        ("cuda", gpu()),
    ):
        print(f"{key + ':':17}{value}")
    return 0


def gpu() -> str:
    """The GPU and how many kernels it has, or why there is none."""
    try:
        return f"{fastnn.cuda.get_device_name()}, {len(fastnn.cuda.kernels())} kernels"
    except RuntimeError as e:
        return f"no: {e}"


def train_digits(epochs: int = 20, seed: int = 0, progress: bool = True):
    """Trains a small CNN on the 8x8 digits; returns (model, held-out accuracy, seconds)."""
    from tqdm import tqdm

    import fastnn.nn.functional as F
    from fastnn import nn, optim
    from fastnn.datasets import Digits
    from fastnn.utils.data import DataLoader, TensorDataset

    fastnn.manual_seed(seed)
    train, test = Digits(train=True), Digits(train=False)
    x, y = train.data.float().unsqueeze(1) / 16, train.targets
    x_test, y_test = test.data.float().unsqueeze(1) / 16, test.targets
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(32 * 4 * 4, 10),
    )
    loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=epochs * len(loader))
    start = time.perf_counter()
    bar = tqdm(total=epochs * len(loader), unit="step", disable=not progress, desc="training", ncols=80)
    for _ in range(epochs):
        model.train()
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(xb), yb)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            bar.update()
        bar.set_postfix(loss=f"{total / len(loader):.4f}")
    bar.close()
    model.eval()
    with fastnn.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    return model, accuracy, time.perf_counter() - start


def demo(args) -> int:
    """Trains on real digits, then measures the kernels against NumPy."""
    print("A convolutional network learns the 1,797 handwritten digits of the UCI set (8x8 pixels, 10 classes).\n")
    model, accuracy, seconds = train_digits(seed=args.seed)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"\n{accuracy:.1%} of the held-out digits right, {parameters:,} parameters, {seconds:.1f} s\n")
    if not args.no_bench:
        from fastnn.bench.run import bench

        print("Kernels against NumPy (ratio above 1: fastnn is faster; roofline: fraction of what this machine can do)\n")
        bench(quick=True)
    if accuracy < 0.97:
        print(f"the accuracy {accuracy:.1%} is below the 97 % that this demo promises", file=sys.stderr)
        return 1
    return 0


def bench_command(args) -> int:
    """Measures every kernel against its rivals."""
    from fastnn.bench.run import bench

    rivals = ["numpy"]
    for r in ",".join(args.rival).split(","):
        if r and not (r.isidentifier() and importlib.util.find_spec(r)):
            raise ValueError(f"rival '{r}' is not installed")
        rivals += [r] if r and r not in rivals else []
    bench(args.family, threads=args.threads, quick=args.quick, rivals=rivals, json_path=args.json, filter=args.filter)
    return 0


def board_command(args) -> int:
    """Measures the board: kernels and training steps against the best alternatives, and their twins."""
    from fastnn.bench.board import RIVALS, board

    rivals = [r for r in args.rivals.split(",") if r]
    for r in rivals:
        if r not in RIVALS:
            raise ValueError(f"unknown rival '{r}'; there are: {', '.join(RIVALS)}")
    board(rivals, seed=args.seed, threads=args.threads, json_path=args.json, only=args.filter)
    return 0


def study_command(args) -> int:
    """Climbs a ladder of kernels on this machine."""
    from fastnn.bench.ladder import study, study_cuda

    if args.device == "cuda":
        try:
            study_cuda(args.family, quick=args.quick, derivative=args.derivative)
        except RuntimeError as e:
            raise ValueError(e) from None
        return 0
    if args.plot:
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            raise ValueError("--plot needs matplotlib: pip install 'fastnn[plot]'") from None
    study(args.family, plot=args.plot, quick=args.quick, threads=args.threads, derivative=args.derivative)
    return 0


def output(path: str) -> str:
    """A file that can be written: tried before anything is measured, not after."""
    new = not Path(path).exists()
    try:
        open(path, "ab").close()
    except OSError as e:
        raise argparse.ArgumentTypeError(f"{path} cannot be written: {e.strerror}") from None
    if new:
        Path(path).unlink()
    return path


def picture(path: str) -> str:
    if Path(path).suffix.lower() not in (".png", ".svg"):
        raise argparse.ArgumentTypeError(f"{path} is neither .png nor .svg")
    return output(path)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="fastnn", description="Neural networks on hand-written kernels that you can read.")
    parser.add_argument("--version", action="version", version=f"fastnn {fastnn.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    p = commands.add_parser("demo", help="train a small network on real digits, then measure the kernels against NumPy")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--no-bench", action="store_true", help="train only")
    p.set_defaults(run=demo)
    p = commands.add_parser("bench", help="measure kernels, forward and derivative, against NumPy")
    p.add_argument("family", nargs="*", help="families to run (default: all)")
    p.add_argument("--json", type=output, metavar="FILE", help="also write the results as JSON")
    p.add_argument("--threads", type=int, metavar="N")
    p.add_argument("--quick", action="store_true", help="smaller sizes, shorter measurements")
    p.add_argument("--rival", action="append", default=[], metavar="NAME", help="also measure torch, if installed")
    p.add_argument("--filter", metavar="TEXT", help="only cases whose name contains TEXT")
    p.set_defaults(run=bench_command)
    p = commands.add_parser("board", help="kernels and training steps against the best alternatives, and their twins")
    p.add_argument("--rivals", default="numpy,torch,torch.compile,jax", help="default: numpy,torch,torch.compile,jax")
    p.add_argument("--json", type=output, metavar="FILE", help="also write the results as JSON")
    p.add_argument("--seed", type=int, default=0, help="of the twins' dimensions")
    p.add_argument("--threads", type=int, metavar="N")
    p.add_argument("--filter", metavar="TEXT", help="only these cases: numbers (9, 18a) or parts of names, with commas between")
    p.set_defaults(run=board_command)
    p = commands.add_parser("study", help="climb a ladder of kernels, from three loops to the production kernel, on this machine")
    p.add_argument("family", help=", ".join(fastnn.rungs()))
    p.add_argument("--plot", type=picture, metavar="FILE", help="also draw the roofline and the rungs below it, as PNG or SVG")
    p.add_argument("--derivative", action="store_true", help="the derivative instead of the forward")
    p.add_argument("--threads", type=int, metavar="N")
    p.add_argument("--quick", action="store_true", help="a smaller problem")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: the GPU's ladder, timed; on the host shim what it asks of memory")
    p.set_defaults(run=study_command)
    p = commands.add_parser("info", help="versions, CPU, instruction set, threads")
    p.set_defaults(run=info)
    args = parser.parse_args(argv)
    try:
        code = args.run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read the output has seen enough; Python would complain again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as e:
        print(f"fastnn {args.command}: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
