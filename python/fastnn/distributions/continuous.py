"""Distributions with a density on the line; powers.py has more of them."""

from __future__ import annotations

import math

from ..autodiff import no_grad
from ..ops.draws import vonmises
from ..ops.elementwise import atan, cos, erf, exp, expm1, log, log1p, sign, tan, where
from ..ops.random import rand, randn
from ..ops.special import erfinv, i0e, i1e
from . import constraints
from .distribution import Distribution, ExponentialFamily, broadcast_all

__all__ = [
    "Cauchy", "Exponential", "Gumbel", "HalfCauchy", "HalfNormal", "Laplace", "LogNormal", "Normal", "Uniform", "VonMises",
]  # fmt: skip

_LOG_2PI = math.log(2 * math.pi)
EULER = 0.57721566490153286


def open_uniform(shape, dtype):
    """On (0, 1): never 0, so that its log is finite."""
    u = rand(shape, dtype=dtype)
    return where(u == 0, 2.0**-25, u)


class _LocScale(Distribution):
    """loc + scale · a standard draw."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    def _standardized(self, value):
        return (self._checked(value) - self.loc) / self.scale


class Normal(_LocScale, ExponentialFamily):
    """Mean loc, standard deviation scale."""

    mean = mode = property(lambda self: self.loc)
    stddev = property(lambda self: self.scale)
    variance = property(lambda self: self.scale * self.scale)

    def rsample(self, sample_shape=()):
        return self.loc + randn(self._extended_shape(sample_shape), dtype=self.loc.dtype) * self.scale

    def log_prob(self, value):
        z = self._standardized(value)
        return -0.5 * z * z - log(self.scale) - 0.5 * _LOG_2PI

    def cdf(self, value):
        return 0.5 * (1 + erf(self._standardized(value) / math.sqrt(2)))

    def icdf(self, value):
        return self.loc + self.scale * erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self):
        return 0.5 + 0.5 * _LOG_2PI + log(self.scale)


class LogNormal(_LocScale):
    """exp of a Normal(loc, scale)."""

    support = constraints.positive
    _derived = True

    mean = property(lambda self: exp(self.loc + self.scale**2 / 2))
    mode = property(lambda self: exp(self.loc - self.scale**2))
    variance = property(lambda self: expm1(self.scale**2) * exp(2 * self.loc + self.scale**2))

    def _normal(self):
        return Normal(self.loc, self.scale, False)

    def rsample(self, sample_shape=()):
        return exp(self._normal().rsample(sample_shape))

    def log_prob(self, value):
        x = log(self._checked(value))
        return self._normal().log_prob(x) - x

    def cdf(self, value):
        return self._normal().cdf(log(self._checked(value)))

    def icdf(self, value):
        return exp(self._normal().icdf(value))

    def entropy(self):
        return self._normal().entropy() + self.loc


class _Half(Distribution):
    """|x| of a symmetric distribution around 0."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _derived = True
    whole: type

    def __init__(self, scale, validate_args=None):
        (self.scale,) = broadcast_all(scale)
        super().__init__(self.scale.shape, (), validate_args)

    mode = property(lambda self: self.scale * 0)

    def _whole(self):
        return self.whole(0.0, self.scale, False)

    def rsample(self, sample_shape=()):
        return abs(self._whole().rsample(sample_shape))

    def log_prob(self, value):
        inside = self._whole().log_prob(self._checked(value)) + math.log(2)
        return where(value >= 0, inside, -math.inf)

    def cdf(self, value):
        return 2 * self._whole().cdf(self._checked(value)) - 1

    def icdf(self, value):
        return self._whole().icdf((value + 1) / 2)

    def entropy(self):
        return self._whole().entropy() - math.log(2)


class HalfNormal(_Half):
    """|x| of x from Normal(0, scale)."""

    whole = Normal
    mean = property(lambda self: self.scale * math.sqrt(2 / math.pi))
    variance = property(lambda self: self.scale**2 * (1 - 2 / math.pi))


class Cauchy(_LocScale):
    """Density 1 / (π scale (1 + z²)), z = (x - loc) / scale."""

    mean = property(lambda self: self.loc * math.nan)
    mode = property(lambda self: self.loc)
    variance = property(lambda self: self.scale * math.inf)

    def rsample(self, sample_shape=()):
        u = rand(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + self.scale * tan(math.pi * (u - 0.5))

    def log_prob(self, value):
        z = self._standardized(value)
        return -math.log(math.pi) - log(self.scale) - log1p(z * z)

    def cdf(self, value):
        return atan(self._standardized(value)) / math.pi + 0.5

    def icdf(self, value):
        return tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self):
        return math.log(4 * math.pi) + log(self.scale)


class HalfCauchy(_Half):
    """|x| of x from Cauchy(0, scale)."""

    whole = Cauchy
    mean = variance = property(lambda self: self.scale * math.inf)


class Uniform(Distribution):
    """Uniform on [low, high)."""

    has_rsample = True

    def __init__(self, low, high, validate_args=None):
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, (), validate_args)

    @property
    def arg_constraints(self):
        return {"low": constraints.less_than(self.high.detach()), "high": constraints.greater_than(self.low.detach())}

    @constraints.dependent_property
    def support(self):
        return constraints.interval(self.low.detach(), self.high.detach())

    mean = property(lambda self: (self.low + self.high) / 2)
    mode = property(lambda self: self.low * math.nan)
    stddev = property(lambda self: (self.high - self.low) / 12**0.5)
    variance = property(lambda self: (self.high - self.low) ** 2 / 12)

    def rsample(self, sample_shape=()):
        return self.low + rand(self._extended_shape(sample_shape), dtype=self.low.dtype) * (self.high - self.low)

    def log_prob(self, value):
        self._checked(value)
        inside = (value >= self.low) & (value < self.high)
        return where(inside, -log(self.high - self.low), -math.inf)

    def cdf(self, value):
        return ((self._checked(value) - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value):
        return self.low + value * (self.high - self.low)

    def entropy(self):
        return log(self.high - self.low)


class Exponential(ExponentialFamily):
    """Density rate · exp(-rate x) for x >= 0."""

    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate, validate_args=None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, (), validate_args)

    mean = stddev = property(lambda self: 1 / self.rate)
    variance = property(lambda self: self.rate**-2)
    mode = property(lambda self: self.rate * 0)

    def rsample(self, sample_shape=()):
        return -log1p(-rand(self._extended_shape(sample_shape), dtype=self.rate.dtype)) / self.rate

    def log_prob(self, value):
        return log(self.rate) - self.rate * self._checked(value)

    def cdf(self, value):
        return -expm1(-self.rate * self._checked(value))

    def icdf(self, value):
        return -log1p(-value) / self.rate

    def entropy(self):
        return 1 - log(self.rate)


class Laplace(_LocScale):
    """Density exp(-|x - loc| / scale) / (2 scale)."""

    mean = mode = property(lambda self: self.loc)
    variance = property(lambda self: 2 * self.scale**2)
    stddev = property(lambda self: 2**0.5 * self.scale)

    def rsample(self, sample_shape=()):
        u = rand(self._extended_shape(sample_shape), dtype=self.loc.dtype) - 0.5
        return self.loc - self.scale * sign(u) * log1p((-2 * abs(u)).clamp(min=-1 + 2.0**-24))

    def log_prob(self, value):
        return -log(2 * self.scale) - abs(self._checked(value) - self.loc) / self.scale

    def cdf(self, value):
        d = self._checked(value) - self.loc
        return 0.5 - 0.5 * sign(d) * expm1(-abs(d) / self.scale)

    def icdf(self, value):
        term = value - 0.5
        return self.loc - self.scale * sign(term) * log1p(-2 * abs(term))

    def entropy(self):
        return 1 + log(2 * self.scale)


class Gumbel(_LocScale):
    """loc - scale · log(-log u), u uniform."""

    mode = property(lambda self: self.loc)
    mean = property(lambda self: self.loc + self.scale * EULER)
    stddev = property(lambda self: math.pi / math.sqrt(6) * self.scale)
    variance = property(lambda self: (math.pi * self.scale) ** 2 / 6)

    def rsample(self, sample_shape=()):
        with no_grad():
            e = -log(-log(open_uniform(self._extended_shape(sample_shape), self.loc.dtype)))
        return self.loc + self.scale * e

    def log_prob(self, value):
        z = (self.loc - self._checked(value)) / self.scale
        return z - exp(z) - log(self.scale)

    def cdf(self, value):
        return exp(-exp((self.loc - self._checked(value)) / self.scale))

    def icdf(self, value):
        return self.loc - self.scale * log(-log(value))

    def entropy(self):
        return log(self.scale) + 1 + EULER


class VonMises(Distribution):
    """Angles around loc: density exp(concentration cos(x - loc)) / (2π I0(concentration))."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real

    def __init__(self, loc, concentration, validate_args=None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, (), validate_args)

    mean = mode = property(lambda self: self.loc)
    variance = property(lambda self: 1 - i1e(self.concentration) / i0e(self.concentration))

    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return vonmises(self.loc.detach().expand(shape), self.concentration.detach().expand(shape))

    def log_prob(self, value):
        k = self.concentration
        return k * (cos(self._checked(value) - self.loc) - 1) - _LOG_2PI - log(i0e(k))
