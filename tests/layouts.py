"""The same values in other layouts: transposed, stepped, negative, zero strides, misaligned, read-only."""

import numpy as np

import fastnn


def layouts(a):
    """(name, ndarray equal to a) for every layout that a's shape allows."""
    yield "contiguous", np.array(a)
    if a.ndim > 1:
        yield "transposed", np.array(a.T, order="C").T
    if a.ndim > 0:
        padded = np.zeros(tuple(2 * s + 1 for s in a.shape), a.dtype)
        stepped = padded[tuple(slice(0, 2 * s, 2) for s in a.shape)]
        stepped[...] = a
        yield "stepped", stepped
        flip = tuple(slice(None, None, -1) for _ in a.shape)
        yield "negative", np.array(a[flip])[flip]
    raw = np.zeros(a.nbytes + 64, np.uint8)
    start = (-raw.ctypes.data) % 64 + max(a.itemsize, 1)  # element-aligned, not vector-aligned
    misaligned = raw[start : start + a.nbytes].view(a.dtype).reshape(a.shape)
    misaligned[...] = a
    yield "misaligned", misaligned
    frozen = np.array(a)
    frozen.setflags(write=False)
    yield "read-only", frozen


def as_args(args, dtype, layout="contiguous"):
    """Sample arguments as tensors: float arrays in dtype, others as they are, all in one layout."""
    out = []
    for a in args:
        if isinstance(a, np.ndarray):
            if a.dtype == np.float64:
                a = a.astype(dtype)
            a = dict(layouts(a)).get(layout, a)
            out.append(fastnn.from_numpy(a))
        elif isinstance(a, (list, tuple)) and any(isinstance(x, np.ndarray) for x in a):
            out.append(type(a)(as_args(a, dtype, layout)))
        else:
            out.append(a)
    return out


def as_arrays(result):
    """Every tensor in a (nested) result as an ndarray."""
    if isinstance(result, fastnn.Tensor):
        return [np.array(result.detach().numpy())]
    if isinstance(result, (tuple, list)):
        return [a for r in result for a in as_arrays(r)]
    return []
