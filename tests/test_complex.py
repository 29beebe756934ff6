"""Complex tensors: values against NumPy, derivatives against finite differences, and their way through modules, optimizers and files."""

import copy
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastnn
from complex_checks import check_against_torch, check_gradients, draw
from fastnn import nn

UNARY = (
    "exp exp2 log log2 log10 sqrt rsqrt reciprocal square sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh expm1 log1p sigmoid sinc neg "
    "conj abs angle sgn"
).split()
NUMPYS = {
    "rsqrt": lambda z: 1 / np.sqrt(z), "reciprocal": lambda z: 1 / z, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "neg": np.negative, "sigmoid": lambda z: 1 / (1 + np.exp(-z)), "sgn": lambda z: z / np.abs(z),
}  # fmt: skip


# -- making them ------------------------------------------------------------------------------------------------------------


def test_made_from_numbers():
    for data, dtype in [([1 + 2j, 3], "complex64"), (2j, "complex64"), (np.array([1j]), "complex128"), ([[1, 2j], [0.5, -1]], "complex64")]:
        z = fastnn.tensor(data)
        assert z.dtype.name == dtype and z.tolist() == np.array(data).tolist() and fastnn.is_complex(z) and fastnn.is_tensor(z)
    fastnn.set_default_dtype(fastnn.float64)
    assert fastnn.tensor(1j).dtype is fastnn.cdouble
    fastnn.set_default_dtype(fastnn.float32)
    x = fastnn.arange(3)
    assert (x * 1j).tolist() == [0, 1j, 2j] and x.to(fastnn.cfloat).dtype is fastnn.complex64 and fastnn.tensor([1.0]).double().cfloat().dtype is fastnn.cfloat
    for z in (fastnn.zeros(2, 3, dtype=fastnn.cfloat), fastnn.ones((2, 3), dtype=fastnn.cdouble), fastnn.randn(2, 3, dtype=fastnn.cfloat),
              fastnn.empty(2, 3, dtype=fastnn.cfloat), fastnn.full((2, 3), 1j), fastnn.zeros_like(fastnn.ones(2, 3), dtype=fastnn.cfloat),
              fastnn.rand_like(fastnn.full((2, 3), 1j)), fastnn.full((1,), 1j).new_zeros(2, 3)):  # fmt: skip
        assert z.is_complex() and z.shape == (2, 3) and z.real.dtype is z.dtype.to_real() and z.numel() == 6
    with pytest.warns(UserWarning, match="discards"):
        assert fastnn.ones(2, dtype=fastnn.cfloat).to(int).dtype is fastnn.int64
    assert fastnn.full((1,), 1j).to(np.complex128).dtype is fastnn.full((1,), 1j).to(dtype=complex).dtype is fastnn.cdouble
    big = fastnn.randn(20000, dtype=fastnn.cfloat)
    assert abs(big.var().item() - 1) < 0.05
    with pytest.raises(RuntimeError, match="complex numbers cannot be converted"):
        fastnn.tensor([1j], dtype=fastnn.float32)
    with pytest.raises(TypeError, match="number"):
        fastnn.full_like(fastnn.ones(1), 1j)


def test_parts_share_memory():
    a = np.zeros(3, np.complex64)
    z = fastnn.from_numpy(a)
    z.real.fill_(2)
    z.imag[1] = 5
    assert a.tolist() == [2, 2 + 5j, 2]
    x = fastnn.zeros(3, 2)
    w = fastnn.view_as_complex(x)
    w[1] = 3 - 1j
    w *= 2
    assert x.tolist() == [[0, 0], [6, -2], [0, 0]] and fastnn.view_as_real(w) is x
    p = nn.Parameter(fastnn.zeros(2, 2, dtype=fastnn.cfloat))
    with fastnn.no_grad():
        nn.init.constant_(fastnn.view_as_real(p), 3.0)
        fastnn.view_as_real(p)[0, 0, 1] = 1
    assert p.tolist() == [[3 + 1j, 3 + 3j], [3 + 3j] * 2] and p.requires_grad and p.is_leaf
    (fastnn.view_as_real(p) * fastnn.arange(2.0)).sum().backward()
    assert p.grad.tolist() == [[1j] * 2] * 2
    row, whole = p.detach()[0], p.detach()
    fastnn.view_as_real(whole).zero_()  # a copy, as others share that memory
    assert row.tolist() == p[0].tolist() == [3 + 1j, 3 + 3j]
    re, im = fastnn.ones(2), fastnn.zeros(2)
    c = fastnn.complex(re, im)
    c[0] = 9j
    assert re.tolist() == [1, 1] and fastnn.view_as_real(c).tolist() == [[0, 9], [1, 0]]
    c.real = fastnn.tensor([4.0, 5.0])
    assert c.tolist() == [4 + 9j, 5] and fastnn.polar(fastnn.ones(1), fastnn.zeros(1)).tolist() == [1]
    for f, error in [
        (lambda: fastnn.view_as_complex(fastnn.ones(3)), RuntimeError),
        (lambda: fastnn.view_as_complex(fastnn.ones(3, 2, dtype=fastnn.int64)), RuntimeError),
        (lambda: fastnn.view_as_real(re), RuntimeError),
        (lambda: fastnn.complex(re, 1.0), TypeError),
        (lambda: fastnn.complex(re, re.double()), RuntimeError),
        (lambda: fastnn.imag(re), RuntimeError),
    ]:
        with pytest.raises(error):
            f()


def test_dtypes_of_results():
    z, x, d, i = fastnn.ones(2, dtype=fastnn.cfloat), fastnn.ones(2), fastnn.ones(2).double(), fastnn.ones(2).long()
    for y, dtype in [(z + x, "complex64"), (z * d, "complex128"), (z / i, "complex64"), (d * 1j, "complex128"), (x - z.cdouble()[0], "complex64"),
                     (z.abs(), "float32"), (2.5 * z, "complex64"), (x**1j, "complex64"), (z.cdouble() ** 0.1, "complex128")]:  # fmt: skip
        assert y.dtype.name == dtype
    assert fastnn.result_type(x, 1j) is fastnn.complex64 and fastnn.promote_types(fastnn.cfloat, fastnn.float64) is fastnn.complex128
    assert fastnn.can_cast(fastnn.float32, fastnn.cfloat) and not fastnn.can_cast(fastnn.cfloat, fastnn.float32)
    assert (z.cdouble() ** 0.1).real.tolist() == [1, 1] and fastnn.complex64.to_real() is fastnn.float32


def test_printing():
    assert repr(fastnn.tensor([1 + 2j])) == "tensor([1.+2.j])"
    assert repr(fastnn.tensor([1.5 - 2j, float("nan")])) == "tensor([1.5000-2.j,    nan+0.j])"
    assert repr(fastnn.tensor(1e-5 + 1j, requires_grad=True)) == "tensor(1.0000e-05+1.j, requires_grad=True)"
    assert repr(fastnn.zeros(0, dtype=fastnn.cdouble)) == "tensor([], dtype=fastnn.complex128)"
    assert repr(fastnn.tensor([1j], requires_grad=True) * 2) == "tensor([0.+2.j], grad_fn=<MulBackward0>)"
    assert f"{fastnn.tensor(1.25 - 1j):.1f}" == "1.2-1.0j"


# -- arithmetic ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNARY)
def test_functions(rng, name):
    z = draw(rng, 3, 4)
    f, expected = getattr(fastnn, name), NUMPYS.get(name) or getattr(np, name)
    np.testing.assert_allclose(f(fastnn.tensor(z)).numpy(), expected(z), rtol=1e-12)
    np.testing.assert_allclose(getattr(fastnn.tensor(z[0, 0]), name)().numpy(), expected(z[0, 0]), rtol=1e-12)
    single = f(fastnn.tensor(z.astype(np.complex64)))
    np.testing.assert_allclose(single.numpy(), expected(z), rtol=2e-5, atol=2e-5)
    check_gradients(f, z[:2, :2])


def test_second_derivatives(rng):
    z = draw(rng, 3)
    for name in UNARY:
        t = fastnn.tensor(z, requires_grad=True)
        (g,) = fastnn.autograd.grad((getattr(fastnn, name)(t).abs() ** 2).sum() + getattr(fastnn, name)(t).real.sum(), t, create_graph=True)
        if g.requires_grad:
            check_gradients(
                lambda t, name=name: fastnn.autograd.grad(
                    (getattr(fastnn, name)(w := t if t.requires_grad else t.requires_grad_()).abs() ** 2).sum() + getattr(fastnn, name)(w).real.sum(),
                    w, create_graph=True,
                )[0],
                z,
            )  # fmt: skip


def test_operators(rng):
    a, b, x = draw(rng, 3, 4), draw(rng, 4), rng.standard_normal((3, 1))
    for f in (lambda p, q: p + q, lambda p, q: p - q, lambda p, q: p * q, lambda p, q: p / q, lambda p, q: abs(p) ** 0.3 * q**2):
        for p, q in [(a, b), (a, x), (x, b), (a, 2 - 1j), (3j, a), (a, 1.5), (2, a), (x, 1j), (1j, x)]:
            left, right = (fastnn.tensor(v) if isinstance(v, np.ndarray) else v for v in (p, q))
            np.testing.assert_allclose(f(left, right).numpy(), f(p, q), rtol=1e-12)
        check_gradients(f, a[:2, :2], b[:2])
        check_gradients(f, a[:2, :2], x[:2])
    t = fastnn.tensor(a)
    for n in (0, 1, 2, 3, 5, -2, 0.5, 1 - 2j):
        np.testing.assert_allclose((t**n).numpy(), a**n, rtol=1e-12)
    np.testing.assert_allclose((b * t).numpy(), b * a)
    np.testing.assert_allclose((np.ones(4) * 1j + fastnn.tensor(x)).numpy(), 1j + x + np.zeros(4))
    np.testing.assert_allclose(fastnn.tensor([1e30 + 1e30j]).numpy() / 2, (fastnn.tensor([1e30 + 1e30j]) / 2).numpy())
    np.testing.assert_allclose((fastnn.tensor([1.0 + 0j]) / fastnn.tensor([1e30 + 1e30j])).numpy(), [(1 - 1j) / 2e30], rtol=1e-6)
    check_gradients(lambda p, q: p**q, a[:2, :2], b[:2])
    zero = fastnn.zeros(1, dtype=fastnn.cdouble, requires_grad=True)
    (zero.abs() + (zero**2).real + zero.sgn().real).sum().backward()
    assert zero.grad.tolist() == [1]  # of sgn: z / (|z|, or 1 at 0)


def test_comparisons():
    z, w = fastnn.tensor([1 + 1j, 2, 3j]), fastnn.tensor([1 + 1j, 2 + 1j, 3j])
    assert (z == w).tolist() == [True, False, True] and (z != 2).tolist() == [True, False, True] and (fastnn.ones(3) == z).tolist() == [False] * 3
    assert fastnn.allclose(z, z + 1e-9) and not fastnn.allclose(z, w) and fastnn.equal(z, z.clone()) and not fastnn.equal(z, w)
    assert fastnn.isreal(z).tolist() == [False, True, False] and fastnn.isfinite(z / 0).tolist() == [False] * 3
    assert z.nonzero().tolist() == [[0], [1], [2]] and z.any() and bool(z[0]) and complex(z[1]) == 2 and float(z[1]) == 2
    fastnn.testing.assert_close(z, z.clone())
    with pytest.raises(AssertionError):
        fastnn.testing.assert_close(z, w)
    with pytest.raises(RuntimeError):
        float(z[0])


def test_products(rng):
    a, b, v, x = draw(rng, 2, 3, 4), draw(rng, 2, 4, 2), draw(rng, 4), rng.standard_normal((4, 2))
    for f, g, args in [
        (fastnn.matmul, np.matmul, (a, b)), (lambda p, q: p @ q, np.matmul, (a, v)), (lambda p, q: p @ q, np.matmul, (a, x)), (fastnn.bmm, np.matmul, (a, b)),
        (lambda p, q: p @ q, np.matmul, (x.T, v)),
        (lambda p, q: fastnn.einsum("nij,njk->nik", p, q), lambda p, q: np.einsum("nij,njk->nik", p, q), (a, b)),
        (lambda p, q: fastnn.einsum("nij,j", p, q), lambda p, q: np.einsum("nij,j", p, q), (a, v)),
        (fastnn.outer, np.outer, (v, v)), (fastnn.dot, np.dot, (v, v)), (fastnn.vdot, np.vdot, (v, v)), (fastnn.kron, np.kron, (a[0, :2, :2], b[0, :2])),
        (fastnn.mm, np.matmul, (a[0], b[0])),
        (lambda p, q: nn.functional.linear(p, q.mT), np.matmul, (a[0], b[0])),
    ]:  # fmt: skip
        np.testing.assert_allclose(f(*map(fastnn.tensor, args)).numpy(), g(*args), rtol=1e-12)
        check_gradients(f, *(t[..., :2] if t is x else t for t in args))
    np.testing.assert_allclose(fastnn.einsum("i,j,k->ijk", *map(fastnn.tensor, (v, v, v))).numpy(), np.einsum("i,j,k->ijk", v, v, v))
    image, kernel = draw(rng, 1, 2, 6), draw(rng, 3, 2, 2)
    check_gradients(lambda p, q: nn.functional.conv1d(p, q, stride=2), image, kernel)


def test_shapes_and_reductions(rng):
    a = draw(rng, 3, 4)
    t = fastnn.tensor(a)
    for f, g in [
        (lambda z: z.reshape(2, 6), lambda z: z.reshape(2, 6)), (lambda z: z.T, lambda z: z.T), (lambda z: z.mH, lambda z: z.conj().T),
        (lambda z: z.adjoint(), lambda z: z.conj().T), (lambda z: z.permute(1, 0).unsqueeze(1).squeeze(), lambda z: z.T),
        (lambda z: z[1:, ::2], lambda z: z[1:, ::2]), (lambda z: z[fastnn.tensor([0, 2])], lambda z: z[[0, 2]]), (lambda z: z[z.real > 0], lambda z: z[z.real > 0]),
        (lambda z: z.sum(0), lambda z: z.sum(0)), (lambda z: z.mean(), lambda z: z.mean()), (lambda z: z.prod(1), lambda z: z.prod(1)), (lambda z: z.cumsum(0), lambda z: z.cumsum(0)),
        (lambda z: z.cumprod(1), lambda z: z.cumprod(1)), (lambda z: z.var(0), lambda z: z.var(0, ddof=1)), (lambda z: z.norm(), np.linalg.norm),
        (lambda z: fastnn.cat([z, z.real], 1), lambda z: np.concatenate([z, z.real], 1)), (lambda z: fastnn.stack([z.real, z]), lambda z: np.stack([z.real, z])),
        (lambda z: fastnn.where(z.real > 0, z, 1.5), lambda z: np.where(z.real > 0, z, 1.5)), (lambda z: z.roll(1, 0).flip(1), lambda z: np.roll(z, 1, 0)[:, ::-1]),
        (lambda z: z.expand(2, 3, 4).sum((0, 1)), lambda z: 2 * z.sum(0)), (lambda z: nn.functional.pad(z, (1, 0), value=2.0), lambda z: np.pad(z, [(0, 0), (1, 0)], constant_values=2)),
        (lambda z: z.masked_fill(z.real > 0, 1j), lambda z: np.where(z.real > 0, 1j, z)), (lambda z: z.diagonal() * z.tril()[:, :3].trace(), lambda z: z.diagonal() * z.trace()),
        (lambda z: z.chunk(2, 1)[1], lambda z: z[:, 2:]), (lambda z: z.gather(1, fastnn.tensor([[0], [1], [3]])), lambda z: z[[0, 1, 2], [0, 1, 3]][:, None]),
    ]:  # fmt: skip
        np.testing.assert_allclose(f(t).numpy(), g(a), rtol=1e-12)
        check_gradients(lambda z, f=f: f(z) * 1.0, a)
    assert t.real.view_as(t.T.contiguous()).is_complex() is False and t.view(fastnn.float64).shape == (3, 8)
    assert t.view(12).tolist() == a.ravel().tolist() and len(t) == 3 and [row.tolist() for row in t] == a.tolist()


def test_changes_in_place(rng):
    w = draw(rng, 3, 4)

    def f(t):
        z = t * 1
        z[0] *= 2j
        z[1, 1:] += t[0, :3]
        z[:, 0] = t[:, 1].conj()
        z.mul_(t)
        z[2].add_(1 - 1j)
        z.real.mul_(3)
        out = fastnn.zeros(3, 4, dtype=fastnn.cdouble)
        out[:2] = z[1:]
        out[2] = 5
        out[fastnn.tensor([True, False, False])] *= 1j
        return out

    def g(t):
        z = t * 1
        z[0] *= 2j
        z[1, 1:] += t[0, :3]
        z[:, 0] = t[:, 1].conj()
        z *= t
        z[2] += 1 - 1j
        z.real *= 3
        return np.concatenate([z[1:2] * 1j, z[2:], np.full((1, 4), 5)])

    np.testing.assert_allclose(f(fastnn.tensor(w)).numpy(), g(w.copy()))
    check_gradients(f, w)
    leaf = fastnn.tensor(w, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf.mul_(2)
    x = fastnn.ones(2)
    for change in (lambda: x.mul_(1j), lambda: x.add_(fastnn.ones(2, dtype=fastnn.cfloat)), lambda: x.copy_(fastnn.ones(2) * 1j)):
        with pytest.raises(RuntimeError, match="can't be cast"):
            change()
    assert x.tolist() == [1, 1]


def test_what_has_no_complex_form():
    z = fastnn.ones(2, 2, dtype=fastnn.cfloat)
    for name, f in [
        ("relu", lambda: nn.functional.relu(z)), ("max", lambda: z.max()), ("sort", lambda: fastnn.sort(z)), ("lt", lambda: z < 1), ("floor", lambda: z.floor()),
        ("softmax", lambda: z.softmax(0)), ("clamp", lambda: fastnn.ones(2).clamp(min=1j)), ("floor_divide", lambda: fastnn.ones(2) // 1j), ("sign", lambda: z.sign()),
        ("layer_norm", lambda: nn.functional.layer_norm(z, (2,))), ("cross_entropy", lambda: nn.functional.cross_entropy(z, fastnn.zeros(2).long())),
        ("dropout", lambda: nn.Dropout(0.5)(z)), ("arange", lambda: fastnn.arange(3, dtype=fastnn.cfloat)),
    ]:  # fmt: skip
        for error in (NotImplementedError, TypeError, RuntimeError):
            with pytest.raises(error, match=name):
                f()
    with pytest.raises(AttributeError):
        z.no_such_name  # noqa: B018
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        assert z.float().dtype is fastnn.float32


# -- gradients ----------------------------------------------------------------------------------------------------------------


def test_backward_and_grad():
    z = fastnn.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    x = fastnn.tensor([2.0, 5.0], requires_grad=True)
    assert z.is_leaf and z.requires_grad and z.grad is None
    (z.abs() ** 2).sum().backward()
    assert z.grad.tolist() == [2 + 4j, 6 - 2j]
    z.grad = None
    gz, gx = fastnn.autograd.grad((z * x * 1j).real.sum(), (z, x))
    assert gz.tolist() == [-2j, -5j] and gx.tolist() == [-2, 1] and not gx.is_complex()
    (y,) = fastnn.autograd.grad(z**2, z, grad_outputs=fastnn.tensor([1, 1j]))
    np.testing.assert_allclose(y.numpy(), [2 * (1 - 2j), 1j * 2 * (3 + 1j)])
    (z * 2).backward(gradient=fastnn.tensor([1j, 1]))
    assert z.grad.tolist() == [2j, 2]
    assert fastnn.autograd.grad(x.sum(), (x, z), allow_unused=True)[1] is None
    real, imag = fastnn.autograd.grad(fastnn.complex(x, x * 3).abs().sum(), x)[0].tolist()
    assert math.isclose(real, math.sqrt(10), rel_tol=1e-6) and math.isclose(imag, math.sqrt(10), rel_tol=1e-6)
    for f, words in [
        (lambda: z.sum().backward(), "only for real scalar outputs"),
        (lambda: z.detach().sum().backward(), "does not require grad"),
        (lambda: fastnn.autograd.grad(x.sum(), z), "not have been used"),
        (lambda: z.numpy(), "requires grad"),
    ]:
        with pytest.raises(RuntimeError, match=words):
            f()


class Spectral(nn.Module):
    """A layer of a Fourier neural operator (Li et al. 2021)."""

    def __init__(self, channels, modes):
        super().__init__()
        self.modes = modes
        self.weight = nn.Parameter(fastnn.randn(channels, channels, modes, modes, dtype=fastnn.cfloat) / channels)
        self.register_buffer("phase", fastnn.ones(1, dtype=fastnn.cfloat))
        self.out = nn.Linear(channels, channels, dtype=fastnn.cfloat)

    def forward(self, x):
        z = fastnn.fft.rfft2(x)
        out = fastnn.zeros(*z.shape, dtype=fastnn.cfloat)
        m = self.modes
        out[:, :, :m, :m] = fastnn.einsum("bixy,ioxy->boxy", z[:, :, :m, :m], self.weight * self.phase)
        out = self.out(out.movedim(1, -1)).movedim(-1, 1)
        return fastnn.fft.irfft2(out, s=x.shape[-2:])


def test_a_network_with_complex_parameters(tmp_path):
    model = Spectral(3, 2)
    assert isinstance(model.weight, nn.Parameter) and [n for n, _ in model.named_parameters()] == ["weight", "out.weight", "out.bias"]
    assert list(model.state_dict()) == ["weight", "phase", "out.weight", "out.bias"] and sum(p.numel() for p in model.parameters()) == 36 + 9 + 3
    x, y = fastnn.randn(2, 3, 6, 5), fastnn.randn(2, 3, 6, 5)
    twin = copy.deepcopy(model)
    optimizers = [fastnn.optim.Adam(model.parameters(), lr=0.05), fastnn.optim.SGD(twin.parameters(), lr=0.01, momentum=0.9)]
    for m, optimizer in zip((model, twin), optimizers, strict=True):
        losses = []
        for _ in range(8):
            optimizer.zero_grad()
            loss = ((m(x) - y) ** 2).mean()
            loss.backward()
            assert m.weight.grad.shape == m.weight.shape and m.weight.grad.is_complex()
            nn.utils.clip_grad_norm_(m.parameters(), 10.0)
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0]
    twin.load_state_dict(model.state_dict())
    fastnn.save({"model": model.state_dict(), "optimizer": optimizers[0].state_dict()}, tmp_path / "f")
    loaded = fastnn.load(tmp_path / "f")
    other = Spectral(3, 2)
    other.load_state_dict(loaded["model"])
    optimizers[0].load_state_dict(loaded["optimizer"])
    for m in (twin, other):
        np.testing.assert_array_equal(m(x).detach().numpy(), model(x).detach().numpy())
    with pytest.raises(RuntimeError, match="size mismatch"):
        Spectral(3, 1).load_state_dict(model.state_dict())
    model.zero_grad()
    assert model.double().weight.dtype is fastnn.complex64 and model.weight.grad is None


def test_an_optimizer_steps_as_the_pairs_would(rng):
    start, target = draw(rng, 3, dtype=np.complex64), draw(rng, 3, dtype=np.complex64)
    for make in (fastnn.optim.SGD, fastnn.optim.Adam, fastnn.optim.AdamW, fastnn.optim.RMSprop):
        z = nn.Parameter(fastnn.tensor(start))
        pairs = nn.Parameter(fastnn.view_as_real(fastnn.tensor(start)))
        for p, complete in ((z, lambda p: p), (pairs, fastnn.view_as_complex)):
            optimizer = make([p], lr=0.1, weight_decay=0.01)
            for _ in range(3):
                optimizer.zero_grad()
                ((complete(p) - fastnn.tensor(target)).abs() ** 2).sum().backward()
                optimizer.step()
        np.testing.assert_array_equal(fastnn.view_as_real(z.detach()).numpy(), pairs.detach().numpy())
    z = nn.Parameter(fastnn.tensor([3 + 4j]))
    (z.abs() * 2).sum().backward()
    assert abs(float(nn.utils.clip_grad_norm_([z], 1.0, norm_type=math.inf)) - 2) < 1e-6 and abs(complex(z.grad[0]) - (0.6 + 0.8j)) < 1e-6


def test_copies_and_files(tmp_path):
    z = fastnn.tensor([1 + 2j, 3], requires_grad=True)
    for other in (copy.deepcopy(z), pickle.loads(pickle.dumps(z))):
        assert other.tolist() == z.tolist() and other.requires_grad and other is not z
    fastnn.save([z.detach(), {"a": fastnn.zeros((), dtype=fastnn.cdouble)}], tmp_path / "f")
    first, second = fastnn.load(tmp_path / "f")
    assert first.tolist() == z.tolist() and second["a"].dtype is fastnn.cdouble and second["a"].shape == ()
    batch = next(iter(fastnn.utils.data.DataLoader(fastnn.utils.data.TensorDataset(z.detach()), batch_size=2)))
    assert batch[0].tolist() == z.tolist()
    vector = nn.utils.parameters_to_vector([nn.Parameter(z.detach())])
    assert vector.tolist() == z.tolist()


# -- transforms and helpers ----------------------------------------------------------------------------------------------------


def test_functions_of_functions(rng):
    z, x = fastnn.tensor(draw(rng, 3, 4)), fastnn.tensor(rng.standard_normal((3, 4)))
    np.testing.assert_allclose(fastnn.vmap(fastnn.fft.fft)(x).numpy(), np.fft.fft(x.numpy()), atol=1e-13)
    np.testing.assert_allclose(fastnn.vmap(lambda a, b: (a * b).exp(), in_dims=(1, 1))(z, x).numpy(), np.exp(z.numpy() * x.numpy()).T)
    np.testing.assert_allclose(fastnn.vmap(fastnn.tanh)(z).numpy(), np.tanh(z.numpy()))
    np.testing.assert_allclose(fastnn.func.grad(lambda a: (a.abs() ** 2).sum())(z).numpy(), 2 * z.numpy())
    _, t = fastnn.func.jvp(lambda a: a**2, (z,), (z * 1j,))
    np.testing.assert_allclose(t.numpy(), 2j * z.numpy() ** 2)
    _, pull = fastnn.func.vjp(lambda a: a**2, z)
    np.testing.assert_allclose(pull(z)[0].numpy(), z.numpy() * 2 * z.numpy().conj())
    pairs = fastnn.utils._pytree.tree_leaves([z, x])
    assert len(pairs) == 2 and pairs[0] is z
    assert fastnn.autograd.gradcheck(lambda a, b: (a * b).sin(), (z[0, :2].clone().requires_grad_(), x[0, :2].clone().requires_grad_()))
    with pytest.raises(fastnn.autograd.GradcheckError):
        fastnn.autograd.gradcheck(lambda a: a * a.detach(), (z[0, :2].clone().requires_grad_(),))


def test_helpers_of_training(rng):
    w = nn.Parameter(fastnn.tensor(draw(rng, 4)))
    x = fastnn.tensor(rng.standard_normal(4), requires_grad=True)

    def f(a, b):
        return {"y": fastnn.fft.fft(a) * b}

    for run in (lambda a, b: f(a, b), lambda a, b: fastnn.utils.checkpoint.checkpoint(f, a, b)):
        w.grad = x.grad = None
        (run(x, w)["y"].abs() ** 2).sum().backward()
        np.testing.assert_allclose(w.grad.numpy(), 2 * np.abs(np.fft.fft(x.detach().numpy())) ** 2 * w.detach().numpy())
    module = nn.Module()
    module.w = w
    average = fastnn.optim.swa_utils.AveragedModel(module)
    average.update_parameters(module)
    before = w.detach().clone()
    w.data.mul_(3)
    average.update_parameters(module)
    np.testing.assert_allclose(average.module.w.detach().numpy(), before.numpy() * 2)


@pytest.mark.parametrize("name", (
    "softsign tanhshrink logsumexp logaddexp logcumsumexp trapezoid cumulative_trapezoid gradient cov corrcoef renorm put ldexp pixel_shuffle channel_shuffle "
    "unfold unfold_copy atleast_2d broadcast_tensors l1_loss logspace"
).split())  # fmt: skip
def test_composed_as_in_pytorch(name, rng):
    z, w, x = draw(rng, 3, 5), draw(rng, 3, 5), rng.standard_normal((3, 5))
    index = rng.permutation(15)[:4]
    image = draw(rng, 2, 4, 6, 6)
    cases = {
        "softsign": [(lambda lib, z: lib.nn.functional.softsign(z), z)],
        "tanhshrink": [(lambda lib, z: lib.nn.functional.tanhshrink(z), z)],
        "logsumexp": [(lambda lib, z: lib.logsumexp(z, 1), z), (lambda lib, z: z.logsumexp((0, -1), keepdim=True), z)],
        "logaddexp": [(lambda lib, z, w: lib.logaddexp(z, w), z, w)],
        "logcumsumexp": [(lambda lib, z: lib.logcumsumexp(z, 0).exp(), z)],  # which of the logarithms it is does not matter
        "trapezoid": [(lambda lib, z, w: lib.trapezoid(z, w, dim=0), z, w), (lambda lib, z: lib.trapezoid(z, dx=0.5), z)],
        "cumulative_trapezoid": [(lambda lib, z, x: lib.cumulative_trapezoid(z, x), z, x)],
        "gradient": [(lambda lib, z: lib.gradient(z, spacing=(lib.tensor([0.0, 1.0, 3.0], dtype=lib.float64), lib.tensor([0, 1, 3, 4, 7], dtype=lib.complex128))), z)],
        "cov": [(lambda lib, z: lib.cov(z), z), (lambda lib, z: lib.cov(z[0], correction=0), z)],
        "corrcoef": [(lambda lib, z: lib.corrcoef(z), z)],
        "renorm": [(lambda lib, z: lib.renorm(z, 2, 0, 2.0), z)],
        "put": [(lambda lib, z, w, i: z.put(i, w[0, :4], accumulate=True), z, w, index)],
        "ldexp": [(lambda lib, z, w: lib.ldexp(z, w), z, w)],
        "pixel_shuffle": [(lambda lib, z: lib.nn.functional.pixel_shuffle(z, 2), image)],
        "channel_shuffle": [(lambda lib, z: lib.nn.functional.channel_shuffle(z, 2), image)],
        "unfold": [(lambda lib, z: lib.nn.functional.unfold(z, 3, padding=1, stride=2), image)],
        "unfold_copy": [(lambda lib, z: lib.unfold_copy(z, 1, 2, 1), z)],
        "atleast_2d": [(lambda lib, z, x: lib.atleast_2d(z, x, z[0]), z, x), (lambda lib, z: lib.atleast_2d(z), z)],
        "broadcast_tensors": [(lambda lib, z, x: lib.broadcast_tensors(z, x[0]), z, x)],
        "l1_loss": [(lambda lib, z, x: lib.nn.functional.l1_loss(x, z), z, x), (lambda lib, z, w: lib.nn.functional.l1_loss(z, w, reduction="sum"), z, w)],
        "logspace": [(lambda lib, z: z[0] * lib.logspace(-1, 2, 5, dtype=lib.complex128), z)],
    }  # fmt: skip
    for f, *arrays in cases[name]:
        check_against_torch(f, *arrays)


def test_real_losses_do_not_drop_imaginary_parts():
    x, z = fastnn.ones(3), fastnn.ones(3, dtype=fastnn.cfloat) * 1j
    for loss in (nn.functional.mse_loss, nn.functional.smooth_l1_loss, nn.functional.huber_loss, nn.functional.kl_div, fastnn.cosine_similarity):
        with pytest.raises(NotImplementedError):
            loss(x, z)
    with pytest.raises(NotImplementedError, match="places"):
        fastnn.gradient(z, spacing=1j)


def test_functions_of_your_own(rng):
    """autograd.Function with complex arguments and results: as in PyTorch, where that is there."""

    def run(lib, save_output):
        class Product(lib.autograd.Function):
            @staticmethod
            def forward(ctx, z, x, k):
                y = z * x + k * z
                ctx.save_for_backward(z, x, y)
                ctx.k = k
                return y, z.abs() ** 2, 3

            @staticmethod
            def backward(ctx, gy, ga, _):
                assert ctx.needs_input_grad == (True, True, False)
                z, x, y = ctx.saved_tensors
                extra = 0 * y if save_output else 0
                return gy * (x + ctx.k) + 2 * ga * z + extra, (gy * z.conj() + extra).real, None

        z, x = (lib.from_numpy(a.copy()).requires_grad_() for a in arrays)
        y, size, three = Product.apply(z * 1, x * 1, 2.0)
        assert three == 3 and y.is_complex() and not size.is_complex()
        ((y * y).real + size + y.abs()).sum().backward()
        return [t.detach().numpy() for t in (y, size, z.grad, x.grad)]

    arrays = draw(rng, 3, 2), rng.standard_normal((3, 2))
    ours = run(fastnn, True)
    check_gradients(lambda z, x: z * x + 2.0 * z, *arrays)
    torch = pytest.importorskip("torch")
    for a, b in zip(ours, run(torch, False), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


def test_hooks_of_results(rng):
    seen = []
    z = fastnn.tensor(draw(rng, 4), requires_grad=True)
    w = z * 2
    before = w.abs().sum()  # computed before there is a hook
    w.register_hook(lambda g: seen.append(g.clone()))
    handle = w.register_hook(lambda g: g * 1j)
    (before + (w * w.conj()).real.sum()).backward()
    expected = w.detach().numpy() / np.abs(w.detach().numpy()) + 2 * w.detach().numpy()
    np.testing.assert_allclose(seen[0].numpy(), expected)
    np.testing.assert_allclose(z.grad.numpy(), 2j * expected)
    handle.remove()
    w = z * 2
    w.register_hook(lambda g: g).remove()
    w.imag.sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), 2j * expected + 2j)
    x = fastnn.ones(3, requires_grad=True)
    for make in (lambda: x.to(fastnn.cfloat), lambda: fastnn.view_as_complex(x.unsqueeze(1).repeat(1, 2) * 2), lambda: fastnn.fft.fft(x)):
        w, seen[:] = make(), []
        w.register_hook(lambda g: seen.append(g))
        w.retain_grad()
        (w * (1 + 2j)).imag.sum().backward()
        assert seen[0].tolist() == w.grad.tolist() == [2 + 1j] * 3
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        z.detach().register_hook(print)
    with pytest.raises(TypeError, match="hook returned 'int'"):
        (w := z * 1).register_hook(lambda g: 3)
        w.real.sum().backward()


def test_hooks_of_leaves(rng):
    """As in PyTorch: they see one gradient a pass, whichever parts it reached, and what they return is what is added or returned."""

    def run(lib):
        seen, weight = [], lib.tensor(2.0, dtype=lib.float64, requires_grad=True)
        z, z2 = (lib.from_numpy(a.copy()).requires_grad_() for a in arrays)
        z.register_hook(lambda g: seen.append(g.clone()))
        handle = z.register_hook(lambda g: g * 1j * weight)
        z.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone()))
        (z * z.conj() * z2).imag.sum().backward()
        z.imag.sum().backward()
        (found,) = lib.autograd.grad((z * z2).real.sum(), z)
        (again,) = lib.autograd.grad((z * z * z2).real.sum(), z, create_graph=True)
        (second,) = lib.autograd.grad((again.abs() ** 2).sum(), z2)
        handle.remove()
        z2.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone()))
        (z * z2).real.sum().backward()
        assert not z.grad.requires_grad
        return [t.detach().resolve_conj().numpy() for t in (*seen, z.grad, z2.grad, found, second)]

    arrays = draw(rng, 2, 3), draw(rng, 2, 3)
    ours = run(fastnn)
    for a, b in zip(ours, run(pytest.importorskip("torch")), strict=True):
        np.testing.assert_allclose(a, b)


def test_captured_steps(rng):
    """Complex arguments and results, each time others; and a module's parameters."""
    weight = nn.Parameter(fastnn.tensor(draw(rng, 3, 3)))
    plain = nn.Parameter(weight.detach().clone())

    def make(w):
        optimizer = fastnn.optim.SGD([w], lr=0.01)

        def step(z, more):
            optimizer.zero_grad()
            y = z @ w
            loss = (y.abs() ** 2).mean()
            loss.backward()
            optimizer.step()
            return {"y": y, "more": (more["x"] * 1j, loss)}

        return step

    step, captured = make(plain), fastnn.capture(make(weight))
    for i in range(6):
        z, x = fastnn.tensor(draw(rng, 2 + i // 5, 3)), fastnn.tensor(rng.standard_normal(2))
        a, b = (f(z, {"x": x}) for f in (step, captured))
        assert a["y"].tolist() == b["y"].tolist() and a["more"][0].tolist() == b["more"][0].tolist() and a["more"][1].item() == b["more"][1].item()
        assert weight.tolist() == plain.tolist() and b["y"].is_complex() and b["y"].requires_grad is (i in (0, 5))
    assert len(captured.programs) == 1 and captured.programs[0].replays == 3
    with pytest.raises(RuntimeError, match="while a step is being recorded"):
        step = fastnn.capture(lambda z: fastnn.fft.fft(z).abs())
        step(z), step(z)


def test_complex_tensors_are_tensors():
    z = fastnn.ones(2, dtype=fastnn.cfloat)
    weight = nn.Parameter(z)
    assert isinstance(z, fastnn.Tensor) and fastnn.is_tensor(z) and isinstance(weight, (fastnn.Tensor, nn.Parameter)) and fastnn.is_tensor(weight)
    assert isinstance(weight, nn.Parameter) and not isinstance(z, (nn.Parameter, nn.Buffer, fastnn.FloatTensor)) and not isinstance(1j, fastnn.Tensor)
    assert not isinstance(fastnn.ones(2), fastnn.ComplexTensor) and isinstance(nn.Parameter(fastnn.ones(2)), fastnn.Tensor)


def test_loaded_when_asked_for():
    program = """
import sys, fastnn
def loaded():
    return {"fastnn.complex_tensor", "fastnn.fft", "fastnn.short_time"} & set(sys.modules)
assert not loaded() and {"fft", "stft", "complex", "ComplexTensor"} <= set(dir(fastnn)) and "eig" in dir(fastnn.linalg)
x = fastnn.ones(4, requires_grad=True)
(x + 1).sum().backward()
assert not loaded() and not hasattr(fastnn, "no_such_name")
%s
assert loaded()
"""
    for use in ("assert (x * 1j).is_complex()", "assert fastnn.fft.fft(x).shape == (4,)", "from fastnn import fft; fft.fft(x)", "import fastnn.fft as fft; fft.rfft(x)",
                "fastnn.zeros(2, dtype=fastnn.cfloat)", "fastnn.tensor([1j])", "x.cdouble()", "x.stft(4, return_complex=True, center=False)", "fastnn.complex(x, x)",
                "fastnn.linalg.eigvals(fastnn.eye(2))", "from fastnn import *; stft"):  # fmt: skip
        subprocess.run([sys.executable, "-c", program % use], check=True)


def test_numpys_complex_numbers():
    x = fastnn.ones(2)
    for number in (np.complex64(1j), np.complex128(1j), np.clongdouble(1j), 1j):
        assert (x * number).tolist() == [1j, 1j] and (number * x).is_complex() and (x + number).is_complex() and fastnn.mul(x, number).is_complex()
    y = np.ones(2, np.complex64) + x
    assert y.tolist() == [2, 2] and y.is_complex()


def test_numbers_are_no_tensors():
    for f in (fastnn.neg, fastnn.exp, fastnn.conj, fastnn.square, fastnn.sum):
        with pytest.raises(TypeError, match="must be Tensor, not (complex|float)"):
            f(1j)


def test_memory_in_complex_numbers():
    z = fastnn.view_as_complex(fastnn.arange(18.0).reshape(3, 3, 2))
    assert z.stride() == (3, 1) and z.is_contiguous() and z.t().stride() == (1, 3) and not z.t().is_contiguous()
    assert fastnn.complex(z.real, z.imag).stride() == (3, 1) and z.data_ptr() == z.real.data_ptr()
    for base in (z, z.clone(), fastnn.complex(z.real, z.imag)):
        assert base.as_strided((2, 2), (1, 2), 1).tolist() == [[2 + 3j, 6 + 7j], [4 + 5j, 8 + 9j]]
    assert z[1].as_strided((2,), (3,)).tolist() == [6 + 7j, 12 + 13j]
    assert z.clone().unsqueeze_(0).squeeze_().t_().tolist() == z.t().tolist() and z.clone().conj_physical_().tolist() == z.conj().tolist()
    for call in (lambda: fastnn.ones(2).masked_fill(fastnn.tensor(True), 1j), lambda: fastnn.ones(2).scatter(0, fastnn.tensor([0]), z[0, :1]), lambda: z.abs_()):
        with pytest.raises(RuntimeError):
            call()
