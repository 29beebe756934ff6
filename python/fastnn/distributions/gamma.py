"""The gamma distribution and what is made of it: beta, Dirichlet, chi-squared, Student's t, F, inverse gamma."""

from __future__ import annotations

import math

from ..ops.draws import dirichlet, standard_gamma
from ..ops.elementwise import log, log1p, where, xlogy
from ..ops.gamma import digamma, igamma, igammac, lgamma
from ..ops.join import stack
from ..ops.random import randn
from ..ops.reduce import sum as total
from ..ops.shape import expand
from ..tensor import finfo
from . import constraints
from .distribution import Distribution, ExponentialFamily, broadcast_all

__all__ = ["Beta", "Chi2", "Dirichlet", "FisherSnedecor", "Gamma", "InverseGamma", "StudentT"]


class Gamma(ExponentialFamily):
    """Density rate^a x^(a-1) e^(-rate x) / gamma(a), a = concentration."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration, rate, validate_args=None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, (), validate_args)

    mean = property(lambda self: self.concentration / self.rate)
    mode = property(lambda self: ((self.concentration - 1) / self.rate).clamp(min=0))
    variance = property(lambda self: self.concentration / self.rate**2)

    def rsample(self, sample_shape=()):
        return standard_gamma(expand(self.concentration, self._extended_shape(sample_shape))) / self.rate

    def log_prob(self, value):
        a, x = self.concentration, self._checked(value)
        return xlogy(a, self.rate) + xlogy(a - 1, x) - self.rate * x - lgamma(a)

    def cdf(self, value):
        return igamma(*broadcast_all(self.concentration, self.rate * self._checked(value)))

    def entropy(self):
        a = self.concentration
        return a - log(self.rate) + lgamma(a) + (1 - a) * digamma(a)


class Chi2(Gamma):
    """The sum of df squares of standard normal numbers."""

    arg_constraints = {"df": constraints.positive}
    _derived = True

    def __init__(self, df, validate_args=None):
        (self.df,) = broadcast_all(df)
        super().__init__(0.5 * self.df, self.df * 0 + 0.5, validate_args=validate_args)


class InverseGamma(Distribution):
    """1 / x of x from Gamma(concentration, rate)."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    has_rsample = True
    _derived = True

    def __init__(self, concentration, rate, validate_args=None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, (), validate_args)

    mode = property(lambda self: self.rate / (self.concentration + 1))
    mean = property(lambda self: where(self.concentration > 1, self.rate / (self.concentration - 1), math.inf))

    @property
    def variance(self):
        a = self.concentration
        return where(a > 2, self.rate**2 / ((a - 1) ** 2 * (a - 2)), math.inf)

    def rsample(self, sample_shape=()):
        return 1 / Gamma(self.concentration, self.rate, False).rsample(sample_shape)

    def log_prob(self, value):
        x = self._checked(value)
        return Gamma(self.concentration, self.rate, False).log_prob(1 / x) - 2 * log(x)

    def cdf(self, value):
        return igammac(*broadcast_all(self.concentration, self.rate / self._checked(value)))

    def entropy(self):
        a = self.concentration
        return a + log(self.rate) + lgamma(a) - (1 + a) * digamma(a)


class Dirichlet(ExponentialFamily):
    """Points of the simplex: density Π x_i^(a_i - 1) / B(a), a = concentration (..., n)."""

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration, validate_args=None):
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

    mean = property(lambda self: self.concentration / total(self.concentration, -1, True))

    @property
    def mode(self):
        a = (self.concentration - 1).clamp(min=0)
        mode = a / total(a, -1, True)
        low = (self.concentration < 1).all(-1, keepdim=True)
        largest = self.concentration == self.concentration.amax(-1, keepdim=True)
        return where(low, largest.to(mode.dtype), mode)

    @property
    def variance(self):
        whole = total(self.concentration, -1, True)
        return self.concentration * (whole - self.concentration) / (whole**2 * (whole + 1))

    def rsample(self, sample_shape=()):
        return dirichlet(expand(self.concentration, self._extended_shape(sample_shape)))

    def log_prob(self, value):
        a = self.concentration
        return total(xlogy(a - 1, self._checked(value)), -1) + lgamma(total(a, -1)) - total(lgamma(a), -1)

    def entropy(self):
        a, n = self.concentration, self.concentration.shape[-1]
        whole = total(a, -1)
        return total(lgamma(a), -1) - lgamma(whole) - (n - whole) * digamma(whole) - total((a - 1) * digamma(a), -1)


class Beta(ExponentialFamily):
    """Density x^(concentration1 - 1) (1 - x)^(concentration0 - 1) / B on [0, 1]."""

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args=None):
        a, b = broadcast_all(concentration1, concentration0)
        self._dirichlet = Dirichlet(stack([a, b], -1), validate_args=validate_args)
        super().__init__(a.shape, (), validate_args)

    concentration1 = property(lambda self: self._dirichlet.concentration[..., 0])
    concentration0 = property(lambda self: self._dirichlet.concentration[..., 1])
    mean = property(lambda self: self.concentration1 / (self.concentration1 + self.concentration0))
    mode = property(lambda self: self._dirichlet.mode[..., 0])

    @property
    def variance(self):
        whole = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (whole**2 * (whole + 1))

    def rsample(self, sample_shape=()):
        return self._dirichlet.rsample(sample_shape)[..., 0]

    def log_prob(self, value):
        x = self._checked(value)
        return Dirichlet(self._dirichlet.concentration, False).log_prob(stack([x, 1 - x], -1))

    def entropy(self):
        return self._dirichlet.entropy()


class StudentT(Distribution):
    """loc + scale · z √(df / c), z normal, c chi-squared of df degrees."""

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        super().__init__(self.df.shape, (), validate_args)

    mode = property(lambda self: self.loc)
    mean = property(lambda self: where(self.df > 1, self.loc, math.nan))

    @property
    def variance(self):
        n = self.df
        finite = self.scale**2 * n / where(n > 2, n - 2, 1.0)
        return where(n > 2, finite, where(n > 1, math.inf, math.nan).to(n.dtype))

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        c = 2 * standard_gamma(expand(self.df, shape) / 2)
        return self.loc + self.scale * randn(shape, dtype=self.df.dtype) * (self.df / c).sqrt()

    def log_prob(self, value):
        n, z = self.df, (self._checked(value) - self.loc) / self.scale
        norm = log(self.scale) + 0.5 * log(n) + 0.5 * math.log(math.pi) + lgamma(0.5 * n) - lgamma(0.5 * (n + 1))
        return -0.5 * (n + 1) * log1p(z * z / n) - norm

    def entropy(self):
        n = self.df
        log_beta = lgamma(0.5 * n) + math.lgamma(0.5) - lgamma(0.5 * (n + 1))
        return log(self.scale) + 0.5 * (n + 1) * (digamma(0.5 * (n + 1)) - digamma(0.5 * n)) + 0.5 * log(n) + log_beta


class FisherSnedecor(Distribution):
    """The ratio of two chi-squared numbers, each divided by its degrees df1, df2."""

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1, df2, validate_args=None):
        self.df1, self.df2 = broadcast_all(df1, df2)
        super().__init__(self.df1.shape, (), validate_args)

    mean = property(lambda self: where(self.df2 > 2, self.df2 / where(self.df2 > 2, self.df2 - 2, 1.0), math.nan))
    mode = property(lambda self: where(self.df1 > 2, (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2), math.nan))

    @property
    def variance(self):
        a, b = self.df1, where(self.df2 > 4, self.df2, math.nan)
        return 2 * b**2 * (a + b - 2) / (a * (b - 2) ** 2 * (b - 4))

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        x, y = (standard_gamma(expand(n, shape) / 2) / n for n in (self.df1, self.df2))
        return x / y.clamp(min=finfo(self.df1.dtype).tiny)

    def log_prob(self, value):
        a, b, x = self.df1 / 2, self.df2 / 2, self._checked(value)
        ratio = self.df1 / self.df2
        return lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(ratio) + (a - 1) * log(x) - (a + b) * log1p(ratio * x)
