"""Random numbers of other distributions than uniform and normal.

Those with a short formula are computed from uniform numbers of the stream (random.py). Gamma, Poisson, binomial and von Mises numbers
come from NumPy's samplers, seeded with numbers of the stream: the same seed gives the same numbers (of one version of NumPy). They
read the stream's values, so a recorded step (fastnn.capture) refuses them.
"""

from __future__ import annotations

import math

import numpy as np

from .. import _cpu, dtypes
from ..autodiff import is_grad_enabled, op
from ..errors import ShapeError
from ..tensor import empty, finfo, from_numpy
from .elementwise import exp, log1p, where
from .gamma import digamma, gamma_tail, lgamma
from .random import _draw_normal, _floating, _method, rand, randint
from .ranges import arange
from .reduce import sum as total


def _uniform(y, generator):
    return rand(y._shape, generator=generator, dtype=y.dtype if y._floating else dtypes.float64)


def _draw_exponential(y, lambd=1.0, *, generator=None):
    _floating(y, "exponential_")
    if not lambd > 0:
        raise ShapeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    _cpu.copy(y, (-log1p(-_uniform(y, generator))).clamp(min=finfo(y.dtype).eps / 2) / lambd)


def _draw_geometric(y, p, *, generator=None):
    if not 0 < p < 1:
        raise ShapeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    _cpu.copy(y, (log1p(-_uniform(y, generator)) / math.log1p(-p)).ceil().clamp(min=1))


def _draw_cauchy(y, median=0.0, sigma=1.0, *, generator=None):
    _floating(y, "cauchy_")
    if not sigma > 0:
        raise ShapeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    _cpu.copy(y, median + sigma * (math.pi * (_uniform(y, generator) - 0.5)).tan())


def _draw_log_normal(y, mean=1.0, std=2.0, *, generator=None):
    _floating(y, "log_normal_")
    if not std > 0:
        raise ShapeError(f"log_normal_ expects std > 0.0, but found std={std}")
    z = empty(y._shape, dtype=y.dtype)
    _draw_normal(z, mean, std, generator=generator)
    _cpu.copy(y, exp(z))


exponential_ = _method(_draw_exponential, "exponential", "Fills the tensor from the exponential distribution with rate lambd.")
geometric_ = _method(_draw_geometric, "geometric", "Fills the tensor with numbers of trials up to the first success of probability p: 1, 2, ...")
cauchy_ = _method(_draw_cauchy, "cauchy", "Fills the tensor from the Cauchy distribution.")
log_normal_ = _method(_draw_log_normal, "log_normal", "Fills the tensor with exp of normal numbers of this mean and std.")


# -- NumPy's samplers -----------------------------------------------------------------------------------------------------------


def numpy_stream(generator=None):
    """A NumPy generator seeded with the next numbers of the stream."""
    key = randint(0, 2**62, (2,), generator=generator).numpy()
    return np.random.Generator(np.random.Philox(key=key.astype(np.uint64)))


def poisson(input, generator=None):
    """Poisson numbers with the rates in input, in its dtype."""
    _floating(input, "poisson")
    rates = input.detach().numpy().astype(np.float64)
    if not (rates >= 0).all():
        raise ShapeError("invalid Poisson rate, expected rate to be non-negative")
    return from_numpy(np.asarray(numpy_stream(generator).poisson(rates), input.dtype.numpy))


def binomial(count, prob, generator=None):
    """The number of successes in count trials of probability prob; the two broadcast."""
    _floating(prob, "binomial")
    n, p = count.detach().numpy(), prob.detach().numpy().astype(np.float64)
    if not (n >= 0).all() or not ((p >= 0) & (p <= 1)).all():
        raise ShapeError("binomial: expected count >= 0 and prob in [0, 1]")
    return from_numpy(np.asarray(numpy_stream(generator).binomial(n.astype(np.int64), p), prob.dtype.numpy))


def vonmises(loc, concentration):
    """Angles of the von Mises distribution."""
    mean, k = loc.detach().numpy().astype(np.float64), concentration.detach().numpy().astype(np.float64)
    return from_numpy(np.asarray(numpy_stream().vonmises(mean, k), loc.dtype.numpy))


@op(saves="ya")
def _gamma(a, *, share=None, generator=None):
    """Drawn, or (share given) the number below which that share of the distribution lies, found by bisection."""
    shape = a.detach().numpy().astype(np.float64)
    if share is None:
        values = numpy_stream(generator).standard_gamma(shape)
    else:
        low, values = np.zeros_like(shape), shape * 20 + 50
        for _ in range(100):
            middle = (low + values) / 2
            below = gamma_tail(shape, middle)[0] < share
            low, values = np.where(below, middle, low), np.where(below, values, middle)
    return from_numpy(np.asarray(np.maximum(values, np.finfo(a.dtype.numpy).tiny), a.dtype.numpy).reshape(a._shape))


def _gamma_da(g, y, a, **_):
    """Implicit reparameterization (Figurnov et al., NeurIPS 2018): at a fixed quantile dy/da = -(dP/da) / p, p the density at y.

    Near 0 P = y^a / gamma(a + 1), so log y = (log P + lgamma(a + 1)) / a. dP/da is the series of `gamma_tail`: as ops where a graph
    of the gradient is asked for.
    """
    wide, x = a.to(dtypes.float64), y.to(dtypes.float64)
    small = x.detach() < 1e-8
    near = x / wide * (digamma(wide + 1) - x.log())
    x = where(small, 1.0, x)
    if is_grad_enabled():
        gap = (x.detach() - wide.detach()).clamp(min=0) + 10 * x.detach().sqrt()
        n = arange(int(gap.max()) + 60 if gap._size else 0, dtype=dtypes.float64) + (wide.unsqueeze(-1) + 1)
        logs = x.log().unsqueeze(-1)
        change = total(exp((n - 1) * logs - x.unsqueeze(-1) - lgamma(n)) * (logs - digamma(n)), -1)
    else:
        change = from_numpy(np.asarray(gamma_tail(wide.detach().numpy(), x.detach().numpy())[1]).reshape(a._shape))
    far = -change * exp(x + lgamma(wide) - (wide - 1) * x.log())
    return g * where(small, near, far).to(a.dtype)


_gamma.partials(_gamma_da).pointwise()


def standard_gamma(concentration, generator=None):
    """Numbers of the gamma distribution of rate 1, differentiable in its concentration."""
    return _gamma(_floating(concentration, "standard_gamma"), generator=generator)


def gamma_quantile(concentration, share):
    """The numbers below which `share` (an array or a number) of the gamma distribution of rate 1 lies."""
    return _gamma(_floating(concentration, "gamma_quantile"), share=share)


def dirichlet(concentration):
    """Points of the simplex with these concentrations in the last axis, differentiable."""
    x = standard_gamma(concentration)
    return x / total(x, -1, True)


__all__ = ("binomial", "poisson")
METHODS = ("cauchy_", "exponential_", "geometric_", "log_normal_")
FUNCTIONAL = ()
