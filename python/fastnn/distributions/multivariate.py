"""Normal vectors, and matrices of their sums of squares."""

from __future__ import annotations

import math
import operator

from ..ops import linalg
from ..ops.diagonal import diag_embed, diagonal, tril
from ..ops.draws import standard_gamma
from ..ops.elementwise import log, sqrt, where
from ..ops.gamma import digamma, lgamma, mvlgamma
from ..ops.join import cat, stack
from ..ops.random import randn
from ..ops.ranges import arange
from ..ops.reduce import sum as total
from ..ops.shape import broadcast_shapes, expand
from ..tensor import finfo, zeros
from . import constraints
from .distribution import Distribution, ExponentialFamily, broadcast_all
from .gamma import Beta

__all__ = ["LKJCholesky", "LowRankMultivariateNormal", "MultivariateNormal", "Wishart"]

_LOG_2PI = math.log(2 * math.pi)


def _one_matrix(**matrices):
    given = {name: m for name, m in matrices.items() if m is not None}
    if len(given) != 1:
        raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
    ((name, matrix),) = given.items()
    if matrix.ndim < 2:
        raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
    return name, matrix


def _factor(name, matrix, kind):
    """L with L L' = Σ."""
    if name == "scale_tril":
        return tril(matrix)
    try:
        return linalg.cholesky(matrix if name == "covariance_matrix" else linalg.inv(matrix))
    except linalg.LinAlgError as e:
        raise ValueError(f"{kind}: {name} is not positive definite ({e})") from None


def _half_log_det(factor):
    return total(log(diagonal(factor, 0, -2, -1)), -1)


class MultivariateNormal(Distribution):
    """Normal vectors of mean loc and a covariance_matrix, precision_matrix, or lower triangular scale_tril with L L' = Σ."""

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, matrix = _one_matrix(covariance_matrix=covariance_matrix, precision_matrix=precision_matrix, scale_tril=scale_tril)
        batch = broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self.loc = expand(loc, (*batch, loc.shape[-1]))
        self.__dict__[name] = expand(matrix, (*batch, *matrix.shape[-2:]))
        super().__init__(batch, loc.shape[-1:], validate_args)
        self._unbroadcasted_scale_tril = _factor(name, matrix, "MultivariateNormal")

    def expand(self, batch_shape, _instance=None):
        return MultivariateNormal(
            expand(self.loc, (*batch_shape, *self.event_shape)), scale_tril=self._unbroadcasted_scale_tril, validate_args=False
        )

    def __getattr__(self, name):  # the two matrices that were not given
        if name not in ("covariance_matrix", "precision_matrix", "scale_tril"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        factor = self._unbroadcasted_scale_tril
        if name == "covariance_matrix":
            factor = factor @ factor.mT
        elif name == "precision_matrix":
            inverse = linalg.inv(factor)
            factor = inverse.mT @ inverse
        return expand(factor, (*self._batch_shape, *factor.shape[-2:]))

    mean = mode = property(lambda self: self.loc)
    variance = property(lambda self: expand(total(self._unbroadcasted_scale_tril**2, -1), self.loc.shape))

    def rsample(self, sample_shape=()):
        e = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self._unbroadcasted_scale_tril @ e.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value):
        d = (self._checked(value) - self.loc).unsqueeze(-1)
        z = (linalg.inv(self._unbroadcasted_scale_tril) @ d).squeeze(-1)
        return -0.5 * (total(z * z, -1) + self.event_shape[0] * _LOG_2PI) - self._half_log_det()

    def _half_log_det(self):
        return _half_log_det(self._unbroadcasted_scale_tril)

    def entropy(self):
        h = 0.5 * self.event_shape[0] * (1 + _LOG_2PI) + self._half_log_det()
        return expand(h, self.batch_shape)


class LowRankMultivariateNormal(Distribution):
    """Normal vectors of covariance W W' + D: W = cov_factor (..., n, rank), D the diagonal cov_diag (..., n)."""

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        n = loc.shape[-1:]
        if cov_factor.ndim < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        if cov_factor.shape[-2:-1] != n:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {n[0]} x m")
        if cov_diag.shape[-1:] != n:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {tuple(n)}")
        batch = broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        self.loc, self.cov_diag = expand(loc, (*batch, *n)), expand(cov_diag, (*batch, *n))
        self.cov_factor = expand(cov_factor, (*batch, *cov_factor.shape[-2:]))
        super().__init__(batch, n, validate_args)

    def _full(self):
        return MultivariateNormal(self.loc, scale_tril=linalg.cholesky(self.covariance_matrix), validate_args=False)

    mean = mode = property(lambda self: self.loc)
    variance = property(lambda self: total(self.cov_factor**2, -1) + self.cov_diag)
    covariance_matrix = property(lambda self: self.cov_factor @ self.cov_factor.mT + diag_embed(self.cov_diag))
    precision_matrix = property(lambda self: linalg.inv(self.covariance_matrix))
    scale_tril = property(lambda self: linalg.cholesky(self.covariance_matrix))

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        a = randn((*shape[:-1], self.cov_factor.shape[-1], 1), dtype=self.loc.dtype)
        return self.loc + (self.cov_factor @ a).squeeze(-1) + self.cov_diag.sqrt() * randn(shape, dtype=self.loc.dtype)

    def log_prob(self, value):
        return self._full().log_prob(self._checked(value))

    def entropy(self):
        return self._full().entropy()


class Wishart(ExponentialFamily):
    """Σ x x' of df normal vectors of mean 0: matrices (n, n). Drawn by Bartlett's decomposition."""

    arg_constraints = {
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
        "df": constraints.greater_than(0),
    }
    support = constraints.positive_definite
    has_rsample = True

    def __init__(self, df, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        name, matrix = _one_matrix(covariance_matrix=covariance_matrix, precision_matrix=precision_matrix, scale_tril=scale_tril)
        n = matrix.shape[-1]
        (df,) = broadcast_all(df)
        if not constraints.holds(constraints.greater_than(n - 1), df.detach()):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        batch = broadcast_shapes(df.shape, matrix.shape[:-2])
        self.df = expand(df.to(matrix.dtype), batch)
        self.__dict__[name] = expand(matrix, (*batch, n, n))
        super().__init__(batch, (n, n), validate_args)
        self._unbroadcasted_scale_tril = _factor(name, self.__dict__[name], "Wishart")

    __getattr__ = MultivariateNormal.__getattr__

    @property
    def _covariance(self):
        return self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT

    mean = property(lambda self: self.df[..., None, None] * self._covariance)

    @property
    def mode(self):
        factor = self.df - self.event_shape[-1] - 1
        return where(factor <= 0, math.nan, factor)[..., None, None] * self._covariance

    @property
    def variance(self):
        v = self._covariance
        d = diagonal(v, 0, -2, -1)
        return self.df[..., None, None] * (v**2 + d.unsqueeze(-1) * d.unsqueeze(-2))

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        n, lead = shape[-1], shape[:-2]
        chi2 = stack([2 * standard_gamma(expand((self.df - i) / 2, lead)) for i in range(n)], -1)
        a = tril(randn(shape, dtype=self.df.dtype), -1) + diag_embed(chi2.sqrt())
        x = self._unbroadcasted_scale_tril @ a
        return x @ x.mT

    def log_prob(self, value):
        n, df, x = self.event_shape[-1], self.df, self._checked(value)
        inverse = linalg.inv(self._unbroadcasted_scale_tril)
        trace = total(diagonal(inverse.mT @ inverse @ x, 0, -2, -1), -1)
        return (
            -df * (_half_log_det(self._unbroadcasted_scale_tril) + 0.5 * n * math.log(2))
            - mvlgamma(df / 2, n)
            + 0.5 * (df - n - 1) * linalg.slogdet(x).logabsdet
            - 0.5 * trace
        )

    def entropy(self):
        n, df = self.event_shape[-1], self.df
        psi = 0
        for i in range(n):
            psi = psi + digamma((df - i) / 2)
        half = _half_log_det(self._unbroadcasted_scale_tril)
        return (n + 1) * (half + 0.5 * n * math.log(2)) + mvlgamma(df / 2, n) - 0.5 * (df - n - 1) * psi + 0.5 * n * df


class LKJCholesky(Distribution):
    """Lower triangular L (dim, dim) with correlations L L', whose density is proportional to det(L L')^(concentration - 1).

    Lewandowski, Kurowicka, Joe, "Generating random correlation matrices based on vines and extended onion method", 2009.
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim, concentration=1.0, validate_args=None):
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = operator.index(dim)
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def sample(self, sample_shape=()):
        """Row i is a point of the ball in i dimensions, its squared radius from a beta distribution, and what makes its length 1."""
        dtype, shape = self.concentration.dtype, self._extended_shape(sample_shape)
        k = arange(1, self.dim, dtype=dtype)
        radius = Beta(k / 2, (self.concentration + (self.dim - 1) / 2).unsqueeze(-1) - k / 2).sample(sample_shape)
        direction = tril(randn(shape, dtype=dtype), -1)[..., 1:, :]
        rows = sqrt(radius).unsqueeze(-1) * direction / sqrt(total(direction**2, -1)).unsqueeze(-1)
        rows = cat([zeros((*shape[:-2], 1, self.dim), dtype=dtype), rows], -2)
        rest = (1 - total(rows**2, -1)).clamp(min=finfo(dtype).tiny)
        return rows + diag_embed(sqrt(rest))

    def log_prob(self, value):
        n, c, x = self.dim, self.concentration, self._checked(value)
        power = 2 * (c - 1).unsqueeze(-1) + n - arange(2, n + 1, dtype=c.dtype)
        density = total(power * log(diagonal(x, 0, -2, -1)[..., 1:]), -1)
        alpha = c + 0.5 * (n - 1)
        return density - 0.5 * (n - 1) * math.log(math.pi) - mvlgamma(alpha - 0.5, n - 1) + lgamma(alpha) * (n - 1)
