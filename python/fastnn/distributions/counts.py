"""Distributions of counts: Poisson, binomial, negative binomial, multinomial."""

from __future__ import annotations

from ..autodiff import no_grad
from ..nn import functional as F
from ..ops.activation import sigmoid
from ..ops.draws import binomial, poisson, standard_gamma
from ..ops.elementwise import where, xlogy
from ..ops.gamma import lgamma
from ..ops.ranges import arange
from ..ops.reduce import sum as total
from ..ops.shape import expand
from . import constraints
from .discrete import Binary, Categorical, one_of
from .distribution import Distribution, ExponentialFamily, broadcast_all

__all__ = ["Binomial", "Multinomial", "NegativeBinomial", "Poisson"]


class Poisson(ExponentialFamily):
    """Events of mean number rate."""

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate, validate_args=None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, (), validate_args)

    mean = variance = property(lambda self: self.rate)
    mode = property(lambda self: self.rate.floor())

    def sample(self, sample_shape=()):
        return poisson(expand(self.rate.detach(), self._extended_shape(sample_shape)))

    def log_prob(self, value):
        rate, value = broadcast_all(self.rate, self._checked(value))
        return xlogy(value, rate) - rate - lgamma(value + 1)


class _Trials(Binary):
    """total_count, and the probability of one trial."""

    def __init__(self, total_count, probs, logits, validate_args):
        one_of(probs, logits)
        given = "probs" if logits is None else "logits"
        count, value = broadcast_all(total_count, probs if logits is None else logits)
        self.total_count = count.to(value.dtype)
        self.__dict__[given] = value
        Distribution.__init__(self, value.shape, (), validate_args)


class Binomial(_Trials):
    """Successes in total_count trials of probability probs."""

    arg_constraints = {"total_count": constraints.nonnegative_integer, **Binary.arg_constraints}
    has_enumerate_support = True

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        super().__init__(total_count, probs, logits, validate_args)

    @constraints.dependent_property(is_discrete=True)
    def support(self):
        return constraints.integer_interval(0, self.total_count.detach())

    mean = property(lambda self: self.total_count * self.probs)
    mode = property(lambda self: ((self.total_count + 1) * self.probs).floor().minimum(self.total_count))
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return binomial(expand(self.total_count.detach(), shape), expand(self.probs.detach(), shape))

    def log_prob(self, value):
        k, n = self._checked(value), self.total_count
        ways = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
        return ways + k * self.logits - n * F.softplus(self.logits)

    def entropy(self):
        if self.total_count.min() != self.total_count.max():
            raise NotImplementedError("Inhomogeneous total count not supported by `entropy`.")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -total(log_prob.exp() * log_prob, 0)

    def enumerate_support(self, expand=True):
        most = int(self.total_count.max())
        if self.total_count.min() != most:
            raise NotImplementedError("Inhomogeneous total count not supported by `enumerate_support`.")
        values = arange(most + 1, dtype=self.total_count.dtype).reshape((-1,) + (1,) * len(self.batch_shape))
        return values.expand((-1, *self.batch_shape)) if expand else values


class NegativeBinomial(_Trials):
    """Successes of probability probs before total_count failures."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(self, total_count, probs=None, logits=None, validate_args=None):
        super().__init__(total_count, probs, logits, validate_args)

    mean = property(lambda self: self.total_count * self.logits.exp())
    mode = property(lambda self: ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0))
    variance = property(lambda self: self.mean / sigmoid(-self.logits))

    def sample(self, sample_shape=()):
        with no_grad():
            rate = standard_gamma(expand(self.total_count, self._extended_shape(sample_shape))) * self.logits.exp()
            return poisson(rate)

    def log_prob(self, value):
        k, n = self._checked(value), self.total_count
        ways = lgamma(n + k) - lgamma(k + 1) - lgamma(n)
        ways = where(n + k == 0, 0.0, ways)
        return ways + n * F.logsigmoid(-self.logits) + k * F.logsigmoid(self.logits)


class Multinomial(Distribution):
    """Counts of each class in total_count draws."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        if total_count < 0:
            raise ValueError(f"Multinomial: expected total_count >= 0, got {total_count}")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits, validate_args)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args)

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    param_shape = property(lambda self: self._categorical.param_shape)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        return constraints.multinomial(self.total_count)

    mean = property(lambda self: self.probs * self.total_count)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    def sample(self, sample_shape=()):
        lead = (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)
        draws = self._categorical.sample((self.total_count, *lead))
        return total(F.one_hot(draws, self.event_shape[0]), 0).to(self.probs.dtype)

    def log_prob(self, value):
        x = self._checked(value)
        logits = where((x == 0) & (self.logits == -float("inf")), 0.0, self.logits)
        return lgamma(total(x, -1) + 1) - total(lgamma(x + 1), -1) + total(logits * x, -1)

    def entropy(self):
        n, p = self.total_count, self.probs
        each = Binomial(n, p, validate_args=False)
        counts = each.enumerate_support(False)[1:]
        weights = each.log_prob(counts).exp() * lgamma(counts + 1)
        of_draws = n * self._categorical.entropy() - lgamma(p.new_full((), float(n + 1)))
        return of_draws + total(weights, (0, -1))
