"""Windows along an axis, as views: Tensor.unfold."""

from __future__ import annotations

from ..autodiff import op
from ..errors import ShapeError
from ..tensor import normalize_dim
from .index import _getitem_dx
from .ranges import arange
from .shape import movedim, reshape


@op(saves="")
def _taps(x, *, dim, size, step, dilation):
    """Axis dim becomes the beginnings of windows; a last axis runs over the size taps of each. A view."""
    count = (x._shape[dim] - dilation * (size - 1) - 1) // step + 1
    shape, strides = list(x._shape), list(x._strides)
    shape[dim], strides[dim] = count, x._strides[dim] * step
    return x._view((*shape, size), (*strides, x._strides[dim] * dilation), 0)


@op(saves="")
def _taps_dx(g, *, shape, dim, size, step, dilation):
    """Windows added back onto the axis."""
    count = g._shape[dim]
    places = reshape(arange(count) * step, (count, 1)) + arange(size) * dilation
    return _getitem_dx.forward(movedim(g.detach(), -1, dim + 1), places, shape=shape, axes=(dim,), at=dim, wrap=0)


_taps.partials(lambda g, y, x, **p: _taps_dx(g, shape=x._shape, **p)).linear()
_taps_dx.partials(lambda h, y, g, shape, **p: _taps(h, **p)).linear()


def taps(x, dim, size, step=1, dilation=1):
    """x (..., n, ...) → (..., windows, ..., size): the windows of `size` elements, `dilation` apart, that begin each `step`."""
    return _taps(x, dim=dim, size=size, step=step, dilation=dilation)


def unfold(input, dimension, size, step):
    """Windows of `size` elements along an axis, one each `step`, as a view: (..., n, ...) → (..., (n - size) // step + 1, ..., size)."""
    if not input.ndim:
        if size > 1 or size < 0:
            raise ShapeError(f"maximum size for tensor at dimension 0 is 1 but size is {size}")
        return _taps(reshape(input, (1,)), dim=0, size=size, step=1, dilation=1)[0]
    dim = normalize_dim(dimension, input.ndim)
    if size < 0:
        raise ShapeError(f"size is {size} but must be >= 0")
    if size > input._shape[dim]:
        raise ShapeError(f"maximum size for tensor at dimension {dim} is {input._shape[dim]} but size is {size}")
    if step <= 0:
        raise ShapeError(f"step is {step} but must be > 0")
    return taps(input, dim, size, step)


METHODS = ("unfold",)
__all__ = FUNCTIONAL = ()
