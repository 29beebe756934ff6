# Deterministic: prints the same under both. Convolution and pooling of volumes, windows, sampling at places.
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


# -- conv3d
x = data(2, 4, 5, 6, 7).requires_grad_()
m = fix(nn.Conv3d(4, 6, 3, stride=(1, 2, 1), padding=1)); y = m(x); show(y); y.pow(2).sum().backward(); show(x.grad, m.weight.grad, m.bias.grad); print(m)
m = fix(nn.Conv3d(4, 4, (3, 1, 2), groups=2, dilation=(1, 1, 2), bias=False)); show(m(x)); print(m, m.weight.shape)
m = fix(nn.ConvTranspose3d(4, 3, 3, stride=2, padding=1, output_padding=1)); show(m(x)); print(m)
show(F.conv3d(x, data(2, 4, 3, 3, 3), padding="same"))
# -- pool3d
x = data(2, 3, 6, 7, 8).requires_grad_()
for m in (nn.MaxPool3d(2), nn.MaxPool3d(3, 2, 1), nn.AvgPool3d(2), nn.AvgPool3d((1, 2, 3), stride=2, padding=(0, 1, 1)), nn.AdaptiveAvgPool3d((2, 3, 4)), nn.AdaptiveAvgPool3d(1), nn.AdaptiveMaxPool3d(2)):
    y = m(x); print(m); show(y, torch.autograd.grad((y ** 2).sum(), x)[0])
y, i = F.max_pool3d(x, 2, return_indices=True); show(y, i)
# -- bn3d
x = data(3, 4, 2, 3, 4); m = fix(nn.BatchNorm3d(4)); show(m(x)); print(m); m.eval(); show(m(x)); show(nn.InstanceNorm3d(4)(x)); print(nn.Dropout3d(0.2)); show(nn.GroupNorm(2, 4)(x))
show(F.pad(x, (1, 1, 1, 1, 1, 1), mode="replicate"), F.pad(x, (1, 1, 0, 1, 1, 0), mode="reflect"), F.pad(x, (1, 1, 0, 1, 1, 0), mode="circular"), nn.ConstantPad3d(1, 2.0)(x), nn.ZeroPad3d(1)(x))
show(F.interpolate(x, scale_factor=2), F.interpolate(x, size=(3, 4, 5), mode="trilinear", align_corners=True), F.interpolate(x, size=(3, 4, 5), mode="trilinear"))
# -- video net
net = fix(nn.Sequential(nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(8, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(16, 5)))
opt = optim.Adam(net.parameters(), 1e-2); x = data(2, 3, 4, 8, 8)
for _ in range(3):
    l = F.cross_entropy(net(x), torch.tensor([1, 3])); opt.zero_grad(); l.backward(); opt.step(); print(round(l.item(), 3))
# -- tensor unfold
x = data(4, 7).requires_grad_(); u = x.unfold(1, 3, 2); show(u); print(u.stride(), u.shape, x.unfold(0, 2, 1).shape, torch.arange(5).unfold(0, 2, 1)); show(torch.autograd.grad((u ** 2).sum(), x)[0])
p = data(1, 3, 8, 8).unfold(2, 4, 4).unfold(3, 4, 4); print(p.shape); show(p.permute(0, 2, 3, 1, 4, 5).reshape(4, -1))
