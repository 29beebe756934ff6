"""Pooling beyond the samples: errors, special values, PyTorch as second oracle over random geometries."""

import numpy as np
import pytest

import fastnn
from fastnn.ops import pool

F = pool


def arrays(rng, *shape):
    x = rng.standard_normal(shape).astype(np.float32)
    return x, fastnn.from_numpy(x)


def random_geometry(rng):
    k, d = rng.integers(1, 5, 2), rng.integers(1, 4, 2)
    p = [int(rng.integers(0, k[i] // 2 + 1)) for i in range(2)]
    return {
        "kernel_size": tuple(map(int, k)),
        "stride": tuple(map(int, rng.integers(1, 5, 2))),
        "padding": tuple(p),
        "dilation": tuple(map(int, d)),
        "ceil_mode": bool(rng.integers(2)),
    }


def test_max_pool_against_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    for _ in range(60):
        shape = (2, 3, int(rng.integers(1, 24)), int(rng.integers(1, 70)))
        x = rng.integers(-4, 5, shape).astype(np.float64)  # many ties
        geometry = random_geometry(rng)
        try:
            want, at = torch.nn.functional.max_pool2d(torch.tensor(x, requires_grad=True), **geometry, return_indices=True)
        except RuntimeError:
            with pytest.raises(RuntimeError):
                F.max_pool2d(fastnn.tensor(x), **geometry)
            continue
        if not np.isfinite(want.detach().numpy()).all():
            continue  # a window of padding alone: PyTorch's index points outside
        ours = fastnn.tensor(x, requires_grad=True)
        y, indices = F.max_pool2d(ours, **geometry, return_indices=True)
        assert np.array_equal(y.detach().numpy(), want.detach().numpy()), (shape, geometry)
        assert np.array_equal(indices.numpy(), at.numpy()), (shape, geometry)
        g = rng.integers(-9, 10, y.shape).astype(np.float64)
        theirs = torch.tensor(x, requires_grad=True)
        torch.nn.functional.max_pool2d(theirs, **geometry).backward(torch.tensor(g))
        y.backward(fastnn.tensor(g))
        assert np.array_equal(ours.grad.numpy(), theirs.grad.numpy()), (shape, geometry)


def test_avg_pool_against_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    for _ in range(60):
        shape = (2, 3, int(rng.integers(1, 24)), int(rng.integers(1, 70)))
        geometry = random_geometry(rng) | {"count_include_pad": bool(rng.integers(2)), "divisor_override": [None, 5][rng.integers(2)]}
        del geometry["dilation"]
        x = rng.standard_normal(shape)
        theirs, ours = torch.tensor(x, requires_grad=True), fastnn.tensor(x, requires_grad=True)
        try:
            want = torch.nn.functional.avg_pool2d(theirs, **geometry)
        except RuntimeError:
            with pytest.raises(RuntimeError):
                F.avg_pool2d(ours, **geometry)
            continue
        y = F.avg_pool2d(ours, **geometry)
        np.testing.assert_allclose(y.detach().numpy(), want.detach().numpy(), rtol=1e-12, atol=1e-12, err_msg=str((shape, geometry)))
        g = rng.standard_normal(y.shape)
        want.backward(torch.tensor(g))
        y.backward(fastnn.tensor(g))
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-12, atol=1e-12, err_msg=str((shape, geometry)))


def test_adaptive_and_unpool_against_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    TF = torch.nn.functional
    for _ in range(60):
        shape = (2, 2, int(rng.integers(1, 20)), int(rng.integers(1, 40)))
        size = (int(rng.integers(1, 12)), int(rng.integers(1, 12)))
        x = rng.integers(-3, 4, shape).astype(np.float64)
        want, at = TF.adaptive_max_pool2d(torch.tensor(x), size, return_indices=True)
        y, indices = F.adaptive_max_pool2d(fastnn.tensor(x), size, return_indices=True)
        assert np.array_equal(y.numpy(), want.numpy()) and np.array_equal(indices.numpy(), at.numpy()), (shape, size)
        ours, theirs = fastnn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        g = rng.standard_normal((2, 2, *size))
        for name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
            ours.grad = theirs.grad = None
            getattr(F, name)(ours, size).backward(fastnn.tensor(g))
            getattr(TF, name)(theirs, size).backward(torch.tensor(g))
            np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-12, atol=1e-12, err_msg=f"{name} {shape} {size}")
    x = rng.standard_normal((2, 3, 8, 10)).astype(np.float32)
    y, i = F.max_pool2d(fastnn.tensor(x), 2, return_indices=True)
    ty, ti = TF.max_pool2d(torch.tensor(x), 2, return_indices=True)
    assert np.array_equal(F.max_unpool2d(y, i, 2).numpy(), TF.max_unpool2d(ty, ti, 2).numpy())
    y, i = F.max_pool1d(fastnn.tensor(x[0]), 3, return_indices=True)
    ty, ti = TF.max_pool1d(torch.tensor(x[0]), 3, return_indices=True)
    assert np.array_equal(F.max_unpool1d(y, i, 3, output_size=(10,)).numpy(), TF.max_unpool1d(ty, ti, 3, output_size=(10,)).numpy())


def test_special_values():
    x = fastnn.tensor([[[1.0, float("nan"), 3.0, 2.0]]])
    assert np.isnan(F.max_pool1d(x, 2).tolist()[0][0][0]) and F.max_pool1d(x, 2).tolist()[0][0][1] == 3
    low = fastnn.full((1, 4, 4), -float("inf"))
    low.requires_grad_()
    y, i = F.max_pool2d(low, 3, 2, 1, return_indices=True)
    assert (y.detach().numpy() == -np.inf).all() and i.numpy().min() >= 0  # padding is never picked
    y.backward(fastnn.ones_like(y))
    assert low.grad.numpy().sum() == y.numel()
    x = np.ones((1, 4, 40), np.float32)
    x[0, 0, 0] = np.inf
    x[0, 3, 39] = np.nan
    y = F.avg_pool2d(fastnn.tensor(x), 2).numpy()
    assert np.isinf(y[0, 0, 0]) and np.isnan(y[0, 1, 19]) and (y.reshape(-1)[1:-1] == 1).all()  # neighbours untouched


def test_empty_batches_and_large_strides():
    assert F.max_pool2d(fastnn.ones(0, 3, 4, 4), 2).shape == (0, 3, 2, 2)
    x = fastnn.ones(0, 3, 5, 5, requires_grad=True)
    for y in (F.avg_pool2d(x, 2), F.adaptive_avg_pool2d(x, 3), F.adaptive_max_pool2d(x, 3), F.max_pool2d(x, 2)):
        x.grad = None
        y.backward(fastnn.ones_like(y))
        assert x.grad.shape == (0, 3, 5, 5)
    assert F.max_pool2d(fastnn.ones(1, 3, 3), 2, stride=10**9).tolist() == [[[1.0]]]
    assert F.avg_pool2d(fastnn.ones(1, 3, 3), 2, stride=10**9).tolist() == [[[1.0]]]
    assert F.adaptive_avg_pool2d(fastnn.ones(2, 3, 3), (0, 2)).shape == (2, 0, 2)


ones = fastnn.ones(2, 3, 8, 8)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: F.max_pool2d(ones, 0), RuntimeError, "kernel size should be greater than zero"),
        (lambda: F.max_pool2d(ones, -1), RuntimeError, "kernel size should be greater than zero"),
        (lambda: F.max_pool2d(ones, 2, 0), RuntimeError, "stride should be greater than zero"),
        (lambda: F.max_pool2d(ones, 2, dilation=0), RuntimeError, "dilation should be greater than zero"),
        (lambda: F.max_pool2d(ones, 2, padding=2), RuntimeError, "pad should be at most half of effective kernel size"),
        (lambda: F.max_pool2d(ones, 2, padding=2, dilation=5), RuntimeError, "half of kernel size"),
        (lambda: F.avg_pool2d(ones, 2, padding=-1), RuntimeError, "pad must be non-negative"),
        (lambda: F.max_pool2d(ones, 9), RuntimeError, "Output size is too small"),
        (lambda: F.avg_pool2d(ones, (3, 10**18)), RuntimeError, "Output size is too small"),
        (lambda: F.max_pool2d(fastnn.ones(8, 8), 2), RuntimeError, "Expected 3D or 4D"),
        (lambda: F.max_pool2d(fastnn.ones(1, 0, 4, 4), 2), RuntimeError, "Expected 3D or 4D"),
        (lambda: F.max_pool1d(ones, 2), RuntimeError, "Expected 2D or 3D"),
        (lambda: F.max_pool2d(ones, (2, 2, 2)), RuntimeError, "tuple of two ints"),
        (lambda: F.max_pool2d(ones, 2.5), TypeError, "tuple of two ints"),
        (lambda: F.max_pool2d(ones.bool(), 2), RuntimeError, "a floating dtype"),
        (lambda: F.max_pool2d(np.ones((1, 2, 2)), 2), TypeError, "Tensor"),
        (lambda: F.avg_pool2d(ones, 2, divisor_override=0), RuntimeError, "divisor must be not zero"),
        (lambda: F.adaptive_avg_pool2d(ones, (1, 2, 3)), RuntimeError, "output_size must be 2"),
        (lambda: F.adaptive_avg_pool2d(ones, -1), RuntimeError, "greater than or equal to 0"),
        (lambda: F.adaptive_max_pool2d(fastnn.ones(1, 2, 0, 3), 1), RuntimeError, "non-zero size"),
        (lambda: F.max_unpool2d(ones, ones, 2), RuntimeError, "int64"),
        (lambda: F.max_unpool2d(ones, fastnn.zeros(2, 3, dtype=fastnn.int64), 2), RuntimeError, "shape of indices"),
        (lambda: F.max_unpool2d(ones, fastnn.full(ones.shape, 256), 2), IndexError, "256"),
        (lambda: F.max_unpool2d(ones, fastnn.full(ones.shape, -1), 2), IndexError, "-1"),
        (lambda: F.max_unpool2d(ones, fastnn.full(ones.shape, 0), 2, output_size=(30, 16)), ValueError, "invalid output_size"),
    ],
)
def test_errors_name_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_largest_integers_are_exact(dtype, rng):
    x = rng.integers(0, 200, (2, 3, 7, 6)).astype(dtype)
    if dtype == "int64":
        x += 2**60  # beyond what float64 tells apart
    y, at = F.max_pool2d(fastnn.from_numpy(x), 2, return_indices=True)
    windows = x[:, :, :6].reshape(2, 3, 3, 2, 3, 2).transpose(0, 1, 2, 4, 3, 5).reshape(2, 3, 3, 3, 4)
    np.testing.assert_array_equal(y.numpy(), windows.max(-1))
    np.testing.assert_array_equal(np.take_along_axis(x.reshape(2, 3, -1), at.numpy().reshape(2, 3, -1), 2).reshape(y.shape), y.numpy())
    assert y.dtype.name == dtype


@pytest.mark.parametrize("name", ["max_pool3d", "avg_pool3d"])
def test_errors_of_volumes_name_them(name):
    for kernel, padding in ((9, 0), ((9, 1, 1), 0), (2, 2)):
        with pytest.raises(RuntimeError, match=f"^{name}: "):
            getattr(fastnn.nn.functional, name)(fastnn.ones(2, 3, 4, 5, 6), kernel, padding=padding)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_windows_of_2x2_over_every_width(dtype, rng):
    """Rows of outputs shorter and longer than a vector, with ties, infinities and NaN: the first of equals, the last NaN; and the derivative."""
    for width in range(2, 71):
        x = rng.integers(0, 3, (3, 5, width)).astype(dtype)
        x[rng.random(x.shape) < 0.1] = -np.inf
        x[rng.random(x.shape) < 0.05] = np.nan
        n = width // 2
        windows = x[:, :4, : 2 * n].reshape(3, 2, 2, n, 2).transpose(0, 1, 3, 2, 4).reshape(3, 2, n, 4)
        where = np.argmax(windows, -1)  # NaN first; here the last wins
        last_nan = 3 - np.argmax(np.isnan(windows)[..., ::-1], -1)
        where = np.where(np.isnan(windows).any(-1), last_nan, where)
        t = fastnn.from_numpy(x).clone().requires_grad_()
        y = F.max_pool2d(t, 2)
        np.testing.assert_array_equal(y.detach().numpy(), np.take_along_axis(windows, where[..., None], -1)[..., 0])
        np.testing.assert_array_equal(F.max_pool2d(t.detach(), 2).numpy(), y.detach().numpy())
        g = rng.standard_normal(y.shape).astype(dtype)
        y.backward(fastnn.from_numpy(g))
        expected = np.zeros_like(x)
        parts = expected[:, :4, : 2 * n].reshape(3, 2, 2, n, 2)
        for k in range(4):
            parts[:, :, k // 2, :, k % 2] = np.where(where == k, g, 0)
        expected[:, :4, : 2 * n] = parts.reshape(3, 4, 2 * n)
        np.testing.assert_array_equal(t.grad.numpy(), expected)


def test_fractional_max_pool():
    from fastnn.nn import functional as F

    x, u = fastnn.arange(36.0).view(1, 1, 6, 6), fastnn.tensor([[[0.3, 0.6]]])
    y, at = F.fractional_max_pool2d(x, 2, output_size=3, return_indices=True, _random_samples=u)
    # along the rows int((i + 0.6) 2) - int(0.6 2) = 0, 2 and the end, 4; along the columns 0, 2, 4 as well
    assert y.tolist() == [[[[7, 9, 11], [19, 21, 23], [31, 33, 35]]]] and at.tolist() == y.long().tolist()
    z = fastnn.randn(2, 3, 9, 7, dtype=fastnn.float64).requires_grad_()
    y, at = F.fractional_max_pool2d(z, (3, 2), output_ratio=(0.5, 0.6), return_indices=True)
    assert y.shape == (2, 3, 4, 4) and fastnn.equal(z.flatten(2).gather(2, at.flatten(2)).view_as(y), y)
    y.sum().backward()
    assert z.grad.sum().item() == 2 * 3 * 16
    assert fastnn.nn.FractionalMaxPool3d(2, output_size=2)(fastnn.randn(3, 4, 5, 6)).shape == (3, 2, 2, 2)
    with pytest.raises(RuntimeError, match="do not fit"):
        F.fractional_max_pool2d(x, 4, output_size=4)
    with pytest.raises(ValueError, match="one of them"):
        fastnn.nn.FractionalMaxPool2d(2)
    assert F.fractional_max_pool3d(fastnn.empty(0, 2, 4, 5, 4), 2, output_size=2).shape == (0, 2, 2, 2, 2)



def test_pools_of_volumes_in_any_order_of_memory(rng):
    torch, F = pytest.importorskip("torch"), fastnn.nn.functional
    a, u = rng.standard_normal((2, 5, 6, 4)), rng.random((1, 2, 3))
    x, t = (lib.from_numpy(np.ascontiguousarray(a.T)).permute(3, 2, 1, 0) for lib in (fastnn, torch))
    y, at = F.max_pool3d(x, 2, return_indices=True)
    back = F.max_unpool3d(y.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0), at.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0), 2, output_size=a.shape[1:])
    np.testing.assert_array_equal(back.numpy(), torch.nn.functional.max_unpool3d(*torch.nn.functional.max_pool3d(t, 2, return_indices=True), 2, output_size=a.shape[1:]).numpy())
    mine = F.fractional_max_pool3d(x, 2, output_size=(3, 4, 2), _random_samples=fastnn.from_numpy(u))
    np.testing.assert_array_equal(mine.numpy(), torch.nn.functional.fractional_max_pool3d(t, 2, (3, 4, 2), _random_samples=torch.from_numpy(u)).numpy())


def test_unpool_of_volumes_checks_its_indices():
    with pytest.raises(RuntimeError, match=r"max_unpool3d: .*\[1, 1, 4, 4, 1\]"):
        fastnn.nn.functional.max_unpool3d(fastnn.ones(1, 1, 4, 4, 4), fastnn.zeros(1, 1, 4, 4, 1, dtype=fastnn.int64), 3)
