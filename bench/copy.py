"""Copies: layouts made contiguous, dtypes converted. One read and one write an element: memory is the limit."""

from __future__ import annotations

import numpy as np

import fastnn

from .index import case, torch_or_none


def cases(quick):
    rng = np.random.default_rng(0)
    t = torch_or_none()
    n, m = (500, 512) if quick else (4000, 1024)
    a = rng.standard_normal((n, m)).astype(np.float32)
    images = rng.integers(0, 256, (64, 28, 28, 3)).astype(np.uint8)
    heads = rng.standard_normal((8, 128, 12, 64)).astype(np.float32)

    def one(name, array, view, dtype="float32"):
        x, tx = fastnn.tensor(array), None if t is None else t.tensor(array)
        shape = "x".join(map(str, array.shape))
        return case(name, shape, lambda: view(x).contiguous(), lambda: np.ascontiguousarray(view(array)),
                    t and (lambda: view(tx).contiguous()), dtype=dtype, bytes=2.0 * view(array).nbytes)  # fmt: skip

    def turned(*axes):
        return lambda x: x.transpose(axes) if isinstance(x, np.ndarray) else x.permute(*axes)

    yield one("transpose", a, turned(1, 0))
    yield one("transpose", a.astype(np.float64), turned(1, 0), "float64")
    yield one("x[:, ::2]", a, lambda x: x[:, ::2])
    yield one("x[:, 2:7]", a, lambda x: x[:, 2:7])
    yield one("NHWC to NCHW", images, turned(0, 3, 1, 2), "uint8")
    yield one("NHWC to NCHW", heads, turned(0, 3, 1, 2))
    yield one("split heads", heads, turned(0, 2, 1, 3))

    bits, counts = a > 0, rng.integers(0, 255, (n, m))
    for name, array, to in (
        ("float32 to float64", a, "float64"),
        ("float32 to int64", a, "int64"),
        ("float32 to bool", a, "bool"),
        ("uint8 to float32", images, "float32"),
        ("int64 to float32", counts, "float32"),
        ("bool to float32", bits, "float32"),
    ):
        x, tx = fastnn.tensor(array), None if t is None else t.tensor(array)
        yield case(name, "x".join(map(str, array.shape)), lambda x=x, to=to: x.to(to), lambda a=array, to=to: a.astype(to),
                   t and (lambda tx=tx, to=to: tx.to(getattr(t, to))), bytes=float(array.nbytes + array.size * np.dtype(to).itemsize))  # fmt: skip
