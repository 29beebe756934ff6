"""LRScheduler: what all schedules share.

Most schedules are given twice, as in PyTorch. `follow` goes from one step to the next: it multiplies whatever the
learning rate is now, so schedules can be chained and the user may change it in between. `closed` is the value at step t
from the initial learning rate; SequentialLR starts a schedule with it.
"""

from __future__ import annotations

import warnings

from ...tensor import Tensor
from ..optimizer import Optimizer

__all__ = ["LRScheduler"]


class LRScheduler:
    """last_epoch: the number of the last step taken; -1 starts anew from the groups' present learning rates.

    A subclass defines follow(lr, base, i) → the learning rate of group i at self.last_epoch, given the present one and
    the initial one, and optionally closed(base, t, i); or, as in PyTorch, get_lr() → the rates of all groups, and optionally
    _get_closed_form_lr(). `self._is_initial` is true while the constructor sets the first value.
    """

    _is_initial = _get_lr_called_within_step = False
    closed = None

    def __init__(self, optimizer, last_epoch=-1):
        self.optimizer = check_optimizer(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with last_epoch >= 0"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._start()

    def _start(self):
        self._step_count, self._is_initial = 0, True
        try:
            self.step()
        finally:
            self._is_initial = False

    def follow(self, lr, base, i):
        raise NotImplementedError

    def step(self, epoch=None):
        """Advance by one, or go to `epoch`."""
        if self._step_count == 1 and not self.optimizer._stepped:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`: call them in the opposite order, or the first value "
                "of the schedule is skipped.",
                stacklevel=2,
            )
        self._step_count += 1
        self._go(epoch)

    def _go(self, epoch=None):
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._get_lr_called_within_step = True
        try:
            if epoch is not None and hasattr(self, "_get_closed_form_lr"):
                rates = self._get_closed_form_lr()
            elif epoch is not None and self.closed is not None:
                rates = [self.closed(base, self.last_epoch, i) for i, base in enumerate(self.base_lrs)]
            else:
                rates = self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._write(rates)

    def get_lr(self):
        """The learning rate of each group at self.last_epoch; a schedule of the user's own may define this in place of `follow`."""
        if not self._get_lr_called_within_step:
            warnings.warn("To get the last learning rate computed by the scheduler, please use `get_last_lr()`.", stacklevel=2)
        groups = zip(self.optimizer.param_groups, self.base_lrs, strict=True)
        return [self.follow(float(group["lr"]), base, i) for i, (group, base) in enumerate(groups)]

    def _write(self, rates):
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            if isinstance(group["lr"], Tensor):  # a rate given as a tensor stays that tensor
                group["lr"].fill_(float(lr))
                group.write_rate()
            else:
                group["lr"] = lr
        self._last_lr = list(rates)

    def get_last_lr(self):
        """The learning rate of each group."""
        return self._last_lr

    def state_dict(self):
        """Everything but the optimizer and functions."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer" and not callable(v)}

    def load_state_dict(self, state_dict):
        """Takes over a state; functions, which PyTorch's say None for, stay."""
        self.__dict__.update({k: v for k, v in state_dict.items() if v is not None or not callable(self.__dict__.get(k))})


def check_optimizer(optimizer):
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def per_group(optimizer, name, value):
    """A number for every group, or a list of one number each."""
    count = len(optimizer.param_groups)
    if isinstance(value, (list, tuple)):
        if len(value) != count:
            raise ValueError(f"{name} must have the same length as optimizer.param_groups: {count}, got {len(value)}")
        return list(value)
    return [value] * count
