"""vmap: a function of one example as a function of many. How kernels see all examples at once: csrc/bind/batch.h."""

from __future__ import annotations

import functools

from .. import _cpu
from ..autodiff import Array
from ..batching import hide, show
from ..ops.join import cat
from ..ops.shape import slice_view
from .tree import flatten, spread, unflatten


def _name(func):
    if hasattr(func, "__name__"):
        return func.__name__
    return f"functools.partial({_name(func.func)}, ...)" if isinstance(func, functools.partial) else repr(func)


def _dims_of_inputs(func, in_dims, args):
    """(size, axis of each flat argument or None, flat arguments, spec), with torch's errors."""
    where = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{where}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, got: "
            f"{type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a "
            "function with no inputs. The latter is unsupported."
        )
    leaves, spec = flatten(args)
    dims = spread(in_dims, spec)
    if dims is None:
        raise ValueError(
            f"{where}: in_dims is not compatible with the structure of `inputs`. in_dims has structure {flatten(in_dims)[1]} "
            f"but inputs has structure {spec}."
        )
    for i, (x, d) in enumerate(zip(leaves, dims, strict=True)):
        if d is None:
            continue
        if not isinstance(d, int):
            raise ValueError(f"{where}: Got in_dim={d} for an input but in_dim must be either an integer dimension or None.")
        if not isinstance(x, Array):
            raise ValueError(
                f"{where}: Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap over non-Tensor "
                "arguments, please use None as the respective in_dim"
            )
        if not -x.ndim <= d < x.ndim:
            raise ValueError(
                f"{where}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality {x.ndim} so expected "
                f"in_dim to satisfy -{x.ndim} <= in_dim < {x.ndim}."
            )
        dims[i] = d % x.ndim
    sizes = [x._shape[d] for x, d in zip(leaves, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(s != sizes[0] for s in sizes):
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped dimension"
        )
    return sizes[0], dims, leaves, spec


def _dims_of_outputs(func, out_dims, outputs):
    """(flat outputs, axis of each or None, spec)."""
    leaves, spec = flatten(outputs)
    if spec.kind is None and isinstance(out_dims, tuple):
        dims = list(out_dims) if len(out_dims) == 1 else None
    else:
        dims = spread(out_dims, spec)
    if dims is None:
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of "
            f"`outputs`. out_dims has structure {flatten(out_dims)[1]} but outputs has structure {spec}."
        )
    return leaves, dims, spec


def _shown(func, y, dim, level, size):
    if dim is None:
        if isinstance(y, Array) and level in (y._levels or ()):
            raise ValueError(f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor when out_dim is None")
        return y
    if not isinstance(y, Array):
        raise ValueError(
            f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type {type(y)}. Did you mean to set "
            "out_dims= to None for output?"
        )
    if not -y.ndim - 1 <= dim <= y.ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-y.ndim - 1}, {y.ndim}], but got {dim})")
    return show(y, dim % (y.ndim + 1), level, size)


def _run(func, size, dims, leaves, spec, out_dims, randomness, kwargs):
    level = _cpu.vmap_enter(size, randomness)
    try:
        leaves = [x if d is None else hide(x, d, level) for x, d in zip(leaves, dims, strict=True)]
        outputs = func(*unflatten(leaves, spec), **kwargs)
    finally:
        _cpu.vmap_exit()
    outputs, places, out_spec = _dims_of_outputs(func, out_dims, outputs)
    return [_shown(func, y, d, level, size) for y, d in zip(outputs, places, strict=True)], places, out_spec


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    """The function that maps func over an axis of its inputs: func is called once and sees one example.

    in_dims: the mapped axis of every input, None for what all examples share; a nest like the inputs', or one int. out_dims:
    where the axis appears in outputs. randomness: "error", "same" numbers for all examples, or "different" ones. chunk_size:
    so many examples at a time. What depends on an example's values (item(), if, a result's shape) raises RuntimeError.
    """
    if randomness not in ("error", "same", "different"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    for d in flatten(out_dims)[0]:
        if not (d is None or isinstance(d, int)):
            raise ValueError(
                f"vmap({_name(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python collection of ints "
                "representing where in the outputs the vmapped dimension should appear."
            )

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        size, dims, leaves, spec = _dims_of_inputs(func, in_dims, args)
        if chunk_size is None or chunk_size >= size:
            outputs, _, out_spec = _run(func, size, dims, leaves, spec, out_dims, randomness, kwargs)
            return unflatten(outputs, out_spec)
        parts = []
        for start in range(0, size, chunk_size):
            n = min(chunk_size, size - start)
            some = [x if d is None else slice_view(x, d, start, n) for x, d in zip(leaves, dims, strict=True)]
            part, places, out_spec = _run(func, n, dims, some, spec, out_dims, randomness, kwargs)
            parts.append(part)
        outputs = [ys[0] if d is None else cat(ys, d) for ys, d in zip(zip(*parts, strict=True), places, strict=True)]
        return unflatten(outputs, out_spec)

    return wrapped
