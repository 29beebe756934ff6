"""Random: known answers, the reference's numbers, invariance to threads and instruction sets, distributions, errors."""

import math
import pickle

import numpy as np
import pytest

import fastnn
from fastnn import _cpu
from fastnn.ops import random as R
from fastnn.reference import random as reference

DTYPES = {"float32": fastnn.float32, "float64": fastnn.float64}


arithmetic = pytest.mark.skipif(not hasattr(fastnn.Tensor, "__mul__"), reason="needs the elementwise family")


def fresh(seed=5):
    return fastnn.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "counter, key, words",
    [
        ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0], "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_known_answers_of_random123(counter, key, words):
    got = R.philox(fastnn.tensor([counter]), fastnn.tensor(key)).tolist()[0]
    assert " ".join(f"{w:08x}" for w in got) == words
    assert " ".join(f"{int(w):08x}" for w in reference.philox([counter], key)[0]) == words


@pytest.mark.parametrize("n", [0, 1, 31, 64, 65, 1000])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", [0, 2**32 - 8])
def test_numbers_are_the_reference_s(n, dtype, offset):
    d, seed = DTYPES[dtype], 2**63 + 77

    def start():
        return fresh(seed).set_state(fastnn.tensor([seed - 2**64, offset]))

    tol = {"float32": 3e-6, "float64": 1e-14}[dtype]
    assert np.array_equal(fastnn.rand(n, dtype=d, generator=start()).numpy(), reference.uniform(seed, offset, n, np.dtype(dtype)))
    np.testing.assert_allclose(
        fastnn.randn(n, dtype=d, generator=start()).numpy(), reference.normal(seed, offset, n, np.dtype(dtype)), rtol=tol, atol=tol
    )
    for low, high in ((0, 10), (-5, 2**32 - 5), (-(2**62), 2**62)):
        assert np.array_equal(fastnn.randint(low, high, (n,), generator=start()).numpy(), reference.randint(seed, offset, n, low, high))


def draws(n):
    g = fresh()
    yield fastnn.rand(n, generator=g)
    yield fastnn.rand(n, generator=g, dtype=fastnn.float64)
    yield fastnn.randn(n, generator=g)
    yield fastnn.randn(n, generator=g, dtype=fastnn.float64)
    yield fastnn.empty(n).normal_(3, 0.1, generator=g)
    yield fastnn.empty(n).uniform_(-3, 0.1, generator=g)
    yield fastnn.randint(-7, 1000, (n,), generator=g)
    yield fastnn.randint(2**40, (n,), generator=g)
    yield fastnn.randperm(n, generator=g)
    yield fastnn.full((n,), 0.3).bernoulli(generator=g)
    yield R.dropout(fastnn.ones(n), 0.3, generator=g)
    yield fastnn.multinomial(fastnn.tensor([1.0, 2, 3, 4, 5, 6, 7]), 5, generator=g)
    yield g.state.clone()


def test_same_bits_on_every_instruction_set_and_thread_count():
    n = 200_003  # several chunks, a partial tile, buckets in randperm
    want = [t.numpy().tobytes() for t in draws(n)]
    for isa in (name for name, _, supported in _cpu.isas() if supported):
        for threads in (1, 2, 3):
            with fastnn.isa(isa), fastnn.threads(threads):
                assert [t.numpy().tobytes() for t in draws(n)] == want, (isa, threads)


def test_seeds_and_states():
    fastnn.manual_seed(1)
    a, state = fastnn.rand(5), fastnn.get_rng_state()
    b = fastnn.rand(5)
    assert a.tolist() != b.tolist() and fastnn.initial_seed() == 1
    fastnn.set_rng_state(state)
    assert fastnn.rand(5).tolist() == b.tolist()
    fastnn.manual_seed(1)
    assert fastnn.rand(5).tolist() == a.tolist()
    assert fresh(-1).initial_seed() == 2**64 - 1 and fresh(2**64 - 1).initial_seed() == 2**64 - 1
    g = fresh(3)
    copied = pickle.loads(pickle.dumps(g))
    assert fastnn.randn(3, generator=g).tolist() == fastnn.randn(3, generator=copied).tolist()
    assert fastnn.Generator().initial_seed() == fastnn.Generator().initial_seed() == 67280421310721
    assert isinstance(fastnn.seed(), int)
    for bad in (2**64, -(2**63) - 1):
        with pytest.raises(RuntimeError, match="Overflow"):
            fastnn.manual_seed(bad)
    with pytest.raises(TypeError):
        fastnn.set_rng_state(fastnn.zeros(2))
    fastnn.set_rng_state(state.cpu().byte())  # as programs write it, to be sure
    assert state.dtype is fastnn.uint8 and fastnn.rand(5).tolist() == b.tolist()
    assert fastnn.randint(high=3, size=(2,)).shape == (2,)


def ks(values, cdf):
    """The Kolmogorov-Smirnov p-value."""
    x = np.sort(cdf(values))
    n = len(x)
    d = max((np.arange(1, n + 1) / n - x).max(), (x - np.arange(n) / n).max()) * math.sqrt(n)
    return 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * d * d) for k in range(1, 50))


@pytest.mark.parametrize("dtype", DTYPES)
def test_distributions(dtype):
    n, d = 1_000_000, DTYPES[dtype]
    g = fresh(11)
    u = fastnn.rand(n, dtype=d, generator=g).numpy().astype(np.float64)
    assert ks(u, lambda x: x) > 1e-4 and 0 <= u.min() and u.max() < 1
    z = fastnn.randn(n, dtype=d, generator=g).numpy().astype(np.float64)
    erf = np.frompyfunc(math.erf, 1, 1)
    assert ks(z[:200_000], lambda x: 0.5 * (1 + erf(x / math.sqrt(2)).astype(float))) > 1e-4
    assert abs(z.mean()) < 5e-3 and abs(z.var() - 1) < 7e-3 and abs((z**4).mean() - 3) < 0.05
    assert 4.2 < np.abs(z).max() < 7
    pairs = z.reshape(-1, 2, 16)[:, :, :]  # the two halves of Box-Muller, and neighbours, are uncorrelated
    assert abs((pairs[:, 0] * pairs[:, 1]).mean()) < 5e-3 and abs((z[1:] * z[:-1]).mean()) < 5e-3
    y = fastnn.empty(n, dtype=d).uniform_(-2, 3, generator=g).numpy().astype(np.float64)
    assert ks(y, lambda x: (x + 2) / 5) > 1e-4 and -2 <= y.min() and y.max() < 3
    w = fastnn.normal(2.0, 0.5, (n,), dtype=d, generator=g).numpy()
    assert abs(w.mean() - 2) < 3e-3 and abs(w.std() - 0.5) < 3e-3


def test_uniform_stays_below_high():
    g = fresh()
    for low, high in ((1e8, 1e8 + 8), (-1.0, 0.0), (0.0, 0.0), (3.0, 3.0), (-1e-38, 1e-38), (16777215.0, 16777216.0)):
        y = fastnn.empty(100_000).uniform_(low, high, generator=g).numpy()
        assert y.min() >= np.float32(low) and (y.max() < np.float32(high) or low == high), (low, high)


def test_integers_and_permutations():
    g = fresh(2)
    counts = np.bincount(fastnn.randint(10, (100_000,), generator=g).numpy(), minlength=10)
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 35  # chi-square, 9 degrees, p ~ 6e-5
    for dtype in (fastnn.int32, fastnn.uint8, fastnn.float32, fastnn.float64):
        y = fastnn.randint(3, 7, (50,), dtype=dtype, generator=g)
        assert y.dtype is dtype and set(y.tolist()) == {3, 4, 5, 6}
    big = fastnn.randint(-(2**63), 2**63 - 1, (4000,), generator=g).numpy().astype(float)
    assert abs(big.mean()) < 2**63 / 25
    for n in (0, 1, 2, 64, 65, 1000, 65_537, 150_000):
        assert np.array_equal(np.sort(fastnn.randperm(n, generator=g).numpy()), np.arange(n))
    orders = [tuple(fastnn.randperm(3, generator=g).tolist()) for _ in range(3000)]
    assert min(orders.count(o) for o in set(orders)) > 400 and len(set(orders)) == 6
    p = fastnn.randperm(150_000, generator=g).numpy()
    assert abs(np.corrcoef(p, np.arange(len(p)))[0, 1]) < 0.02 and np.sum(p == np.arange(len(p))) < 12
    assert fastnn.randperm(4, dtype=fastnn.int32).dtype is fastnn.int32


def test_multinomial_of_fewer_possible_categories_than_draws():
    for p in ([0, 2, 0, 1], [0, 0, 3, 0]):
        drawn = fastnn.multinomial(fastnn.tensor(p, dtype=fastnn.float32), 3).tolist()
        possible = [i for i, v in enumerate(p) if v]
        assert sorted(drawn[: len(possible)]) == possible and len(set(drawn)) == 3


def test_bernoulli_and_multinomial():
    g = fresh(4)
    y = fastnn.empty(100_000).bernoulli_(0.25, generator=g).numpy()
    assert set(y) == {0, 1} and abs(y.mean() - 0.25) < 0.01
    assert fastnn.full((50,), 1.0).bernoulli(generator=g).tolist() == [1] * 50
    assert fastnn.full((50,), 0.0).bernoulli(generator=g).tolist() == [0] * 50
    p = fastnn.tensor([[0.0, 1.0, 3.0, 0.0], [2.0, 0.0, 0.0, 2.0]])
    y = fastnn.multinomial(p, 20_000, replacement=True, generator=g).numpy()
    assert abs((y[0] == 2).mean() - 0.75) < 0.02 and set(y[0]) == {1, 2} and set(y[1]) == {0, 3}
    pairs = np.array([fastnn.multinomial(p.select(0, 0), 2, generator=g).tolist() for _ in range(2000)])
    assert (pairs[:, 0] != pairs[:, 1]).all() and abs((pairs[:, 0] == 2).mean() - 0.75) < 0.05
    assert sorted(fastnn.multinomial(fastnn.ones(9, dtype=fastnn.float64), 9, generator=g).tolist()) == list(range(9))


def test_dropout_mask_and_derivative():
    x = fastnn.ones(100_000, requires_grad=True)
    y = R.dropout(x, 0.2, generator=fresh())
    kept = y.detach().numpy() != 0
    assert abs(kept.mean() - 0.8) < 0.01 and np.allclose(y.detach().numpy()[kept], 1.25)
    y.backward(fastnn.ones(100_000))
    assert np.array_equal(x.grad.numpy(), y.detach().numpy())  # the same mask again
    again = R.dropout(x.double(), 0.2, generator=fresh()).detach().numpy()
    assert np.array_equal(again != 0, kept)
    assert R.dropout(x, 0.3, training=False) is x and R.dropout(x, 0.0) is x
    assert not R.dropout(x, 1.0).detach().numpy().any()
    z = fastnn.ones(1000)
    assert R.dropout(z, 0.5, inplace=True) is z and 300 < (z.numpy() == 0).sum() < 700


@arithmetic
def test_feature_dropout():
    fastnn.manual_seed(0)
    for f, shape, kept in (
        (R.dropout1d, (4, 8, 5), 2),
        (R.dropout1d, (8, 5), 1),
        (R.dropout2d, (4, 8, 3, 5), 2),
        (R.dropout3d, (8, 2, 3, 5), 1),
        (R.dropout3d, (2, 8, 2, 3, 5), 2),
    ):
        maps = f(fastnn.ones(shape), 0.5).numpy().reshape(*shape[:kept], -1)
        assert set(np.unique(maps)) == {0, 2} and (maps == maps[..., :1]).all()
    y = R.alpha_dropout(fastnn.randn(200_000), 0.2, training=True)
    assert abs(y.numpy().mean()) < 0.02 and abs(y.numpy().std() - 1) < 0.02
    assert R.alpha_dropout(y, 0.2) is y
    for f in (R.dropout1d, R.dropout2d, R.dropout3d):
        with pytest.raises(RuntimeError, match=r"dropout.d: Expected"):
            f(fastnn.ones(3))


@arithmetic
def test_shapes_dtypes_and_options():
    assert fastnn.randn(2, 3).shape == fastnn.randn((2, 3)).shape == fastnn.randn([2, 3]).shape == (2, 3)
    assert fastnn.rand(()).shape == () and fastnn.rand(2, 0).shape == (2, 0) and fastnn.rand(fastnn.ones(2, 2).shape).shape == (2, 2)
    assert fastnn.rand(2, dtype=fastnn.float64, requires_grad=True).requires_grad
    x = fastnn.ones(2, 3, dtype=fastnn.float64)
    assert fastnn.rand_like(x).dtype is fastnn.randn_like(x).dtype is fastnn.randint_like(x, 5).dtype is fastnn.float64
    assert fastnn.normal(x, 2.0).shape == fastnn.normal(0.0, x).shape == fastnn.normal(x, x).shape == (2, 3)
    y = fastnn.ones(4, 6)
    y.t().uniform_(2, 3)  # any layout
    assert 2 <= y.numpy().min() and y.numpy().max() < 3 and len(np.unique(y.numpy())) > 20
    assert 0 <= fastnn.empty(5, dtype=fastnn.uint8).random_(3).numpy().max() < 3


@arithmetic
def test_in_place_on_a_graph():
    w = fastnn.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        w.normal_()
    with fastnn.no_grad():
        assert w.normal_() is w
    y = w * 1
    y.uniform_()
    y.backward(fastnn.ones(3))
    assert w.grad is None or not w.grad.numpy().any()


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: fastnn.rand(-1), RuntimeError, "negative"),
        (lambda: fastnn.rand(2.5), TypeError, "ints"),
        (lambda: fastnn.rand(2, dtype=fastnn.int64), RuntimeError, "floating"),
        (lambda: fastnn.rand(2, generator=3), TypeError, "Generator"),
        (lambda: fastnn.empty(2).uniform_(2, 1), RuntimeError, "from=2.0 > to=1.0"),
        (lambda: fastnn.empty(2).uniform_(0, math.inf), RuntimeError, "to-from"),
        (lambda: fastnn.empty(2).uniform_(math.nan, 1), RuntimeError, "range"),
        (lambda: fastnn.empty(2).normal_(0, -1), RuntimeError, "std >= 0.0"),
        (lambda: fastnn.normal(0.0, 1.0), TypeError, "size"),
        (lambda: fastnn.normal(fastnn.ones(2), fastnn.tensor([1.0, -1.0])), RuntimeError, "std >= 0.0"),
        (lambda: fastnn.randint(5, 5, (2,)), RuntimeError, "from=5 >= to=5"),
        (lambda: fastnn.randint(0, 300, (2,), dtype=fastnn.uint8), RuntimeError, "out of bounds"),
        (lambda: fastnn.randint(0, 3, 2), TypeError, "size"),
        (lambda: fastnn.randperm(-1), RuntimeError, "non-negative"),
        (lambda: fastnn.empty(2).bernoulli_(1.5), RuntimeError, "p=1.5"),
        (lambda: fastnn.bernoulli(fastnn.tensor([0.5, -0.1])), RuntimeError, "p_in >= 0"),
        (lambda: fastnn.bernoulli(fastnn.tensor([0.5, math.nan])), RuntimeError, "p_in >= 0"),
        (lambda: fastnn.multinomial(fastnn.ones(3), 4), RuntimeError, "without replacement"),
        (lambda: fastnn.multinomial(fastnn.ones(3), 0), RuntimeError, "n_sample <= 0"),
        (lambda: fastnn.multinomial(fastnn.ones(2, 2, 2), 1), RuntimeError, "1 or 2 dim"),
        (lambda: fastnn.multinomial(fastnn.zeros(3), 1), RuntimeError, "sum of probabilities"),
        (lambda: fastnn.multinomial(fastnn.tensor([1.0, -1.0]), 1), RuntimeError, "element < 0"),
        (lambda: fastnn.multinomial(fastnn.tensor([1.0, math.inf]), 1), RuntimeError, "inf"),
        (lambda: R.dropout(fastnn.ones(3), 1.5), ValueError, "between 0 and 1, but got 1.5"),
        (lambda: R.dropout(fastnn.ones(3, dtype=fastnn.int64), 0.5), RuntimeError, "floating"),
        (lambda: fastnn.empty(2, dtype=fastnn.int64).normal_(), RuntimeError, "floating"),
    ],
)
def test_errors_name_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_sobol_engine():
    pytest.importorskip("scipy")
    engine = fastnn.quasirandom.SobolEngine(2)
    points = engine.draw(8, dtype=fastnn.float64)
    assert points[:4].tolist() == [[0.0, 0.0], [0.5, 0.5], [0.75, 0.25], [0.25, 0.75]] and engine.num_generated == 8
    assert fastnn.equal(engine.reset().draw_base2(3, dtype=fastnn.float64), points)
    engine.reset().fast_forward(3)
    assert fastnn.equal(engine.draw(5, dtype=fastnn.float64), points[3:])
    a, b = (fastnn.quasirandom.SobolEngine(3, scramble=True, seed=1).draw(5) for _ in "ab")
    assert fastnn.equal(a, b) and a.dtype is fastnn.float32 and bool(((a >= 0) & (a < 1)).all())
    with pytest.raises(ValueError, match="dimensionality"):
        fastnn.quasirandom.SobolEngine(0)
    with pytest.raises(ValueError, match="power of 2"):
        engine.draw_base2(2), engine.draw_base2(2)
