"""Measures the elementary functions and writes docs/accuracy.md: largest errors in units in the last place (ulp).

    python tools/accuracy.py [step]      every step-th float32 (default 509, 8 million of them; 1 takes hours)

float32 against NumPy's float64; float64 at random arguments against mpmath. On the instruction set that is active
(FASTNN_ISA).
"""

import sys
from pathlib import Path

import mpmath as mp
import numpy as np

import fastnn
from fastnn.ops import activation, elementwise
from fastnn.reference import elementwise as ref

REFERENCE = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh,
    "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "sigmoid": ref.sigmoid,
    "logsigmoid": ref.logsigmoid, "erf": ref.erf, "erfc": ref.erfc, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
}  # fmt: skip
PRECISE = {
    "exp2": lambda x: mp.power(2, x), "sigmoid": lambda x: 1 / (1 + mp.exp(-x)), "rsqrt": lambda x: 1 / mp.sqrt(x),
    "log2": lambda x: mp.log(x) / mp.log(2), "log10": lambda x: mp.log(x) / mp.log(10), "reciprocal": lambda x: 1 / x,
    "logsigmoid": lambda x: -mp.log1p(mp.exp(-x)),
}  # fmt: skip
# Largest errors of XLA on CPUs, from JAX's docs/accuracy.md, where it lists them
JAX = {
    "exp": (1.5, 2.0), "expm1": (6.5, 4.5), "log": (1.5, 0.5), "log1p": (3.0, None), "tanh": (5.0, 7.0), "sigmoid": (2.5, 3.5),
    "erf": (7.0, 2.5), "sin": (0.5, None), "cos": (0.5, None), "sqrt": (0.5, None), "rsqrt": (2.0, None), "reciprocal": (0.5, None),
    "exp2": (68.5, None), "log2": (2.5, None), "sinh": (25.0, None), "cosh": (25.0, None), "erfc": (66.0, None),
}  # fmt: skip


def function(name):
    return getattr(elementwise, name, None) or getattr(activation, name)


def worst32(name, step):
    worst, at = 0.0, 0.0
    for start in range(0, 2**32, 2**22 * step):  # 4 million at a time
        x = np.arange(start, min(start + 2**22 * step, 2**32), step, dtype=np.uint64).astype(np.uint32).view(np.float32)
        expected = REFERENCE[name](x.astype(np.float64))
        y = np.array(function(name)(fastnn.from_numpy(x)).numpy())
        e32 = expected.astype(np.float32)
        wrong = (np.isnan(y) != np.isnan(e32)) | ((np.isinf(y) | np.isinf(e32)) & (y != e32) & ~np.isnan(e32))
        if wrong.any():
            raise SystemExit(f"{name}({x[wrong][0]!r}) = {y[wrong][0]!r}, expected {e32[wrong][0]!r}")
        f = np.isfinite(e32)
        unit = np.spacing(np.maximum(np.abs(e32[f]), np.finfo(np.float32).tiny)).astype(np.float64)
        errors = np.abs(y[f] - expected[f]) / unit
        if errors.size and errors.max() > worst:
            worst, at = errors.max(), x[f][errors.argmax()]
    return worst, at


def worst64(name, n=1500):
    rng = np.random.default_rng(0)
    near, wide = rng.uniform(-3, 3, n), np.exp(rng.uniform(-30, 6.5, n)) * rng.choice([-1, 1], n)
    x = np.concatenate([near, rng.uniform(-1, 1, n), wide, rng.uniform(0, 27, n if name == "erfc" else 0)])
    y = np.array(function(name)(fastnn.from_numpy(x)).numpy())
    worst, at = 0.0, 0.0
    with mp.workprec(200):
        f = PRECISE.get(name) or getattr(mp, name)
        for a, b in zip(x, y, strict=True):
            if not np.isfinite(b):
                continue
            e = f(mp.mpf(float(a)))
            if abs(e) > 1.7e308 or abs(e) < 1e-306:
                continue
            error = float(abs(mp.mpf(float(b)) - e) / mp.mpf(float(np.spacing(abs(float(e))))))
            if error > worst:
                worst, at = error, a
    return worst, at


def main():
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 509
    np.seterr(all="ignore")
    rows = []
    for name in REFERENCE:
        (a, at_a), (b, at_b), jax = worst32(name, step), worst64(name), JAX.get(name, (None, None))
        shown = [f"{j:g}" if j is not None else "" for j in jax]
        rows.append(f"| {name} | {a:.2f} | {at_a:.9g} | {shown[0]} | {b:.2f} | {at_b:.9g} | {shown[1]} |")
        print(rows[-1], flush=True)
    text = f"""# Accuracy of the elementary functions

Largest errors in units in the last place of the result, on {fastnn._cpu.isa()}: float32 over every {step}th of all 2^32 floats
(subnormals, huge angles and all) against float64, float64 at random arguments against mpmath. NaN, infinities, signs of
zero and overflow agree everywhere. The JAX columns are XLA's on CPUs, where its documentation lists them. Written by
`tools/accuracy.py`; `tests/test_accuracy.py` holds every instruction set to these numbers.

| function | float32 | at | JAX | float64 | at | JAX |
|---|---|---|---|---|---|---|
""" + "\n".join(rows)
    (Path(__file__).parent.parent / "docs" / "accuracy.md").write_text(text + "\n")


if __name__ == "__main__":
    main()
