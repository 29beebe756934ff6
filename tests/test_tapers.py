"""Windows of signal processing."""

import numpy as np
import pytest

import fastnn
from fastnn.signal import windows

NAMES = windows.__all__


@pytest.mark.parametrize("name", NAMES)
def test_windows_are_symmetric_or_one_period_of_a_longer_one(name):
    options = {"a": [0.5, 0.3, 0.2]} if name == "general_cosine" else {}
    f = getattr(windows, name)
    for m in (0, 1, 2, 7, 8):
        w = f(m, dtype=fastnn.float64, **options).numpy()
        np.testing.assert_allclose(w, w[::-1], atol=1e-15)
        if m > 1:
            periodic = f(m, sym=False, dtype=fastnn.float64, **options).numpy()
            np.testing.assert_allclose(periodic, f(m + 1, dtype=fastnn.float64, **options).numpy()[:-1], atol=1e-15)
    assert f(1, **options).tolist() == [1] and f(3, requires_grad=True, **options).requires_grad
    with pytest.raises(ValueError, match="M=-1"):
        f(-1, **options)
    with pytest.raises(ValueError, match="floating point"):
        f(3, dtype=fastnn.int64, **options)


def test_windows_have_numpys_values():
    for name, theirs in (("hann", np.hanning), ("hamming", np.hamming), ("blackman", np.blackman), ("bartlett", np.bartlett)):
        np.testing.assert_allclose(getattr(windows, name)(9, dtype=fastnn.float64).numpy(), theirs(9), atol=1e-15)
    np.testing.assert_allclose(windows.kaiser(9, beta=5.0, dtype=fastnn.float64).numpy(), np.kaiser(9, 5.0), rtol=1e-12)
    np.testing.assert_allclose(windows.gaussian(5, std=2.0).numpy(), np.exp(-0.5 * (np.arange(-2, 3) / 2) ** 2), rtol=1e-6)
    np.testing.assert_allclose(windows.exponential(5, tau=2.0).numpy(), np.exp(-np.abs(np.arange(-2, 3)) / 2), rtol=1e-6)


def test_older_names_are_periodic():
    np.testing.assert_allclose(fastnn.hann_window(8).numpy(), windows.hann(8, sym=False).numpy())
    np.testing.assert_allclose(fastnn.kaiser_window(8, False, 3.0).numpy(), windows.kaiser(8, beta=3.0).numpy())
    np.testing.assert_allclose(fastnn.hamming_window(8, True, 0.5, 0.5).numpy(), fastnn.hann_window(8).numpy(), atol=1e-7)
    assert fastnn.bartlett_window(4, dtype=fastnn.float64, device="cpu").dtype is fastnn.float64
    with pytest.raises(RuntimeError, match="window_length=-1"):
        fastnn.blackman_window(-1)
