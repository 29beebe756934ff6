"""Distributions with a density."""

from __future__ import annotations

import math

from ..autodiff import no_grad
from ..ops import linalg
from ..ops.diagonal import diagonal, tril
from ..ops.elementwise import erf, exp, expm1, log, log1p, sign, where
from ..ops.random import rand, randn
from ..ops.reduce import sum as total
from ..ops.shape import broadcast_shapes, expand
from .distribution import POSITIVE, REAL, Distribution, parameters, true

__all__ = ["Exponential", "Gumbel", "HalfNormal", "Laplace", "LogNormal", "MultivariateNormal", "Normal", "Uniform"]

_LOG_2PI = math.log(2 * math.pi)


def _uniform(shape, dtype):
    """On (0, 1): never 0, so that its log is finite."""
    u = rand(shape, dtype=dtype)
    return where(u == 0, 2.0**-25, u)


class Normal(Distribution):
    """Mean loc, standard deviation scale."""

    arguments = {"loc": REAL, "scale": POSITIVE}
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = parameters(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    mean = mode = property(lambda self: self.loc)
    stddev = property(lambda self: self.scale)
    variance = property(lambda self: self.scale * self.scale)

    def rsample(self, sample_shape=()):
        return self.loc + randn(self._extended(sample_shape), dtype=self.loc.dtype) * self.scale

    def log_prob(self, value):
        z = (self._check(value, *REAL) - self.loc) / self.scale
        return -0.5 * z * z - log(self.scale) - 0.5 * _LOG_2PI

    def cdf(self, value):
        return 0.5 * (1 + erf((self._check(value, *REAL) - self.loc) / (self.scale * math.sqrt(2))))

    def entropy(self):
        return 0.5 + 0.5 * _LOG_2PI + log(self.scale)


class LogNormal(Distribution):
    """exp of a Normal(loc, scale)."""

    arguments = {"loc": REAL, "scale": POSITIVE}
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = parameters(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    mean = property(lambda self: exp(self.loc + self.scale**2 / 2))
    mode = property(lambda self: exp(self.loc - self.scale**2))
    variance = property(lambda self: expm1(self.scale**2) * exp(2 * self.loc + self.scale**2))

    def rsample(self, sample_shape=()):
        return exp(Normal(self.loc, self.scale, False).rsample(sample_shape))

    def log_prob(self, value):
        x = log(self._check(value, *POSITIVE))
        return Normal(self.loc, self.scale, False).log_prob(x) - x

    def entropy(self):
        return Normal(self.loc, self.scale, False).entropy() + self.loc


class HalfNormal(Distribution):
    """|x| of x from Normal(0, scale)."""

    arguments = {"scale": POSITIVE}
    has_rsample = True

    def __init__(self, scale, validate_args=None):
        (self.scale,) = parameters(scale)
        super().__init__(self.scale.shape, (), validate_args)

    mean = property(lambda self: self.scale * math.sqrt(2 / math.pi))
    mode = property(lambda self: self.scale * 0)
    variance = property(lambda self: self.scale**2 * (1 - 2 / math.pi))

    def rsample(self, sample_shape=()):
        return abs(randn(self._extended(sample_shape), dtype=self.scale.dtype)) * self.scale

    def log_prob(self, value):
        z = self._check(value, "GreaterThanEq(lower_bound=0.0)", lambda x: x >= 0) / self.scale
        return -0.5 * z * z - log(self.scale) + 0.5 * math.log(2 / math.pi)

    def entropy(self):
        return 0.5 + 0.5 * math.log(math.pi / 2) + log(self.scale)


class Uniform(Distribution):
    """Uniform on [low, high)."""

    arguments = {"low": REAL, "high": REAL}
    has_rsample = True

    def __init__(self, low, high, validate_args=None):
        self.low, self.high = parameters(low, high)
        super().__init__(self.low.shape, (), validate_args)
        if self._validate and not true(self.low < self.high):
            raise ValueError("Uniform is not defined when low>= high")

    mean = property(lambda self: (self.low + self.high) / 2)
    variance = property(lambda self: (self.high - self.low) ** 2 / 12)

    def rsample(self, sample_shape=()):
        return self.low + rand(self._extended(sample_shape), dtype=self.low.dtype) * (self.high - self.low)

    def log_prob(self, value):
        low, high = self.low.detach(), self.high.detach()
        self._check(value, "Interval(low, high)", lambda x: (x >= low) & (x <= high))
        inside = (value >= self.low) & (value < self.high)
        return where(inside, -log(self.high - self.low), -math.inf)

    def cdf(self, value):
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value):
        return self.low + value * (self.high - self.low)

    def entropy(self):
        return log(self.high - self.low)


class Exponential(Distribution):
    """Density rate · exp(-rate x) for x >= 0."""

    arguments = {"rate": POSITIVE}
    has_rsample = True

    def __init__(self, rate, validate_args=None):
        (self.rate,) = parameters(rate)
        super().__init__(self.rate.shape, (), validate_args)

    mean = stddev = property(lambda self: 1 / self.rate)
    variance = property(lambda self: self.rate**-2)
    mode = property(lambda self: self.rate * 0)

    def rsample(self, sample_shape=()):
        return -log1p(-rand(self._extended(sample_shape), dtype=self.rate.dtype)) / self.rate

    def log_prob(self, value):
        return log(self.rate) - self.rate * self._check(value, "GreaterThanEq(lower_bound=0.0)", lambda x: x >= 0)

    def cdf(self, value):
        return -expm1(-self.rate * value)

    def icdf(self, value):
        return -log1p(-value) / self.rate

    def entropy(self):
        return 1 - log(self.rate)


class Laplace(Distribution):
    """Density exp(-|x - loc| / scale) / (2 scale)."""

    arguments = {"loc": REAL, "scale": POSITIVE}
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = parameters(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    mean = mode = property(lambda self: self.loc)
    variance = property(lambda self: 2 * self.scale**2)

    def rsample(self, sample_shape=()):
        u = rand(self._extended(sample_shape), dtype=self.loc.dtype) - 0.5
        return self.loc - self.scale * sign(u) * log1p((-2 * abs(u)).clamp(min=-1 + 2.0**-24))

    def log_prob(self, value):
        return -log(2 * self.scale) - abs(self._check(value, *REAL) - self.loc) / self.scale

    def cdf(self, value):
        d = value - self.loc
        return 0.5 - 0.5 * sign(d) * expm1(-abs(d) / self.scale)

    def entropy(self):
        return 1 + log(2 * self.scale)


class Gumbel(Distribution):
    """loc - scale · log(-log u), u uniform."""

    arguments = {"loc": REAL, "scale": POSITIVE}
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = parameters(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    mode = property(lambda self: self.loc)
    mean = property(lambda self: self.loc + self.scale * 0.57721566490153286)
    variance = property(lambda self: (math.pi * self.scale) ** 2 / 6)

    def rsample(self, sample_shape=()):
        with no_grad():
            e = -log(-log(_uniform(self._extended(sample_shape), self.loc.dtype)))
        return self.loc + self.scale * e

    def log_prob(self, value):
        z = (self.loc - self._check(value, *REAL)) / self.scale
        return z - exp(z) - log(self.scale)

    def entropy(self):
        return log(self.scale) + 1.57721566490153286


class MultivariateNormal(Distribution):
    """Normal vectors of mean loc and a covariance_matrix, precision_matrix, or lower triangular scale_tril with L L' = Σ."""

    arguments = {"loc": REAL}
    has_rsample = True

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        given = [m for m in (covariance_matrix, precision_matrix, scale_tril) if m is not None]
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        if given[0].ndim < 2:
            raise ValueError("the matrix must be at least two-dimensional, with optional leading batch dimensions")
        n = loc.shape[-1]
        batch = broadcast_shapes(given[0].shape[:-2], loc.shape[:-1])
        self.loc = expand(loc, (*batch, n))
        if scale_tril is not None:
            self.scale_tril = tril(scale_tril)
        else:
            cov = covariance_matrix if covariance_matrix is not None else linalg.inv(precision_matrix)
            try:
                self.scale_tril = linalg.cholesky(cov)
            except linalg.LinAlgError as e:
                raise ValueError(f"MultivariateNormal: the matrix is not positive definite ({e})") from None
        super().__init__(batch, (n,), validate_args)

    mean = mode = property(lambda self: self.loc)
    covariance_matrix = property(lambda self: self.scale_tril @ self.scale_tril.mT)
    variance = property(lambda self: expand(total(self.scale_tril**2, -1), self.loc.shape))

    def _half_log_det(self):
        return total(log(diagonal(self.scale_tril, 0, -2, -1)), -1)

    def rsample(self, sample_shape=()):
        e = randn(self._extended(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self.scale_tril @ e.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value):
        d = (self._check(value, *REAL) - self.loc).unsqueeze(-1)
        z = (linalg.inv(self.scale_tril) @ d).squeeze(-1)
        return -0.5 * (total(z * z, -1) + self.event_shape[0] * _LOG_2PI) - self._half_log_det()

    def entropy(self):
        h = 0.5 * self.event_shape[0] * (1 + _LOG_2PI) + self._half_log_det()
        return expand(h, self.batch_shape)
