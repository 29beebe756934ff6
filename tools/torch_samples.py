"""PyTorch's own operator samples and error inputs, run here: python tools/torch_samples.py [name ...] [--grad] [--verbose]

For every operator of PyTorch's test database that fastnn has under the same name: outputs (and with --grad gradients)
compared with PyTorch's, and each error input must raise an exception of the class PyTorch raises. Needs torch and expecttest.
"""

from __future__ import annotations

import argparse
import collections
import fnmatch
import signal
import sys
import warnings

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import SampleInput

import fastnn
import fastnn.nn.functional

warnings.simplefilter("ignore")
KNOWN = {torch.float32: fastnn.float32, torch.float64: fastnn.float64, torch.int64: fastnn.int64, torch.int32: fastnn.int32}
KNOWN |= {torch.uint8: fastnn.uint8, torch.bool: fastnn.bool}
RANDOM = {"dropout", "rand", "normal", "bernoulli", "multinomial", "randn", "randint", "empty", "uniform", "rrelu", "alpha_dropout"}


class Unsupported(Exception):
    """The sample uses something outside fastnn's dtypes or devices."""


# What differs from PyTorch on purpose: (operator or "*", words of the message, the reason).
DELIBERATE = [
    ("*", "unexpected keyword argument 'out'", "results are always new tensors; a script that passes out= is refused, not misread"),
    ("*", "Exception ()", "a Python number where PyTorch insists on a tensor works, as in NumPy"),
    ("*conv*", "for 'Long'", "convolutions of integers"),
    ("*pool*", "expected float32 or float64, got int64", "pooling of integers"),
    ("*dropout*", "expected a floating dtype", "dropout of integers"),
    ("as_strided*", "", "the samples are views into larger memory, which converting them does not carry over"),
    ("*kthvalue", "values differ: (int64", "which of several equal elements is found: ours is the first"),
    ("*topk", "values differ: (int64", "which of several equal elements come first: ours keep their order"),
    ("*median*", "values differ: (int64", "which of several equal elements is found: ours is the first"),
    ("*mode*", "values differ: (int64", "which of several equal elements is found: ours is the first"),
    ("linalg.eigh", "UPLO='U'", "the signs of eigenvectors"),
    ("linalg.svd", "full_matrices=True", "the signs of the vectors that span the null space"),
    ("linalg.lstsq*", "", "rank and singular values are always given, PyTorch gives them with some drivers"),
    ("linalg.pinv.singular", "", "the sample wraps PyTorch's own function"),
    ("einsum", "", "the sample wraps PyTorch's own function"),
    ("where", "condition", "the sample wraps PyTorch's own function"),
    ("nn.functional.embedding", "float32", "the sample wraps PyTorch's own function"),
    ("nn.functional.triplet_margin_with_distance_loss", "must be Tensor", "the sample brings a module of PyTorch"),
    ("*interpolate*", "3D or 4D input", "volumes"),
]


def deliberate(name, message):
    return any(fnmatch.fnmatch(name, pattern) and words in message for pattern, words, _ in DELIBERATE)


def find(name):
    """fastnn's function of this name, or the method where the module has a dtype of that name, or none."""
    target = fastnn
    for part in name.split("."):
        target = getattr(target, part, None)
    if target is None or isinstance(target, fastnn.dtype):
        target = getattr(fastnn.Tensor, name, None)
    return target.fget if isinstance(target, property) else target


def convert(x, grad=False):
    if isinstance(x, torch.Tensor):
        if x.dtype not in KNOWN or x.layout != torch.strided or x.device.type != "cpu":
            raise Unsupported(str(x.dtype))
        t = fastnn.from_numpy(x.detach().numpy())
        if x.requires_grad and grad:
            t = t.detach()
            t.requires_grad = True
        return t
    if isinstance(x, torch.dtype):
        if x not in KNOWN:
            raise Unsupported(str(x))
        return KNOWN[x]
    if isinstance(x, torch.device):
        return fastnn.device(str(x))
    if isinstance(x, (torch.memory_format, torch.layout, torch.Generator)):
        raise Unsupported(type(x).__name__)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(convert(v, grad) for v in x))
    if isinstance(x, (list, tuple)):
        return type(x)(convert(v, grad) for v in x) if type(x) in (list, tuple) else tuple(convert(v, grad) for v in x)
    if isinstance(x, dict):
        return {k: convert(v, grad) for k, v in x.items()}
    if isinstance(x, complex):
        raise Unsupported("complex")
    return x


def flat(r):
    if isinstance(r, (torch.Tensor, fastnn.Tensor)):
        return [r]
    if isinstance(r, (list, tuple)):
        return [t for v in r for t in flat(v)]
    return [r] if isinstance(r, (int, float, bool)) else []


def value(t):
    if isinstance(t, (torch.Tensor, fastnn.Tensor)):
        return np.asarray(t.detach().numpy())
    return np.asarray(t)


def compare(ours, theirs):
    ours, theirs = flat(ours), flat(theirs)
    if len(ours) != len(theirs):
        return f"{len(ours)} outputs, torch {len(theirs)}"
    for a, b in zip(ours, theirs, strict=True):
        a, b = value(a), value(b)
        if a.shape != b.shape:
            return f"shape {a.shape}, torch {b.shape}"
        if a.dtype != b.dtype:
            return f"dtype {a.dtype}, torch {b.dtype}"
        if a.dtype.kind == "f":
            rtol = 2e-4 if a.dtype == np.float32 else 1e-9
            scale = np.abs(b[np.isfinite(b)]).max(initial=0)
            if not np.allclose(a, b, rtol=rtol, atol=rtol * 0.1 * max(scale, 1e-3), equal_nan=True):
                return f"values differ by {np.nanmax(np.abs(a - b), initial=0):.3g}"
        elif not np.array_equal(a, b):
            return "values differ"
    return None


def on_alarm(*_):
    raise TimeoutError("took more than 20 s")


def describe(sample):
    def text(x):
        if isinstance(x, torch.Tensor):
            return f"{str(x.dtype)[6:]}{list(x.shape)}"
        if isinstance(x, (list, tuple)):
            return "[" + ", ".join(map(text, x)) + "]"
        return repr(x)

    keywords = "".join(f", {k}={text(v)}" for k, v in sample.kwargs.items())
    return f"({', '.join(text(a) for a in (sample.input, *sample.args))}{keywords})"


def run(op, dtype, args, report):
    f = find(op.name)
    name = op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")
    call_torch = op.op
    if op.variant_test_name == "in_place":
        f = getattr(fastnn.Tensor, op.name + "_", f)
    random = any(r in op.name for r in RANDOM)
    try:
        samples = list(op.sample_inputs("cpu", dtype, requires_grad=args.grad and dtype.is_floating_point))
    except Exception as e:
        return report(name, "torch cannot make samples", str(e)[:80])
    for s in samples:
        if not isinstance(s, SampleInput):
            continue
        try:
            ours = [convert(x, args.grad) for x in (s.input, *s.args)], convert(s.kwargs, args.grad)
        except Unsupported:
            continue
        except Exception as e:
            report(name, "convert", f"{type(e).__name__}: {e}")
            continue
        try:
            expected = call_torch(s.input, *s.args, **s.kwargs)
            if any(isinstance(t, torch.Tensor) and t.dtype not in KNOWN for t in flat(expected)):
                continue
        except Exception:
            continue
        signal.alarm(20)
        try:
            got = f(*ours[0], **ours[1])
            problem = None if random else compare(got, expected)
            if problem is None and args.grad and not random:
                problem = gradients(s, ours, got, expected)
            report(name, "ok" if problem is None else "differs", None if problem is None else f"{problem}: {describe(s)}")
        except BaseException as e:
            if isinstance(e, KeyboardInterrupt):
                raise
            report(name, "raises", f"{type(e).__name__}: {str(e)[:150]}: {describe(s)[:200]}")
        finally:
            signal.alarm(0)


def gradients(s, ours, got, expected):
    theirs = [t for t in flat([s.input, list(s.args)]) if isinstance(t, torch.Tensor) and t.requires_grad]
    mine = [t for t in flat([list(ours[0])]) if isinstance(t, fastnn.Tensor) and t.requires_grad]
    e = next((t for t in flat(expected) if isinstance(t, torch.Tensor) and t.requires_grad), None)
    g = next((t for t in flat(got) if isinstance(t, fastnn.Tensor) and t.dtype.is_floating_point), None)
    if e is None or not theirs or len(theirs) != len(mine):
        return None
    v = torch.linspace(0.5, 1.5, e.numel(), dtype=e.dtype).reshape(e.shape)
    want = torch.autograd.grad(e, theirs, v, allow_unused=True)
    if g is None or not g.requires_grad:
        return "no gradient" if any(w is not None and w.abs().max() > 0 for w in want if w is not None and w.numel()) else None
    have = fastnn.autograd.grad(g, mine, convert(v), allow_unused=True)
    for h, w in zip(have, want, strict=True):
        if w is None or h is None:
            other = w if h is None else h
            if other is not None and float(np.abs(value(other)).max(initial=0)) > 0:
                return f"gradient {'missing' if h is None else 'where torch has none'}"
            continue
        problem = compare(h, w)
        if problem:
            return f"gradient: {problem}"
    return None


def errors(op, report):
    f = find(op.name)
    if op.error_inputs_func is None:
        return
    name = op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")
    for e in op.error_inputs("cpu"):
        s = e.sample_input
        try:
            ours = [convert(x) for x in (s.input, *s.args)], convert(s.kwargs)
        except Exception:
            continue
        signal.alarm(20)
        try:
            f(*ours[0], **ours[1])
            report(name, "no error", f"torch raises {e.error_type.__name__} ({str(e.error_regex)[:80]}): {describe(s)[:200]}")
        except BaseException as got:
            if isinstance(got, KeyboardInterrupt):
                raise
            kind = "error ok" if isinstance(got, e.error_type) else "other error"
            report(name, kind, f"{type(got).__name__}, torch {e.error_type.__name__}: {str(got)[:100]} | {str(e.error_regex)[:80]} {describe(s)[:120]}")
        finally:
            signal.alarm(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--grad", action="store_true")
    parser.add_argument("--missing", action="store_true", help="list the operators fastnn does not have")
    parser.add_argument("--verbose", action="store_true", help="show what differs on purpose too")
    parser.add_argument("--per-op", type=int, default=3, help="messages shown per operator and kind")
    parser.add_argument("--dtypes", default="float32,int64")
    args = parser.parse_args()
    signal.signal(signal.SIGALRM, on_alarm)
    counts = collections.Counter()
    shown, by_name = collections.Counter(), collections.Counter()

    def report(name, kind, message):
        if kind not in ("ok", "error ok") and deliberate(name, message):
            kind = "deliberate"
            if not args.verbose:
                message = None
        counts[kind] += 1
        if kind not in ("ok", "error ok", "deliberate"):
            by_name[name] += 1
        if message and kind not in ("ok", "error ok"):
            shown[name, kind] += 1
            if shown[name, kind] <= args.per_op:
                print(f"{name}: {kind}: {message}", flush=True)

    missing = []
    for op in op_db:
        if args.names and op.name not in args.names and op.name.split(".")[-1] not in args.names:
            continue
        if op.name.startswith(("fft.", "special.", "sparse.", "masked.", "signal.", "_", "torch.ops", "ops.", "jiterator")):
            continue
        if find(op.name) is None:
            missing.append(op.name)
            continue
        for text in args.dtypes.split(","):
            dtype = getattr(torch, text)
            if dtype in op.dtypes and not (args.grad and not dtype.is_floating_point):
                run(op, dtype, args, report)
        if not args.grad:
            errors(op, report)
    print(dict(counts))
    print(", ".join(f"{name} {count}" for name, count in by_name.most_common()))
    if args.missing:
        print("missing:", " ".join(sorted(set(missing))))


if __name__ == "__main__":
    sys.exit(main())
