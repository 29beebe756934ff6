"""What every distribution has: batch_shape (independent parameters), event_shape (one draw), sampling, checks."""

from __future__ import annotations

from .. import _cpu, dtypes
from ..autodiff import no_grad
from ..ops.elementwise import exp
from ..ops.reduce import sum as total
from ..ops.shape import broadcast_shapes, expand
from ..tensor import Size, Tensor, tensor


def true(condition):
    """Whether it holds everywhere; taken on trust while a step is recorded (fastnn.capture), which cannot read values."""
    return _cpu.recording() or bool(condition.all().item())


class Distribution:
    """Base class. A subclass says `arguments` (name: (what it must satisfy, test)), `support` (the same for values), and how
    to sample and what log_prob is.

    ValueError for parameters, or values given to log_prob, that do not satisfy them (unless validate_args=False).
    """

    arguments: dict = {}
    has_rsample = False
    _validate = True

    def __init__(self, batch_shape=(), event_shape=(), validate_args=None):
        self.batch_shape, self.event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate = validate_args
        if self._validate:
            for name, (what, holds) in self.arguments.items():
                value = self.__dict__.get(name)
                if value is not None and not true(holds(value.detach())):
                    raise ValueError(
                        f"Expected parameter {name} (Tensor of shape {tuple(value.shape)}) of distribution "
                        f"{type(self).__name__} to satisfy the constraint {what}, but found invalid values"
                    )

    def sample(self, sample_shape=()):
        """Draws without gradient, of shape sample_shape + batch_shape + event_shape."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=()):
        """Draws through which gradients reach the parameters; NotImplementedError where there are none."""
        raise NotImplementedError(f"{type(self).__name__} has no reparameterized samples")

    def log_prob(self, value):
        """The log of the density (or probability) at value."""
        raise NotImplementedError

    def entropy(self):
        """-E log p, of shape batch_shape."""
        raise NotImplementedError

    @property
    def mean(self):
        raise NotImplementedError

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

    def expand(self, batch_shape):
        """The same distribution with its parameters expanded to a larger batch_shape."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.batch_shape = Size(batch_shape)
        for name in self.arguments:
            value = self.__dict__.get(name)
            if value is not None:
                inner = value.shape[len(self.batch_shape) :]
                new.__dict__[name] = expand(value, (*batch_shape, *inner))
        return new

    def _extended(self, sample_shape):
        return (*_shape(sample_shape), *self.batch_shape, *self.event_shape)

    def _check(self, value, what, holds):
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        n = len(self.event_shape)
        if n and tuple(value.shape[value.ndim - n :]) != tuple(self.event_shape):
            raise ValueError(
                f"The right-most size of value must match event_shape: {list(value.shape)} vs {list(self.event_shape)}."
            )
        if self._validate:
            broadcast_shapes(value.shape[: value.ndim - n], self.batch_shape)
            if not true(holds(value.detach())):
                raise ValueError(
                    f"Expected value argument (Tensor of shape {tuple(value.shape)}) to be within the support ({what}) of the "
                    f"distribution {self!r}, but found invalid values"
                )
        return value

    def __repr__(self):
        shown = {n: self.__dict__[n] for n in self.arguments if self.__dict__.get(n) is not None}
        inside = ", ".join(f"{n}: {v if v.numel() == 1 else v.size()}" for n, v in shown.items())
        return f"{type(self).__name__}({inside})"


def _shape(sample_shape):
    return (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)


def parameters(*values):
    """Numbers and tensors as tensors of one shape."""
    like = next((v for v in values if isinstance(v, Tensor)), None)
    dtype = dtypes.get_default_dtype() if like is None or not like.dtype.is_floating_point else like.dtype
    values = [v if isinstance(v, Tensor) else tensor(float(v), dtype=dtype) for v in values]
    shape = broadcast_shapes(*(v.shape for v in values))
    return [v if tuple(v.shape) == tuple(shape) else expand(v, shape) for v in values]


REAL = "Real()", lambda x: x == x
POSITIVE = "GreaterThan(lower_bound=0.0)", lambda x: x > 0
UNIT = "Interval(lower_bound=0.0, upper_bound=1.0)", lambda x: (x >= 0) & (x <= 1)


class Independent(Distribution):
    """A distribution whose last batch axes are counted as part of the event: log_prob sums over them."""

    def __init__(self, base_distribution, reinterpreted_batch_ndims, validate_args=None):
        n, batch = reinterpreted_batch_ndims, base_distribution.batch_shape
        if n > len(batch):
            raise ValueError(
                f"Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual {n} vs {len(batch)}"
            )
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        self.has_rsample = base_distribution.has_rsample
        split = len(batch) - n
        super().__init__(batch[:split], (*batch[split:], *base_distribution.event_shape), validate_args)

    mean = property(lambda self: self.base_dist.mean)
    variance = property(lambda self: self.base_dist.variance)

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
