"""KL divergences, by the two types; those between different families are in kl_across.py."""

from __future__ import annotations

from ..nn import functional as F
from ..ops import linalg
from ..ops.elementwise import erf, exp, log, where, xlogy
from ..ops.gamma import digamma, lgamma
from ..ops.reduce import sum as total
from .continuous import Cauchy, Exponential, Gumbel, HalfCauchy, HalfNormal, Laplace, LogNormal, Normal, Uniform
from .counts import Binomial, Poisson
from .discrete import Bernoulli, Categorical, Geometric, OneHotCategorical
from .distribution import Independent
from .gamma import Beta, Dirichlet, Gamma, InverseGamma
from .multivariate import LowRankMultivariateNormal, MultivariateNormal
from .powers import Pareto
from .transformed import TransformedDistribution

_TABLE = {}


def register_kl(type_p, type_q):
    """Decorator: f(p, q) computes KL(p || q) for these types."""

    def register(f):
        _TABLE[type_p, type_q] = f
        return f

    return register


def kl_divergence(p, q):
    """KL(p || q) = E_p log p/q, of the distributions' batch_shape. NotImplementedError for a pair without a formula."""
    for a in type(p).__mro__:
        for b in type(q).__mro__:
            if (a, b) in _TABLE:
                return _TABLE[a, b](p, q)
    raise NotImplementedError(f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}")


@register_kl(Normal, Normal)
def _normal(p, q):
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - log(ratio))


@register_kl(Uniform, Uniform)
def _uniform(p, q):
    return where((q.low > p.low) | (q.high < p.high), float("inf"), log((q.high - q.low) / (p.high - p.low)))


@register_kl(Exponential, Exponential)
def _exponential(p, q):
    ratio = q.rate / p.rate
    return -log(ratio) + ratio - 1


@register_kl(Laplace, Laplace)
def _laplace(p, q):
    ratio, d = p.scale / q.scale, abs(p.loc - q.loc)
    return -log(ratio) + d / q.scale + ratio * exp(-d / p.scale) - 1


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p, q):
    a, b = p.probs, q.probs
    finite = xlogy(a, a) + xlogy(1 - a, 1 - a) + a * F.softplus(-q.logits) + (1 - a) * F.softplus(q.logits)
    return where(((b == 0) & (a > 0)) | ((b == 1) & (a < 1)), float("inf"), finite)


@register_kl(Geometric, Geometric)
def _geometric(p, q):
    return -p.entropy() - log(1 - q.probs) / p.probs - q.logits


@register_kl(Categorical, Categorical)
@register_kl(OneHotCategorical, OneHotCategorical)
def _classes(p, q):
    t = p.probs * (p.logits - q.logits)
    t = where((q.probs == 0) & (p.probs > 0), float("inf"), t)
    return total(where(p.probs == 0, 0.0, t), -1)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p, q):
    inverse = linalg.inv(q._unbroadcasted_scale_tril)
    spread = total((inverse @ p._unbroadcasted_scale_tril) ** 2, (-2, -1))
    z = (inverse @ (q.loc - p.loc).unsqueeze(-1)).squeeze(-1)
    return q._half_log_det() - p._half_log_det() + 0.5 * (spread + total(z * z, -1) - p.event_shape[0])


@register_kl(Independent, Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of Independent distributions needs the same number of event axes")
    return p._inner(kl_divergence(p.base_dist, q.base_dist))


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _low_rank(p, q):
    return _multivariate_normal(*(d._full() if isinstance(d, LowRankMultivariateNormal) else d for d in (p, q)))


@register_kl(LogNormal, LogNormal)
def _log_normal(p, q):
    return _normal(p, q)


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p, q):
    return _normal(p._whole(), q._whole())


@register_kl(HalfCauchy, HalfCauchy)
def _half_cauchy(p, q):
    return _cauchy(p._whole(), q._whole())


@register_kl(InverseGamma, InverseGamma)
@register_kl(Gamma, Gamma)
def _gamma(p, q):
    a, b = p.concentration, q.concentration
    return b * log(p.rate / q.rate) + lgamma(b) - lgamma(a) + (a - b) * digamma(a) + (q.rate - p.rate) * (a / p.rate)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p, q):
    a, b = p.concentration, q.concentration
    whole = total(a, -1)
    norms = lgamma(whole) - lgamma(total(b, -1)) - total(lgamma(a) - lgamma(b), -1)
    return norms + total((a - b) * (digamma(a) - digamma(whole).unsqueeze(-1)), -1)


@register_kl(Beta, Beta)
def _beta(p, q):
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Poisson, Poisson)
def _poisson(p, q):
    return p.rate * (log(p.rate) - log(q.rate)) - (p.rate - q.rate)


@register_kl(Binomial, Binomial)
def _binomial(p, q):
    each = p.total_count * (p.probs * (p.logits - q.logits) + log(1 - p.probs) - log(1 - q.probs))
    return where(p.total_count > q.total_count, float("inf"), each)


@register_kl(Gumbel, Gumbel)
def _gumbel(p, q):
    ratio, d = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return -log(ratio) - d + exp(d + lgamma(1 + ratio)) - 1 + (ratio - 1) * 0.57721566490153286


@register_kl(Cauchy, Cauchy)
def _cauchy(p, q):
    return log((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2) - log(4 * p.scale * q.scale)


@register_kl(Pareto, Pareto)
def _pareto(p, q):
    ratio, alpha = p.scale / q.scale, q.alpha / p.alpha
    result = q.alpha * log(ratio) - log(alpha) + alpha - 1
    return where(p.scale < q.scale, float("inf"), result)


@register_kl(Normal, Laplace)
def _normal_laplace(p, q):
    d = p.loc - q.loc
    ratio = d / p.scale
    spread = (2 / 3.141592653589793) ** 0.5 * p.scale * exp(-0.5 * ratio**2) + d * erf(ratio / 2**0.5)
    return -p.entropy() + log(2 * q.scale) + spread / q.scale


@register_kl(Uniform, Normal)
def _uniform_normal(p, q):
    width = p.high - p.low
    middle = (p.high + p.low - 2 * q.loc) / 2
    return log((6.283185307179586**0.5) * q.scale / width) + 0.5 * (width**2 / 12 + middle**2) / q.scale**2


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL of TransformedDistributions needs the same transforms")
    kl = kl_divergence(p.base_dist, q.base_dist)
    n = len(p.event_shape) - len(p.base_dist.event_shape)
    return total(kl, tuple(range(-n, 0))) if n > 0 else kl
