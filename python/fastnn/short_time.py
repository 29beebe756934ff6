"""Short-time Fourier transforms: the spectra of windowed frames of a signal, and the signal of such spectra."""

from __future__ import annotations

import warnings

from .complex_tensor.creation import view_as_real
from .complex_tensor.forms import native
from .complex_tensor.tensor import ComplexTensor
from .errors import ShapeError
from .fft import fft, ifft, irfft, rfft
from .nn.functional import pad
from .ops.windows import _taps_dx
from .tensor import Tensor, ones

__all__ = ["istft", "stft"]


def _settings(name, n_fft, hop_length, win_length, window):
    """(hop_length, window of n_fft): shorter windows have zeros on both sides."""
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    if not 0 < win_length <= n_fft:
        raise ShapeError(f"{name}: expected 0 < win_length <= n_fft, but got win_length={win_length}")
    if window is not None:
        if not isinstance(window, Tensor):
            raise TypeError(f"{name}(): argument 'window' must be Tensor, not {type(window).__name__}")
        if tuple(window.shape) != (win_length,):
            raise ShapeError(
                f"{name}: expected a 1D window tensor of size equal to win_length={win_length}, but got window with size {list(window.shape)}"
            )
    if win_length < n_fft:
        left = (n_fft - win_length) // 2
        window = pad(ones(win_length) if window is None else window, (left, n_fft - win_length - left))
    return hop_length, window


def _padded(x, n, mode):
    if mode != "constant" and n >= x.shape[-1]:
        raise ShapeError(
            f"Argument #4: Padding size should be less than the corresponding input dimension, but got: padding ({n}, {n}) at "
            f"dimension 2 of input {[1, *x.shape]}"
        )
    return pad(x.unsqueeze(0), (n, n), mode).squeeze(0)


@native
def stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect", normalized=False, onesided=None,
         return_complex=None, align_to_window=None):  # fmt: skip
    """X[k, t] = Σ_n window[n] x[t · hop_length + n] exp(-2πi k n / n_fft):  (length) or (B, length)  →  (..., frequencies, frames), complex.

    center: frames are centred at t · hop_length, beyond the ends the signal goes on as pad_mode says. onesided: n_fft // 2 + 1
    frequencies, the default of real signals. normalized: divided by √n_fft. hop_length: n_fft // 4 if not given. return_complex must be
    given for real signals; False gives (..., 2). RuntimeError for lengths that do not fit.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"stft(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    is_complex = isinstance(input, ComplexTensor) or isinstance(window, ComplexTensor)
    if return_complex is None:
        if not is_complex:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will further require that "
                "return_complex=True in a future PyTorch release."
            )
        return_complex = True
    if not input.is_complex() and not input.is_floating_point():
        raise RuntimeError(f"stft: expected a tensor of floating point or complex values, got {input.dtype}")
    if input.ndim not in (1, 2):
        raise ShapeError(f"stft: expected a 1D or 2D tensor, got shape {list(input.shape)}")
    if align_to_window is not None and center:
        raise RuntimeError("stft align_to_window should only be set when center = false.")
    hop_length, window = _settings("stft", n_fft, hop_length, win_length, window)
    if hop_length <= 0:
        raise ShapeError(f"stft: expected hop_length > 0, but got hop_length={hop_length}")
    x = input.unsqueeze(0) if input.ndim == 1 else input
    if center:
        x = _padded(x, n_fft // 2, pad_mode)
    if not 0 < n_fft <= x.shape[-1]:
        raise ShapeError(f"stft: expected 0 < n_fft < {x.shape[-1] + 1}, but got n_fft={n_fft}")
    frames = x.unfold(-1, n_fft, hop_length)
    frames = frames if window is None else frames * window
    onesided = not is_complex if onesided is None else onesided
    if onesided and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    z = (rfft if onesided else fft)(frames, norm="ortho" if normalized else None).transpose(-1, -2)
    z = z.squeeze(0) if input.ndim == 1 else z
    return z if return_complex else view_as_real(z)


@native
def istft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=None, length=None,
          return_complex=False):  # fmt: skip
    """The signal of spectra (frequencies, frames) or (B, frequencies, frames), as `stft` makes them: (length) or (B, length).

    Frames are weighted by the window once more and added up, over the sum of squared windows. length: that of the signal, which is cut
    or filled up with zeros (with a warning). RuntimeError where windows do not cover the signal.
    """
    if not isinstance(input, ComplexTensor):
        raise TypeError("istft requires a complex-valued input tensor matching the output from stft with return_complex=True.")
    if input.ndim not in (2, 3) or not input.numel():
        raise ShapeError(f"istft: expected a tensor with 2 or 3 dimensions and no empty one, got shape {list(input.shape)}")
    if isinstance(window, ComplexTensor) and not return_complex:
        raise RuntimeError("istft: complex windows are incompatible with return_complex=False")
    given = n_fft if win_length is None else win_length
    hop_length, window = _settings("istft", n_fft, hop_length, win_length, window)
    if not 0 < hop_length <= given:
        raise ShapeError(f"istft: expected 0 < hop_length <= win_length, but got hop_length={hop_length}")
    z = input.unsqueeze(0) if input.ndim == 2 else input
    frequencies, count = z.shape[-2:]
    onesided = frequencies != n_fft if onesided is None else onesided
    if onesided and return_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    expected = n_fft // 2 + 1 if onesided else n_fft
    if frequencies != expected:
        raise ShapeError(
            f"istft: expected the frequency dimension (3rd to the last) of the input tensor to match {'n_fft / 2 + 1' if onesided else 'n_fft'} "
            f"when onesided={onesided}, but got {frequencies}"
        )
    norm = "ortho" if normalized else None
    z = z.transpose(-1, -2)
    frames = ifft(z, norm=norm) if return_complex else irfft(z[..., : n_fft // 2 + 1], n_fft, norm=norm)
    window = ones(n_fft, dtype=z.real.dtype) if window is None else window
    total = n_fft + hop_length * (count - 1)
    y = _overlapped(frames * window, total, hop_length)
    weight = _overlapped((window * window).expand(1, count, n_fft), total, hop_length)
    begin = n_fft // 2 if center else 0
    end = begin + length if length is not None else total - begin
    y, weight = y[:, begin:end], weight[:, begin:end]
    if weight.numel() and weight.detach().abs().min().item() < 1e-11:
        raise RuntimeError("istft: window overlap add min: 1")
    y = y / weight
    if end > total:
        warnings.warn("The length of signal is shorter than the length parameter. Result is being padded with zeros in the tail.", UserWarning, stacklevel=2)
        y = pad(y, (0, end - total))
    return y.squeeze(0) if input.ndim == 2 else y


def _overlapped(frames, length, hop):
    """(B, frames, n) added up where they overlap: (B, length)."""
    if isinstance(frames, ComplexTensor):
        return ComplexTensor(*(_overlapped(part, length, hop) for part in (frames.real, frames.imag)))
    return _taps_dx(frames, shape=(frames.shape[0], length), dim=1, size=frames.shape[-1], step=hop, dilation=1)
