"""`fastnn.explain(fn, *args)`: which kernels a computation ran, which way each took and why, and what it cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from . import _cpu
from .autodiff import Array


@dataclass
class Call:
    """One kernel call: its name, the shapes and dtype of its arrays, flops (None where unknown), bytes touched, seconds, notes.

    Of calls of a recorded step also which memory they read and write, as (address, bytes), and whether on the way back.
    """

    kernel: str
    shapes: list[tuple]
    dtype: str
    flops: float | None
    bytes: int
    seconds: float
    notes: list[str] = field(default_factory=list)
    reads: list[tuple] = field(default_factory=list, repr=False)
    writes: list[tuple] = field(default_factory=list, repr=False)
    backward: bool = False
    place: str = ""  # "file:line" that asked for it


class Explanation(list):
    """A list of `Call`s that prints as a table."""

    def __init__(self, calls, result=None):
        super().__init__(calls)
        self.result = result

    def __str__(self):
        lines = [
            f"{_cpu.isa()}, {_cpu.num_threads()} threads",
            f"{'kernel':22}{'us':>9}{'MFLOP':>9}{'MB':>9}{'GFLOP/s':>9}{'GB/s':>8}  arrays",
        ]
        for c in self:
            flops, rate = (f"{c.flops * 1e-6:.2f}", f"{c.flops / c.seconds * 1e-9:.1f}") if c.flops else ("-", "-")
            shapes = " ".join("x".join(map(str, s)) or "number" for s in c.shapes)
            lines.append(
                f"{c.kernel:22}{c.seconds * 1e6:9.1f}{flops:>9}{c.bytes * 1e-6:9.2f}{rate:>9}{c.bytes / c.seconds * 1e-9:8.1f}  {shapes} {c.dtype}"
            )
            lines += [f"{'':4}{n}" for n in c.notes]
        total = sum(c.seconds for c in self)
        lines.append(f"{len(self)} kernel calls, {total * 1e6:.1f} us inside kernels")
        return "\n".join(lines)

    __repr__ = __str__


def flops_of(name, shapes):
    """Multiplications and additions of the products; other kernels are bound by memory, and counted in bytes only."""
    if name in ("matmul", "matmul_bias", "matmul_rows"):
        return 2.0 * math.prod(shapes[0]) * shapes[1][-1]
    if name in ("conv2d", "conv2d_dx", "conv2d_dw"):  # outputs first: y x w, dx g w, dw g x
        g, w = {"conv2d": (0, 2), "conv2d_dx": (1, 2), "conv2d_dw": (1, 0)}[name]
        return 2.0 * math.prod(shapes[g]) * math.prod(shapes[w][1:])
    if name in ("attention", "attention_dx"):  # y lse q k v; dq dk dv dmask g y lse q k v: two products and five; a causal one's half too
        q, k, v = shapes[2:5] if name == "attention" else shapes[7:10]
        return (2.0 if name == "attention" else 5.0) * math.prod(q[:-1]) * k[-2] * (k[-1] + v[-1])
    return None


def explain(fn, *args, **kwargs):
    """Runs fn(*args, **kwargs) and tells every kernel call on the way, in order: an `Explanation`, whose `.result` is fn's.

    Call fn once before to leave first-time costs (page faults, waking threads) out of the seconds.
    """
    heard = []
    _cpu.listen(heard)
    try:
        result = fn(*args, **kwargs)
    finally:
        _cpu.listen(None)
    calls = []
    for name, arguments, seconds, notes in heard:
        arrays = [t for a in arguments for t in (a if isinstance(a, (list, tuple)) else (a,)) if isinstance(t, Array)]
        size = sum(a._size * a.dtype.itemsize for a in {(t._pointer, t._shape): t for t in arrays}.values())
        dtype = arrays[0].dtype.name if arrays else ""
        shapes = [a._shape for a in arrays]
        calls.append(Call(name, shapes, dtype, flops_of(name, shapes), size, max(seconds, 1e-9), list(notes)))
    return Explanation(calls, result)


__all__ = ["Call", "Explanation", "explain"]
