"""Special functions against PyTorch over their whole range, at their edges, and under vmap; the random numbers that stand on them."""

import math

import numpy as np
import pytest

import fastnn
from fastnn import special

POSITIVE = ["digamma", "lgamma", "i0", "erfinv"]
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("name", ["gammaln", "digamma", "erfinv", "ndtri", "ndtr", "log_ndtr", "erfcx", "i0", "i0e", "i1", "i1e", "entr"])
def test_equals_torch(name, rng):
    torch = pytest.importorskip("torch")
    x = np.concatenate([rng.uniform(-30, 30, 500), 10 ** rng.uniform(-6, 6, 200), [0.5, 1, 2, 0.0, -0.0, NAN]])
    if name in ("erfinv", "ndtri"):
        x = np.concatenate([rng.uniform(-1, 1, 500), 1 - 10 ** rng.uniform(-15, -1, 200), 10 ** rng.uniform(-20, -1, 100), [0, 1, -1, 2, NAN]])
    if name == "erfcx":
        x = x.clip(min=-20)
    mine, theirs = (getattr(lib.special, name)(lib.from_numpy(x)).numpy() for lib in (fastnn, torch))
    np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-13 if name != "gammaln" else 1e-12)
    single = x.astype(np.float32)
    mine, theirs = (getattr(lib.special, name)(lib.from_numpy(single)).numpy() for lib in (fastnn, torch))
    ordinary = np.abs(single) < 20
    assert mine.dtype == np.float32
    np.testing.assert_allclose(mine[ordinary], theirs[ordinary], rtol=2e-5, atol=1e-5)


def test_values_at_edges():
    def of(f, *values):
        return f(fastnn.tensor(values, dtype=fastnn.float64)).tolist()

    assert of(fastnn.lgamma, 1.0, 2.0, 0.0, -1.0, INF, -INF) == [0, 0, INF, INF, INF, INF]
    digamma = of(fastnn.digamma, 0.0, -0.0, -1.0, INF)
    assert digamma[:2] == [-INF, INF] and math.isnan(digamma[2]) and digamma[3] == INF
    assert of(fastnn.erfinv, -1.0, 1.0, 0.0)[:3] == [-INF, INF, 0] and math.isnan(of(fastnn.erfinv, 1.5)[0])
    assert of(special.ndtri, 0.0, 1.0, 0.5) == [-INF, INF, 0]
    zeta = of(lambda q: special.zeta(fastnn.full_like(q, 2.0), q), 1.0, 0.0, -1.0)
    np.testing.assert_allclose(zeta[0], math.pi**2 / 6, rtol=1e-14)
    assert zeta[1:] == [INF, INF]
    p = fastnn.igamma(fastnn.tensor([0.0, 1.0, 2.0, -1.0]), fastnn.tensor([1.0, 0.0, INF, 1.0])).tolist()
    assert p[:3] == [1, 0, 1] and math.isnan(p[3])
    assert fastnn.lgamma(fastnn.tensor([3, 5])).dtype is fastnn.float32
    with pytest.raises(RuntimeError, match="does not support negative n"):
        fastnn.polygamma(-1, fastnn.ones(1))
    with pytest.raises(TypeError, match="digamma"):
        fastnn.digamma(1.0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_polygamma_and_zeta_equal_torch(n, rng):
    torch = pytest.importorskip("torch")
    x = np.concatenate([rng.uniform(0.01, 40, 300), -rng.uniform(0.05, 20, 100) if n == 1 else []])
    mine, theirs = (lib.polygamma(n, lib.from_numpy(x)).numpy() for lib in (fastnn, torch))
    np.testing.assert_allclose(mine, theirs, rtol=1e-8)  # its trigamma is exact to 5e-10
    s = rng.uniform(1.01, 20, 300)
    mine, theirs = (lib.special.zeta(lib.from_numpy(s), lib.from_numpy(np.abs(x[:300]))).numpy() for lib in (fastnn, torch))
    np.testing.assert_allclose(mine, theirs, rtol=1e-12)


def test_vmap_and_jvp(rng):
    a, x = (fastnn.from_numpy(rng.uniform(0.5, 4, (3, 5))) for _ in range(2))
    for f in (fastnn.lgamma, fastnn.erfinv, special.i1e):
        np.testing.assert_array_equal(fastnn.vmap(f)(x / 5).numpy(), f(x / 5).numpy())
    np.testing.assert_array_equal(fastnn.vmap(fastnn.igamma)(a, x).numpy(), fastnn.igamma(a, x).numpy())
    _y, change = fastnn.func.jvp(fastnn.lgamma, (x,), (fastnn.ones_like(x),))
    np.testing.assert_allclose(change.numpy(), fastnn.digamma(x).numpy())


@pytest.mark.parametrize("draw, mean, variance", [
    (lambda t: t.exponential_(2.0), 0.5, 0.25), (lambda t: t.geometric_(0.25), 4, 12), (lambda t: t.log_normal_(0.0, 0.5), math.exp(0.125), math.exp(0.25) * (math.exp(0.25) - 1)),
    (lambda t: t.copy_(fastnn.poisson(fastnn.full_like(t, 3.0))), 3, 3), (lambda t: t.copy_(fastnn.binomial(fastnn.full_like(t, 10.0), fastnn.full_like(t, 0.3))), 3, 2.1),
])  # fmt: skip
def test_moments_of_draws(draw, mean, variance):
    fastnn.manual_seed(0)
    t = fastnn.empty(40000, dtype=fastnn.float64)
    assert draw(t) is t
    assert abs(t.mean().item() - mean) < 5 * math.sqrt(variance / 40000)
    assert abs(t.var().item() / variance - 1) < 0.1
    fastnn.manual_seed(0)
    np.testing.assert_array_equal(draw(fastnn.empty(40000, dtype=fastnn.float64)).numpy(), t.numpy())


def test_cauchy_has_its_quartiles():
    fastnn.manual_seed(0)
    t = fastnn.empty(40000, dtype=fastnn.float64).cauchy_(1.0, 2.0)
    np.testing.assert_allclose(np.quantile(t.numpy(), [0.25, 0.5, 0.75]), [-1, 1, 3], atol=0.1)


def test_gamma_draws_follow_their_quantile():
    """dy/da at a fixed quantile, against finite differences of the quantile found by bisection on igamma."""
    fastnn.manual_seed(0)
    a = np.array([0.05, 0.4, 1.0, 3.0, 20.0, 300.0])
    alpha = fastnn.tensor(a, requires_grad=True)
    y = fastnn.ops.draws.standard_gamma(alpha)
    (slope,) = fastnn.autograd.grad(y.sum(), alpha)
    share = fastnn.igamma(alpha.detach(), y.detach())

    def quantile(a):
        low, high = np.zeros_like(a), a * 20 + 50
        for _ in range(200):
            middle = (low + high) / 2
            below = fastnn.igamma(fastnn.tensor(a), fastnn.tensor(middle)).numpy() < share.numpy()
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return low

    numeric = (quantile(a * (1 + 1e-5)) - quantile(a * (1 - 1e-5))) / (2e-5 * a)
    np.testing.assert_allclose(slope.numpy(), numeric, rtol=1e-4)


@pytest.mark.parametrize("name", [n for n in special.__all__ if "polynomial" in n])
def test_polynomials(name, rng):
    """Degrees -1 to 7, numbers and tensors, against NumPy's polynomials (and PyTorch's, where it is installed)."""
    x = rng.uniform(0, 1, 9) if name.startswith("shifted") else rng.uniform(-1, 1, 9)
    t, degrees = fastnn.tensor(x), np.arange(-1, 8)
    f = getattr(special, name)
    values = np.stack([f(t, int(n)).numpy() for n in degrees])
    np.testing.assert_array_equal(f(t, fastnn.tensor(degrees)[:, None]).numpy(), values)
    kind, at = name.split("_")[-1], 2 * x - 1 if name.startswith("shifted") else x
    angle = np.arccos(at)
    known = {
        "t": lambda n: np.cos(n * angle), "u": lambda n: np.sin((n + 1) * angle) / np.sin(angle),
        "v": lambda n: np.cos((n + 0.5) * angle) / np.cos(angle / 2), "w": lambda n: np.sin((n + 0.5) * angle) / np.sin(angle / 2),
        "h": lambda n: np.polynomial.hermite.Hermite.basis(n)(at), "he": lambda n: np.polynomial.hermite_e.HermiteE.basis(n)(at),
        "l": lambda n: np.polynomial.laguerre.Laguerre.basis(n)(at), "p": lambda n: np.polynomial.legendre.Legendre.basis(n)(at),
    }[kind]  # fmt: skip
    np.testing.assert_allclose(values, np.stack([known(n) if n >= 0 else 0 * x for n in degrees]), rtol=1e-10, atol=1e-11)
    assert fastnn.autograd.gradcheck(lambda a: f(a, 4), (t.requires_grad_(),))
    for bad in (1.5, 2**62, float("nan"), "a", fastnn.tensor([1, 2**40])):
        with pytest.raises(ValueError, match=name):
            f(t, bad)


def test_bessel_functions_of_both_kinds():
    """Values: Abramowitz and Stegun, tables 9.1, 9.8; between the ways of computing, the Wronskians 9.1.16 and 9.6.15."""
    sp, d = fastnn.special, fastnn.float64
    for name, x, value in (
        ("bessel_j0", 2.0, 0.22389077914123567), ("bessel_j1", 2.0, 0.5767248077568734), ("bessel_y0", 2.0, 0.51037567264974512),
        ("bessel_y1", 2.0, -0.10703243154093755), ("modified_bessel_k0", 1.0, 0.42102443824070834), ("modified_bessel_k1", 1.0, 0.60190723019723457),
    ):  # fmt: skip
        assert getattr(sp, name)(fastnn.tensor(x, dtype=d)).item() == pytest.approx(value, rel=1e-13)
    x = fastnn.tensor([1e-6, 0.3, 1.99, 2.01, 7.9, 8.1, 24.9, 25.1, 80.0, 1e4], dtype=d)
    j0, j1, y0, y1 = (getattr(sp, f"bessel_{n}")(x) for n in ("j0", "j1", "y0", "y1"))
    np.testing.assert_allclose((j1 * y0 - j0 * y1).numpy(), 2 / (np.pi * x.numpy()), rtol=1e-11)
    k0, k1 = sp.scaled_modified_bessel_k0(x), sp.scaled_modified_bessel_k1(x)
    np.testing.assert_allclose((sp.i0e(x) * k1 + sp.i1e(x) * k0).numpy(), 1 / x.numpy(), rtol=1e-12)
    edge = fastnn.tensor([0.0, -1.0, float("inf"), float("nan")])
    assert repr(sp.bessel_j0(edge).tolist()) == "[1.0, 0.7651976943016052, 0.0, nan]" and sp.bessel_j1(edge)[0].item() == 0
    assert repr(sp.bessel_y1(edge).tolist()) == "[-inf, nan, 0.0, nan]" and repr(sp.modified_bessel_k0(edge).tolist()) == "[inf, nan, 0.0, nan]"
    t = fastnn.tensor([0.5, 3.0, 12.0, 40.0], dtype=d, requires_grad=True)
    for name in "bessel_j0 bessel_j1 bessel_y0 bessel_y1 modified_bessel_k1 scaled_modified_bessel_k0 scaled_modified_bessel_k1 spherical_bessel_j0".split():
        assert fastnn.autograd.gradcheck(getattr(sp, name), t) and fastnn.autograd.gradgradcheck(getattr(sp, name), t)


def test_polygamma_left_of_zero():
    scipy = pytest.importorskip("scipy.special")
    x = np.array([-3.7, -2.5, -0.3, 0.2, 0.45, 0.7, 3.0, -100.25])
    for n in range(1, 8):  # ψₙ(x) = ψₙ(x + m) - (-1)ⁿ n! Σ (x + k)^-(n+1), k < m
        m = 102
        terms = ((x[:, None] + np.arange(m)) ** -(n + 1.0)).sum(1)
        expected = scipy.polygamma(n, x + m) - (-1.0) ** n * math.factorial(n) * terms
        np.testing.assert_allclose(fastnn.polygamma(n, fastnn.tensor(x)).numpy(), expected, rtol=1e-9)
    assert fastnn.polygamma(2, fastnn.tensor([0.0, -1.0])).tolist() == [-math.inf] * 2
    assert fastnn.polygamma(3, fastnn.tensor([0.0, -1.0])).tolist() == [math.inf] * 2


def test_airy():
    scipy = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-30, 20, 301), [0.0, 1.0, -1.0, 1e-9]])
    t = fastnn.tensor(x, requires_grad=True)
    y = special.airy_ai(t)
    ai, slope, *_ = scipy.airy(x)
    np.testing.assert_allclose(y.detach().numpy(), ai, atol=2e-14)
    np.testing.assert_allclose(y.detach().numpy()[x > 0], ai[x > 0], rtol=1e-12)
    (g,) = fastnn.autograd.grad(y.sum(), t, create_graph=True)
    np.testing.assert_allclose(g.detach().numpy(), slope, atol=1e-12)
    np.testing.assert_allclose(fastnn.autograd.grad(g.sum(), t)[0].numpy(), x * ai, atol=1e-12)
    assert special.airy_ai(fastnn.tensor([math.inf])).item() == 0


def test_incomplete_gamma_function_of_large_a():
    """Against the integral of its density, in standard deviations from the mean."""
    z, weights = np.polynomial.legendre.leggauss(400)
    for a in (1.1e4, 1e6, 1e10):
        for end in (-4.0, -1.0, 0.0, 0.5, 3.0):
            u = -12 + (z + 1) * (end + 12) / 2
            m = u / math.sqrt(a)
            density = np.exp(-a * (m - np.log1p(m)) - 1 / (12 * a) - np.log1p(m)) / math.sqrt(2 * math.pi)
            expected = (density * weights).sum() * (end + 12) / 2
            x = fastnn.tensor([a + end * math.sqrt(a)], dtype=fastnn.float64)
            n = fastnn.tensor([a], dtype=fastnn.float64)
            tolerance = 1e-12 if a < 1e9 else 1e-9  # of m - log(1 + m) above
            assert fastnn.igamma(n, x).item() == pytest.approx(expected, rel=tolerance * 1e2, abs=tolerance)
            assert fastnn.igammac(n, x).item() == pytest.approx(1 - expected, rel=1e-9, abs=tolerance)
    scipy = pytest.importorskip("scipy.special")
    a = 1e4 + 100 * np.linspace(-3, 3, 13)  # across the border of two methods
    np.testing.assert_allclose(fastnn.igamma(fastnn.tensor(a), fastnn.full((13,), 1e4, dtype=fastnn.float64)).numpy(), scipy.gammainc(a, 1e4), rtol=1e-9)
    from fastnn.ops.gamma import gamma_tail

    (low, high), (_, below), (_, above) = gamma_tail([9999.99, 10000.0], 1e4 + 50.0)[1], gamma_tail([1, 9999.9], 1e4)[1], gamma_tail([1, 10000.1], 1e4)[1]
    assert high == pytest.approx(low, rel=1e-4) and above == pytest.approx(below, rel=1e-4)


def test_gradient_of_xlog1py_at_zero():
    x = fastnn.tensor([0.0, 0.0, 0.0, 2.0], dtype=fastnn.float64, requires_grad=True)
    y = fastnn.special.xlog1py(x, fastnn.tensor([0.5, -1.0, -2.0, 0.5], dtype=fastnn.float64))
    (g,) = fastnn.autograd.grad(y.sum(), x)
    assert y.tolist()[:3] == [0, 0, 0] and g.tolist() == pytest.approx([math.log(1.5), 0, 0, math.log(1.5)])
    assert fastnn.special.xlog1py(x, -1).tolist() == [0, 0, 0, -math.inf]


def test_derivatives_of_log_ndtr_far_left():
    x = fastnn.tensor([-1e6, -1e3, -30.0, 0.0, 40.0], dtype=fastnn.float64, requires_grad=True)
    (g,) = fastnn.autograd.grad(fastnn.special.log_ndtr(x).sum(), x, create_graph=True)
    expected = [1e6 + 1e-6, 1000.000999998, 30.033259667433672, math.sqrt(2 / math.pi), 0]  # SciPy's erfcx
    np.testing.assert_allclose(g.detach(), expected, 1e-12)
    np.testing.assert_allclose(fastnn.autograd.grad(g.sum(), x)[0], [-1, -1, -0.998895, -2 / math.pi, 0], 1e-3)


def test_polynomials_of_a_number():
    assert fastnn.special.hermite_polynomial_h(1.5, fastnn.tensor([1, 2, 3])).tolist() == [3, 7, 9]
