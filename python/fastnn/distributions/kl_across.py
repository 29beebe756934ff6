"""KL divergences between different families: KL(p || q) = -H(p) - E_p log q, infinite where p has mass that q has not."""

from __future__ import annotations

import math

from ..ops.elementwise import exp, log, log1p, where, xlogy
from ..ops.gamma import digamma, lgamma
from ..ops.shape import broadcast_shapes
from ..tensor import Tensor
from .continuous import Exponential, Gumbel, Laplace, Normal, Uniform
from .counts import Binomial, Poisson
from .discrete import Bernoulli
from .gamma import Beta, Gamma
from .kl import register_kl
from .powers import Pareto
from .transformed import ContinuousBernoulli

__all__ = []

_EULER = 0.57721566490153286


def _mean_log_between(low, high):
    """E log x of x uniform on [low, high]."""
    return (xlogy(high, high) - xlogy(low, low)) / (high - low) - 1


# E log x of x from p.
_MEAN_LOG = {
    Beta: lambda p: digamma(p.concentration1) - digamma(p.concentration1 + p.concentration0),
    Exponential: lambda p: -_EULER - log(p.rate),
    Gamma: lambda p: digamma(p.concentration) - log(p.rate),
    Pareto: lambda p: log(p.scale) + 1 / p.alpha,
    Uniform: lambda p: _mean_log_between(p.low, p.high),
}

# E exp((loc - x) / scale) of x from p.
_MEAN_EXP = {
    Exponential: lambda p, loc, scale: exp(loc / scale) * p.rate / (p.rate + 1 / scale),
    Gamma: lambda p, loc, scale: exp(loc / scale - p.concentration * log1p(1 / (p.rate * scale))),
    Normal: lambda p, loc, scale: exp((loc - p.loc) / scale + 0.5 * (p.scale / scale) ** 2),
    Uniform: lambda p, loc, scale: (exp((loc - p.low) / scale) - exp((loc - p.high) / scale)) * scale / (p.high - p.low),
}


def _of(table, p):
    return next(table[kind] for kind in type(p).__mro__ if kind in table)


def _beta(p, q):
    a, b = q.concentration1, q.concentration0
    means = (a - 1) * _mean_log_between(p.low, p.high) + (b - 1) * _mean_log_between(1 - p.high, 1 - p.low)
    return means + lgamma(a + b) - lgamma(a) - lgamma(b)


def _gamma(p, q):
    a, b = q.concentration, q.rate
    return a * log(b) - lgamma(a) + (a - 1) * _of(_MEAN_LOG, p)(p) - b * p.mean


def _gumbel(p, q):
    return (q.loc - p.mean) / q.scale - _of(_MEAN_EXP, p)(p, q.loc, q.scale) - log(q.scale)


def _normal(p, q):
    return -0.5 * (p.variance + (p.mean - q.loc) ** 2) / q.scale**2 - log(q.scale) - 0.5 * math.log(2 * math.pi)


# E log q(x) of x from p, all of whose mass q covers.
_MEAN_LOG_DENSITY = {
    Beta: _beta,
    ContinuousBernoulli: lambda p, q: p.mean * q.logits + log1p(-q.probs) + q._log_norm(),
    Exponential: lambda p, q: log(q.rate) - q.rate * p.mean,
    Gamma: _gamma,
    Gumbel: _gumbel,
    Normal: _normal,
    Pareto: lambda p, q: log(q.alpha) + xlogy(q.alpha, q.scale) - (q.alpha + 1) * _of(_MEAN_LOG, p)(p),
    Uniform: lambda p, q: -log(q.high - q.low),
}

_UNIT, _HALF_LINE, _LINE = (0.0, 1.0), (0.0, math.inf), (-math.inf, math.inf)
_BOUNDS = dict.fromkeys((Beta, ContinuousBernoulli), lambda d: _UNIT) | dict.fromkeys((Exponential, Gamma), lambda d: _HALF_LINE)
_BOUNDS |= dict.fromkeys((Gumbel, Normal, Laplace), lambda d: _LINE)
_BOUNDS |= {Pareto: lambda d: (d.scale, math.inf), Uniform: lambda d: (d.low, d.high)}


def _covered(p, q):
    kl = -p.entropy() - _of(_MEAN_LOG_DENSITY, q)(p, q)
    (low, high), (least, most) = _of(_BOUNDS, p)(p), _of(_BOUNDS, q)(q)
    beyond = (low < least) | (high > most)
    return where(beyond, math.inf, kl) if isinstance(beyond, Tensor) else kl


def _uncovered(p, q):
    return p.mean.new_full(broadcast_shapes(p.batch_shape, q.batch_shape), math.inf)


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p, q):
    return -p.entropy() - xlogy(p.probs, q.rate) + q.rate


for _kind, _covering in {
    Beta: (ContinuousBernoulli, Exponential, Gamma, Normal, Uniform), ContinuousBernoulli: (ContinuousBernoulli, Exponential, Normal, Uniform),
    Exponential: (Gamma, Gumbel, Normal), Gamma: (Exponential, Gumbel, Normal), Gumbel: (Normal,), Laplace: (Normal,), Normal: (Gumbel,),
    Pareto: (Exponential, Gamma, Normal), Uniform: (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Pareto),
}.items():  # fmt: skip
    for _other in _covering:
        register_kl(_kind, _other)(_covered)

for _kinds, _others in (
    ((Beta, ContinuousBernoulli), (Pareto,)),
    ((Exponential, Gamma), (Beta, ContinuousBernoulli, Pareto, Uniform)),
    ((Gumbel, Laplace, Normal), (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    ((Pareto,), (Beta, ContinuousBernoulli, Uniform)),
    ((Poisson,), (Bernoulli, Binomial)),
):
    for _kind in _kinds:
        for _other in _others:
            register_kl(_kind, _other)(_uncovered)
