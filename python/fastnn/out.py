"""out=: results written into tensors that the caller brings."""

from __future__ import annotations

import warnings

from . import _cpu
from .errors import DTypeError
from .overrides import tensors_in
from .promotion import can_cast
from .tensor import Tensor


def written(f, args, kwargs):
    """f(*args, out=tensors), for an f that has no out: its result, written into them."""
    out = kwargs.pop("out")
    if out is None:
        return f(*args, **kwargs)
    given = tuple(tensors_in(args))
    _check_unrecorded(f.__name__, (*given, *tensors_in(out)))
    return into(f.__name__, out, f(*args, **kwargs), warn=bool(given))


def into(name, out, result, warn=True):
    """out (a tensor, or a tuple of them) with the values of result; a tensor of another shape gets memory of the result's, with a warning
    unless it was empty. RuntimeError where a gradient would be missed, or a dtype cannot take the other's values."""
    several = isinstance(result, (tuple, list))
    for place, value in zip(out if several else (out,), result if several else (result,), strict=True):
        if not isinstance(place, Tensor):
            raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(place).__name__}")
        _check_unrecorded(name, (place, value))
        if not can_cast(value.dtype, place.dtype):
            raise DTypeError(f"{name}: result type {value.dtype.name} can't be cast to the desired output type {place.dtype.name}")
        if place.shape != value.shape:
            if warn and place.numel():
                warnings.warn(
                    f"An output with one or more elements was resized since it had shape {list(place.shape)}, which does not match the required "
                    f"output shape {list(value.shape)}. You can explicitly reuse an out tensor t by resizing it, inplace, to zero elements "
                    "with t.resize_(0).",
                    stacklevel=4,
                )
            place.resize_(value.shape)
        place.copy_(value.detach())
    return out


def _check_unrecorded(name, tensors):
    """RuntimeError where gradients are recorded and one of these needs one: what is written into out= has no history."""
    if _cpu.grad_mode() and any(t.requires_grad for t in tensors):
        raise RuntimeError(f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.")
