"""`assert_close`: are two tensors (or sequences, dicts, numbers of them) the same to within rounding? `make_tensor`: random ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from . import dtypes
from .creation import shape_from, values
from .dtypes import as_dtype, finfo, iinfo
from .errors import named
from .ops.random import rand, randint
from .tensor import Tensor, as_tensor

TOLERANCE = {dtypes.float32: (1.3e-6, 1e-5), dtypes.float64: (1e-7, 1e-7)}  # rtol, atol, as in PyTorch
TOLERANCE |= {dtypes.float16: (1e-3, 1e-5), dtypes.bfloat16: (1.6e-2, 1e-5)}


def assert_close(
    actual,
    expected,
    *,
    allow_subclasses=True,
    rtol=None,
    atol=None,
    equal_nan=False,
    check_device=True,
    check_dtype=True,
    check_layout=True,
    check_stride=False,
    msg=None,
):
    """AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere, and shapes and dtypes are equal.

    The tolerances depend on the dtype unless both are given; ValueError if only one is. TypeError for what is no tensor,
    number, sequence or mapping.
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or unspecified, but got no {'rtol' if rtol is None else 'atol'}."
        )
    problem = _difference(actual, expected, (rtol, atol, equal_nan, check_dtype, check_stride))
    if problem is not None:
        raise AssertionError(problem if msg is None else msg(problem) if callable(msg) else msg)


_WHERE = "\n\nThe failure occurred for item "


def _difference(a, b, options):
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if set(a) != set(b):
            return f"The keys of the mappings do not match: {sorted(map(str, a))} and {sorted(map(str, b))}"
        pairs = [(k, a[k], b[k]) for k in a]
    elif _is_sequence(a) and _is_sequence(b):
        if len(a) != len(b):
            return f"The length of the sequences mismatch: {len(a)} != {len(b)}"
        pairs = list(zip(range(len(a)), a, b, strict=False))
    else:
        return _tensor_difference(_tensor(a), _tensor(b), options)
    for key, x, y in pairs:
        problem = _difference(x, y, options)
        if problem is not None:
            text, _, path = problem.partition(_WHERE)
            return f"{text}{_WHERE}[{key!r}]{path}"
    return None


def _is_sequence(x):
    return isinstance(x, Sequence) and not isinstance(x, str)


def _tensor(x):
    if isinstance(x, Tensor):
        return x.detach()
    if isinstance(x, (bool, int, float, complex, np.ndarray, np.generic)):
        return named(as_tensor)(np.asarray(x))
    raise TypeError(f"No comparison pair was able to handle an input of type {type(x).__name__}")


def _tensor_difference(a, b, options):
    rtol, atol, equal_nan, check_dtype, check_stride = options
    if a.shape != b.shape:
        return f"The values for attribute 'shape' do not match: {a.shape} != {b.shape}."
    if check_dtype and a.dtype is not b.dtype:
        return f"The values for attribute 'dtype' do not match: {a.dtype} != {b.dtype}."
    if check_stride and a.stride() != b.stride():
        return f"The values for attribute 'stride()' do not match: {a.stride()} != {b.stride()}."
    if rtol is None:
        rtol, atol = (max(TOLERANCE.get(t.dtype.to_real(), (0.0, 0.0))[i] for t in (a, b)) for i in (0, 1))
    x, y = values(a), values(b)
    if a.is_floating_point() or b.is_floating_point() or a.is_complex() or b.is_complex() or rtol or atol:
        wide = np.complex128 if a.is_complex() or b.is_complex() else np.float64
        u, v = x.astype(wide), y.astype(wide)
        with np.errstate(invalid="ignore", over="ignore"):
            wrong = ~((u == v) | ((np.abs(u - v) <= atol + rtol * np.abs(v)) & np.isfinite(v)) | (equal_nan & np.isnan(u) & np.isnan(v)))
    else:
        wrong = x != y
    return _described(x, y, wrong, rtol, atol) if wrong.any() else None


def _described(x, y, wrong, rtol, atol):
    """Where x differs from y, in PyTorch's words. Flags differ by 1."""
    x, y = (v.astype(np.int64) if v.dtype == bool else v for v in (x, y))
    with np.errstate(all="ignore"):
        absolute = np.abs(x - y)
        relative = absolute / np.abs(y if x.ndim else y.astype(np.float64))
        relative = relative.astype(np.float32) if absolute.dtype.kind in "iu" and x.ndim else relative
    exact = not rtol and not atol
    title = f"{'Scalars' if not x.ndim else 'Tensor-likes'} are not {'equal' if exact else 'close'}!\n\n"
    lines = []
    for name, difference, most in (("absolute", absolute, atol), ("relative", relative, rtol)):
        allowed = "" if exact else f" (up to {most} allowed)"
        if not x.ndim:
            lines.append(f"{name.capitalize()} difference: {difference.item()}{allowed}")
            continue
        worst = np.unravel_index(np.argmax(np.where(wrong, difference, 0)), wrong.shape)
        lines.append(f"Greatest {name} difference: {difference[worst].item()} at index {tuple(map(int, worst))}{allowed}")
    if not x.ndim:
        return f"{title}Expected {y.item()} but got {x.item()}.\n" + "\n".join(lines)
    count = int(np.count_nonzero(wrong))
    return f"{title}Mismatched elements: {count} / {wrong.size} ({count / wrong.size:.1%})\n" + "\n".join(lines)


def make_tensor(
    *shape, dtype, device=None, low=None, high=None, requires_grad=False, noncontiguous=False, exclude_zero=False, memory_format=None
):
    """A tensor of numbers from [low, high): by default -9 .. 9 (0 .. 9 for uint8, 0 or 1 for bool), limited to what the dtype holds.

    exclude_zero: zeros are replaced by the smallest number above. noncontiguous: every second element of a longer tensor.
    ValueError for low > high.
    """
    shape = shape_from(shape)
    kind = as_dtype(dtype)
    span = (0, 2) if kind is dtypes.bool else (0 if kind is dtypes.uint8 else -9, 9 if kind.is_floating_point else 10)
    low, high = (default if given is None else given for given, default in zip((low, high), span, strict=True))
    if low > high:
        raise ValueError(f"make_tensor: low={low} must not be greater than high={high}")
    wide = (*shape[:-1], 2 * shape[-1]) if noncontiguous and shape else shape
    if kind.is_floating_point:
        t = rand(wide, dtype=kind) * (high - low) + low
    else:
        info = iinfo(kind) if kind is not dtypes.bool else None
        low, high = (low, high) if info is None else (max(math.ceil(low), info.min), min(math.ceil(high), info.max + 1))
        t = randint(low, max(high, low + 1), wide, dtype=dtypes.int64).to(kind)
    if exclude_zero:
        t[t == 0] = finfo(kind).tiny if kind.is_floating_point else 1
    t = t[..., ::2] if noncontiguous and shape else t
    return t.to(device).requires_grad_(requires_grad) if device is not None else t.requires_grad_(requires_grad)
