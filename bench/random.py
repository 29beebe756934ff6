"""Random numbers against NumPy's fastest generator (SFC64) and PyTorch's."""

import numpy as np

import fastnn
from fastnn.ops.random import dropout

from .case import Case

try:
    import torch
except ImportError:
    torch = None


def cases(quick):
    g = np.random.Generator(np.random.SFC64(0))
    for n in (1 << 20,) if quick else (1 << 10, 1 << 20, 1 << 24):
        x = np.ones(n, np.float32)
        ours, theirs = fastnn.from_numpy(x), None if torch is None else torch.from_numpy(x)
        shape = str(n)

        def case(name, run, numpy, torch_call, bytes=4 * n, dtype="float32", direction="forward", shape=shape):
            rivals = {"numpy": numpy} | ({} if torch is None else {"torch": torch_call})
            return Case(name, direction, dtype, shape, run, rivals, bytes=bytes)

        def np_dropout(x=x, n=n):
            return np.where(g.random(n, dtype=np.float32) < 0.7, x * np.float32(1 / 0.7), np.float32(0))

        yield case("uniform", lambda n=n: fastnn.rand(n), lambda n=n: g.random(n, dtype=np.float32), lambda n=n: torch.rand(n))
        yield case("normal", lambda n=n: fastnn.randn(n), lambda n=n: g.standard_normal(n, dtype=np.float32), lambda n=n: torch.randn(n))
        yield case(
            "normal",
            lambda n=n: fastnn.randn(n, dtype=fastnn.float64),
            lambda n=n: g.standard_normal(n),
            lambda n=n: torch.randn(n, dtype=torch.float64),
            bytes=8 * n,
            dtype="float64",
        )
        yield case(
            "bernoulli",
            lambda n=n: fastnn.empty(n).bernoulli_(0.3),
            lambda n=n: (g.random(n, dtype=np.float32) < 0.3).astype(np.float32),
            lambda n=n: torch.empty(n).bernoulli_(0.3),
        )
        yield case(
            "randint", lambda n=n: fastnn.randint(1000, (n,)), lambda n=n: g.integers(0, 1000, n), lambda n=n: torch.randint(1000, (n,)),
            bytes=8 * n, dtype="int64",
        )  # fmt: skip
        yield case("dropout", lambda x=ours: dropout(x, 0.3), np_dropout, lambda x=theirs: torch.dropout(x, 0.3, True), bytes=8 * n)
        if n <= 1 << 20:
            yield case(
                "permutation", lambda n=n: fastnn.randperm(n), lambda n=n: g.permutation(n), lambda n=n: torch.randperm(n),
                bytes=8 * n, dtype="int64",
            )  # fmt: skip
