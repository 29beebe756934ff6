"""Reductions: special values, accuracy, errors, derivatives where they are delicate; PyTorch as a second oracle."""

import numpy as np
import pytest

import fastnn
from fastnn.ops.reduce import sum_to

NAN, INF = np.nan, np.inf


def t(values, dtype="float64"):
    return fastnn.from_numpy(np.array(values, dtype))


def test_nan_wins():
    for n in (3, 40, 5000):
        for at in (0, n // 2, n - 1):
            x = np.arange(n, dtype="f4")
            x[at] = NAN
            for f in (fastnn.max, fastnn.min):
                assert np.isnan(f(t(x, "f4")).item())
                value, index = f(t(x, "f4"), 0)
                assert np.isnan(value.item()) and index.item() == at
            assert fastnn.argmax(t(x, "f4")).item() == fastnn.argmin(t(x, "f4")).item() == at
            columns = np.stack([x, -x, np.ones(n, "f4")], 1)
            assert fastnn.argmax(t(columns, "f4"), 0).tolist() == [at, at, 0]


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "i4", "u1"])
def test_best_of_short_rows(dtype, rng):
    """Every length around the vectors' widths: ties, NaN, infinities, views with gaps."""
    for n in [*range(1, 70), 127, 128, 129, 1000, 2047, 2048, 2049]:
        x = rng.integers(0, 1 + n // 3, (37, n)).astype(dtype)
        if dtype[0] == "f":
            x[3], x[5], x[7] = -INF, INF, -0.0
            x[11, n // 2] = x[13, n - 1] = x[17] = NAN
            x[19, n // 2 :] = NAN
        for view in (x, x[::-2], np.pad(x, ((0, 0), (1, 3)))[:, 1 : n + 1]):
            ours = fastnn.from_numpy(view)
            assert ours.argmax(1).tolist() == view.argmax(1).tolist() and ours.argmin(1).tolist() == view.argmin(1).tolist()
            np.testing.assert_array_equal(ours.max(1).values.numpy(), view.max(1))


def test_first_of_equals():
    x = np.zeros((7, 5000), "f4")
    x[:, [4000, 4500]] = 1
    assert fastnn.argmax(t(x, "f4"), 1).tolist() == [4000] * 7
    assert fastnn.argmax(t(x.T, "f4"), 0).tolist() == [4000] * 7
    assert fastnn.argmax(t([0.0, -0.0])).item() == 0 and fastnn.argmin(t([0.0, -0.0])).item() == 0
    assert fastnn.argmax(t([-INF, -INF])).item() == 0 and fastnn.argmin(t([[INF, INF]]), 1).item() == 0


def test_infinities():
    for n in (4, 5000):
        x = np.ones((n, 3))
        x[1, 0], x[2, 1], x[1, 2], x[3, 2] = INF, -INF, INF, -INF
        for y in (t(x).sum(0), t(x.T.copy()).sum(1)):
            np.testing.assert_array_equal(y.numpy(), [INF, -INF, NAN])
        np.testing.assert_array_equal(t(x[:, :2]).cumsum(0).numpy()[-1], [INF, -INF])
    assert t([1e308, 1e308]).sum().item() == INF
    rows = t([[-INF, -INF], [INF, 0.0], [NAN, 0.0], [-1e4, -1e4 - 1], [1e4, 1e4]])
    with np.errstate(all="ignore"):
        y = fastnn.logsumexp(rows, 1).numpy()
    np.testing.assert_allclose(y, [-INF, INF, NAN, -1e4 + np.log1p(np.exp(-1)), 1e4 + np.log(2)])


def test_logsumexp_of_an_empty_world_has_gradient_zero():
    x = t([[-INF, -INF], [0.0, -INF]]).requires_grad_()
    fastnn.logsumexp(x, 1)[1:].sum().backward() if hasattr(x, "__getitem__") else fastnn.logsumexp(x, 1).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[0, 0], [1, 0]])


def test_empty():
    e = fastnn.empty(0, 3)
    assert e.sum().item() == 0 and e.prod().item() == 1 and np.isnan(e.mean().item())
    assert e.sum(0).tolist() == [0, 0, 0] and e.sum(1).shape == (0,)
    assert e.any(0).tolist() == [False] * 3 and e.all(0).tolist() == [True] * 3
    assert np.isneginf(fastnn.logsumexp(e, 0).numpy()).all() and np.isnan(e.var(0).numpy()).all()
    assert e.cumsum(0).shape == (0, 3) and e.argmax(1).shape == (0,) and e.max(1).values.shape == (0,)
    for f in (fastnn.max, fastnn.min):
        with pytest.raises(RuntimeError, match=r"Expected reduction dim to be specified for input.numel\(\) == 0"):
            f(e)
        with pytest.raises(IndexError, match="Expected reduction dim 0 to have non-zero size"):
            f(e, 0)
    for f in (fastnn.argmax, fastnn.amax, fastnn.amin, fastnn.argmin):
        with pytest.raises((IndexError, RuntimeError)):
            f(e, 0)


def test_zero_d():
    x = fastnn.tensor(3.0)
    for dim in (None, 0, -1):
        assert x.sum(dim).item() == 3 and x.argmax(dim).item() == 0 and x.sum(dim, True).shape == ()
    assert x.max(0).indices.item() == 0 and x.cumsum(0).item() == 3 and x.any().item() is True
    with pytest.raises(IndexError):
        x.sum(1)


def test_errors():
    x = fastnn.empty(2, 3)
    with pytest.raises(IndexError, match=r"Dimension out of range \(expected to be in range of \[-2, 1\], but got 2\)"):
        x.sum(2)
    with pytest.raises(RuntimeError, match="dim 0 appears multiple times in the list of dims"):
        x.sum((0, -2))
    with pytest.raises(RuntimeError, match=r"mean\(\): could not infer output dtype"):
        x.long().mean()
    with pytest.raises(RuntimeError, match="std and var only support floating point"):
        x.long().var()
    with pytest.raises(TypeError):
        x.sum("0")
    with pytest.raises(ValueError, match="unknown order"):
        x.norm("nuclear")
    with pytest.raises(RuntimeError, match="not a broadcast"):
        sum_to(x, (2, 2))


def test_dtypes():
    for d in ("i4", "u1", "?"):
        x = t([[1, 0], [1, 1]], d)
        for f in (fastnn.sum, fastnn.prod):
            assert f(x).dtype is fastnn.int64 and f(x, 0).dtype is fastnn.int64
        assert x.cumsum(0).dtype is fastnn.int64 and x.max().dtype is x.dtype and x.argmax().dtype is fastnn.int64
        assert x.sum().item() == 3 and x.sum(0).tolist() == [2, 1]
    assert t([1, 2], "i8").sum(dtype=fastnn.float32).dtype is fastnn.float32
    assert t([1, 2], "i8").mean(dtype=fastnn.float32).item() == 1.5
    assert fastnn.full((300, 300), 200, dtype=fastnn.uint8).sum().item() == 18000000
    assert t(np.ones((1000, 300)), "?").sum(0).tolist() == [1000] * 300
    assert t(np.ones((3, 100000)), "?").sum(1).tolist() == [100000] * 3


def test_numpy_names():
    x = t(np.ones((2, 3)))
    assert x.sum(axis=0).shape == (3,) and x.mean(axis=(0, 1), keepdims=True).shape == (1, 1)
    assert fastnn.max(x, axis=1, keepdims=True).values.shape == (2, 1)
    assert fastnn.stack([x, x], axis=-1).shape == (2, 3, 2) and x.cumsum(axis=1)[:, 2].tolist() == [3, 3]
    assert fastnn.add(x1=x, x2=x).sum() == 12 and x.to(fastnn.complex64).sum(axis=0).real.tolist() == [2, 2, 2]
    with pytest.raises(TypeError, match="axis"):
        x.sum(0, axis=0, dim=0)


@pytest.mark.parametrize("shape,dim", [((1 << 20,), 0), ((1 << 16, 16), 0), ((16, 1 << 16), 1), ((1 << 16, 3), 0)])
def test_float_sums_are_accurate(shape, dim, rng):
    """The error of a float32 sum stays near one rounding of the terms' size, whatever the length: NumPy's does not."""
    x = rng.random(shape, "f4")
    exact = x.sum(dim, dtype="f8")
    assert np.abs(t(x, "f4").sum(dim).numpy() / exact - 1).max() < 3e-7
    assert np.abs(t(x, "f4").mean(dim).numpy() * shape[dim] / exact - 1).max() < 3e-7
    last = np.take(t(x, "f4").cumsum(dim).numpy(), -1, dim)
    assert np.abs(last / exact - 1).max() < 3e-7


def test_var_far_from_zero(rng):
    x = rng.standard_normal((3000, 7)).astype("f4") + 4096
    np.testing.assert_allclose(t(x, "f4").var(0).numpy(), x.var(0, ddof=1, dtype="f8"), rtol=1e-5)
    assert fastnn.full((100,), 1e8).var().item() == 0
    assert np.isnan(t([1.0]).var().item()) and t([1.0]).var(correction=0).item() == 0


def test_std_of_equal_values_has_gradient_zero():
    x = t([[2.0, 2, 2], [1, 2, 3]]).requires_grad_()
    x.std(1).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0, 0, 0], [-0.5, 0, 0.5]])
    z = t([[0.0, 0], [3, 4]]).requires_grad_()
    z.norm(2, 1).sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), [[0, 0], [0.6, 0.8]])


def test_prod_with_zeros_every_order():
    x = t([0.0, 2.0, 3.0]).requires_grad_()
    (g,) = fastnn.autograd.grad(x.prod(), x, create_graph=True)
    assert g.tolist() == [6, 0, 0]
    (h,) = fastnn.autograd.grad(g.sum(), x, create_graph=True)
    assert h.tolist() == [5, 3, 2]  # d/dx (x1 x2 + x0 x2 + x0 x1)
    (third,) = fastnn.autograd.grad(h.sum(), x)
    assert third.tolist() == [2, 2, 2]


def test_ties_share_the_gradient():
    x = t([[1.0, 3, 3], [2, 2, 2]]).requires_grad_()
    x.amax(1).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0, 0.5, 0.5], [1 / 3] * 3])
    y = t([3.0, 3, 1]).requires_grad_()
    y.max().backward()
    np.testing.assert_allclose(y.grad.numpy(), [0.5, 0.5, 0])


def test_nansum():
    x = t([[1.0, NAN], [NAN, NAN]])
    assert fastnn.nansum(x, 1).tolist() == [1, 0] and fastnn.nansum(x).item() == 1
    np.testing.assert_array_equal(fastnn.nanmean(x, 1).numpy(), [1, NAN])


def test_sum_to():
    x = t(np.ones((2, 3, 4, 5)))
    for shape in ((), (5,), (4, 1), (3, 1, 5), (1, 1, 1, 1), (2, 3, 4, 5), (3, 4, 5), (1, 3, 1, 5)):
        y = sum_to(x, shape)
        assert y.shape == shape and (y.numpy() == 120 / np.prod(shape)).all(), shape


def test_against_torch(rng):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((4, 5, 6))
    for name, kwargs in (
        ("sum", {}), ("sum", {"dim": (0, 2), "keepdim": True}), ("mean", {"dim": 1}), ("prod", {"dim": 2}), ("var", {"dim": (0, 1)}),
        ("std", {"dim": 1, "unbiased": False}), ("amax", {"dim": (0, 1)}), ("logsumexp", {"dim": (1, 2)}), ("norm", {"p": 3, "dim": 1}),
        ("norm", {"dim": (0, 1)}), ("norm", {"p": INF}), ("max", {}), ("min", {"dim": 1}), ("max", {"dim": -1, "keepdim": True}),
        ("cumsum", {"dim": 1}), ("cumprod", {"dim": 0}), ("median", {"dim": 1}),
    ):  # fmt: skip
        a, b = t(x).requires_grad_(), torch.tensor(x, requires_grad=True)
        ya, yb = getattr(fastnn, name)(a, **kwargs), getattr(torch, name)(b, **kwargs)
        if isinstance(ya, tuple):
            assert ya.indices.tolist() == yb.indices.tolist(), name
            ya, yb = ya.values, yb.values
        np.testing.assert_allclose(ya.detach().numpy(), yb.detach().numpy(), rtol=1e-12, err_msg=name)
        ya.sum().backward()
        yb.sum().backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


def test_sum_to_size(rng):
    x = fastnn.from_numpy(rng.standard_normal((3, 4, 5)))
    np.testing.assert_allclose(x.sum_to_size(4, 1).numpy(), x.numpy().sum((0, 2))[:, None])
    np.testing.assert_allclose(x.sum_to_size((5,)).numpy(), x.numpy().sum((0, 1)))
    assert x.sum_to_size(3, 4, 5) is x
    with pytest.raises(RuntimeError, match="sum_to"):
        x.sum_to_size(3, 5)
