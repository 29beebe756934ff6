"""Writes python/fastnn/derivatives.tsv and the table in docs/derivatives.md from the tests' samples; `--check` compares.

Every differentiable sample is taken as a function f; then its gradient (as a function of inputs and cotangents) as another,
and so on while there are ops that no check has reached. At each level forward and reverse mode are compared with central
differences along a random direction. An op found in a level's graph has passed `vjp` and `jvp` there, and `vjp of vjp` at the
next level.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
sys.path.append(str(ROOT / "python"))  # last: an installed package comes first, and processes that a test starts inherit this

import fastnn  # noqa: E402
import fastnn.nn.functional as F  # noqa: E402
from fastnn import _cpu, ops  # noqa: E402
from fastnn.autodiff import Op  # noqa: E402
from fastnn.coverage import COLUMNS, TABLE, text  # noqa: E402
from fastnn.fused import Fused  # noqa: E402
from fastnn.tangent import push  # noqa: E402
from layouts import as_args  # noqa: E402
from samples import families, samples  # noqa: E402

DOC = ROOT / "docs" / "derivatives.md"
BEGIN, END = "<!-- derivatives -->", "<!-- /derivatives -->"
ALL = {"vjp", "jvp", "float32", "float64"}
ROWS, PLACES = fastnn.tensor([0, 2, 2, 1]), fastnn.tensor([[0, 2, 2, 1], [0, 1, 2, 1], [1, 0, 2, 2]])
UNUSUAL = (  # (function, shape, step, tolerance): a result in float32 needs long steps, a gradient of one's own has no finite difference
    (lambda x: (x.to(fastnn.float32),), (3, 4), 0.1, 1e-6),
    (lambda x: (F.embedding(ROWS, x, padding_idx=2).sin(),), (3, 4), None, 1e-9),
    (lambda x: (F.embedding(ROWS, x, scale_grad_by_freq=True).sin(),), (3, 4), None, 1e-9),
    (lambda x: (F.leaky_relu(x * 1, 0.1, inplace=True).sin(), x.median()), (3, 4), None, 1e-9),
    (lambda x: (x.scatter_reduce(0, PLACES, x.sin(), "prod"), x.scatter_reduce(0, PLACES, x.sin(), "amax")), (3, 4), 1e-6, 1e-9),
)
LEVELS = 4  # f, its gradient, that gradient's gradient, ...


def registered():
    """{name: (family, op)} of every op that a module of ops defines, the move to another device apart (tests/test_cuda.py)."""
    found = {}
    for family, module in sorted(ops.MODULES.items(), key=lambda m: m[0] != "elementwise"):  # others use its ops under their names
        for value in vars(module).values():
            o = value if isinstance(value, Op) else getattr(value, "op", None)
            if isinstance(o, Op) and (o.rules or isinstance(o, Fused)) and o.forward is not None and family != "jet" and o.name != "move":
                home = (getattr(o.forward, "__module__", None) or "").rpartition(".")[2]
                found.setdefault(o.name, (home if home in ops.MODULES else family, o))
    return found


def function_of(sample, dtype):
    """(f of the differentiable tensors, those tensors), or None."""
    args = as_args(sample.args, dtype)
    leaves = [x for a in args for x in (a if isinstance(a, (list, tuple)) else (a,))]
    chosen = [
        x
        for i, x in enumerate(leaves)
        if isinstance(x, fastnn.Tensor) and x.dtype.is_floating_point and (sample.grad is True or i in (sample.grad or ())) and x.numel()
    ]
    if not chosen:
        return None

    def f(*moved):
        table = {id(c): m for c, m in zip(chosen, moved, strict=True)}

        def put(a):
            return type(a)(put(x) for x in a) if isinstance(a, (list, tuple)) else table.get(id(a), a)

        fastnn.manual_seed(0)
        y = sample.fn(*[put(a) for a in args], **sample.kwargs)
        ys = (y,) if isinstance(y, fastnn.Tensor) else tuple(t for t in y if isinstance(t, fastnn.Tensor))
        return tuple(t for t in ys if t.dtype.is_floating_point)

    return f, [x.clone() for x in chosen]


def gradient_of(f, n):
    """The gradient of f as a function of its n inputs and its cotangents."""

    def g(*args):
        ys = f(*args[:n])
        live = [(y, v) for y, v in zip(ys, args[n:], strict=True) if y.requires_grad]
        if not live:
            return ()
        return fastnn.autograd.grad([y for y, _ in live], args[:n], [v for _, v in live], create_graph=True, materialize_grads=True)

    return g


def random_like(xs, rng):
    return [fastnn.tensor(rng.standard_normal(x.shape)).to(x.dtype) for x in xs]


def dot(xs, ys):
    return sum(float(np.vdot(x.detach().double().numpy(), y.double().numpy())) for x, y in zip(xs, ys, strict=True) if x is not None)


def compare(f, xs, rng, eps=1e-6, exact=1e-9):
    """The ops in f's graph after checking vjp and jvp against central differences; AssertionError where they disagree."""
    xs = [x.detach().requires_grad_() for x in xs]
    ts = random_like(xs, rng)
    ys = [y for y in f(*xs) if y.requires_grad]
    if not ys:
        return {}
    us = random_like(ys, rng)
    graph = {t._node[0].name: t._node[0] for t in _cpu.order(ys)}
    grads = fastnn.autograd.grad(ys, xs, us, allow_unused=True, retain_graph=True)
    changes = push(ys, xs, ts)

    def moved(step):
        return [y for y in f(*[(x.detach() + t * step).requires_grad_() for x, t in zip(xs, ts, strict=True)]) if y.requires_grad]

    reverse, forward = dot(grads, ts), dot(changes, us)
    numeric = (dot(moved(eps), us) - dot(moved(-eps), us)) / (2 * eps) if eps else reverse
    size = sum(abs(float((g.detach() * t).abs().sum().item())) for g, t in zip(grads, ts, strict=True) if g is not None)
    assert abs(reverse - forward) <= exact * max(size, 1.0), f"vjp {reverse!r} is not the transpose of jvp {forward!r}"
    assert abs(reverse - numeric) <= 1e-5 * max(size, 1.0), f"derivative {reverse!r}, finite difference {numeric!r}"
    return graph


def single(sample):
    """Whether float32 gives float64's gradients."""
    grads = []
    for dtype in ("float32", "float64"):
        f, xs = function_of(sample, dtype)
        xs = [x.detach().requires_grad_() for x in xs]
        ys = [y for y in f(*xs) if y.requires_grad]
        if not ys:
            return False
        grads.append(fastnn.autograd.grad([y for y in ys], xs, [fastnn.ones_like(y) for y in ys], materialize_grads=True))
    for a, b in zip(*grads, strict=True):
        a, b = np.asarray(a.numpy(), np.float64), b.numpy()
        finite = np.isfinite(b)
        scale = np.abs(b[finite]).max(initial=1e-2)
        assert np.all(np.abs(a - b)[finite] <= 2e-3 * scale), f"float32 gradient off by {np.abs(a - b)[finite].max():g} of {scale:g}"
    return True


def coverage():
    """(rows of the table, complaints)."""
    table = registered()
    passed = {name: set() for name in table}
    complaints, steps = [], {}
    for family in (f for f in families() if f != "jet"):  # an op per network: tests/test_jet.py
        for _, sample in samples(family):
            made = function_of(sample, "float64")
            if not sample.grad or made is None:
                name = without_derivative(sample)
                if name and family != "optimizer":
                    steps[name] = family
                continue
            try:
                check(*made, passed, ALL if single(sample) else ALL - {"float32"}, sample.smooth)
            except AssertionError as e:
                complaints.append(f"{family}: {sample}: {e}")
    rng = np.random.default_rng(0)
    for f, shape, eps, exact in UNUSUAL:
        check(f, [fastnn.tensor(rng.standard_normal(shape))], passed, ALL, eps=eps, exact=exact, deep=True)
    rows = []
    for name, (family, o) in table.items():
        kind = o.kind or ("rule" if o.tangent_rules else "composition" if isinstance(o, Fused) else "vjp-trick")
        rows.append((family, name, kind, *["yes" if c in passed[name] else "no" for c in COLUMNS[3:]]))
    known = {r[1] for r in rows}
    rows += [(family, name, "none", *["-"] * 5) for name, family in steps.items() if name not in known]
    return sorted(rows), complaints


def check(f, xs, passed, columns, smooth=True, eps=1e-6, exact=1e-9, deep=False):
    """Walks the levels of one sample and notes in `passed` what its ops have shown."""
    rng, before = np.random.default_rng(0), {}
    for level in range(LEVELS):
        graph = compare(f, xs, rng, eps, exact)
        for name in before:
            passed.setdefault(name, set()).add("vjp of vjp")
        for name in graph:
            passed.setdefault(name, set()).update(columns)
        missing = [n for n in graph if "vjp of vjp" not in passed[n]]
        if not smooth or not graph or (level and not missing and not deep) or level + 1 == LEVELS:
            return
        before = graph
        n = len(xs)
        xs = [*xs, *random_like(f(*[x.detach().requires_grad_() for x in xs]), rng)]
        f = gradient_of(f, n)


def without_derivative(sample):
    """The name of a sample's function if its results carry no gradient though an argument asks for one."""
    args = as_args(sample.args, "float64")
    floats = [a for a in args if isinstance(a, fastnn.Tensor) and a.dtype.is_floating_point]
    if not floats:
        return None
    for a in floats:
        a.requires_grad_()
    try:
        y = sample.fn(*args, **sample.kwargs)
    except RuntimeError:
        return None
    ys = y if isinstance(y, (tuple, list)) else (y,)
    if any(isinstance(t, fastnn.Tensor) and t.requires_grad for t in ys):
        return None
    return sample.name or getattr(sample.fn, "__name__", None)


def document(rows):
    """The table as the docs show it: derivative ops (NAME_dx) follow their function in the file, here they are counted."""
    rows = [dict(zip(COLUMNS, r, strict=True)) for r in rows]
    return "\n".join([BEGIN, "```", *text(rows), "```", END])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with np.errstate(all="ignore"):
        rows, complaints = coverage()
    print(*complaints, sep="\n")
    content = "\n".join("\t".join(r) for r in (COLUMNS, *rows)) + "\n"
    doc = DOC.read_text()
    new = doc[: doc.index(BEGIN)] + document(rows) + doc[doc.index(END) + len(END) :]
    if "--check" in sys.argv:
        if not TABLE.exists() or TABLE.read_text() != content or new != doc:
            sys.exit("the table of derivatives is out of date: run python tools/derivatives.py")
    else:
        TABLE.write_text(content)
        DOC.write_text(new)
