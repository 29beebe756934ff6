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
    (lambda: fastnn.sparse.mm(fastnn.eye(3).to_sparse(), fastnn.eye(4).to_sparse()), RuntimeError, "cannot be multiplied"),
    (lambda: fastnn.eye(3).to_sparse() + fastnn.eye(4).to_sparse(), RuntimeError, "must have the same shape"),
    (lambda: fastnn.cat([fastnn.eye(3).to_sparse(), fastnn.eye(4).to_sparse()]), RuntimeError, "differ only along dim"),
    (lambda: fastnn.eye(3).to_sparse() / fastnn.eye(3).to_sparse(), NotImplementedError, "div: only"),
    (lambda: fastnn.eye(3).to_sparse() ** -1, NotImplementedError, "0 would not stay 0"),
    (lambda: fastnn.einsum("ij,jk", fastnn.eye(3).to_sparse(), fastnn.eye(3)), NotImplementedError, "einsum: not implemented for sparse"),
    (lambda: fastnn.eye(3).to_sparse()[3], IndexError, "index 3 is out of bounds"),
    (lambda: fastnn.sparse.spdiags(fastnn.ones(2, 3), [0, 0], (3, 3)), RuntimeError, "different offsets"),
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


ALGEBRA = """a+b a-b a*b a@b a*d d*a d+a d-a a/2 a**2 a@b@x torch.mm(a,x) torch.matmul(a,x) torch.addmm(x,a,x,alpha=2) torch.add(a,b)
torch.abs(a) torch.relu(a) a.tanh() torch.cat([a,b]) torch.cat([a,b],1) a.index_select(0,i) a.index_select(1,i) torch.index_select(a,1,i)
F.linear(a,x.t()) a[1] torch.sum(a) torch.transpose(a,0,1) a.data+b""".split()
OURS = ["a/d"]
OF_SPARSE = """torch.sparse.addmm(x,a,x) torch.sparse.softmax(a,1) torch.sparse.softmax(a,dim=0) torch.sparse.log_softmax(a,1) torch.sparse.sum(a*b)
a.mul_(2) torch.sparse.spdiags(d[:2],torch.tensor([1,-2]),(4,4))""".split()


def names(lib, rng):
    """a and b: sparse, from values that are leaves; d: dense; x: two columns."""
    found = {"torch": lib, "F": lib.nn.functional, "i": lib.tensor([2, 0, 2])}
    for name in "ab":
        where = np.argwhere(rng.random((4, 4)) < 0.6).T
        found[f"{name}_values"] = lib.from_numpy(rng.standard_normal(where.shape[1])).requires_grad_()
        found[name] = lib.sparse_coo_tensor(lib.tensor(where), found[f"{name}_values"], (4, 4)).coalesce()
    for name, shape in (("d", (4, 4)), ("x", (4, 2))):
        found[name] = lib.from_numpy(rng.standard_normal(shape) + 3)
    return found


@pytest.mark.parametrize("text", ALGEBRA + OF_SPARSE)
def test_algebra_is_pytorchs(text):
    results = []
    for lib in (fastnn, torch):
        with lib.no_grad():
            y = eval(text, names(lib, np.random.default_rng(3)))
        results.append((y.is_sparse or text == "a[1]", (y.to_dense() if y.is_sparse else y).numpy()))
    assert results[0][0] or not results[1][0]
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-12)


@pytest.mark.parametrize("text", ALGEBRA + OURS)
def test_derivatives_of_algebra_are_those_of_dense_matrices(text):
    results = []
    for dense in (False, True):
        found = names(fastnn, np.random.default_rng(3))
        if dense:
            found |= {name: found[name].to_dense() for name in "ab"}
        y = eval(text, found).to_dense()
        (y * fastnn.arange(1.0, y.numel() + 1).reshape(y.shape)).sum().backward()
        results.append([y.detach().numpy(), *(v.grad.numpy() for v in (found["a_values"], found["b_values"]) if v.grad is not None)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_softmax_of_entries(rng):
    found = names(fastnn, rng)
    y, z = (getattr(fastnn.sparse, name)(found["a"], 1) for name in ("softmax", "log_softmax"))
    g, h = (fastnn.autograd.grad((v * fastnn.arange(1.0, v.numel() + 1)).sum(), found["a_values"], retain_graph=True)[0] for v in (y.values().log(), z.values()))
    np.testing.assert_allclose(g.numpy(), h.numpy(), rtol=1e-9)


def test_a_matrix_is_a_tensor_to_modules_and_files(tmp_path):
    s = fastnn.sparse_coo_tensor(I, fastnn.tensor(V), (3, 4))
    module = fastnn.nn.Module()
    module.register_buffer("adjacency", s)
    assert isinstance(s, fastnn.Tensor) and module.double().adjacency.dtype is fastnn.float64
    fastnn.save(module.state_dict(), tmp_path / "m")
    again = fastnn.load(tmp_path / "m")["adjacency"]
    assert again.is_sparse and fastnn.equal(again.to_dense(), s.to_dense().double())
