"""The copy kernel: any strides on either side, any pair of dtypes, every instruction set."""

import numpy as np
import pytest

import fastnn

DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")


def views(shape, rng):
    """Index expressions and axis orders that make strided, reversed, broadcast and transposed views of an array."""
    for _ in range(6):
        steps = tuple(slice(None, None, int(rng.choice([1, 1, 2, 3, -1, -2]))) for _ in shape)
        yield steps, tuple(int(d) for d in rng.permutation(len(shape)))


SHAPES = [(1,), (17,), (3, 5), (33, 70), (130, 67), (2, 3, 40, 37), (64, 5, 3), (9, 1, 65), (2, 3, 4, 5, 6)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", [name for name, _, ok in fastnn._cpu.isas() if ok])
def test_any_layout(rng, dtype, isa):
    with fastnn.isa(isa):
        for shape in SHAPES:
            a = rng.integers(0, 2 if dtype == "bool" else 200, shape).astype(dtype)
            for steps, order in views(shape, rng):
                source = a[steps].transpose(order)
                x = fastnn._cpu.from_numpy(source)
                assert x is not None
                np.testing.assert_array_equal(x.clone().numpy(), source)
                target = np.zeros(source.shape[::-1], dtype).transpose()[tuple(slice(None, None, -1) for _ in shape)]
                y = fastnn._cpu.from_numpy(target)
                fastnn._cpu.copy(y, x)
                np.testing.assert_array_equal(target, source)


@pytest.mark.parametrize("to", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_dtypes(rng, dtype, to):
    for shape in ((), (0, 3), (37,), (40, 67)):
        a = (rng.standard_normal(shape) * 100).clip(0, 127).astype(dtype)
        x = fastnn.tensor(a)
        np.testing.assert_array_equal(x.to(to).numpy(), a.astype(to))
        if shape == (40, 67):
            np.testing.assert_array_equal(x.T.to(to).numpy(), a.T.astype(to))
            np.testing.assert_array_equal(x[:, ::3].to(to).numpy(), a[:, ::3].astype(to))
            np.testing.assert_array_equal(x[:1].expand(5, 67).to(to).numpy(), np.broadcast_to(a[:1], (5, 67)).astype(to))


def test_odd_floats_become_defined_integers():
    x = fastnn.tensor([float("nan"), float("inf"), -float("inf"), 1e30, -1e30, 3.9, -3.9])
    assert x.to(fastnn.int64).tolist()[-2:] == [3, -3]
    assert x.to(fastnn.int32).tolist()[-2:] == [3, -3]
    assert len(set(x.to(fastnn.int64).tolist()[:5])) == 1
    assert x.to(fastnn.bool).tolist() == [True] * 7


def test_numbers_within_and_beyond_int32_in_one_line(rng):
    """Long lines go by way of int32 where they can: as one number alone does, as NumPy."""
    edges = np.array([2.0**31, -(2.0**31), 2.0**31 - 1, -(2.0**31) - 1, 2.0**31 + 256, 2.0**40 + 0.5, -3e18, 0.5, -0.5, -0.0])
    odd = np.array([np.nan, np.inf, -np.inf, 2.0**63, 1e30])
    for dtype in ("float32", "float64"):
        for k, special in enumerate((edges[:0], edges, odd, np.concatenate([edges, odd]))):
            a = (rng.standard_normal(101) * 10.0 ** (3 + 3 * k)).astype(dtype)
            a[rng.permutation(101)[: len(special)]] = special
            x = fastnn.tensor(a)
            y = x.to(fastnn.int64).numpy()
            assert [x[i : i + 1].to(fastnn.int64).tolist()[0] for i in range(101)] == y.tolist()
            plain = np.abs(a) < 2.0**62
            np.testing.assert_array_equal(y[plain], a[plain].astype(np.int64))
        for high in (2**20, 2**31, 2**33, 2**62):
            n = rng.integers(-high, high, 101)
            n[rng.permutation(101)[:4]] = (2**31 - 1, -(2**31), min(high, 2**31), 2**24 + 1)
            np.testing.assert_array_equal(fastnn.tensor(n).to(getattr(fastnn, dtype)).numpy(), n.astype(dtype))


def test_transpose_larger_than_a_tile(rng):
    a = rng.standard_normal((1000, 513)).astype(np.float32)
    np.testing.assert_array_equal(fastnn.tensor(a).T.clone().numpy(), a.T)
    b = rng.standard_normal((5, 100, 3, 7))
    np.testing.assert_array_equal(fastnn.tensor(b).permute(0, 3, 1, 2).clone().numpy(), b.transpose(0, 3, 1, 2))
    for threads in (1, 2, 3, 7):
        with fastnn.threads(threads):
            np.testing.assert_array_equal(fastnn.tensor(a).T.clone().numpy(), a.T)
