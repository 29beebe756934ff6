"""Sample inputs of every op, one module a family; the common tests run over all of them."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Sample:
    """fn(*args, **kwargs) on tensors made from `args` (float64/int64/bool ndarrays become tensors, the rest stays).

    ref: the same in NumPy float64, or None. grad: which arguments to differentiate (True: every float array).
    smooth: False where the second derivative does not exist at the sample.
    """

    fn: object
    args: tuple
    kwargs: dict = field(default_factory=dict)
    ref: object = None
    grad: object = True
    smooth: bool = True
    name: str = ""
    rtol: float | None = None  # for float32 against ref; default 1e-5 of the largest value

    def __str__(self):
        shapes = ",".join("x".join(map(str, a.shape)) or "0d" for a in self.args if isinstance(a, np.ndarray))
        options = ",".join(f"{k}={v}" for k, v in self.kwargs.items() if not isinstance(v, np.ndarray))
        return f"{self.name or getattr(self.fn, '__name__', self.fn)}[{shapes}{';' if options else ''}{options}]"


def families():
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def samples(family=None):
    """(family, sample) for every sample of every family."""
    for name in [family] if family else families():
        module = importlib.import_module(f"{__name__}.{name}")
        for s in module.samples(np.random.default_rng(0)):
            yield name, s
