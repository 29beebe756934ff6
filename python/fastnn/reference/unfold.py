"""unfold and fold, tap by tap: each tap (p, q) of the window is one strided slice of the padded image."""

import numpy as np

from .conv2d import pad, pair, taps


def sizes(size, kernel_size, dilation, padding, stride):
    kernel, dilation, padding, stride = map(pair, (kernel_size, dilation, padding, stride))
    blocks = tuple(
        (h + 2 * p - d * (k - 1) - 1) // s + 1 for h, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    )
    return kernel, padding, blocks, list(taps(blocks, kernel, stride, padding, dilation))


def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    if x.ndim == 3:
        return unfold(x[None], kernel_size, dilation, padding, stride)[0]
    n, c = x.shape[:2]
    kernel, padding, blocks, slices = sizes(x.shape[2:], kernel_size, dilation, padding, stride)
    padded = pad(x, padding)
    y = np.zeros((n, c, *kernel, *blocks), x.dtype)
    for p, q, rows, cols in slices:
        y[:, :, p, q] = padded[:, :, rows, cols]
    return y.reshape(n, c * kernel[0] * kernel[1], blocks[0] * blocks[1])


def fold(y, output_size, kernel_size, dilation=1, padding=0, stride=1):
    if y.ndim == 2:
        return fold(y[None], output_size, kernel_size, dilation, padding, stride)[0]
    size = pair(output_size)
    kernel, padding, blocks, slices = sizes(size, kernel_size, dilation, padding, stride)
    y = y.reshape(y.shape[0], y.shape[1] // (kernel[0] * kernel[1]), *kernel, *blocks)
    x = pad(np.zeros((*y.shape[:2], *size), y.dtype), padding)
    for p, q, rows, cols in slices:
        x[:, :, rows, cols] += y[:, :, p, q]
    return x[:, :, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
