# Deterministic: prints the same under both. Pruning, parametrizations, state dict hooks, autograd functions.
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


# -- pruning
import torch.nn.utils.prune as prune
m = fix(nn.Linear(4, 4)); prune.l1_unstructured(m, "weight", amount=.5); print((m.weight == 0).sum(), [n for n, _ in m.named_parameters()], [n for n, _ in m.named_buffers()]); prune.remove(m, "weight"); prune.random_unstructured(m, "bias", amount=2); print((m.bias == 0).sum()); m2 = fix(nn.Linear(4, 4)); prune.ln_structured(m2, "weight", amount=1, n=2, dim=0); print((m2.weight == 0).all(1)); prune.global_unstructured([(m2, "weight")], pruning_method=prune.L1Unstructured, amount=.7); print((m2.weight == 0).sum()); prune.custom_from_mask(m2, "bias", torch.tensor([1., 0, 1, 0])); show(m2.bias); print(prune.is_pruned(m2))
# -- parametrize
from torch.nn.utils import parametrize
class Sym(nn.Module):
    def forward(self, X): return X.triu() + X.triu(1).transpose(-1, -2)
m = fix(nn.Linear(3, 3)); parametrize.register_parametrization(m, "weight", Sym()); print(torch.allclose(m.weight, m.weight.T), m, [n for n, _ in m.named_parameters()]); parametrize.remove_parametrizations(m, "weight")
o = nn.utils.parametrizations.orthogonal(nn.Linear(3, 3)); print(torch.allclose(o.weight @ o.weight.T, torch.eye(3), atol=1e-4)); nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)); nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3))
# -- autograd function
class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, i): r = i.exp(); ctx.save_for_backward(r); ctx.k = 3; return r
    @staticmethod
    def backward(ctx, g): (r,) = ctx.saved_tensors; return g * r
class STE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, t): ctx.mark_non_differentiable(); return (x > t).float()
    @staticmethod
    def backward(ctx, g): return F.hardtanh(g), None
class Two(torch.autograd.Function):
    @staticmethod
    def forward(x, y): return x * y, x + y
    @staticmethod
    def setup_context(ctx, inputs, output): ctx.save_for_backward(*inputs); ctx.set_materialize_grads(False)
    @staticmethod
    def backward(ctx, a, b): x, y = ctx.saved_tensors; print(ctx.needs_input_grad); return a * y, a * x
class RevGrad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, alpha): ctx.alpha = alpha; return x.view_as(x)
    @staticmethod
    def backward(ctx, g): return g.neg() * ctx.alpha, None
x = data(4).requires_grad_(); Exp.apply(x).sum().backward(); show(x.grad); x.grad = None; STE.apply(x, 0.).sum().backward(); show(x.grad); y = datad(4).requires_grad_(); Two.apply(y, y.detach().clone().requires_grad_())[0].sum().backward(); show(y.grad); RevGrad.apply(y, .5).sum().backward(); show(y.grad); print(torch.autograd.gradcheck(Exp.apply, (datad(3).requires_grad_(),)), Exp.apply(x).grad_fn.__class__.__name__, Exp.apply(x))
