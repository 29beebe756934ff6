"""Linear algebra of complex matrices, and eigenvalues of any, against NumPy's and finite differences."""

import math

import numpy as np
import pytest

import fastnn
from complex_checks import check_against_torch, check_gradients, draw


def test_linear_algebra(rng):
    a, b = draw(rng, 2, 3, 3), draw(rng, 2, 3, 2)
    la, t = fastnn.linalg, fastnn.tensor(a)
    np.testing.assert_allclose(la.inv(t).numpy(), np.linalg.inv(a), rtol=1e-10)
    np.testing.assert_allclose(la.solve(t, fastnn.tensor(b)).numpy(), np.linalg.solve(a, b), rtol=1e-10)
    np.testing.assert_allclose(la.det(t).numpy(), np.linalg.det(a), rtol=1e-12)
    np.testing.assert_allclose(la.pinv(fastnn.tensor(b)).numpy(), np.linalg.pinv(b), rtol=1e-10)
    np.testing.assert_allclose(la.matrix_power(t, 5).numpy(), np.linalg.matrix_power(a, 5), rtol=1e-10)
    values, vectors = np.linalg.eig(a)
    np.testing.assert_allclose(la.matrix_exp(t).numpy(), vectors @ (np.exp(values)[..., None] * np.linalg.inv(vectors)), rtol=1e-9)
    for f in (la.inv, la.det, la.matrix_exp, la.pinv, lambda z: la.matrix_power(z, -2)):
        check_gradients(f, a[0])
    check_gradients(la.solve, a[0], b[0])
    hermitian = a + a.conj().swapaxes(-1, -2)
    found = la.eigh(fastnn.tensor(hermitian))
    np.testing.assert_allclose(found.eigenvalues.numpy(), np.linalg.eigvalsh(hermitian), rtol=1e-10)
    np.testing.assert_allclose((found.eigenvectors * found.eigenvalues.unsqueeze(-2) @ found.eigenvectors.mH).numpy(), hermitian, atol=1e-12)
    check_gradients(lambda z: la.eigvalsh(z + z.mH) ** 2 * (1 + 0j), a[0])
    check_gradients(lambda z: la.eigh(z + z.mH)[1].abs() ** 2 * fastnn.tensor(hermitian[0]), a[0])
    sign, size = la.slogdet(t)
    np.testing.assert_allclose((sign * size.exp()).numpy(), np.linalg.det(a))
    check_gradients(lambda z: fastnn.logdet(z).real + la.slogdet(z)[0], a[0])


def test_factorizations(rng):
    la, eye = fastnn.linalg, fastnn.eye(3, dtype=fastnn.float64)
    for a in (draw(rng, 3, 3), draw(rng, 4, 3), draw(rng, 3, 4)):
        t = fastnn.tensor(a)
        q, r = la.qr(t)
        np.testing.assert_allclose((q @ r).numpy(), a, atol=1e-14)
        np.testing.assert_allclose((q.mH @ q).numpy(), np.eye(3), atol=1e-14)
        u, s, vh = la.svd(t, full_matrices=False)
        np.testing.assert_allclose((u * s @ vh).numpy(), a, atol=1e-14)
        np.testing.assert_allclose(la.svdvals(t).numpy(), np.linalg.svd(a, compute_uv=False))
        for order in ("nuc", 2, -2, "fro", 1, math.inf):
            np.testing.assert_allclose(la.matrix_norm(t, order).numpy(), np.linalg.norm(a, order))
        check_gradients(lambda z: la.svdvals(z) * (1 + 1j), a)
        weights = fastnn.tensor(draw(rng, *a.shape))
        check_gradients(lambda z: (lambda u, s, vh: (u * s**2 @ vh) * weights)(*la.svd(z, full_matrices=False)), a)  # noqa: B023
        if a.shape[0] >= a.shape[1]:
            check_gradients(lambda z: la.qr(z)[0] * weights, a)  # noqa: B023
            check_gradients(lambda z: la.qr(z)[1] * weights[:3], a)  # noqa: B023
    a = draw(rng, 3, 3)
    lower = la.cholesky(fastnn.tensor(a) @ fastnn.tensor(a).mH + eye)
    np.testing.assert_allclose((lower @ lower.mH).numpy(), a @ a.conj().T + np.eye(3))
    check_gradients(lambda z: la.cholesky(z @ z.mH + eye) * weights[:3, :3], a)
    check_gradients(lambda z: la.cholesky(z @ z.mH + eye, upper=True), a)
    with pytest.raises(la.LinAlgError):
        la.cholesky(fastnn.tensor([[1, 2j], [-2j, 1]]))


def test_eigenvalues_of_any_matrix(rng):
    x = rng.standard_normal((2, 4, 4))
    values, vectors = fastnn.linalg.eig(fastnn.tensor(x))
    np.testing.assert_allclose((vectors @ fastnn.diag_embed(values) @ fastnn.linalg.inv(vectors)).real.numpy(), x, atol=1e-12)
    np.testing.assert_allclose(np.sort_complex(fastnn.linalg.eigvals(fastnn.tensor(x)).numpy()), np.sort_complex(np.linalg.eigvals(x)))
    weights = fastnn.tensor(rng.standard_normal((4, 4)))
    for a in (x[0], draw(rng, 4, 4)):
        check_gradients(lambda z: fastnn.linalg.eigvals(z).abs() ** 2, a)
        check_gradients(lambda z: fastnn.linalg.eig(z)[1].abs() ** 2 * weights, a)
    for bad, error in [(fastnn.ones(2, 3), RuntimeError), (fastnn.ones(2, 2).long(), RuntimeError), (fastnn.full((2, 2), math.nan), RuntimeError)]:
        with pytest.raises(error):
            fastnn.linalg.eig(bad)


@pytest.mark.parametrize("name", (
    "solve_triangular cholesky_solve cholesky_inverse inv_ex cholesky_ex solve_ex tensorinv tensorsolve multi_dot matrix_rank cond lstsq svd "
    "svd_lowrank qr vander lu lu_solve householder_product"
).split())  # fmt: skip
def test_composed_as_in_pytorch(name, rng):
    square, tall = draw(rng, 2, 4, 4), draw(rng, 2, 5, 3)
    right, left = draw(rng, 2, 4, 3), draw(rng, 2, 3, 4)
    positive = square @ square.conj().swapaxes(-1, -2) + 4 * np.eye(4)
    lower = np.linalg.cholesky(positive)

    def product(u, s, v):
        return (u * s.unsqueeze(-2)) @ v

    cases = {
        "solve_triangular": [(lambda lib, a, b, o=o: lib.linalg.solve_triangular(a.tril() if not o[0] else a.triu(), b if o[1] else b.mT, upper=o[0], left=o[1], unitriangular=o[2]), square, right)
                             for o in ((True, True, False), (False, True, True), (True, False, False))],
        "cholesky_solve": [(lambda lib, a, b: lib.cholesky_solve(b, a.tril()), lower, right), (lambda lib, a, b: lib.cholesky_solve(b, a.tril().mH, upper=True), lower, right)],
        "cholesky_inverse": [(lambda lib, a: lib.cholesky_inverse(a.tril()), lower), (lambda lib, a: lib.cholesky_inverse(a.tril().mH, upper=True), lower)],
        "inv_ex": [(lambda lib, a: tuple(lib.linalg.inv_ex(a)), square)],
        "cholesky_ex": [(lambda lib, a: tuple(lib.linalg.cholesky_ex(a @ a.mH)), square)],
        "solve_ex": [(lambda lib, a, b: tuple(lib.linalg.solve_ex(a, b)), square, right)],
        "tensorinv": [(lambda lib, a: lib.linalg.tensorinv(a.reshape(2, 2, 4), ind=2), square[0])],
        "tensorsolve": [(lambda lib, a, b: lib.linalg.tensorsolve(a.reshape(2, 2, 4), b.reshape(2, 2)), square[0], square[1, 0])],
        "multi_dot": [(lambda lib, a, b, c: lib.linalg.multi_dot([a[0], b[0], c[0]]), left, right, left), (lambda lib, a, b, c: lib.linalg.multi_dot([a[0, 0], b[0], c[0, :, 0]]), left, right, left)],
        "matrix_rank": [(lambda lib, a: (a, lib.linalg.matrix_rank(a), lib.linalg.matrix_rank(a @ a.mH, hermitian=True), lib.linalg.matrix_rank(a, atol=2.0)), tall)],
        "cond": [(lambda lib, a, p=p: lib.linalg.cond(a, p), square) for p in (None, -2)],
        "lstsq": [(lambda lib, a, b: lib.linalg.lstsq(a, b)[0], tall, draw(rng, 2, 5, 2))],
        "svd": [(lambda lib, a: [s := lib.linalg.svd(a)] and (s[1], product(s[0][..., :3], s[1], s[2])), tall),
                (lambda lib, a: [s := lib.linalg.svd(a.mT)] and product(s[0], s[1], s[2][..., :3, :]), tall), (lambda lib, a: [s := lib.svd(a)] and product(s[0], s[1], s[2].mH), tall)],
        "lu": [(lambda lib, a: tuple(lib.linalg.lu(a)), a) for a in (square, tall, tall.swapaxes(-1, -2).copy())] + [(lambda lib, a: tuple(lib.linalg.lu_factor_ex(a)), square)],
        "lu_solve": [(lambda lib, a, b, o=o: lib.linalg.lu_solve(*lib.linalg.lu_factor(a), b if o[0] else b.mT, left=o[0], adjoint=o[1]), square, right)
                     for o in ((True, False), (True, True), (False, False), (False, True))],
        "householder_product": [(lambda lib, a, t: lib.linalg.householder_product(a, t), tall, draw(rng, 2, 3)), (lambda lib, a, b: a.sum() * lib.ormqr(*lib.geqrf(a.detach()), b), tall, draw(rng, 2, 5, 2)),
                                (lambda lib, a, b: lib.ormqr(*lib.geqrf(a.detach()), b.mT, left=False, transpose=True) * a.sum(), tall, draw(rng, 2, 5, 2))],
        "svd_lowrank": [(lambda lib, a: [s := lib.svd_lowrank(a, 3)] and product(s[0], s[1], s[2].mH), tall)],
        "qr": [(lambda lib, a: [s := lib.linalg.qr(a)] and s[0] @ s[1], left), (lambda lib, a: lib.linalg.qr(a)[1].abs(), left)],
        "vander": [(lambda lib, a: lib.linalg.vander(a[0], N=4), left), (lambda lib, a: a[0, 0, 0] * lib.vander(a[0, 0].detach()), left), (lambda lib, a: a[0, 0, 0] * lib.vander(a[0, 0].detach(), 3, True), left)],
    }  # fmt: skip
    for f, *arrays in cases[name]:
        check_against_torch(f, *arrays, rtol=1e-7)


def test_values_that_are_equal_have_derivatives():
    for make in (lambda: fastnn.eye(3, dtype=fastnn.cdouble), lambda: fastnn.ones(3, dtype=fastnn.cdouble).masked_fill(fastnn.arange(3) > 0, 0).diag()):
        for f in (fastnn.linalg.svdvals, fastnn.linalg.eigvalsh, fastnn.linalg.eigvals, lambda a: fastnn.linalg.norm(a, "nuc")):
            a = make().requires_grad_()
            f(a).sum().real.backward()
            np.testing.assert_allclose(a.grad.numpy(), np.eye(3), atol=1e-12)


def test_full_svd_is_unitary(rng):
    for shape in ((5, 3), (3, 5), (2, 4, 1)):
        a = draw(rng, *shape)
        u, s, vh = (t.numpy() for t in fastnn.linalg.svd(fastnn.tensor(a)))
        for q in (u, vh):
            np.testing.assert_allclose(q @ q.conj().swapaxes(-1, -2), np.broadcast_to(np.eye(q.shape[-1]), q.shape), atol=1e-12)
        k = s.shape[-1]
        np.testing.assert_allclose((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], a, atol=1e-12)
