"""Kernels on a GPU beside PyTorch's, on the same card in the same run: `python bench/cuda.py [--json FILE]` (bench/gpu.sh runs it).

Inputs are random and several sets are used in turn, so that nothing stays in the cache that a training step would not find there.
Times are medians over runs of a few calls each, with the GPU waited for at both ends.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import fastnn

SETS = 4


def cases():
    """(name, function of (library, its tensors), shapes, bytes moved, floating-point operations) of float32."""
    n = 1 << 24
    yield "add 16M", lambda f, a, b: a + b, [(n,), (n,)], 12 * n, n
    yield "gelu 16M", lambda f, a: f.nn.functional.gelu(a), [(n,)], 8 * n, n
    yield "sum 16M", lambda f, a: a.sum(), [(n,)], 4 * n, n
    yield "column sum 16384x1024", lambda f, a: a.sum(0), [(16384, 1024)], 4 * n, n
    yield "softmax 16384x1024", lambda f, a: f.softmax(a, -1), [(16384, 1024)], 8 * n, n
    yield "softmax 131072x128", lambda f, a: f.softmax(a, -1), [(131072, 128)], 8 * n, n
    for m in (512, 1024, 4096, 8192):
        yield f"matmul {m}", lambda f, a, b: a @ b, [(m, m), (m, m)], 12 * m * m, 2 * m**3
    yield "layer_norm 16384x1024", lambda f, a: f.nn.functional.layer_norm(a, (1024,)), [(16384, 1024)], 8 * n, 8 * n
    yield "batch_norm 64x64x56x56", lambda f, a: f.nn.functional.batch_norm(a, None, None, training=True), [(64, 64, 56, 56)], 8 * 64 * 64 * 56 * 56, 0
    yield "max_pool2d 64x64x112x112", lambda f, a: f.nn.functional.max_pool2d(a, 3, 2, 1), [(64, 64, 112, 112)], 5 * 64 * 64 * 112 * 112, 0
    yield "conv2d 32x64x56x56 3x3", lambda f, a, w: f.nn.functional.conv2d(a, w, padding=1), [(32, 64, 56, 56), (64, 64, 3, 3)], 0, 2 * 32 * 64 * 64 * 9 * 56 * 56
    for t in (512, 2048):
        shape, flops = (4, 16, t, 64), 2 * 4 * 16 * t * t * 64
        yield f"attention {t} causal", lambda f, q, k, v: f.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True), [shape] * 3, 0, flops
    yield "cumsum 16M", lambda f, a: a.cumsum(0), [(n,)], 8 * n, n
    yield "sort 1M", lambda f, a: f.sort(a, 0), [(1 << 20,)], 0, 0
    yield "matmul 4097x1023x2049", lambda f, a, b: a @ b, [(4097, 1023), (1023, 2049)], 0, 2 * 4097 * 1023 * 2049
    yield "matmul 64x64x1M", lambda f, a, b: a @ b, [(64, 1 << 20), (1 << 20, 64)], 0, 2 * 64 * 64 << 20


def cases_of_halves():
    """The same of bfloat16, and of float16 where its way differs."""
    n = 1 << 24
    for m in (512, 1024, 4096, 8192):
        yield f"matmul {m}", lambda f, a, b: a @ b, [(m, m), (m, m)], 6 * m * m, 2 * m**3
    yield "matmul 4096, b transposed", lambda f, a, b: a @ b.T, [(4096, 4096), (4096, 4096)], 0, 2 * 4096**3
    yield "matmul 4096, a transposed", lambda f, a, b: a.T @ b, [(4096, 4096), (4096, 4096)], 0, 2 * 4096**3
    yield "matmul 4097x1023x2049", lambda f, a, b: a @ b, [(4097, 1023), (1023, 2049)], 0, 2 * 4097 * 1023 * 2049
    yield "matmul 64x64x1M", lambda f, a, b: a @ b, [(64, 1 << 20), (1 << 20, 64)], 0, 2 * 64 * 64 << 20
    yield "matmul 128 of 256x320x64", lambda f, a, b: a @ b, [(128, 256, 320), (128, 320, 64)], 0, 2 * 128 * 256 * 320 * 64
    yield "linear 16384x1024 to 4096", lambda f, a, w, b: f.nn.functional.linear(a, w, b), [(16384, 1024), (4096, 1024), (4096,)], 0, 2 * 16384 * 1024 * 4096
    yield "conv2d 32x64x56x56 3x3", lambda f, a, w: f.nn.functional.conv2d(a, w, padding=1), [(32, 64, 56, 56), (64, 64, 3, 3)], 0, 2 * 32 * 64 * 64 * 9 * 56 * 56
    yield "conv2d 32x256x14x14 1x1", lambda f, a, w: f.nn.functional.conv2d(a, w), [(32, 256, 14, 14), (1024, 256, 1, 1)], 0, 2 * 32 * 256 * 1024 * 14 * 14
    for t, e in ((512, 64), (2048, 64), (2048, 128)):
        shape, flops = (4, 16, t, e), 2 * 4 * 16 * t * t * e
        yield f"attention {t}x{e} causal", lambda f, q, k, v: f.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True), [shape] * 3, 0, flops
    yield "add 16M", lambda f, a, b: a + b, [(n,), (n,)], 6 * n, n
    yield "layer_norm 16384x1024", lambda f, a: f.nn.functional.layer_norm(a, (1024,)), [(16384, 1024)], 4 * n, 8 * n


def with_gradients(f):
    """f, and the derivatives of its sum by all tensors."""

    def step(library, *tensors):
        leaves = [t.detach().requires_grad_() for t in tensors]
        y = f(library, *leaves)
        return library.autograd.grad(y, leaves, library.ones_like(y))

    return step


def all_cases():
    for case in cases():
        yield (*case, "float32")
    for name, f, shapes, moved, flops in cases_of_halves():
        for dtype in ("bfloat16", "float16"):
            if dtype == "bfloat16" or name in ("matmul 4096", "attention 2048x64 causal"):
                yield f"{name} {dtype}", f, shapes, moved, flops, dtype
        if name.startswith(("conv2d", "attention")):
            yield f"{name} derivatives", with_gradients(f), shapes, 0, (3.5 if name[0] == "a" else 3) * flops, "bfloat16"


def seconds(call, wait):
    for _ in range(3):
        call(0)
    wait()
    start = time.perf_counter()
    call(1)
    wait()
    repeats = max(1, min(100, int(0.02 / max(time.perf_counter() - start, 1e-6))))
    samples = []
    for _ in range(11):
        start = time.perf_counter()
        for i in range(repeats):
            call(i)
        wait()
        samples.append((time.perf_counter() - start) / repeats)
    return statistics.median(samples)


def started():
    """The command line's options, and PyTorch where it has a GPU, or None."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    options = parser.parse_args()
    fastnn.cuda.require()
    try:
        import torch
    except ImportError:
        return options, None
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # float32 products, as ours
    return options, torch if torch.cuda.is_available() else None


def written(options, rows):
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"gpu": fastnn.cuda.get_device_name(), "rows": rows}, file, indent=1)


def main():
    options, torch = started()
    rows = []
    print(f"{fastnn.cuda.get_device_name()}\n{'':44}{'us':>10}{'GB/s':>9}{'TFLOP/s':>9}{'torch us':>10}{'ratio':>7}")
    for name, f, shapes, moved, flops, dtype in all_cases():
        plain = [[fastnn.randn(*s) for s in shapes] for _ in range(SETS)]
        sets = [[t.cuda().to(getattr(fastnn, dtype)) for t in s] for s in plain]
        ours = seconds(lambda i, f=f, sets=sets: f(fastnn, *sets[i % SETS]), fastnn.cuda.synchronize)
        theirs = None
        if torch is not None:
            rivals = [[torch.from_numpy(t.numpy()).cuda().to(getattr(torch, dtype)) for t in s] for s in plain]
            theirs = seconds(lambda i, f=f, rivals=rivals: f(torch, *rivals[i % SETS]), torch.cuda.synchronize)
        rows.append({"case": name, "seconds": ours, "torch": theirs, "bytes": moved, "flops": flops})
        other = f"{theirs * 1e6:10.1f}{theirs / ours:7.2f}" if theirs else ""
        print(f"{name:44}{ours * 1e6:10.1f}{moved / ours / 1e9:9.0f}{flops / ours / 1e12:9.2f}{other}", flush=True)
    written(options, rows)


if __name__ == "__main__":
    main()
