"""Hooks of modules: their handles, and how the gradients of a module's inputs and outputs are met."""

from __future__ import annotations

import itertools

from ..autograd import Function
from ..tensor import Tensor


class Handle:
    """What a register_*_hook returns: remove() takes the hook away, leaving a `with` block does so too."""

    _ids = itertools.count()

    def __init__(self, hooks):
        self.hooks, self.id = hooks, next(Handle._ids)

    def remove(self):
        self.hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


class BeforeBackward:
    """A hook that wants the gradients of the outputs only."""

    def __init__(self, hook):
        self.hook = hook


class BackwardWatch:
    """One call of a module with backward hooks: its inputs and outputs pass through identities that look at gradients."""

    def __init__(self, module, hooks):
        self.module, self.hooks, self.grad_output = module, hooks, None

    def inputs(self, args):
        self.unwatched = None if any(isinstance(v, Tensor) and v.requires_grad for v in args) else (None,) * len(args)

        def seen(*grads):
            grads = tuple(grads)
            for hook in self.hooks:
                if not isinstance(hook, BeforeBackward):
                    grads = _replaced(hook(self.module, grads, self.grad_output), grads)
            return grads

        return _through(args, seen)

    def outputs(self, result):
        several = isinstance(result, (tuple, list))

        def seen(*grads):
            grads = tuple(grads)
            for hook in self.hooks:
                if isinstance(hook, BeforeBackward):
                    grads = _replaced(hook.hook(self.module, grads), grads)
            self.grad_output = grads
            if self.unwatched is not None:  # no input has a gradient: this is all that the hooks will see
                for hook in self.hooks:
                    if not isinstance(hook, BeforeBackward):
                        hook(self.module, self.unwatched, grads)
            return grads

        out = _through(tuple(result) if several else (result,), seen)
        return type(result)(out) if several else out[0]


def _replaced(new, grads):
    return grads if new is None else new if isinstance(new, tuple) else (new,)


def _through(values, seen):
    """values, the tensors among them behind an identity whose backward calls seen(*gradients, None where there is none)."""

    class Watched(Function):
        @staticmethod
        def forward(ctx, *args):
            return args

        @staticmethod
        def backward(ctx, *grads):
            return seen(*grads)

    if not any(isinstance(v, Tensor) and v.requires_grad for v in values):
        return values
    return Watched.apply(*values)
