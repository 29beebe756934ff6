"""Reverse-mode automatic differentiation of any order. Read this file first.

An **op** is a forward function plus one partial derivative per argument, *written with ops*. So the gradient of a gradient
exists by construction, to any order. A tensor that an op made remembers it::

    y._node = (op, args, params, epoch, aux, fingerprints)

and `grad` walks these nodes from the outputs in reverse topological order (iteratively: a chain of 100,000 ops is fine),
asking each op for the gradients of its arguments. No closures, no tape, no reference cycles: dropping the last reference
to a result frees its history.

What an op and its rules are is said here. What is done for every op is C++: `record` and the check for values changed in
place in bind/record.cpp, the walk in bind/backward.cpp.
"""

from __future__ import annotations

import functools
import inspect
import threading

from . import _cpu
from .errors import DTypeError, ShapeError
from .grad_mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled  # noqa: F401
from .row_sparse import RowSparse

record = _cpu.record  # record(y, op, args, params=None) -> y, remembering the op if a gradient may be asked for
Array = _cpu.Array


class Op:
    """A differentiable function: `forward(*args, **params)` and one partial derivative per positional argument.

    A partial is `rule(g, y, *args, **params)`: g the gradient of the output, y the output, and returns the gradient of one
    argument, or is None where there is none. Shapes may still be broadcast; `grad` sums them back, in one place.
    `saves` names the arguments whose *values* the rules read ("y" for the output); None means all of them.
    """

    def __init__(self, forward, saves=None):
        functools.update_wrapper(self, forward)
        self.forward = forward
        self.name = forward.__name__.lstrip("_")
        self.rules = None
        self.joint_rule = None
        self.into_rule = None
        self.kind = self.readers = None
        self.of = self.plus = self.tangent_rules = None
        code = inspect.unwrap(forward).__code__
        names = code.co_varnames[: code.co_argcount]
        self.saved = None if saves is None else _positions(saves, names)

    def __call__(self, *args, **params):
        return record(self.forward(*args, **params), self, args, params)

    def __repr__(self):
        return f"<op {self.name}>"

    def partials(self, *rules):
        """One rule per positional argument; a single rule serves all arguments of a variadic op (it also gets index=)."""
        self.rules = rules
        return self

    def joint(self, rule):
        """`rule(g, y, *args, needs, **params)` gives all gradients in one pass; used when no graph of them is wanted."""
        self.joint_rule = rule
        return self

    def into(self, rule):
        """`rule(sum, g, *args, **params)` adds the gradient of the first argument to `sum`, in place, or returns False; used when no
        graph of it is wanted and there is a sum already. For gradients that are mostly zeros."""
        self.into_rule = rule
        return self

    # What an op is, said once; forward mode (tangent.py) and Taylor mode (func/jet.py) need no more of most ops.

    def pointwise(self):
        """Element by element: each partial is diagonal, so it takes a change of its argument to a change of the output too."""
        self.kind = "pointwise"
        return self

    def linear(self, *of):
        """Linear in these arguments (positions; all if none are given) taken together, the others held fixed."""
        self.kind, self.of = "linear", of
        return self

    def multilinear(self, *of, plus=None):
        """Linear in each of these arguments by itself; `plus`: the position of a bias that is added, and may be None."""
        self.kind, self.of, self.plus = "multilinear", of, plus
        return self.read_by({i: tuple(j for j in of if j != i) for i in of})

    def read_by(self, readers):
        """{saved value: arguments whose rules read it}, where that is not all: a change in place matters only to gradients that are wanted."""
        self.readers = readers
        return self

    def tangents(self, *rules):
        """For the rest: `rule(t, y, *args, **params)`, the change of the output for a change t of one argument (or None)."""
        self.tangent_rules = rules
        return self

    def gradients(self, g, y, args, params, needs):
        """The gradient of each argument for which needs[i], else None."""
        return _cpu.gradients(self, g, y, args, params, needs)


def _positions(saves, names):
    """"xw" or "input, weight" as argument positions; "y" is the output (-1) unless an argument has that name."""
    words = saves.replace(",", " ").split()
    if len(words) == 1 and words[0] not in names:
        words = list(words[0])
    return tuple(-1 if w == "y" and "y" not in names else names.index(w) for w in words)


def op(forward=None, *, saves=None):
    """Decorator: makes an `Op` of a forward function."""
    if forward is None:
        return lambda f: Op(f, saves)
    return Op(forward, saves)


_hooked = False  # set by the first register_hook or retain_grad: looking for hooks costs every tensor a __dict__


def use_hooks():
    global _hooked
    _hooked = True


_anomalies = False  # set_detect_anomaly: gradients are looked at for NaN


def look_for_nan(on):
    """Whether backward looks for NaN from now on; returns whether it did."""
    global _anomalies
    before, _anomalies = _anomalies, on
    if on:
        use_hooks()
    return before


def looks_for_nan():
    """Whether backward looks for NaN."""
    return _anomalies


def _check_nan(t, g):
    values = g.values() if isinstance(g, RowSparse) else g
    if bool((values != values).any()):
        what = f"a tensor of shape {list(t.shape)}" if t._node is None else f"the result of {t._node[0].name}, of shape {list(t.shape)},"
        raise RuntimeError(f"detect_anomaly: the gradient of {what} has nan values; those of all that was computed from it have none")


_reached = None  # during backward: the leaves with post_accumulate_grad hooks whose gradient has been added


def _run_hooks(t, g, retain):
    if _anomalies:
        _check_nan(t, g)
    if _reached is not None and t._node is None and "_post_hooks" in t.__dict__:
        _reached.append(t)
    for hook in list(t.__dict__.get("_hooks", {}).values()):
        new = hook(g)
        if new is None:
            continue
        if not isinstance(new, (Array, RowSparse)):
            raise TypeError(f"expected a Tensor, but hook returned '{type(new).__name__}'")
        if new.shape != g.shape:
            raise ShapeError(f"hook '{getattr(hook, '__name__', hook)}' has changed the size of value")
        g = new
    if retain and t.__dict__.get("_retains_grad"):
        accumulate(t, g)
    return g


def check_fresh(t):
    """RuntimeError for a node that cannot be differentiated any more: freed, or its saved values changed in place."""
    f = t._node[0]
    if t._node[1] is None:
        raise RuntimeError(
            f"Trying to backward through the graph a second time ({f.name}): the saved values have been freed. "
            "Specify retain_graph=True if you need to backward through the graph a second time."
        )
    changed = _cpu.stale(t)
    if changed is not None:
        what = "its output" if changed == -1 else f"argument {changed}"
        raise RuntimeError(
            f"{f.name}: one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: {what} changed after {f.name} had used it. Use an out-of-place operation, or clone() first."
        )


def _first_grad(t):
    if t._size != 1:
        raise RuntimeError("grad can be implicitly created only for scalar outputs")
    g = _cpu.empty(t._shape, t.dtype, t)
    _cpu.fill(g, 1.0)
    return g


def outdated(x):
    """Whether x is a view whose base has been changed since, with history."""
    return x._outdated


def _refresh(t):
    from .inplace import refresh

    return refresh(t)


_sum_hidden = None  # batching.sum_hidden, set by the first vmap: only from then on can gradients have hidden axes


def use_levels(sum_hidden):
    global _sum_hidden
    _sum_hidden = sum_hidden


def _match(g, x):
    """The gradient g of an op's argument x in x's own shape and dtype: broadcasting is undone here and nowhere else."""
    if g._levels is not None:
        g = _sum_hidden(g, x)
    if g._shape != x._shape:
        g = g.sum_to_size(x._shape)
    if g.dtype is not x.dtype:
        g = g.to(x.dtype)
    return g


def _propagate(outputs, grads, wanted, retain_graph, create_graph):
    """Sends gradients from outputs back: bind/backward.cpp. Returns those of the `wanted` tensors (None: not reached).

    With wanted None they are added to the `.grad` of every leaf.
    """
    for t in outputs:
        if outdated(t) and not _refresh(t):
            raise RuntimeError(
                f"{t._node[0].name}: its output shares memory with a tensor that was modified by an inplace operation since. "
                "Take the view again, or clone() first."
            )
    if not _hooked:
        return _cpu.propagate(outputs, grads, wanted, retain_graph, create_graph, (*_CALLBACKS, False))
    before, complete = (_after.calls, _after.adds), False
    _after.calls, _after.adds = [], wanted is None
    calls = _after.calls
    try:
        result = _cpu.propagate(outputs, grads, wanted, retain_graph, create_graph, (*_CALLBACKS, True))
        complete = True
    finally:
        _after.calls, _after.adds = before
        mode = _cpu.set_grad_mode(bool(create_graph))
        try:
            for f in calls:
                f(complete)
        finally:
            _cpu.set_grad_mode(mode)
    return result


class _After(threading.local):
    calls = adds = None


_after = _After()


def after_pass(f):
    """Within a hook: f(complete) is called when this backward pass ends, complete or with an exception. Returns whether the pass adds to
    the `.grad` of leaves."""
    _after.calls.append(f)
    return _after.adds


def accumulate(x, g):
    """Adds g to x.grad; what is recorded now stays in it."""
    if x._grad is None:
        x._grad = g if is_grad_enabled() else g.detach().clone()
    elif isinstance(g, RowSparse):
        x._grad = g + x._grad
    elif is_grad_enabled() or isinstance(x._grad, RowSparse):
        x._grad = x._grad + g
    else:
        x._grad.add_(g)


_CALLBACKS = (Op, check_fresh, _match, _run_hooks, accumulate, RowSparse)


def no_derivative(t):
    """What to add to a message about a tensor without history: the op that ended it, where one is known."""
    return f": it is a result of {t._steps}, which has no derivative" if t._steps is not None else ""


def _as_outputs(outputs, name):
    outputs = (outputs,) if isinstance(outputs, Array) else tuple(outputs)
    for t in outputs:
        if not isinstance(t, Array):
            raise TypeError(f"{name}: expected Tensors, got {type(t).__name__}")
        if not t.requires_grad:
            raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn" + no_derivative(t))
    return outputs


def _as_grads(outputs, grads):
    if grads is None:
        grads = (None,) * len(outputs)
    grads = (grads,) if isinstance(grads, Array) else tuple(grads)
    if len(grads) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    out = []
    for t, g in zip(outputs, grads, strict=True):
        if g is None:
            g = _first_grad(t)
        elif not isinstance(g, Array):
            raise TypeError(f"gradients can be either Tensors, or None, but got {type(g).__name__}")
        elif g._shape != t._shape:
            raise ShapeError(
                f"Mismatch in shape: grad_output[0] has a shape of {list(g._shape)} and output[0] has a shape of {list(t._shape)}."
            )
        out.append(g if g.dtype is t.dtype else g.to(t.dtype))
    return out


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None):
    """Adds to `.grad` of every leaf that requires it the gradient of the sum of tensors (weighted by grad_tensors).

    RuntimeError: a non-scalar without grad_tensors, a graph used twice, a saved value changed in place (names the op).
    """
    tensors = _as_outputs(tensors, "backward")
    if retain_graph is None:
        retain_graph = create_graph
    grads = _as_grads(tensors, grad_tensors)
    if inputs is None:
        global _reached
        before, _reached = _reached, [] if _hooked else None
        try:
            _propagate(tensors, grads, None, retain_graph, create_graph)
            reached = _reached
        finally:
            _reached = before
        for t in reached or ():
            for hook in list(t.__dict__["_post_hooks"].values()):
                hook(t)
        return
    inputs = (inputs,) if isinstance(inputs, Array) else tuple(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    before = _cpu.set_grad_mode(create_graph)
    try:
        for x, g in zip(inputs, _propagate(tensors, grads, inputs, retain_graph, create_graph), strict=True):
            if g is not None:
                accumulate(x, g)
    finally:
        _cpu.set_grad_mode(before)


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """The gradients of the sum of outputs (weighted by grad_outputs) with respect to inputs, as a tuple.

    create_graph=True makes the result differentiable itself. is_grads_batched: grad_outputs have a first axis, each of whose
    entries gives gradients of its own, all in one pass. RuntimeError for an input that the outputs do not depend on,
    unless allow_unused (then None) or materialize_grads (then zeros).
    """
    if is_grads_batched:
        from .batching import grad_of_each

        return grad_of_each(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads)
    outputs = _as_outputs(outputs, "grad")
    inputs = (inputs,) if isinstance(inputs, Array) else tuple(inputs)
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False")
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    for x in inputs:
        if not isinstance(x, Array):
            raise DTypeError(f"grad: expected Tensors as inputs, got {type(x).__name__}")
        if not x.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    if retain_graph is None:
        retain_graph = create_graph
    result = _propagate(outputs, _as_grads(outputs, grad_outputs), inputs, retain_graph, create_graph)
    for i, (x, g) in enumerate(zip(inputs, result, strict=True)):
        if g is None and materialize_grads:
            from .tensor import zeros_like

            g = zeros_like(x)
        elif g is None and not allow_unused:
            raise RuntimeError(
                "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if this "
                "is the desired behavior."
            )
        elif g is not None and g._shape != x._shape:
            g = _match(g, x)
        result[i] = g
    return tuple(result)
