"""fastnn.linalg against NumPy in float64, its derivatives against finite differences, and its errors."""

import numpy as np
import pytest

import fastnn as fn
from fastnn import linalg
from fastnn.autograd import gradcheck, gradgradcheck


def well_conditioned(rng, *shape):
    a = rng.standard_normal(shape)
    return a + 3 * np.eye(shape[-2], shape[-1])


def positive(rng, *shape):
    a = rng.standard_normal(shape)
    return a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])


SQUARE = [(1, 1), (3, 3), (2, 4, 4), (2, 1, 3, 3), (0, 3, 3), (0, 0)]
ANY = [(3, 3), (5, 3), (3, 5), (2, 4, 2), (1, 4)]


@pytest.mark.parametrize("shape", SQUARE, ids=str)
@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "eigvalsh", "svdvals", "cholesky"])
def test_square(rng, shape, name):
    a = positive(rng, *shape)
    got, want = getattr(linalg, name)(fn.from_numpy(a)), getattr(np.linalg, name)(a)
    for g, w in zip(got, want, strict=True) if name == "slogdet" else [(got, want)]:
        np.testing.assert_allclose(g.numpy(), w, 1e-9, 1e-9)
        assert g.shape == np.shape(w)


@pytest.mark.parametrize("shape", ANY, ids=str)
def test_factorizations_give_the_matrix_back(rng, shape):
    a = fn.from_numpy(rng.standard_normal(shape))
    u, s, vh = linalg.svd(a, full_matrices=False)
    np.testing.assert_allclose((u * s.unsqueeze(-2) @ vh).numpy(), a.numpy(), 1e-9, 1e-9)
    u, s, vh = linalg.svd(a)
    assert u.shape[-1] == shape[-2] and vh.shape[-1] == shape[-1] and u.shape[-1] == u.shape[-2]
    for mode in ("reduced", "complete"):
        q, r = linalg.qr(a, mode)
        np.testing.assert_allclose((q @ r).numpy(), a.numpy(), 1e-9, 1e-9)
    np.testing.assert_allclose(linalg.pinv(a).numpy(), np.linalg.pinv(a.numpy()), 1e-9, 1e-9)
    assert linalg.matrix_rank(a).tolist() == np.linalg.matrix_rank(a.numpy()).tolist()


@pytest.mark.parametrize(
    "f",
    [
        linalg.inv,
        linalg.det,
        lambda a: linalg.slogdet(a).logabsdet,
        lambda a: linalg.cholesky(a @ a.mT + fn.eye(3, dtype=a.dtype)),
        lambda a: linalg.eigvalsh(a + a.mT),
        lambda a: abs(linalg.eigh(a + a.mT).eigenvectors),
        lambda a: linalg.solve(a, a[..., 0]),
        lambda a: linalg.solve(a, a.sin(), left=False),
        lambda a: linalg.solve_triangular(a, a.sin(), upper=True),
        lambda a: linalg.matrix_power(a, -3),
        lambda a: linalg.matrix_exp(a),
        lambda a: linalg.cond(a),
    ],
)
@pytest.mark.parametrize("batch", [(), (2,)])
def test_derivatives_of_square_matrices(rng, f, batch):
    a = fn.from_numpy(well_conditioned(rng, *batch, 3, 3)).requires_grad_()
    assert gradcheck(f, a) and gradgradcheck(f, a)


@pytest.mark.parametrize(
    "f",
    [
        linalg.pinv,
        linalg.svdvals,
        lambda a: abs(linalg.svd(a, full_matrices=False).U),
        lambda a: abs(linalg.svd(a, full_matrices=False).Vh),
        lambda a: linalg.lstsq(a, a.sin()).solution,
        lambda a: linalg.matrix_norm(a, "nuc"),
        lambda a: linalg.matrix_norm(a, 2),
        lambda a: linalg.norm(a, 1),
    ],
)
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 4, 3)], ids=str)
def test_derivatives_of_any_matrices(rng, f, shape):
    if len(shape) == 3 and f(fn.ones(4, 3, dtype=fn.float64)).ndim == 0:
        shape = shape[1:]
    a = fn.from_numpy(rng.standard_normal(shape)).requires_grad_()
    assert gradcheck(f, a) and gradgradcheck(f, a)


def test_derivatives_of_qr(rng):
    a = fn.from_numpy(rng.standard_normal((2, 4, 3))).requires_grad_()
    for part in (0, 1):
        assert gradcheck(lambda x: linalg.qr(x)[part], a) and gradgradcheck(lambda x: linalg.qr(x)[part], a)  # noqa: B023
        assert gradcheck(lambda x: linalg.qr(x.mT)[part], a) and gradgradcheck(lambda x: linalg.qr(x.mT)[part], a)  # noqa: B023
        assert gradcheck(lambda x: linalg.qr(x.mT, "complete")[part], a)  # noqa: B023
    with pytest.raises(RuntimeError, match="derivative"):
        linalg.qr(a, "complete")[0].sum().backward()


@pytest.mark.parametrize("shape", [(4, 2), (2, 4)], ids=str)
def test_full_singular_vectors(rng, shape):
    """Orthonormal and complete; derivatives are those of the vectors that A determines."""
    a = fn.from_numpy(rng.standard_normal(shape)).requires_grad_()
    u, s, vh = linalg.svd(a)
    for q in (u, vh):
        np.testing.assert_allclose((q @ q.mT).detach().numpy(), np.eye(len(q)), atol=1e-12)
    sigma = np.zeros(shape)
    np.fill_diagonal(sigma, s.detach().numpy())
    np.testing.assert_allclose(u.detach().numpy() @ sigma @ vh.detach().numpy(), a.detach().numpy(), atol=1e-12)
    assert gradcheck(lambda x: abs(linalg.svd(x).U[..., :2]), a) and gradcheck(lambda x: abs(linalg.svd(x).Vh[..., :2, :]), a)


def test_the_gradient_of_eigenvectors_is_symmetric(rng):
    a = fn.from_numpy(rng.standard_normal((4, 4)))
    a = (a + a.mT).requires_grad_()
    (abs(linalg.eigh(a).eigenvectors) ** 3).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), a.grad.numpy().T, atol=1e-12)


def test_determinant_of_a_singular_matrix_has_a_derivative():
    a = fn.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    linalg.det(a).backward()
    np.testing.assert_allclose(a.grad.numpy(), [[4, -2], [-2, 1]], 1e-5)


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
@pytest.mark.parametrize("keepdim", [False, True])
def test_matrix_norms(rng, order, keepdim):
    a = rng.standard_normal((2, 3, 4))
    for axes in [(-2, -1), (0, 2), (2, 1)]:
        got = linalg.norm(fn.from_numpy(a), order, axes, keepdim)
        np.testing.assert_allclose(got.numpy(), np.linalg.norm(a, order, axes, keepdim), 1e-9)


def test_matrix_exp(rng):
    a = rng.standard_normal((4, 4))
    w, v = np.linalg.eig(a)
    np.testing.assert_allclose(linalg.matrix_exp(fn.from_numpy(a)).numpy(), (v * np.exp(w) @ np.linalg.inv(v)).real, 1e-9, 1e-9)


def test_products(rng):
    a, b = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    x, y = fn.from_numpy(a), fn.from_numpy(b)
    np.testing.assert_allclose(linalg.cross(x, y).numpy(), np.cross(a, b))
    np.testing.assert_allclose(linalg.vecdot(x, y).numpy(), (a * b).sum(-1))
    np.testing.assert_allclose(linalg.multi_dot([x[0], x.T, y, y[1]]).numpy(), a[0] @ a.T @ b @ b[1])
    assert fn.trace(x).item() == pytest.approx(np.trace(a))


@pytest.mark.parametrize(
    "call, kind",
    [
        (lambda: linalg.inv(fn.zeros(2, 2)), linalg.LinAlgError),
        (lambda: linalg.solve(fn.zeros(2, 2), fn.ones(2)), linalg.LinAlgError),
        (lambda: linalg.cholesky(-fn.eye(2)), linalg.LinAlgError),
        (lambda: linalg.inv(fn.zeros(2, 3)), RuntimeError),
        (lambda: linalg.inv(fn.zeros(3)), RuntimeError),
        (lambda: linalg.inv(fn.eye(3).long()), RuntimeError),
        (lambda: linalg.solve(fn.eye(3), fn.ones(4)), RuntimeError),
        (lambda: linalg.solve(fn.eye(3), fn.ones(3).double()), RuntimeError),
        (lambda: linalg.qr(fn.eye(3), "thin"), RuntimeError),
        (lambda: linalg.matrix_norm(fn.eye(3), 3), RuntimeError),
        (lambda: linalg.norm(fn.ones(2, 2, 2), 1), RuntimeError),
        (lambda: linalg.cross(fn.ones(2), fn.ones(2)), RuntimeError),
        (lambda: linalg.multi_dot([fn.eye(2)]), RuntimeError),
        (lambda: linalg.det([[1.0]]), TypeError),
    ],
)
def test_errors(call, kind):
    with pytest.raises(kind):
        call()


def test_out_of_functions_with_options():
    a = fn.tensor([[4.0, 1.0], [1.0, 3.0]])
    for f, args in ((linalg.inv, (a,)), (linalg.cholesky, (a,)), (linalg.multi_dot, ([a, a, a],)), (fn.nn.functional.normalize, (a,))):
        out = fn.zeros(2, 2)
        assert f(*args, out=out) is out
        np.testing.assert_array_equal(out.numpy(), f(*args).numpy())
    assert linalg.vander(fn.tensor(2.0), N=3).tolist() == [[1, 2, 4]]
    assert fn.lu_solve(fn.zeros(0, 4), fn.zeros(0, 0), fn.zeros(0, dtype=fn.int32)).shape == (0, 4)


def test_householder_products(rng):
    for shape in ((5, 3), (2, 4, 4), (0, 3, 2)):
        a = fn.tensor(rng.standard_normal(shape))
        h, tau = fn.geqrf(a)
        q = linalg.householder_product(h, tau)
        np.testing.assert_allclose((q @ fn.triu(h)[..., : shape[-1], :]).numpy(), a.numpy(), atol=1e-12)
        np.testing.assert_allclose(q.numpy(), fn.orgqr(h, tau).numpy())
        other = fn.tensor(rng.standard_normal((*shape[:-2], shape[-2], 2)))
        whole = fn.ormqr(h, tau, fn.eye(shape[-2], dtype=fn.float64).expand(*shape[:-2], shape[-2], shape[-2]))
        np.testing.assert_allclose(whole[..., : shape[-1]].numpy(), q.numpy(), atol=1e-12)
        np.testing.assert_allclose(fn.ormqr(h, tau, other, transpose=True).numpy(), (whole.mT @ other).numpy(), atol=1e-12)
        np.testing.assert_allclose(fn.ormqr(h, tau, other.mT, left=False).numpy(), (other.mT @ whole).numpy(), atol=1e-12)
    h, tau = (t.detach().requires_grad_() for t in fn.geqrf(fn.tensor(rng.standard_normal((4, 2)))))
    assert gradcheck(linalg.householder_product, (h, tau)) and gradgradcheck(linalg.householder_product, (h, tau))
    with pytest.raises(RuntimeError, match=r"householder_product: .*\[2, 3\]"):
        linalg.householder_product(fn.ones(2, 3), fn.ones(2))
    with pytest.raises(RuntimeError, match=r"ormqr: .*\[3, 2\].*\[3\]"):
        fn.ormqr(fn.ones(3, 2), fn.ones(3), fn.ones(3, 3))
