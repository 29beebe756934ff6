"""Hooks of modules: how the gradients of a module's inputs and outputs are met."""

from __future__ import annotations

from ..autograd import Function
from ..tensor import Handle, Tensor

RemovableHandle = Handle  # PyTorch's name

# Hooks of every module, from nn.modules.module's register_module_*_hook.
EVERY_FORWARD_PRE, EVERY_FORWARD, EVERY_BACKWARD = {}, {}, {}


def register_module_forward_pre_hook(hook):
    """hook(module, args) runs before the forward of every module, and may return other arguments."""
    return Handle(EVERY_FORWARD_PRE, hook)


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """hook(module, args, output) runs after the forward of every module, and may return another output."""
    return Handle(EVERY_FORWARD, with_options(hook, with_kwargs, always_call))


def register_module_full_backward_pre_hook(hook):
    """hook(module, grad_output) runs when the gradients of any module's outputs are known, and may replace them."""
    return Handle(EVERY_BACKWARD, BeforeBackward(hook))


def register_module_full_backward_hook(hook):
    """hook(module, grad_input, grad_output) runs when the gradients of any module's inputs are known, and may replace them."""
    return Handle(EVERY_BACKWARD, hook)


class Optioned:
    """A forward hook that is called with more, or more often, than others."""

    def __init__(self, hook, with_kwargs, always_call):
        self.hook, self.with_kwargs, self.always_call = hook, with_kwargs, always_call

    def __call__(self, module, args, kwargs, *result):
        return self.hook(module, args, kwargs, *result) if self.with_kwargs else self.hook(module, args, *result)


def with_options(hook, with_kwargs, always_call=False):
    """hook as it is kept: itself, unless it has options."""
    return Optioned(hook, with_kwargs, always_call) if with_kwargs or always_call else hook


def call(module, args, kwargs):
    """module.forward(*args, **kwargs) with the hooks of the module and those of every module."""
    for hook in (*EVERY_FORWARD_PRE.values(), *module._forward_pre_hooks.values()):
        if isinstance(hook, Optioned):
            changed = hook(module, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}.")
                args, kwargs = changed
        else:
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    backward_hooks = (*EVERY_BACKWARD.values(), *module._backward_hooks.values())
    if backward_hooks:
        watch = BackwardWatch(module, backward_hooks)
        args = watch.inputs(args)
    waiting, result = [*EVERY_FORWARD.values(), *module._forward_hooks.values()], None
    try:
        result = module.forward(*args, **kwargs)
        while waiting:
            hook = waiting.pop(0)
            changed = hook(module, args, kwargs, result) if isinstance(hook, Optioned) else hook(module, args, result)
            if changed is not None:
                result = changed
    except Exception:
        for hook in waiting:
            if isinstance(hook, Optioned) and hook.always_call:
                hook(module, args, kwargs, result)
        raise
    return watch.outputs(result) if backward_hooks else result


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
                    grads = _replaced(hook.hook(self.module, grads), grads, "grad_output")
            self.grad_output = grads
            if self.unwatched is not None:  # no input has a gradient: this is all that the hooks will see
                for hook in self.hooks:
                    if not isinstance(hook, BeforeBackward):
                        hook(self.module, self.unwatched, grads)
            return grads

        out = _through(tuple(result) if several else (result,), seen)
        return type(result)(out) if several else out[0]


def _replaced(new, grads, what="grad_input"):
    if new is None:
        return grads
    new = new if isinstance(new, tuple) else (new,)
    if len(new) != len(grads):
        raise RuntimeError(f"Backward hook returned an invalid number of {what}, got {len(new)}, but expected {len(grads)}")
    return new


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
