"""`fastnn.capture`: record a training step once, replay it from C++.

The first call of a captured function runs it. The second runs it again and records every kernel call: forward, loss,
backward, clipping, optimizer and all. Later calls copy their arguments into the recorded ones and replay that list: no
Python, no allocation, the same arithmetic in the same order, so losses and parameters are bitwise those of the plain step.

What a replay does not do is run the function's Python again. Values that change from step to step must live in arrays: the
arguments, parameters, an optimizer's state, its learning rate (schedulers write it), random number generators; all of these
do. Anything else that the function computed in Python, and whatever it appended to a list, stays as recorded.
"""

from __future__ import annotations

import functools
from collections import OrderedDict

from . import _cpu
from .autodiff import Array, is_grad_enabled
from .explain import Call, Explanation, flops_of
from .graph import write_page
from .nn import module as _module

LIMIT = 8  # programs kept, and keys waiting for their second call


def _flatten(value, leaves):
    """The structure of nested tuples, lists and dicts of tensors; tensors are appended to leaves, other values are part of it."""
    if isinstance(value, Array):
        leaves.append(value)
        return (value._shape, value.dtype, value.requires_grad)
    if isinstance(value, (tuple, list)):
        return (type(value), tuple([_flatten(v, leaves) for v in value]))
    if isinstance(value, dict):
        return (dict, tuple([(k, _flatten(v, leaves)) for k, v in value.items()]))
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value


def _map(f, value):
    """value with every tensor t as f(t)."""
    if isinstance(value, Array):
        return f(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[_map(f, v) for v in value])
    if isinstance(value, (tuple, list)):
        return type(value)([_map(f, v) for v in value])
    if isinstance(value, dict):
        return {k: _map(f, v) for k, v in value.items()}
    return value


def _watched(fn, args, kwargs):
    """fn's result, and the modules it called."""
    called, outer = [], _module._called
    _module._called = called
    try:
        return fn(*args, **kwargs), list(OrderedDict.fromkeys(called))
    finally:
        _module._called = outer


class _Recorded:
    """One program: its list of kernel calls, the arguments it reads, what it returns, and what must still be as it was.

    modules: those that the first, plain call used.
    """

    def __init__(self, fn, args, kwargs, modules):
        def own(t):
            copy = t.detach().clone()
            return copy.requires_grad_() if t.requires_grad and t.is_leaf else copy

        args, kwargs = _map(own, (args, kwargs))
        self.inputs = []
        _flatten((args, kwargs), self.inputs)
        start = {id(p): p._grad for m in modules for p in m._parameters.values() if p is not None}
        _cpu.record_begin()
        try:
            result, modules = _watched(fn, args, kwargs)
        finally:
            self.program = _cpu.record_end()
        self._explained = None
        self.result = _map(lambda t: t.detach(), result)
        self.modes = [(m, m.training) for m in modules]
        self.parameters = [
            (m._parameters, name, p, p._buffer, start.get(id(p)), p._grad)
            for m in modules for name, p in m._parameters.items() if p is not None
        ]  # fmt: skip

    def fits(self):
        """Modules are in the same mode; their parameters are the same tensors on the same memory, with gradients where they had some.

        A gradient that the step added to must be the same tensor; one that it dropped may be any.
        """
        for m, training in self.modes:
            if m.training is not training:
                return False
        for owner, name, p, buffer, start, end in self.parameters:
            if owner.get(name) is not p or p._buffer != buffer or (p._grad is None) != (start is None):
                return False
            if start is end and p._grad is not end:
                return False
        return True

    def __call__(self, given):
        for to, t in zip(self.inputs, given, strict=True):
            _cpu.copy(to, t)
        self.program.replay()
        for _, _, p, _, _, end in self.parameters:
            p._grad = end
        return self.output()

    def explained(self):
        """The calls with what they cost, measured the first time it is asked for."""
        if self._explained is None:
            calls = []
            for (kernel, backward, views), seconds in zip(self.program.calls(), self.program.seconds(3), strict=True):
                shapes = [shape for shape, *_ in views]
                reads, writes = (
                    [(at, size) for _, _, at, size, written in views if written is which] for which in (False, True)
                )
                size = sum(dict(reads + writes).values())
                dtype = views[0][1] if views else ""
                flops = flops_of(kernel, shapes)
                calls.append(Call(kernel, shapes, dtype, flops, size, max(seconds, 1e-9), [], reads, writes, backward))
            self._explained = Explanation(calls)
        return self._explained

    def output(self):
        """What the function returned, on memory of its own: the next replay writes over the program's."""
        return _map(lambda t: t.clone(), self.result)


class capture:
    """A function whose steps are recorded and replayed; also a decorator: ``step = fastnn.capture(train_step)``.

    There is a program for each structure, shape, dtype and requires_grad of the arguments (values that are not tensors
    count as they are), grad mode, instruction set and rungs, training flags and parameters of the modules it calls: the
    last 8 are kept. RuntimeError, naming the operation, where the function reads a value (`item`, `numpy`, `if tensor:`)
    while it is being recorded. Results come detached, on memory of their own. `.grad` of parameters lies in the program's
    memory and is written by each replay.
    """

    def __init__(self, fn, *, limit: int = LIMIT):
        functools.update_wrapper(self, fn)
        self.fn, self.limit = fn, limit
        self.programs: OrderedDict = (
            OrderedDict()
        )  # key -> (modules called, programs): no program yet after the first call

    def __get__(self, instance, owner=None):
        """On methods: each instance has its own programs."""
        if instance is None:
            return self
        bound = capture(self.fn.__get__(instance, owner), limit=self.limit)
        instance.__dict__[self.fn.__name__] = bound
        return bound

    def __call__(self, *args, **kwargs):
        if _cpu.recording():  # inside another captured step: part of it
            return self.fn(*args, **kwargs)
        given = []
        key = (_flatten((args, kwargs), given), is_grad_enabled(), _cpu.table_version())
        known = self.programs.get(key)
        if known is None:
            result, modules = _watched(self.fn, args, kwargs)
            self.programs[key] = modules, []
            while len(self.programs) > self.limit:
                self.programs.popitem(last=False)
            return result
        modules, programs = known
        self.programs.move_to_end(key)
        for p in programs:
            if p.fits():
                return p(given)
        p = _Recorded(self.fn, args, kwargs, modules)
        programs.append(p)
        del programs[: -self.limit]
        return p.output()

    def clear(self):
        """Forgets all programs and gives their memory back."""
        self.programs.clear()

    def program(self):
        """Every kernel call of the program replayed last: an `Explanation`, a list of `Call`s that prints as a table.

        Seconds are the medians of three replays, whose effects on parameters, optimizer and generators are taken back.
        RuntimeError before anything is recorded.
        """
        return self._last().explained()

    def graph(self, path):
        """Writes the program as one self-contained HTML page: every call in order, forward and back, what it reads from which
        earlier call, its time and the memory in use."""
        last = self._last()
        write_page(path, self.fn.__qualname__, last.explained(), last.program.arena_bytes)

    def memory(self):
        """Bytes of the last program's intermediate results: what the plain step holds at its peak, rounded to size classes."""
        return self._last().program.arena_bytes

    def _last(self):
        for _, programs in reversed(self.programs.values()):
            if programs:
                return programs[-1]
        raise RuntimeError("capture: nothing is recorded yet; the second call records")

    def __repr__(self):
        try:
            calls = self._last().program.calls()
        except RuntimeError:
            return f"<capture of {self.fn.__qualname__}: nothing recorded yet>"
        return f"<capture of {self.fn.__qualname__}: {len(calls)} kernel calls, {self.memory():,} bytes of intermediate results>"


__all__ = ["capture"]
