"""Optimizers written with tensor operations, parameter by parameter: RAdam, ASGD, Rprop, Adafactor, Muon.

A step costs some 10 to 20 passes over a parameter where the others take one; their formulas are to read here.
"""

from __future__ import annotations

import math

from .. import dtypes
from ..ops.elementwise import lerp, minimum, sign, where
from ..tensor import as_tensor, finfo, ones_like, tensor, zeros
from .grouped import Grouped, at_least_0, below_1

__all__ = ["ASGD", "Adafactor", "Muon", "RAdam", "Rprop"]


class _Composed(Grouped):
    """`update_one(group, p, g, state, step)` changes one parameter; step is a 0-d float64 tensor, 1 at the first call."""

    counted = True

    def update(self, group, params, grads):
        steps = self.counts(params) if self.counted else [None] * len(params)
        for p, g, step in zip(params, grads, steps, strict=True):
            if step is not None:
                step.add_(1)
            g = -g if group.get("maximize") else g
            self.update_one(group, p, g, self.state[p], step)

    def slot(self, p, name, start=0.0):
        return self.slots([p], name, start)[0]


def _to(number, p):
    """A 0-d float64 tensor in the parameter's dtype."""
    return number.to(p.dtype)


class RAdam(_Composed):
    """Adam whose step is scaled by how well the variance of the gradient is known yet (Liu et al. 2020)."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, *, foreach=None,
                 maximize=False, capturable=False, differentiable=False, proximal_l1=0.0):  # fmt: skip
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize, foreach=foreach, capturable=capturable,
                        decoupled_weight_decay=decoupled_weight_decay, differentiable=differentiable)  # fmt: skip
        super().__init__(params, defaults, proximal_l1)

    def _check(self, group):
        super()._check(group)
        at_least_0(group, eps="epsilon value")
        below_1(*group["betas"])

    def update_one(self, group, p, g, state, step):
        beta1, beta2 = group["betas"]
        mean, square = self.slot(p, "exp_avg"), self.slot(p, "exp_avg_sq")
        if group["decoupled_weight_decay"]:
            p.mul_(_to(1 - group.rate * group["weight_decay"], p))
        elif group["weight_decay"]:
            g = g + p * group["weight_decay"]
        mean.lerp_(g, 1 - beta1)
        square.mul_(beta2).add_(g * g * (1 - beta2))
        left = 1 - beta2**step
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / left
        known = length > 5
        safe = where(known, length, 10.0)
        rectified = ((safe - 4) * (safe - 2) * longest / ((longest - 4) * (longest - 2) * safe)).sqrt()
        rate = group.rate / (1 - beta1**step)
        adaptive = _to(rectified * left.sqrt(), p) / (square.sqrt() + group["eps"])
        p.sub_(mean * _to(rate, p) * where(known, adaptive, 1.0))


class ASGD(_Composed):
    """SGD whose iterates are averaged in state[p]["ax"] from step t0 on (Polyak and Juditsky 1992)."""

    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None, maximize=False, differentiable=False,
                 capturable=False, *, proximal_l1=0.0):  # fmt: skip
        defaults = dict(lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
                        differentiable=differentiable, capturable=capturable)  # fmt: skip
        super().__init__(params, defaults, proximal_l1)

    def update_one(self, group, p, g, state, step):
        if "eta" not in state:
            state["eta"], state["mu"] = tensor(float(group["lr"]), dtype=dtypes.float64), tensor(1.0, dtype=dtypes.float64)
        eta, mu, average = state["eta"], state["mu"], self.slot(p, "ax")
        if group["weight_decay"]:
            g = g + p * group["weight_decay"]
        p.mul_(_to(1 - group["lambd"] * eta, p)).sub_(g * _to(eta, p))
        average.lerp_(p, _to(mu, p))
        eta.copy_(group.rate / (1 + group["lambd"] * group.rate * step) ** group["alpha"])
        mu.copy_(1 / (step - group["t0"]).clamp(min=1))


class Rprop(_Composed):
    """Steps of a size of its own for each element, larger while the sign of its gradient stays (Riedmiller and Braun 1993)."""

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False, foreach=None, maximize=False,
                 differentiable=False, proximal_l1=0.0):  # fmt: skip
        defaults = dict(lr=lr, etas=etas, step_sizes=step_sizes, foreach=foreach, maximize=maximize, differentiable=differentiable,
                        capturable=capturable)  # fmt: skip
        super().__init__(params, defaults, proximal_l1)

    def _check(self, group):
        super()._check(group)
        if not 0.0 < group["etas"][0] < 1.0 < group["etas"][1]:
            raise ValueError(f"Invalid eta values: {group['etas'][0]}, {group['etas'][1]}")

    def update_one(self, group, p, g, state, step):
        (shrink, grow), (least, most) = group["etas"], group["step_sizes"]
        previous, size = self.slot(p, "prev"), self.slot(p, "step_size", group["lr"])
        same = g * previous
        size.mul_(where(same > 0, grow, where(same < 0, shrink, ones_like(p)))).clamp_(least, most)
        g = where(same < 0, 0.0, g)
        p.sub_(sign(g) * size)
        previous.copy_(g)


class Adafactor(_Composed):
    """Adam without momentum whose squared gradients are kept as one row and one column a matrix (Shazeer and Stern 2018)."""

    def __init__(self, params, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, *, foreach=None, maximize=False,
                 proximal_l1=0.0):  # fmt: skip
        defaults = dict(lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay, foreach=foreach, maximize=maximize)
        super().__init__(params, defaults, proximal_l1)

    def _check(self, group):
        super()._check(group)
        if group["beta2_decay"] > 0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {group['beta2_decay']}")
        for i, eps in enumerate(group["eps"], 1):
            if eps is not None and not eps >= 0:
                raise ValueError(f"epsilon{i} should be >= 0 but is: {eps}")
        if group["d"] < 1:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {group['d']}")

    def update_one(self, group, p, g, state, step):
        tiny = group["eps"][0] if group["eps"][0] is not None else finfo(p.dtype).eps
        fresh = _to(step ** group["beta2_decay"], p)
        rate = minimum(group.rate, step**-0.5)
        scale = _to(rate, p) * (p.norm() / math.sqrt(p.numel())).clamp(min=group["eps"][1])
        if group["weight_decay"]:
            p.mul_(_to(1 - group.rate * group["weight_decay"], p))
        squares = g * g
        if g.ndim > 1:
            for name, dim in (("row_var", -1), ("col_var", -2)):
                now = squares.mean(dim, keepdim=True)
                if name not in state:
                    state[name] = zeros(now.shape, dtype=p.dtype)
                state[name].lerp_(now, fresh)
            row, column = state["row_var"], state["col_var"]
            estimate = row @ column / row.mean(-2, keepdim=True).clamp(min=tiny)
        else:
            estimate = self.slot(p, "variance")
            estimate.lerp_(squares, fresh)
        update = estimate.clamp(min=tiny * tiny).rsqrt() * g
        p.sub_(update * (scale / (update.norm() / (math.sqrt(p.numel()) * group["d"])).clamp(min=1)))

    def _adopt(self, name, value, param):
        if name in ("row_var", "col_var"):
            return as_tensor(value).detach().to(dtype=param.dtype).clone()
        return super()._adopt(name, value, param)


class Muon(_Composed):
    """Matrices moved by the nearest orthogonal matrix to their momentum, found by five Newton-Schulz steps (Jordan et al. 2024)."""

    counted = False

    def __init__(self, params, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True, ns_coefficients=(3.4445, -4.775, 2.0315), eps=1e-7,
                 ns_steps=5, adjust_lr_fn=None, *, proximal_l1=0.0):  # fmt: skip
        defaults = dict(lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, ns_coefficients=ns_coefficients, eps=eps,
                        ns_steps=ns_steps, adjust_lr_fn=adjust_lr_fn)  # fmt: skip
        super().__init__(params, defaults, proximal_l1)

    def _check(self, group):
        super()._check(group)
        at_least_0(group, momentum="momentum value")
        if group["adjust_lr_fn"] not in (None, "original", "match_rms_adamw", "spectral_unclamped"):
            raise ValueError(f"Adjust learning rate function {group['adjust_lr_fn']} is not supported")
        for p in group["params"]:
            if p.ndim != 2:
                raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}")

    def update_one(self, group, p, g, state, step):
        momentum = self.slot(p, "momentum_buffer")
        momentum.lerp_(g, 1 - group["momentum"])
        update = lerp(g, momentum, group["momentum"]) if group["nesterov"] else momentum
        a, b, c = group["ns_coefficients"]
        x = update.T if p.shape[0] > p.shape[1] else update
        x = x / x.norm().clamp(min=group["eps"])
        for _ in range(group["ns_steps"]):
            gram = x @ x.T
            x = a * x + (b * gram + c * (gram @ gram)) @ x
        x = x.T if p.shape[0] > p.shape[1] else x
        rows, columns = p.shape
        adjust = group["adjust_lr_fn"]
        if adjust == "match_rms_adamw":
            scale = 0.2 * math.sqrt(max(rows, columns))
        else:
            scale = math.sqrt(rows / columns if adjust == "spectral_unclamped" else max(1, rows / columns))
        p.mul_(_to(1 - group.rate * group["weight_decay"], p)).sub_(x * _to(group.rate * scale, p))
