# Deterministic: prints the same under both. Every optimizer for a few steps, what it prints; averages of weights; schedules.
import collections
import copy
import math
import os
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


def fix(m):
    with torch.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_((torch.arange(p.numel(), dtype=p.dtype) * 0.7 + i).sin().reshape(p.shape) * 0.3)
    return m


def show(*ts):
    for t in ts:
        if isinstance(t, (tuple, list)):
            show(*t)
            continue
        d = t.detach().double()
        print(tuple(t.shape), t.dtype, [round(float(v), 2) + 0.0 for v in (d.sum(), d.abs().max() if d.numel() else d.sum())])


def data(*s, k=0.37):
    return (torch.arange(math.prod(s), dtype=torch.float32) * k + 0.1).sin().reshape(s)


def datad(*s, k=0.37):
    return (torch.arange(math.prod(s), dtype=torch.float64) * k + 0.1).sin().reshape(s)


# -- optimizers
for name, kw in (("SGD", dict(lr=.1, momentum=.9, nesterov=True, weight_decay=1e-3)), ("Adam", dict(amsgrad=True)), ("AdamW", dict(lr=.01)), ("RMSprop", dict(centered=True, momentum=.5)), ("Adagrad", dict(lr=.1)), ("Adadelta", {}), ("Adamax", {}), ("NAdam", {}), ("RAdam", {}), ("ASGD", {}), ("Rprop", {}), ("RAdam", dict(weight_decay=.01, decoupled_weight_decay=True)), ("Adafactor", {}), ("ASGD", dict(weight_decay=.1, t0=2)), ("Rprop", dict(lr=.1, maximize=True))):
    w = data(3, 2).requires_grad_(); o = getattr(optim, name)([w], **kw)
    for i in range(8): o.zero_grad(); ((w - 1) ** 2).sum().backward(); o.step()
    print(name); show(w); print(o)
m = fix(nn.Linear(4, 4, bias=False)); o = optim.Muon(m.parameters(), lr=.1); m(data(2, 4)).pow(2).sum().backward(); o.step(); print(tuple((m.weight * 100).round().shape))
o = optim.SGD([{"params": [torch.zeros(1, requires_grad=True)]}, {"params": [torch.zeros(1, requires_grad=True)], "lr": .5}], lr=.1, momentum=.9); print(o, o.param_groups[1]["lr"]); o.add_param_group({"params": [torch.zeros(2, requires_grad=True)]}); print(len(o.param_groups))
for bad in (lambda: optim.SGD([torch.zeros(1, requires_grad=True)], lr=-1), lambda: optim.Adam([]), lambda: optim.Adam([torch.zeros(1, requires_grad=True)], betas=(1.5, .9)), lambda: optim.Adam([torch.zeros(1) * torch.ones(1, requires_grad=True)])):
    try: bad(); print("ok")
    except Exception as e: print(type(e).__name__, e)
# -- ema swa
from torch.optim.swa_utils import AveragedModel, SWALR, update_bn, get_ema_multi_avg_fn
m = fix(nn.Linear(2, 2)); s = AveragedModel(m); e = AveragedModel(m, multi_avg_fn=get_ema_multi_avg_fn(.9)); o = optim.SGD(m.parameters(), lr=.1); sw = SWALR(o, swa_lr=.05)
for i in range(4): m(data(3, 2)).pow(2).sum().backward(); o.step(); o.zero_grad(); s.update_parameters(m); e.update_parameters(m); sw.step()
show(s.module.weight, e.module.weight); print(sw.get_last_lr(), s.n_averaged, [k for k in s.state_dict()])
# -- schedulers
import torch.optim.lr_scheduler as LS
for mk in (lambda o: LS.LambdaLR(o, lambda e: .9 ** e), lambda o: LS.MultiplicativeLR(o, lambda e: .9), lambda o: LS.CosineAnnealingWarmRestarts(o, 3, 2), lambda o: LS.CyclicLR(o, .01, .1, 2, cycle_momentum=False), lambda o: LS.OneCycleLR(o, .5, total_steps=10), lambda o: LS.PolynomialLR(o, 4), lambda o: LS.LinearLR(o), lambda o: LS.ConstantLR(o), lambda o: LS.SequentialLR(o, [LS.ConstantLR(o, .1, 2), LS.ExponentialLR(o, .9)], [2]), lambda o: LS.ChainedScheduler([LS.ConstantLR(o, .1, 2), LS.ExponentialLR(o, .9)]), lambda o: LS.MultiStepLR(o, [2, 4]), lambda o: LS.CosineAnnealingLR(o, 5)):
    o = optim.SGD([torch.zeros(1, requires_grad=True)], lr=.1); s = mk(o); l = []
    for i in range(8): o.step(); s.step(); l.append(round(o.param_groups[0]["lr"], 5))
    print(type(s).__name__, l, s.last_epoch if hasattr(s, "last_epoch") else "")
o = optim.SGD([torch.zeros(1, requires_grad=True)], lr=.1); s = LS.ReduceLROnPlateau(o, "min", patience=1, factor=.5); [s.step(v) for v in (1, 1, 1, 1, .5, .5, .5, .5)]; print(o.param_groups[0]["lr"], s.num_bad_epochs, s.best, s.get_last_lr()); print(sorted(s.state_dict()))
