"""A multilayer perceptron and its derivatives along directions, in float64, by Taylor coefficients.

y[α] = ∂^α net(x + Σ_k ε_k v_k) at ε = 0. A function of one variable is its Taylor polynomial, f(z + h) = Σ_k f^(k)(z) h^k / k!,
and h, the part of a jet without its value, has no power beyond the order asked for.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import Polynomial

MOST = 5


def _in_terms_of(y, slope):
    """y and its derivatives where y' = slope(y), a polynomial."""
    p, out = Polynomial([0, 1]), []
    for _ in range(MOST):
        out.append(p(y))
        p = p.deriv() * slope
    return out


def _tanh(z):
    return _in_terms_of(np.tanh(z), Polynomial([1, 0, -1]))


def _sigmoid(z):
    return _in_terms_of(1 / (1 + np.exp(-z)), Polynomial([0, 1, -1]))


def _sin(z):
    return [np.sin(z + k * np.pi / 2) for k in range(MOST)]


def _silu(z):
    s = _sigmoid(z)
    return [z * s[k] + (k * s[k - 1] if k else 0) for k in range(MOST)]


def _softplus(z):
    y = np.where(z > 20, z, np.logaddexp(0, z))
    return [y, *(np.where(z > 20, float(k == 0), s) for k, s in enumerate(_sigmoid(z)[:-1]))]


def _gelu(z):
    below = 0.5 * (1 + np.vectorize(math.erf, otypes=[float])(z / math.sqrt(2)))
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    q, out = Polynomial([2, 0, -1]), [z * below, below + z * density]
    for _ in range(MOST - 2):
        out.append(density * q(z))
        q = q.deriv() - Polynomial([0, 1]) * q
    return out


DERIVATIVES = dict(tanh=_tanh, sin=_sin, sigmoid=_sigmoid, gelu=_gelu, silu=_silu, softplus=_softplus)


def _multiply(indices, f, g):
    """The product of two truncated power series, {α: coefficient}; coefficients of nothing are 0."""
    out = {}
    for a in indices:
        for b in indices:
            c = tuple(n - m for n, m in zip(a, b, strict=True))
            if min(c) >= 0 and b in f and c in g:
                out[a] = out.get(a, 0) + f[b] * g[c]
    return out


def jet_mlp(x, v, weights, indices, activation):
    """x (N, d), v (K, d), weights [W1, b1, ..] (b may be None), indices: multi-indices over K, closed → (len(indices), N, out).

    Without v, x (len(indices), N, d) holds the derivatives of what the network gets.
    """
    zero = indices[0]
    if v is None:  # the multiples of ε^α / α!
        z = {a: x[c] / math.prod(map(math.factorial, a)) for c, a in enumerate(indices)}
    else:
        z = {a: x if a == zero else np.broadcast_to(v[a.index(1)], x.shape) for a in indices if sum(a) <= 1}
    for i in range(0, len(weights), 2):
        if i:
            s = DERIVATIVES[activation](z[zero])
            h = {a: c for a, c in z.items() if a != zero}
            z, power = {zero: s[0]}, {zero: np.ones_like(s[0])}
            for k in range(1, MOST):
                power = _multiply(indices, power, h)
                for a, c in power.items():
                    z[a] = z.get(a, 0) + s[k] / math.factorial(k) * c
        z = {a: c @ weights[i].T for a, c in z.items()}
        if weights[i + 1] is not None:
            z[zero] = z[zero] + weights[i + 1]
    factorials = [math.prod(map(math.factorial, a)) for a in indices]
    return np.stack([f * z[a] if a in z else np.zeros_like(z[zero]) for a, f in zip(indices, factorials, strict=True)])
