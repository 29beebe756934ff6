"""What pooling means: one loop over output positions, any geometry, x (..., H, W). 1-d: (..., L) with pairs of one."""

import itertools

import numpy as np


def pairs(value, n):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


def out_size(size, k, s, p, d, ceil_mode):
    out = (size + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)) // s + 1
    return out - 1 if ceil_mode and (out - 1) * s >= size + p else out


def _windows(x, n, kernel_size, stride, padding, dilation, ceil_mode):
    """(output position, slices of the taps inside the input, extent counted with padding) for each output position."""
    k, p, d = pairs(kernel_size, n), pairs(padding, n), pairs(dilation, n)
    s = k if stride is None else pairs(stride, n)
    sizes = x.shape[-n:]
    outs = [out_size(sizes[i], k[i], s[i], p[i], d[i], ceil_mode) for i in range(n)]
    for position in itertools.product(*map(range, outs)):
        slices, extent = [], 1
        for i in range(n):
            start = position[i] * s[i] - p[i]
            first = start + -(-max(-start, 0) // d[i]) * d[i]
            slices.append(slice(first, max(min(start + (k[i] - 1) * d[i] + 1, sizes[i]), 0), d[i]))
            extent *= min(start + k[i], sizes[i] + p[i]) - start
        yield position, tuple(slices), extent


def _max(x, n, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    lead, size = x.shape[:-n], x.shape[-n:]
    number = np.arange(int(np.prod(size))).reshape(size)
    windows = list(_windows(x, n, kernel_size, stride, padding, dilation, ceil_mode))
    outs = tuple(np.array(windows[-1][0]) + 1)
    y, indices = np.empty(lead + outs), np.empty(lead + outs, np.int64)
    for position, slices, _ in windows:
        numbers = number[slices].reshape(-1)
        values = x[(..., *slices)].reshape(*lead, len(numbers))
        best = np.argmax(values, -1)
        last_nan = values.shape[-1] - 1 - np.argmax(np.isnan(values[..., ::-1]), -1)
        best = np.where(np.isnan(values).any(-1), last_nan, best)
        y[(..., *position)] = np.take_along_axis(values, best[..., None], -1)[..., 0]
        indices[(..., *position)] = numbers[best]
    return (y, indices) if return_indices else y


def _avg(x, n, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    windows = list(_windows(x, n, kernel_size, stride, padding, 1, ceil_mode))
    y = np.empty(x.shape[:-n] + tuple(np.array(windows[-1][0]) + 1))
    for position, slices, extent in windows:
        values = x[(..., *slices)]
        count = divisor_override or (extent if count_include_pad else np.prod(values.shape[-n:]))
        y[(..., *position)] = values.sum(tuple(range(-n, 0))) / count
    return y


def max_pool1d(x, *args, **kwargs):
    return _max(x, 1, *args, **kwargs)


def max_pool2d(x, *args, **kwargs):
    return _max(x, 2, *args, **kwargs)


def avg_pool1d(x, *args, **kwargs):
    return _avg(x, 1, *args, **kwargs)


def avg_pool2d(x, *args, **kwargs):
    return _avg(x, 2, *args, **kwargs)


def _adaptive(x, n, output_size, reduce):
    size = tuple(x.shape[i - n] if v is None else v for i, v in enumerate(pairs(output_size, n)))
    y = np.empty(x.shape[:-n] + size)
    for position in itertools.product(*map(range, size)):
        slices = tuple(
            slice(p * x.shape[i - n] // size[i], -(-(p + 1) * x.shape[i - n] // size[i])) for i, p in enumerate(position)
        )
        y[(..., *position)] = reduce(x[(..., *slices)], axis=tuple(range(-n, 0)))
    return y


def adaptive_avg_pool1d(x, output_size):
    return _adaptive(x, 1, output_size, np.mean)


def adaptive_avg_pool2d(x, output_size):
    return _adaptive(x, 2, output_size, np.mean)


def adaptive_max_pool1d(x, output_size):
    return _adaptive(x, 1, output_size, np.max)


def adaptive_max_pool2d(x, output_size):
    return _adaptive(x, 2, output_size, np.max)


def max_unpool2d(x, indices, size):
    """Zeros with x at the flat indices of each plane."""
    y = np.zeros((*x.shape[:-2], size[0] * size[1]))
    np.put_along_axis(y, indices.reshape(*x.shape[:-2], -1), x.reshape(*x.shape[:-2], -1), -1)
    return y.reshape(*x.shape[:-2], *size)
