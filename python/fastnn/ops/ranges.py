"""Evenly spaced numbers and grids of them: arange, linspace, logspace, meshgrid."""

from __future__ import annotations

import builtins
import itertools

import numpy as np

from .. import dtypes
from ..autodiff import Array
from ..dtypes import get_default_dtype
from ..errors import ShapeError
from ..tensor import from_numpy
from .join import stack
from .shape import _expand, reshape, to


def made(a, dtype, requires_grad):
    t = from_numpy(a).clone()
    if dtype is not None:
        t = to(t, dtype)
    return t.requires_grad_() if requires_grad else t


def arange(start=None, end=None, step=1, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """start, start + step, ... up to but not including end; arange(end) starts at 0. Integers give int64, floats float32."""
    if end is None:
        start, end = None, start
    if end is None:
        raise TypeError("arange() missing 1 required positional argument: 'end'")
    start = 0 if start is None else start
    start, end, step = (v.item() if isinstance(v, (Array, np.generic)) else v for v in (start, end, step))
    for v in (start, end, step):
        if not isinstance(v, (int, float)):
            raise TypeError(f"arange: start, end and step must be numbers, not {type(v).__name__}")
    if not all(abs(v) < float("inf") for v in (start, end)):
        raise ShapeError(f"unsupported range: {start} -> {end}")
    if step == 0:
        raise ShapeError("step must be nonzero")
    if (end - start) * step < 0:
        raise ShapeError("upper bound and lower bound inconsistent with step sign")
    if dtype is None:
        floats = any(isinstance(v, float) for v in (start, end, step))
        dtype = dtypes.get_default_dtype() if floats else dtypes.int64
    count = -(-(end - start) // step) if all(isinstance(v, int) for v in (start, end, step)) else int(np.ceil((end - start) / step))
    if not dtypes.as_dtype(dtype).is_floating_point:
        start, step = int(start), int(step)  # as PyTorch does, after counting
    a = np.arange(count, dtype=np.int64)
    if step != 1 or start != 0:
        a = start + a * step
    return made(np.asarray(a), dtypes.as_dtype(dtype), requires_grad)


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """steps values from start to end, both included, evenly spaced."""
    start, end, steps = _ends(start, end, steps)
    dtype = dtypes.as_dtype(dtype or dtypes.get_default_dtype())
    if not dtype.is_floating_point:  # from integer ends, as PyTorch does
        start, end = int(start), int(end)
    return made(np.linspace(start, end, steps), dtype, requires_grad)


def logspace(start, end, steps, base=10.0, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """base ** linspace(start, end, steps)."""
    start, end, steps = _ends(start, end, steps)
    dtype = dtypes.as_dtype(dtype or dtypes.get_default_dtype())
    if not dtype.is_floating_point:  # from integer ends, as PyTorch does
        start, end = int(start), int(end)
    return made(base ** np.linspace(start, end, steps), dtype, requires_grad)


def _ends(start, end, steps):
    if not hasattr(steps, "__index__"):
        raise TypeError(f"linspace: steps must be int, not {type(steps).__name__}")
    steps = steps.__index__()
    if steps < 0:
        raise ShapeError("number of steps must be non-negative")
    return (*(float(v.item() if isinstance(v, Array) else v) for v in (start, end)), steps)


def meshgrid(*tensors, indexing=None):
    """Vectors as coordinates of a grid: one tensor each, expanded over all axes. indexing "ij" (default) or "xy"."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise ShapeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise ShapeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for t in tensors:
        if t.ndim > 1:
            raise ShapeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}")
        if t.dtype is not tensors[0].dtype:
            raise ShapeError("torch.meshgrid expects all tensors to have the same dtype")
    n = len(tensors)
    order = [1, 0, *builtins.range(2, n)] if indexing == "xy" and n > 1 else list(builtins.range(n))
    shape = [0] * n
    for t, d in zip(tensors, order, strict=True):
        shape[d] = t._size
    out = []
    for t, d in zip(tensors, order, strict=True):
        unit = [1] * n
        unit[d] = t._size
        out.append(_expand(reshape(t, tuple(unit)), shape=tuple(shape)))
    return tuple(out)


def cartesian_prod(*tensors):
    """(count, k): every combination of one element from each of k vectors, the last varying fastest."""
    if any(t.ndim != 1 for t in tensors):
        raise ShapeError("cartesian_prod: expected 1D vectors")
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(t, (-1,)) for t in meshgrid(*tensors)], 1)


def combinations(input, r=2, with_replacement=False):
    """(count, r): the subsets of r elements of a vector, in order of position."""
    if input.ndim != 1:
        raise ShapeError(f"Expect a 1D vector, but got shape {list(input._shape)}")
    if r < 0:
        raise ShapeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input[:0]
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    table = np.array(list(pick(builtins.range(input._shape[0]), r)), np.int64).reshape(-1, r)
    return input[from_numpy(table)]


def range(start=0, end=None, step=1, *, dtype=None, device=None, requires_grad=False):
    """start, start + step, ... up to and including end. Deprecated in PyTorch in favour of `arange`, which stops before end."""
    start, end = (0, start) if end is None else (start, end)
    count = int((end - start) / step) + 1 if step else -1
    if count < 0:
        raise ShapeError(f"range: no step of {step} leads from {start} to {end}")
    y = from_numpy(start + step * np.arange(count, dtype=np.float64)).to(get_default_dtype() if dtype is None else dtype)
    return y.requires_grad_() if requires_grad else y


def unravel_index(indices, shape):
    """Flat positions in an array of this shape as one tensor of positions for each axis."""
    shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    return tuple(from_numpy(np.array(a)) for a in np.unravel_index(indices.numpy(), shape))


__all__ = ("arange", "cartesian_prod", "combinations", "linspace", "logspace", "meshgrid", "range", "unravel_index")
METHODS = ()
