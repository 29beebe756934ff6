"""softmax, log_softmax: special values, errors, torch as a second oracle."""

import numpy as np
import pytest

import fastnn
from fastnn.ops import softmax as F

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [3, 16, 40, 300])
@pytest.mark.parametrize("inner", [1, 5])
def test_special_values(dtype, n, inner):
    """Rows holding NaN, or a +inf, or nothing but -inf are NaN throughout; a -inf among numbers has probability 0."""
    x = np.zeros((40, n, inner), dtype)
    x[0] = -INF
    x[1, 1] = NAN
    x[2, 2] = INF
    x[3, 0] = -INF
    x[4] = 1e4
    x[4, 1] = -1e4
    for f in (fastnn.softmax, fastnn.log_softmax):
        y = f(fastnn.tensor(x), 1).numpy()
        assert np.isnan(y[:3]).all() and not np.isnan(y[3:]).any()
    p, logs = fastnn.softmax(fastnn.tensor(x), 1).numpy(), fastnn.log_softmax(fastnn.tensor(x), 1).numpy()
    assert (p[3, 0] == 0).all() and (logs[3, 0] == -INF).all()
    np.testing.assert_allclose(p[3, 1:], 1 / (n - 1), rtol=1e-6)
    np.testing.assert_allclose(logs[4, 1], -2e4 - np.log(n - 1), rtol=1e-6)


def test_sums_to_one():
    x = fastnn.tensor(np.random.default_rng(0).standard_normal((50, 1000)).astype("float32") * 10)
    np.testing.assert_allclose(fastnn.softmax(x, 1).numpy().sum(1, dtype=float), 1, rtol=2e-6)


def test_errors_and_dtypes():
    x = fastnn.tensor([[1, 2], [3, 4]])
    with pytest.raises(RuntimeError, match="softmax"):
        fastnn.softmax(x, 1)
    assert fastnn.softmax(x, 1, dtype=fastnn.float64).dtype is fastnn.float64
    with pytest.raises(IndexError, match="Dimension out of range"):
        fastnn.softmax(x.float(), 2)
    with pytest.warns(UserWarning, match="Implicit dimension choice"):
        np.testing.assert_array_equal(F.softmax(x.float()).numpy(), F.softmax(x.float(), 1).numpy())
    assert x.float().softmax(-1).shape == (2, 2)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_as_torch(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    for shape, dim in (((7, 10), 1), ((3, 4, 5), 0), ((2, 50, 3), 1), ((100, 33), -1)):
        a, g = rng.standard_normal(shape), rng.standard_normal(shape)
        x, t = fastnn.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
        y, u = getattr(F, name)(x, dim), getattr(torch.nn.functional, name)(t, dim)
        y.backward(fastnn.tensor(g))
        u.backward(torch.tensor(g))
        np.testing.assert_allclose(y.detach().numpy(), u.detach().numpy(), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("width", [1000, 1001])
def test_large_arrays_are_streamed_to_the_same_numbers(width):
    """What does not fit the cache is written past it; rows of odd length start at any address."""
    x, g = fastnn.randn(6000, width), fastnn.randn(6000, width)
    w, b = fastnn.randn(width), fastnn.randn(width)

    def softmax_dx(x, g):
        y = fastnn.empty(*x.shape)
        fastnn._cpu.softmax_dx(y, g, x, 1)
        return y

    def log_softmax_dx(x, g):
        y = fastnn.empty(*x.shape)
        fastnn._cpu.log_softmax_dx(y, g, x, 1)
        return y

    def layer_norm(x, g):
        return fastnn.nn.functional.layer_norm(x, (width,), w, b)

    def layer_norm_dx(x, g):
        x.requires_grad_()
        return fastnn.autograd.grad(layer_norm(x, g), x, g)[0]

    def softmax(x, g):
        return F.softmax(x, 1)

    def log_softmax(x, g):
        return F.log_softmax(x, 1)

    for f in (softmax, log_softmax, softmax_dx, log_softmax_dx, layer_norm, layer_norm_dx):
        whole, parts = f(x, g), [f(x[i : i + 1000], g[i : i + 1000]) for i in range(0, 6000, 1000)]
        np.testing.assert_array_equal(whole.detach().numpy(), np.concatenate([p.detach().numpy() for p in parts]))
