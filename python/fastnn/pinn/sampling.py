"""Points of the unit cube: random, regular, or evenly spread (Latin hypercube, Sobol, Halton by scipy.stats.qmc)."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["SAMPLERS", "unit_points"]

SAMPLERS = ("uniform", "grid", "lhs", "sobol", "halton")


def engine(sampler):
    """SciPy's class of points. ImportError without SciPy."""
    try:
        from scipy.stats import qmc
    except ImportError:
        raise ImportError(f'sampler "{sampler}" needs SciPy: pip install "fastnn[pinn]" (or use "uniform" or "grid")') from None
    return {"lhs": qmc.LatinHypercube, "sobol": qmc.Sobol, "halton": qmc.Halton}[sampler]


def unit_points(n, dims, sampler="uniform", rng=None):
    """n points of [0, 1)^dims as an array (n, dims); "grid" may return a few more, being a full grid.

    rng: a numpy Generator or a seed. ValueError for an unknown sampler, ImportError where one needs SciPy and there is none.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r}; there are: {', '.join(SAMPLERS)}")
    rng = np.random.default_rng(rng)
    if dims == 0 or n == 0:
        return np.zeros((n, dims))
    if sampler == "uniform":
        return rng.random((n, dims))
    if sampler == "grid":
        side = math.ceil(n ** (1 / dims) - 1e-9)
        axis = (np.arange(side) + 0.5) / side
        return np.stack(np.meshgrid(*[axis] * dims, indexing="ij"), -1).reshape(-1, dims)
    points = engine(sampler)(dims, rng=rng)
    if sampler == "sobol":  # its evenness is that of whole powers of two
        return points.random_base2(math.ceil(math.log2(n)))[:n]
    return points.random(n)
