"""What the indexing kernels mean, in NumPy."""

import numpy as np


def index_get(x, *indices, axes, at):
    """Rows picked by broadcast index arrays on `axes`; their axes take the place `at` among those that stay."""
    tables = np.broadcast_arrays(*indices)
    moved = np.moveaxis(x, axes, range(len(axes)))[tuple(tables)]
    n = tables[0].ndim
    return np.moveaxis(moved, range(n), range(at, at + n))


def index_sum(g, *indices, shape, axes, at):
    """The adjoint of index_get: zeros of this shape, with g added at the picked places."""
    x = np.zeros(shape, g.dtype)
    tables = np.broadcast_arrays(*indices)
    n = tables[0].ndim
    np.add.at(np.moveaxis(x, axes, range(len(axes))), tuple(tables), np.moveaxis(g, range(at, at + n), range(n)))
    return x


def index_put(x, v, *indices, accumulate=False):
    """x[indices] = v, or += v; of equal indices the last stays, or all add up."""
    y = np.array(x)
    place = np.arange(x.size).reshape(x.shape)[tuple(indices)]
    v = np.broadcast_to(v, place.shape)
    for p, value in zip(place.ravel(), v.ravel(), strict=True):
        y.reshape(-1)[p] = y.reshape(-1)[p] + value if accumulate else value
    return y


def gather(x, dim, index):
    """y[i, j, k] = x[i, index[i, j, k], k] for dim 1."""
    y = np.empty(index.shape, x.dtype)
    for p in np.ndindex(*index.shape):
        q = list(p)
        q[dim] = index[p]
        y[p] = x[tuple(q)]
    return y


def scatter(x, dim, index, src, accumulate=False):
    """y[i, index[i, j, k], k] = src[i, j, k], or += , for dim 1."""
    y = np.array(x)
    for p in np.ndindex(*index.shape):
        q = list(p)
        q[dim] = index[p]
        v = src if np.ndim(src) == 0 else src[p]
        y[tuple(q)] = y[tuple(q)] + v if accumulate else v
    return y


def scatter_add(x, dim, index, src):
    return scatter(x, dim, index, src, accumulate=True)


def index_select(x, dim, index):
    return np.take(x, index, axis=dim)


def index_add(x, dim, index, source, *, alpha=1):
    y = np.array(x)
    for i, k in enumerate(index):
        np.moveaxis(y, dim, 0)[k] += alpha * np.moveaxis(source, dim, 0)[i]
    return y


def embedding(input, weight, padding_idx=None):
    return weight[input]


def one_hot(index, num_classes):
    return (index[..., None] == np.arange(num_classes)).astype(np.int64)


def mask_starts(mask, chunk):
    """How many ones lie before each chunk of the flattened mask, and in all of it."""
    flat = mask.ravel()
    return np.array([flat[: i * chunk].sum() for i in range(-(-flat.size // chunk))] + [flat.sum()])


def nonzero(x):
    return np.argwhere(x)


def masked_select(x, mask):
    x, mask = np.broadcast_arrays(x, mask)
    return x[mask]


def masked_put(x, mask, values):
    """x with its masked elements replaced by values, in order."""
    y = np.array(x)
    y[mask] = values
    return y
