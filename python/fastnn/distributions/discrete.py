"""Distributions over integers and classes. Given by probs, or by logits: their logs, or log-odds, up to what is normalized."""

from __future__ import annotations

from .. import dtypes
from ..nn import functional as F
from ..ops.activation import sigmoid
from ..ops.elementwise import exp, floor, log, log1p, where
from ..ops.gather import gather
from ..ops.random import bernoulli, multinomial, rand
from ..ops.reduce import argmax, logsumexp
from ..ops.reduce import sum as total
from ..ops.shape import broadcast_shapes, expand, reshape
from ..tensor import finfo
from .distribution import REAL, UNIT, Distribution, parameters, true

__all__ = ["Bernoulli", "Categorical", "Geometric", "OneHotCategorical"]


def _one_of(probs, logits):
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


def _clamped(probs):
    eps = finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


class _Binary(Distribution):
    """One probability per element."""

    arguments = {"_probs": UNIT, "_logits": REAL}

    def __init__(self, probs=None, logits=None, validate_args=None):
        _one_of(probs, logits)
        self._probs = None if probs is None else parameters(probs)[0]
        self._logits = None if logits is None else parameters(logits)[0]
        super().__init__((self._probs if logits is None else self._logits).shape, (), validate_args)

    @property
    def probs(self):
        return sigmoid(self._logits) if self._probs is None else self._probs

    @property
    def logits(self):
        if self._logits is not None:
            return self._logits
        p = _clamped(self._probs)
        return log(p) - log1p(-p)

    def __repr__(self):
        name, value = ("probs", self._probs) if self._logits is None else ("logits", self._logits)
        return f"{type(self).__name__}({name}: {value if value.numel() == 1 else value.size()})"


class Bernoulli(_Binary):
    """1 with probability probs, else 0."""

    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))
    mode = property(lambda self: where(self.probs == 0.5, float("nan"), (self.probs >= 0.5).to(self.probs.dtype)))

    def sample(self, sample_shape=()):
        return bernoulli(expand(self.probs.detach(), self._extended(sample_shape)))

    def log_prob(self, value):
        self._check(value, "Boolean()", lambda x: (x == 0) | (x == 1))
        shape = broadcast_shapes(value.shape, self.batch_shape)
        return -F.binary_cross_entropy_with_logits(expand(self.logits, shape), expand(value, shape), reduction="none")

    def entropy(self):
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")


class Geometric(_Binary):
    """The number of failures before the first success of probability probs."""

    mean = property(lambda self: 1 / self.probs - 1)
    variance = property(lambda self: (1 / self.probs - 1) / self.probs)

    def sample(self, sample_shape=()):
        p = self.probs.detach()
        u = rand(self._extended(sample_shape), dtype=p.dtype)
        return floor(log1p(-u) / log1p(-p))

    def log_prob(self, value):
        self._check(value, "IntegerGreaterThan(lower_bound=0)", lambda x: (x >= 0) & (x == floor(x)))
        p = self.probs
        return value * where((p == 1) & (value == 0), 0.0, log1p(-p)) + log(p)

    def entropy(self):
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class _Classes(Distribution):
    """Rows of probabilities over the last axis, normalized here."""

    def __init__(self, probs=None, logits=None, validate_args=None):
        _one_of(probs, logits)
        given = probs if logits is None else logits
        if given.ndim < 1:
            raise ValueError("`probs` or `logits` parameter must be at least one-dimensional.")
        if validate_args is not False and self._validate:
            x = given.detach()
            if not (true(x == x) if probs is None else true(x >= 0) and true(total(x, -1) > 0)):
                raise ValueError(
                    f"Expected parameter {'probs' if logits is None else 'logits'} of distribution {type(self).__name__} to be "
                    f"{'non-negative, with a positive sum' if logits is None else 'real'}, but found invalid values"
                )
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
        if name == "probs":
            self.probs = exp(self.logits)
        elif name == "logits":
            self.logits = log(_clamped(self.probs))
        else:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return self.__dict__[name]

    def expand(self, batch_shape):
        value = expand(getattr(self, self._given), (*batch_shape, self._num_events))
        return type(self)(**{self._given: value}, validate_args=False)

    def _indices(self, sample_shape):
        shape = (*((sample_shape,) if isinstance(sample_shape, int) else sample_shape),)
        rows = reshape(self.probs.detach(), (-1, self._num_events))
        count = 1
        for s in shape:
            count *= s
        if not count or not rows.shape[0]:
            return rows.new_zeros((*shape, *self.batch_shape), dtype=dtypes.int64)
        return reshape(multinomial(rows, count, True).T, (*shape, *self.batch_shape))

    def entropy(self):
        low = finfo(self.logits.dtype).min
        return -total(self.probs * self.logits.clamp(min=low), -1)

    def __repr__(self):
        value = getattr(self, self._given)
        return f"{type(self).__name__}({self._given}: {value if value.numel() == 1 else value.size()})"


class Categorical(_Classes):
    """The index of a class, drawn with probabilities in the last axis of probs (need not sum to 1) or of logits."""

    def sample(self, sample_shape=()):
        return self._indices(sample_shape)

    @property
    def param_shape(self):
        return getattr(self, self._given).size()

    @property
    def mode(self):
        return argmax(self.probs, -1)

    @property
    def mean(self):
        return self.probs.new_full(self.batch_shape, float("nan"))

    variance = mean

    def log_prob(self, value):
        n = self._num_events
        self._check(value, f"IntegerInterval(lower_bound=0, upper_bound={n - 1})", lambda x: (x >= 0) & (x < n) & (x == floor(x)))
        value = value.to(dtypes.int64)
        shape = broadcast_shapes(value.shape, self.batch_shape)
        logits = expand(self.logits, (*shape, n))
        return gather(logits, -1, expand(value, shape).unsqueeze(-1)).squeeze(-1)

    def enumerate_support(self, expand=True):
        from ..ops.ranges import arange

        values = arange(self._num_events).reshape((-1,) + (1,) * len(self.batch_shape))
        return values.expand((-1, *self.batch_shape)) if expand else values


class OneHotCategorical(_Classes):
    """`Categorical` as vectors with a single 1."""

    def _event(self):
        return (self._num_events,)

    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))

    def sample(self, sample_shape=()):
        return F.one_hot(self._indices(sample_shape), self._num_events).to(self.probs.dtype)

    def log_prob(self, value):
        self._check(value, "OneHot()", lambda x: ((x == 0) | (x == 1)) & (total(x, -1, True) == 1))
        return total(self.logits * value, -1)
