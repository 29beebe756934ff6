"""Sobol sequences, `torch.quasirandom`: points that fill the unit cube evenly. SciPy makes them."""

from __future__ import annotations

import numpy as np

from .dtypes import get_default_dtype
from .ops.random import initial_seed
from .tensor import from_numpy

__all__ = ["SobolEngine"]


class SobolEngine:
    """draw(n) gives the next n points (n, dimension) of [0, 1)^dimension: without scramble the numbers of PyTorch.

    scramble: a random digital shift and scrambling of `seed` (default: the generator's), which PyTorch does with other random numbers.
    ImportError without SciPy; ValueError for a dimension outside of 1 to 21201.
    """

    MAXBIT, MAXDIM = 30, 21201

    def __init__(self, dimension, scramble=False, seed=None):
        if not 1 <= dimension <= self.MAXDIM:
            raise ValueError(f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}]")
        from .pinn.sampling import engine

        self.dimension, self.scramble, self.seed = dimension, scramble, seed
        rng = np.random.default_rng(initial_seed() if seed is None else seed)
        self._engine = engine("sobol")(dimension, scramble=scramble, rng=rng)

    @property
    def num_generated(self):
        return self._engine.num_generated

    def draw(self, n=1, out=None, dtype=None):
        """The next n points, in the default dtype unless another is given; written to `out` if that is given."""
        if n < 1:
            raise ValueError(f"SobolEngine.draw: expected n > 0, got {n}")
        first = min(n, 1) if self.num_generated == 0 else 0  # SciPy warns where the first draw is no power of two; PyTorch does not
        points = [self._engine.random(k) for k in (first, n - first) if k]
        y = from_numpy(np.concatenate(points)).to(dtype or get_default_dtype())
        return y if out is None else out.resize_(y.shape).copy_(y)

    def draw_base2(self, m, out=None, dtype=None):
        """The next 2^m points. ValueError unless as many, or none, have been drawn before, so that all of them are a power of two."""
        n, total = 2**m, self.num_generated + 2**m
        if total & (total - 1):
            raise ValueError(f"The balance properties of Sobol' points require n to be a power of 2: {self.num_generated} points have been drawn before")
        return self.draw(n, out=out, dtype=dtype)

    def reset(self):
        """Back to the first point."""
        self._engine.reset()
        return self

    def fast_forward(self, n):
        """Past the next n points."""
        self._engine.fast_forward(n)
        return self

    def __repr__(self):
        text = f"dimension={self.dimension}" + (", scramble=True" if self.scramble else "")
        return f"SobolEngine({text}{'' if self.seed is None else f', seed={self.seed}'})"
