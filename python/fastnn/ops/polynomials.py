"""Orthogonal polynomials of PyTorch's `special`: Chebyshev (four kinds, and shifted), Hermite (two), Laguerre, Legendre.

Each follows its recurrence of three terms (Abramowitz and Stegun 22.7), n of them a call, so it has derivatives of every order.
n is a number or a tensor of whole numbers, at most 10,000; a negative degree gives 0.
"""

from __future__ import annotations

import numbers

from ..autodiff import Array
from ..tensor import ones_like, tensor, zeros_like
from .elementwise import trunc, where
from .formulas import as_floating
from .linalg import of_all

HIGHEST = 10_000


def _polynomial(name, first, step, of=lambda x: x):
    """p(0) = 1, p(1) = first(x), p(k + 1) = step(k, x, p(k), p(k - 1)), at of(x)."""

    def polynomial(input, n):
        if isinstance(input, numbers.Real) and isinstance(n, Array):
            input = tensor(float(input), dtype=n.dtype if n._floating else None)
        x = of(as_floating(input, name))
        degrees = trunc(n) if isinstance(n, Array) and n._floating else n if isinstance(n, Array) else None
        highest = n if degrees is None else of_all(degrees).max().item() if degrees.numel() else -1
        if isinstance(highest, bool) or not isinstance(highest, numbers.Real) or not highest <= HIGHEST or highest % 1:
            raise ValueError(f"{name}(): expected whole numbers of at most {HIGHEST} as degrees n, got {highest}")
        highest = int(max(-1, highest))
        before, value = zeros_like(x), ones_like(x)
        result = before if highest < 0 else value
        if degrees is not None:
            result = where(degrees == 0, value, before)
        for k in range(highest):
            before, value = value, step(k, x, value, before) if k else first(x)
            result = value if degrees is None else where(degrees == k + 1, value, result)
        return result

    polynomial.__name__ = polynomial.__qualname__ = name
    polynomial.__doc__ = f"The {name.replace('_', ' ')} of degree n of each element of input; n: a number, or a tensor that broadcasts. ValueError above {HIGHEST}."
    return polynomial


def _chebyshev(k, x, value, before):
    return 2 * x * value - before


_CHEBYSHEV = {"t": lambda x: x, "u": lambda x: 2 * x, "v": lambda x: 2 * x - 1, "w": lambda x: 2 * x + 1}
_ALL = [
    *(_polynomial(f"chebyshev_polynomial_{kind}", first, _chebyshev) for kind, first in _CHEBYSHEV.items()),
    *(_polynomial(f"shifted_chebyshev_polynomial_{kind}", first, _chebyshev, lambda x: 2 * x - 1) for kind, first in _CHEBYSHEV.items()),
    _polynomial("hermite_polynomial_h", lambda x: 2 * x, lambda k, x, value, before: 2 * x * value - 2 * k * before),
    _polynomial("hermite_polynomial_he", lambda x: x, lambda k, x, value, before: x * value - k * before),
    _polynomial("laguerre_polynomial_l", lambda x: 1 - x, lambda k, x, value, before: ((2 * k + 1 - x) * value - k * before) / (k + 1)),
    _polynomial("legendre_polynomial_p", lambda x: x, lambda k, x, value, before: ((2 * k + 1) * x * value - k * before) / (k + 1)),
]
globals().update({f.__name__: f for f in _ALL})
__all__ = [f.__name__ for f in _ALL]
