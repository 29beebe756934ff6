"""Stochastic gradient descent."""

from __future__ import annotations

from ..ops import optimizer as rules
from .grouped import Grouped, at_least_0

__all__ = ["SGD"]


class SGD(Grouped):
    """b ← momentum b + (1 - dampening) g;  p ← p - lr b, or p - lr (g + momentum b) with nesterov.

    g is the gradient plus weight_decay · p; maximize climbs. With proximal_l1 it is ISTA, the proximal gradient method
    for an l1 penalty (Daubechies et al. 2004), whose solutions have exact zeros. Of gradients of rows (nn.Embedding(sparse=True))
    only those rows change; with momentum, as of a dense gradient.
    """

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False, foreach=None,
                 differentiable=False, fused=None, proximal_l1=0.0):  # fmt: skip
        defaults = dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov, maximize=maximize,
                        foreach=foreach, differentiable=differentiable, fused=fused)  # fmt: skip
        super().__init__(params, defaults, proximal_l1)

    def _check(self, group):
        super()._check(group)
        at_least_0(group, momentum="momentum value")
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def check_rows(self, group):
        if group["weight_decay"]:
            raise RuntimeError("SGD: weight_decay is not compatible with sparse gradients")

    def update_rows(self, group, p, g):
        if group["momentum"]:  # rows once looked up move on
            return self.update(group, [p], [g.to_dense()])
        rate = group.rate if group["maximize"] else -group.rate
        p.index_add_(0, g.rows(), g.values() * rate.to(p.dtype))

    def update(self, group, params, grads):
        options = {k: group[k] for k in ("momentum", "dampening", "weight_decay", "nesterov", "maximize")}
        if not group["momentum"]:
            return rules.sgd(params, [], grads, group.rate, first=False, **options)
        fresh = [self.state[p].get("momentum_buffer") is None for p in params]
        for first in (True, False):  # parameters may meet their first gradient at different steps
            some = [p for p, f in zip(params, fresh, strict=True) if f == first]
            if some:
                theirs = [g for g, f in zip(grads, fresh, strict=True) if f == first]
                rules.sgd(some, self.slots(some, "momentum_buffer"), theirs, group.rate, first=first, **options)
