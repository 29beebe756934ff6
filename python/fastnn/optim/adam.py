"""Adam and its relatives: running means of the gradient and of its square."""

from __future__ import annotations

from ..ops import optimizer as rules
from .grouped import Grouped, at_least_0, below_1

__all__ = ["Adam", "AdamW", "NAdam", "Adamax", "SparseAdam"]


class _AdamLike(Grouped):
    def _check(self, group):
        super()._check(group)
        at_least_0(group, eps="epsilon value", momentum_decay="momentum_decay value")
        below_1(*group["betas"])

    def _options(self, group):
        beta1, beta2 = group["betas"]
        return dict(beta1=beta1, beta2=beta2, eps=group["eps"], weight_decay=group["weight_decay"],
                    maximize=group["maximize"])  # fmt: skip


class Adam(_AdamLike):
    """m, v ← running means of g, g²;  p ← p - lr m̂ / (√v̂ + eps), hats: corrected for starting at 0.

    Kingma & Ba 2015. amsgrad divides by the largest v so far. decoupled_weight_decay makes it AdamW.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None, maximize=False,
                 capturable=False, differentiable=False, fused=None, decoupled_weight_decay=False, proximal_l1=0.0):  # fmt: skip
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize, foreach=foreach,
                        capturable=capturable, differentiable=differentiable, fused=fused,
                        decoupled_weight_decay=decoupled_weight_decay)  # fmt: skip
        super().__init__(params, defaults, proximal_l1)

    def update(self, group, params, grads):
        steps, means, squares = self.counts(params), self.slots(params, "exp_avg"), self.slots(params, "exp_avg_sq")
        largest = self.slots(params, "max_exp_avg_sq") if group["amsgrad"] else []
        rules.adam(params, means, squares, largest, steps, grads, group.rate,
                   decoupled=group["decoupled_weight_decay"], **self._options(group))  # fmt: skip


class AdamW(Adam):
    """Adam with weight decay on the parameter, p ← p - lr weight_decay p, not on the gradient (Loshchilov & Hutter 2019)."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False, foreach=None,
                 capturable=False, differentiable=False, fused=None, proximal_l1=0.0):  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
                         differentiable=differentiable, fused=fused, decoupled_weight_decay=True, proximal_l1=proximal_l1)  # fmt: skip


class NAdam(_AdamLike):
    """Adam that looks ahead as Nesterov momentum does (Dozat 2016)."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3, decoupled_weight_decay=False, *,
                 foreach=None, maximize=False, capturable=False, differentiable=False, proximal_l1=0.0):  # fmt: skip
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
                        decoupled_weight_decay=decoupled_weight_decay, maximize=maximize, foreach=foreach, capturable=capturable,
                        differentiable=differentiable)  # fmt: skip
        super().__init__(params, defaults, proximal_l1)

    def update(self, group, params, grads):
        steps, products = self.counts(params), self.counts(params, "mu_product", start=1.0)
        means, squares = self.slots(params, "exp_avg"), self.slots(params, "exp_avg_sq")
        rules.nadam(params, means, squares, products, steps, grads, group.rate,
                    momentum_decay=group["momentum_decay"], decoupled=group["decoupled_weight_decay"],
                    **self._options(group))  # fmt: skip


class Adamax(_AdamLike):
    """Adam with the largest decayed |g| in place of √v (Kingma & Ba 2015, section 7)."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *, maximize=False, differentiable=False,
                 capturable=False, proximal_l1=0.0):  # fmt: skip
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
                        differentiable=differentiable, capturable=capturable)  # fmt: skip
        super().__init__(params, defaults, proximal_l1)

    def update(self, group, params, grads):
        steps, means, norms = self.counts(params), self.slots(params, "exp_avg"), self.slots(params, "exp_inf")
        rules.adamax(params, means, norms, steps, grads, group.rate, **self._options(group))


class SparseAdam(_AdamLike):
    """Adam for gradients of rows (nn.Embedding(sparse=True)): the means of rows that are not looked up stay as they are."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False, *, proximal_l1=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, maximize=maximize), proximal_l1)

    def check_rows(self, group):
        pass

    def update_rows(self, group, p, g):
        g, beta1, beta2 = g.coalesce(), *group["betas"]
        rows, values = g.rows(), -g.values() if group["maximize"] else g.values()
        (means,), (squares,), (step,) = self.slots([p], "exp_avg"), self.slots([p], "exp_avg_sq"), self.counts([p])
        step.add_(1)
        mean = means[rows] * beta1 + values * (1 - beta1)
        square = squares[rows] * beta2 + values.square() * (1 - beta2)
        means.index_copy_(0, rows, mean)
        squares.index_copy_(0, rows, square)
        rate = (group.rate * (1 - beta2**step).sqrt() / (1 - beta1**step)).to(p.dtype)
        p.index_add_(0, rows, -rate * mean / (square.sqrt() + group["eps"]))

    def update(self, group, params, grads):
        raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
