# Deterministic: prints the same under both. What papers' code does: MAML, attacks, style transfer, PPO, Gaussian processes, flows, diffusion, VQ-VAE, contrastive losses, ViT.
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


# -- maml
net = fix(nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))); meta = optim.Adam(net.parameters(), 1e-2)
def fwd(p, x): return F.linear(torch.tanh(F.linear(x, p[0], p[1])), p[2], p[3])
for it in range(3):
    total = 0.
    for k in (.3, .5):
        x = data(6, 1, k=k); y = torch.sin(x * 3); ps = list(net.parameters()); l = F.mse_loss(fwd(ps, x), y); gs = torch.autograd.grad(l, ps, create_graph=True); fast = [p - .1 * g for p, g in zip(ps, gs)]; total = total + F.mse_loss(fwd(fast, x), y)
    meta.zero_grad(); total.backward(); meta.step(); print(f"iter {it}: {total:.4f} {total.item():.4f}")
# -- style
def gram(x): a, b, c, d = x.size(); f = x.view(a * b, c * d); return torch.mm(f, f.t()).div(a * b * c * d)
x = data(1, 3, 4, 4).requires_grad_(); opt = optim.LBFGS([x]); target = gram(data(1, 3, 4, 4, k=.9)).detach(); run = [0]
while run[0] < 3:
    def closure():
        with torch.no_grad(): x.clamp_(0, 1)
        opt.zero_grad(); l = F.mse_loss(gram(x), target) * 100; l.backward(); run[0] += 1; return l
    opt.step(closure)
show(gram(x))
# -- ppo
class AC(nn.Module):
    def __init__(self): super().__init__(); self.a = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)); self.log_std = nn.Parameter(torch.zeros(1, 2)); self.c = nn.Linear(3, 1)
    def forward(self, s): mu = self.a(s); return torch.distributions.Normal(mu, self.log_std.exp().expand_as(mu)), self.c(s)
ac = fix(AC()); s = data(6, 3); dist, v = ac(s); a = data(6, 2); old = dist.log_prob(a).sum(-1).detach(); adv = data(6); adv = (adv - adv.mean()) / (adv.std() + 1e-8); opt = optim.Adam(ac.parameters(), 1e-2)
for _ in range(3):
    dist, v = ac(s); r = (dist.log_prob(a).sum(-1) - old).exp(); l = -torch.min(r * adv, torch.clamp(r, .8, 1.2) * adv).mean() + .5 * (data(6) - v.squeeze(-1)).pow(2).mean() - .01 * dist.entropy().mean(); opt.zero_grad(); l.backward(); nn.utils.clip_grad_norm_(ac.parameters(), .5); opt.step(); print("%.4f" % l)
# -- gae
rewards, values, masks = data(5), data(6), torch.tensor([1., 1, 0, 1, 1]); gae = 0; ret = []
for i in reversed(range(5)): delta = rewards[i] + .99 * values[i + 1] * masks[i] - values[i]; gae = delta + .99 * .95 * masks[i] * gae; ret.insert(0, gae + values[i])
print(torch.stack(ret), sum(ret), max(ret), torch.cat([r.view(1) for r in ret]))
# -- gp
x = datad(8).sort().values; y = torch.sin(x * 4); ls = torch.tensor(.5, dtype=torch.float64, requires_grad=True); noise = torch.tensor(.1, dtype=torch.float64, requires_grad=True)
def nll(): K = torch.exp(-.5 * (x[:, None] - x[None]) ** 2 / ls ** 2) + noise ** 2 * torch.eye(8, dtype=torch.float64); L = torch.linalg.cholesky(K); a = torch.cholesky_solve(y[:, None], L); return .5 * (y[:, None] * a).sum() + L.diagonal().log().sum() + 4 * math.log(2 * math.pi)
o = optim.Adam([ls, noise], .05)
for i in range(5): o.zero_grad(); l = nll(); l.backward(); o.step()
print(f"{l.item():.5f} {ls.item():.5f}"); show(torch.distributions.MultivariateNormal(torch.zeros(8, dtype=torch.float64), torch.eye(8, dtype=torch.float64)).log_prob(y))
# -- mdn
class MDN(nn.Module):
    def __init__(self): super().__init__(); self.h = nn.Linear(1, 8); self.pi, self.mu, self.s = nn.Linear(8, 3), nn.Linear(8, 3), nn.Linear(8, 3)
    def forward(self, x): h = torch.tanh(self.h(x)); return F.log_softmax(self.pi(h), -1), self.mu(h), F.softplus(self.s(h)) + 1e-3
m = fix(MDN()); x, y = data(9, 1), data(9, 1, k=.8); lp, mu, s = m(x); l = -torch.logsumexp(lp - .5 * ((y - mu) / s) ** 2 - s.log() - .5 * math.log(2 * math.pi), -1).mean(); l.backward(); print(l); show(m.h.weight.grad)
mix = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=lp), torch.distributions.Normal(mu, s)); show(mix.log_prob(y.squeeze()), mix.mean)
# -- ode
class Fn(nn.Module):
    def __init__(self): super().__init__(); self.net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)); [nn.init.normal_(mm.weight, 0, .1) for mm in self.net.modules() if isinstance(mm, nn.Linear)]
    def forward(self, t, y): return self.net(y ** 3)
f = fix(Fn()); y = torch.tensor([[2., 0.]]); t = torch.linspace(0., 1., 5); ys = [y]
for a, b in zip(t[:-1], t[1:]): h = b - a; k1 = f(a, y); k2 = f(a + h / 2, y + h * k1 / 2); k3 = f(a + h / 2, y + h * k2 / 2); k4 = f(b, y + h * k3); y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4); ys.append(y)
traj = torch.stack(ys); print(traj.size()); l = torch.mean(torch.abs(traj - 1)); l.backward(); print('Iter {:04d} | Total Loss {:.6f}'.format(1, l.item())); show(f.net[0].weight.grad)
# -- ddpm
T = 10; betas = torch.linspace(1e-4, .02, T); alphas = 1. - betas; ac = torch.cumprod(alphas, axis=0); prev = F.pad(ac[:-1], (1, 0), value=1.0); sq = torch.sqrt(1. / alphas); pv = betas * (1. - prev) / (1. - ac)
def extract(a, t, shape): out = a.gather(-1, t.cpu()); return out.reshape(t.shape[0], *((1,) * (len(shape) - 1))).to(t.device)
x0 = data(3, 1, 4, 4); t = torch.tensor([0, 5, 9]).long(); n = data(3, 1, 4, 4, k=.9); xt = extract(torch.sqrt(ac), t, x0.shape) * x0 + extract(torch.sqrt(1 - ac), t, x0.shape) * n; show(xt, pv)
class TE(nn.Module):
    def __init__(self, d): super().__init__(); self.d = d
    def forward(self, t): h = self.d // 2; e = math.log(10000) / (h - 1); e = torch.exp(torch.arange(h, device=t.device) * -e); e = t[:, None] * e[None, :]; return torch.cat((e.sin(), e.cos()), dim=-1)
show(TE(8)(t)); net = fix(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.SiLU(), nn.Conv2d(4, 1, 3, padding=1))); l = F.smooth_l1_loss(n, net(xt)); l.backward(); print(l)
@torch.no_grad()
def p_sample(x, i): tt = torch.full((3,), i, dtype=torch.long); mean = extract(sq, tt, x.shape) * (x - extract(betas, tt, x.shape) * net(x) / extract(torch.sqrt(1 - ac), tt, x.shape)); return mean if i == 0 else mean + torch.sqrt(extract(pv, tt, x.shape)) * torch.zeros_like(x)
y = n
for i in reversed(range(0, T)): y = p_sample(y, i)
show(y)
# -- realnvp
class Coupling(nn.Module):
    def __init__(self, mask): super().__init__(); self.register_buffer("mask", mask); self.s, self.t = nn.Linear(2, 2), nn.Linear(2, 2)
    def forward(self, x): xm = x * self.mask; s = torch.tanh(self.s(xm)) * (1 - self.mask); return xm + (1 - self.mask) * (x * s.exp() + self.t(xm)), s.sum(dim=1)
flow = nn.ModuleList([fix(Coupling(torch.tensor([1., 0]))), fix(Coupling(torch.tensor([0., 1])))]); x = data(6, 2); ld = x.new_zeros(x.shape[0])
for f in reversed(flow): x, d = f(x); ld += d
l = -(torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2)).log_prob(x) + ld).mean(); l.backward(); print(l.detach(), [tuple(p.shape) for p in flow.parameters()][:2], len(flow))
# -- vqvae
cb = nn.Embedding(5, 4); cb.weight.data.copy_(data(5, 4)); z = data(2, 4, 3, 3, k=.6).requires_grad_(); f = z.permute(0, 2, 3, 1).contiguous().view(-1, 4); d = torch.sum(f ** 2, dim=1, keepdim=True) + torch.sum(cb.weight ** 2, dim=1) - 2 * torch.matmul(f, cb.weight.t()); i = torch.argmin(d, dim=1).unsqueeze(1); enc = torch.zeros(i.shape[0], 5); enc.scatter_(1, i, 1); q = torch.matmul(enc, cb.weight).view(2, 3, 3, 4).permute(0, 3, 1, 2); l = F.mse_loss(q.detach(), z) * .25 + F.mse_loss(q, z.detach()); q = z + (q - z).detach(); avg = enc.mean(0); perp = torch.exp(-torch.sum(avg * torch.log(avg + 1e-10))); (l + q.sum()).backward(); print(l, perp, i.flatten()); show(z.grad, cb.weight.grad)
# -- simclr
z = F.normalize(data(8, 5), dim=1); sim = torch.matmul(z, z.T) / .5; mask = torch.eye(8, dtype=torch.bool); sim = sim.masked_fill(mask, -9e15); pos = mask.roll(shifts=4, dims=0); nll = -sim[pos] + torch.logsumexp(sim, dim=-1); print(nll.mean()); labels = torch.cat([torch.arange(4) for _ in range(2)], dim=0); lab = (labels.unsqueeze(0) == labels.unsqueeze(1)).float(); lab = lab[~mask].view(8, -1); s = sim[~mask].view(8, -1); p = s[lab.bool()].view(8, -1); n = s[~lab.bool()].view(8, -1); print(F.cross_entropy(torch.cat([p, n], 1), torch.zeros(8, dtype=torch.long)))
# -- distill & accumulate
t, s = fix(nn.Linear(4, 3)), nn.Linear(4, 3); s.load_state_dict({k: v * .5 for k, v in t.state_dict().items()}); opt = optim.SGD(s.parameters(), .1, momentum=.9); x = data(8, 4)
for i, b in enumerate(x.split(2)):
    with torch.no_grad(): tl = t(b)
    l = nn.KLDivLoss(reduction="batchmean")(F.log_softmax(s(b) / 2, 1), F.softmax(tl / 2, 1)) * 4 / 2; l.backward()
    if (i + 1) % 2 == 0: opt.step(); opt.zero_grad()
show(s.weight); print(f"{l:.5f}", s.weight.grad)
# -- vit
class ViT(nn.Module):
    def __init__(self): super().__init__(); self.patch = nn.Conv2d(3, 8, 4, 4); self.cls = nn.Parameter(torch.zeros(1, 1, 8)); self.pos = nn.Parameter(torch.zeros(1, 5, 8)); self.enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0., activation="gelu", batch_first=True, norm_first=True), 2, enable_nested_tensor=False); self.head = nn.Linear(8, 3)
    def forward(self, x): x = self.patch(x).flatten(2).transpose(1, 2); x = torch.cat((self.cls.expand(x.shape[0], -1, -1), x), 1) + self.pos; return self.head(self.enc(x)[:, 0])
m = fix(ViT()); y = m(data(2, 3, 8, 8)); show(y); F.cross_entropy(y, torch.tensor([0, 2])).backward(); show(m.cls.grad, m.patch.weight.grad); print(sum(p.numel() for p in m.parameters()))
# -- word2vec
V = 10; emb, ctx = fix(nn.Embedding(V, 4)), fix(nn.Embedding(V, 4)); c, o, n = torch.tensor([1, 2]), torch.tensor([3, 4]), torch.tensor([[5, 6, 7], [7, 8, 9]]); u = emb(c); pos = F.logsigmoid((u * ctx(o)).sum(1)); neg = F.logsigmoid(-torch.bmm(ctx(n), u.unsqueeze(2)).squeeze(2)).sum(1); l = -(pos + neg).mean(); l.backward(); print(l); show(emb.weight.grad); print(F.cosine_similarity(emb.weight[0:1], emb.weight).topk(3))
# -- crf
def lse(v): m = v[0, torch.argmax(v, 1).item()]; return m + torch.log(torch.sum(torch.exp(v - m.view(1, -1).expand(1, v.size()[1]))))
tr = nn.Parameter(data(4, 4)); tr.data[3, :] = -10000; feats = data(5, 4); a = torch.full((1, 4), -10000.); a[0][3] = 0.
for f in feats:
    al = [lse(a + f[t].view(1, -1).expand(1, 4) + tr[t].view(1, -1)).view(1) for t in range(4)]; a = torch.cat(al).view(1, -1)
z = lse(a + tr[2]); z.backward(); print(z); show(tr.grad)
# -- gcn by hand
ei = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 2]]); x = data(4, 3); row, col = ei; deg = torch.zeros(4).scatter_add_(0, row, torch.ones(5)); norm = deg.pow(-.5)[row] * deg.pow(-.5)[col]; out = torch.zeros_like(x).index_add_(0, row, x[col] * norm.unsqueeze(-1)); show(out); A = torch.zeros(4, 4); A[row, col] = 1; A = A + A.T + torch.eye(4); A.clamp_(max=1); D = torch.diag(A.sum(1).pow(-.5)); show(D @ A @ D @ x); al = torch.softmax(torch.where(A > 0, x @ x.T, torch.tensor(float("-inf"))), 1); show(al)
# -- lstm tagger
class Tagger(nn.Module):
    def __init__(self, e, h, v, t): super().__init__(); self.hidden_dim = h; self.word_embeddings = nn.Embedding(v, e); self.lstm = nn.LSTM(e, h); self.hidden2tag = nn.Linear(h, t)
    def forward(self, s): e = self.word_embeddings(s); o, _ = self.lstm(e.view(len(s), 1, -1)); return F.log_softmax(self.hidden2tag(o.view(len(s), -1)), dim=1)
w2i = {w: i for i, w in enumerate("the dog ate apple".split())}; prep = lambda seq, d: torch.tensor([d[w] for w in seq], dtype=torch.long); m = fix(Tagger(6, 6, 4, 3)); opt = optim.SGD(m.parameters(), lr=.1); s = prep("the dog ate the apple".split(), w2i)
for e in range(5): m.zero_grad(); l = nn.NLLLoss()(m(s), torch.tensor([0, 1, 2, 0, 1])); l.backward(); opt.step()
with torch.no_grad(): print(m(s), m(s).argmax(1))
# -- accuracy etc
logits = data(6, 4); t = torch.tensor([1, 0, 3, 2, 1, 0]); pred = logits.argmax(dim=1, keepdim=True); c = pred.eq(t.view_as(pred)).sum().item(); print(f'Accuracy: {c}/{len(t)} ({100. * c / len(t):.0f}%)', (pred.squeeze() == t).float().mean(), torch.max(logits, 1)); _, p5 = logits.topk(2, 1, True, True); p5 = p5.t(); cc = p5.eq(t.view(1, -1).expand_as(p5)); print([cc[:k].reshape(-1).float().sum(0, keepdim=True).mul_(100. / 6) for k in (1, 2)]); cm = torch.zeros(4, 4, dtype=torch.int64)
for a, b in zip(t.view(-1), pred.view(-1)): cm[a.long(), b.long()] += 1
print(cm, cm.diag() / cm.sum(1).clamp(min=1), torch.stack((t, pred.squeeze()), dim=1).tolist(), torch.unique(t, return_counts=True), (t == 1).nonzero().flatten(), logits.softmax(-1).max().item() <= 1, torch.bincount(t, minlength=5))
# -- repr zoo
print(nn.Sequential(nn.Conv1d(1, 2, 3, padding=1, padding_mode="circular"), nn.ConvTranspose1d(2, 1, 2), nn.AdaptiveAvgPool2d((None, 7)), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), nn.Embedding(3, 4, 0, max_norm=1.), nn.LSTM(3, 4, batch_first=True, dropout=.1, num_layers=2), nn.GRUCell(2, 3), nn.MultiheadAttention(4, 2), nn.LayerNorm([2, 3]), nn.InstanceNorm2d(3, affine=True), nn.Dropout2d(), nn.PReLU(3), nn.Threshold(.1, 20), nn.Hardtanh(-2, 2), nn.Softmin(1), nn.LogSoftmax(dim=1), nn.CosineSimilarity(), nn.PixelShuffle(2), nn.ZeroPad2d(1), nn.ReflectionPad2d((1, 2, 0, 1)), nn.Unflatten(1, (2, 2)), nn.Fold((4, 4), 2), nn.BCEWithLogitsLoss(), nn.CTCLoss(), nn.TripletMarginLoss(), nn.Bilinear(2, 3, 4), nn.ReLU(inplace=True), nn.GELU("tanh"), nn.CELU(), nn.Mish(), nn.GLU(), nn.Softshrink(), nn.LocalResponseNorm(2), nn.RMSNorm(4), nn.MaxUnpool2d(2), nn.LPPool2d(2, 3), nn.Identity(), nn.RReLU(), nn.AlphaDropout(), nn.FeatureAlphaDropout(), nn.ChannelShuffle(2), nn.EmbeddingBag(3, 4), nn.CrossMapLRN2d(2) if False else nn.Tanh()))
