"""Where PyTorch keeps what lives in another file here: `from fastnn.optim.adamw import AdamW` finds it."""

from __future__ import annotations

import sys
from operator import attrgetter

from . import amp, autograd, cuda, grad_mode, nn, optim, profiler, utils

_ADDRESSES = {
    "amp.autocast_mode": amp, "amp.grad_scaler": amp, "cuda.amp.autocast_mode": cuda.amp, "cuda.amp.grad_scaler": cuda.amp,
    "autograd.anomaly_mode": autograd, "autograd.grad_mode": grad_mode, "autograd.profiler": profiler, "autograd.variable": autograd,
    "nn.parallel.data_parallel": nn.parallel, "nn.parallel.distributed": nn.parallel,
    "nn.utils.spectral_norm": nn.utils.normalization, "nn.utils.weight_norm": nn.utils.normalization,
    "optim.adadelta": optim.rmsprop, "optim.adagrad": optim.rmsprop, "optim.adamax": optim.adam, "optim.adamw": optim.adam,
    "optim.asgd": optim.composed, "optim.nadam": optim.adam, "optim.radam": optim.composed, "optim.rprop": optim.composed,
    "optim.sparse_adam": optim.adam,
    "utils.data._utils": utils.data.loader, "utils.data._utils.collate": utils.data.loader, "utils.hooks": nn.hooks,
}  # fmt: skip

_fastnn = sys.modules[__package__]
for _address, _module in _ADDRESSES.items():
    sys.modules[f"{__package__}.{_address}"] = _module
    _parent, _, _name = _address.rpartition(".")
    vars(attrgetter(_parent)(_fastnn)).setdefault(_name, _module)
