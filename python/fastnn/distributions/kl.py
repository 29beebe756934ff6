"""KL divergences, by the two types."""

from __future__ import annotations

from ..nn import functional as F
from ..ops import linalg
from ..ops.elementwise import exp, log, where, xlogy
from ..ops.reduce import sum as total
from .continuous import Exponential, Laplace, MultivariateNormal, Normal, Uniform
from .discrete import Bernoulli, Categorical, Geometric, OneHotCategorical
from .distribution import Independent

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
    inverse = linalg.inv(q.scale_tril)
    spread = total((inverse @ p.scale_tril) ** 2, (-2, -1))
    z = (inverse @ (q.loc - p.loc).unsqueeze(-1)).squeeze(-1)
    return q._half_log_det() - p._half_log_det() + 0.5 * (spread + total(z * z, -1) - p.event_shape[0])


@register_kl(Independent, Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of Independent distributions needs the same number of event axes")
    return p._inner(kl_divergence(p.base_dist, q.base_dist))
