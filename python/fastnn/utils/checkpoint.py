"""Memory for time: a part of a network whose inside is computed again at backward instead of being kept.

Chen et al., "Training deep nets with sublinear memory cost", 2016. A checkpoint is one node of the graph. Its arguments are
the function's, and whatever else the function turned out to depend on (a module's parameters), so that derivatives in both
modes and of every order pass through it.
"""

from __future__ import annotations

from .. import _cpu
from ..autodiff import Array, grad, record
from ..grad_mode import enable_grad, is_grad_enabled
from ..ops.join import cat
from ..ops.random import get_rng_state, set_rng_state
from ..ops.shape import narrow, reshape
from ..tangent import push


class _Checkpoint:
    """One call of a function, in the place of an op: a derivative runs it again, recorded, and goes through that graph."""

    saved = ()
    name = "checkpoint"

    def __init__(self, function, n_args, kwargs, state):
        self.function, self.n_args, self.kwargs, self.state = function, n_args, kwargs, state

    def again(self, args, graph, needs):
        """(arguments, outputs as one vector) of the function run once more with the random numbers it drew then."""
        inputs = [a if graph or not need else a.detach().requires_grad_() for a, need in zip(args[: self.n_args], needs, strict=False)]
        now = None if self.state is None else get_rng_state()
        if now is not None:
            set_rng_state(self.state)
        try:
            with enable_grad():
                return (*inputs, *args[self.n_args :]), _joined(_differentiable(self.function(*inputs, **self.kwargs)))
        finally:
            if now is not None:
                set_rng_state(now)

    def gradients(self, g, y, args, params, needs):
        graph = is_grad_enabled()
        args, out = self.again(args, graph, needs)
        wanted = [a for a, need in zip(args, needs, strict=True) if need]
        found = iter(grad(out, wanted, g, retain_graph=True, create_graph=graph, allow_unused=True))
        return [next(found) if need else None for need in needs]

    def tangent(self, y, args, params, ts):
        args, out = self.again(args, is_grad_enabled(), [t is not None for t in ts])
        pairs = [(a, t) for a, t in zip(args, ts, strict=True) if t is not None]
        return push([out], [a for a, _ in pairs], [t for _, t in pairs])[0]


def _differentiable(result):
    parts = result if isinstance(result, (tuple, list)) else (result,)
    return [t for t in parts if isinstance(t, Array) and t.requires_grad]


def _joined(parts):
    return cat([reshape(t, (-1,)) for t in parts])


def _captured(outputs, inputs):
    """The leaves behind outputs, other than inputs, that require grad: what the function depends on besides its arguments."""
    own, found = {id(x) for x in inputs}, {}
    for y in _cpu.order(outputs, own):
        for x in _cpu.inputs(y):
            if isinstance(x, Array) and x._node is None and x.requires_grad and id(x) not in own:
                found[id(x)] = x
    return tuple(found.values())


def checkpoint(function, *args, use_reentrant=False, preserve_rng_state=True, **kwargs):
    """function(*args, **kwargs), keeping only the arguments and the result; a derivative runs the function again.

    The function returns a tensor, or a tuple or list of them. preserve_rng_state: the second run draws the random numbers
    of the first (dropout). use_reentrant is accepted; there is one way here. Parameters that the function uses get their
    gradients as always.
    """
    if not is_grad_enabled():
        return function(*args, **kwargs)
    state = get_rng_state() if preserve_rng_state else None
    inputs = [a.detach().requires_grad_() if isinstance(a, Array) and a.requires_grad else a for a in args]
    result = function(*inputs, **kwargs)
    parts = _differentiable(result)
    if not parts:
        return result
    call = _Checkpoint(function, len(args), kwargs, state)
    captured = _captured(parts, [a for a in inputs if isinstance(a, Array)])
    y = record(_joined(parts).detach(), call, (*args, *captured))
    pieces, at = {}, 0
    for t in parts:
        pieces[id(t)] = reshape(narrow(y, 0, at, t._size), t._shape)
        at += t._size
    if isinstance(result, Array):
        return pieces[id(result)]
    return type(result)(pieces.get(id(t), t) for t in result)


def checkpoint_sequential(functions, segments, input, use_reentrant=False, **kwargs):
    """The functions (a Sequential, or a list) one after another, in `segments` checkpoints of about equal numbers; the last is run plainly."""
    functions = list(functions.children() if hasattr(functions, "children") else functions)
    size = len(functions) // segments

    def run(part):
        def f(x):
            for function in part:
                x = function(x)
            return x

        return f

    for i in range(segments - 1):
        input = checkpoint(run(functions[i * size : (i + 1) * size]), input, use_reentrant=use_reentrant, **kwargs)
    return run(functions[(segments - 1) * size :])(input)
