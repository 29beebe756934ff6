"""Invertible maps with the log of their Jacobian determinant, and how constraints are reached from unconstrained numbers.

Here are those of numbers; transform.py has what is made of others, vector_transforms.py those of vectors and matrices.
"""

from __future__ import annotations

import math

from ..nn import functional as F
from ..ops.activation import sigmoid, tanh
from ..ops.elementwise import exp, expm1, log, log1p
from ..ops.shape import broadcast_shapes
from ..tensor import Tensor, finfo
from . import constraints
from .transform import (
    CatTransform,
    ComposeTransform,
    IndependentTransform,
    ReshapeTransform,
    StackTransform,
    Transform,
    identity_transform,
    sum_last,
)
from .vector_transforms import (
    CorrCholeskyTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    SoftmaxTransform,
    StickBreakingTransform,
)

__all__ = [
    "AbsTransform", "AffineTransform", "CatTransform", "ComposeTransform", "CorrCholeskyTransform", "CumulativeDistributionTransform",
    "ExpTransform", "IndependentTransform", "LowerCholeskyTransform", "PositiveDefiniteTransform", "PowerTransform", "ReshapeTransform",
    "SigmoidTransform", "SoftmaxTransform", "SoftplusTransform", "StackTransform", "StickBreakingTransform", "TanhTransform", "Transform",
    "identity_transform",
]  # fmt: skip


def _sign(x):
    return x.sign() if isinstance(x, Tensor) else (x > 0) - (x < 0)


def _broadcast(shape, *parameters):
    return broadcast_shapes(shape, *(p.shape for p in parameters if isinstance(p, Tensor)))


class ExpTransform(Transform):
    """y = e^x"""

    bijective, codomain = True, constraints.positive
    sign = 1

    def _call(self, x):
        return exp(x)

    def _inverse(self, y):
        return log(y)

    def log_abs_det_jacobian(self, x, y):
        return x


class PowerTransform(Transform):
    """y = x^exponent, x > 0"""

    bijective, domain, codomain = True, constraints.positive, constraints.positive

    def __init__(self, exponent, cache_size=0):
        super().__init__(cache_size)
        self.exponent = exponent

    @property
    def sign(self):
        return _sign(self.exponent)

    def forward_shape(self, shape):
        return _broadcast(shape, self.exponent)

    inverse_shape = forward_shape

    def _call(self, x):
        return x**self.exponent

    def _inverse(self, y):
        return y ** (1 / self.exponent)

    def log_abs_det_jacobian(self, x, y):
        return abs(self.exponent * y / x).log()


class SigmoidTransform(Transform):
    """y = 1 / (1 + e^-x)"""

    bijective, codomain = True, constraints.unit_interval
    sign = 1

    def _call(self, x):
        info = finfo(x.dtype)
        return sigmoid(x).clamp(info.tiny, 1 - info.eps)

    def _inverse(self, y):
        info = finfo(y.dtype)
        y = y.clamp(info.tiny, 1 - info.eps)
        return log(y) - log1p(-y)

    def log_abs_det_jacobian(self, x, y):
        return -F.softplus(-x) - F.softplus(x)


class SoftplusTransform(Transform):
    """y = log(1 + e^x), and x itself above 20"""

    bijective, codomain = True, constraints.positive
    sign = 1

    def _call(self, x):
        return F.softplus(x)

    def _inverse(self, y):
        return log(-expm1(-y)) + y

    def log_abs_det_jacobian(self, x, y):
        return -F.softplus(-x)


class TanhTransform(Transform):
    """y = tanh x. Near its ends the inverse is inexact; use cache_size=1."""

    bijective, codomain = True, constraints.interval(-1.0, 1.0)
    sign = 1

    def _call(self, x):
        return tanh(x)

    def _inverse(self, y):
        return y.atanh()

    def log_abs_det_jacobian(self, x, y):
        return 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x))


class AbsTransform(Transform):
    """y = |x|; not invertible, its inverse gives y."""

    codomain = constraints.positive

    def _call(self, x):
        return abs(x)

    def _inverse(self, y):
        return y


class AffineTransform(Transform):
    """y = loc + scale · x"""

    bijective = True

    def __init__(self, loc, scale, event_dim=0, cache_size=0):
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    def _region(self):
        return constraints.independent(constraints.real, self._event_dim) if self._event_dim else constraints.real

    domain = codomain = property(_region)
    event_dim = property(lambda self: self._event_dim)

    def forward_shape(self, shape):
        return _broadcast(shape, self.loc, self.scale)

    inverse_shape = forward_shape

    @property
    def sign(self):
        return _sign(self.scale)

    def _call(self, x):
        return self.loc + self.scale * x

    def _inverse(self, y):
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x, y):
        if isinstance(self.scale, Tensor):
            result = log(abs(self.scale))
        else:
            result = x.new_full(x.shape, math.log(abs(self.scale)))
        result = result.expand(x.shape)
        return sum_last(result, self._event_dim)


class CumulativeDistributionTransform(Transform):
    """y = cdf(x) of a distribution on the line."""

    bijective, codomain = True, constraints.unit_interval
    sign = 1

    def __init__(self, distribution, cache_size=0):
        super().__init__(cache_size)
        self.distribution = distribution

    domain = property(lambda self: self.distribution.support)

    def _call(self, x):
        return self.distribution.cdf(x)

    def _inverse(self, y):
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x, y):
        return self.distribution.log_prob(x)
