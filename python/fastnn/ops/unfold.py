"""unfold and fold: the windows of an image as columns, and columns added back into an image. Each is the other's derivative."""

from __future__ import annotations

from math import prod
from operator import index

from .. import dtypes
from ..autodiff import Array, op
from ..device import kernels
from ..errors import DTypeError, ShapeError
from ..tensor import empty
from .shape import contiguous, reshape

LIMIT = 1 << 40


def _positions(size, kernel, dilation, padding, stride):
    return tuple(
        (h + 2 * p - d * (k - 1) - 1) // s + 1 for h, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    )


@op(saves="")
def _unfold(x, *, kernel, dilation, padding, stride):
    n, c, *size = x._shape
    blocks = prod(_positions(size, kernel, dilation, padding, stride))
    y = empty((n, c * prod(kernel), blocks), dtype=x.dtype)
    kernels(x).unfold(y, contiguous(x), (*kernel, *stride, *padding, *dilation))
    return y


@op(saves="")
def _fold(y, *, size, kernel, dilation, padding, stride):
    x = empty((y._shape[0], y._shape[1] // prod(kernel), *size), dtype=y.dtype)
    kernels(y).fold(x, contiguous(y), (*kernel, *stride, *padding, *dilation))
    return x


_unfold.partials(lambda g, y, x, **p: _fold(g, size=x._shape[2:], **p)).linear()
_fold.partials(lambda g, x, y, *, size, **p: _unfold(g, **p)).linear()


def _pair(value, argument, name):
    try:
        values = tuple(index(v) for v in value) if isinstance(value, (tuple, list)) else (index(value),)
    except TypeError:
        raise TypeError(f"{name}(): argument '{argument}' must be tuple of ints, not {type(value).__name__}") from None
    if len(values) == 1:
        values *= 2
    if len(values) != 2:
        raise ShapeError(f"It is expected {argument} equals to 2, but got size {len(values)}")
    if max(values) >= LIMIT:
        raise ShapeError(f"{name}: {argument}={values} is too large")
    return values


def _geometry(name, input, kernel_size, dilation, padding, stride):
    if not isinstance(input, Array):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    given = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    kernel, dilation, padding, stride = (_pair(v, argument, name) for argument, v in given.items())
    for argument, v in (("kernel size", kernel), ("dilation", dilation), ("stride", stride)):
        if min(v) <= 0:
            what = argument.split()[0]
            raise ShapeError(f"{argument} should be greater than zero, but got {what}_height: {v[0]} {what}_width: {v[1]}")
    if min(padding) < 0:
        raise ShapeError(f"padding should be non-negative, but got pad_height: {padding[0]} pad_width: {padding[1]}")
    if not input.dtype.is_floating_point:
        raise DTypeError(f"{name}: not implemented for {input.dtype.name}")
    return {"kernel": kernel, "dilation": dilation, "padding": padding, "stride": stride}


def _text(p):
    return f"kernel_size={p['kernel']}, dilation={p['dilation']}, padding={p['padding']}"


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """Every window of an image as a column:  y[n, (c, p, q), (i, j)] = input[n, c, i·s + p·d - pad, j·s + q·d - pad].

    input (N, C, H, W) or (C, H, W)  →  (N, C·P·Q, L) or (C·P·Q, L),  L = H'·W' windows (H' as in `conv2d`).
    kernel_size, dilation, padding, stride: an int or (height, width). RuntimeError where no window fits.
    """
    if isinstance(input, Array) and input.dtype is dtypes.bool:
        return unfold(input.to(dtypes.float32), kernel_size, dilation, padding, stride).to(dtypes.bool)
    p = _geometry("unfold", input, kernel_size, dilation, padding, stride)
    if input.ndim not in (3, 4) or 0 in input._shape[-3:]:
        raise ShapeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but "
            f"got: {list(input._shape)}"
        )
    size = input._shape[-2:]
    blocks = _positions(size, **p)
    if min(blocks) < 1:
        raise ShapeError(
            f"Given input with spatial size {tuple(size)}, {_text(p)}, calculated shape of the array of sliding blocks as "
            f"{blocks}, but its components must be at least one."
        )
    if input.ndim == 4:
        return _unfold(input, **p)
    y = _unfold(reshape(input, (1, *input._shape)), **p)
    return reshape(y, y._shape[1:])


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Columns added back into an image: the transpose of `unfold`, so overlapping windows sum up.

    input (N, C·P·Q, L) or (C·P·Q, L)  →  (N, C, H, W) or (C, H, W) with (H, W) = output_size, which must have L windows.
    RuntimeError where the sizes do not fit.
    """
    size = _pair(output_size, "output_size", "fold")
    p = _geometry("fold", input, kernel_size, dilation, padding, stride)
    if input.ndim not in (2, 3) or 0 in input._shape[-2:]:
        raise ShapeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but "
            f"got: {list(input._shape)}"
        )
    rows, have = input._shape[-2:]
    if rows % prod(p["kernel"]):
        raise ShapeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={rows} and kernel_size={p['kernel']}."
        )
    blocks = _positions(size, **p)
    if have != prod(blocks) or min(blocks) < 1:
        raise ShapeError(
            f"Given output_size={size}, {_text(p)}, stride={p['stride']}, expected size of input's dimension 2 to match the "
            f"calculated number of sliding blocks {blocks[0]} * {blocks[1]} = {prod(blocks)}, but got input.size(2)={have}."
        )
    if input.ndim == 3:
        return _fold(input, size=size, **p)
    y = _fold(reshape(input, (1, *input._shape)), size=size, **p)
    return reshape(y, y._shape[1:])


FUNCTIONAL = ("unfold", "fold")
