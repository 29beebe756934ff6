"""Hooks of complex tensors: both parts have gradients of their own, which reach a hook as one."""

from __future__ import annotations

import weakref

from ..autodiff import accumulate, after_pass, no_grad, record
from ..inplace import before_change, take_over
from ..tensor import Handle, Tensor, zeros, zeros_like
from .tensor import ComplexTensor, as_complex, of_whole, parts


def _hooked(hooks, g):
    for hook in list(hooks.values()):
        new = hook(g)
        if new is not None and not isinstance(new, Tensor):
            raise TypeError(f"expected a Tensor, but hook returned '{type(new).__name__}'")
        g = g if new is None else as_complex(new)
    return g


class _Meeting:
    """In the place of an op: an identity that both parts of a result come through."""

    saved = ()
    name = "hooks"

    def __init__(self):
        self.hooks, self.retains = {}, lambda: None

    def gradients(self, g, y, args, params, needs):
        g = parts(_hooked(self.hooks, of_whole(g)))
        z = self.retains()
        for part, each in zip(() if z is None else parts(z), g, strict=False):
            accumulate(part, each)
        return g


class _Leaf:
    """The hooks of a leaf: what its parts' gradients are, they find out when all others are known, at the end of the pass."""

    def __init__(self, z):
        self.of, self.hooks, self.after, self.halves, self.left = weakref.ref(z), {}, {}, {}, 0
        for i, part in enumerate(parts(z)):
            part.register_hook(lambda g, i=i: self.half(i, g))

    def half(self, i, g):
        """Nothing, for the time being, in place of a part's gradient."""
        if self.of() is None:
            return g
        if not self.halves:
            self.adds = after_pass(self.finish)
        self.halves[i] = g, zeros_like(g)
        return self.halves[i][1]

    def finish(self, complete):
        halves, self.halves, z = self.halves, {}, self.of()
        if not complete:
            return
        given = [halves[i][0] if i in halves else zeros_like(part) for i, part in enumerate(parts(z))]
        self.left = len(halves)
        for i, (part, g) in enumerate(zip(parts(z), parts(_hooked(self.hooks, ComplexTensor(*given))), strict=True)):
            if self.adds:
                accumulate(part, g)
            elif i in halves:
                halves[i][1].copy_(g)

    def added(self, part):
        """After a part's gradient has been added to its `.grad`."""
        self.left -= 1
        z = self.of()
        if not self.left and z is not None:
            for hook in list(self.after.values()):
                hook(z)


def _leaf(z):
    if not z.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    return z.__dict__.get("_leaf_hooks") or z.__dict__.setdefault("_leaf_hooks", _Leaf(z))


def _meeting(z):
    """The `_Meeting` of z's parts, from now on and for what was computed from them before."""
    known = z.__dict__.get("_meeting")
    if known is None or any(p._node is not node for p, node in zip(parts(z), known[1], strict=True)):
        op, old = _Meeting(), tuple(before_change(p) for p in parts(z))
        with no_grad():
            together = zeros((), dtype=z.real.dtype, device=z.device).expand(*z.shape, 2)  # of which nothing is read
        together = record(together, op, old)
        for i, (part, before) in enumerate(zip(parts(z), old, strict=True)):
            take_over(part, together.select(-1, i)._node, before, written=False)
        z._meeting, z._whole = (op, [p._node for p in parts(z)]), None
    return z._meeting[0]


def register_hook(self, hook):
    """Calls hook(gradient) when this tensor's gradient is known; what it returns (if not None) replaces the gradient."""
    return Handle((_leaf if self.is_leaf else _meeting)(self).hooks, hook)


def register_post_accumulate_grad_hook(self, hook):
    """Calls hook(tensor) after `backward` has added to the `.grad` of this leaf."""
    leaf = _leaf(self)
    if not self.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    if not leaf.after:
        for part in parts(self):
            part.register_post_accumulate_grad_hook(leaf.added)
    return Handle(leaf.after, hook)


def retain_grad(self):
    """Keeps `.grad` of this tensor too, though it is not a leaf: what its hooks have made of it."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if not self.is_leaf:
        _meeting(self).retains = weakref.ref(self)


for _f in (register_hook, register_post_accumulate_grad_hook, retain_grad):
    setattr(ComplexTensor, _f.__name__, _f)
