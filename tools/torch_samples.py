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
import types
import warnings

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import SampleInput

import fastnn
import fastnn.nn.functional

warnings.simplefilter("ignore")
KNOWN = {torch.float32: fastnn.float32, torch.float64: fastnn.float64, torch.int64: fastnn.int64, torch.int32: fastnn.int32}
KNOWN |= {torch.uint8: fastnn.uint8, torch.bool: fastnn.bool, torch.int8: fastnn.int8, torch.int16: fastnn.int16}
KNOWN |= {torch.float16: fastnn.float16, torch.bfloat16: fastnn.bfloat16}
TOLERANCE = {"float64": 1e-9, "float32": 2e-4, "float16": 2e-3, "bfloat16": 1.6e-2}


class Unsupported(Exception):
    """The sample uses something outside fastnn's dtypes or devices."""


# What differs from PyTorch on purpose: (operator or "*", words of the message, the reason).
DELIBERATE = [
    ("*", "unexpected keyword argument 'out'", "results are always new tensors; a script that passes out= is refused, not misread"),
    ("*", "out=", "results are new and then copied: out may share memory with an argument, and be of any dtype that holds them"),
    ("*", "Exception ()", "a Python number where PyTorch insists on a tensor works, as in NumPy"),
    ("*conv*", "for 'Long'", "convolutions of integers"),
    ("*avg_pool*", "expected float32 or float64, got int64", "means of integers"),
    ("cholesky_*", "gradient: values differ", "only the triangle that is read has a gradient; PyTorch gives the other one too"),
    ("svd_lowrank", "values differ", "ours are the singular values, PyTorch's approximate them"),
    ("nextafter", "no gradient", "steps of one bit have no derivative"),
    ("*dropout*", "expected a floating dtype", "dropout of integers"),
    ("*kthvalue", "values differ: ", "which of several equal elements is found: ours is the first"),
    ("*topk", "values differ: ", "which of several equal elements come first: ours keep their order"),
    ("*median*", "values differ: ", "which of several equal elements is found: ours is the first"),
    ("*mode*", "values differ: ", "which of several equal elements is found: ours is the first"),
    ("*sort", "values differ: ", "which of several equal elements comes first, where a stable order is not asked for: ours keep their order"),
    ("*fractional_max_pool*", "values differ", "another random generator"),
    ("nn.functional.triplet_margin_with_distance_loss", "must be Tensor", "the sample brings a module of PyTorch"),
    ("*interpolate*", "3D or 4D input", "volumes"),
    ("*ctc_loss", "gradient: values differ", "PyTorch's equals the derivative only behind a log_softmax; ours is the derivative"),
    ("*empty*", "values differ", "uninitialised memory"),
    ("normal.in_place", "values differ", "another random generator"),
    ("as_strided*", "not differentiable", "as_strided is for those who know their memory; gradients go through views that know their shape"),
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


def with_fastnn(function):
    """A function of the sample database as if it had imported fastnn in torch's place; seeds are set by nobody."""
    names = {**function.__globals__, "torch": fastnn, "wrapper_set_seed": unseeded}
    return types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)


def unseeded(function, *args, **kwargs):
    return function(*args, **kwargs)


def of_the_database(function):
    return isinstance(function, types.FunctionType) and function.__module__.startswith("torch.testing")


def convert(x, grad=False):
    if isinstance(x, torch.Tensor):
        if x.dtype not in KNOWN or x.layout != torch.strided or x.device.type != "cpu":
            raise Unsupported(str(x.dtype))
        t = memory(x).as_strided(x.shape, x.stride(), x.storage_offset())
        if x.requires_grad and grad:
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


def memory(x):
    """A copy of all the memory that x is a view of."""
    count = x.untyped_storage().nbytes() // x.element_size()
    x = x.detach().as_strided((count,), (1,), 0)
    bits = x.view(torch.int16) if x.dtype is torch.bfloat16 else x
    return fastnn.from_numpy(bits.numpy().copy()).view(KNOWN[x.dtype])


def flat(r):
    if isinstance(r, (torch.Tensor, fastnn.Tensor)):
        return [r]
    if isinstance(r, (list, tuple)):
        return [t for v in r for t in flat(v)]
    return [r] if isinstance(r, (int, float, bool)) else []


def value(t):
    if isinstance(t, (torch.Tensor, fastnn.Tensor)):
        return np.asarray((t.detach().float() if kind(t) == "bfloat16" else t.detach()).numpy())
    return np.asarray(t)


def kind(t):
    return str(t.dtype).partition(".")[2] if isinstance(t, (torch.Tensor, fastnn.Tensor)) else str(np.asarray(t).dtype)


def compare(ours, theirs, floor=1e-3, values=True):
    """What differs, or None: numbers of outputs, shapes, dtypes, values to rounding relative to the largest (or floor)."""
    ours, theirs = flat(ours), flat(theirs)
    if len(ours) != len(theirs):
        return f"{len(ours)} outputs, torch {len(theirs)}"
    for a, b in zip(ours, theirs, strict=True):
        of, its = kind(a), kind(b)
        a, b = value(a), value(b)
        if a.shape != b.shape:
            return f"shape {a.shape}, torch {b.shape}"
        if of != its:
            return f"dtype {of}, torch {its}"
        if not values:
            continue
        if a.dtype.kind == "f":
            rtol, a, b = TOLERANCE[of], a.astype(np.float64), b.astype(np.float64)
            scale = np.abs(b[np.isfinite(b)]).max(initial=0)
            if not np.allclose(a, b, rtol=rtol, atol=rtol * 0.1 * max(scale, floor), equal_nan=True):
                return f"values differ by {np.nanmax(np.abs(a - b), initial=0):.3g}"
        elif not np.array_equal(a, b):
            return "values differ"
    return None


def in_float64(x):
    """A sample's arguments in float64 in the place of 16 bits: leaves of a graph of their own."""
    if isinstance(x, torch.Tensor):
        return x.detach().double().requires_grad_(x.requires_grad) if x.is_floating_point() else x
    if isinstance(x, (list, tuple)):
        return type(x)(map(in_float64, x)) if type(x) in (list, tuple) else x
    return torch.float64 if x in (torch.float16, torch.bfloat16) and isinstance(x, torch.dtype) else x


def exactly(s, call_torch):
    """(outputs, leaves) of the sample in float64."""
    args, kwargs = [in_float64(x) for x in (s.input, *s.args)], {k: in_float64(v) for k, v in s.kwargs.items()}
    return flat(call_torch(*args, **kwargs)), flat([args, list(kwargs.values())])


def nearer(ours, theirs, exact):
    """Whether ours are at least as near as theirs to what PyTorch computes in float64: it rounds steps of some functions that are one here."""
    for a, b, e in zip(flat(ours), flat(theirs), exact, strict=True):
        if e is None:
            continue
        a, b, e = value(a), value(b), value(e)
        if a.dtype.kind == "f" and not np.abs(a - e).max(initial=0) <= 1.01 * np.abs(b - e).max(initial=0):
            return False
        if a.dtype.kind != "f" and (a != b).any():
            return False
    return True


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


def pairs(op):
    """(PyTorch's function, fastnn's): the operator, or the database's own wrapper around it with fastnn put in its place."""
    if of_the_database(op.op):
        theirs = types.FunctionType(op.op.__code__, {**op.op.__globals__, "wrapper_set_seed": unseeded}, closure=op.op.__closure__)
        theirs.__defaults__ = op.op.__defaults__
        return theirs, with_fastnn(op.op)
    ours = find(op.name)
    return op.op, getattr(fastnn.Tensor, op.name + "_", ours) if op.variant_test_name == "in_place" else ours


def run(op, dtype, args, report):
    call_torch, f = pairs(op)
    name = op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")
    grad = args.grad and dtype.is_floating_point
    try:
        samples = list(op.sample_inputs("cpu", dtype, requires_grad=grad))
    except Exception as e:
        return report(name, "torch cannot make samples", str(e)[:80])
    for s in samples:
        if not isinstance(s, SampleInput):
            continue
        try:
            ours = [convert(x, grad) for x in (s.input, *s.args)], convert(s.kwargs, grad)
        except Unsupported:
            continue
        except Exception as e:
            report(name, "convert", f"{type(e).__name__}: {e}")
            continue
        text = describe(s)[:300]
        try:
            expected, random = call_torch(s.input, *s.args, **s.kwargs), False
            if may_be_random(op):
                random = compare(expected, call_torch(s.input, *s.args, **s.kwargs)) is not None
            if any(isinstance(t, torch.Tensor) and t.dtype not in KNOWN for t in flat(expected)):
                continue
        except Exception:
            continue
        signal.alarm(20)
        try:
            got = f(*ours[0], **ours[1])
            process = s.output_process_fn_grad
            if of_the_database(process):  # takes away what is arbitrary: signs of eigenvectors, ...
                got, expected = with_fastnn(process)(got), process(expected)
            problem = compare(got, expected, values=not random)
            half = dtype in (torch.float16, torch.bfloat16)
            if problem and half and nearer(got, expected, exactly(s, call_torch)[0]):
                problem = None
            if problem is None and grad and not random:
                problem = gradients(s, ours, got, expected, half and call_torch)
            report(name, "ok" if problem is None else "differs", None if problem is None else f"{problem}: {text}")
        except BaseException as e:
            if isinstance(e, KeyboardInterrupt):
                raise
            report(name, "raises", f"{type(e).__name__}: {str(e)[:150]}: {text}")
        finally:
            signal.alarm(0)


def may_be_random(op):
    names = op.op.__code__.co_names if of_the_database(op.op) else ()
    return "wrapper_set_seed" in names or any(word in op.name for word in ("rand", "normal", "bernoulli", "multinomial", "dropout", "empty"))


def gradients(s, ours, got, expected, call_torch):
    """Compares the gradients of all outputs, each weighted with other numbers; None too where PyTorch gives none, and (with call_torch)
    where ours are nearer to those in float64."""
    theirs = [t for t in flat([s.input, list(s.args), list(s.kwargs.values())]) if isinstance(t, torch.Tensor) and t.requires_grad]
    mine = [t for t in flat([list(ours[0]), list(ours[1].values())]) if isinstance(t, fastnn.Tensor) and t.requires_grad]
    if len(theirs) != len(mine):
        return f"{len(mine)} inputs require grad, torch {len(theirs)}"
    outs = [(g, e) for g, e in zip(flat(got), flat(expected), strict=True) if isinstance(e, torch.Tensor) and e.requires_grad]
    if not outs or not theirs:
        return None
    weights = [torch.linspace(0.5, 1.5, e.numel(), dtype=e.dtype).reshape(e.shape) for _, e in outs]
    try:
        want = torch.autograd.grad([e for _, e in outs], theirs, weights, allow_unused=True)
        want = list(want)
    except (RuntimeError, NotImplementedError):
        return None
    mine_out = [(g, convert(w)) for (g, _), w in zip(outs, weights, strict=True) if g.requires_grad]
    if not mine_out:
        return "no gradient" if any(w is not None and np.abs(value(w)).max(initial=0) > 0 for w in want) else None
    problem = None
    have = fastnn.autograd.grad([g for g, _ in mine_out], mine, [w for _, w in mine_out], allow_unused=True)
    for h, w in zip(have, want, strict=True):
        if w is None or h is None:
            other = value(w if h is None else h)
            if (w is not None or h is not None) and np.abs(other).max(initial=0) > 0:
                return f"gradient {'missing' if h is None else 'where torch has none'}"
            continue
        problem = problem or compare(h, w, floor=0.1)
    if problem and call_torch:
        outputs, leaves = exactly(s, call_torch)
        outputs = [e for e in outputs if isinstance(e, torch.Tensor) and e.requires_grad]
        leaves = [t for t in leaves if isinstance(t, torch.Tensor) and t.requires_grad]
        exact = torch.autograd.grad(outputs, leaves, [w.double() for w in weights], allow_unused=True)
        if all(h is None or w is None or e is None or nearer(h, w, [e]) for h, w, e in zip(have, want, exact, strict=True)):
            return None
    return problem and f"gradient: {problem}"


def errors(op, report):
    f = pairs(op)[1]
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
