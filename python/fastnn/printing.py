"""How tensors print: as PyTorch prints them. One format for all elements, chosen by the largest and the smallest of them."""

from __future__ import annotations

import math

import numpy as np

from . import dtypes
from .creation import values

_DEFAULT = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
_PROFILES = {"default": {}, "short": {"precision": 2, "edgeitems": 2}, "full": {"threshold": math.inf}}
options = dict(_DEFAULT)


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None):
    """How tensors print. precision: digits; threshold: elements before only edgeitems are shown at each end; linewidth.

    profile: "default", "short" or "full" sets all of these first. sci_mode: True or False, or None to choose by the values.
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"set_printoptions: profile must be one of {', '.join(_PROFILES)}, got {profile!r}")
        options.update(_DEFAULT | _PROFILES[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    options.update({k: v for k, v in given.items() if v is not None})
    options["sci_mode"] = sci_mode


def text(t):
    """repr(t)."""
    prefix = t._prefix
    parts = []
    default = (dtypes.get_default_dtype(), dtypes.complex128 if dtypes.get_default_dtype() is dtypes.float64 else dtypes.complex64)
    plain = (*default, dtypes.int64, dtypes.bool) if t.numel() else default[:1]
    if not t.numel() and t.ndim != 1:
        parts.append(f"size={tuple(t.shape)}")
    if t.dtype not in plain:
        parts.append(f"dtype={t.dtype}")
    if t.is_cuda:
        parts.append("device='cuda:0'")
    parts += _history(t)
    return _finished(prefix + _body(t, len(prefix)), parts, len(prefix))


def sparse_text(m):
    """repr of a sparse matrix."""
    names = ("indices", "values") if m.layout is dtypes.sparse_coo else ("crow_indices", "col_indices", "values")
    prefix = "tensor("
    inner = []
    for name in names:
        t, start = getattr(m, name)(), f"{name}=tensor("
        inner.append(start + _body(t, len(prefix) + len(start)) + (")" if t.numel() else f", size={tuple(t.shape)})"))
    parts = [f"size={tuple(m.shape)}", f"nnz={m._nnz()}"]
    if m.dtype not in (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool):
        parts.append(f"dtype={m.dtype}")
    parts += [f"layout={m.layout}", *_history(m.values())]
    return _finished(prefix + (",\n" + " " * len(prefix)).join(inner), parts, len(prefix), newline=m.layout is dtypes.sparse_coo)


def _body(t, indent):
    if not t.numel():
        return "[]"
    a, shortened = _summary(values(t.detach().cpu()))
    return _rows(a, shortened, indent, _formatter(a))


def _history(t):
    made = t if not t.is_complex() else t.real if t.real._node is not None else t.imag
    if made._node is not None:
        return [f"grad_fn=<{grad_name(made)}>"]
    return ["requires_grad=True"] if t.requires_grad else []


def _finished(out, parts, indent, newline=False):
    """The text with what else is to be said, on lines of their own where they do not fit."""
    width = len(out) - out.rfind("\n") + 1  # PyTorch counts the bracket and the comma to come
    for part in parts:
        if newline or width + len(part) + 2 > options["linewidth"]:
            out += ",\n" + " " * indent + part
            width, newline = indent + len(part), False
        else:
            out += ", " + part
            width += len(part) + 2
    return out + ")"


_PYTORCHS = {  # where PyTorch's last step has another name than the op
    "avg_pool": "AvgPool2D", "batch_norm": "NativeBatchNorm", "clamp_min": "Clamp", "conv2d": "Convolution", "cross_entropy": "NllLoss",
    "attention": "ScaledDotProductFlashAttentionForCpu", "cholesky": "LinalgCholeskyEx", "det": "LinalgDet", "dropout": "Mul",
    "group_norm": "NativeGroupNorm", "inv": "LinalgInvEx", "l1_loss": "Mean", "layer_norm": "NativeLayerNorm", "log1p": "Log1P",
    "logsigmoid": "LogSigmoid", "masked_select": "Index", "max_pool": "MaxPool2DWithIndices", "modulus": "Abs",
    "norm": "LinalgVectorNorm", "ranked": "Median", "selu": "Elu", "solve": "LinalgSolveEx", "square": "Pow", "to": "ToCopy", "unfold": "Im2Col",
}  # fmt: skip


def grad_name(t):
    """AddBackward0 for a tensor that add made, as PyTorch prints it; ExpBackward for a Function named Exp."""
    op, args, options = t._node[:3]
    if hasattr(op, "cls"):
        return op.name + "Backward"
    name, form = _step(op.name, args or (), options or {}, t.shape)
    name = name or _PYTORCHS.get(op.name) or "".join(word[:1].upper() + word[1:] for word in op.name.split("_"))
    return f"{name}Backward{form}"


def _step(name, args, options, shape):
    """(the name of PyTorch's last step, or None for the usual one; which of its overloads) of one of our ops that stands for several."""
    ranks = [getattr(a, "ndim", None) for a in args]
    if name == "getitem" and "view" in options:
        index = options["view"]
        steps = [i for i in (index if isinstance(index, tuple) else (index,)) if i is not Ellipsis and (i != slice(None) or i is index)]
        return "Alias" if not steps else "Unsqueeze" if steps[-1] is None else "Slice" if isinstance(steps[-1], slice) else "Select", 0
    if name == "getitem":
        return "Embedding" if "skip" in options else "IndexSelect" if "wrap" in options else "Index", 0
    if name == "permute" and len(shape) > 2 and sum(i != k for i, k in enumerate(options.get("dims", ()))) == 2:
        return "Transpose", 0
    if name in ("amax", "amin") and not shape:
        return name[1:].capitalize(), 1
    if name == "pad":
        axes = sum(n != m for n, m in zip(shape, args[0].shape if args else shape, strict=True))
        names = ["ConstantPadNd", f"ReflectionPad{axes}D", f"ReplicationPad{axes}D", None if "value" in options else "Repeat"]
        return names[options["mode"]], 0
    if name == "triangle":
        return ("Triu" if options.get("upper") else "Tril"), 0
    if name == "pow" and ranks:
        return None, 2 if ranks[0] is None else int(len(ranks) > 1 and ranks[1] is not None)
    if name == "div" and ranks and ranks[0] is None:
        return "Mul", 0
    if name == "interpolate" and options["tables"][-2] is not None:
        return {1: "UpsampleNearest2D", 2: "UpsampleBilinear2D", 4: "UpsampleBicubic2D"}.get(options["tables"][-2].shape[1]), 0
    if name == "matmul":
        return {(2, 2): "Mm", (2, 1): "Mv", (1, 1): "Dot", (3, 3): "Bmm"}.get(tuple(ranks[:2]), "UnsafeView" if ranks else None), 0
    if name == "linear" and ranks:
        return "View" if ranks[0] > 2 else "Addmm" if len(ranks) > 2 and ranks[2] is not None else "Mm", 0
    if name == "reshape" and args:
        before, ones = tuple(args[0].shape), len(shape) - ranks[0]
        if ones and [n for n in before if n != 1] == [n for n in shape if n != 1]:
            return ("Unsqueeze" if ones > 0 else "Squeeze"), 0
        return "View", 0
    if name in ("sum", "mean"):
        return None, int(options.get("shape", ()) != ())
    if name == "sub" and ranks and ranks[0] is None:
        return "Rsub", 1
    return None, int(name in ("clamp", "clamp_min"))


def _summary(a):
    """(a, or its edges if it has too many elements; where edges were joined: {axis: True})"""
    shortened = {}
    if a.size > options["threshold"]:
        n = options["edgeitems"]
        for axis, length in enumerate(a.shape):
            if length > 2 * n:
                a = np.take(a, [*range(n), *range(length - n, length)], axis)
                shortened[axis] = True
    return a, shortened


def _formatter(a):
    """The function that prints one element, all to the same width."""
    if a.dtype.kind == "c":
        return _complex_formatter(a)
    values = a.ravel().tolist()
    if a.dtype.kind != "f":
        width = max(len(str(v)) for v in values)
        return width, lambda v: str(v).rjust(width)
    finite = [v for v in values if v and math.isfinite(v)]
    precision, scientific = options["precision"], options["sci_mode"]
    whole = all(v == math.floor(v) for v in finite)
    if finite and scientific is None:
        largest, smallest = max(map(abs, finite)), min(map(abs, finite))
        scientific = largest / smallest > 1000 or largest > 1e8 or (not whole and smallest < 1e-4)

    def plain(v):
        if scientific:
            return f"{v:.{precision}e}"
        if whole:
            return f"{v:.0f}" + ("." if math.isfinite(v) else "")
        return f"{v:.{precision}f}"

    width = max((len(plain(v)) for v in finite), default=1)
    return width, lambda v: plain(v).rjust(width)


def _complex_formatter(a):
    """Each part as all of its kind: the imaginary ones' spaces are left out."""
    (real_width, real), (imag_width, imag) = _formatter(a.real), _formatter(a.imag)

    def show(z):
        text = imag(z.imag).lstrip() + "j"
        return real(z.real) + (text if text[0] in "+-" else "+" + text)

    return real_width + imag_width + 1, show


def _rows(a, shortened, indent, formatter, axis=0):
    width, show = formatter
    n = options["edgeitems"]
    if a.ndim == 0:
        return show(a.item())
    if a.ndim == 1:
        words = [show(v) for v in a.tolist()]
        if axis in shortened:
            words[n:n] = [" ..."]
        per_line = max(1, (options["linewidth"] - indent) // (width + 2))
        lines = [", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    rows = [_rows(row, shortened, indent + 1, formatter, axis + 1) for row in a]
    if axis in shortened:
        rows[n:n] = ["..."]
    return "[" + ("," + "\n" * (a.ndim - 1) + " " * (indent + 1)).join(rows) + "]"
