"""unfold and fold of images, against NumPy's strided view and PyTorch."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import fastnn
from fastnn.ops.unfold import fold, unfold
from fastnn.reference import unfold as reference

from .case import Case


def numpy_unfold(x, kernel):
    v = sliding_window_view(x, (kernel, kernel), (2, 3)).transpose(0, 1, 4, 5, 2, 3)
    return np.ascontiguousarray(v).reshape(x.shape[0], x.shape[1] * kernel * kernel, -1)


def numpy_fold(y, shape, kernel):
    x = np.zeros(shape, y.dtype)
    h, w = shape[2] - kernel + 1, shape[3] - kernel + 1
    y = y.reshape(*shape[:2], kernel, kernel, h, w)
    for p in range(kernel):
        for q in range(kernel):
            x[:, :, p : p + h, q : q + w] += y[:, :, p, q]
    return x


def cases(quick):
    try:
        import torch
    except ImportError:
        torch = None
    rng = np.random.default_rng(0)
    for shape, kernel in (((8, 32, 32, 32), 3), ((16, 3, 64, 64), 5)):
        x = rng.standard_normal(shape).astype("f")
        y = numpy_unfold(x, kernel)
        tx, ty = fastnn.tensor(x), fastnn.tensor(y)
        name = "x".join(map(str, shape)) + f" {kernel}x{kernel}"
        forward = {"numpy": lambda x=x, k=kernel: numpy_unfold(x, k)}
        backward = {"numpy": lambda y=y, s=shape, k=kernel: numpy_fold(y, s, k)}
        if torch:
            px, py, f = torch.from_numpy(x), torch.from_numpy(y), torch.nn.functional
            forward["torch"] = lambda x=px, k=kernel, f=f: f.unfold(x, k)
            backward["torch"] = lambda y=py, s=shape, k=kernel, f=f: f.fold(y, s[2:], k)

        def exact(x=x, k=kernel):
            return reference.unfold(x.astype("d"), k)

        def exact_fold(y=y, s=shape, k=kernel):
            return reference.fold(y.astype("d"), s[2:], k)

        moved = float(x.nbytes + y.nbytes)
        yield Case("unfold", "forward", "float32", name, lambda x=tx, k=kernel: unfold(x, k), forward, exact, 0.0, moved)
        yield Case("fold", "derivative", "float32", name, lambda y=ty, s=shape, k=kernel: fold(y, s[2:], k), backward,
                   exact_fold, 0.0, moved)  # fmt: skip
