"""Schedules that multiply the learning rate: decay and warm-up."""

from __future__ import annotations

import math
import types
from bisect import bisect_right
from collections import Counter

from .base import LRScheduler, check_optimizer, per_group

__all__ = [
    "ConstantLR", "CosineAnnealingLR", "ExponentialLR", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR",
    "PolynomialLR", "StepLR",
]  # fmt: skip


class _Functions(LRScheduler):
    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        self.lr_lambdas = per_group(check_optimizer(optimizer), "lr_lambda", lr_lambda)
        super().__init__(optimizer, last_epoch)

    def state_dict(self):
        """The lambdas by what they hold, where they are objects that can be called; None for functions."""
        held = [None if isinstance(f, types.FunctionType) else dict(vars(f)) for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": held}

    def load_state_dict(self, state_dict):
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for f, held in zip(self.lr_lambdas, state_dict.get("lr_lambdas", ()), strict=False):
            if held is not None:
                vars(f).update(held)


class LambdaLR(_Functions):
    """base · lr_lambda(t)"""

    def follow(self, lr, base, i):
        return base * self.lr_lambdas[i](self.last_epoch)


class MultiplicativeLR(_Functions):
    """lr · lr_lambda(t) at every step"""

    def follow(self, lr, base, i):
        return lr if self._is_initial else lr * self.lr_lambdas[i](self.last_epoch)


class StepLR(LRScheduler):
    """· gamma every step_size steps"""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def follow(self, lr, base, i):
        return lr if self.last_epoch == 0 or self.last_epoch % self.step_size else lr * self.gamma

    def closed(self, base, t, i):
        return base * self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """· gamma at each milestone"""

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def follow(self, lr, base, i):
        return lr * self.gamma ** self.milestones[self.last_epoch] if self.last_epoch in self.milestones else lr

    def closed(self, base, t, i):
        return base * self.gamma ** bisect_right(sorted(self.milestones.elements()), t)


class ExponentialLR(LRScheduler):
    """· gamma at every step"""

    def __init__(self, optimizer, gamma, last_epoch=-1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def follow(self, lr, base, i):
        return lr if self._is_initial else lr * self.gamma

    def closed(self, base, t, i):
        return base * self.gamma**t


class ConstantLR(LRScheduler):
    """· factor for total_iters steps: a flat warm-up"""

    def __init__(self, optimizer, factor=1.0 / 3, total_iters=5, last_epoch=-1):
        if not 0 <= factor <= 1.0:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def follow(self, lr, base, i):
        if self.last_epoch == 0:
            return lr * self.factor
        return lr if self.last_epoch != self.total_iters else lr * (1.0 / self.factor)

    def closed(self, base, t, i):
        return base * (self.factor + (t >= self.total_iters) * (1 - self.factor))


class LinearLR(LRScheduler):
    """From base · start_factor to base · end_factor in total_iters equal steps: the usual warm-up"""

    def __init__(self, optimizer, start_factor=1.0 / 3, end_factor=1.0, total_iters=5, last_epoch=-1):
        if not 0 < start_factor <= 1.0:
            raise ValueError("Starting multiplicative factor expected to be greater than 0 and less or equal to 1.")
        if not 0 <= end_factor <= 1.0:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def follow(self, lr, base, i):
        if self.last_epoch == 0:
            return lr * self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return lr
        rise = self.end_factor - self.start_factor
        return lr * (1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise))

    def closed(self, base, t, i):
        share = min(self.total_iters, t) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * share)


class PolynomialLR(LRScheduler):
    """base · (1 - t / total_iters)^power"""

    def __init__(self, optimizer, total_iters=5, power=1.0, last_epoch=-1):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def follow(self, lr, base, i):
        t, n = self.last_epoch, self.total_iters
        return lr if self._is_initial or t > n else lr * ((1.0 - t / n) / (1.0 - (t - 1) / n)) ** self.power

    def closed(self, base, t, i):
        return base * (1.0 - min(self.total_iters, t) / self.total_iters) ** self.power


class CosineAnnealingLR(LRScheduler):
    """eta_min + (base - eta_min) (1 + cos(π t / T_max)) / 2 (Loshchilov & Hutter 2017, without restarts)"""

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def follow(self, lr, base, i):
        t, period = self.last_epoch, self.T_max
        if self._is_initial:
            return lr
        if (t - 1 - period) % (2 * period) == 0:  # the step after a minimum, where the ratio below is 0 / 0
            return lr + (base - self.eta_min) * (1 - math.cos(math.pi / period)) / 2
        ratio = (1 + math.cos(math.pi * t / period)) / (1 + math.cos(math.pi * (t - 1) / period))
        return ratio * (lr - self.eta_min) + self.eta_min

    def closed(self, base, t, i):
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2
