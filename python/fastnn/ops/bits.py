"""Parts of floating numbers, and the functions of complex numbers that have a meaning for real ones."""

from __future__ import annotations

import math

import numpy as np

from .. import dtypes
from ..autodiff import Array, op
from ..errors import DTypeError
from ..results import result_type
from ..tensor import Tensor, as_tensor, from_numpy, ones_like, zeros_like
from ..tensor import result_type as common_dtype
from .comparison import eq, isnan, lt
from .elementwise import where
from .linalg import _of_examples, by_numpy


def nextafter(input, other):
    """The next number of the dtype after input towards other. No derivative."""
    dtype = common_dtype(input, other)
    if dtype is dtypes.bfloat16:
        return _next_bfloat16(*(as_tensor(t).detach().to(dtype) for t in (input, other)))
    return _next(*(as_tensor(t).detach().to(dtype) for t in (input, other)))


_next = by_numpy(np.nextafter)


def _next_bfloat16(a, b):
    """By their bits, which are in the order of the numbers where the sign bit is clear, and in the reverse one where it is set."""
    bits = a.view(dtypes.int16).to(dtypes.int32)
    up = lt(a, b)
    away = where(bits < 0, ~up, up)  # from 0
    step = where(eq(a, 0), where(up, 1, -32767) - bits, where(away, 1, -1))
    moved = (bits + where(eq(a, b), 0, step)).to(dtypes.int16).view(dtypes.bfloat16)
    return where(isnan(a) | isnan(b), math.nan, moved)


@_of_examples
def _exponent(x):
    return from_numpy(np.asarray(np.frexp(x.detach().numpy())[1], np.int32))


@op(saves="exponent")
@_of_examples
def _mantissa(x, exponent):
    return from_numpy(np.asarray(np.ldexp(x.detach().numpy(), -exponent.numpy())))


_mantissa.partials(lambda g, y, x, exponent: g * (2.0 ** (-exponent.to(g.dtype))), None).linear(0)
frexp_result = result_type("frexp", "mantissa exponent")


def frexp(input):
    """(mantissa in [1/2, 1), exponent, int32) with input = mantissa · 2^exponent."""
    if not input._floating:
        raise DTypeError(f"torch.frexp() only supports floating-point dtypes, got {input.dtype.name}")
    exponent = _exponent(input.detach())
    return frexp_result(_mantissa(input, exponent), exponent)


def _of_reals(input):
    """input. TypeError, at which `errors.named` looks for the complex form, if it is no Tensor."""
    if not isinstance(input, Array):
        raise TypeError(f"expected a Tensor, got {type(input).__name__}")
    return input


def real(input):
    """The real part: of real numbers themselves."""
    return _of_reals(input)


def conj(input):
    """The complex conjugate: of real numbers themselves."""
    return _of_reals(input)


def isreal(input):
    """Where the imaginary part is 0: everywhere in a real tensor."""
    return ones_like(input.detach(), dtype="bool")


def is_conj(input):
    """False: nothing waits to be conjugated."""
    return False


def imag(input):
    """The imaginary part. RuntimeError for real tensors, as in PyTorch."""
    raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")


def angle(input):
    """The argument of complex numbers: pi where a real input is negative, else 0; NaN of NaN."""
    x = input if input._floating else input.to("float32")
    return where(x != x, x, where(x < 0, math.pi, zeros_like(x)))


def adjoint(input):
    """The last two axes exchanged, and conjugated."""
    return _of_reals(input).mT


def resolve_conj(input):
    """input: nothing waits to be conjugated."""
    return _of_reals(input)


def conj_physical_(input):
    """input, conjugated in place; of real numbers itself."""
    return _of_reals(input)


conj_physical, resolve_neg = conj, resolve_conj
is_neg = is_conj
_NAMES = "adjoint angle conj conj_physical conj_physical_ frexp is_conj is_neg isreal nextafter resolve_conj resolve_neg".split()
__all__ = [*_NAMES, "imag", "real"]
METHODS = _NAMES
FUNCTIONAL = ()
Tensor.real, Tensor.imag = property(real, doc="The tensor itself."), property(imag, doc="RuntimeError: only complex tensors have one.")
Tensor.H = Tensor.mH = property(adjoint, doc="The last two axes exchanged.")
