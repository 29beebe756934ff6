"""Step sizes from a history of squared gradients: RMSprop, Adagrad, Adadelta."""

from __future__ import annotations

from ..ops import optimizer as rules
from .grouped import Grouped, at_least_0

__all__ = ["RMSprop", "Adagrad", "Adadelta"]


class RMSprop(Grouped):
    """v ← running mean of g²;  p ← p - lr g / (√v + eps). centered: the variance in place of v (Tieleman & Hinton 2012)."""

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, capturable=False, foreach=None,
                 maximize=False, differentiable=False, *, proximal_l1=0.0):  # fmt: skip
        defaults = dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered, weight_decay=weight_decay, capturable=capturable,
                        foreach=foreach, maximize=maximize, differentiable=differentiable)  # fmt: skip
        super().__init__(params, defaults, proximal_l1)

    def _check(self, group):
        super()._check(group)
        at_least_0(group, eps="epsilon value", momentum="momentum value", alpha="alpha value")

    def update(self, group, params, grads):
        steps, squares = self.counts(params), self.slots(params, "square_avg")
        buffers = self.slots(params, "momentum_buffer") if group["momentum"] > 0 else []
        means = self.slots(params, "grad_avg") if group["centered"] else []
        options = {k: group[k] for k in ("alpha", "eps", "weight_decay", "momentum", "maximize")}
        rules.rmsprop(params, squares, means, buffers, steps, grads, group.rate, **options)


class Adagrad(Grouped):
    """p ← p - lr g / (√Σg² + eps), the sum over all steps; lr shrinks as 1 / (1 + step · lr_decay) (Duchi et al. 2011)."""

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, foreach=None, *, maximize=False,
                 differentiable=False, fused=None, proximal_l1=0.0):  # fmt: skip
        defaults = dict(lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value,
                        foreach=foreach, maximize=maximize, differentiable=differentiable, fused=fused)  # fmt: skip
        super().__init__(params, defaults, proximal_l1)

    def _check(self, group):
        super()._check(group)
        at_least_0(group, lr_decay="lr_decay value", initial_accumulator_value="initial_accumulator_value value",
                   eps="epsilon value")  # fmt: skip

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        group = self.param_groups[-1]  # PyTorch makes the state at once, and so state dicts have it before any step
        self.counts(group["params"])
        self.slots(group["params"], "sum", group["initial_accumulator_value"])

    def check_rows(self, group):
        if group["weight_decay"]:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")

    def update_rows(self, group, p, g):
        g, (sums,), (step,) = g.coalesce(), self.slots([p], "sum", group["initial_accumulator_value"]), self.counts([p])
        rows, values = g.rows(), -g.values() if group["maximize"] else g.values()
        step.add_(1)
        rate = (group.rate / (1 + (step - 1) * group["lr_decay"])).to(p.dtype)
        total = sums[rows] + values.square()
        sums.index_copy_(0, rows, total)
        p.index_add_(0, rows, -rate * values / (total.sqrt() + group["eps"]))

    def update(self, group, params, grads):
        sums = self.slots(params, "sum", group["initial_accumulator_value"])
        options = {k: group[k] for k in ("lr_decay", "eps", "weight_decay", "maximize")}
        rules.adagrad(params, sums, self.counts(params), grads, group.rate, **options)


class Adadelta(Grouped):
    """The step is g · RMS(past steps) / RMS(gradients), which needs no learning rate (Zeiler 2012)."""

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, capturable=False, maximize=False,
                 differentiable=False, proximal_l1=0.0):  # fmt: skip
        defaults = dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize, capturable=capturable, foreach=foreach,
                        differentiable=differentiable)  # fmt: skip
        super().__init__(params, defaults, proximal_l1)

    def _check(self, group):
        super()._check(group)
        at_least_0(group, eps="epsilon value")
        if not 0.0 <= group["rho"] <= 1.0:
            raise ValueError(f"Invalid rho value: {group['rho']}")

    def update(self, group, params, grads):
        steps, squares, deltas = self.counts(params), self.slots(params, "square_avg"), self.slots(params, "acc_delta")
        options = {k: group[k] for k in ("rho", "eps", "weight_decay", "maximize")}
        rules.adadelta(params, squares, deltas, steps, grads, group.rate, **options)
