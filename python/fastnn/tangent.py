"""Forward mode: how outputs change when inputs do, by walking the recorded graph from the inputs on.

Every op says once what it is (autodiff.Op): pointwise, linear, multilinear, or it brings a rule of its own. Tangents are
computed with ops, so they are differentiable in either mode, to any order; nothing needs levels or tags, because what a
tensor depends on is its graph.
"""

from __future__ import annotations

from . import _cpu
from .autodiff import Array, check_fresh, grad
from .grad_mode import enable_grad
from .tensor import zeros_like


def push(outputs, inputs, tangents):
    """The change of each output when the inputs change by `tangents`; None where it does not depend on them.

    RuntimeError (naming the op) for a derivative that does not exist, or a saved value that was changed in place.
    """
    found = {id(x): t for x, t in zip(inputs, tangents, strict=True)}
    for y in _cpu.order(outputs, found):
        node = y._node
        args = _cpu.inputs(y)
        ts = [found.get(id(a)) if isinstance(a, Array) else None for a in args]
        if all(t is None for t in ts):
            continue
        check_fresh(y)
        t = tangent_of(node[0], y if node[4] is None else (y, *node[4]), args, node[2] or {}, ts)
        if t is not None:
            found[id(y)] = _fitted(t, y)
    return [found.get(id(y)) for y in outputs]


def _fitted(t, y):
    """t, which may still be broadcast or of a narrower dtype, in y's shape and dtype."""
    if t.dtype is not y.dtype:
        t = t.to(y.dtype)
    return t if t._shape == y._shape else t.expand(y._shape)


def tangent_of(op, y, args, params, ts):
    """The change of y = op(*args, **params) for the changes ts of its arguments (None: it stays)."""
    kind = getattr(op, "kind", None)
    if kind == "pointwise":
        return _by_rules(op, op.rules, y, args, params, ts)
    if kind == "linear":
        return _linear(op, args, params, ts)
    if kind == "multilinear":
        return _multilinear(op, args, params, ts)
    if getattr(op, "tangent_rules", None) is not None:
        return _by_rules(op, op.tangent_rules, y, args, params, ts)
    if hasattr(op, "tangent"):  # a checkpoint, or an autograd.Function with a jvp
        return op.tangent(y, args, params, ts)
    return _transposed(op, y, args, params, ts)


def _by_rules(op, rules, y, args, params, ts):
    total = None
    for i, t in enumerate(ts):
        if t is None:
            continue
        rule = rules[i] if len(rules) > 1 or len(args) == 1 else rules[0]
        if rule is None:
            raise _undefined(op, i)
        index = {"index": i} if rule is rules[0] and len(rules) == 1 and len(args) > 1 else {}
        part = rule(t, y, *args, **index, **params)
        if part is not None:
            total = part if total is None else total + part
    return total


def _undefined(op, i):
    return RuntimeError(f"the derivative of {op.name} with respect to argument {i} is not defined")


def _linear(op, args, params, ts):
    args = list(args)
    of = op.of or range(len(args))
    for i, t in enumerate(ts):
        if t is not None and i not in of:
            raise _undefined(op, i)
    for i in of:
        if isinstance(args[i], Array):
            args[i] = zeros_like(args[i]) if ts[i] is None else ts[i]
    return op(*args, **params)


def _multilinear(op, args, params, ts):
    """Σ over the factors that change; the bias's change is added by the first of these products."""
    change = None if op.plus is None else ts[op.plus]
    factors = [i for i in op.of if ts[i] is not None]
    if not factors:
        factors = [op.of[0]]
        ts = list(ts)
        ts[op.of[0]] = zeros_like(args[op.of[0]])
    total = None
    for i in factors:
        new = list(args)
        new[i] = ts[i]
        if op.plus is not None:
            new[op.plus], change = change, None
        part = op(*new, **params)
        total = part if total is None else total + part
    return total


def _transposed(op, y, args, params, ts):
    """For an op without a rule: v -> J'v is linear, and the derivative of <J'v, t> with respect to v is Jt."""
    with enable_grad():
        y = y[0] if isinstance(y, tuple) else y
        v = zeros_like(y).requires_grad_()
        rows = op.gradients(v, y, args, params, tuple(t is not None for t in ts))
        pairs = [(r, t) for r, t in zip(rows, ts, strict=True) if t is not None and r is not None and r.requires_grad]
        if not pairs:
            return None
        (out,) = grad([r for r, _ in pairs], v, [t.expand(r._shape) for r, t in pairs], create_graph=True, allow_unused=True)
    return out


def mode(op):
    """How forward mode passes an op: "rule", or "vjp-trick" where only `_transposed` can."""
    ruled = op.kind is not None or op.tangent_rules is not None
    return "rule" if ruled else "vjp-trick"


__all__ = ("mode", "push", "tangent_of")
