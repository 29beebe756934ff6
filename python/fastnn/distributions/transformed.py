"""Distributions of f(x): TransformedDistribution, relaxed classes, LogisticNormal; and mixtures."""

from __future__ import annotations

import math

from ..autodiff import no_grad
from ..nn import functional as F
from ..ops.elementwise import exp, log, log1p, where
from ..ops.gather import gather
from ..ops.random import rand
from ..ops.reduce import logsumexp
from ..ops.reduce import sum as total
from ..ops.shape import expand
from ..tensor import Tensor
from . import constraints
from .continuous import Normal, open_uniform
from .discrete import Binary, Categorical, clamp_probs
from .distribution import Distribution, ExponentialFamily, Independent, broadcast_all
from .transforms import ComposeTransform, ExpTransform, SigmoidTransform, StickBreakingTransform, Transform

__all__ = [
    "ContinuousBernoulli", "LogisticNormal", "LogitRelaxedBernoulli", "MixtureSameFamily", "RelaxedBernoulli", "RelaxedOneHotCategorical",
    "TransformedDistribution",
]  # fmt: skip


class TransformedDistribution(Distribution):
    """f(x) of x from base_distribution, f one transform or several in a row."""

    def __init__(self, base_distribution, transforms, validate_args=None):
        self.transforms = [transforms] if isinstance(transforms, Transform) else transforms
        if not isinstance(self.transforms, list) or not all(isinstance(t, Transform) for t in self.transforms):
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        shape = (*base_distribution.batch_shape, *base_distribution.event_shape)
        whole = ComposeTransform(self.transforms)
        if len(shape) < whole.domain.event_dim:
            raise ValueError(f"base_distribution needs to have shape with size at least {whole.domain.event_dim}, but got {shape}.")
        out = tuple(whole.forward_shape(shape))
        expanded = tuple(whole.inverse_shape(out))
        if shape != expanded:
            base_distribution = base_distribution.expand(expanded[: len(expanded) - len(base_distribution.event_shape)])
        more = whole.domain.event_dim - len(base_distribution.event_shape)
        self.base_dist = Independent(base_distribution, more) if more > 0 else base_distribution
        events = max(whole.codomain.event_dim + max(len(base_distribution.event_shape) - whole.domain.event_dim, 0), whole.codomain.event_dim)
        cut = len(out) - events
        super().__init__(out[:cut], out[cut:], validate_args)

    has_rsample = property(lambda self: self.base_dist.has_rsample)

    @constraints.dependent_property
    def support(self):
        if not self.transforms:
            return self.base_dist.support
        support = self.transforms[-1].codomain
        more = len(self.event_shape) - support.event_dim
        return constraints.independent(support, more) if more > 0 else support

    def expand(self, batch_shape, _instance=None):
        inner = self.base_dist.expand(batch_shape)
        return TransformedDistribution(inner, self.transforms, False)

    def sample(self, sample_shape=()):
        with no_grad():
            x = self.base_dist.sample(sample_shape)
            for t in self.transforms:
                x = t(x)
            return x

    def rsample(self, sample_shape=()):
        x = self.base_dist.rsample(sample_shape)
        for t in self.transforms:
            x = t(x)
        return x

    def log_prob(self, value):
        y = self._checked(value)
        events, result = len(self.event_shape), 0
        for t in reversed(self.transforms):
            x = t._inv_call(y)
            events += t.domain.event_dim - t.codomain.event_dim
            result = result - _sum_last(t.log_abs_det_jacobian(x, y), events - t.domain.event_dim)
            y = x
        return result + _sum_last(self.base_dist.log_prob(y), events - len(self.base_dist.event_shape))

    def _rising(self, value):
        """value, or 1 - value where f falls."""
        sign = 1
        for t in self.transforms:
            sign = sign * t.sign
        return value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5

    def cdf(self, value):
        value = self._checked(value)
        for t in reversed(self.transforms):
            value = t._inv_call(value)
        return self._rising(self.base_dist.cdf(value))

    def icdf(self, value):
        value = self.base_dist.icdf(self._rising(value))
        for t in self.transforms:
            value = t(value)
        return value

    def __repr__(self):
        return f"{type(self).__name__}()"


def _sum_last(x, n):
    return total(x, tuple(range(-n, 0))) if n > 0 and isinstance(x, Tensor) else x


class LogisticNormal(TransformedDistribution):
    """Points of the simplex: a normal vector, one shorter, through `StickBreakingTransform`."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex

    def __init__(self, loc, scale, validate_args=None):
        base = Normal(loc, scale, validate_args)
        base = base if base.batch_shape else base.expand((1,))
        super().__init__(base, StickBreakingTransform(), validate_args)

    loc = property(lambda self: self.base_dist.base_dist.loc)
    scale = property(lambda self: self.base_dist.base_dist.scale)


class LogitRelaxedBernoulli(Binary):
    """The logit of a `RelaxedBernoulli` draw."""

    support = constraints.real
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        super().__init__(probs, logits, validate_args)

    def expand(self, batch_shape, _instance=None):
        name = "probs" if "probs" in self.__dict__ else "logits"
        value = expand(self.__dict__[name], batch_shape)
        return LogitRelaxedBernoulli(self.temperature, **{name: value}, validate_args=False)

    def rsample(self, sample_shape=()):
        p = clamp_probs(expand(self.probs, self._extended_shape(sample_shape)))
        u = clamp_probs(rand(p.shape, dtype=p.dtype))
        return (log(u) - log1p(-u) + log(p) - log1p(-p)) / self.temperature

    def log_prob(self, value):
        logits, value = broadcast_all(self.logits, self._checked(value))
        d = logits - value * self.temperature
        temperature = self.temperature.log() if isinstance(self.temperature, Tensor) else math.log(self.temperature)
        return temperature + d - 2 * log1p(exp(d))


class RelaxedBernoulli(TransformedDistribution):
    """A number in (0, 1) that nears Bernoulli draws as temperature falls, and passes gradients (Maddison et al., Jang et al. 2017)."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        super().__init__(LogitRelaxedBernoulli(temperature, probs, logits, validate_args), SigmoidTransform(), validate_args)

    temperature = property(lambda self: self.base_dist.temperature)
    logits = property(lambda self: self.base_dist.logits)
    probs = property(lambda self: self.base_dist.probs)


class _ExpRelaxed(Distribution):
    """The log of a `RelaxedOneHotCategorical` draw."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self._categorical, self.temperature = Categorical(probs, logits), temperature
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args)

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)

    def expand(self, batch_shape, _instance=None):
        new = super().expand(batch_shape, _instance)
        new.temperature = self.temperature  # one for all: it has no batch axes
        return new

    def rsample(self, sample_shape=()):
        logits = expand(self.logits, self._extended_shape(sample_shape))
        gumbel = -log(-log(open_uniform(logits.shape, logits.dtype)))
        scores = (logits + gumbel) / self.temperature
        return scores - logsumexp(scores, -1, True)

    def log_prob(self, value):
        n = self.event_shape[0]
        logits, value = broadcast_all(self.logits, self._checked(value))
        t = self.temperature
        score = logits - value * t
        score = total(score - logsumexp(score, -1, True), -1)
        log_t = t.log() if isinstance(t, Tensor) else math.log(t)
        return score + math.lgamma(n) + log_t * (n - 1)


class RelaxedOneHotCategorical(TransformedDistribution):
    """Points of the simplex that near one-hot draws as temperature falls, and pass gradients: softmax((logits + Gumbel) / temperature)."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        super().__init__(_ExpRelaxed(temperature, probs, logits, validate_args), ExpTransform(), validate_args)

    temperature = property(lambda self: self.base_dist.temperature)
    logits = property(lambda self: self.base_dist.logits)
    probs = property(lambda self: self.base_dist.probs)


class ContinuousBernoulli(Binary, ExponentialFamily):
    """Density proportional to probs^x (1 - probs)^(1 - x) on [0, 1] (Loaiza-Ganem and Cunningham, NeurIPS 2019)."""

    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        self._lims = lims
        super().__init__(probs, logits, validate_args)
        if "probs" in self.__dict__:
            self.__dict__["probs"] = clamp_probs(self.__dict__["probs"])

    def _cut(self):
        """(whether probs is away from 1/2, probs, or lims[0] where it is near, where series are used)."""
        p = self.probs
        away = (p <= self._lims[0]) | (p > self._lims[1])
        return away, where(away, p, self._lims[0])

    def _log_norm(self):
        away, p = self._cut()
        low = where(p <= 0.5, p, 0.0)
        high = where(p >= 0.5, p, 1.0)
        norm = log(abs(log1p(-p) - log(p))) - where(p <= 0.5, log1p(-2 * low), log(2 * high - 1))
        x = (self.probs - 0.5) ** 2
        return where(away, norm, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self):
        away, p = self._cut()
        x = self.probs - 0.5
        return where(away, p / (2 * p - 1) + 1 / (log1p(-p) - log(p)), 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x**2) * x)

    @property
    def variance(self):
        away, p = self._cut()
        x = (self.probs - 0.5) ** 2
        return where(away, p * (p - 1) / (1 - 2 * p) ** 2 + 1 / (log1p(-p) - log(p)) ** 2, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def rsample(self, sample_shape=()):
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value):
        logits, value = broadcast_all(self.logits, self._checked(value))
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none") + self._log_norm()

    def cdf(self, value):
        away, p = self._cut()
        x = self._checked(value)
        y = (p**x * (1 - p) ** (1 - x) + p - 1) / (2 * p - 1)
        return where(x <= 0, 0.0, where(x >= 1, 1.0, where(away, y, x)))

    def icdf(self, value):
        away, p = self._cut()
        y = (log1p(-p + value * (2 * p - 1)) - log1p(-p)) / (log(p) - log1p(-p))
        return where(away, y, value)

    def entropy(self):
        low, high = log1p(-self.probs), log(self.probs)
        return self.mean * (low - high) - self._log_norm() - low


class MixtureSameFamily(Distribution):
    """A mixture: component_distribution has one more batch axis, its last, over which mixture_distribution chooses."""

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError("The Mixture distribution needs to be an instance of torch.distributions.Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution need to be an instance of torch.distributions.Distribution")
        batch, mine = component_distribution.batch_shape[:-1], mixture_distribution.batch_shape
        for a, b in zip(reversed(batch), reversed(mine), strict=False):
            if a != 1 and b != 1 and a != b:
                raise ValueError(f"`mixture_distribution.batch_shape` ({mine}) is not compatible with `component_distribution.batch_shape`({batch})")
        kinds, have = mixture_distribution._num_events, component_distribution.batch_shape[-1]
        if kinds != have:
            raise ValueError(f"`mixture_distribution component` ({kinds}) does not equal `component_distribution.batch_shape[-1]` ({have})")
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        super().__init__(batch, component_distribution.event_shape, validate_args)

    mixture_distribution = property(lambda self: self._mixture_distribution)
    component_distribution = property(lambda self: self._component_distribution)

    @constraints.dependent_property
    def support(self):
        return _OfEachComponent(self._component_distribution.support, len(self.event_shape))

    def expand(self, batch_shape, _instance=None):
        component = self._component_distribution.expand((*batch_shape, self._mixture_distribution._num_events))
        return MixtureSameFamily(self._mixture_distribution.expand(batch_shape), component, False)

    def _weights(self):
        p = self._mixture_distribution.probs
        return p.reshape((*p.shape, *(1,) * len(self.event_shape)))

    @property
    def _axis(self):
        return -1 - len(self.event_shape)

    @property
    def mean(self):
        return total(self._weights() * self._component_distribution.mean, self._axis)

    @property
    def variance(self):
        p = self._weights()
        inside = total(p * self._component_distribution.variance, self._axis)
        spread = self._component_distribution.mean - self.mean.unsqueeze(self._axis)
        return inside + total(p * spread**2, self._axis)

    def _apart(self, x):
        return x.unsqueeze(self._axis)

    def log_prob(self, value):
        x = self._apart(self._checked(value))
        return logsumexp(self._component_distribution.log_prob(x) + self._mixture_distribution.logits, -1)

    def cdf(self, value):
        return total(self._component_distribution.cdf(self._apart(value)) * self._mixture_distribution.probs, -1)

    def sample(self, sample_shape=()):
        with no_grad():
            chosen = self._mixture_distribution.sample(sample_shape)
            draws = self._component_distribution.sample(sample_shape)
            index = chosen.reshape((*chosen.shape, *(1,) * (1 + len(self.event_shape))))
            shape = list(draws.shape)
            shape[draws.ndim + self._axis] = 1
            return gather(draws, draws.ndim + self._axis, index.expand(shape)).squeeze(draws.ndim + self._axis)

    def __repr__(self):
        return f"MixtureSameFamily(\n  {self._mixture_distribution!r},\n  {self._component_distribution!r})"


class _OfEachComponent(constraints.Constraint):
    """A component's support, for values that lack the axis of components."""

    def __init__(self, base, event_dim):
        self.base, self.event_dim, self.is_discrete = base, event_dim, base.is_discrete

    def check(self, value):
        return self.base.check(value.unsqueeze(-1 - self.event_dim))

    def __repr__(self):
        return f"MixtureSameFamilyConstraint({self.base!r})"
