"""`fastnn.capture`: record a training step once, replay it from C++.

The first call of a captured function runs it. The second runs it again and records every kernel call: forward, loss,
backward, clipping, optimizer and all. Later calls copy their arguments into the recorded ones and replay that list: no
Python, no allocation, the same arithmetic in the same order, so losses and parameters are bitwise those of the plain step.

What a replay does not do is run the function's Python again. Values that change from step to step must live in arrays: the
arguments, parameters, an optimizer's state, its learning rate (schedulers write it), random number generators; all of these
do. What the function read elsewhere, through its closure, globals, modules and optimizers, is compared before each replay
(watch.py): if it has changed, the step is recorded anew. docs/capture.md has the rules.
"""

from __future__ import annotations

import functools
import gc
import sys
import warnings
from collections import OrderedDict
from pathlib import Path

from . import _cpu
from .autodiff import Array, is_grad_enabled
from .explain import Call, Explanation, flops_of
from .graph import write_page
from .nn import module as _module
from .parts import flat, is_complex, joined
from .row_sparse import RowSparse
from .watch import Watch

LIMIT = 8  # programs kept, and keys waiting for their second call
PATIENCE = 8  # recordings in a row that were never replayed

_cpu.set_package(str(Path(__file__).parent) + "/")


def _key(value):
    """The structure of nested tuples, lists and dicts of tensors, hashable; values that are not tensors are part of it, with their type.

    TypeError for values that can neither be compared nor be copied, such as NumPy arrays.
    """
    if isinstance(value, Array):
        return (value._shape, value._strides, value.dtype, value.requires_grad)
    if is_complex(value):
        return ("complex", *map(_key, flat(value)))
    if isinstance(value, (tuple, list)):
        return (type(value), tuple([_key(v) for v in value]))
    if isinstance(value, dict):
        return (dict, tuple([(k, _key(v)) for k, v in value.items()]))
    if isinstance(value, float):
        return (float, value.hex())
    try:
        hash(value)
    except TypeError:
        raise TypeError(f"capture: an argument of type {type(value).__name__} can be neither copied nor compared; pass tensors") from None
    return (type(value), value)


def _map(f, value):
    """value with every tensor t as f(t)."""
    if isinstance(value, Array):
        return f(value)
    if is_complex(value):
        return joined(map(f, flat(value)), (True,))[0]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[_map(f, v) for v in value])
    if isinstance(value, (tuple, list)):
        return type(value)([_map(f, v) for v in value])
    if isinstance(value, dict):
        return {k: _map(f, v) for k, v in value.items()}
    return value


def _tensors(value):
    found = []
    _map(found.append, value)
    return found


def _watched(fn, args, kwargs):
    """fn's result, and the modules it called."""
    called, outer = [], _module._called
    _module._called = called
    try:
        return fn(*args, **kwargs), list(OrderedDict.fromkeys(called))
    finally:
        _module._called = outer


def _memory_of(gradient):
    if isinstance(gradient, RowSparse):
        return [gradient._rows, gradient._values_]
    return [] if gradient is None else [gradient]


def _strays(program, inputs, others):
    """Where arrays were made that outlive the step, or are shared, though nobody will be handed them: [(kernel, file, line)].

    inputs, others: the tensors that may, the program's own arguments and those that the step returns or leaves as gradients.
    """
    kept = {buffer: place for buffer, *place in program.kept()}
    shares: dict = {}
    handed = {id(t) for t in (*inputs, *others)}
    bases = {id(t._base): t._base for t in others if t._base is not None and id(t._base) not in handed}  # views keep them
    for t in (*inputs, *others, *bases.values()):
        shares[t._buffer] = shares.get(t._buffer, 0) + 1
    found = [place for buffer, place in kept.items() if buffer not in shares]
    for t in (*inputs, *[t for t in others if t._buffer in kept]):
        if t._references > shares[t._buffer] + program.holds(t):
            found.append(kept.get(t._buffer, ("", "", 0)))
    return found


class NotRecordable(Exception):
    """A call that was recorded, and cannot be replayed: (its result, what the step changes itself or None, where a stray was made)."""


def _record(fn, modules, args, kwargs):
    """(`_cpu.Recorded`, the result of this call). modules: those that the call before called. May raise NotRecordable."""
    own_args, own_kwargs = _map(_cpu.own, args), _map(_cpu.own, kwargs)
    inputs = _tensors((own_args, own_kwargs))
    holders = [sys.getrefcount(t) for t in inputs]
    watch = Watch(fn, modules)
    _cpu.record_begin()
    try:
        result, modules = _watched(fn, own_args, own_kwargs)
    finally:
        program, touched, options = _cpu.record_end()
    logs, changed = watch.changes()
    result = _map(lambda t: t.detach(), result)

    def strays():
        touched[:] = [pair for pair in touched if sys.getrefcount(pair[0]) > 2]  # not leaves that only the step knew
        times = [sum(leaf is t for leaf, _ in touched) for t in inputs]
        found = [("", "", 0) for t, n, k in zip(inputs, holders, times, strict=True) if sys.getrefcount(t) > n + k + 1]
        return found + _strays(program, inputs, [*_tensors(result), *[t for leaf, _ in touched for t in _memory_of(leaf._grad)]])

    found = strays()
    if found:  # perhaps only by what refers to itself
        gc.collect()
        found = strays()
    if changed or found:
        raise NotRecordable(_map(lambda t: t.clone(), result), changed, found[0] if found else None)
    program.plan()
    recorded = _cpu.Recorded(program, own_args, own_kwargs, result, Watch(fn, modules, logs, options), touched, options)
    return recorded, recorded.first(args, kwargs)


class capture:
    """A function whose steps are recorded and replayed; also a decorator: ``step = fastnn.capture(train_step)``.

    There is a program for each structure, shape, strides, dtype and requires_grad of the arguments (values that are not tensors
    count as they are), grad mode, instruction set and rungs, and state of what the function's Python looks at: modules and
    their modes, optimizers and their options, numbers in closures and globals. The last 8 are kept. RuntimeError, naming line and
    operation, where the function reads a value (`item`, `numpy`, `if tensor:`) while it is recorded, and where it keeps a tensor
    that it made. TypeError for arguments that are neither tensors nor hashable. Results come detached, on memory of their own.
    `.grad` of parameters lies in the program's memory and is written by each replay, unless somebody else holds it: then the
    step runs plainly. An exception in a replay leaves parameters and optimizer as they were before the step.
    """

    def __init__(self, fn, *, limit: int = LIMIT):
        functools.update_wrapper(self, fn)
        self.fn, self.limit = fn, limit
        self.clear()

    def __get__(self, instance, owner=None):
        """On methods: each instance has its own programs."""
        if instance is None:
            return self
        bound = capture(self.fn.__get__(instance, owner), limit=self.limit)
        instance.__dict__[self.fn.__name__] = bound
        return bound

    def __call__(self, *args, **kwargs):
        programs = self.programs
        for i, recorded in enumerate(programs):
            result = recorded(args, kwargs)
            if result is not NotImplemented:
                if i:
                    programs.insert(0, programs.pop(i))
                return result
        return self._other(args, kwargs)

    def _other(self, args, kwargs):
        """A call that no program fits."""
        tensors = _tensors((args, kwargs))
        if _cpu.recording() or _cpu.in_vmap() or any(t._levels is not None or (t._node is not None and t.requires_grad) for t in tensors):
            return self.fn(*args, **kwargs)  # part of something larger
        key = (_key((args, kwargs)), is_grad_enabled(), _cpu.table_version())
        known = self.known.get(key)
        if known is None:
            result, modules = _watched(self.fn, args, kwargs)
            self.known[key] = {"modules": modules, "in vain": 0, "strays": 0, "last": None, "why": ""}
            while len(self.known) > self.limit:
                self.known.popitem(last=False)
            return result
        self.known.move_to_end(key)
        last = known["last"] if known["last"] in self.programs else None
        if last is not None and last.why == "held":
            return self.fn(*args, **kwargs)
        if last is not None:
            known["in vain"] = 0 if last.replays else known["in vain"] + 1
            known["why"] = last.why
        if known["in vain"] >= PATIENCE:
            if known["in vain"] == PATIENCE:
                known["in vain"] += 1
                warnings.warn(f"capture: {known['why']} changes with every call of {self.fn.__qualname__}, which runs plainly", stacklevel=3)
            return self.fn(*args, **kwargs)
        try:
            recorded, result = _record(self.fn, known["modules"], args, kwargs)
        except NotRecordable as e:
            result, changed, stray = e.args
            if changed:
                known["in vain"] += 1
                known["why"] = changed
                return result
            known["strays"] += 1
            if known["strays"] < 3:  # perhaps state that is made once
                return result
            kernel, file, line = stray
            what = f"{Path(file).name}:{line}: the result of {kernel}" if kernel else "an argument"
            raise RuntimeError(
                f"capture: {what} is kept by {self.fn.__qualname__} outside the step, and a replay would overwrite it. Return it, or "
                "copy_ it into a tensor that was there before."
            ) from None
        known["last"], known["strays"] = recorded, 0
        self.programs.insert(0, recorded)
        del self.programs[self.limit :]
        return result

    def clear(self):
        """Forgets all programs and gives their memory back."""
        self.programs: list = []  # `_cpu.Recorded`, the one used last first
        self.known: OrderedDict = OrderedDict()  # key -> what happened to its calls so far
        self._explained = (None, None)

    def program(self):
        """Every kernel call of the program replayed last: an `Explanation`, a list of `Call`s that prints as a table.

        Calls joined into one (csrc/core/chain.cpp) have a name like "mul+add". Seconds are the medians of three replays, whose
        effects on parameters, optimizer and generators are taken back; on a GPU they are not measured. RuntimeError before anything is recorded.
        """
        recorded = self._last()
        if self._explained[0] is not recorded:
            self._explained = recorded, self._explain(recorded.program)
        self._explained[1].graphs = self.graphs()
        return self._explained[1]

    def graphs(self):
        """How the last replay went on a GPU: "1 CUDA graph of 43 launches", and what is none of it and why. "" where nothing ran there."""
        graphs, launches, besides, why = self._last().program.graphs
        if not launches:
            return ""
        text = f"{graphs} CUDA graph{'s' * (graphs != 1)} of {launches} launches" if graphs else f"{launches} launches one by one"
        if besides:
            text += f", {besides} call{'s' * (besides != 1)} besides"
        return f"{text} ({why})" if why else text

    def _explain(self, program):
        calls = []
        for (kernel, backward, place, views), seconds in zip(program.calls(), program.seconds(3), strict=True):
            shapes = [shape for shape, *_ in views]
            reads, writes = ([(at, size) for _, _, at, size, written in views if written is which] for which in (False, True))
            size = sum(dict(reads + writes).values())
            dtype = views[0][1] if views else ""
            calls.append(Call(kernel, shapes, dtype, flops_of(kernel, shapes), size, max(seconds, 1e-9), [], reads, writes, backward, place))
        return Program(calls, self.memory())

    def graph(self, path):
        """Writes the program as one self-contained HTML page: every call in order, forward and back, what it reads from which
        earlier call, its time and the memory in use."""
        write_page(path, self.fn.__qualname__, self.program(), self.memory())

    def memory(self):
        """Bytes of the last program's results, gradients and intermediate values, which the plain step holds at its peak or more."""
        return self._last().program.arena_bytes

    def _last(self):
        if self.programs:
            return self.programs[0]
        raise RuntimeError("capture: nothing is recorded yet; the second call records")

    def __repr__(self):
        if not self.programs:
            return f"<capture of {self.fn.__qualname__}: nothing recorded yet>"
        return f"<capture of {self.fn.__qualname__}: {len(self._last().program.calls())} kernel calls, {self.memory():,} bytes>"


class Program(Explanation):
    """The calls of a recorded step; prints as a table that ends with the memory they need."""

    def __init__(self, calls, memory):
        super().__init__(calls)
        self.memory, self.graphs = memory, ""

    def __str__(self):
        text = f"{super().__str__()}, {self.memory:,} bytes of results, gradients and intermediate values"
        return f"{text}; {self.graphs}" if self.graphs else text

    __repr__ = __str__


__all__ = ["capture"]
