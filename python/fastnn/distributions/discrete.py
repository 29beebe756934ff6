"""Distributions over classes. Given by probs, or by logits: their logs, or log-odds, up to what is normalized."""

from __future__ import annotations

from .. import dtypes
from ..nn import functional as F
from ..ops.activation import sigmoid
from ..ops.diagonal import eye
from ..ops.elementwise import exp, floor, log, log1p, where
from ..ops.gather import gather
from ..ops.random import bernoulli, multinomial, rand
from ..ops.ranges import arange
from ..ops.reduce import argmax, logsumexp
from ..ops.reduce import sum as total
from ..ops.shape import broadcast_shapes, expand, reshape
from ..tensor import Size, finfo
from . import constraints
from .distribution import Distribution, ExponentialFamily, broadcast_all
from .utils import clamp_probs

__all__ = ["Bernoulli", "Categorical", "Geometric", "OneHotCategorical", "OneHotCategoricalStraightThrough"]


def one_of(probs, logits):
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


class Binary(Distribution):
    """One probability per element, given by probs or by logits; the other follows when asked for."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}

    def __init__(self, probs=None, logits=None, validate_args=None):
        one_of(probs, logits)
        (value,) = broadcast_all(probs if logits is None else logits)
        self.__dict__["probs" if logits is None else "logits"] = value
        super().__init__(value.shape, (), validate_args)

    def __getattr__(self, name):
        if name == "probs" and "logits" in self.__dict__:
            return sigmoid(self.__dict__["logits"])
        if name == "logits" and "probs" in self.__dict__:
            p = clamp_probs(self.__dict__["probs"])
            return log(p) - log1p(-p)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    param_shape = property(lambda self: self._batch_shape)


class Bernoulli(Binary, ExponentialFamily):
    """1 with probability probs, else 0."""

    support = constraints.boolean
    has_enumerate_support = True
    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))
    mode = property(lambda self: where(self.probs == 0.5, float("nan"), (self.probs >= 0.5).to(self.probs.dtype)))

    def sample(self, sample_shape=()):
        return bernoulli(expand(self.probs.detach(), self._extended_shape(sample_shape)))

    def log_prob(self, value):
        self._checked(value)
        shape = broadcast_shapes(value.shape, self.batch_shape)
        return -F.binary_cross_entropy_with_logits(expand(self.logits, shape), expand(value, shape), reduction="none")

    def entropy(self):
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand=True):
        values = arange(2, dtype=self.probs.dtype).reshape((-1,) + (1,) * len(self.batch_shape))
        return values.expand((-1, *self.batch_shape)) if expand else values


class Geometric(Binary):
    """The number of failures before the first success of probability probs."""

    support = constraints.nonnegative_integer
    mean = property(lambda self: 1 / self.probs - 1)
    mode = property(lambda self: self.probs * 0)
    variance = property(lambda self: (1 / self.probs - 1) / self.probs)

    def __init__(self, probs=None, logits=None, validate_args=None):
        super().__init__(probs, logits, validate_args)
        if self._validate_args and probs is not None and not constraints.holds(constraints.positive, self.probs.detach()):
            raise ValueError(f"Expected parameter probs of distribution {self!r} to be positive but found invalid values:\n{self.probs}")

    def sample(self, sample_shape=()):
        p = self.probs.detach()
        u = rand(self._extended_shape(sample_shape), dtype=p.dtype)
        return floor(log1p(-u) / log1p(-p))

    def log_prob(self, value):
        self._checked(value)
        p = self.probs
        return value * where((p == 1) & (value == 0), 0.0, log1p(-p)) + log(p)

    def entropy(self):
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class Classes(Distribution):
    """Rows of probabilities over the last axis, normalized here."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        one_of(probs, logits)
        given = probs if logits is None else logits
        if given.ndim < 1:
            raise ValueError("`probs` or `logits` parameter must be at least one-dimensional.")
        if logits is None:
            self.probs = probs / total(probs, -1, True)
        else:
            self.logits = logits - logsumexp(logits, -1, True)
        self._given = "probs" if logits is None else "logits"
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], self._event(), validate_args)

    def _event(self):
        return ()

    def __getattr__(self, name):
        if name == "probs" and "logits" in self.__dict__:
            return exp(self.__dict__["logits"])
        if name == "logits" and "probs" in self.__dict__:
            return log(clamp_probs(self.__dict__["probs"]))
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    param_shape = property(lambda self: self.__dict__[self._given].size())

    def expand(self, batch_shape, _instance=None):
        new = super().expand(batch_shape, _instance)
        new._batch_shape = Size(batch_shape)
        return new

    def _indices(self, sample_shape):
        shape = tuple(sample_shape)
        rows = reshape(self.probs.detach(), (-1, self._num_events))
        count = 1
        for s in shape:
            count *= s
        if not count or not rows.shape[0]:
            return rows.new_zeros((*shape, *self.batch_shape), dtype=dtypes.int64)
        return reshape(multinomial(rows, count, True).T, (*shape, *self.batch_shape))

    def _of_index(self, index):
        """log_prob of classes given as int64 indices."""
        shape = broadcast_shapes(index.shape, self.batch_shape)
        logits = expand(self.logits, (*shape, self._num_events))
        return gather(logits, -1, expand(index, shape).unsqueeze(-1)).squeeze(-1)

    def entropy(self):
        low = finfo(self.logits.dtype).min
        return -total(self.probs * self.logits.clamp(min=low), -1)


class Categorical(Classes):
    """The index of a class, drawn with probabilities in the last axis of probs (need not sum to 1) or of logits."""

    @constraints.dependent_property(is_discrete=True)
    def support(self):
        return constraints.integer_interval(0, self._num_events - 1)

    def sample(self, sample_shape=()):
        return self._indices(sample_shape)

    mode = property(lambda self: argmax(self.probs, -1))
    mean = variance = property(lambda self: self.probs.new_full(self.batch_shape, float("nan")))

    def log_prob(self, value):
        self._checked(value)
        return self._of_index(value.to(dtypes.int64))

    def enumerate_support(self, expand=True):
        values = arange(self._num_events).reshape((-1,) + (1,) * len(self.batch_shape))
        return values.expand((-1, *self.batch_shape)) if expand else values


class OneHotCategorical(Classes):
    """`Categorical` as vectors with a single 1."""

    support = constraints.one_hot
    _derived = True

    def _event(self):
        return (self._num_events,)

    mean = property(lambda self: self.probs)
    mode = property(lambda self: F.one_hot(argmax(self.probs, -1), self._num_events).to(self.probs.dtype))
    variance = property(lambda self: self.probs * (1 - self.probs))

    def sample(self, sample_shape=()):
        return F.one_hot(self._indices(sample_shape), self._num_events).to(self.probs.dtype)

    def log_prob(self, value):
        return self._of_index(argmax(self._checked(value), -1))

    def enumerate_support(self, expand=True):
        n = self._num_events
        values = eye(n, dtype=self.probs.dtype).reshape((n,) + (1,) * len(self.batch_shape) + (n,))
        return values.expand((n, *self.batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """`OneHotCategorical` whose draws pass gradients to probs as if they were probs (Bengio et al. 2013)."""

    has_rsample = True

    def rsample(self, sample_shape=()):
        return self.sample(sample_shape) + (self.probs - self.probs.detach())
