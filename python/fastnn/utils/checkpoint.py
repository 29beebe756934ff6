"""Memory for time: a part of a network whose inside is computed again at backward instead of being kept.

Chen et al., "Training deep nets with sublinear memory cost", 2016. A checkpoint is one node of the graph. Its arguments are
the function's, and whatever else the function turned out to depend on (a module's parameters), so that derivatives in both
modes and of every order pass through it.
"""

from __future__ import annotations

import copy
import dataclasses
from contextlib import nullcontext

from .. import _cpu
from ..autodiff import Array, grad, record
from ..grad_mode import enable_grad, is_grad_enabled
from ..ops.join import cat
from ..ops.random import default_generator
from ..ops.shape import narrow, reshape
from ..parts import is_complex
from ..tangent import push


class _Checkpoint:
    """One call of a function, in the place of an op: a derivative runs it again, recorded, and goes through that graph."""

    saved = ()
    name = "checkpoint"

    def __init__(self, function, call, state, context):
        self.function, self.call, self.state, self.context = function, call, state, context

    def again(self, args, graph, needs):
        """(arguments, outputs as one vector) of the function run once more with the random numbers it drew then."""
        n = len(_differentiable(self.call))
        inputs = [a if graph or not need else a.detach().requires_grad_() for a, need in zip(args[:n], needs, strict=False)]
        given = iter(inputs)
        args_now, kwargs = _each(lambda t: next(given) if t.requires_grad else t, self.call)
        now = None if self.state is None else default_generator.state.clone()
        if now is not None:
            default_generator.set_state(self.state)
        try:
            with enable_grad(), self.context:
                return (*inputs, *args[n:]), _joined(_differentiable(self.function(*args_now, **kwargs)))
        finally:
            if now is not None:
                default_generator.set_state(now)

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


def _each(f, x):
    """x with f of every tensor in it: in tuples, lists, dicts and dataclasses; x itself where nothing changes."""
    if isinstance(x, Array):
        return f(x)
    if is_complex(x):
        re, im = f(x.real), f(x.imag)
        return x if re is x.real and im is x.imag else type(x)(re, im)
    if isinstance(x, (tuple, list)):
        before = list(x)
    elif isinstance(x, dict):
        before = list(x.values())
    elif dataclasses.is_dataclass(x) and not isinstance(x, type):
        names = [field.name for field in dataclasses.fields(x)]
        before = [getattr(x, name) for name in names]
    else:
        return x
    after = [_each(f, v) for v in before]
    if all(a is b for a, b in zip(after, before, strict=True)):
        return x
    if isinstance(x, (tuple, list)):
        return type(x)(*after) if hasattr(x, "_fields") else type(x)(after)
    y = copy.copy(x)
    if isinstance(x, dict):
        for key, v in zip(x, after, strict=True):
            y[key] = v
    else:
        for name, v in zip(names, after, strict=True):
            object.__setattr__(y, name, v)
    return y


def _differentiable(x):
    """The tensors in x that require grad, in order."""
    found = []
    _each(lambda t: found.append(t) or t if t.requires_grad else t, x)
    return found


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


def checkpoint(function, *args, use_reentrant=False, context_fn=None, determinism_check="default", debug=False, early_stop=True,
               preserve_rng_state=True, **kwargs):  # fmt: skip
    """function(*args, **kwargs), keeping only the arguments and the result; a derivative runs the function again.

    Arguments and result may hold tensors in tuples, lists, dicts and dataclasses. preserve_rng_state: the second run draws the
    random numbers of the first (dropout). context_fn() gives two context managers, for the first run and the second.
    use_reentrant, determinism_check, debug and early_stop are accepted; there is one way here. Parameters that the function
    uses get their gradients as always.
    """
    first, second = context_fn() if context_fn is not None else (nullcontext(), nullcontext())
    if not is_grad_enabled():
        with first:
            return function(*args, **kwargs)
    state = default_generator.state.clone() if preserve_rng_state else None
    call = (args, kwargs)
    inner_args, inner_kwargs = inner = _each(lambda a: a.detach().requires_grad_() if a.requires_grad else a, call)
    with first:
        result = function(*inner_args, **inner_kwargs)
    parts = _differentiable(result)
    if not parts:
        return result
    captured = _captured(parts, _differentiable(inner))
    y = record(_joined(parts).detach(), _Checkpoint(function, call, state, second), (*_differentiable(call), *captured))
    pieces, at = {}, 0
    for t in parts:
        pieces[id(t)] = reshape(narrow(y, 0, at, t._size), t._shape)
        at += t._size
    return _each(lambda t: pieces.get(id(t), t), result)


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
