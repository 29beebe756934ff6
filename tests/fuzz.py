"""Calls every public operation with arguments that are random, and mostly wrong. A program of its own, because the worst it
may find ends the process: `python tests/fuzz.py [--seconds 10] [--seed 0] [--only NAME] [--journal FILE]`.

An operation may give a result or raise a plain Python exception that says something; it must not crash, hang, or raise what
comes from its insides (AttributeError, KeyError, SystemError, ...). Each call is written to the journal before it is made,
so that the last line is the call that ended the process. Exit status 1 if anything was found.
"""

from __future__ import annotations

import argparse
import faulthandler
import inspect
import random
import re
import resource
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn.errors import named, names_an_op

sys.path.insert(0, str(Path(__file__).parent))
from samples import families
from samples import samples as samples_of

# AssertionError: where torch.nn.functional.multi_head_attention_forward raises it.
SENSIBLE = (TypeError, ValueError, IndexError, RuntimeError, MemoryError, OverflowError, AssertionError, BufferError)
INSIDES = (RecursionError, UnicodeError)
ROOM = 1 << 30  # bytes that the calls may add to the process before MemoryError
PATIENCE = 30  # seconds a call may take
# Not operations on arrays, or they change what later calls do.
SKIP = set(
    "set_default_dtype set_default_device set_num_threads set_grad_enabled manual_seed seed set_rng_state save load compile vmap "
    "use_deterministic_algorithms set_float32_matmul_precision threads no_grad enable_grad inference_mode register_hook "
    "capture explain source rung rungs device dtype Tensor set_printoptions empty_cache share_memory_ memory_stats derivatives "
    "numpy_function default_generator Generator".split()
)
DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool", "complex64"]
SIZES = [0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 8, 17]


class Text:
    """A value and the expression that makes it again."""

    def __init__(self, text, value):
        self.text, self.value = text, value


def tensor(rng):
    """A tensor of any dtype, 0 to 6 axes, any layout, with the values that break formulas."""
    dtype = rng.choice(DTYPES + ["float32"] * 6 + ["int64"] * 2)
    rank = rng.choice([0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6])
    shape = [rng.choice(SIZES[: 12 if rank < 4 else 8]) for _ in range(rank)]
    if rng.random() < 0.3:
        shape = [rng.choice([2, 3])] * rank
    return laid_out(rng, f"array({dtype!r}, {tuple(shape)}, {rng.randrange(7)})", rank)


def laid_out(rng, text, rank):
    """A view of the tensor that `text` makes."""
    how = rng.choice(["", "", "", "transposed", "reversed", "stepped", "expanded", "grad"])
    if how == "transposed" and rank > 1:
        text += f".transpose({rng.randrange(rank)}, {rng.randrange(rank)})"
    elif how == "reversed" and rank:
        text = f"reversed_({text}, {rng.randrange(rank)})"
    elif how == "stepped" and rank:
        text += "[" + ":, " * rng.randrange(rank) + "::2]"
    elif how == "expanded" and rank < 6:
        text += f"[None].expand({', '.join(['3'] + ['-1'] * rank)})"
    elif how == "grad":
        text = f"differentiable({text})"
    return Text(text, eval(text, NAMES))


def array(dtype, shape, kind):
    """Values by kind: 0 normal, 1 small whole numbers, 2 zeros, 3 NaN and infinities, 4 the largest, 5 negative, 6 ones."""
    rng = np.random.default_rng(kind)
    if dtype == "complex64":
        return fastnn.complex(array("float32", shape, kind), array("float32", shape, (kind + 1) % 7))
    if dtype == "bool":
        a = rng.integers(0, 2, shape).astype(bool)
    elif dtype.startswith("float"):
        info = np.finfo(dtype)
        special = [np.nan, np.inf, -np.inf, -0.0, info.tiny / 2, 1.0]
        a = [rng.standard_normal(shape), rng.integers(-3, 4, shape), np.zeros(shape), rng.choice(special, shape),
             rng.choice([info.max, -info.max, 1e15], shape), -np.abs(rng.standard_normal(shape)), np.ones(shape)][kind]  # fmt: skip
    else:
        info = np.iinfo(dtype)
        a = [rng.integers(0, 3, shape), rng.integers(0, 8, shape), np.zeros(shape), rng.integers(max(info.min, -4), 5, shape),
             rng.choice(np.array([info.max, info.min, 1]), shape), rng.integers(max(info.min, -3), 1, shape), np.ones(shape)][kind]  # fmt: skip
    return fastnn.tensor(np.asarray(a).astype(dtype))


def reversed_(t, axis):
    return fastnn.from_numpy(np.flip(t.detach().numpy(), axis))


def differentiable(t):
    return t.detach().clone().requires_grad_() if t.is_floating_point() or t.is_complex() else t


NAMES = {
    "fastnn": fastnn, "F": F, "np": np, "array": array, "reversed_": reversed_, "differentiable": differentiable,
    "nan": float("nan"), "inf": float("inf"),
}  # fmt: skip
PLAIN = [
    "-1", "0", "1", "2", "3", "-2", "-7", "6", "True", "False", "None", "0.5", "-0.5", "-0.0", "2.0", "1e30", "nan", "inf", "-inf", "2**31",
    "2**40", "2**62", "2**63 - 1", "2**63", "-2**63", "10**30", "''", "'mean'", "'sum'", "'none'", "'same'", "'bogus'",
    "'bilinear'", "'reflect'", "'constant'", "'ij'", "()", "(1,)", "(2, 2)", "(0, 0)", "(-1, -1)", "(1, 2, 3)", "(0, 1)",
    "(2, 3, 4)", "[1, [2]]", "[2**40, 2**40]", "(2**62, 4, 4)", "(0, 2**63 - 1)", "(None, 1)", "('a',)", "(1.5, 2)",
    "np.float32(1)", "np.int64(2)", "np.ones(3)", "object()", "b'x'", "1j", "slice(None)", "...", "fastnn.float32",
    "fastnn.float64", "fastnn.int64", "fastnn.bool", "{}", "[]", "lambda x: x", "int", "'cpu'", "'cuda'", "'float32'",
]  # fmt: skip
TENSORS = set(
    "input other self weight bias target index indices src source x y a b tensor mat1 mat2 mat vec vec1 vec2 query key value "
    "log_probs targets x1 x2 anchor positive negative running_mean running_var mask condition tensor1 tensor2 batch1 batch2 "
    "input1 input2 values offsets end boundaries sorted_sequence exponent other A B".split()
)


def argument(rng, name):
    """A value for the parameter `name`: of the kind that its name suggests, or of any."""
    r = rng.random()
    if (name in TENSORS) == (r < 0.85):
        return tensor(rng)
    if name in ("tensors", "operands") or r > 0.97:
        parts = [tensor(rng) for _ in range(rng.randrange(4))]
        return Text("[" + ", ".join(p.text for p in parts) + "]", [p.value for p in parts])
    text = rng.choice(PLAIN)
    return Text(text, eval(text, NAMES))


def operations():
    """{expression: function} of all public operations, methods as functions of their tensor."""
    found = {}
    for prefix, home in (("fastnn", fastnn), ("F", F), ("fastnn.linalg", fastnn.linalg), ("fastnn.Tensor", fastnn.Tensor)):
        for name in dir(home):
            f = getattr(home, name)
            if name.startswith("_") or name in SKIP or not callable(f) or inspect.isclass(f) or inspect.ismodule(f):
                continue
            found[f"{prefix}.{name}"] = f
    return found


def parameters(f):
    try:
        return list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return [inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in ("self", "a", "b")]


def random_call(rng, name, f):
    """Arguments for f: those without a default nearly always, the others sometimes."""
    args, kwargs = [], {}
    for p in parameters(f):
        needed = p.default is p.empty
        if p.kind is p.VAR_POSITIONAL:
            args += [argument(rng, p.name) for _ in range(rng.randrange(4))]
        elif p.kind is p.VAR_KEYWORD or rng.random() > (0.99 if needed else 0.3):
            continue
        elif needed and not kwargs and p.kind is not p.KEYWORD_ONLY:
            args.append(argument(rng, p.name))
        else:
            kwargs[p.name] = argument(rng, p.name)
    if name.startswith("fastnn.Tensor.") and args:
        args[0] = tensor(rng)
    text = ", ".join([a.text for a in args] + [f"{k}={v.text}" for k, v in kwargs.items()])
    return f"{name}({text})", f, [a.value for a in args], {k: v.value for k, v in kwargs.items()}


def all_samples():
    """{family: its samples}, the calls that the other tests know to be right; not those of rules, which trust their arguments."""
    public = {inspect.unwrap(f) for f in operations().values() if hasattr(f, "__wrapped__")}
    return {f: kept for f in families() if (kept := [s for _, s in samples_of(f) if s.fn in public])}


def mutated_sample(rng, samples):
    """A right call with one or two of its arguments spoiled: what gets past the first checks."""
    family = rng.choice(sorted(samples))
    number = rng.randrange(len(samples[family]))
    s = samples[family][number]
    args = [fastnn.tensor(a) if isinstance(a, np.ndarray) else a for a in s.args]
    kwargs = {k: fastnn.tensor(v) if isinstance(v, np.ndarray) else v for k, v in s.kwargs.items()}
    spoiled = {}
    for key in rng.sample([*range(len(args)), *kwargs], min(rng.choice([1, 1, 2]), len(args) + len(kwargs))):
        home = args if isinstance(key, int) else kwargs
        home[key] = spoil(rng, home[key], spoiled, key)
    text = ", ".join(f"{k!r}: {v}" for k, v in spoiled.items())
    return f"{family} sample {number}, {s}, with {{{text}}}", named(s.fn), args, kwargs


def spoil(rng, value, spoiled, key):
    if not isinstance(value, fastnn.Tensor) or rng.random() < 0.1:
        new = Text(text := rng.choice(PLAIN), eval(text, NAMES))
    elif rng.random() < 0.2:
        new = tensor(rng)
    else:
        shape = list(value.shape)
        for _ in range(rng.randrange(3)):
            how, i = rng.randrange(4), rng.randrange(len(shape) + 1)
            if how == 0:
                shape.insert(i, rng.choice([0, 1, 2, 3]))
            elif i < len(shape):
                shape[i : i + 1] = [[], [0], [shape[i] + 1]][how - 1]
        dtype = rng.choice([str(value.dtype).removeprefix("fastnn.")] * 3 + DTYPES)
        new = laid_out(rng, f"array({dtype!r}, {tuple(shape)}, {rng.randrange(7)})", len(shape))
    spoiled[key] = new.text
    return new.value


def touch(result):
    """Reads all of a result, and differentiates it."""
    if fastnn.is_tensor(result):
        result = result.to_dense() if result.is_sparse else result
        result.detach().numpy().copy()
        if result.requires_grad and result.is_complex():
            (result.real.sum() + result.imag.sum()).backward()
        elif result.requires_grad and result.is_floating_point():
            result.sum().backward()
    elif isinstance(result, (list, tuple)):
        for r in result:
            touch(r)


def complaint(e):
    """What is wrong with an exception, or None."""
    text = str(e)
    if not isinstance(e, SENSIBLE) or isinstance(e, INSIDES):
        return f"{type(e).__name__} from inside"
    if "incompatible function arguments" in text or "pybind11" in text:
        return "a C++ signature in the message"
    if re.search(r"'(Tensor|Op)' object has no attribute '(?!upper|lower)", text):
        return "a missing attribute of our own"
    if not text.strip() and not isinstance(e, MemoryError):
        return "no message"
    if type(e) is not TypeError:  # worded where it is raised, mostly in PyTorch's words, which need not name the operation
        return None
    if not names_an_op(text) and not OPS.intersection(w.rstrip("_") for w in re.findall(r"\w+", text)):
        return "does not name the op"
    return None


OPS = {n.split(".")[-1].rstrip("_") for n in operations()}


def run(seconds, seed, only, journal, limit=20):
    import time

    ops = {n: f for n, f in operations().items() if only is None or only in n.split(".")[-1:] or only == n}
    names = sorted(ops)
    samples = all_samples() if only is None else {}
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, hard))
    found, calls, end = {}, 0, time.monotonic() + seconds
    raised = 0
    rng = random.Random(seed)
    while time.monotonic() < end:
        try:
            if samples and rng.random() < 0.5:
                text, f, args, kwargs = mutated_sample(rng, samples)
            else:
                name = rng.choice(names)
                text, f, args, kwargs = random_call(rng, name, ops[name])
        except MemoryError:
            continue
        journal.seek(0)
        journal.truncate()
        journal.write(text + "\n")
        journal.flush()
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        calls += 1
        try:
            touch(f(*args, **kwargs))
        except BaseException as e:  # noqa: BLE001
            raised += 1
            if wrong := complaint(e):
                where = traceback.extract_tb(e.__traceback__)[-1]
                if "samples" in where.filename:
                    continue
                key = (type(e).__name__, where.filename.split("/")[-1], where.lineno)
                if len(text) < len(found.get(key, (" " * 10**6,))[0]):
                    found[key] = (text, f"{wrong}: {type(e).__name__}: {e}\n    at {where.filename}:{where.lineno}: {where.line}")
        faulthandler.cancel_dump_traceback_later()
        fastnn.set_grad_enabled(True)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    print(f"{calls} calls of {len(names)} operations, {raised} exceptions, {len(found)} complaints")
    for text, wrong in sorted(found.values(), key=lambda p: p[1]):
        print(f"{text}\n    {wrong}")
    return bool(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only")
    parser.add_argument("--journal", default="/dev/null")
    o = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    faulthandler.enable()
    with open(o.journal, "w") as journal:
        sys.exit(run(o.seconds, o.seed, o.only, journal))
