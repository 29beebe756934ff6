"""What every distribution has: batch_shape (independent parameters), event_shape (one draw), sampling, checks."""

from __future__ import annotations

import copy

from .. import dtypes
from ..autodiff import no_grad
from ..ops.elementwise import exp
from ..ops.reduce import sum as total
from ..ops.shape import broadcast_shapes, expand
from ..tensor import Size, Tensor, tensor
from . import constraints
from .constraints import holds


class Distribution:
    """Base class. A subclass says `arg_constraints` (name: constraint), `support`, how to sample, and what log_prob is.

    ValueError for parameters, or values given to log_prob, that do not satisfy them (unless validate_args=False).
    """

    arg_constraints: dict = {}
    has_rsample = False
    has_enumerate_support = False
    _validate_args = True
    _derived = False  # whether PyTorch's own is made of another distribution, and prints without its parameters

    @staticmethod
    def set_default_validate_args(value):
        """Whether distributions check their arguments unless told otherwise."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(self, batch_shape=(), event_shape=(), validate_args=None):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if not self._validate_args:
            return
        for name, constraint in self.arg_constraints.items():
            value = self.__dict__.get(name)
            if value is None or constraints.is_dependent(constraint):
                continue
            value = value.detach()
            if not holds(constraint, value):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution {self!r} "
                    f"to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    batch_shape = property(lambda self: self._batch_shape)
    event_shape = property(lambda self: self._event_shape)

    @property
    def support(self):
        """The constraint that values satisfy."""
        raise NotImplementedError

    def sample(self, sample_shape=()):
        """Draws without gradient, of shape sample_shape + batch_shape + event_shape."""
        with no_grad():
            return self.rsample(sample_shape)

    def sample_n(self, n):
        return self.sample((n,))

    def rsample(self, sample_shape=()):
        """Draws through which gradients reach the parameters; NotImplementedError where there are none."""
        raise NotImplementedError(f"{type(self).__name__} has no reparameterized samples")

    def log_prob(self, value):
        """The log of the density (or probability) at value."""
        raise NotImplementedError

    def entropy(self):
        """-E log p, of shape batch_shape."""
        raise NotImplementedError

    def enumerate_support(self, expand=True):
        """All values, along a new first axis."""
        raise NotImplementedError

    @property
    def mean(self):
        raise NotImplementedError

    @property
    def mode(self):
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self):
        raise NotImplementedError

    @property
    def stddev(self):
        return self.variance.sqrt()

    def cdf(self, value):
        """The probability of a draw <= value."""
        raise NotImplementedError

    def icdf(self, value):
        """The quantile: the inverse of `cdf`."""
        raise NotImplementedError

    def perplexity(self):
        return exp(self.entropy())

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its parameters expanded to a larger batch_shape."""
        new = copy.copy(self) if _instance is None else _instance
        old, new._batch_shape = self._batch_shape, Size(batch_shape)
        for name, value in self.__dict__.items():
            if isinstance(value, Tensor) and not name.startswith("__"):
                inner = value._shape[len(old) :]
                new.__dict__[name] = expand(value, (*batch_shape, *inner))
            elif isinstance(value, Distribution):
                new.__dict__[name] = value.expand((*batch_shape, *value._batch_shape[len(old) :]))
        return new

    def _extended_shape(self, sample_shape=()):
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def _validate_sample(self, value):
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        n = len(self._event_shape)
        if n and tuple(value._shape[value.ndim - n :]) != tuple(self._event_shape):
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.shape} vs {self._event_shape}."
            )
        broadcast_shapes(value._shape[: value.ndim - n], self._batch_shape)
        support = self.support
        if support is not None and not holds(support, value.detach()):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the support "
                f"({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def _checked(self, value):
        """value, after the check that log_prob makes of it."""
        if self._validate_args:
            self._validate_sample(value)
        return value

    def __repr__(self):
        shown = {n: self.__dict__[n] for n in self.arg_constraints if not self._derived and self.__dict__.get(n) is not None}
        inside = ", ".join(f"{n}: {v if v.numel() == 1 else v.size()}" for n, v in shown.items())
        return f"{type(self).__name__}({inside})"


class ExponentialFamily(Distribution):
    """PyTorch's base of those with natural parameters; their formulas are written out here."""


def broadcast_all(*values):
    """Numbers and tensors as tensors of one shape."""
    like = next((v for v in values if isinstance(v, Tensor)), None)
    dtype = dtypes.get_default_dtype() if like is None or not like.dtype.is_floating_point else like.dtype
    values = [v if isinstance(v, Tensor) else tensor(float(v), dtype=dtype) for v in values]
    if len({v._shape for v in values}) == 1:
        return tuple(values)
    shape = broadcast_shapes(*(v._shape for v in values))
    return tuple(v if tuple(v._shape) == tuple(shape) else expand(v, shape) for v in values)


class Independent(Distribution):
    """A distribution whose last batch axes are counted as part of the event: log_prob sums over them."""

    def __init__(self, base_distribution, reinterpreted_batch_ndims, validate_args=None):
        n, batch = reinterpreted_batch_ndims, base_distribution.batch_shape
        if n > len(batch):
            raise ValueError(
                f"Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual {n} vs {len(batch)}"
            )
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        split = len(batch) - n
        super().__init__(batch[:split], (*batch[split:], *base_distribution.event_shape), validate_args)

    has_rsample = property(lambda self: self.base_dist.has_rsample)
    mean = property(lambda self: self.base_dist.mean)
    mode = property(lambda self: self.base_dist.mode)
    variance = property(lambda self: self.base_dist.variance)

    @property
    def support(self):
        base = self.base_dist.support
        return constraints.independent(base, self.reinterpreted_batch_ndims) if self.reinterpreted_batch_ndims else base

    def expand(self, batch_shape, _instance=None):
        inner = self.event_shape[: self.reinterpreted_batch_ndims]
        return Independent(self.base_dist.expand((*batch_shape, *inner)), self.reinterpreted_batch_ndims, False)

    def sample(self, sample_shape=()):
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape=()):
        return self.base_dist.rsample(sample_shape)

    def _inner(self, x):
        n = self.reinterpreted_batch_ndims
        return total(x, tuple(range(-n, 0))) if n else x

    def log_prob(self, value):
        return self._inner(self.base_dist.log_prob(value))

    def entropy(self):
        return self._inner(self.base_dist.entropy())

    def __repr__(self):
        return f"Independent({self.base_dist!r}, {self.reinterpreted_batch_ndims})"
