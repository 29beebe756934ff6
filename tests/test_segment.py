"""Sums by segment and sparse products against PyTorch in float64, and with bad input."""

import numpy as np
import pytest

import fastnn
from fastnn.autograd import gradcheck, gradgradcheck

torch = pytest.importorskip("torch")


def both(run, *arrays):
    """(fastnn's results, torch's): the value of run(lib, *tensors) and the gradient of its cubes with respect to each tensor."""
    results = []
    for lib in (fastnn, torch):
        tensors = [lib.from_numpy(a.copy()).requires_grad_() for a in arrays]
        y = run(lib, *tensors)
        (y * y * y).sum().backward()
        results.append([t.detach().numpy() for t in (y, *(t.grad for t in tensors))])
    return results


@pytest.mark.parametrize("name, torch_name", [("sum", "sum"), ("mean", "mean"), ("max", "amax"), ("min", "amin")])
@pytest.mark.parametrize("shape", [(40,), (40, 3), (40, 2, 3), (40, 65)])
def test_segments_equal_scatter_reduce(name, torch_name, shape, rng):
    ids = rng.integers(0, 8, 40)
    ids[:8] = range(8)

    def run(lib, x):
        i = lib.from_numpy(ids)
        if lib is fastnn:
            return getattr(fastnn, f"segment_{name}")(x, i)
        i = i.reshape(-1, *[1] * (len(shape) - 1)).expand(shape)
        return torch.zeros(8, *shape[1:], dtype=torch.float64).scatter_reduce(0, i, x, torch_name, include_self=False)

    for a, b in zip(*both(run, rng.standard_normal(shape)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 5), (6,), (6, 3, 4)])
def test_csr_matmul_equals_torch(shape, rng):
    a = np.where(rng.random((9, 6)) < 0.4, rng.standard_normal((9, 6)), 0)
    (row, col), crow = np.nonzero(a), np.concatenate([[0], np.cumsum((a != 0).sum(1))])

    def run(lib, values, dense):
        if lib is fastnn:
            return fastnn.csr_matmul(fastnn.from_numpy(crow), fastnn.tensor(col, dtype=fastnn.int32), values, dense)
        matrix = torch.zeros(9, 6, dtype=torch.float64).index_put((torch.from_numpy(row), torch.from_numpy(col)), values)
        return torch.tensordot(matrix, dense, 1)

    for mine, theirs in zip(*both(run, a[row, col], rng.standard_normal(shape)), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


def test_every_head_has_its_own_values(rng):
    crow, col = fastnn.tensor([0, 2, 2, 5]), fastnn.tensor([1, 0, 2, 2, 3])
    values, dense = (fastnn.from_numpy(rng.standard_normal(s)).requires_grad_() for s in ((5, 2), (4, 2, 3)))
    y = fastnn.csr_matmul(crow, col, values, dense)
    for h in range(2):
        alone = fastnn.csr_matmul(crow, col, values[:, h], dense[:, h])
        np.testing.assert_allclose(y.detach().numpy()[:, h], alone.detach().numpy())
    assert gradcheck(lambda v, d: fastnn.csr_matmul(crow, col, v, d), (values, dense))
    assert gradgradcheck(lambda v, d: fastnn.csr_matmul(crow, col, v, d), (values, dense))


def test_empty_segments_nan_and_ties():
    x, ids = fastnn.tensor([[1.0], [1.0], [float("nan")], [2.0]]).requires_grad_(), fastnn.tensor([0, 0, 2, 2])
    most = fastnn.segment_max(x, ids, 4)
    np.testing.assert_array_equal(most.detach().numpy()[:, 0], [1, -np.inf, np.nan, -np.inf])
    np.testing.assert_array_equal(fastnn.segment_min(x, ids, 2 + 1).detach().numpy()[:, 0], [1, np.inf, np.nan])
    np.testing.assert_array_equal(fastnn.segment_mean(x, ids, 4).detach().numpy()[[0, 1, 3], 0], [1, 0, 0])
    (gradient,) = fastnn.autograd.grad(most[0], x)
    np.testing.assert_array_equal(gradient.numpy()[:, 0], [1, 0, 0, 0])  # the first of equals
    assert fastnn.segment_sum(fastnn.zeros(0, 3), fastnn.tensor([], dtype=fastnn.int64)).shape == (0, 3)
    assert fastnn.segment_softmax(fastnn.zeros(0, 3), fastnn.tensor([], dtype=fastnn.int64)).shape == (0, 3)


def test_softmax_of_large_scores_sums_to_one(rng):
    x, ids = fastnn.from_numpy(rng.standard_normal((50, 4)) * 100), fastnn.from_numpy(rng.integers(0, 7, 50))
    p = fastnn.segment_softmax(x, ids, 7)
    np.testing.assert_allclose(fastnn.segment_sum(p, ids, 7).numpy(), 1)


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "prod"])
@pytest.mark.parametrize("initial", [None, 0.5])
def test_segment_reduce_equals_torch(reduce, initial, rng):
    x = rng.standard_normal((2, 6, 3))
    for lengths, data in (([3, 0, 3], x[0]), ([[3, 0, 3], [1, 5, 0]], x), ([2, 4], x[1, :, 0])):
        results = []
        for lib in (fastnn, torch):
            for options in ({"lengths": lib.tensor(lengths)}, {"offsets": lib.tensor([[0, *np.cumsum(n)] for n in np.atleast_2d(lengths)])}):
                if data.ndim < 3 and "offsets" in options:
                    options["offsets"] = options["offsets"][0]
                leaf = lib.from_numpy(data.copy()).requires_grad_()
                y = lib.segment_reduce(leaf, reduce, axis=np.ndim(lengths) - 1, initial=initial, **options)
                (lib.where(lib.isfinite(y), y, 0.0) ** 2).sum().backward()
                results.append((y.detach().numpy(), leaf.grad.numpy()))
        for y, gradient in results:
            np.testing.assert_allclose(y, results[-1][0], rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(gradient, results[-1][1], rtol=1e-12, atol=1e-12)


X = fastnn.ones(3, 2)
IDS = fastnn.tensor([0, 1, 1])
COL = fastnn.tensor([0, 1])
V = fastnn.ones(2)
BAD = [
    (lambda: fastnn.segment_sum(X, fastnn.tensor([0, 1, 2]), 2), IndexError, "index 2 is out of bounds"),
    (lambda: fastnn.segment_max(X, fastnn.tensor([0, -1, 1])), IndexError, "index -1 is out of bounds"),
    (lambda: fastnn.segment_softmax(X, fastnn.tensor([0, 5, 1]), 3), IndexError, "index 5 is out of bounds"),
    (lambda: fastnn.segment_sum(X, fastnn.tensor([0, 1])), RuntimeError, r"one id a row of data, got \[2\] ids and data of shape \[3, 2\]"),
    (lambda: fastnn.segment_sum(X, fastnn.ones(3)), RuntimeError, "expected segment_ids of dtype int64"),
    (lambda: fastnn.segment_sum(X, IDS.reshape(3, 1)), RuntimeError, "in one axis"),
    (lambda: fastnn.segment_mean(IDS, IDS), RuntimeError, "expected data of a floating dtype, got int64"),
    (lambda: fastnn.segment_sum(3.0, IDS), TypeError, "expected data to be a Tensor"),
    (lambda: fastnn.segment_sum(X, IDS, -1), ValueError, "must not be negative"),
    (lambda: fastnn.csr_matmul(fastnn.tensor([0, 1]), COL, V, X), ValueError, "from 0 to the number of entries, 2, got 0 to 1"),
    (lambda: fastnn.csr_matmul(fastnn.tensor([0, 2, 1, 2]), COL, V, X), ValueError, "must not fall, got 1 after 2"),
    (lambda: fastnn.csr_matmul(fastnn.tensor([0, 2]), fastnn.tensor([0, 3]), V, X), IndexError, "index 3 is out of bounds"),
    (lambda: fastnn.csr_matmul(fastnn.tensor([0, 2]), COL, fastnn.ones(3), X), RuntimeError, "expected values of shape"),
    (lambda: fastnn.csr_matmul(fastnn.tensor([0, 2]), COL, V.double(), X), RuntimeError, "of one type"),
    (lambda: fastnn.csr_matmul(COL[:0], COL, V, X), RuntimeError, "one entry more"),
    (lambda: fastnn.segment_reduce(X, "sum"), RuntimeError, "Either lengths or offsets"),
    (lambda: fastnn.segment_reduce(X, "median", lengths=COL), RuntimeError, "must be either sum"),
    (lambda: fastnn.segment_reduce(X, "sum", lengths=COL), RuntimeError, "to sum to data.size"),
    (lambda: fastnn.segment_reduce(X, "sum", lengths=fastnn.tensor([4, -1])), RuntimeError, "negative"),
    (lambda: fastnn.segment_reduce(X, "sum", lengths=fastnn.tensor([3]), axis=1), RuntimeError, "last dimension of lengths"),
]


@pytest.mark.parametrize("call, kind, words", BAD, ids=range(len(BAD)))
def test_bad_input(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
