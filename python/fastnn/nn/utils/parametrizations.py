"""Parametrizations in common use: weight norm, spectral norm, orthogonal matrices."""

from __future__ import annotations

from ...autodiff import no_grad
from ...ops.diagonal import eye
from ...ops.random import randn
from ..functional import normalize
from ..module import Module
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def norm_except(v, dim):
    """The norm of v over all axes but dim, kept as length 1; dim None: over all, 0-d."""
    if dim is None:
        return v.square().sum().sqrt()
    axes = [d for d in range(v.ndim) if d != dim % v.ndim]
    return v.square().sum(axes, keepdim=True).sqrt() if axes else v.abs()


class _WeightNorm(Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, g, v):
        return v * (g / norm_except(v, self.dim))

    def right_inverse(self, weight):
        return norm_except(weight, self.dim), weight


def weight_norm(module, name="weight", dim=0):
    """weight = g v / |v|: length and direction apart (Salimans and Kingma 2016). dim None: one length for all."""
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _SpectralNorm(Module):
    """weight / sigma, sigma its largest singular value by power iteration, one step (n_power_iterations) a training call."""

    def __init__(self, weight, n_power_iterations, dim, eps):
        super().__init__()
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")
        self.dim, self.n_power_iterations, self.eps = dim % max(weight.ndim, 1), n_power_iterations, eps
        if weight.ndim > 1:
            matrix = self._matrix(weight)
            self.register_buffer("_u", normalize(randn(matrix.shape[0], dtype=weight.dtype), dim=0, eps=eps))
            self.register_buffer("_v", normalize(randn(matrix.shape[1], dtype=weight.dtype), dim=0, eps=eps))
            self._iterate(matrix, 15)

    def _matrix(self, weight):
        return weight.movedim(self.dim, 0).flatten(1)

    def _iterate(self, matrix, steps):
        with no_grad():
            for _ in range(steps):
                self._u.copy_(normalize(matrix @ self._v, dim=0, eps=self.eps))
                self._v.copy_(normalize(matrix.mT @ self._u, dim=0, eps=self.eps))

    def forward(self, weight):
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / u.dot(matrix @ v)

    def right_inverse(self, value):
        return value


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divides a parameter by its largest singular value (Miyato et al. 2018). dim: the outputs' axis."""
    weight = getattr(module, name, None)
    if weight is None:
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        dim = 1 if "ConvTranspose" in type(module).__name__ else 0
    return register_parametrization(module, name, _SpectralNorm(weight.detach(), n_power_iterations, dim, eps))


class _Orthogonal(Module):
    def __init__(self, kind, base):
        super().__init__()
        self.kind = kind
        self.register_buffer("base", base)

    def forward(self, x):
        wide = x.shape[-2] < x.shape[-1]
        a = x.mT if wide else x
        n, k = a.shape[-2], a.shape[-1]
        a = a.tril(-1)
        if n != k:  # only k columns are free; the rest of the skew matrix is their mirror image
            from ...ops.pad import pad

            a = pad(a, (0, n - k))
        skew = a - a.mT
        one = eye(n, dtype=x.dtype)
        if self.kind == "cayley":
            from ...linalg import solve

            q = solve(one + skew / 2, one - skew / 2)
        else:
            from ...linalg import matrix_exp

            q = matrix_exp(skew)
        q = (self.base @ q)[..., :k]
        return q.mT if wide else q

    def right_inverse(self, q):
        from ...linalg import qr

        wide = q.shape[-2] < q.shape[-1]
        full, r = qr(q.mT if wide else q, "complete")
        sign = r.diagonal(dim1=-2, dim2=-1).sign()
        sign = sign + (sign == 0).to(sign.dtype)
        k = sign.shape[-1]
        self.base.copy_(full)
        self.base[..., :k].mul_(sign.unsqueeze(-2))
        return q.new_zeros(q.shape)


def orthogonal(module, name="weight", orthogonal_map=None, *, use_trivialization=True):
    """A parameter kept orthogonal: base exp(A - A') ("matrix_exp") or by Cayley's map ("cayley"), from the nearest Q of its value."""
    if orthogonal_map not in (None, "matrix_exp", "cayley", "householder"):
        raise ValueError(f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}')
    weight = getattr(module, name, None)
    if weight is None:
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    n = max(weight.shape[-2:])
    base = eye(n, dtype=weight.dtype).expand(*weight.shape[:-2], n, n).clone()
    kind = "cayley" if orthogonal_map == "cayley" else "matrix_exp"
    return register_parametrization(module, name, _Orthogonal(kind, base), unsafe=True)
