"""Windows of signal processing: bell-shaped weights. fastnn.signal.windows has all, fastnn.hann_window and its like PyTorch's older ones.

With sym=True they are symmetric, M weights over M - 1 steps; with sym=False (periodic=True) one period of M steps.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np

from ..dtypes import as_dtype, get_default_dtype
from ..errors import ShapeError
from ..tensor import tensor


def _window(formula):
    """formula(n, steps, **options), weights at the positions n of that many steps, as the public function of M and sym."""
    name = formula.__name__

    @functools.wraps(formula, assigned=("__name__", "__qualname__", "__doc__", "__module__"), updated=())
    def f(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False, **options):
        dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
        if M < 0:
            raise ShapeError(f"{name} requires non-negative window length, got M={M}")
        if not dtype.is_floating_point:
            raise ValueError(f"{name} expects floating point dtypes, got: {dtype}")
        if sym and options.get("center") is not None:
            raise ValueError("Center must be None for symmetric windows")
        weights = formula(np.arange(M, dtype=np.float64), max(M - 1 if sym else M, 1), **options)
        return tensor(weights if M > 1 else np.ones(M), dtype=dtype, device=device, requires_grad=requires_grad)

    del f.__wrapped__
    return f


def _cosines(n, steps, a):
    return sum((-1) ** k * c * np.cos(k * 2 * np.pi * n / steps) for k, c in enumerate(a))


@_window
def bartlett(n, steps):
    """A triangle: 1 - |2 n / steps - 1|."""
    return 1 - np.abs(2 * n / steps - 1)


@_window
def blackman(n, steps):
    """0.42 - 0.5 cos + 0.08 cos 2."""
    return _cosines(n, steps, (0.42, 0.5, 0.08))


@_window
def cosine(n, steps):
    """Half a period of the sine, at the middle of each step."""
    return np.sin(np.pi * (n + 0.5) / (steps + 1))


@_window
def exponential(n, steps, *, center=None, tau=1.0):
    """exp(-|n - center| / tau), the center by default the middle. ValueError for tau <= 0."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    return np.exp(-np.abs(n - (steps / 2 if center is None else center)) / tau)


@_window
def gaussian(n, steps, *, std=1.0):
    """exp(-x^2 / 2), x the distance from the middle in units of std. ValueError for std <= 0."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return np.exp(-0.5 * ((n - steps / 2) / std) ** 2)


@_window
def general_cosine(n, steps, *, a):
    """The sum of (-1)^k a[k] cos(2 pi k n / steps). TypeError or ValueError for a that is no sequence of numbers."""
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    return _cosines(n, steps, a)


@_window
def general_hamming(n, steps, *, alpha=0.54):
    """alpha - (1 - alpha) cos."""
    return _cosines(n, steps, (alpha, 1 - alpha))


@_window
def hamming(n, steps):
    """0.54 - 0.46 cos."""
    return _cosines(n, steps, (0.54, 0.46))


@_window
def hann(n, steps):
    """0.5 - 0.5 cos."""
    return _cosines(n, steps, (0.5, 0.5))


@_window
def kaiser(n, steps, *, beta=12.0):
    """I0(beta sqrt(1 - x^2)) / I0(beta), x from -1 to 1. ValueError for beta < 0."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return np.i0(beta * np.sqrt(np.maximum(1 - (2 * n / steps - 1) ** 2, 0))) / np.i0(beta)


@_window
def nuttall(n, steps):
    """The sum of four cosines with the least side lobes (Nuttall, 1981)."""
    return _cosines(n, steps, (0.3635819, 0.4891775, 0.1365995, 0.0106411))


def _of_length(window_length, periodic, window, name, dtype, device, requires_grad, **options):
    if window_length < 0:
        raise ShapeError(f"{name} requires non-negative window_length, got window_length={window_length}")
    return window(window_length, sym=not periodic, dtype=dtype, device=device, requires_grad=requires_grad, **options)


def bartlett_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """signal.windows.bartlett, periodic unless asked otherwise."""
    return _of_length(window_length, periodic, bartlett, "bartlett_window", dtype, device, requires_grad)


def blackman_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """signal.windows.blackman, periodic unless asked otherwise."""
    return _of_length(window_length, periodic, blackman, "blackman_window", dtype, device, requires_grad)


def hamming_window(
    window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """alpha - beta cos, periodic unless asked otherwise."""
    return _of_length(window_length, periodic, general_cosine, "hamming_window", dtype, device, requires_grad, a=(alpha, beta))


def hann_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """signal.windows.hann, periodic unless asked otherwise."""
    return _of_length(window_length, periodic, hann, "hann_window", dtype, device, requires_grad)


def kaiser_window(window_length, periodic=True, beta=12.0, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """signal.windows.kaiser, periodic unless asked otherwise."""
    return _of_length(window_length, periodic, kaiser, "kaiser_window", dtype, device, requires_grad, beta=beta)


__all__ = ("bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window")
METHODS = ()
NAMESPACE = "bartlett blackman cosine exponential gaussian general_cosine general_hamming hamming hann kaiser nuttall".split()
