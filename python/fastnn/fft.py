"""`fastnn.fft`: discrete Fourier transforms by PyTorch's names, along one axis, two, or any; NumPy computes them.

    X[k] = Σ x[n] exp(-2πi k n / N)         norm "backward" (the default) divides the inverse by N, "forward" this one, "ortho" each by √N

Three linear ops do it, on pairs (..., 2) of real and imaginary parts: complex to complex, real to half a spectrum, half a spectrum to
real. The adjoint of each is another of them, so derivatives of every order and forward mode exist. Half a spectrum (`rfft`) stands for
a whole one X[-k] = conj(X[k]): its adjoint counts the frequencies that occur twice there.
"""

from __future__ import annotations

import numpy as np

from . import _cpu, dtypes
from .autodiff import op
from .complex_tensor.arithmetic import conj as _conj
from .complex_tensor.forms import native
from .complex_tensor.functions import split as _split
from .complex_tensor.tensor import COMPLEX, ComplexTensor, as_complex, whole
from .errors import DTypeError, ShapeError
from .nn.functional import pad as _pad
from .ops.linalg import _of_examples
from .tensor import Tensor, as_tensor, from_numpy, normalize_dim

__all__ = (
    "fft fft2 fftfreq fftn fftshift hfft hfft2 hfftn ifft ifft2 ifftn ifftshift ihfft ihfft2 ihfftn irfft irfft2 irfftn rfft rfft2 rfftfreq rfftn"
).split()

# -- the ops ----------------------------------------------------------------------------------------------------------------

_OPPOSITE = {"backward": "forward", "ortho": "ortho", "forward": "backward"}  # the norm by which the other direction is the adjoint


def _numpy(f, x, shown, shape, to_real=False, **options):
    """f of an ndarray in x's precision (NumPy 1 computes in float64 always), into memory of the pool: NumPy's own would be mapped and
    unmapped by the system at every call, which takes up to four times as long as the transform. shape: the result's."""
    if x.is_cuda:
        raise NotImplementedError(f"fft.{f.__name__}: runs on the CPU only; x.cpu() moves a tensor there")
    kind = COMPLEX[x.dtype].numpy
    a = np.ascontiguousarray(_cpu.numpy(x, False))
    a = a.view(kind)[..., 0] if shown else a
    y = _cpu.empty(shape if to_real else (*shape, 2), x.dtype, x)
    out = _cpu.numpy(y, True)
    out = out if to_real else out.view(kind)[..., 0]
    if _TAKES_OUT:
        f(a, out=out, **options)
    else:
        out[...] = f(a, **options)
    return y


_TAKES_OUT = np.lib.NumpyVersion(np.__version__) >= "2.0.0"


@op(saves="")
@_of_examples
def _complex_fft(x, *, dims, norm, inverse):
    f = np.fft.ifftn if inverse else np.fft.fftn
    return _numpy(f, x, True, x._shape[:-1], axes=dims, norm=norm)


@op(saves="")
@_of_examples
def _real_fft(x, *, dim, norm):
    return _numpy(np.fft.rfft, x, False, _with_length(x._shape, dim, x._shape[dim] // 2 + 1), axis=dim, norm=norm)


@op(saves="")
@_of_examples
def _real_ifft(x, *, dim, norm, n):
    return _numpy(np.fft.irfft, x, True, _with_length(x._shape[:-1], dim, n), True, axis=dim, norm=norm, n=n)


def _with_length(shape, dim, n):
    return (*shape[:dim], n, *shape[len(shape) + dim + 1 :])


def _occurrences(n, dim, dtype):
    """How often each frequency of half a spectrum is in the whole one of n, along axis dim of pairs."""
    counts = np.full(n // 2 + 1, 2, dtype.numpy)
    counts[0] = 1
    if n % 2 == 0:
        counts[-1] = 1
    return from_numpy(counts.reshape(-1, *(1,) * -dim))


_complex_fft.partials(
    lambda g, y, x, *, dims, norm, inverse: _complex_fft(g, dims=dims, norm=_OPPOSITE[norm], inverse=not inverse)
).linear()
_real_fft.partials(
    lambda g, y, x, *, dim, norm: _real_ifft(g / _occurrences(x._shape[dim], dim, x.dtype), dim=dim, norm=_OPPOSITE[norm], n=x._shape[dim])
).linear()
_real_ifft.partials(
    lambda g, y, x, *, dim, norm, n: _real_fft(g, dim=dim, norm=_OPPOSITE[norm]) * _occurrences(n, dim, x.dtype)
).linear()


# -- arguments --------------------------------------------------------------------------------------------------------------


def _input(x, name, real=None):
    """x as a floating tensor. TypeError for a complex one where only real ones are transformed: `real` are the words."""
    if isinstance(x, ComplexTensor):
        if real is not None:
            raise TypeError(f"{real}, but got Complex{'Float' if x.dtype is dtypes.complex64 else 'Double'}")
        return x
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(x).__name__}")
    if not x._floating:
        return x.to(dtypes.get_default_dtype())
    if x.dtype.computed is not x.dtype:
        raise DTypeError(f"Unsupported dtype {x.dtype.scalar_type}")
    return x


def _norm(norm):
    if norm is None:
        return "backward"
    if norm not in _OPPOSITE:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return norm


def _axis(dim, x):
    if x.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return normalize_dim(dim, x.ndim)


def _length(n):
    n = int(n)
    if n < 1:
        raise ShapeError(f"Invalid number of data points ({n}) specified")
    return n


def _axes(x, s, dim):
    """(axes, lengths along them) of a transform of several axes; -1 in s keeps the length."""
    s = (s,) if isinstance(s, int) else s
    if dim is not None:
        dims = [_axis(d, x) for d in ((dim,) if isinstance(dim, int) else dim)]
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(dims):
            raise ShapeError("When given, dim and shape arguments must have the same length")
    if s is not None and len(s) > x.ndim:
        raise ShapeError(f"Got shape with {len(s)} values but input tensor only has {x.ndim} dimensions.")
    if dim is None:
        dims = list(range(x.ndim - len(s), x.ndim)) if s is not None else list(range(x.ndim))
    lengths = [x.shape[d] if n is None or n == -1 else n for d, n in zip(dims, s or [None] * len(dims), strict=True)]
    return dims, [_length(n) for n in lengths]


def _resized(x, dims, lengths):
    """x cut, or filled up with zeros, to these lengths."""
    for d, n in zip(dims, lengths, strict=True):
        if x.shape[d] > n:
            x = x.narrow(d, 0, n)
        elif x.shape[d] < n:
            x = _pad(x, [0, 0] * (x.ndim - 1 - d) + [0, n - x.shape[d]])
    return x


def _transform(x, dims, norm, inverse):
    """Complex to complex along axes of x, as they are."""
    if not dims:
        return as_complex(x, copy=True)
    x = as_complex(x)
    return _split(_complex_fft(whole(x), dims=tuple(d - x.ndim for d in dims), norm=norm, inverse=inverse))


def _from_real(x, dim, norm):
    return _split(_real_fft(x, dim=dim - x.ndim, norm=norm))


def _to_real(z, dim, norm, n):
    z = as_complex(z)
    return _real_ifft(whole(z), dim=dim - z.ndim, norm=norm, n=n)


# -- one axis -----------------------------------------------------------------------------------------------------------------


def _one(x, n, dim, half=False):
    """(axis, length): of half a spectrum, the length of the real signal."""
    d = _axis(dim, x)
    return d, _length(n if n is not None else 2 * (x.shape[d] - 1) if half else x.shape[d])


def _complex_1d(name, x, n, dim, norm, inverse):
    x = _input(x, name)
    d, n = _one(x, n, dim)
    return _transform(_resized(x, [d], [n]), [d], _norm(norm), inverse)


@native
def fft(input, n=None, dim=-1, norm=None):
    """The Fourier transform along dim, of input cut or filled up with zeros to n: complex.

    RuntimeError for n < 1 and for an unknown norm, IndexError for an axis that does not exist; so all functions here.
    """
    return _complex_1d("fft", input, n, dim, norm, False)


@native
def ifft(input, n=None, dim=-1, norm=None):
    """The inverse of `fft`."""
    return _complex_1d("ifft", input, n, dim, norm, True)


@native
def rfft(input, n=None, dim=-1, norm=None):
    """The first n // 2 + 1 frequencies of a real signal's `fft`; the others are their conjugates. TypeError for a complex one."""
    x = _input(input, "rfft", "rfft expects a real input tensor")
    d, n = _one(x, n, dim)
    return _from_real(_resized(x, [d], [n]), d, _norm(norm))


@native
def irfft(input, n=None, dim=-1, norm=None):
    """The real signal of n (2 (frequencies - 1) if not given) whose `rfft` is input."""
    x = _input(input, "irfft")
    d, n = _one(x, n, dim, half=True)
    return _to_real(_resized(x, [d], [n // 2 + 1]), d, _norm(norm), n)


@native
def hfft(input, n=None, dim=-1, norm=None):
    """The transform, real, of a signal that is half given: x[-n] = conj(x[n])."""
    x = _input(input, "hfft")
    d, n = _one(x, n, dim, half=True)
    return _to_real(_conjugate(_resized(x, [d], [n // 2 + 1])), d, _OPPOSITE[_norm(norm)], n)


@native
def ihfft(input, n=None, dim=-1, norm=None):
    """The inverse of `hfft`, of a real input."""
    x = _input(input, "ihfft", "ihfft expects a real input tensor")
    d, n = _one(x, n, dim)
    return _conj(_from_real(_resized(x, [d], [n]), d, _OPPOSITE[_norm(norm)]))


def _conjugate(x):
    return _conj(x) if isinstance(x, ComplexTensor) else x


# -- several axes -------------------------------------------------------------------------------------------------------------


def _half_axes(name, x, s, dim):
    """(axes, lengths, length of the real signal along the last) of a half spectrum that becomes a real signal."""
    s = list((s,) if isinstance(s, int) else s) if s is not None else None
    last = None if not s or s[-1] == -1 else s[-1]
    dims, lengths = _axes(x, None if s is None else [*s[:-1], -1], dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    n = _length(2 * (x.shape[dims[-1]] - 1) if last is None else last)
    return dims, [*lengths[:-1], n // 2 + 1], n


def _real_axes(name, x, s, dim):
    dims, lengths = _axes(x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    return dims, lengths


@native
def fftn(input, s=None, dim=None, norm=None):
    """`fft` along several axes (all, or the last len(s), if dim is not given), with lengths s; -1 keeps one."""
    x = _input(input, "fftn")
    dims, lengths = _axes(x, s, dim)
    return _transform(_resized(x, dims, lengths), dims, _norm(norm), False)


@native
def ifftn(input, s=None, dim=None, norm=None):
    """The inverse of `fftn`."""
    x = _input(input, "ifftn")
    dims, lengths = _axes(x, s, dim)
    return _transform(_resized(x, dims, lengths), dims, _norm(norm), True)


@native
def rfftn(input, s=None, dim=None, norm=None):
    """`fftn` of a real signal, with half of the frequencies of the last axis."""
    x = _input(input, "rfftn", "rfftn expects a real-valued input tensor")
    dims, lengths = _real_axes("rfftn", x, s, dim)
    z = _from_real(_resized(x, dims, lengths), dims[-1], _norm(norm))
    return _transform(z, dims[:-1], _norm(norm), False) if dims[:-1] else z


@native
def irfftn(input, s=None, dim=None, norm=None):
    """The inverse of `rfftn`; s: the shape of the signal, whose last length cannot be seen from the spectrum."""
    x = _input(input, "irfftn")
    dims, lengths, n = _half_axes("irfftn", x, s, dim)
    z = _transform(_resized(x, dims, lengths), dims[:-1], _norm(norm), True)
    return _to_real(z, dims[-1], _norm(norm), n)


@native
def hfftn(input, s=None, dim=None, norm=None):
    """`hfft` along the last axis, `fft` along the others."""
    x = _input(input, "hfftn")
    dims, lengths, n = _half_axes("hfftn", x, s, dim)
    z = _transform(_resized(x, dims, lengths), dims[:-1], _norm(norm), False)
    return _to_real(_conj(z), dims[-1], _OPPOSITE[_norm(norm)], n)


@native
def ihfftn(input, s=None, dim=None, norm=None):
    """The inverse of `hfftn`, of a real input."""
    x = _input(input, "ihfftn", "Only supports floating-point dtypes")
    dims, lengths = _real_axes("ihfftn", x, s, dim)
    z = _conj(_from_real(_resized(x, dims, lengths), dims[-1], _OPPOSITE[_norm(norm)]))
    return _transform(z, dims[:-1], _norm(norm), True) if dims[:-1] else z


def _of_two_axes(f):
    def g(input, s=None, dim=(-2, -1), norm=None):
        return f(input, s, dim, norm)

    g.__name__ = g.__qualname__ = f.__name__[:-1] + "2"
    g.__doc__ = f"`{f.__name__}` along the last two axes, or two others."
    return native(g)


fft2, ifft2, rfft2, irfft2, hfft2, ihfft2 = map(_of_two_axes, (fftn, ifftn, rfftn, irfftn, hfftn, ihfftn))

# -- frequencies ----------------------------------------------------------------------------------------------------------------


@native
def fftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
    """The n frequencies of `fft` for samples d apart, in cycles a unit: 0, 1, ..., then the negative ones, each / (n d)."""
    k = np.concatenate([np.arange((n + 1) // 2), np.arange(-(n // 2), 0)])
    return _frequencies(k, n, d, dtype, device, requires_grad)


@native
def rfftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
    """The n // 2 + 1 frequencies of `rfft`."""
    return _frequencies(np.arange(n // 2 + 1), n, d, dtype, device, requires_grad)


def _frequencies(k, n, d, dtype, device, requires_grad):
    dtype = dtypes.get_default_dtype() if dtype is None else dtype
    k = as_tensor(k.astype(np.float64)).to(dtype, device=device)
    return (k * (1.0 / (n * d)) if n * d else k / 0.0).requires_grad_(requires_grad)


def _shifted(x, dim, sign):
    if not isinstance(x, Tensor):
        raise TypeError(f"argument 'input' (position 1) must be Tensor, not {type(x).__name__}")
    dims = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    dims = [normalize_dim(d, x.ndim) for d in dims]
    shifts = [x.shape[d] // 2 if sign > 0 else (x.shape[d] + 1) // 2 for d in dims]
    return x.roll(shifts, dims) if dims else x


@native
def fftshift(input, dim=None):
    """The frequency 0 in the middle of each axis (or of those of dim), where `fft` has it first."""
    return _shifted(input, dim, 1)


@native
def ifftshift(input, dim=None):
    """The inverse of `fftshift`."""
    return _shifted(input, dim, -1)
