"""What a captured step's Python may have acted upon: if any of it changes, the recorded calls are not the step's any more.

Looked at are the modules, optimizers, tensors, numbers and other values that the function reaches through its closure, its globals, the object
it is a method of, and the plain functions among them, and the modules that it called. Compared are identities, and numbers and texts by value.
"""

from __future__ import annotations

import builtins
import dis
import functools
import types

from .autodiff import Array
from .nn.module import Module
from .optim.optimizer import Optimizer
from .parts import flat, is_complex

DEEPEST = 4  # attributes of attributes ...
LARGEST = 256  # entries of a list or dict; of larger ones only the identity counts
MOVING = {"lr", "initial_lr"}  # options of a group: "lr" is read from an array


def names_read(code):
    """(global names, attribute names) that a function and those defined in it read."""
    found = set(), set()
    for i in dis.get_instructions(code):
        if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            found[0].add(i.argval)
        elif i.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            found[1].add(i.argval)
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            for mine, theirs in zip(found, names_read(c), strict=True):
                mine |= theirs
    return found


def ours(value):
    """Whether a value belongs to this package, or to no one: such functions and objects are taken as they are."""
    name = getattr(value, "__module__", None) or ""
    return name.split(".")[0] in ("fastnn", "builtins", "numpy")


def _filled(cell):
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


class Watch:
    """Lists of what `_cpu.Recorded` compares: (label, thing, ...).

    logs: identities of lists and dicts that are left out, because the step itself changes them. options: (group, name, ...) of numbers that
    replays read where they are.
    """

    def __init__(self, fn, modules, logs=(), options=()):
        self.logs, self.containers = set(logs), set()
        self.followed = {}
        for group, name, *_ in options:
            self.followed.setdefault(id(group), set()).add(name)
        self.attributes, known = set(), -1
        while len(self.attributes) > known:  # which attributes count is known when all functions have been seen
            known = len(self.attributes)
            self.dicts, self.lists, self.names, self.cells, self.tensors = [], [], [], [], []
            self._seen = {}
            for m in modules:
                self.look(type(m).__name__, m, 0)
            self.look(getattr(fn, "__name__", "the step"), fn, 0)
        self._before = list(self._state())

    def _state(self):
        """(label, thing, values) of all that is compared by identity."""
        for label, d, moving in self.dicts:
            yield label, d, [v for k, v in d.items() if k not in moving]
        for label, values in self.lists:
            yield label, values, list(values)
        for label, d, name in self.names:
            yield label, d, [d.get(name)]
        for label, cell in self.cells:
            yield label, cell, [cell.cell_contents if _filled(cell) else None]

    def changes(self):
        """What has changed since: (identities of the user's lists and dicts, label of anything else or None)."""
        logs, other = set(self.logs), None
        for (label, thing, before), (_, _, now) in zip(self._before, self._state(), strict=True):
            if len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True)):
                continue
            if id(thing) in self.containers:
                logs.add(id(thing))
            else:
                other = other or label
        return logs, other

    def _new(self, value):
        new = id(value) not in self._seen
        self._seen[id(value)] = value
        return new

    def look(self, label, value, depth):
        if isinstance(value, Array):
            if self._new(value):
                self.tensors.append((label, value))
        elif is_complex(value):
            self._items(label, flat(value), depth)
        elif isinstance(value, Module):
            for name, m in value.named_modules():
                self._module(f"{label}.{name}" if name else label, m)
        elif isinstance(value, Optimizer):
            self._optimizer(label, value)
        elif isinstance(value, types.MethodType):
            self._function(value.__func__, depth)
            self.look(label, value.__self__, depth)
        elif isinstance(value, types.FunctionType):
            self._function(value, depth)
        elif isinstance(value, functools.partial):
            self._items(label, (value.func, *value.args, *value.keywords.values()), depth)
        elif isinstance(value, (list, dict)) and (len(value) > LARGEST or id(value) in self.logs):
            pass
        elif isinstance(value, list):
            if self._new(value):
                self.containers.add(id(value))
                self.lists.append((label, value))
                self._items(label, value, depth)
        elif isinstance(value, tuple):
            self._items(label, value, depth)
        elif isinstance(value, dict):
            if self._new(value) and depth < DEEPEST:
                self.containers.add(id(value))
                self.dicts.append((label, value, ()))
                for k, v in list(value.items()):
                    self.look(f"{label}[{k!r}]", v, depth + 1)
        elif isinstance(getattr(value, "__wrapped__", None), (types.FunctionType, types.MethodType)):  # another captured step
            self.look(label, value.__wrapped__, depth)
        elif not isinstance(value, (type, types.ModuleType)) and not ours(type(value)) and depth < DEEPEST:
            self._object(label, value, depth)

    def _items(self, label, values, depth):
        if depth < DEEPEST:
            for i, v in enumerate(values):
                self.look(f"{label}[{i}]", v, depth + 1)

    def _module(self, label, m):
        if not self._new(m):
            return
        slots = m.__dict__
        self.dicts.append((label, slots, ()))
        for kind in ("_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks", "_backward_hooks"):
            self.dicts.append((label, slots[kind], ()))
        for name, value in (*slots.items(), *m._parameters.items(), *m._buffers.items()):
            if isinstance(value, Array) or is_complex(value):
                self.look(f"{label}.{name}", value, 0)
            elif isinstance(value, list):
                self.look(f"{label}.{name}", value, DEEPEST)

    def _optimizer(self, label, optimizer):
        if not self._new(optimizer):
            return
        self.dicts.append((label, optimizer.__dict__, ()))
        self.lists.append((f"{label}.param_groups", optimizer.param_groups))
        for group in optimizer.param_groups:
            moving = MOVING | self.followed.get(id(group), set()) if ours(type(optimizer)) else ()  # somebody else's may read the number
            self.dicts.append((f"{label}'s options", group, moving))
            self.look(f"{label}'s parameters", group["params"], 0)
        self.dicts.append((f"{label}.state", optimizer.state, ()))
        for state in optimizer.state.values():
            self.dicts.append((f"{label}.state", state, ()))
            for name, value in state.items():
                self.look(f"{label}'s {name}", value, DEEPEST)

    def _function(self, fn, depth):
        if not self._new(fn) or ours(fn):
            return
        global_names, attributes = names_read(fn.__code__)
        self.attributes |= attributes
        for name in sorted(global_names):
            value = fn.__globals__.get(name)
            if isinstance(value, types.ModuleType) or (name not in fn.__globals__ and hasattr(builtins, name)):
                continue
            self.names.append((name, fn.__globals__, name))
            if depth < DEEPEST:
                self.look(name, value, depth + 1)
        for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
            self.cells.append((name, cell))
            if _filled(cell) and depth < DEEPEST:
                self.look(name, cell.cell_contents, depth + 1)
        defaults = (*(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values())
        self._items(fn.__name__, defaults, depth)

    def _object(self, label, value, depth):
        """Attributes of an object of the user's that the functions seen so far read by name, methods among them."""
        slots = getattr(value, "__dict__", None)
        if slots is None or not self._new(value):
            return
        for name in sorted(self.attributes):
            method = getattr(type(value), name, None)
            if isinstance(method, types.FunctionType):
                self._function(method, depth)
        for name in sorted(self.attributes):
            if name in slots:
                self.names.append((f"{label}.{name}", slots, name))
                self.look(f"{label}.{name}", slots[name], depth + 1)


__all__ = ["Watch"]
