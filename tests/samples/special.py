"""Samples of special functions. References are Python's and NumPy's where they have one; derivatives tie the others to them."""

import math
from statistics import NormalDist

import numpy as np

import fastnn
from fastnn.ops.draws import gamma_quantile

from . import Sample


def p_series(a, x):
    """P(a, x) = Σ e^-x x^(a+n) / gamma(a+n+1)"""
    return sum(math.exp((a + n) * math.log(x) - x - math.lgamma(a + n + 1)) for n in range(300))


def samples(rng):
    x = rng.uniform(0.3, 12, (3, 7))
    each = np.vectorize
    below = -x - 0.1  # negative, and not near an integer's pole in this draw
    yield Sample(fastnn.lgamma, (x,), ref=each(math.lgamma))
    yield Sample(fastnn.lgamma, (below,), ref=each(math.lgamma), grad=False)
    yield Sample(fastnn.digamma, (x,))
    for n in (1, 2, 3):
        yield Sample(lambda t, n=n: fastnn.polygamma(n, t), (x,), name=f"polygamma {n}")
    yield Sample(lambda t: fastnn.mvlgamma(t, 3), (x + 2,), name="mvlgamma")
    u = rng.uniform(-0.95, 0.95, (4, 5))
    yield Sample(fastnn.erfinv, (u,), ref=each(lambda v: NormalDist().inv_cdf((v + 1) / 2) / math.sqrt(2)))
    yield Sample(fastnn.special.ndtri, (np.abs(u) + 0.01,), ref=each(NormalDist().inv_cdf))
    yield Sample(fastnn.special.ndtr, (x - 5,), ref=each(NormalDist().cdf))
    yield Sample(fastnn.special.log_ndtr, (x - 8,), ref=each(lambda v: math.log(math.erfc(-v / math.sqrt(2)) / 2)))
    yield Sample(fastnn.special.erfcx, (x - 2,), ref=each(lambda v: math.exp(v * v) * math.erfc(v)))
    yield Sample(fastnn.special.entr, (x,), ref=lambda x: -x * np.log(x))
    yield Sample(fastnn.special.xlog1py, (x - 5, x), ref=lambda u, x: u * np.log1p(x))
    wide = rng.uniform(-30, 30, (5, 6))
    yield Sample(fastnn.i0, (wide,), ref=np.i0)
    yield Sample(fastnn.special.i0e, (wide,), ref=lambda v: np.i0(v) * np.exp(-np.abs(v)))
    yield Sample(fastnn.special.i1, (x,))
    yield Sample(fastnn.special.i1e, (x,))
    yield Sample(lambda x: fastnn.igamma(fastnn.full_like(x.detach(), 2.5), x), (x,), ref=each(lambda v: p_series(2.5, v)), name="igamma")
    yield Sample(lambda x: fastnn.igammac(fastnn.full_like(x.detach(), 2.5), x), (x,), ref=each(lambda v: 1 - p_series(2.5, v)), name="igammac")
    yield Sample(lambda q: fastnn.special.zeta(3.0, q), (x,), ref=each(lambda q: float(np.sum((q + np.arange(10**5)) ** -3.0) + 0.5 * (q + 1e5) ** -2.0)), name="zeta")
    shape = rng.uniform(0.5, 9, (2, 3))
    yield Sample(lambda a: gamma_quantile(a, 0.3), (shape,), name="gamma quantile", rtol=1e-4)
    yield Sample(lambda t: fastnn.frexp(t).mantissa, (rng.standard_normal((3, 4)) * 20,), ref=lambda v: np.frexp(v)[0], name="frexp")
