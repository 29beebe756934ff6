"""Order statistics and counts: quantile, nanmedian, mode, running extremes, bincount, histc, unique_consecutive, isin.

Which elements are picked is found without history (by NumPy or the sort kernels); they are then gathered, so that gradients
flow to them.
"""

from __future__ import annotations

import operator

import numpy as np

from .. import dtypes
from ..autodiff import Array, op
from ..errors import DTypeError, ShapeError
from ..results import result_type
from ..tensor import as_tensor, from_numpy, normalize_dim, ones, zeros
from .comparison import isnan
from .elementwise import ceil, clamp, floor, where
from .gather import gather, scatter_add
from .linalg import _of_examples
from .shape import expand, movedim, reshape, squeeze, to, unsqueeze
from .sort import _middle, sort


@op(saves="")
@_of_examples
def _places(x, *, find, axis):
    """Indices along an axis (counted from the end), found by find(array with that axis last), of that shape or with one place."""
    found = find(np.moveaxis(x.numpy(), axis, -1))
    return from_numpy(np.ascontiguousarray(np.moveaxis(found, -1, axis)))


def _picked(input, dim, find):
    """(elements, indices) of _places along dim."""
    index = _places(input.detach(), find=find, axis=dim - input.ndim)
    return gather(input, dim, index), index


def _running(input, dim, ufunc):
    if not input.ndim:
        return input.clone(), zeros((), dtype="int64")
    dim = normalize_dim(dim, input.ndim)
    if not input._size:
        return input.clone(), zeros(input._shape, dtype="int64")

    def find(x):
        chosen = (x == ufunc.accumulate(x, axis=-1)) | (x != x)
        return np.maximum.accumulate(np.where(chosen, np.arange(x.shape[-1]), 0), axis=-1)

    return _picked(input, dim, find)


cummax_result, cummin_result = result_type("cummax", "values indices"), result_type("cummin", "values indices")


def cummax(input, dim):
    """(values, indices) of the largest so far along dim; the last of equals, and NaN from its first place on."""
    return cummax_result(*_running(input, dim, np.maximum))


def cummin(input, dim):
    """(values, indices) of the smallest so far along dim; the last of equals, and NaN from its first place on."""
    return cummin_result(*_running(input, dim, np.minimum))


_MODES = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(input, q, dim, keepdim, interpolation, name, skip_nan):
    if interpolation not in _MODES:
        raise ShapeError(f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}")
    if not input.dtype.is_floating_point:
        raise DTypeError(f"{name}() input tensor must be either float or double dtype")
    if isinstance(q, Array) and q.dtype is not input.dtype:
        raise DTypeError(f"{name}() q tensor must be same dtype as the input tensor")
    levels = np.asarray(q.detach().cpu().numpy() if isinstance(q, Array) else q, dtype=np.float64)
    if levels.ndim > 1:
        raise ShapeError(f"{name}() q must be a scalar or 1D tensor")
    if ((levels < 0) | (levels > 1)).any():
        raise ShapeError(f"{name}() q values must be in the range [0, 1]")
    if not input._size:
        raise ShapeError(f"{name}() input tensor must be non-empty")
    ndim, flat = input.ndim, dim is None
    x = reshape(input, (-1,)) if flat or not ndim else movedim(input, normalize_dim(dim, ndim), -1)
    x = sort(x, -1)[0]
    n = x._shape[-1]
    nans = isnan(x.detach()).sum(-1)
    last = to(clamp(n - nans, min=1) - 1 if skip_nan else where(nans > 0, 0, n - 1), dtypes.float64)
    rank = from_numpy(levels.reshape(-1, *[1] * last.ndim)).to(input.device) * last  # (levels, *slices)
    if not skip_nan:
        rank = where(nans > 0, float(n - 1), rank)  # the last element is NaN
    low, high = floor(rank), ceil(rank)
    if interpolation == "lower":
        high = low
    elif interpolation == "higher":
        low = high
    elif interpolation == "nearest":
        low = high = rank.round()
    rows = expand(x, (levels.size, *x._shape))
    a, b = (squeeze(gather(rows, rows.ndim - 1, unsqueeze(to(r, dtypes.int64), -1)), -1) for r in (low, high))
    same = low == high
    weight = to(where(same, 0.0, 0.5 if interpolation == "midpoint" else rank - low), x.dtype)
    y = where(same, a, a + (b - a) * weight)
    if interpolation == "linear" and isinstance(q, Array) and q.requires_grad:
        move = reshape(q - q.detach(), (levels.size,) + (1,) * last.ndim) * to(last, x.dtype)
        y = y + (b - a) * move  # nothing in value: how the quantile moves with its level
    if keepdim:
        y = reshape(y, (levels.size, *[1] * ndim)) if flat else unsqueeze(y, 1 + normalize_dim(dim, ndim)) if ndim else y
    return y if levels.ndim else reshape(y, y._shape[1:])


def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The q-th quantiles (q in 0 .. 1, a number or a vector, whose axis comes first) along dim, or of all. NaN wins."""
    return _quantile(input, q, dim, keepdim, interpolation, "quantile", False)


def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """`quantile` of what is not NaN; NaN where nothing else is."""
    return _quantile(input, q, dim, keepdim, interpolation, "nanquantile", True)


nanmedian_result = result_type("nanmedian", "values indices")


def nanmedian(input, dim=None, keepdim=False):
    """The median (the lower of two) of what is not NaN: of all elements, or (values, indices) along dim."""
    if dim is None:
        if input._levels:  # inside vmap, where each example has a number of its own of them
            return nanmedian(input.reshape((-1,)), 0).values
        return _middle(input, int((input == input).sum()), False)
    if not input.ndim:
        normalize_dim(dim, 0)
        return nanmedian_result(input.clone(), zeros((), dtype="int64"))
    dim = normalize_dim(dim, input.ndim)
    if not input._shape[dim]:
        raise IndexError(f"nanmedian(): Expected reduction dim {dim} to have non-zero size.")

    def find(x):
        order = np.argsort(x, axis=-1, kind="stable")  # NaN last
        return np.take_along_axis(order, np.maximum((x == x).sum(-1, keepdims=True) - 1, 0) // 2, -1)

    values, index = _picked(input, dim, find)
    return nanmedian_result(values, index) if keepdim else nanmedian_result(squeeze(values, dim), squeeze(index, dim))


mode_result = result_type("mode", "values indices")


def mode(input, dim=-1, keepdim=False):
    """(values, indices): the most frequent value along dim (the smallest of several) and its last place."""
    if not input.ndim:
        return mode_result(input.clone(), zeros((), dtype="int64"))
    dim = normalize_dim(dim, input.ndim)
    if not input._shape[dim]:
        raise IndexError(f"mode(): Expected reduction dim {dim} to have non-zero size.")

    def find(x):
        order = np.argsort(x, axis=-1, kind="stable")
        s = np.take_along_axis(x, order, -1)
        steps = np.arange(s.shape[-1])
        begins = np.concatenate([np.ones_like(s[..., :1], bool), s[..., 1:] != s[..., :-1]], -1)
        run = steps - np.maximum.accumulate(np.where(begins, steps, 0), -1)  # place within its run of equals
        return np.take_along_axis(order, run.argmax(-1)[..., None], -1)

    values, index = _picked(input, dim, find)
    return mode_result(values, index) if keepdim else mode_result(squeeze(values, dim), squeeze(index, dim))


def bincount(input, weights=None, minlength=0):
    """How often each of 0, 1, 2, ... occurs in a vector of integers, or the sum of its weights."""
    if input.dtype.is_floating_point or input.ndim != 1:
        raise ShapeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise ShapeError("minlength should be >= 0")
    if weights is not None and weights._shape != input._shape:
        raise ShapeError("weights should be 1-d and have the same length as input")
    values = input.numpy()
    if values.size and values.min() < 0:
        raise ShapeError("bincount only supports 1-d non-negative integral inputs.")
    n = max(minlength, int(values.max()) + 1 if values.size else 0)
    if weights is None:
        weights = ones(input._shape, dtype="int64", device=input.device)
    elif not weights.dtype.is_floating_point:
        weights = to(weights, "float64")
    return scatter_add(zeros(n, dtype=weights.dtype, device=input.device), 0, to(input, "int64"), weights.detach())


def histc(input, bins=100, min=0, max=0):
    """How many elements fall in each of `bins` equal intervals from min to max (both 0: of the data). Others do not count."""
    bins, min, max = operator.index(bins), float(min), float(max)
    if bins <= 0:
        raise ShapeError("histc: bins must be > 0")
    if not input.dtype.is_floating_point:
        raise DTypeError(f'"histogram_cpu" not implemented for {input.dtype.name}')
    x = input.detach().numpy().ravel()
    if min == max and x.size:
        min, max = float(x.min()), float(x.max())
    if min == max:
        min, max = min - 1, max + 1
    if not (np.isfinite(min) and np.isfinite(max)):
        raise ShapeError(f"histc: range of [{min}, {max}] is not finite")
    if min > max:
        raise ShapeError("max must be larger than min")
    x = x[(x >= min) & (x <= max)].astype(np.float64)
    place = np.minimum(((x - min) / (max - min) * bins).astype(np.int64), bins - 1)
    return from_numpy(np.bincount(place, minlength=bins).astype(input.dtype.numpy))


histogramdd_result = result_type("histogramdd", "hist bin_edges")
histogram_result = result_type("histogram", "hist bin_edges")


def histogram(input, bins, *, range=None, weight=None, density=False):
    """(hist, bin_edges) of numpy.histogram: bins a number of equal intervals, or their edges."""
    x = input.detach().numpy().ravel()
    if isinstance(bins, Array):
        bins = bins.numpy()
    elif range is None:
        range = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    w = None if weight is None else weight.detach().numpy().ravel()
    hist, edges = np.histogram(x.astype(np.float64), bins, range, density, w)
    return histogram_result(*(from_numpy(v.astype(input.dtype.numpy)) for v in (hist, edges)))


def histogramdd(input, bins, *, range=None, weight=None, density=False):
    """(hist, bin_edges) of numpy.histogramdd for input (..., D): bins a number, one for each dimension, or tensors of edges."""
    x = input.detach().numpy()
    x = x.reshape(-1, x.shape[-1]).astype(np.float64)
    if not isinstance(bins, int) and len(bins) != x.shape[1]:
        raise ShapeError(f"histogramdd: The size of bins, {len(bins)}, must be equal to the innermost dimension of the input, {x.shape[1]}.")
    bins = bins if isinstance(bins, int) else [b.numpy() if isinstance(b, Array) else b for b in bins]
    if range is not None:
        range = list(zip(range[::2], range[1::2], strict=True))
    w = None if weight is None else weight.detach().numpy().ravel()
    hist, edges = np.histogramdd(x, bins, range, density, w)
    return histogramdd_result(from_numpy(hist.astype(input.dtype.numpy)), tuple(from_numpy(e.astype(input.dtype.numpy)) for e in edges))


def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """Each run of equal elements (of equal slices along dim) once; with return_inverse, return_counts as `unique`."""
    x = input.detach().numpy()
    if dim is None:
        rows = x.reshape(-1, 1)
    elif not x.size:
        dim = normalize_dim(dim, x.ndim)
        if x.shape.count(0) > 1 or x.shape[dim]:
            raise ShapeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
        rows = x.reshape(0, 1)
    else:
        rows = np.moveaxis(x, normalize_dim(dim, x.ndim), 0).reshape(x.shape[dim], -1)
    n = rows.shape[0]
    first = np.ones(n, bool)
    first[1:] = (rows[1:] != rows[:-1]).any(1)
    starts = np.flatnonzero(first)
    y = rows[starts, 0] if dim is None else np.take(x, starts, dim)
    inverse = np.cumsum(first) - 1
    out = [from_numpy(np.ascontiguousarray(y))]
    if return_inverse:
        out.append(from_numpy(inverse.reshape(x.shape) if dim is None else inverse))
    if return_counts:
        out.append(from_numpy(np.diff(np.append(starts, n))))
    return tuple(out) if len(out) > 1 else out[0]


def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """True where an element is one of test_elements (False where, with invert)."""
    a, b = (as_tensor(v).detach() for v in (elements, test_elements))
    if a._levels or b._levels:  # inside vmap
        found = (a.unsqueeze(-1) == b.reshape((-1,))).any(-1)
        return ~found if invert else found
    a, b = a.numpy(), b.numpy()
    return from_numpy(np.asarray(np.isin(a, b, assume_unique=False, invert=invert)))


__all__ = (
    "bincount cummax cummin histc histogram histogramdd isin mode nanmedian nanquantile quantile unique_consecutive"
).split()
METHODS = ("bincount", "cummax", "cummin", "histc", "histogram", "isin", "mode", "nanmedian", "nanquantile", "quantile", "unique_consecutive")
