"""Averages of a model's weights over training: AveragedModel (SWA, EMA), update_bn, SWALR. Izmailov et al., UAI 2018."""

from __future__ import annotations

import copy
import math

from .. import dtypes
from ..autodiff import no_grad
from ..nn.module import Module
from ..tensor import tensor
from .lr_scheduler.base import LRScheduler, per_group

__all__ = [
    "AveragedModel", "SWALR", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip


def _check_decay(decay):
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_swa_avg_fn():
    """f(average, new, n): the mean of n + 1 values, of which average is that of n."""

    @no_grad()
    def mean(averaged_param, model_param, num_averaged):
        return averaged_param + (model_param - averaged_param) / (num_averaged + 1)

    return mean


def get_ema_avg_fn(decay=0.999):
    """f(average, new, n): decay · average + (1 - decay) · new."""
    _check_decay(decay)

    @no_grad()
    def mean(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return mean


def _over_lists(mean):
    @no_grad()
    def update(averaged, current, num_averaged):
        for a, c in zip(averaged, current, strict=True):
            a.copy_(mean(a, c, num_averaged) if a.is_floating_point() or a.is_complex() else c)

    return update


def get_swa_multi_avg_fn():
    """`get_swa_avg_fn` of lists, in place."""
    return _over_lists(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay=0.999):
    """`get_ema_avg_fn` of lists, in place."""
    return _over_lists(get_ema_avg_fn(decay))


class AveragedModel(Module):
    """A copy of model whose parameters are averages of those that model has at each `update_parameters`.

    avg_fn(average, new, n), or multi_avg_fn of lists in place, says which; the plain mean if neither is given. use_buffers: buffers
    are averaged too, else they are copied.
    """

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", tensor(0, dtype=dtypes.int64))
        self.use_buffers = use_buffers
        self.avg_fn, self.multi_avg_fn = avg_fn, multi_avg_fn

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    def _values(self, module):
        return [t.detach() for t in (*module.parameters(), *(module.buffers() if self.use_buffers else ()))]

    @no_grad()
    def update_parameters(self, model):
        """Takes model's parameters into the average."""
        mine, theirs, n = self._values(self.module), self._values(model), int(self.n_averaged)
        if not n:
            for a, b in zip(mine, theirs, strict=True):
                a.copy_(b)
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(mine, theirs, self.n_averaged)
        else:
            _over_lists(self.avg_fn or get_swa_avg_fn())(mine, theirs, n)
        if not self.use_buffers:
            for a, b in zip(self.module.buffers(), model.buffers(), strict=True):
                a.copy_(b)
        self.n_averaged.add_(1)


@no_grad()
def update_bn(loader, model, device=None):
    """Sets the running statistics of batch norms in model to those of the batches of loader, one pass over it."""
    momenta = {m: m.momentum for m in model.modules() if hasattr(m, "num_batches_tracked") and m.running_mean is not None}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for m in momenta:
        m.reset_running_stats()
        m.momentum = None  # the mean over all batches
    for batch in loader:
        model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    for m, momentum in momenta.items():
        m.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the present rate to swa_lr in anneal_epochs steps, along a cosine or a line, and constant from there on."""

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for group, lr in zip(optimizer.param_groups, per_group(optimizer, "swa_lr", swa_lr), strict=True):
            group["swa_lr"] = lr
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _share(self, step):
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def follow(self, lr, base, i):
        step = self.last_epoch if self.anneal_epochs else max(1, self.last_epoch)
        goal, before, now = self.optimizer.param_groups[i]["swa_lr"], self._share(step - 1), self._share(step)
        start = goal if before == 1 else (lr - before * goal) / (1 - before)
        return goal * now + start * (1 - now)
