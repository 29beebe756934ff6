"""Transforms of vectors and matrices: to the simplex, to triangular and positive definite matrices, to correlations."""

from __future__ import annotations

import math

from ..nn import functional as F
from ..ops.activation import sigmoid, tanh
from ..ops.diagonal import diag_embed, diagonal, tril
from ..ops.elementwise import exp, log
from ..ops.pad import pad
from ..ops.reduce import sum as total
from ..ops.scan import cumprod, cumsum
from ..ops.softmax import softmax
from ..tensor import Size, finfo
from . import constraints
from .transform import Transform, needs


class SoftmaxTransform(Transform):
    """From numbers to the simplex by softmax; not bijective: its inverse gives logs."""

    domain, codomain = constraints.real_vector, constraints.simplex

    def _call(self, x):
        return softmax(x, -1)

    def _inverse(self, y):
        return log(y)


class StickBreakingTransform(Transform):
    """From n - 1 numbers to n on the simplex: each takes a share (a sigmoid) of what the ones before left."""

    bijective = True
    domain, codomain = constraints.real_vector, constraints.simplex

    def _offset(self, x):
        n = x.shape[-1]
        return log(n - cumsum(x.new_ones(n), -1) + 1)

    def _call(self, x):
        z = sigmoid(x - self._offset(x))
        left = cumprod(1 - z, -1)
        return pad(z, (0, 1), value=1) * pad(left, (1, 0), value=1)

    def _inverse(self, y):
        head = y[..., :-1]
        left = (1 - cumsum(head, -1)).clamp(min=finfo(y.dtype).tiny)
        return log(head) - log(left) + self._offset(head)

    def log_abs_det_jacobian(self, x, y):
        x = x - self._offset(x)
        return total(-x + F.logsigmoid(x) + log(y[..., :-1]), -1)

    def forward_shape(self, shape):
        needs(shape, 1)
        return Size((*shape[:-1], shape[-1] + 1))

    def inverse_shape(self, shape):
        needs(shape, 1)
        return Size((*shape[:-1], shape[-1] - 1))


class LowerCholeskyTransform(Transform):
    """From square matrices to lower triangular ones with a positive diagonal (its exp)."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.lower_cholesky

    def _call(self, x):
        return tril(x, -1) + diag_embed(exp(diagonal(x, 0, -2, -1)))

    def _inverse(self, y):
        return tril(y, -1) + diag_embed(log(diagonal(y, 0, -2, -1)))


class PositiveDefiniteTransform(Transform):
    """From square matrices to positive definite ones, L L'."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.positive_definite

    def _call(self, x):
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y):
        from ..ops.linalg import cholesky

        return LowerCholeskyTransform()._inverse(cholesky(y))


class CorrCholeskyTransform(Transform):
    """From n(n-1)/2 numbers to the Cholesky factor of an n x n correlation matrix, row by row on half spheres."""

    bijective = True
    domain, codomain = constraints.real_vector, constraints.corr_cholesky

    @staticmethod
    def _places(n):
        from ..ops.diagonal import tril_indices

        return tuple(tril_indices(n, n, -1))

    def _call(self, x):
        n = self.forward_shape(x.shape)[-1]
        eps = finfo(x.dtype).eps
        r = tanh(x).clamp(-1 + eps, 1 - eps)
        rows, columns = self._places(n)
        flat = x.new_zeros((*x.shape[:-1], n * n)).index_copy(-1, rows * n + columns, r)
        z = flat.reshape((*x.shape[:-1], n, n))
        left = cumprod((1 - z**2).sqrt(), -1)
        eye = diag_embed(x.new_ones(n))
        return (z + eye) * pad(left[..., :-1], (1, 0), value=1)

    def _inverse(self, y):
        n = y.shape[-1]
        left = 1 - cumsum(y * y, -1)
        shifted = pad(left[..., :-1], (1, 0), value=1)
        rows, columns = self._places(n)
        t = y[..., rows, columns] / shifted[..., rows, columns].sqrt()
        return t.atanh()

    def log_abs_det_jacobian(self, x, y):
        n = y.shape[-1]
        rows, columns = self._places(n)
        inner = rows > columns + 1  # what is left of a row before each of its entries but the first
        left = (1 - cumsum(y * y, -1))[..., rows[inner], columns[inner]]
        stick = 0.5 * total(log(left), -1)
        return stick - 2 * total(x + F.softplus(-2 * x) - math.log(2.0), -1)

    def forward_shape(self, shape):
        needs(shape, 1)
        n = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5)
        if n * (n - 1) // 2 != shape[-1]:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return Size((*shape[:-1], n, n))

    def inverse_shape(self, shape):
        needs(shape, 2)
        if shape[-1] != shape[-2]:
            raise ValueError("Input is not square")
        return Size((*shape[:-2], shape[-1] * (shape[-1] - 1) // 2))
