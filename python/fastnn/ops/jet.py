"""Jets: a function's value and derivatives along directions. The arithmetic, and the fused kernel for multilayer perceptrons.

A jet is a list of tensors, one for each multi-index of an `Orders`: derivatives (not Taylor coefficients), None where zero.
See csrc/kernels/jet/series.h for the same arithmetic on vectors. `fastnn.func.jet` and `fastnn.func.partials` are what users call.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

from ..autodiff import Array, is_grad_enabled
from ..device import kernels
from ..errors import DTypeError, ShapeError
from ..fused import fused
from ..tensor import empty, from_numpy, zeros_like
from .activation import _gelu, _gelu_dx, _sigmoid_dx, _silu, sigmoid, softplus, tanh
from .elementwise import cos, exp, sin, square, where
from .join import stack
from .matmul import linear
from .shape import contiguous, expand

ACTIVATIONS = ("tanh", "sin", "sigmoid", "gelu", "silu", "softplus")  # in the order of kernels/jet/ladder.h
MOST_CHANNELS, MOST_DIRECTIONS, MOST_ORDER = 64, 16, 4  # of the kernel: series.h


class Orders:
    """A closed set of multi-indices over K directions, sorted by order: with α come all β ≤ α.

    indices: the α; place: α → its position; `chain` and `product`: for each α the (β, γ, factor) of series.h, as positions.
    """

    def __init__(self, wanted):
        closed = {b for a in wanted for b in itertools.product(*(range(n + 1) for n in a))}
        self.indices = tuple(sorted(closed, key=lambda a: (sum(a), tuple(-n for n in a))))
        self.place = {a: i for i, a in enumerate(self.indices)}
        self.order = max(map(sum, self.indices))
        self.chain = [self._terms(a, self._first(a)) for a in self.indices]
        self.product = [self._terms(a, None) for a in self.indices]

    @staticmethod
    def _first(a):
        return next((k for k, n in enumerate(a) if n), None)

    def _terms(self, a, axis):
        if axis is None and not sum(a):
            return [(0, 0, 1)]
        upper = tuple(n - (k == axis) for k, n in enumerate(a))
        return [
            (self.place[b], self.place[tuple(n - m for n, m in zip(a, b, strict=True))], math.prod(map(math.comb, upper, b)))
            for b in itertools.product(*(range(n + 1) for n in upper))
        ]

    @functools.cached_property
    def tensor(self):
        return from_numpy(np.array(self.indices, dtype=np.int64).reshape(len(self.indices), -1))


@functools.lru_cache(256)
def orders_of(wanted):
    """The Orders of a tuple of multi-indices (and of 0)."""
    return Orders((*wanted, (0,) * len(wanted[0])))


def total(terms):
    """The sum of tensors, None for nothing."""
    return functools.reduce(lambda a, b: a + b, terms) if terms else None


def _times(a, b, factor):
    return a * b if factor == 1 else a * b * factor


def compose(orders, s, z):
    """The jet of f(z) for a pointwise f: s[k] = f^(k) at z's value (None for zero), z a jet. The triangle of series.h."""
    d = None
    for k in range(orders.order, -1, -1):
        row = [s[k]]
        for a, terms in zip(orders.indices[1:], orders.chain[1:], strict=True):
            if sum(a) > orders.order - k:
                break
            row.append(total([_times(d[i], z[j], f) for i, j, f in terms if d[i] is not None and z[j] is not None]))
        d = row
    return d


# -- activations and their derivatives: (z, n) → [s, s', .., s^(n)] --------------------------------------------------------------


def _tanhs(z, n):
    t = tanh(z)
    q, z2 = 1 - square(t), square(t)
    return [t, q, -2 * t * q, q * (6 * z2 - 2), q * t * (16 - 24 * z2)][: n + 1]


def _sigmoids(y, n):
    q, m = _sigmoid_dx(1.0 + 0 * y, y), 1 - 2 * y
    return [y, q, q * m, q * (1 - 6 * q), q * m * (1 - 12 * q)][: n + 1]


def _sines(z, n):
    a, b = sin(z), cos(z)
    return [a, b, -a, -b, a][: n + 1]


def _silus(z, n):
    r = _sigmoids(sigmoid(z), n)
    return [_silu(z), *(z * r[k] + k * r[k - 1] for k in range(1, n + 1))]


def _softpluses(z, n):
    far = z > 20
    r = _sigmoids(sigmoid(z), max(n - 1, 0))
    return [softplus(z), *(where(far, float(k == 1), r[k - 1]) for k in range(1, n + 1))]


def _gelus(z, n):
    z2 = square(z)
    p = exp(z2 * -0.5) * (1 / math.sqrt(2 * math.pi))
    return [_gelu(z), _gelu_dx(1.0 + 0 * z, z), p * (2 - z2), p * z * (z2 - 4), p * (z2 * (7 - z2) - 4)][: n + 1]


LADDERS = {
    "tanh": _tanhs,
    "sin": _sines,
    "sigmoid": lambda z, n: _sigmoids(sigmoid(z), n),
    "gelu": _gelus,
    "silu": _silus,
    "softplus": _softpluses,
}

# -- the multilayer perceptron -----------------------------------------------------------------------------------------------


def _composed(x, v, weights, orders, activation):
    """What the kernel computes, written with ops."""
    count = len(orders.indices)
    if v is None:
        jet = [x[c] for c in range(count)]
    else:
        jet = [x] + [None] * (count - 1)
        for c, a in enumerate(orders.indices):
            if sum(a) == 1:
                jet[c] = expand(v[a.index(1)].reshape((1, x._shape[1])), x._shape)
    for i in range(0, len(weights), 2):
        if i:
            jet = compose(orders, LADDERS[activation](jet[0], orders.order), jet)
        w, b = weights[i], weights[i + 1]
        jet = [None if z is None else linear(z, w, None if c else b) for c, z in enumerate(jet)]
    return stack([zeros_like(jet[0]) if z is None else z for z in jet])


# Bytes. Layers kept for the reverse pass save a quarter of both passes as long as the cache holds them (2-20x8-1 with 4
# channels at 1,000 points, one core: float32 1.25 -> 0.97 ms); at 16 MB nothing, at 55 MB they cost a fifth.
KEEP = 12 << 20


def _room_to_keep(x, weights, channels):
    """Memory for all layers of all points, which the reverse pass will read; none where computing them again is faster."""
    rows, points = sum(sum(w._shape) for w in weights[::2]), x._shape[-2]
    count = rows * (channels * (points + 128) + points // 2 + 64)  # blocks of at most 128 points, a padded row each
    return empty((count if is_grad_enabled() and count * x.dtype.itemsize <= KEEP else 0,), dtype=x.dtype)


@fused(lambda x, v, *weights, orders, activation: _composed(x, v, weights, orders, activation))
def _jet_mlp(x, v, *weights, orders, activation):
    y = empty((len(orders.indices), x._shape[-2], weights[-2]._shape[0]), dtype=x.dtype)
    kept = _room_to_keep(x, weights, len(orders.indices))
    kernels(x).jet_mlp(y, kept, contiguous(x), None if v is None else contiguous(v), weights, orders.tensor, ACTIVATIONS.index(activation))
    return y, kept


def _jet_mlp_dx(g, ys, x, v, *weights, needs, orders, activation):
    def room(like, need):
        return empty(like._shape if need else (0,), dtype=x.dtype)

    out = [room(a, need) if isinstance(a, Array) else room(x, False) for a, need in zip((x, v, *weights), needs, strict=True)]
    kernels(x).jet_mlp_dx(
        *out[:2], out[2:], contiguous(g), ys[1], contiguous(x), None if v is None else contiguous(v), weights, orders.tensor,
        ACTIVATIONS.index(activation),
    )  # fmt: skip
    return [a if need else None for a, need in zip(out, needs, strict=True)]


_jet_mlp.joint(_jet_mlp_dx)


def fits(orders):
    """Whether the kernel has these derivatives."""
    return orders.order <= MOST_ORDER and len(orders.indices) <= MOST_CHANNELS and len(orders.indices[0]) <= MOST_DIRECTIONS


def jet_mlp(x, directions, weights, orders, activation="tanh"):
    """A multilayer perceptron and its derivatives along directions at every point, in one pass.

    x (N, d), directions (K, d), weights [W1, b1, W2, b2, ..] (b may be None) with `activation` between the layers: one of
    ACTIVATIONS. orders: an `Orders` over the K directions, at most 4 of order, 16 directions and 64 indices. Returns
    (len(orders.indices), N, outputs). directions None: x (len(orders.indices), N, d) holds the derivatives of what the network
    gets. ShapeError and DTypeError where the arguments do not fit.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"jet_mlp: unknown activation {activation!r}; there are {', '.join(ACTIVATIONS)}")
    if directions is None:
        if x.ndim != 3 or x._shape[0] != len(orders.indices):
            raise ShapeError(f"jet_mlp: expected jets ({len(orders.indices)}, N, d), got {list(x._shape)}")
    elif x.ndim != 2 or directions.ndim != 2 or directions._shape[1] != x._shape[1]:
        raise ShapeError(f"jet_mlp: expected points (N, d) and directions (K, d), got {list(x._shape)} and {list(directions._shape)}")
    elif directions._shape[0] != len(orders.indices[0]):
        raise ShapeError(f"jet_mlp: {directions._shape[0]} directions, but multi-indices of length {len(orders.indices[0])}")
    if not fits(orders):
        raise ValueError(
            f"jet_mlp: at most order {MOST_ORDER}, {MOST_DIRECTIONS} directions and {MOST_CHANNELS} derivatives, got "
            f"{orders.order}, {len(orders.indices[0])} and {len(orders.indices)}"
        )
    have = x._shape[-1]
    for w, b in zip(weights[::2], weights[1::2], strict=True):
        if w.ndim != 2 or w._shape[1] != have or (b is not None and b._shape != w._shape[:1]):
            raise ShapeError(
                f"jet_mlp: a layer of {have} inputs got weight {list(w._shape)} and bias {None if b is None else list(b._shape)}"
            )
        have = w._shape[0]
    for t in (directions, *weights):
        if t is not None and t.dtype is not x.dtype:
            raise DTypeError(f"jet_mlp: points are {x.dtype}, directions or weights {t.dtype}")
    if not x.dtype.is_floating_point:
        raise DTypeError(f"jet_mlp: not implemented for {x.dtype}")
    return _jet_mlp(x, directions, *weights, orders=orders, activation=activation)[0]
