"""What parameters must satisfy and where values lie: constraints with `check(value)`, which gives a bool for each event."""

from __future__ import annotations

from itertools import accumulate

from .. import _cpu, dtypes
from ..ops import linalg
from ..ops.comparison import logical_and
from ..ops.diagonal import diagonal, tril
from ..ops.reduce import all as every
from ..ops.reduce import sum as total
from ..ops.shape import reshape

__all__ = [
    "Constraint", "boolean", "cat", "corr_cholesky", "dependent", "dependent_property", "greater_than", "greater_than_eq",
    "half_open_interval", "independent", "integer_interval", "interval", "is_dependent", "less_than", "lower_cholesky",
    "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer", "one_hot", "positive", "positive_definite",
    "positive_integer", "positive_semidefinite", "real", "real_vector", "simplex", "square", "stack", "symmetric", "unit_interval",
]  # fmt: skip


class Constraint:
    """A region over which values or parameters range. The last event_dim axes make one event."""

    is_discrete = False
    event_dim = 0

    def check(self, value):
        """A bool for each event in value."""
        raise NotImplementedError

    def __repr__(self):
        name = type(self).__name__.lstrip("_")
        return f"{name[:1].upper()}{name[1:]}()"


def holds(constraint, value):
    """Whether the constraint holds everywhere; taken on trust while a step is recorded (fastnn.capture), which cannot read values."""
    return _cpu.recording() or bool(constraint.check(value).all().item())


class Dependent(Constraint):
    """Depends on other values, so nothing can be checked here."""

    def __init__(self, *, is_discrete=False, event_dim=0):
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def __call__(self, *, is_discrete=False, event_dim=0):
        return Dependent(is_discrete=is_discrete, event_dim=event_dim)

    def check(self, x):
        raise ValueError("Cannot determine validity of dependent constraint")

    def __repr__(self):
        return "Dependent()"


def is_dependent(constraint):
    return isinstance(constraint, Dependent)


class dependent_property(property, Dependent):
    """A property that is a constraint of the instance, and `Dependent` on the class."""

    def __init__(self, fn=None, *, is_discrete=False, event_dim=0):
        super().__init__(fn)
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def __call__(self, fn):
        return dependent_property(fn, is_discrete=self.is_discrete, event_dim=self.event_dim)


class independent(Constraint):
    """The base constraint for all of the last axes together."""

    def __init__(self, base_constraint, reinterpreted_batch_ndims):
        self.base_constraint, self.reinterpreted_batch_ndims = base_constraint, reinterpreted_batch_ndims
        self.is_discrete, self.event_dim = base_constraint.is_discrete, base_constraint.event_dim + reinterpreted_batch_ndims

    def check(self, value):
        result = self.base_constraint.check(value)
        n = self.reinterpreted_batch_ndims
        if result.ndim < n:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.ndim}")
        return every(reshape(result, (*result._shape[: result.ndim - n], -1)), -1)

    def __repr__(self):
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class _Simple(Constraint):
    def __init__(self, name, check, is_discrete=False, event_dim=0):
        self._name, self.check, self.is_discrete, self.event_dim = name, check, is_discrete, event_dim

    def __repr__(self):
        return f"{self._name}()"


class _Bounded(Constraint):
    """Of numbers: the subclass names its bounds, and says what they mean."""

    bounds: tuple = ()

    def __init__(self, *bounds, **named):
        for name, value in (*zip(self.bounds, bounds, strict=False), *named.items()):
            setattr(self, name, value)

    def __repr__(self):
        words = "".join(part.capitalize() for part in type(self).__name__.split("_"))
        return f"{words}({', '.join(f'{n}={getattr(self, n)}' for n in self.bounds)})"


class greater_than(_Bounded):
    bounds = ("lower_bound",)

    def check(self, value):
        return self.lower_bound < value


class greater_than_eq(_Bounded):
    bounds = ("lower_bound",)

    def check(self, value):
        return self.lower_bound <= value


class less_than(_Bounded):
    bounds = ("upper_bound",)

    def check(self, value):
        return value < self.upper_bound


class interval(_Bounded):
    bounds = ("lower_bound", "upper_bound")

    def check(self, value):
        return logical_and(self.lower_bound <= value, value <= self.upper_bound)


class half_open_interval(_Bounded):
    bounds = ("lower_bound", "upper_bound")

    def check(self, value):
        return logical_and(self.lower_bound <= value, value < self.upper_bound)


class integer_interval(interval):
    is_discrete = True

    def check(self, value):
        return logical_and(value % 1 == 0, super().check(value))


class integer_greater_than(_Bounded):
    is_discrete = True
    bounds = ("lower_bound",)

    def check(self, value):
        return logical_and(value % 1 == 0, value >= self.lower_bound)


class multinomial(Constraint):
    """Counts that sum to at most upper_bound."""

    is_discrete, event_dim = True, 1

    def __init__(self, upper_bound):
        self.upper_bound = upper_bound

    def check(self, value):
        return logical_and(every(value >= 0, -1), total(value, -1) <= self.upper_bound)


class cat(Constraint):
    """Constraints for parts of axis dim, of these lengths, side by side."""

    def __init__(self, cseq, dim=0, lengths=None):
        self.cseq, self.dim = list(cseq), dim
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        self.is_discrete, self.event_dim = any(c.is_discrete for c in self.cseq), max(c.event_dim for c in self.cseq)

    def check(self, value):
        from ..ops.join import cat as joined

        starts = accumulate(self.lengths, initial=0)
        parts = [value.narrow(self.dim, start, n) for start, n in zip(starts, self.lengths, strict=False)]
        return joined([c.check(v) for c, v in zip(self.cseq, parts, strict=True)], self.dim)


class stack(Constraint):
    """A constraint for each slice of axis dim."""

    def __init__(self, cseq, dim=0):
        self.cseq, self.dim = list(cseq), dim
        inner = max(c.event_dim for c in self.cseq)
        self.is_discrete = any(c.is_discrete for c in self.cseq)
        self.event_dim = inner + (self.dim + inner < 0)  # an axis counted from the end is one of each event

    def check(self, value):
        from ..ops.join import stack as joined

        return joined([c.check(v) for c, v in zip(self.cseq, value.unbind(self.dim), strict=True)], self.dim)


def _same(a, b, atol=1e-6):
    return every(every(abs(a - b) <= atol + 1e-5 * abs(b), -1), -1)


def _lower(x):
    return every(every(tril(x) == x, -1), -1)


def _square(x):
    return x.new_full(x._shape[:-2], x._shape[-1] == x._shape[-2], dtype=dtypes.bool)


def _symmetric(x):
    return _same(x, x.mT) if x._shape[-1] == x._shape[-2] else _square(x)


def _eigenvalues(test):
    def check(x):
        if x._shape[-1] != x._shape[-2]:
            return _square(x)
        return logical_and(_symmetric(x), every(test(linalg.eigvalsh(x)), -1))

    return check


real = _Simple("Real", lambda x: x == x)
real_vector = independent(real, 1)
boolean = _Simple("Boolean", lambda x: (x == 0) | (x == 1), True)
one_hot = _Simple("OneHot", lambda x: logical_and(every((x == 0) | (x == 1), -1), total(x, -1) == 1), True, 1)
nonnegative_integer = integer_greater_than(0)
positive_integer = integer_greater_than(1)
positive = greater_than(0.0)
nonnegative = greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
simplex = _Simple("Simplex", lambda x: logical_and(every(x >= 0, -1), abs(total(x, -1) - 1) < 1e-6), event_dim=1)
lower_triangular = _Simple("LowerTriangular", _lower, event_dim=2)
lower_cholesky = _Simple("LowerCholesky", lambda x: logical_and(_lower(x), every(diagonal(x, 0, -2, -1) > 0, -1)), event_dim=2)
corr_cholesky = _Simple(
    "CorrCholesky",
    lambda x: logical_and(lower_cholesky.check(x), every(abs(total(x * x, -1) - 1) < 1e-4, -1)),
    event_dim=2,
)
square = _Simple("Square", _square, event_dim=2)
symmetric = _Simple("Symmetric", _symmetric, event_dim=2)
positive_semidefinite = _Simple("PositiveSemidefinite", _eigenvalues(lambda w: w >= -1e-7), event_dim=2)
positive_definite = _Simple("PositiveDefinite", _eigenvalues(lambda w: w > 0), event_dim=2)
dependent = Dependent()
