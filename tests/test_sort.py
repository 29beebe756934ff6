"""Sorting: special values, stability, ties, errors, derivatives; PyTorch as a second oracle."""

import numpy as np
import pytest

import fastnn

NAN, INF = np.nan, np.inf
SPECIAL = [NAN, 1.0, -0.0, INF, 0.0, -INF, -1.0, NAN, 5e-324, -5e-324]


def t(values, dtype="float64"):
    return fastnn.from_numpy(np.array(values, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("repeat", [1, 20])
def test_special_values(dtype, repeat):
    x = np.array(SPECIAL * repeat, dtype)
    values, index = fastnn.sort(t(x, dtype))
    expected = np.argsort(x, kind="stable")
    np.testing.assert_array_equal(index.numpy(), expected)
    np.testing.assert_array_equal(values.numpy(), x[expected])
    np.testing.assert_array_equal(np.signbit(values.numpy()), np.signbit(x[expected]))
    down = fastnn.sort(t(x, dtype), descending=True)
    assert np.isnan(down.values.numpy()[: 2 * repeat]).all() and down.indices.numpy()[0] == 0
    top = fastnn.topk(t(x, dtype), 3)
    np.testing.assert_array_equal(top.values.numpy(), down.values.numpy()[:3])
    np.testing.assert_array_equal(top.indices.numpy(), down.indices.numpy()[:3])


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool", "float32", "float64"])
@pytest.mark.parametrize("n", [0, 1, 2, 39, 41, 1000, 140000])
def test_stable_in_every_dtype(dtype, n, rng):
    x = rng.integers(-100, 100, n).astype(dtype)
    np.testing.assert_array_equal(fastnn.argsort(t(x, dtype)).numpy(), np.argsort(x, kind="stable"))
    values, index = fastnn.sort(t(x, dtype), descending=True)
    assert (np.diff(values.numpy().astype("i8")) <= 0).all()
    same = np.diff(values.numpy().astype("i8")) == 0
    assert (np.diff(index.numpy())[same] > 0).all()
    np.testing.assert_array_equal(x[index.numpy()], values.numpy())


def test_extreme_integers():
    x = np.array([2**63 - 1, -(2**63), 0, -1, 1], "i8")
    assert fastnn.argsort(t(x, "i8")).tolist() == [1, 3, 2, 4, 0]
    assert fastnn.topk(t(x, "i8"), 2).indices.tolist() == [0, 4]


@pytest.mark.parametrize("k", [1, 3, 100, 900, 5000])
def test_topk_of_hard_orders(k, rng):
    n = 20000
    for x in (np.arange(n), np.arange(n)[::-1], np.zeros(n), rng.integers(0, 5, n)):
        x = x.astype("f4")
        for largest in (True, False):
            values, index = fastnn.topk(t(x, "f4"), k, largest=largest)
            expected = fastnn.sort(t(x, "f4"), descending=largest)
            np.testing.assert_array_equal(values.numpy(), expected.values.numpy()[:k])
            np.testing.assert_array_equal(index.numpy(), expected.indices.numpy()[:k])


def test_errors():
    x = fastnn.empty(2, 3)
    with pytest.raises(IndexError, match="Dimension out of range"):
        x.sort(2)
    for k in (4, -1):
        with pytest.raises(RuntimeError, match="selected index k out of range"):
            x.topk(k)
    with pytest.raises(RuntimeError, match="selected number k out of range"):
        x.kthvalue(0)
    with pytest.raises(RuntimeError, match="boundaries tensor must be 1 dimension"):
        fastnn.bucketize(x, x)
    with pytest.raises(RuntimeError, match="same dtype"):
        fastnn.searchsorted(x.double(), x)
    with pytest.raises(TypeError):
        x.topk(1.5)


def test_empty_and_zero_d():
    e = fastnn.empty(0, 3)
    assert e.sort(0).values.shape == (0, 3) and e.argsort(1).shape == (0, 3) and fastnn.unique(e).shape == (0,)
    assert e.topk(0, 0).values.shape == (0, 3)
    x = fastnn.tensor(2.0)
    assert x.sort().values.item() == 2 and x.argsort().item() == 0 and x.topk(1).values.item() == 2 and x.median().item() == 2


def test_median():
    assert t([3.0, 1, 2, 4]).median().item() == 2
    assert np.isnan(t([3.0, NAN, 2]).median().item())
    values, index = t([[3.0, NAN, 2, NAN], [3, 1, 2, 0]]).median(1)
    assert np.isnan(values.numpy()[0]) and values.tolist()[1] == 1 and index.tolist() == [1, 1]
    with pytest.raises(IndexError):
        fastnn.empty(0, 3).median(0)


def test_unique():
    x = t([[3.0, 1], [3, -0.0], [0, 3]])
    y, inverse, counts = fastnn.unique(x, return_inverse=True, return_counts=True)
    assert y.tolist() == [0, 1, 3] and inverse.tolist() == [[2, 1], [2, 0], [0, 2]] and counts.tolist() == [2, 1, 3]
    assert fastnn.unique(t([True, False, True], "?")).tolist() == [False, True]
    assert np.isnan(fastnn.unique(t([NAN, 1.0, NAN])).numpy()[1:]).all()


def test_searchsorted():
    edges = t([1.0, 2, 2, 3])
    assert fastnn.searchsorted(edges, t([0.0, 2, 3, 9, NAN])).tolist() == [0, 1, 3, 4, 4]
    assert fastnn.searchsorted(edges, t([0.0, 2, 3, 9]), side="right").tolist() == [0, 3, 4, 4]
    assert fastnn.bucketize(t([[0.5, 2.5]]), edges).tolist() == [[0, 3]]
    assert fastnn.searchsorted(edges, 2.5).item() == 3


def test_against_torch(rng):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((5, 70, 3))
    x[0, 0, 0] = NAN
    for name, kwargs in (
        ("sort", {"dim": 1}), ("sort", {"dim": 0, "descending": True}), ("topk", {"k": 4, "dim": 1}),
        ("topk", {"k": 3, "dim": 2, "largest": False}), ("kthvalue", {"k": 7, "dim": 1}), ("median", {"dim": 1}),
    ):  # fmt: skip
        a, b = t(x).requires_grad_(), torch.tensor(x, requires_grad=True)
        ya, yb = getattr(fastnn, name)(a, **kwargs), getattr(torch, name)(b, **kwargs)
        np.testing.assert_array_equal(ya.values.detach().numpy(), yb.values.detach().numpy(), err_msg=name)
        np.testing.assert_array_equal(ya.indices.numpy(), yb.indices.numpy(), err_msg=name)
        g = rng.standard_normal(ya.values.shape)
        ya.values.backward(t(g))
        yb.values.backward(torch.tensor(g))
        np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy(), err_msg=name)


def test_median_of_all_shares_its_gradient():
    x = fastnn.tensor([1.0, 2, 2, float("nan"), 3, 2], requires_grad=True)
    np.testing.assert_allclose(fastnn.autograd.grad(x.nanmedian(), x)[0].numpy(), [0, 1 / 3, 1 / 3, 0, 0, 1 / 3], rtol=1e-6)
    assert fastnn.autograd.grad(x[:3].median(), x)[0].tolist() == [0, 0.5, 0.5, 0, 0, 0]
    assert fastnn.autograd.grad(x[:3].median(0).values, x)[0].sum() == 1  # with dim, one element has it
    assert fastnn.tensor([[4, 2], [3, 1]]).median().item() == 2 and fastnn.tensor([5.0]).nanmedian().item() == 5
    assert all(np.isnan(t.nanmedian().item()) for t in (fastnn.zeros(0), fastnn.tensor([float("nan")] * 2)))
