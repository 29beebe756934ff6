# Deterministic: prints the same under both. Every distribution: log_prob, moments, entropy; transforms; what errors say.
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


# -- distributions tour
import torch.distributions as D
T = torch.tensor
v = T([0.2, 0.5, 0.7])
for d, val in ((D.Beta(T(2.), T(3.)), v), (D.Gamma(T(2.), T(3.)), v), (D.Dirichlet(T([1., 2., 3.])), v / v.sum()), (D.Cauchy(0., 1.), v), (D.Chi2(T(3.)), v), (D.StudentT(T(4.)), v), (D.Poisson(T(3.)), T([0., 1., 4.])), (D.Binomial(5, T(.3)), T([0., 1., 4.])), (D.NegativeBinomial(5, T(.3)), T([0., 1., 4.])), (D.Multinomial(5, T([.2, .3, .5])), T([1., 2., 2.])), (D.Weibull(T(2.), T(1.5)), v), (D.Pareto(T(.1), T(2.)), v), (D.HalfCauchy(T(1.)), v), (D.Kumaraswamy(T(2.), T(2.)), v), (D.FisherSnedecor(T(3.), T(4.)), v), (D.VonMises(T(0.), T(2.)), v), (D.ContinuousBernoulli(T(.3)), v), (D.LogitRelaxedBernoulli(T(1.), T(.3)), v) if hasattr(D, "LogitRelaxedBernoulli") else (D.Normal(0., 1.), v), (D.RelaxedBernoulli(T(1.), T(.3)), v), (D.RelaxedOneHotCategorical(T(1.), T([.2, .3, .5])), v / v.sum()), (D.InverseGamma(T(2.), T(3.)), v), (D.LowRankMultivariateNormal(torch.zeros(3), torch.ones(3, 1), torch.ones(3)), v), (D.MixtureSameFamily(D.Categorical(T([.4, .6])), D.Normal(T([0., 1.]), T([1., 2.]))), v), (D.LogisticNormal(torch.zeros(2), torch.ones(2)), v / v.sum()), (D.Geometric(T(.3)), T([0., 2., 1.])), (D.Laplace(0., 1.), v), (D.Gumbel(0., 1.), v), (D.Wishart(T(4.), torch.eye(2)), torch.eye(2) + .1)):
    lp = d.log_prob(val); print(d.__class__.__name__, lp.numpy().round(4).tolist(), d.batch_shape, d.event_shape)
    for a in ("mean", "variance", "entropy"):
        try: t = getattr(d, a); t = t() if callable(t) else t; print(" ", a, t.numpy().round(3).tolist())
        except NotImplementedError: print(" ", a, "not implemented")
    s = d.sample((4,)); print(s.shape, d.has_rsample, torch.isfinite(d.log_prob(s)).all().item())
# -- transforms
import torch.distributions as D
from torch.distributions import transforms as TR
from torch.distributions.transforms import AffineTransform, ExpTransform, SigmoidTransform, TanhTransform, ComposeTransform
base = D.Normal(torch.zeros(2), torch.ones(2)); td = D.TransformedDistribution(base, [TanhTransform(), AffineTransform(1., 2.)]); v = torch.tensor([.5, 1.5]); show(td.log_prob(v)); print(td.rsample((3,)).shape, td.batch_shape, td.event_shape)
td = D.TransformedDistribution(D.Uniform(torch.zeros(2), torch.ones(2)), [SigmoidTransform().inv, AffineTransform(loc=torch.zeros(2), scale=torch.ones(2))]); show(td.log_prob(v), td.cdf(v), td.icdf(torch.tensor([.2, .3])))
for t in (TR.ExpTransform(), TR.SigmoidTransform(), TR.SoftplusTransform(), TR.PowerTransform(torch.tensor(2.)), TR.AffineTransform(1., 3.), TR.StickBreakingTransform(), TR.SoftmaxTransform(), TR.AbsTransform(), TR.LowerCholeskyTransform() if False else TR.ExpTransform()):
    x = torch.tensor([.3, .9, 1.4]); y = t(x); show(y); show(t.inv(y))
    try: show(t.log_abs_det_jacobian(x, y))
    except NotImplementedError: print("nolad")
print(D.constraints.positive, D.constraints.simplex.check(v / v.sum()), D.constraints.interval(0, 1).check(v), D.transform_to(D.constraints.positive)(torch.tensor(-1.)), D.biject_to(D.constraints.unit_interval)(torch.tensor(0.)))
# -- vae with distributions
from torch.distributions import Normal, kl_divergence, Independent, Bernoulli
enc, dec = fix(nn.Linear(6, 4)), fix(nn.Linear(2, 6)); x = data(3, 6).abs()
mu, ls = enc(x).chunk(2, dim=-1); q = Normal(mu, ls.exp()); kl = kl_divergence(q, Normal(0, 1)).sum(-1); show(kl); rec = Independent(Bernoulli(logits=dec(mu)), 1); show(rec.log_prob((x > .5).float())); print(rec, q)
(kl - rec.log_prob((x > .5).float())).mean().backward(); show(enc.weight.grad); print(torch.distributions.kl.kl_divergence(Normal(0., 1.), Normal(1., 2.)))
# -- REINFORCE
from torch.distributions import Categorical
policy = fix(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2), nn.Softmax(dim=-1))); opt = optim.Adam(policy.parameters(), lr=.01)
lps, R, returns = [], 0, collections.deque(); rewards = [1., 0., 1.]
for s in data(3, 4): m = Categorical(policy(s.unsqueeze(0))); a = torch.tensor([1]); lps.append(m.log_prob(a)); m.sample().item(); show(m.entropy())
for r in rewards[::-1]: R = r + .9 * R; returns.appendleft(R)
returns = torch.tensor(returns); returns = (returns - returns.mean()) / (returns.std() + np.finfo(np.float32).eps.item())
loss = torch.cat([-l * r for l, r in zip(lps, returns)]).sum(); opt.zero_grad(); loss.backward(); opt.step(); show(policy[0].weight)
