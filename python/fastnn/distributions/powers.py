"""Distributions on an interval or a half line whose cumulative functions are powers: Weibull, Pareto, Kumaraswamy."""

from __future__ import annotations

import math

from ..ops.elementwise import exp, expm1, log, log1p, where
from ..ops.random import rand
from . import constraints
from .continuous import EULER, open_uniform
from .distribution import Distribution, broadcast_all

__all__ = ["GeneralizedPareto", "Kumaraswamy", "Pareto", "Weibull"]


class Weibull(Distribution):
    """scale · e^(1 / concentration), e exponential."""

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, scale, concentration, validate_args=None):
        self.scale, self.concentration = broadcast_all(scale, concentration)
        super().__init__(self.scale.shape, (), validate_args)

    def _moment(self, n):
        return self.scale**n * exp((1 + n / self.concentration).lgamma())

    mean = property(lambda self: self._moment(1))
    mode = property(lambda self: self.scale * ((self.concentration - 1) / self.concentration) ** (1 / self.concentration))
    variance = property(lambda self: self._moment(2) - self._moment(1) ** 2)

    def rsample(self, sample_shape=()):
        e = -log(open_uniform(self._extended_shape(sample_shape), self.scale.dtype))
        return self.scale * e ** (1 / self.concentration)

    def log_prob(self, value):
        k, ratio = self.concentration, self._checked(value) / self.scale
        return log(k / self.scale) + (k - 1) * log(ratio) - ratio**k

    def cdf(self, value):
        return -expm1(-((self._checked(value) / self.scale) ** self.concentration))

    def icdf(self, value):
        return self.scale * (-log1p(-value)) ** (1 / self.concentration)

    def entropy(self):
        k = self.concentration
        return EULER * (1 - 1 / k) + log(self.scale / k) + 1


class Pareto(Distribution):
    """Density alpha scale^alpha / x^(alpha + 1) for x >= scale."""

    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}
    has_rsample = True

    def __init__(self, scale, alpha, validate_args=None):
        self.scale, self.alpha = broadcast_all(scale, alpha)
        super().__init__(self.scale.shape, (), validate_args)

    @constraints.dependent_property
    def support(self):
        return constraints.greater_than_eq(self.scale.detach())

    mode = property(lambda self: self.scale)

    @property
    def mean(self):
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def variance(self):
        a = self.alpha.clamp(min=2)
        return self.scale**2 * a / ((a - 1) ** 2 * (a - 2))

    def rsample(self, sample_shape=()):
        e = -log(open_uniform(self._extended_shape(sample_shape), self.scale.dtype))
        return self.scale * exp(e / self.alpha)

    def log_prob(self, value):
        return log(self.alpha) + self.alpha * log(self.scale) - (self.alpha + 1) * log(self._checked(value))

    def cdf(self, value):
        return 1 - (self.scale / self._checked(value)) ** self.alpha

    def icdf(self, value):
        return self.scale * (1 - value) ** (-1 / self.alpha)

    def entropy(self):
        return log(self.scale / self.alpha) + 1 + 1 / self.alpha


class GeneralizedPareto(Distribution):
    """loc + scale ((1 - u)^-concentration - 1) / concentration, u uniform: what exceeds a high threshold."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True

    def __init__(self, loc, scale, concentration, validate_args=None):
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, (), validate_args)

    @constraints.dependent_property
    def support(self):
        k = self.concentration.detach()
        upper = where(k < 0, self.loc.detach() - self.scale.detach() / where(k < 0, k, -1.0), math.inf)
        return constraints.interval(self.loc.detach(), upper)

    mean = property(lambda self: where(self.concentration < 1, self.loc + self.scale / (1 - self.concentration), math.inf))
    mode = property(lambda self: self.loc)

    @property
    def variance(self):
        k = self.concentration
        return where(k < 0.5, self.scale**2 / ((1 - k) ** 2 * (1 - 2 * k)), math.nan)

    def _safe(self):
        flat = abs(self.concentration) < 1e-12
        return flat, where(flat, 1.0, self.concentration)

    def rsample(self, sample_shape=()):
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def _log_survival(self, value):
        z = (self._checked(value) - self.loc) / self.scale
        flat, k = self._safe()
        return where(flat, -z, -log1p(k * z) / k), z, k, flat

    def log_prob(self, value):
        log_survival, z, k, flat = self._log_survival(value)
        return where(flat, -z, log_survival - log1p(k * z)) - log(self.scale)

    def cdf(self, value):
        return -expm1(self._log_survival(value)[0])

    def icdf(self, value):
        flat, k = self._safe()
        t = -log1p(-value)
        return self.loc + self.scale * where(flat, t, expm1(k * t) / k)

    def entropy(self):
        return log(self.scale) + self.concentration + 1


class Kumaraswamy(Distribution):
    """(1 - u^(1 / concentration0))^(1 / concentration1), u uniform: near the beta distribution, and simpler."""

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args=None):
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        super().__init__(self.concentration1.shape, (), validate_args)

    def _moment(self, n):
        a, b = self.concentration1, self.concentration0
        x = 1 + n / a
        return exp(log(b) + x.lgamma() + b.lgamma() - (x + b).lgamma())

    mean = property(lambda self: self._moment(1))
    variance = property(lambda self: self._moment(2) - self._moment(1) ** 2)

    @property
    def mode(self):
        a, b = self.concentration1, self.concentration0
        value = ((a - 1) / (a * b - 1)) ** (1 / a)
        return where((a < 1) | (b < 1), math.nan, value)

    def rsample(self, sample_shape=()):
        u = open_uniform(self._extended_shape(sample_shape), self.concentration1.dtype)
        tiny = 2.0**-24
        return ((1 - u ** (1 / self.concentration0)).clamp(tiny, 1 - tiny)) ** (1 / self.concentration1)

    def log_prob(self, value):
        a, b, x = self.concentration1, self.concentration0, self._checked(value)
        return log(a * b) + (a - 1) * log(x) + (b - 1) * log1p(-(x**a))

    def cdf(self, value):
        return 1 - (1 - self._checked(value) ** self.concentration1) ** self.concentration0

    def icdf(self, value):
        return (1 - (1 - value) ** (1 / self.concentration0)) ** (1 / self.concentration1)

    def entropy(self):
        a, b = self.concentration1, self.concentration0
        return (1 - 1 / b) + (1 - 1 / a) * ((b + 1).digamma() + EULER) - log(a) - log(b)
