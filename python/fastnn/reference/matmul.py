"""C[..., i, j] = sum over p of A[..., i, p] B[..., p, j] (+ D, broadcast). Axes before the last two broadcast."""

import numpy as np


def matmul(a, b):
    return np.matmul(np.asarray(a, np.float64), np.asarray(b, np.float64))


def matmul_bias(a, b, bias):
    return matmul(a, b) + bias


def matmul_rows(a, b, bias=None):
    return matmul(a, b) if bias is None else matmul_bias(a, b, bias)


def addmm(d, a, b, *, beta=1, alpha=1):
    return (beta * np.asarray(d) if beta else 0) + alpha * matmul(a, b)


baddbmm = addmv = addmm


def linear(x, w, bias=None):
    """y[..., o] = sum over i of x[..., i] w[o, i] + bias[o]"""
    y = np.einsum("...i,oi->...o", x, w)
    return y if bias is None else y + bias


def bilinear(x1, x2, w, bias=None):
    y = np.einsum("...i,oij,...j->...o", x1, w, x2)
    return y if bias is None else y + bias


def einsum(equation, *operands):
    return np.einsum(equation, *operands)
