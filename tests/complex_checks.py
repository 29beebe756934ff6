"""Random complex numbers, and gradients with respect to them against finite differences."""

import numpy as np
import pytest

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


def check_against_torch(f, *arrays, rtol=1e-8):
    """f(library, *tensors) gives the same here and in PyTorch: a tensor or a tuple of them; dtypes, values and gradients."""
    torch = pytest.importorskip("torch")

    def run(lib):
        args = [lib.from_numpy(a.copy()).requires_grad_(a.dtype.kind in "fc") for a in arrays]
        y = f(lib, *args)
        ys = list(y) if isinstance(y, (tuple, list)) else [y]
        rng = np.random.default_rng(0)
        loss = 0
        for t in ys:
            weights = draw(rng, *t.shape) if t.is_complex() else rng.standard_normal(tuple(t.shape))
            if t.requires_grad:
                loss = loss + (t * lib.from_numpy(np.asarray(weights))).sum().real
        loss.backward()
        grads = [np.zeros(1) if t.grad is None else t.grad.resolve_conj().numpy() for t in args if t.requires_grad]
        return [t.detach().resolve_conj().numpy() for t in ys], grads

    for ours, theirs in zip(run(fastnn), run(torch), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-10)
