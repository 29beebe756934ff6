"""Convolutions as sums over the taps (p, q) of the filter, each tap one strided slice of the padded input."""

import numpy as np


def pair(v):
    return (v, v) if isinstance(v, int) else tuple(v) if len(v) == 2 else tuple(v) * 2


def taps(size, kernel, stride, padding, dilation):
    """(p, q, slice, slice): where in the padded input each tap of the filter finds its value for every output position."""
    for p in range(kernel[0]):
        for q in range(kernel[1]):
            yield p, q, *(
                slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in zip((p, q), dilation, size, stride, strict=True)
            )


def pad(x, padding, after=None):
    after = padding if after is None else after
    return np.pad(x, ((0, 0), (0, 0), (padding[0], after[0]), (padding[1], after[1])))


def border(have, size, kernel, stride, padding, dilation):
    """Zeros needed after the input so that every tap of every position lies inside."""
    return tuple(
        max(0, (n - 1) * s + (k - 1) * d + 1 - p - h)
        for h, n, k, s, p, d in zip(have, size, kernel, stride, padding, dilation, strict=True)
    )


def conv2d_full(x, w, *, size, stride, padding, dilation, groups):
    """y[n,o,i,j] = Σ x[n,c, i·s + p·d - pad, ...] · w[o,c,p,q]; x (N,C,H,W), w (O,C/groups,P,Q), y (N,O,*size)."""
    n, o = x.shape[0], w.shape[0]
    padded = pad(x, padding, border(x.shape[2:], size, w.shape[2:], stride, padding, dilation))
    padded = padded.reshape(n, groups, x.shape[1] // groups, *padded.shape[2:])
    w = w.reshape(groups, o // groups, *w.shape[1:])
    y = np.zeros((n, groups, o // groups, *size), x.dtype)
    for p, q, rows, cols in taps(size, w.shape[3:], stride, padding, dilation):
        y += np.einsum("ngcij,goc->ngoij", padded[..., rows, cols], w[..., p, q])
    return y.reshape(n, o, *size)


def conv2d_dx(g, w, *, size, stride, padding, dilation, groups):
    """The gradient of conv2d with respect to x of spatial `size`, for the gradient g of y."""
    n, o = g.shape[:2]
    after = border(size, g.shape[2:], w.shape[2:], stride, padding, dilation)
    padded = np.zeros((n, groups, w.shape[1], *(h + p + a for h, p, a in zip(size, padding, after, strict=True))), g.dtype)
    w = w.reshape(groups, o // groups, *w.shape[1:])
    g = g.reshape(n, groups, o // groups, *g.shape[2:])
    for p, q, rows, cols in taps(g.shape[3:], w.shape[3:], stride, padding, dilation):
        padded[..., rows, cols] += np.einsum("ngoij,goc->ngcij", g, w[..., p, q])
    dx = padded[..., padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
    return dx.reshape(n, groups * w.shape[2], *size)


def conv2d_dw(g, x, *, size, stride, padding, dilation, groups):
    """The gradient of conv2d with respect to w of spatial `size` (P, Q)."""
    n, o = g.shape[:2]
    padded = pad(x, padding, border(x.shape[2:], g.shape[2:], size, stride, padding, dilation))
    padded = padded.reshape(n, groups, x.shape[1] // groups, *padded.shape[2:])
    g = g.reshape(n, groups, o // groups, *g.shape[2:])
    dw = np.zeros((groups, o // groups, padded.shape[2], *size), g.dtype)
    for p, q, rows, cols in taps(g.shape[3:], size, stride, padding, dilation):
        dw[..., p, q] = np.einsum("ngoij,ngcij->goc", g, padded[..., rows, cols])
    return dw.reshape(o, dw.shape[2], *size)


def conv2d(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
    stride, dilation = pair(stride), pair(dilation)
    if x.ndim == 3:
        return conv2d(x[None], w, bias, stride, padding, dilation, groups)[0]
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    if padding == "same":
        padding, size = tuple((r - 1) // 2 for r in reach), x.shape[2:]
    else:
        padding = (0, 0) if padding == "valid" else pair(padding)
        size = tuple((h + 2 * p - r) // s + 1 for h, p, r, s in zip(x.shape[2:], padding, reach, stride, strict=True))
    y = conv2d_full(x, w, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return y if bias is None else y + bias[:, None, None]


def conv_transpose2d(x, w, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    stride, padding, dilation, extra = pair(stride), pair(padding), pair(dilation), pair(output_padding)
    if x.ndim == 3:
        return conv_transpose2d(x[None], w, bias, stride, padding, output_padding, groups, dilation)[0]
    size = tuple(
        (h - 1) * s - 2 * p + d * (k - 1) + e + 1
        for h, s, p, d, k, e in zip(x.shape[2:], stride, padding, dilation, w.shape[2:], extra, strict=True)
    )
    y = conv2d_dx(x, w, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return y if bias is None else y + bias[:, None, None]


def one(v, first):
    return v if isinstance(v, str) else (first, v) if isinstance(v, int) else (first, *v)


def conv1d(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
    y = conv2d(x[..., None, :], w[..., None, :], bias, one(stride, 1), one(padding, 0), one(dilation, 1), groups)
    return y[..., 0, :]


def conv_transpose1d(x, w, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    extra = one(output_padding, 0)
    y = conv_transpose2d(
        x[..., None, :], w[..., None, :], bias, one(stride, 1), one(padding, 0), extra, groups, one(dilation, 1)
    )
    return y[..., 0, :]
