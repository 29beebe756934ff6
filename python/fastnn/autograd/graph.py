"""`fastnn.autograd.graph`: hooks of what is kept for backward."""

from __future__ import annotations

import functools
import threading

from .. import _cpu, autodiff
from ..autodiff import Array, record
from ..grad_mode import is_grad_enabled, no_grad
from ..graph_nodes import Node

__all__ = ["Node", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks"]


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """Calls fn once a backward pass: with the gradients of all the tensors (None where it has not come by), after the pass; or
    (mode="any") with the first of them that is known. The handle's `remove()` ends it."""
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    grads = {}

    def keep(i, g):
        if not grads:
            autodiff.after_pass(done)
            if mode == "any":
                fn(g)
        grads[i] = g

    def done(complete):
        found = [grads.get(i) for i in range(len(handles))]
        grads.clear()
        if complete and mode == "all":
            fn(found)

    handles = [t.register_hook(functools.partial(keep, i)) for i, t in enumerate(tensors)]
    return _Handles(handles)


class _Handles:
    def __init__(self, handles):
        self._handles = handles

    def remove(self):
        for handle in self._handles:
            handle.remove()


_thread = threading.local()


def _use(hooks):
    """Makes these hooks (or None) the thread's, and returns those before."""
    before, _thread.hooks = saved_tensors_hooks.active(), hooks
    _cpu.set_saving(None if hooks is None else hooks._remember)
    return before


class saved_tensors_hooks:
    """Within the block, every value that a derivative will read goes through pack_hook(tensor), whose result is kept, and comes
    back at backward as what unpack_hook makes of it. The innermost block counts.

    An op's arguments are the graph here, so they stay in memory besides: hooks change what a derivative reads, and save no memory.
    TypeError at backward where unpack_hook does not return a tensor.
    """

    def __init__(self, pack_hook, unpack_hook):
        if not callable(pack_hook) or not callable(unpack_hook):
            raise TypeError("saved_tensors_hooks: pack_hook and unpack_hook must be functions")
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    @staticmethod
    def active():
        """The innermost block of this thread, or None."""
        return getattr(_thread, "hooks", None)

    def __enter__(self):
        self._before = _use(self)

    def __exit__(self, *exc):
        _use(self._before)

    def packed(self, t):
        before = _use(None)
        try:
            with no_grad():
                return _Packed(self.pack_hook(t.detach()))
        finally:
            _use(before)

    def unpacked(self, packed, of):
        """What unpack_hook makes of it, with the history of the tensor that was packed."""
        t = self.unpack_hook(packed.value)
        if not isinstance(t, Array):
            raise TypeError(f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(t).__name__}")
        return record(t.detach(), _Same(), (of,)) if is_grad_enabled() and of.requires_grad else t

    def _remember(self, op, args, y):
        positions = range(-1, len(args)) if op.saved is None else op.saved
        values = {i: y if i < 0 else args[i] for i in positions if i < len(args)}
        packed = {i: self.packed(t) for i, t in values.items() if isinstance(t, Array)}
        return _Hooked(op, self, packed) if packed else op


class _Packed:
    """What pack_hook has returned."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class _Same:
    """The identity: gives an unpacked value the history of the tensor that was packed."""

    saved = ()
    name = "unpack"

    def gradients(self, g, y, args, params, needs):
        return [g]

    def tangent(self, y, args, params, ts):
        return ts[0]


class _Hooked:
    """An op whose rules read values from the hooks. All else is the op's."""

    saved = ()

    def __init__(self, op, hooks, packed):
        self.op, self.hooks, self.packed = op, hooks, packed

    def __getattr__(self, name):
        return getattr(self.op, name)

    def gradients(self, g, y, args, params, needs):
        outputs = y if isinstance(y, tuple) else (y,)
        args, first = list(args), outputs[0]
        for i, value in self.packed.items():
            if i < 0:
                first = self.hooks.unpacked(value, first)
            else:
                args[i] = self.hooks.unpacked(value, args[i])
        y = (first, *outputs[1:]) if isinstance(y, tuple) else first
        return self.op.gradients(g, y, tuple(args), params, needs)


class save_on_cpu(saved_tensors_hooks):
    """Keeps what derivatives will read on the CPU, and brings it back to its device. pin_memory and device_type are accepted."""

    def __init__(self, pin_memory=False, device_type="cuda"):
        super().__init__(lambda t: (t.device, t.to("cpu")), lambda kept: kept[1].to(kept[0]))
