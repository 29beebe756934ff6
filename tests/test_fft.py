"""Fourier transforms: against NumPy's, against finite differences, and there and back."""

import math

import numpy as np
import pytest

import fastnn
from fastnn import fft

NORMS = (None, "backward", "ortho", "forward")
ONE = "fft ifft rfft irfft hfft ihfft".split()
SEVERAL = "fftn ifftn rfftn irfftn".split()
REAL = ("rfft", "ihfft", "rfftn")


def sample(rng, shape, name="fft", dtype=np.float64):
    """What `name` transforms: real numbers or complex ones."""
    x = rng.standard_normal(shape)
    return x.astype(dtype) if name in REAL else (x + 1j * rng.standard_normal(shape)).astype(np.result_type(dtype, np.complex64))


def numbers(z):
    return z.detach().numpy()


def derivative(f, x, step=1e-6):
    """dL/dx by central differences of the real L = f(x); dL/dRe + i dL/dIm for a complex x."""
    g = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        for unit in (1.0, 1j) if x.dtype.kind == "c" else (1.0,):
            up, down = x.copy(), x.copy()
            up[i] += step * unit
            down[i] -= step * unit
            g[i] += unit * (f(up) - f(down)) / (2 * step)
    return g


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ONE)
def test_one_axis_is_numpys(rng, name, dtype):
    for norm in NORMS:
        for shape, options in [((6,), {}), ((3, 5), {}), ((4, 3, 2), {"dim": 1}), ((7,), {"n": 4}), ((4, 3), {"n": 9, "dim": 0}), ((5,), {"n": 1})]:
            x = sample(rng, shape, name, dtype)
            y = getattr(fft, name)(fastnn.tensor(x), norm=norm, **options)
            expected = getattr(np.fft, name)(x, norm=norm, n=options.get("n"), axis=options.get("dim", -1))
            assert y.shape == expected.shape and y.dtype.itemsize == (8 if expected.dtype.kind == "c" else 4) * np.dtype(dtype).itemsize // 4
            np.testing.assert_allclose(numbers(y), expected, rtol=0, atol=(1e-5 if dtype is np.float32 else 1e-13) * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", SEVERAL)
def test_several_axes_are_numpys(rng, name):
    for norm in NORMS:
        for shape, s, dim in [((4, 5), None, None), ((2, 3, 4), None, (0, 2)), ((4, 6), (3, 8), (1, 0)), ((2, 4, 6), (4, 4), None), ((3, 4), (5, -1), (0, 1))]:
            x = sample(rng, shape, name)
            y = getattr(fft, name)(fastnn.tensor(x), s=s, dim=dim, norm=norm)
            lengths = s
            if s is not None:
                axes = dim if dim is not None else range(len(shape) - len(s), len(shape))
                whole = [2 * (shape[d] - 1) if name == "irfftn" and i == len(s) - 1 else shape[d] for i, d in enumerate(axes)]
                lengths = [m if n == -1 else n for n, m in zip(s, whole, strict=True)]
                dim = tuple(axes)
            expected = getattr(np.fft, name)(x, s=lengths, axes=dim, norm=norm)
            np.testing.assert_allclose(numbers(y), expected, atol=1e-12)
    x = sample(rng, (2, 3, 4), name)
    two = getattr(fft, name[:-1] + "2")(fastnn.tensor(x))
    np.testing.assert_allclose(numbers(two), getattr(np.fft, name[:-1] + "2")(x), atol=1e-13)


def test_hermitian_forms_of_several_axes(rng):
    x = sample(rng, (3, 4, 5), "rfftn")
    half = fft.ihfftn(fastnn.tensor(x), dim=(0, 2))
    np.testing.assert_allclose(numbers(half), np.fft.ifft(np.fft.ihfft(x, axis=2), axis=0), atol=1e-14)
    np.testing.assert_allclose(numbers(fft.hfftn(half, s=(3, 5), dim=(0, 2))), x, atol=1e-13)
    np.testing.assert_allclose(numbers(fft.hfft2(fft.ihfft2(fastnn.tensor(x)), s=(4, 5))), x, atol=1e-13)


@pytest.mark.parametrize("name", [*ONE, *SEVERAL, "hfftn", "ihfftn"])
def test_gradients(rng, name):
    f = getattr(fft, name)
    for shape, options in [((5,), {}), ((3, 4), {"norm": "ortho"}), ((4,), {"n": 7}), ((6,), {"n": 3, "norm": "forward"})]:
        if "n" in options and name.endswith("n"):
            options = {**options, "s": (options["n"],)}
            del options["n"]
        x = sample(rng, shape, "rfft" if name == "ihfftn" else name)
        t = fastnn.tensor(x, requires_grad=True)
        weights = sample(rng, f(t, **options).shape)

        def loss(x, options=options, weights=weights):
            y = f(fastnn.tensor(x) if isinstance(x, np.ndarray) else x, **options)
            y = y * fastnn.tensor(weights)
            return (y.abs() ** 2).sum() + (y.real**3 + y.imag).sum()

        loss(t).backward()
        expected = derivative(lambda x: loss(x).item(), x)  # noqa: B023
        np.testing.assert_allclose(numbers(t.grad), expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


def test_every_order_and_both_modes(rng):
    x = fastnn.tensor(rng.standard_normal(5), requires_grad=True)

    def f(x):
        return (fft.irfft(fft.rfft(x) ** 2, n=5) ** 2 * x).sum() + fft.fft(x).abs().sum()

    assert fastnn.autograd.gradcheck(f, (x,)) and fastnn.autograd.gradgradcheck(f, (x,))
    t = fastnn.tensor(rng.standard_normal(5))
    _, along = fastnn.func.jvp(f, (x.detach(),), (t,))
    (g,) = fastnn.autograd.grad(f(x), x)
    assert abs(float(along) - float((g * t).sum())) < 1e-8


def test_inside_vmap(rng):
    x = fastnn.tensor(rng.standard_normal((3, 4, 6)))
    y = fastnn.vmap(lambda a: fft.irfft2(fft.rfft2(a) * (1 + 2j), s=(4, 6)))(x)
    np.testing.assert_allclose(y.numpy(), fft.irfft2(fft.rfft2(x) * (1 + 2j), s=(4, 6)).numpy(), atol=1e-13)
    g = fastnn.vmap(fastnn.func.grad(lambda a: (fft.fft(a).abs() ** 3).sum()), in_dims=1)(x)
    assert g.shape == (4, 3, 6)


def test_frequencies_and_shifts():
    for n in (1, 4, 5):
        np.testing.assert_allclose(fft.fftfreq(n, 0.5).numpy(), np.fft.fftfreq(n, 0.5).astype(np.float32))
        np.testing.assert_allclose(fft.rfftfreq(n, d=2.0, dtype=fastnn.float64).numpy(), np.fft.rfftfreq(n, 2.0))
    a = np.arange(20.0).reshape(4, 5)
    for dim in (None, 0, (1,)):
        np.testing.assert_array_equal(fft.fftshift(fastnn.tensor(a), dim=dim).numpy(), np.fft.fftshift(a, dim))
        np.testing.assert_array_equal(fft.ifftshift(fft.fftshift(fastnn.tensor(a * 1j), dim=dim), dim=dim).numpy(), a * 1j)


def test_what_is_taken_and_what_is_not(rng):
    x, z = fastnn.ones(4, 6), fastnn.ones(4, 6, dtype=fastnn.cfloat)
    assert fft.fft(fastnn.arange(4)).tolist() == [6, -2 + 2j, -2, -2 - 2j] and fft.rfft(fastnn.ones(4, dtype=fastnn.bool)).dtype is fastnn.complex64
    for f, error, words in [
        (lambda: fft.fft(x, n=0), RuntimeError, r"Invalid number of data points \(0\) specified"),
        (lambda: fft.irfft(z[:, :1]), RuntimeError, "Invalid number of data points"),
        (lambda: fft.fft(x, dim=3), IndexError, "Dimension out of range"),
        (lambda: fft.fft(x[0, 0]), IndexError, "no dimensions"),
        (lambda: fft.fft(x, norm="loud"), RuntimeError, 'Invalid normalization mode: "loud"'),
        (lambda: fft.fft2(x, dim=(0, -2)), RuntimeError, "FFT dims must be unique"),
        (lambda: fft.fftn(x, s=(2, 2), dim=(0,)), RuntimeError, "must have the same length"),
        (lambda: fft.fftn(x, s=(2, 2, 2)), RuntimeError, "only has 2 dimensions"),
        (lambda: fft.rfftn(x, dim=()), RuntimeError, "at least one axis"),
        (lambda: fft.rfft(z), TypeError, "rfft expects a real input tensor, but got ComplexFloat"),
        (lambda: fft.rfftn(z), TypeError, "rfftn expects a real-valued input"),
        (lambda: fft.ihfft(z), TypeError, "ihfft expects a real input"),
        (lambda: fft.fft([1.0]), TypeError, "must be Tensor"),
    ]:
        with pytest.raises(error, match=words):
            f()


def transformed(x, n_fft, hop, window, count):
    """The definition, frame by frame."""
    frames = np.stack([x[..., i * hop : i * hop + n_fft] * window for i in range(count)], -1)
    k = np.arange(n_fft)
    return np.einsum("kn,...nt->...kt", np.exp(-2j * math.pi * np.outer(k, k) / n_fft), frames)


def test_stft_is_its_definition(rng):
    x, w = rng.standard_normal((2, 40)), rng.uniform(0.5, 1, 6)
    padded = np.zeros(8)
    padded[1:7] = w
    for center in (False, True):
        signal = np.pad(x, [(0, 0), (4, 4)], "reflect") if center else x
        count = (signal.shape[-1] - 8) // 3 + 1
        expected = transformed(signal, 8, 3, padded, count)
        options = dict(hop_length=3, win_length=6, window=fastnn.tensor(w), center=center, return_complex=True)
        y = fastnn.stft(fastnn.tensor(x), 8, **options)
        np.testing.assert_allclose(y.numpy(), expected[:, :5], atol=1e-12)
        whole = fastnn.tensor(x[0]).stft(8, **options, onesided=False, normalized=True)
        np.testing.assert_allclose(whole.numpy(), expected[0] / math.sqrt(8), atol=1e-12)
    z = fastnn.stft(fastnn.tensor(x * 1j), 8)
    assert z.shape == (2, 8, 21) and fastnn.stft(fastnn.tensor(x), 8, return_complex=False).shape == (2, 5, 21, 2)


def test_istft_inverts(rng):
    x = fastnn.tensor(rng.standard_normal((2, 100)))
    w = fastnn.hann_window(16, dtype=fastnn.float64)
    for options in ({}, {"normalized": True}, {"onesided": False}):
        z = fastnn.stft(x, 16, 4, window=w, return_complex=True, **options)
        np.testing.assert_allclose(fastnn.istft(z, 16, 4, window=w, length=100, **options).numpy(), x.numpy(), atol=1e-12)
    c = fastnn.complex(x, x.flip(-1))
    z = fastnn.stft(c, 16, 4, window=w)
    np.testing.assert_allclose(z.istft(16, 4, window=w, return_complex=True, length=100).numpy(), c.numpy(), atol=1e-12)
    with pytest.warns(UserWarning, match="padded with zeros"):
        assert fastnn.istft(fastnn.stft(x, 16, 4, window=w, return_complex=True), 16, 4, window=w, length=150).shape == (2, 150)


def test_derivatives_of_spectrograms(rng):
    x, w = fastnn.tensor(rng.standard_normal(24), requires_grad=True), fastnn.tensor(rng.uniform(0.5, 1, 8), requires_grad=True)

    def f(x, w):
        z = fastnn.stft(x, 8, 4, window=w, return_complex=True)
        y = fastnn.istft(z * z.abs(), 8, 4, window=w)
        return (y**2).sum() + fastnn.log(z.abs() ** 2 + 1).sum()

    assert fastnn.autograd.gradcheck(f, (x, w))


def test_what_short_time_transforms_refuse():
    x, z = fastnn.ones(2, 10), fastnn.ones(5, 4, dtype=fastnn.cfloat)
    for f, error, words in [
        (lambda: fastnn.stft(x, 4), RuntimeError, "return_complex parameter be given"),
        (lambda: fastnn.stft(x, 32, return_complex=True), RuntimeError, "Padding size should be less"),
        (lambda: fastnn.stft(x, 32, center=False, return_complex=True), RuntimeError, "expected 0 < n_fft < 11"),
        (lambda: fastnn.stft(x, 4, window=fastnn.ones(5), return_complex=True), RuntimeError, "1D window tensor"),
        (lambda: fastnn.stft(x, 4, hop_length=0, return_complex=True), RuntimeError, "hop_length > 0"),
        (lambda: fastnn.stft(x, 4, win_length=5, return_complex=True), RuntimeError, "0 < win_length <= n_fft"),
        (lambda: fastnn.stft(x * 1j, 4, onesided=True), RuntimeError, "onesided output"),
        (lambda: fastnn.stft(x[None], 4, return_complex=True), RuntimeError, "1D or 2D"),
        (lambda: fastnn.istft(x, 4), TypeError, "complex-valued input"),
        (lambda: fastnn.istft(z, 8, window=fastnn.zeros(8)), RuntimeError, "window overlap"),
        (lambda: fastnn.istft(z, 4, onesided=True), RuntimeError, "n_fft / 2"),
        (lambda: fastnn.istft(z, 8, hop_length=9), RuntimeError, "hop_length <= win_length"),
    ]:
        with pytest.raises(error, match=words):
            f()
