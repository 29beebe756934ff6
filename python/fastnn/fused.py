"""Ops whose kernels compute what a composition of differentiable ops says: fast to the first derivative, exact to every other."""

from __future__ import annotations

from .autodiff import Op, grad
from .grad_mode import enable_grad, is_grad_enabled
from .tangent import push


class Fused(Op):
    """An op with a kernel for its value and one (`joint`) for all its gradients at once.

    `composition(*args, **params)` is the same value (the first, where there are several) written with ops. Where a graph of
    the gradient is wanted, and in forward mode, it is what is differentiated: so every order exists in both modes.
    """

    def __init__(self, forward, composition, saves=None):
        super().__init__(forward, saves)
        self.composition = composition

    def gradients(self, g, y, args, params, needs):
        if not is_grad_enabled():
            return self.joint_rule(g, y, *args, needs=needs, **params)
        own, y = self._composed(args, params, needs)
        wanted = [a for a, need in zip(own, needs, strict=True) if need]
        found = iter(grad(y, wanted, g, create_graph=True, materialize_grads=True))
        return [next(found) if need else None for need in needs]

    def tangent(self, y, args, params, ts):
        moving = [t is not None for t in ts]
        with enable_grad():
            own, y = self._composed(args, params, moving)
        return push([y], [a for a, m in zip(own, moving, strict=True) if m], [t for t in ts if t is not None])[0]

    def _composed(self, args, params, chosen):
        # Aliases: only this op's own arguments count, not what they may have to do with each other.
        own = [a.reshape(a._shape) if c else a for a, c in zip(args, chosen, strict=True)]
        return own, self.composition(*own, **params)


def fused(composition, saves=None):
    """Decorator: the `Fused` op of a forward function and its composition."""
    return lambda forward: Fused(forward, composition, saves)
