"""Random complex numbers, and gradients with respect to them against finite differences."""

import numpy as np

import fastnn


def draw(rng, *shape, dtype=np.complex128):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


def check_gradients(f, *arrays, step=1e-6):
    """dL/dRe + i dL/dIm of L = Σ |f|² + Re f against central differences, for every argument."""

    def loss(*args):
        y = f(*args)
        return (y.abs() ** 2).sum() + y.real.sum()

    args = [fastnn.tensor(a, requires_grad=True) for a in arrays]
    loss(*args).backward()
    for k, (t, a) in enumerate(zip(args, arrays, strict=True)):
        expected = np.zeros_like(a)
        for i in np.ndindex(*a.shape):
            for unit in (1.0, 1j) if a.dtype.kind == "c" else (1.0,):
                ends = []
                for sign in (1, -1):
                    moved = [b.copy() for b in arrays]
                    moved[k][i] += sign * step * unit
                    ends.append(loss(*map(fastnn.tensor, moved)).item())
                expected[i] += unit * (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(t.grad.numpy(), expected, rtol=2e-5, atol=2e-6 * np.abs(expected).max(initial=1), err_msg=f"argument {k}")
