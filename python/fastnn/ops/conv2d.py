"""Convolutions: three ops that are each other's derivatives.

The form  F(g, x, w) = Σ g[n, o, i, j] · x[n, c, i·s + p·d - pad, j·s + q·d - pad] · w[o, c, p, q]  is linear in each of its
three tensors. `conv2d` is ∂F/∂g, `conv2d_dx` ∂F/∂x and `conv2d_dw` ∂F/∂w, so the derivative of one is the other two, to any
order. A transposed convolution is `conv2d_dx` run forward. One dimension is two with height 1.
"""

from __future__ import annotations

from operator import index

from ..autodiff import Array, op
from ..device import kernels
from ..dtypes import C_TYPES
from ..errors import DTypeError, ShapeError
from ..tensor import empty
from .shape import contiguous, reshape

# `size` is that of the result: (H', W') of y, (H, W) of x, (P, Q) of w. It decides what sizes alone leave open: the rows that
# a strided convolution skipped at the border, and the border of padding="same" where left and right differ.


@op(saves="xw")
def _conv2d(x, w, bias, *, size, stride, padding, dilation, groups):
    y = empty((x._shape[0], w._shape[0], *size), dtype=x.dtype)
    bias = None if bias is None else contiguous(bias)
    kernels(x, w).conv2d(y, contiguous(x), contiguous(w), bias, (*stride, *padding, *dilation, groups))
    return y


@op(saves="gw")
def _conv2d_dx(g, w, bias, *, size, stride, padding, dilation, groups):
    dx = empty((g._shape[0], w._shape[1] * groups, *size), dtype=g.dtype)
    bias = None if bias is None else contiguous(bias)
    kernels(g, w).conv2d_dx(dx, contiguous(g), contiguous(w), bias, (*stride, *padding, *dilation, groups))
    return dx


@op(saves="gx")
def _conv2d_dw(g, x, *, size, stride, padding, dilation, groups):
    dw = empty((g._shape[1], x._shape[1] // groups, *size), dtype=g.dtype)
    kernels(g, x).conv2d_dw(dw, contiguous(g), contiguous(x), (*stride, *padding, *dilation, groups))
    return dw


def _over_positions(g):
    from .reduce import sum

    return sum(g, (0, 2, 3))


_conv2d.partials(
    lambda g, y, x, w, bias, *, size, **p: _conv2d_dx(g, w, None, size=x._shape[2:], **p),
    lambda g, y, x, w, bias, *, size, **p: _conv2d_dw(g, x, size=w._shape[2:], **p),
    lambda g, y, x, w, bias, **p: _over_positions(g),
).multilinear(0, 1, plus=2)
_conv2d_dx.partials(
    lambda v, y, g, w, bias, *, size, **p: _conv2d(v, w, None, size=g._shape[2:], **p),
    lambda v, y, g, w, bias, *, size, **p: _conv2d_dw(g, v, size=w._shape[2:], **p),
    lambda v, y, g, w, bias, **p: _over_positions(v),
).multilinear(0, 1, plus=2)
_conv2d_dw.partials(
    lambda v, y, g, x, *, size, **p: _conv2d(x, v, None, size=g._shape[2:], **p),
    lambda v, y, g, x, *, size, **p: _conv2d_dx(g, v, None, size=x._shape[2:], **p),
).multilinear(0, 1)


# -- what users call ----------------------------------------------------------------------------------------------------------

LIMIT = 1 << 40  # of strides, paddings and dilations: their products with sizes stay inside int64


def _tuple(value, n, argument, name):
    """An int, a 1-tuple or an n-tuple as an n-tuple of ints."""
    try:
        values = [index(v) for v in value] if isinstance(value, (tuple, list)) else [index(value)]
    except TypeError:
        raise TypeError(f"{name}(): argument '{argument}' must be tuple of ints, not {type(value).__name__}") from None
    if len(values) == 1:
        values *= n
    if len(values) != n:
        raise ShapeError(
            f"expected {argument} to be a single integer value or a list of {n} values to match the convolution dimensions, "
            f"but got {argument}={values}"
        )
    if max(values) >= LIMIT:
        raise ShapeError(f"{name}: {argument}={values} is too large")
    return tuple(values)


def _by(sizes):
    return " x ".join(map(str, sizes))


def _check(name, n, input, weight, bias, stride, padding, output_padding, dilation, groups, transposed):
    """Errors that need no sizes of the result, in PyTorch's words and nearly its order."""
    for i, (argument, t) in enumerate((("input", input), ("weight", weight), ("bias", bias))):
        if not isinstance(t, Array) and not (i == 2 and t is None):
            raise TypeError(f"{name}(): argument '{argument}' (position {i + 1}) must be Tensor, not {type(t).__name__}")
    if input.ndim not in (n + 1, n + 2):
        raise ShapeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: {list(input.shape)}"
        )
    shape, w = list(input.shape), list(weight.shape)
    if weight.ndim != n + 2:
        raise ShapeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight {w}, but got {input.ndim}-dimensional "
            f"input of size {shape} instead"
        )
    if min(padding) < 0:
        raise ShapeError("negative padding is not supported")
    if min(output_padding) < 0:
        raise ShapeError("negative output_padding is not supported")
    if min(stride) <= 0:
        raise ShapeError("non-positive stride is not supported")
    if min(dilation) <= 0:
        raise ShapeError(f"dilation should be greater than zero, but got {list(dilation)}")
    if groups <= 0:
        raise ShapeError("non-positive groups is not supported")
    if w[0] < groups:
        raise ShapeError(f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size {w} instead")
    if w[0] % groups:
        raise ShapeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of size [{w}] instead"
        )
    if min(w[2:]) <= 0:
        raise ShapeError(f"{name}: kernel size should be greater than zero, but got {_by(w[2:])}")
    channels, need = shape[-n - 1], w[0] if transposed else w[1] * groups
    given = "transposed=1" if transposed else f"groups={groups}"
    if channels != need:
        raise ShapeError(
            f"Given {given}, weight of size {w}, expected input{shape} to have {need} channels, but got {channels} channels instead"
        )
    filters = w[1] * groups if transposed else w[0]
    if bias is not None and tuple(bias.shape) != (filters,):
        raise ShapeError(
            f"Given {'transposed=1, ' if transposed else ''}weight of size {w}, expected bias to be 1-dimensional with {filters} "
            f"elements, but got bias of size {list(bias.shape)} instead"
        )
    if not input.dtype.is_floating_point:
        raise DTypeError(f"\"{name}\" not implemented for '{input.dtype.scalar_type}'")
    if weight.dtype is not input.dtype:
        raise DTypeError(f"expected scalar type {input.dtype.scalar_type} but found {weight.dtype.scalar_type}")
    if bias is not None and bias.dtype is not input.dtype:
        raise DTypeError(
            f"Input type ({C_TYPES[input.dtype]}) and bias type ({C_TYPES[bias.dtype]}) should be the same"
        )


def _nonempty(shape, n):
    if 0 in shape[-n:]:
        raise ShapeError(f"Only zero batch or zero channel inputs are supported, but got input shape: {list(shape)}")


def _run(op, n, input, weight, bias, size, stride, padding, dilation, groups):
    """The two-dimensional op on input and weight of n spatial axes, with or without a batch axis."""
    if n == 1:
        input = reshape(input, (*input._shape[:-1], 1, input._shape[-1]))
        weight = reshape(weight, (*weight._shape[:-1], 1, weight._shape[-1]))
        size, stride, padding, dilation = (1, *size), (1, *stride), (0, *padding), (1, *dilation)
    batched = input.ndim == 4
    if not batched:
        input = reshape(input, (1, *input._shape))
    y = op(input, weight, bias, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)
    shape = y._shape
    if n == 1:
        shape = (*shape[:2], shape[3])
    return y if batched and n == 2 else reshape(y, shape if batched else shape[1:])


def _convolution(name, n, input, weight, bias, stride, padding, dilation, groups):
    stride, dilation = _tuple(stride, n, "stride", name), _tuple(dilation, n, "dilation", name)
    groups = index(groups)
    given = padding
    if isinstance(given, str):
        if given not in ("same", "valid"):
            raise ShapeError(f"Invalid padding string: '{given}'")
        if given == "same" and any(s != 1 for s in stride):
            raise ShapeError("padding='same' is not supported for strided convolutions")
        padding = (0,) * n
    else:
        padding = _tuple(given, n, "padding", name)
    _check(name, n, input, weight, bias, stride, padding, (0,) * n, dilation, groups, False)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, weight._shape[2:], strict=True)]
    before = input._shape[-n:]
    if given == "same":
        padding, size = tuple((r - 1) // 2 for r in reach), before
    else:
        padded = [h + 2 * p for h, p in zip(before, padding, strict=True)]
        if any(r > h for r, h in zip(reach, padded, strict=True)):
            raise ShapeError(
                f"Calculated padded input size per channel: ({_by(padded)}). Kernel size: ({_by(reach)}). Kernel size can't be "
                "greater than actual input size"
            )
        size = tuple((h - r) // s + 1 for h, r, s in zip(padded, reach, stride, strict=True))
    _nonempty(input._shape, n)
    return _run(_conv2d, n, input, weight, bias, size, stride, padding, dilation, groups)


def _transposed(name, n, input, weight, bias, stride, padding, output_padding, groups, dilation):
    stride, dilation = _tuple(stride, n, "stride", name), _tuple(dilation, n, "dilation", name)
    padding, extra = _tuple(padding, n, "padding", name), _tuple(output_padding, n, "output_padding", name)
    groups = index(groups)
    _check(name, n, input, weight, bias, stride, padding, extra, dilation, groups, True)
    if any(e >= s and e >= d for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ShapeError(
            f"output padding must be smaller than either stride or dilation, but got output_padding={list(extra)}, "
            f"stride={list(stride)}, dilation={list(dilation)}"
        )
    before = input._shape[-n:]
    size = tuple(
        (h - 1) * s - 2 * p + d * (k - 1) + e + 1
        for h, s, p, d, k, e in zip(before, stride, padding, dilation, weight._shape[2:], extra, strict=True)
    )
    _nonempty(input._shape, n)
    if min(size) <= 0:
        raise ShapeError(
            f"Given input size per channel: ({_by(before)}). Calculated output size per channel: ({_by(size)}). Output size is too small"
        )
    return _run(_conv2d_dx, n, input, weight, bias, size, stride, padding, dilation, groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Slide weight over input:  y[n,o,i,j] = bias[o] + Σ input[n, c, i·s + p·d - pad, j·s + q·d - pad] · weight[o,c,p,q].

    input (N, C, H, W) or (C, H, W),  weight (O, C / groups, P, Q),  bias (O)  →  (N, O, H', W') or (O, H', W')
    H' = ⌊(H + 2·padding - dilation·(P - 1) - 1) / stride⌋ + 1

    stride, padding, dilation: an int or one for each axis. padding="valid" is 0; "same" keeps H and W (stride 1 only; an
    even border has its larger half at the end). groups: o-th block of filters sees the o-th block of channels.
    RuntimeError (also a ValueError) for shapes that do not fit, DTypeError for types that differ or are not floating.

    float32 filters of 3x3 and 5x5 with stride and dilation 1 run on Winograd tiles where that is faster, with rounding errors
    3 to 12 times those of plain sums (rms; csrc/kernels/conv2d/winograd.h); ``fastnn.rung(conv2d="implicit")`` turns it off.
    """
    return _convolution("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """`conv2d` along one axis: input (N, C, L) or (C, L), weight (O, C / groups, P), bias (O) → (N, O, L') or (O, L')."""
    return _convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of `conv2d`: every input element adds weight, scaled, to the output around its position.

    y[n, o, i·s + p·d - pad, j·s + q·d - pad] += input[n, c, i, j] · weight[c, o, p, q], plus bias[o]

    input (N, C, H, W) or (C, H, W),  weight (C, O / groups, P, Q),  bias (O)  →  (N, O, H', W') or (O, H', W')
    H' = (H - 1)·stride - 2·padding + dilation·(P - 1) + output_padding + 1

    The gradient of the `conv2d` of the same stride, padding, dilation and groups. output_padding < stride (or dilation)
    chooses among the sizes which that convolution maps to H. RuntimeError for shapes that do not fit.
    """
    return _transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """`conv_transpose2d` along one axis: input (N, C, L) or (C, L), weight (C, O / groups, P) → (N, O, L') or (O, L')."""
    return _transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


__all__ = FUNCTIONAL = ("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d")
