"""`fastnn study`: climbs a ladder of kernels on this machine, or on its GPU, and draws where each rung stands below the roofline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn.study import idea, rung, rungs

from .machine import best, describe, limits


@dataclass
class Climb:
    """One problem that every rung of a ladder solves: forward, and the derivative with respect to everything."""

    shape: str
    forward: object
    derivative: object
    flops: float  # of the forward; the derivative's are `factor` times as many
    bytes: float  # compulsory traffic of the forward
    factor: float


_place = "cpu"


def _arrays(*shapes):
    rng = np.random.default_rng(0)
    return [fastnn.from_numpy(rng.standard_normal(s).astype(np.float32)).to(_place) for s in shapes]


def _gradient(f, *inputs):
    """A call that computes only the derivative of f, the forward being kept from before."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    y = f(*inputs)
    g = fastnn.ones_like(y)
    return lambda: fastnn.autograd.grad(y, inputs, g, retain_graph=True)


def climbs(family, quick):
    if family == "matmul":
        n = (256 if quick else 768) if _place == "cpu" else 128 if quick else 4096  # the shim counts every access
        a, b = _arrays((n, n), (n, n))
        return Climb(f"{n}x{n}x{n}", lambda: a @ b, _gradient(lambda a, b: a @ b, a, b), 2.0 * n**3, 12.0 * n**2, 2)
    if family == "conv2d":
        if _place == "cpu":
            n, c, o, h = (2, 16, 32, 28) if quick else (8, 32, 64, 28)
        else:
            n, c, o, h = (1, 16, 32, 16) if quick else (32, 128, 128, 28)  # the shim counts every access
        x, w = _arrays((n, c, h, h), (o, c, 3, 3))

        def conv(x, w):
            return F.conv2d(x, w, padding=1)

        flops, size = 2.0 * n * o * c * 9 * h * h, 4.0 * (n * (c + o) * h * h + o * c * 9)
        return Climb(f"{n}x{c}x{h}x{h} {o}x3x3", lambda: conv(x, w), _gradient(conv, x, w), flops, size, 2)
    if family == "max_pool2d":
        n, c, h = (2, 16, 56) if quick else (16, 64, 112) if _place == "cpu" else (64, 64, 112)
        (x,) = _arrays((n, c, h, h))

        def pool(x):
            return F.max_pool2d(x, 3, 2, 1)

        return Climb(f"{n}x{c}x{h}x{h} k3 s2 p1", lambda: pool(x), _gradient(pool, x), 9.0 * n * c * h * h / 4, 5.0 * n * c * h * h, 0.1)
    if family == "lstm":
        t, b, i, h = (5, 8, 16, 32) if quick else (100, 32, 64, 128) if _place == "cpu" else (100, 256, 256, 512)
        x, *weights = _arrays((t, b, i), (4 * h, i), (4 * h, h), (4 * h,), (4 * h,))

        def lstm(x, *weights):
            return fastnn.lstm(x, None, [w * 0.1 for w in weights], True, 1, 0.0, True, False, False)[0]

        flops, size = 8.0 * t * b * h * (i + h), 4.0 * (t * b * (i + h) + 4 * h * (i + h))
        return Climb(f"T{t} B{b} {i}-{h}", lambda: lstm(x, *weights), _gradient(lstm, x, *weights), flops, size, 2)
    if family == "attention":
        if _place == "cpu":
            b, h, t, e = (1, 2, 128, 64) if quick else (4, 8, 512, 64)
        else:
            b, h, t, e = (1, 1, 128, 32) if quick else (4, 16, 2048, 64)
        q, k, v = _arrays((b, h, t, e), (b, h, t, e), (b, h, t, e))

        def attend(q, k, v):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)

        flops, size = 2.0 * b * h * t * t * e, 16.0 * b * h * t * e  # two products, of each the half below the diagonal
        return Climb(f"{b}x{h}x{t}x{e} causal", lambda: attend(q, k, v), _gradient(attend, q, k, v), flops, size, 2.5)
    rows, n = (64 if _place == "cuda" else 512, 1024) if quick else (16384, 1024)  # larger than the last cache, as the limit is memory
    (x,) = _arrays((rows, n))
    if family == "softmax":
        return Climb(
            f"{rows}x{n}", lambda: F.softmax(x, 1), _gradient(lambda x: F.softmax(x, 1), x), 14.0 * rows * n, 8.0 * rows * n, 0.3
        )
    w, b = _arrays((n,), (n,))

    def norm(x, w, b):
        return F.layer_norm(x, (n,), w, b)

    return Climb(f"{rows}x{n}", lambda: norm(x, w, b), _gradient(norm, x, w, b), 8.0 * rows * n, 8.0 * rows * n, 1.6)


def ladder(family, *, quick=False, threads=None, derivative=False, seconds=None):
    """Climbs one ladder: {"machine", "shape", "flops", "bytes", "attainable", "rungs": [{"rung", "idea", "seconds", "gflops", "peak", "roofline"}]}.

    peak: the fraction of the multiply-add rate measured here; roofline: of what this computation's traffic to memory allows.
    """
    names = rungs(family)  # ValueError for a family without rungs
    if threads is not None:
        fastnn.set_num_threads(threads)
    climb = climbs(family, quick)
    roof = limits(quick)
    run = climb.derivative if derivative else climb.forward
    flops = climb.flops * (climb.factor if derivative else 1)
    # Both operands again, and a gradient for each, where the forward read them and wrote one result.
    size = climb.bytes * (1.5 if derivative else 1)
    attainable = min(roof["gflops"], flops / size * roof["stream_gbs"])
    rows = []
    for name in names:
        with rung(**{family: name}), fastnn.no_grad():
            run()
            t = best(run, seconds or (0.1 if quick else 0.4))
        rate = flops / t * 1e-9
        rows.append({"rung": name, "idea": idea(family, name), "seconds": t, "gflops": rate, "peak": rate / roof["gflops"], "roofline": rate / attainable})
    return {"machine": describe() | roof, "family": family, "direction": "derivative" if derivative else "forward",
            "shape": climb.shape, "flops": flops, "bytes": size, "attainable": attainable, "rungs": rows}  # fmt: skip


def study(family, *, plot=None, out=None, **options):
    """Prints the ladder of a family measured here; `plot` names a PNG or SVG file for the roofline. Returns what `ladder` does."""
    result = ladder(family, **options)
    machine = result["machine"]
    print(
        f"{machine['cpu']}, {machine['isa']}, {machine['threads']} threads; measured here: {machine['gflops']:.0f} GFLOP/s, "
        f"{machine['stream_gbs']:.0f} GB/s\n{family} {result['direction']}, {result['shape']}: "
        f"{result['flops'] * 1e-6:.0f} MFLOP, {result['bytes'] * 1e-6:.1f} MB, so at most {result['attainable']:.0f} GFLOP/s, the limit\n",
        file=out,
    )
    print(f"{'':3}{'rung':12}{'time':>10}{'GFLOP/s':>10}{'of peak':>10}{'of limit':>10}{'step':>8}   idea", file=out)
    before = None
    for i, row in enumerate(result["rungs"], 1):
        step = f"{before / row['seconds']:.1f}x" if before else ""
        before = row["seconds"]
        time = f"{row['seconds'] * 1e3:.3f} ms"
        print(f"{i:<3}{row['rung']:12}{time:>10}{row['gflops']:10.1f}{row['peak']:10.1%}{row['roofline']:10.1%}{step:>8}   {row['idea']}", file=out)
    if plot:
        draw(result, plot)
        print(f"\n{plot}", file=out)
    return result


COLUMNS = ("launches", "requests", "sectors", "at best", "shared", "conflicts", "divergent", "barriers")


def on_cuda(family, measure, *, quick=False, derivative=False):
    """({rung: measure(call)}, problem) of a family's ladder on the GPU."""
    names = rungs(family, "cuda")  # ValueError for a family without rungs
    fastnn.cuda.require()
    global _place
    _place = "cuda"
    try:
        climb = climbs(family, quick)
    finally:
        _place = "cpu"
    run = climb.derivative if derivative else climb.forward
    found = {}
    for name in names:
        with rung(**{family: name}, device="cuda"), fastnn.no_grad():
            found[name] = measure(run)
    return found, climb


def counted(run):
    """Numbers of COLUMNS for a call: what the memory system of a GPU would do, as the host shim counts it (csrc/testing/counts.h)."""
    fastnn._cpu.device_counts()
    run()
    return [sum(numbers) for numbers in zip(*fastnn._cpu.device_counts().values(), strict=True)]


def timed(run, seconds=0.4):
    """Seconds of a call, the GPU waited for at both ends: the fastest of several."""

    def call():
        run()
        fastnn.cuda.synchronize()

    call()
    return best(call, seconds)


def study_cuda(family, *, quick=False, derivative=False, out=None):
    """Prints a family's ladder on the GPU: measured times; on the host shim, which has none, what each rung asks of memory: sectors of
    32 bytes and how many to a request, beside how few it could have been, and conflicts of banks of shared memory."""
    fastnn.cuda.require()
    gpu = fastnn.cuda.get_device_name()
    shim = gpu == "host shim"
    found, climb = on_cuda(family, counted if shim else timed, quick=quick or shim, derivative=derivative)
    flops, before = climb.flops * (climb.factor if derivative else 1), None
    print(f"{gpu}\n{family} {'derivative' if derivative else 'forward'}, {climb.shape}: {flops * 1e-6:.0f} MFLOP\n", file=out)
    width = max(map(len, found)) + 2
    heads = [*COLUMNS, "a request"] if shim else ["time", "GFLOP/s", "step"]
    print(f"{'':3}{'rung':{width}}" + "".join(f"{h:>11}" for h in heads) + "   idea", file=out)
    for i, (name, value) in enumerate(found.items(), 1):
        if shim:
            cells = [*value, f"{value[2] / max(value[1], 1):.1f}"]
        else:
            cells = [f"{value * 1e3:.3f} ms", f"{flops / value * 1e-9:.1f}", f"{before / value:.1f}x" if before else ""]
            before = value
        print(f"{i:<3}{name:{width}}" + "".join(f"{c:>11}" for c in cells) + f"   {idea(family, name, 'cuda')}", file=out)
    return found


def draw(result, path):
    """The roofline of this machine and the rungs below it, as PNG or SVG. ImportError without matplotlib (pip install fastnn[plot])."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    machine, rows = result["machine"], result["rungs"]
    intensity = result["flops"] / result["bytes"]
    x = np.geomspace(min(0.1, intensity / 4), max(200, intensity * 4), 200)
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for rate, label, style in ((machine["stream_gbs"], "memory", "-"), (machine["cache_gbs"], "cache", "--")):
        axes.loglog(x, np.minimum(machine["gflops"], x * rate), style, color="0.3", lw=1.2, label=f"{label}: {rate:.0f} GB/s")
    axes.axhline(machine["gflops"], color="0.3", lw=0.6, ls=":")
    axes.text(x[0], machine["gflops"] * 1.08, f"multiply-add peak {machine['gflops']:.0f} GFLOP/s", fontsize=8)
    colours = [f"C{i}" for i in range(len(rows))]
    taken = []
    for i, (row, colour) in enumerate(zip(rows, colours, strict=True), 1):
        axes.plot(intensity, row["gflops"], "o", color=colour)
        y = row["gflops"]
        while any(abs(np.log(y / t)) < 0.16 for t in taken):  # labels do not cover each other
            y *= 1.06
        taken.append(y)
        axes.annotate(f"{i} {row['rung']}", (intensity, row["gflops"]), (intensity * 1.25, y), fontsize=8, color=colour, va="center")
    axes.set(xlabel="arithmetic intensity (flops per byte of compulsory traffic)", ylabel="GFLOP/s",
             title=f"{result['family']} {result['direction']}, {result['shape']}, {machine['threads']} threads")  # fmt: skip
    axes.legend(loc="best", fontsize=8)
    axes.grid(True, which="both", lw=0.2)
    figure.savefig(path, dpi=120)


__all__ = ["counted", "draw", "ladder", "on_cuda", "study", "study_cuda", "timed"]
