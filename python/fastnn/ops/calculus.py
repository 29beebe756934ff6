"""Differences, trapezoids, covariances, and functions of pairs that are short to say with other ops."""

from __future__ import annotations

import math

import numpy as np

from .. import dtypes
from ..autodiff import Array
from ..errors import DTypeError, ShapeError, rounded_once
from ..tensor import as_tensor, normalize_dim, ones, result_type, tensor
from .elementwise import exp, log1p, logaddexp, maximum, minimum, sin, where
from .join import cat, stack
from .linalg import by_numpy
from .matmul import matmul, scaled_sum
from .shape import movedim, narrow, reshape

# -- along an axis ----------------------------------------------------------------------------------------------------------


def diff(input, n=1, dim=-1, prepend=None, append=None):
    """The n-th difference along dim, x[i + 1] - x[i]; bools by exclusive or. prepend, append: put before and behind first."""
    if not input.ndim:
        raise ShapeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise ShapeError(f"order must be non-negative but got {n}")
    dim = normalize_dim(dim, input.ndim)
    if not n:
        return input.clone()
    parts = [t for t in (prepend, input, append) if t is not None]
    x = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, x._shape[dim])):
        size = x._shape[dim] - 1
        after, before = narrow(x, dim, 1, size), narrow(x, dim, 0, size)
        x = after ^ before if x.dtype.name == "bool" else after - before
    return x.clone() if x is input else x


def _panels(name, y, x, dx, dim):
    """(height, width) of the panels under y along dim, which comes last."""
    if not y.ndim:
        raise ShapeError(f"{name}: expected a tensor with an axis to integrate along, got 0-d")
    dim = normalize_dim(dim, y.ndim)
    y = movedim(y, dim, -1)
    n = y._shape[-1]
    heights = narrow(y, -1, 1, n - 1) + narrow(y, -1, 0, n - 1) if n > 1 else narrow(y, -1, 0, 0)
    if x is None:
        return heights, dx, dim
    x = movedim(x, dim, -1) if x.ndim == y.ndim else x
    if x._shape[-1] != n:
        raise ShapeError(f"{name}: There must be one `x` value for each sample point, got {x._shape[-1]} for {n}")
    return heights, diff(x, dim=-1), dim


def trapezoid(y, x=None, *, dx=1, dim=-1):
    """The integral of samples y along dim by the trapezoidal rule, at the places x, or dx apart."""
    heights, width, _ = _panels("trapezoid", y, x, dx, dim)
    return (heights * width).sum(-1) / 2.0


trapz = trapezoid


def cumulative_trapezoid(y, x=None, *, dx=1, dim=-1):
    """The running integral of samples y along dim: one value for each panel."""
    heights, width, dim = _panels("cumulative_trapezoid", y, x, dx, dim)
    return movedim((heights * width).cumsum(-1) / 2.0, -1, dim)


def _slope(x, coordinates, step, dim, edge_order):
    """The derivative along dim by second-order differences, at places that lie step apart or at these coordinates."""
    n = x._shape[dim]
    if n < edge_order + 1:
        raise ShapeError(f"torch.gradient expected each dimension size to be at least edge_order+1, got {n} along dimension {dim}")
    x = movedim(x, dim, -1)
    h = None if coordinates is None else diff(coordinates)
    rise = narrow(x, -1, 1, n - 1) - narrow(x, -1, 0, n - 1)
    slopes = rise / (step if h is None else h)
    left, right = narrow(slopes, -1, 0, n - 2), narrow(slopes, -1, 1, n - 2)
    if h is None:
        inner = (left + right) / 2
    else:
        a, b = narrow(h, 0, 0, n - 2), narrow(h, 0, 1, n - 2)
        inner = (left * b + right * a) / (a + b)
    first, last = narrow(slopes, -1, 0, 1), narrow(slopes, -1, n - 2, 1)
    if edge_order == 2:  # the parabola through three points
        near, far = narrow(slopes, -1, 1, 1), narrow(slopes, -1, n - 3, 1)
        one = 1.0
        share = (one / 2, one / 2) if h is None else (h[0] / (h[0] + h[1]), h[n - 2] / (h[n - 2] + h[n - 3]))
        first, last = first - (near - first) * share[0], last - (far - last) * share[1]
    return movedim(cat([first, inner, last], -1), -1, dim)


@rounded_once
def gradient(input, *, spacing=None, dim=None, edge_order=1):
    """The derivatives of samples along each axis (of dim), as a tuple: central differences, one-sided at the ends.

    spacing: the distance of samples, or one for each axis, or their coordinates. edge_order 1 or 2: of the ends.
    """
    if edge_order not in (1, 2):
        raise ShapeError(f"torch.gradient only supports edge_order=1 and edge_order=2, got {edge_order}")
    dims = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    dims = [normalize_dim(d, input.ndim) for d in dims]
    for d in dims:
        if dims.count(d) > 1:
            raise ShapeError(f"gradient: dim {d} appears multiple times in the list of dims")
    spacing = 1 if spacing is None else spacing
    each = list(spacing) if isinstance(spacing, (tuple, list)) else [spacing] * len(dims)
    if len(each) != len(dims):
        raise ShapeError(f"torch.gradient expected spacing to be unspecified, a scalar or it's length to be equal to {len(dims)}, but got {len(each)}")
    x = input if input._floating else input.to("float32")
    given = [(s, 1) if isinstance(s, Array) and s.ndim else (None, s) for s in each]
    return tuple(_slope(x, c, s, d, edge_order) for (c, s), d in zip(given, dims, strict=True))


@rounded_once
def logcumsumexp(input, dim):
    """The logarithm of the running sum of exp(input) along dim, without overflow."""
    if not input._floating:
        raise DTypeError(f"logcumsumexp: not implemented for {input.dtype.name}")
    if not input.ndim:
        return input.clone()
    dim = normalize_dim(dim, input.ndim)
    n, step, x = input._shape[dim], 1, input
    while step < n:  # a scan in log2(n) passes, each adds what lies `step` before
        x = cat([narrow(x, dim, 0, step), logaddexp(narrow(x, dim, step, n - step), narrow(x, dim, 0, n - step))], dim)
        step *= 2
    return x.clone() if x is input else x


# -- statistics of several variables -----------------------------------------------------------------------------------------


@rounded_once
def cov(input, *, correction=1, fweights=None, aweights=None):
    """The covariance matrix of variables (rows) from observations (columns), weighted as in numpy.cov."""
    if input.ndim > 2:
        raise ShapeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions")
    x = reshape(input, (1, -1)) if input.ndim < 2 else input
    if not x._floating:
        x = x.to("float32")
    _check_weights(x, fweights, aweights)
    w = fweights
    if aweights is not None:
        w = aweights if w is None else w * aweights
    if w is None:
        total, mean = x._shape[1], x.mean(1, keepdim=True)
        norm = total - correction
        c = x - mean
        weighted = c
    else:
        total = w.sum()
        c = x - (x * w).sum(1, keepdim=True) / total
        weighted = c * w
        norm = total - correction if aweights is None else total - correction * (w * aweights).sum() / total
    norm = norm.clamp(min=0) if isinstance(norm, Array) else float(max(norm, 0))
    result = matmul(weighted, c.mT) / norm if isinstance(norm, Array) or norm else matmul(weighted, c.mT) * math.inf
    return reshape(result, ()) if result._size == 1 else result


def _check_weights(x, fweights, aweights):
    count = x._shape[1]
    for name, w, floats in (("fweights", fweights, False), ("aweights", aweights, True)):
        if w is None:
            continue
        if w.ndim > 1:
            raise ShapeError(f"cov(): expected {name} to have one or fewer dimensions but got {name} with {w.ndim} dimensions")
        if w._floating != floats:
            kind = "floating point" if floats else "integral"
            raise DTypeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {w.dtype.name} dtype")
        if w._size != count:
            raise ShapeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but got {w._size} != {count}"
            )
        if bool((w < 0).any()):
            raise ShapeError(f"cov(): {name} cannot be negative")


@rounded_once
def corrcoef(input):
    """The matrix of correlation coefficients of variables (rows) from observations (columns)."""
    c = cov(input)
    if not c.ndim:
        return c / c
    d = c.diagonal().sqrt()
    return (c / d.unsqueeze(1) / d.unsqueeze(0)).clamp(-1.0, 1.0)


def vander(x, N=None, increasing=False):
    """The powers of x as columns: x^(N - 1) .. x^0, or ascending."""
    if x.ndim != 1:
        raise ShapeError(f"vander: x must be a one-dimensional tensor, got {x.ndim}-d")
    n = x._shape[0] if N is None else N
    if n < 0:
        raise ShapeError(f"vander: N must be non-negative, got {n}")
    powers = range(n) if increasing else range(n - 1, -1, -1)
    columns = [ones(x._shape, dtype=x.dtype) if p == 0 else x**p for p in powers]
    return stack(columns, 1) if columns else ones((x._shape[0], 0), dtype=x.dtype)


# -- pairs ------------------------------------------------------------------------------------------------------------------


def _integers(name, ufunc):
    compute = by_numpy(ufunc)

    def f(input, other):
        a, b, dtype = as_tensor(input), as_tensor(other), result_type(input, other)
        if dtype.is_floating_point or dtype is dtypes.bool:
            raise DTypeError(f"{name}: expected integers, got {a.dtype.name} and {b.dtype.name}")
        return compute(a.to(dtype), b.to(dtype))

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"The {'greatest common divisor' if name == 'gcd' else 'least common multiple'} of integers, element by element."
    return f


gcd, lcm = _integers("gcd", np.gcd), _integers("lcm", np.lcm)


def heaviside(input, values):
    """0 where input is negative, 1 where positive, `values` where it is 0."""
    if input.dtype is not values.dtype:
        raise DTypeError("heaviside is not yet implemented for tensors with different dtypes.")
    return where(input == 0, values.detach(), (input > 0).to(input.dtype))


def logaddexp2(input, other):
    """log2(2^input + 2^other), without overflow."""
    high, low = maximum(input, other), minimum(input, other)
    return where(high == low, high + 1.0, high + log1p(exp((low - high) * math.log(2))) / math.log(2))


def ldexp(input, other):
    """input * 2^other."""
    return input * (2.0**other if not isinstance(other, Array) else tensor(2.0, dtype=input.dtype if input._floating else None) ** other)


@rounded_once
def sinc(input):
    """sin(pi x) / (pi x), 1 at 0."""
    x = (input if input._floating else input.to("float32")) * math.pi
    at_zero = x == 0
    safe = where(at_zero, 1.0, x)
    return where(at_zero, 1.0 - x * x / 6, sin(safe) / safe)


def sgn(input):
    """The sign; of real numbers the same as `sign`."""
    return input.sign()


@rounded_once
def addr(input, vec1, vec2, *, beta=1, alpha=1):
    """beta input + alpha (vec1 outer vec2); beta 0 ignores input."""
    if vec1.ndim != 1 or vec2.ndim != 1:
        raise ShapeError(f"addr: Expected 1-D argument vec1 and vec2, but got {vec1.ndim}-D and {vec2.ndim}-D")
    product = vec1.unsqueeze(1) * vec2
    return scaled_sum(input, product, beta, alpha)


def addbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta input + alpha times the sum of the products of two batches of matrices; beta 0 ignores input."""
    if batch1.ndim != 3 or batch2.ndim != 3:
        raise ShapeError("batch1 and batch2 must be 3D tensors")
    return scaled_sum(input, matmul(batch1, batch2).sum(0).to(batch1.dtype), beta, alpha)


METHODS = "addbmm addr corrcoef cov diff gcd heaviside lcm ldexp logaddexp2 logcumsumexp sgn sinc".split()
__all__ = (*METHODS, "cumulative_trapezoid", "gradient", "trapezoid", "trapz", "vander")
