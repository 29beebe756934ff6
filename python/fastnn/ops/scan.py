"""Products and running sums: prod, cumsum, cumprod. Their derivatives are scans too, so every order exists.

No division: a product's derivative is what stands before an element times what stands after it, right with zeros too.
"""

from __future__ import annotations

import builtins
import functools

from .. import _cpu, dtypes
from ..autodiff import op
from ..device import kernels
from ..tensor import normalize_dim, ones_like, tensor
from .reduce import _dims, _packed, _run, _shape, _spread, _sum
from .shape import _permute, _reshape


@op(saves="x")
def _prod(x, *, dims, shape):
    return _run(kernels(x).prod, x, dims, shape, x.dtype if x._floating else dtypes.int64)


def _prod_dx(g, y, x, dims, shape):
    rest = tuple([d for d in range(x.ndim) if d not in dims])
    order = rest + dims
    line = _reshape(_permute(x, dims=order), shape=(*[x._shape[d] for d in rest], x._size // builtins.max(y._size, 1)))
    dim = len(rest)
    others = _cumprod(line, dim=dim, reverse=False, exclusive=True) * _cumprod(line, dim=dim, reverse=True, exclusive=True)
    others = _reshape(others, shape=tuple([x._shape[d] for d in order]))
    return _spread(g, x, dims) * _permute(others, dims=tuple([order.index(d) for d in range(x.ndim)]))


def _prod_dx_in_one_pass(g, y, x, needs, dims, shape):
    if len(dims) != 1 or not x._size:
        if len(dims) != x.ndim or not x._packed or not x._size:
            return (_prod_dx(g, y, x, dims, shape),)
        flat = _cpu.empty((x._size,), x.dtype)
        kernels(x).prod_dx(flat, _packed(g)._reshape((1,)), x._reshape((x._size,)), 0)
        return (flat._reshape(x._shape),)
    dx = _cpu.empty(x._shape, x.dtype)
    kernels(x).prod_dx(dx, _packed(g), _packed(x), dims[0])
    return (dx,)


_prod.partials(_prod_dx).joint(_prod_dx_in_one_pass).tangents(
    lambda t, y, x, dims, shape: _sum(_prod_dx(ones_like(y), y, x, dims, shape) * t, dims=dims, shape=shape)
)


@op(saves="")
def _cumsum(x, *, dim, reverse=False):
    y = _cpu.empty(x._shape, x.dtype)
    kernels(x).cumsum(y, x, dim, reverse, False)
    return y


_cumsum.partials(lambda g, y, x, dim, reverse=False: _cumsum(g, dim=dim, reverse=not reverse)).linear()


@op(saves="x")
def _cumprod(x, *, dim, reverse=False, exclusive=False):
    y = _cpu.empty(x._shape, x.dtype)
    kernels(x).cumprod(y, x, dim, reverse, exclusive)
    return y


@op(saves="aby")
def _linear_scan(a, b, *, dim, reverse, lag):
    """y[i] = a[i - lag] y[i - 1] + b[i] along dim; reverse: y[i] = a[i + lag] y[i + 1] + b[i]."""
    y = _cpu.empty(b._shape, b.dtype)
    kernels(a).linear_scan(y, _packed(a), _packed(b), dim, reverse, lag)
    return y


@op(saves="")
def _shift(x, *, dim, reverse):
    """x moved on by one place along dim (back with reverse), 0 coming in. A number is a line of one."""
    y = _cpu.empty(x._shape, x.dtype, x)
    if not x._size:
        return y
    if not x._shape:
        _cpu.copy(y, _zero(x.dtype))
        return y
    n = x._shape[dim]
    to, since, gap = (0, 1, n - 1) if reverse else (1, 0, 0)
    _cpu.copy(y._slice(dim, to, n - 1, 1), x._slice(dim, since, n - 1, 1))
    _cpu.copy(y._slice(dim, gap, 1, 1), _zero(x.dtype)._expand(y._slice(dim, gap, 1, 1)._shape))
    return y


@functools.cache
def _zero(dtype):
    return tensor(0, dtype=dtype)


def _cumprod_dx(g, y, x, dim, reverse=False, exclusive=False):
    before = y if exclusive else _cumprod(x, dim=dim, reverse=reverse, exclusive=True)
    if exclusive:
        return before * _shift(_linear_scan(x, g, dim=dim, reverse=not reverse, lag=0), dim=dim, reverse=not reverse)
    return before * _linear_scan(x, g, dim=dim, reverse=not reverse, lag=1)


def _linear_scan_da(g, y, a, b, dim, reverse, lag):
    s = _linear_scan(a, g, dim=dim, reverse=not reverse, lag=1 - lag)
    if lag:
        return _shift(s, dim=dim, reverse=not reverse) * y
    return s * _shift(y, dim=dim, reverse=reverse)


def _cumprod_tangent(t, y, x, dim, reverse=False, exclusive=False):
    """y[i] = x[i] y[i-1], differentiated; exclusive: y[i] = x[i-1] y[i-1]."""
    if exclusive:
        return _linear_scan(x, _shift(t * y, dim=dim, reverse=reverse), dim=dim, reverse=reverse, lag=1)
    before = _cumprod(x, dim=dim, reverse=reverse, exclusive=True)
    return _linear_scan(x, t * before, dim=dim, reverse=reverse, lag=0)


def _linear_scan_tangent(t, y, a, b, dim, reverse, lag):
    """y[i] = a[i-lag] y[i-1] + b[i], differentiated with respect to a."""
    before = _shift(y, dim=dim, reverse=reverse)
    t = _shift(t, dim=dim, reverse=reverse) if lag else t
    return _linear_scan(a, t * before, dim=dim, reverse=reverse, lag=lag)


_cumprod.partials(_cumprod_dx).tangents(_cumprod_tangent)
_linear_scan.partials(
    _linear_scan_da,
    lambda g, y, a, b, dim, reverse, lag: _linear_scan(a, g, dim=dim, reverse=not reverse, lag=1 - lag),
).tangents(
    _linear_scan_tangent,
    lambda t, y, a, b, dim, reverse, lag: _linear_scan(a, t, dim=dim, reverse=reverse, lag=lag),
)
_shift.partials(lambda g, y, x, dim, reverse: _shift(g, dim=dim, reverse=not reverse)).linear()


def prod(input, dim=None, keepdim=False, *, dtype=None):
    """The product over dim; 1 where there are no elements. Its derivatives are right with zeros among the factors."""
    if dtype is not None:
        y = prod(input.to(dtype), dim, keepdim)
        return y if y.dtype is dtype else y.to(dtype)  # integers are multiplied in int64
    dims = _dims(input, dim)
    return _prod(input, dims=dims, shape=_shape(input, dims, keepdim))


def _scanned(input, dim, dtype):
    if dtype is not None:
        input = input.to(dtype)
    wide = input if input._floating else input.to(dtypes.int64)
    return wide, normalize_dim(dim, input.ndim), input.dtype if dtype is not None else wide.dtype


def cumsum(input, dim, *, dtype=None):
    """Running sums along dim. Float carries are exact to twice the precision: the error does not grow along the row."""
    x, dim, dtype = _scanned(input, dim, dtype)
    return _cumsum(x, dim=dim).to(dtype)


def cumprod(input, dim, *, dtype=None):
    """Running products along dim."""
    x, dim, dtype = _scanned(input, dim, dtype)
    return _cumprod(x, dim=dim).to(dtype)


__all__ = ("cumprod", "cumsum", "prod")
METHODS = __all__
FUNCTIONAL = ()
