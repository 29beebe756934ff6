"""Sparse matrices against PyTorch's."""

import numpy as np
import pytest

import fastnn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:Sparse")
I, V = [[0, 1, 1, 2, 0], [2, 0, 2, 1, 2]], [3.0, 4.0, 5.0, 6.0, -1.0]


def both(f):
    """f of each library."""
    return f(fastnn), f(torch)


def test_products_and_their_derivatives(rng):
    dense = rng.standard_normal((4, 2))

    def run(lib):
        v = lib.tensor(V, dtype=lib.float64, requires_grad=True)
        x = lib.from_numpy(dense.copy()).requires_grad_()
        s = lib.sparse_coo_tensor(lib.tensor(I), v, (3, 4))
        y = lib.sparse.mm(s, x)
        (y**2).sum().backward()
        assert s.is_sparse and s.shape == (3, 4)
        other = (s.detach() * 2).t() @ y.detach()
        return [t.detach().numpy() for t in (y, v.grad, x.grad, s.to_dense(), s.coalesce().indices(), s.coalesce().values(), other)]

    for mine, theirs in zip(*both(run), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    s = fastnn.sparse_coo_tensor(I, fastnn.tensor(V), (3, 4))
    np.testing.assert_array_equal((fastnn.ones(2, 3) @ s.to_dense()).numpy(), (fastnn.sparse.mm(fastnn.ones(2, 3), s)).numpy())


def test_compressed_rows_and_conversions(rng):
    a = rng.standard_normal((3, 5)) * (rng.random((3, 5)) < 0.5)

    def run(lib):
        s = lib.from_numpy(a.copy()).to_sparse_csr()
        again = lib.sparse_csr_tensor(s.crow_indices(), s.col_indices(), s.values(), (3, 5))
        return [t.numpy() for t in (s.crow_indices(), s.col_indices(), s.values(), again.to_dense(), again @ lib.eye(5, dtype=lib.float64))]

    for mine, theirs in zip(*both(run), strict=True):
        np.testing.assert_allclose(mine, theirs)
    x = fastnn.from_numpy(a.copy()).requires_grad_()
    (x.to_sparse().to_dense() * 3).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 3.0 * (a != 0))


@pytest.mark.parametrize("call, kind, words", [
    (lambda: fastnn.sparse_coo_tensor([[0, 5], [0, 1]], [1.0, 2.0], (3, 3)), IndexError, "index 5 is out of bounds"),
    (lambda: fastnn.sparse_coo_tensor([[0, -1], [0, 1]], [1.0, 2.0], (3, 3)), IndexError, "index -1 is out of bounds"),
    (lambda: fastnn.sparse_coo_tensor([[0, 1]], [1.0, 2.0]), RuntimeError, r"expected indices \(2, n\)"),
    (lambda: fastnn.sparse_coo_tensor([[0], [1]], [1.0, 2.0]), RuntimeError, r"expected indices \(2, n\)"),
    (lambda: fastnn.sparse_csr_tensor([0, 1], [7], [1.0], (1, 3)), IndexError, "sparse_csr_tensor: index 7 is out of bounds"),
    (lambda: fastnn.sparse_csr_tensor([0, 1, 9], [0, 1], [1.0, 2.0]), RuntimeError, "must rise from 0"),
    (lambda: fastnn.sparse_csr_tensor([0, 3, 2], [0, 1], [1.0, 2.0]), RuntimeError, "must rise from 0"),
    (lambda: fastnn.sparse_csr_tensor([1, 3], [0, 1], [1.0, 2.0]), RuntimeError, "must rise from 0"),
    (lambda: fastnn.sparse_csr_tensor([], [], []), RuntimeError, "must rise from 0"),
    (lambda: fastnn.sparse_csr_tensor([[0, 1]], [0], [1.0]), RuntimeError, "must rise from 0"),
    (lambda: fastnn.sparse.mm(fastnn.eye(3).to_sparse(), fastnn.ones(4, 2)), RuntimeError, "cannot be multiplied"),
    (lambda: fastnn.sparse.mm(fastnn.eye(3).to_sparse(), fastnn.eye(3).to_sparse()), NotImplementedError, "must be dense"),
    (lambda: fastnn.eye(3).to_sparse() * fastnn.eye(3), NotImplementedError, "only products with numbers"),
    (lambda: fastnn.ones(3).to_sparse(), RuntimeError, "only matrices"),
])  # fmt: skip
def test_bad_input(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_sums_and_layouts():
    def run(lib):
        v = lib.tensor(V, dtype=lib.float64, requires_grad=True)
        s = lib.sparse_coo_tensor(lib.tensor(I), v, (3, 4))
        sums = [lib.sparse.sum(s), lib.sparse.sum(s, 0).to_dense(), lib.sparse.sum(s, dim=-1).to_dense(), lib.sparse.sum(s, (0, 1))]
        (sums[1] * lib.arange(4)).sum().backward()
        assert s.layout == lib.sparse_coo and s.detach().coalesce().to_sparse_csr().layout == lib.sparse_csr
        return [t.detach().numpy() for t in (*sums, v.grad)]

    for ours, theirs in zip(*both(run), strict=True):
        np.testing.assert_allclose(ours, theirs)


@pytest.mark.parametrize("values, size", [([3.0, 4.0, 5.0], (2, 4)), ([], (2, 2)), (list(range(40)), (2, 40))])
@pytest.mark.parametrize("layout", ["to_sparse", "to_sparse_csr"])
def test_prints_as_torch(values, size, layout):
    a = np.zeros(size)
    a.flat[: len(values)] = values
    theirs, ours = (getattr(t.from_numpy(a), layout)() for t in (torch, fastnn))
    assert repr(ours).replace("fastnn", "torch") == repr(theirs)
