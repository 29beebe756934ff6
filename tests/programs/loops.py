# Deterministic: prints the same under both. Training loops: GANs, recurrent nets, attention, reinforcement learning, a differential equation.
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


# -- gan
G = fix(nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 8), nn.Tanh())); D = fix(nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Dropout(0.0), nn.Linear(16, 1), nn.Sigmoid()))
crit = nn.BCELoss(); og = optim.Adam(G.parameters(), lr=2e-2, betas=(0.5, 0.999)); od = optim.Adam(D.parameters(), lr=2e-2, betas=(0.5, 0.999))
for e in range(5):
    real = data(6, 8, k=.11); z = data(6, 4, k=.7 + e)
    od.zero_grad(); lr_ = crit(D(real), torch.ones(6, 1)); fake = G(z); lf = crit(D(fake.detach()), torch.zeros(6, 1)); (lr_ + lf).backward(); od.step()
    og.zero_grad(); lg = crit(D(fake), torch.full((6, 1), 1.0, device=z.device)); lg.backward(); og.step()
    print('[%d] Loss_D: %.3f Loss_G: %.3f' % (e, (lr_ + lf).item(), lg.item()))
# -- wgan-gp
C = fix(nn.Sequential(nn.Linear(3, 8), nn.ELU(), nn.Linear(8, 1))); real, fake = data(5, 3), data(5, 3, k=.9); al = data(5, 1).abs()
x = (al * real + (1 - al) * fake).requires_grad_(True); d = C(x)
g = torch.autograd.grad(outputs=d, inputs=x, grad_outputs=torch.ones(d.size()), create_graph=True, retain_graph=True, only_inputs=True)[0]
gp = ((g.norm(2, dim=1) - 1) ** 2).mean() * 10; gp.backward(); show(C[0].weight.grad); print(gp.grad_fn is not None, round(gp.item(), 4))
# -- DQN
from collections import namedtuple, deque
Tr = namedtuple("Tr", "s a ns r")
net, tgt = fix(nn.Linear(3, 2)), nn.Linear(3, 2); tgt.load_state_dict(net.state_dict()); print(net.state_dict().keys())
mem = [Tr(data(1, 3, k=.1 * i), torch.tensor([[i % 2]]), data(1, 3, k=.2 * i) if i != 2 else None, torch.tensor([float(i)])) for i in range(4)]; b = Tr(*zip(*mem))
mask = torch.tensor(tuple(map(lambda s: s is not None, b.ns)), dtype=torch.bool); nn_ = torch.cat([s for s in b.ns if s is not None]); q = net(torch.cat(b.s)).gather(1, torch.cat(b.a)); nv = torch.zeros(4)
with torch.no_grad(): nv[mask] = tgt(nn_).max(1).values
exp = nv * .9 + torch.cat(b.r); loss = nn.SmoothL1Loss()(q, exp.unsqueeze(1)); loss.backward(); torch.nn.utils.clip_grad_value_(net.parameters(), .1); show(net.weight.grad)
for k, v in net.state_dict().items(): tgt.state_dict()[k].copy_(.5 * v + .5 * tgt.state_dict()[k])
for tp, p in zip(tgt.parameters(), net.parameters()): tp.data.copy_(tp.data * .995 + p.data * .005)
show(tgt.weight)
# -- seq2seq attention
class Enc(nn.Module):
    def __init__(self): super().__init__(); self.e = nn.Embedding(7, 6); self.r = nn.GRU(6, 6, batch_first=True)
    def forward(self, x): return self.r(self.e(x))
class Bahdanau(nn.Module):
    def __init__(self, h): super().__init__(); self.Wa, self.Ua, self.Va = nn.Linear(h, h), nn.Linear(h, h), nn.Linear(h, 1)
    def forward(self, q, k): s = self.Va(torch.tanh(self.Wa(q) + self.Ua(k))).squeeze(2).unsqueeze(1); w = F.softmax(s, dim=-1); return torch.bmm(w, k), w
e, at = fix(Enc()), fix(Bahdanau(6)); o, h = e(torch.tensor([[1, 2, 3], [4, 5, 0]])); c, w = at(h.permute(1, 0, 2), o); show(c, w); _, top = o.topk(1); print(top.squeeze(-1).detach())
# -- nn.Transformer
t = fix(nn.Transformer(8, 2, 1, 1, 16, 0.0, batch_first=True)); s, g = data(2, 5, 8), data(2, 4, 8, k=.9); pad = torch.tensor([[False] * 5, [False] * 3 + [True] * 2]); o = t(s, g, tgt_mask=t.generate_square_subsequent_mask(4), src_key_padding_mask=pad, memory_key_padding_mask=pad, tgt_is_causal=True); show(o); o.sum().backward(); show(t.encoder.layers[0].self_attn.in_proj_weight.grad); t.eval(); show(t(s, g)); print(t.decoder.layers[0])
# -- mha
m = fix(nn.MultiheadAttention(8, 2, kdim=6, vdim=4, batch_first=True, add_bias_kv=True, add_zero_attn=True)); o, w = m(data(2, 3, 8), data(2, 5, 6), data(2, 5, 4)); show(o, w); o, w = m(data(2, 3, 8), data(2, 5, 6), data(2, 5, 4), average_attn_weights=False); show(w); print(m, [k for k in m.state_dict()])
# -- pinn
net = fix(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))); x = data(6, 1).requires_grad_(); t = data(6, 1, k=.2).requires_grad_(); u = net(torch.cat([x, t], 1)); g = lambda o, i: torch.autograd.grad(o, i, torch.ones_like(o), create_graph=True)[0]; ux = g(u, x); uxx = g(ux, x); ut = g(u, t); f = ut + u * ux - .01 / math.pi * uxx; loss = torch.mean(f ** 2) + F.mse_loss(u, torch.sin(x)); loss.backward(); show(net[0].weight.grad); opt = torch.optim.LBFGS(net.parameters(), lr=1.0, max_iter=5, line_search_fn="strong_wolfe")
def closure(): opt.zero_grad(); l = (net(torch.cat([x.detach(), t.detach()], 1)) ** 2).mean(); l.backward(); return l
l0 = opt.step(closure); print(round(l0.item(), 5), round(closure().item(), 4))
# -- losses
a, b = data(4, 5).requires_grad_(), data(4, 5, k=.9); t = torch.tensor([1, 0, 4, 2]); p = F.softmax(a, 1)
for name, f in dict(ce=lambda: F.cross_entropy(a, t), cep=lambda: F.cross_entropy(a, F.softmax(b, 1)), ces=lambda: F.cross_entropy(a, t, weight=torch.arange(1., 6), label_smoothing=.1, ignore_index=2), nll=lambda: F.nll_loss(F.log_softmax(a, 1), t, reduction="none"), bce=lambda: F.binary_cross_entropy(p, F.softmax(b, 1)), bcel=lambda: F.binary_cross_entropy_with_logits(a, (b > 0).float(), pos_weight=torch.arange(1., 6)), mse=lambda: F.mse_loss(a, b), l1=lambda: F.l1_loss(a, b), sl1=lambda: F.smooth_l1_loss(a, b, beta=.5), hub=lambda: F.huber_loss(a, b, delta=.7), kl=lambda: F.kl_div(F.log_softmax(a, 1), F.softmax(b, 1), reduction="batchmean"), kll=lambda: F.kl_div(F.log_softmax(a, 1), F.log_softmax(b, 1), log_target=True, reduction="sum"), pois=lambda: F.poisson_nll_loss(a, b.abs()), gauss=lambda: F.gaussian_nll_loss(a, b, b.abs() + .1), hinge=lambda: F.hinge_embedding_loss(a, torch.sign(b)), margin=lambda: F.margin_ranking_loss(a, b, torch.sign(b), margin=.1), mm=lambda: F.multi_margin_loss(a, t), mlm=lambda: F.multilabel_margin_loss(a, torch.tensor([[1, 2, -1, 0, 0]] * 4)), mls=lambda: F.multilabel_soft_margin_loss(a, (b > 0).float()), soft=lambda: F.soft_margin_loss(a, torch.sign(b)), trip=lambda: F.triplet_margin_loss(a, b, a.flip(0)), tripd=lambda: F.triplet_margin_with_distance_loss(a, b, a.flip(0), distance_function=lambda x, y: 1 - F.cosine_similarity(x, y)), cos=lambda: F.cosine_embedding_loss(a, b, torch.tensor([1., -1, 1, -1])), ctc=lambda: F.ctc_loss(F.log_softmax(data(6, 2, 5), 2).requires_grad_(), torch.tensor([[1, 2], [3, 3]]), (6, 6), (2, 2)), cosim=lambda: F.cosine_similarity(a, b).sum(), pd=lambda: F.pairwise_distance(a, b).sum(), norm=lambda: F.normalize(a, dim=1).sum(), pdist=lambda: F.pdist(a).sum(), gumbel=lambda: F.gumbel_softmax(a, hard=True).sum()).items():
    y = f(); print(name);
    if name != "gumbel": show(y)
    if y.requires_grad and name not in ("gumbel", "ctc"): show(torch.autograd.grad(y.sum(), a, allow_unused=True)[0])
