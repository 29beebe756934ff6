"""What a transform of random numbers is, and transforms made of others: one after another, side by side, of more axes."""

from __future__ import annotations

import math

from ..ops.join import cat, stack
from ..ops.reduce import sum as total
from ..tensor import Size, Tensor
from . import constraints


def sum_last(x, n):
    return total(x, tuple(range(-n, 0))) if n else x


def _equal(a, b):
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape != b.shape:
        return False
    same = a == b
    return bool(same.all()) if isinstance(same, Tensor) else bool(same)


def needs(shape, axes):
    if len(shape) < axes:
        raise ValueError("Too few dimensions on input")


class Transform:
    """y = f(x). A subclass defines `_call`, `_inverse`, `log_abs_det_jacobian`, `domain` and `codomain`.

    cache_size=1 keeps the last pair (x, y), so that the inverse of what was just computed is exact.
    """

    bijective = False
    domain = codomain = constraints.real

    @property
    def sign(self):
        """1 where f rises, -1 where it falls."""
        raise NotImplementedError(f"{type(self).__name__} neither rises nor falls everywhere")

    def __init__(self, cache_size=0):
        if cache_size not in (0, 1):
            raise ValueError("cache_size must be 0 or 1")
        self._cache_size, self._last, self._inv = cache_size, (None, None), None

    event_dim = property(lambda self: max(self.domain.event_dim, self.codomain.event_dim))

    @property
    def inv(self):
        """The inverse transform."""
        if self._inv is None:
            self._inv = _Inverse(self)
        return self._inv

    def with_cache(self, cache_size=1):
        self._cache_size = cache_size
        return self

    def __call__(self, x):
        if self._cache_size and x is self._last[0]:
            return self._last[1]
        y = self._call(x)
        if self._cache_size:
            self._last = x, y
        return y

    def _inv_call(self, y):
        if self._cache_size and y is self._last[1]:
            return self._last[0]
        x = self._inverse(y)
        if self._cache_size:
            self._last = x, y
        return x

    def _call(self, x):
        raise NotImplementedError

    def _inverse(self, y):
        raise NotImplementedError

    def log_abs_det_jacobian(self, x, y):
        """log |det dy/dx|, summed over the axes of one event."""
        raise NotImplementedError

    def forward_shape(self, shape):
        """The shape of f(x) for x of this shape."""
        return shape

    def inverse_shape(self, shape):
        return shape

    def __eq__(self, other):
        if self is other or type(self) is not type(other):
            return self is other
        a, b = self._state(), other._state()
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)

    def _state(self):
        return {k: v for k, v in self.__dict__.items() if k not in ("_cache_size", "_last", "_inv")}

    __hash__ = object.__hash__

    def __repr__(self):
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    def __init__(self, transform):
        super().__init__(transform._cache_size)
        self._inv = transform

    bijective = property(lambda self: self._inv.bijective)
    sign = property(lambda self: self._inv.sign)
    domain = property(lambda self: self._inv.codomain)
    codomain = property(lambda self: self._inv.domain)

    def __call__(self, x):
        return self._inv._inv_call(x)

    def _inv_call(self, y):
        return self._inv(y)

    def log_abs_det_jacobian(self, x, y):
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape):
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape):
        return self._inv.forward_shape(shape)

    def __eq__(self, other):
        return isinstance(other, _Inverse) and self._inv == other._inv

    __hash__ = object.__hash__

    def __repr__(self):
        return f"_InverseTransform({self._inv!r})"


class ComposeTransform(Transform):
    """Several transforms, the first one first."""

    def __init__(self, parts, cache_size=0):
        super().__init__(cache_size)
        self.parts = [p.with_cache(cache_size) if cache_size else p for p in parts]

    bijective = property(lambda self: all(p.bijective for p in self.parts))

    @property
    def inv(self):
        """The inverses of the parts, the last one first."""
        if self._inv is None:
            self._inv = ComposeTransform([part.inv for part in reversed(self.parts)])
            self._inv._inv = self
        return self._inv

    @property
    def sign(self):
        return math.prod(p.sign for p in self.parts)

    def _events(self, ends, order):
        """The constraint at one end, with as many axes in an event as the parts between need."""
        if not self.parts:
            return constraints.real
        constraint = getattr(order[0], ends[0])
        n = getattr(order[-1], ends[1]).event_dim
        for part in reversed(order):
            n = max(n + getattr(part, ends[0]).event_dim - getattr(part, ends[1]).event_dim, getattr(part, ends[0]).event_dim)
        more = n - constraint.event_dim
        return constraints.independent(constraint, more) if more > 0 else constraint

    domain = property(lambda self: self._events(("domain", "codomain"), self.parts))
    codomain = property(lambda self: self._events(("codomain", "domain"), self.parts[::-1]))

    def _call(self, x):
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y):
        for part in reversed(self.parts):
            y = part._inv_call(y)
        return y

    def log_abs_det_jacobian(self, x, y):
        if not self.parts:
            return x * 0
        result, events = 0, self.domain.event_dim
        for part in self.parts:
            out = part(x)
            result = result + sum_last(part.log_abs_det_jacobian(x, out), events - part.domain.event_dim)
            events += part.codomain.event_dim - part.domain.event_dim
            x = out
        return result

    def forward_shape(self, shape):
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape):
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self):
        return "ComposeTransform(\n    " + ",\n    ".join(map(repr, self.parts)) + "\n)"


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A transform whose last axes are counted as part of the event: Jacobians are summed over them."""

    def __init__(self, base_transform, reinterpreted_batch_ndims, cache_size=0):
        super().__init__(cache_size)
        self.base_transform, self.reinterpreted_batch_ndims = base_transform, reinterpreted_batch_ndims

    bijective = property(lambda self: self.base_transform.bijective)
    sign = property(lambda self: self.base_transform.sign)
    domain = property(lambda self: constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims))
    codomain = property(lambda self: constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims))

    def _call(self, x):
        return self.base_transform(x)

    def _inverse(self, y):
        return self.base_transform._inv_call(y)

    def log_abs_det_jacobian(self, x, y):
        return sum_last(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def __repr__(self):
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


class ReshapeTransform(Transform):
    """The last axes in another shape."""

    bijective = True

    def __init__(self, in_shape, out_shape, cache_size=0):
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ValueError("in_shape, out_shape have different numbers of elements")
        super().__init__(cache_size)

    domain = property(lambda self: constraints.independent(constraints.real, len(self.in_shape)))
    codomain = property(lambda self: constraints.independent(constraints.real, len(self.out_shape)))

    def _swap(self, shape, old, new):
        cut = len(shape) - len(old)
        if cut < 0 or tuple(shape[cut:]) != old:
            raise ValueError(f"Shape mismatch: expected {old} but got {tuple(shape[max(cut, 0):])}")
        return Size((*shape[:cut], *new))

    def _call(self, x):
        return x.reshape(self.forward_shape(x.shape))

    def _inverse(self, y):
        return y.reshape(self.inverse_shape(y.shape))

    def log_abs_det_jacobian(self, x, y):
        return x.new_zeros(x.shape[: x.ndim - len(self.in_shape)])

    def forward_shape(self, shape):
        return self._swap(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape):
        return self._swap(shape, self.out_shape, self.in_shape)


class CatTransform(Transform):
    """Transforms for parts of axis dim, of these lengths, side by side."""

    def __init__(self, tseq, dim=0, lengths=None, cache_size=0):
        super().__init__(cache_size)
        self.transforms, self.dim = list(tseq), dim
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)

    bijective = property(lambda self: all(t.bijective for t in self.transforms))
    domain = property(lambda self: constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths))
    codomain = property(lambda self: constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths))

    def _each(self, call, *values):
        parts = zip(self.transforms, *(v.split(self.lengths, self.dim) for v in values), strict=True)
        return cat([call(t, *p) for t, *p in parts], self.dim)

    def _call(self, x):
        return self._each(lambda t, v: t(v), x)

    def _inverse(self, y):
        return self._each(lambda t, v: t._inv_call(v), y)

    def log_abs_det_jacobian(self, x, y):
        return self._each(lambda t, v, w: sum_last(t.log_abs_det_jacobian(v, w), self.event_dim - t.event_dim), x, y)


class StackTransform(CatTransform):
    """A transform for each slice of axis dim."""

    def __init__(self, tseq, dim=0, cache_size=0):
        super().__init__(tseq, dim, None, cache_size)

    domain = property(lambda self: constraints.stack([t.domain for t in self.transforms], self.dim))
    codomain = property(lambda self: constraints.stack([t.codomain for t in self.transforms], self.dim))

    def _each(self, call, *values):
        parts = zip(self.transforms, *(v.unbind(self.dim) for v in values), strict=True)
        return stack([call(t, *p) for t, *p in parts], self.dim)
