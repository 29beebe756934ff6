"""Indexing: random index expressions against NumPy and PyTorch, errors, in-place history, bounds."""

import numpy as np
import pytest

import fastnn
from fastnn import _cpu
from fastnn.ops import rows as F

LIMITS = (2**63 - 1, -(2**63))


def random_key(rng, shape, ints_with_tables):
    """A random index expression for an array of this shape, and whether it holds an index array."""
    items, d, tables = [], 0, 0
    common = tuple(rng.integers(1, 4, rng.integers(0, 3)))
    stop = rng.integers(0, len(shape) + 1)
    while d < stop:
        n = shape[d]
        kind = rng.choice(["int", "slice", "slice", "array", "list", "mask", "none", "wide mask", "bool"], p=[0.14, 0.2, 0.14, 0.2, 0.06, 0.08, 0.1, 0.05, 0.03])
        if kind == "int" and n and (ints_with_tables or not tables):
            items.append(int(rng.integers(-n, n)))
        elif kind == "slice":
            a, b = (None if rng.random() < 0.3 else int(rng.integers(-n - 2, n + 3)) for _ in "ab")
            items.append(slice(a, b, None if rng.random() < 0.5 else int(rng.integers(1, 4))))
        elif kind == "array" and n:
            s = tuple(1 if rng.random() < 0.2 else k for k in common)[rng.integers(0, len(common) + 1) if rng.random() < 0.2 else 0 :]
            items.append(rng.integers(-n, n, s if s or ints_with_tables else (1,)))  # 0-d ones act as ints
            tables += 1
        elif kind == "list" and n and not common:
            items.append([int(i) for i in rng.integers(-n, n, 1)])
            tables += 1
        elif kind == "mask" and not tables and not common:
            items.append(rng.random(n) < 0.5)
            tables += 1
            common = None  # no second table: its length would have to fit
        elif kind == "wide mask" and not tables and d + 1 < len(shape):
            items.append(rng.random(shape[d : d + 2]) < 0.5)
            tables += 1
            common = None
            d += 1
        elif kind == "none":
            items.append(None)
            continue
        elif kind == "bool" and rng.random() < 0.5:
            items.append(bool(rng.random() < 0.7))
            tables += 1
            continue
        else:
            items.append(slice(None))
        if common is None:
            common = ()
            stop = min(stop, d + 1)
        d += 1
    if rng.random() < 0.3:
        items.insert(rng.integers(0, len(items) + 1), Ellipsis)
    if len([k for k in items if not isinstance(k, (int, slice)) and k is not None and k is not Ellipsis]) and not ints_with_tables:
        items = [slice(k, k + 1 or None) if type(k) is int else k for k in items]  # NumPy counts ints as index arrays
    items = [np.array(k) if isinstance(k, np.generic) else k for k in items]
    return items[0] if len(items) == 1 and rng.random() < 0.5 else tuple(items)


def as_key(key, rng):
    """The key with some of its arrays as tensors."""
    convert = lambda k: fastnn.tensor(k) if isinstance(k, np.ndarray) and rng.random() < 0.7 else k  # noqa: E731
    return tuple(convert(k) for k in key) if isinstance(key, tuple) else convert(key)


def arrays(rng):
    while True:
        shape = tuple(int(n) for n in rng.integers(0 if rng.random() < 0.1 else 1, 6, rng.integers(0, 5)))
        yield np.arange(int(np.prod(shape)), dtype=rng.choice(["f4", "f8", "i8", "u1"])).reshape(shape)


def test_random_keys_against_numpy(rng):
    done = 0
    for a in arrays(rng):
        key = random_key(rng, a.shape, False)
        try:
            expected = a[key]
        except (IndexError, ValueError):
            continue
        x = fastnn.tensor(a)
        if a.ndim > 1 and rng.random() < 0.5:
            x = fastnn.tensor(np.ascontiguousarray(a.T)).T
        got = x[as_key(key, rng)]
        assert got.shape == expected.shape, (a.shape, key)
        np.testing.assert_array_equal(got.numpy(), expected, err_msg=f"{a.shape} {key}")

        v = np.asarray(100 + np.arange(expected.size), a.dtype).reshape(expected.shape)
        if rng.random() < 0.4:
            v = v[tuple(slice(0, 1) if rng.random() < 0.5 else slice(None) for _ in v.shape)]
        if v.size == 0 and expected.size:
            continue
        after = a.copy()
        if expected.size:
            place = np.arange(a.size).reshape(a.shape)[key]
            after.reshape(-1)[np.ravel(place)] = np.ravel(np.broadcast_to(v, expected.shape))  # in order: the last one stays
        x[as_key(key, rng)] = fastnn.tensor(v) if rng.random() < 0.8 else v
        np.testing.assert_array_equal(x.numpy(), after, err_msg=f"set {a.shape} {key} {v.shape}")
        done += 1
        if done == 600:
            return


def test_random_keys_against_torch(rng):
    torch = pytest.importorskip("torch")
    done = 0
    for a in arrays(rng):
        key = random_key(rng, a.shape, True)
        to_torch = lambda k: torch.tensor(k) if isinstance(k, np.ndarray) else k  # noqa: E731
        their_key = tuple(map(to_torch, key)) if isinstance(key, tuple) else to_torch(key)
        t = torch.tensor(a)
        try:
            expected = t[their_key]
        except (IndexError, ValueError):
            with pytest.raises((IndexError, ValueError)):
                fastnn.tensor(a)[as_key(key, rng)]
            continue
        x = fastnn.tensor(a)
        got = x[as_key(key, rng)]
        assert tuple(got.shape) == tuple(expected.shape), (a.shape, key)
        np.testing.assert_array_equal(got.numpy(), expected.numpy(), err_msg=f"{a.shape} {key}")
        x[as_key(key, rng)] = 7
        t[their_key] = 7
        np.testing.assert_array_equal(x.numpy(), t.numpy(), err_msg=f"set {a.shape} {key}")
        done += 1
        if done == 400:
            return


@pytest.mark.parametrize(
    "key", "[i,1-i] [[0,1],[1,2]] [i[0],i[1]] [i] [[0,1]] [0,slice(1,3)] [None,1] [1,[0,1]] [0,1] [True,False] [...,0] []".split()
)
@pytest.mark.filterwarnings("ignore")
def test_lists_of_indices_are_tuples_as_in_pytorch(key):
    torch = pytest.importorskip("torch")
    got = []
    for t in (torch, fastnn):
        x, i = t.arange(24).view(2, 3, 4), t.tensor([0, 1])
        index = eval(key, {"i": i})
        got.append(x[index].tolist())
        x[index] = -1
        got.append(x.tolist())
    assert got[:2] == got[2:]


@pytest.mark.parametrize(
    ("error", "message", "f"),
    [
        (IndexError, "too many indices for tensor of dimension 2", lambda x, i: x[0, 0, 0]),
        (IndexError, "too many indices for tensor of dimension 2", lambda x, i: x[i, i, i]),
        (IndexError, "index 5 is out of bounds for dimension 0 with size 3", lambda x, i: x[5]),
        (IndexError, "index 5 is out of bounds for dimension 1 with size 4", lambda x, i: x[:, 5]),
        (IndexError, "index -5 is out of bounds for dimension 1 with size 4", lambda x, i: x[:, [0, -5]]),
        (IndexError, "index 5 is out of bounds for dimension 0 with size 3", lambda x, i: x[fastnn.tensor([0, 5])]),
        (IndexError, "out of bounds", lambda x, i: x[2**70]),
        (ValueError, "step must be greater than zero", lambda x, i: x[::-1]),
        (ValueError, "step", lambda x, i: x[::0]),
        (IndexError, "single ellipsis", lambda x, i: x[..., ...]),
        (IndexError, "got float", lambda x, i: x[1.0]),
        (IndexError, "long, int, byte or bool", lambda x, i: x[x]),
        (TypeError, "got a str", lambda x, i: x["a"]),
        (IndexError, r"mask \[2\] at index 0 does not match", lambda x, i: x[fastnn.tensor([True, False])]),
        (IndexError, r"broadcast together with shapes \[2\], \[3\]", lambda x, i: x[i, [0, 1, 2]]),
        (IndexError, "0-dim tensor", lambda x, i: fastnn.tensor(1.0)[0]),
        (RuntimeError, "cannot be broadcast", lambda x, i: x.__setitem__(0, fastnn.ones(5))),
        (RuntimeError, r"value tensor of shape \[5\] cannot be broadcast", lambda x, i: x.__setitem__(i, fastnn.ones(5))),
        (RuntimeError, r"shape \[3\] cannot be broadcast", lambda x, i: x.__setitem__(fastnn.ones(3, 4).bool(), fastnn.ones(3))),
        (RuntimeError, "same number of dimensions", lambda x, i: fastnn.gather(x, 0, i)),
        (RuntimeError, "no larger than self", lambda x, i: fastnn.gather(x, 0, fastnn.zeros(1, 9, dtype=fastnn.int64))),
        (RuntimeError, "dtype int32 or int64|int32/int64", lambda x, i: fastnn.gather(x, 0, fastnn.zeros(1, 1))),
        (IndexError, "index 3 is out of bounds for dimension 0 with size 3", lambda x, i: fastnn.gather(x, 0, fastnn.tensor([[3]]))),
        (IndexError, "index -1 is out of bounds", lambda x, i: fastnn.gather(x, 0, fastnn.tensor([[-1]]))),
        (IndexError, "Dimension out of range", lambda x, i: fastnn.gather(x, 2, fastnn.tensor([[0]]))),
        (RuntimeError, "dtype", lambda x, i: fastnn.scatter(x, 0, fastnn.tensor([[0]]), fastnn.ones(1, 1, dtype=fastnn.float64))),
        (RuntimeError, "src", lambda x, i: fastnn.scatter(x, 0, fastnn.tensor([[0, 0]]), fastnn.ones(1, 1))),
        (IndexError, "vector", lambda x, i: fastnn.index_select(x, 0, fastnn.tensor([[0]]))),
        (IndexError, "index -1", lambda x, i: fastnn.index_select(x, 0, fastnn.tensor([-1]))),
        (RuntimeError, r"Number of indices \(1\)", lambda x, i: fastnn.index_add(x, 0, fastnn.tensor([0]), x)),
        (RuntimeError, "source tensor shape", lambda x, i: fastnn.index_add(x, 0, fastnn.tensor([0]), fastnn.ones(1, 5))),
        (IndexError, "out of bounds", lambda x, i: fastnn.take(x, fastnn.tensor([12]))),
        (IndexError, "index 3", lambda x, i: F.embedding(fastnn.tensor([3]), x)),
        (IndexError, "index -1", lambda x, i: F.embedding(fastnn.tensor([-1]), x)),
        (RuntimeError, "int64 or int32", lambda x, i: F.embedding(x, x)),
        (AssertionError, "Padding_idx", lambda x, i: F.embedding(i, x, padding_idx=3)),
        (RuntimeError, "smaller than num_classes", lambda x, i: F.one_hot(fastnn.tensor([5]), 3)),
        (RuntimeError, "non-negative", lambda x, i: F.one_hot(fastnn.tensor([-5, 1]), 3)),
        (RuntimeError, "empty tensor", lambda x, i: F.one_hot(fastnn.zeros(0, dtype=fastnn.int64))),
        (RuntimeError, "BoolTensor", lambda x, i: fastnn.masked_select(x, i)),
        (RuntimeError, "0-dimensional value", lambda x, i: x.masked_fill(fastnn.ones(3, 4).bool(), fastnn.ones(2))),
        (RuntimeError, "single memory location", lambda x, i: x[:, :1].expand(3, 4).__setitem__(i, 1.0)),
    ],
)  # fmt: skip
def test_errors(error, message, f):
    x = fastnn.zeros(3, 4)
    with pytest.raises(error, match=message):
        f(x, fastnn.tensor([0, 1]))
    assert np.all(x.numpy() == 0)  # a failed call changes nothing


@pytest.mark.parametrize("bad", [3, -4, *LIMITS])
def test_bounds(bad, rng):
    x, w = fastnn.zeros(3, 4), fastnn.ones(1, 4)
    i, ij = fastnn.tensor([0, bad]), fastnn.tensor([[0, 0, bad, 0]])
    calls = [
        lambda: x[i],
        lambda: x[i, 0],
        lambda: x[:, :3][:, i],
        lambda: x.__setitem__(i, 1.0),
        lambda: x.__setitem__((slice(None), fastnn.tensor([bad, 9])), 1.0),
        lambda: fastnn.gather(x, 0, ij),
        lambda: x.scatter_(0, ij, 1.0),
        lambda: x.scatter_add_(0, ij, w),
        lambda: x.index_add_(0, i, fastnn.ones(2, 4)),
        lambda: x.index_select(0, i),
        lambda: fastnn.zeros(3).index_put_((i,), fastnn.ones(2), accumulate=True),
        lambda: F.embedding(i, x),
    ]
    for call in calls:
        with pytest.raises(IndexError):
            call()
    assert np.all(x.numpy() == 0)


def test_views_and_copies():
    x = fastnn.arange(12).reshape(3, 4)
    for key in (1, slice(1, 3), (slice(None), 2), (Ellipsis, None), (0, slice(0, 4, 2))):
        y = x[key]
        assert y._buffer == x._buffer, key
    assert x[[0, 1]]._buffer != x._buffer
    x[0][1] = 50
    assert x[0, 1].item() == 50


def test_setitem_with_overlap():
    a = np.arange(10.0)
    x = fastnn.tensor(a)
    x[1:] = x[:-1]
    a[1:] = a[:-1].copy()
    np.testing.assert_array_equal(x.numpy(), a)
    i = np.arange(9, -1, -1)
    x[i] = x
    a[i] = a.copy()
    np.testing.assert_array_equal(x.numpy(), a)
    x[x > 3] = x[:1]
    a[a > 3] = a[0]
    np.testing.assert_array_equal(x.numpy(), a)


def test_setitem_gradients():
    torch = pytest.importorskip("torch")

    def run(lib, as_index):
        w = lib.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=lib.float64, requires_grad=True)
        y = w * 2
        y[1] = w[0] * w[1]
        y[:, 1] = y[:, 0].clone() * 3
        y[as_index([0, 2])] = w[1:] * y[0, 0].clone()
        out = lib.zeros(4, 2, dtype=lib.float64)
        out[1:] = y
        out[0] = w[2]
        out[3, 0] *= 2
        out[2] += w[1] * out[0].clone()
        (g,) = lib.autograd.grad((out * out).sum(), w)
        return out.detach().numpy(), g.numpy()

    ours, theirs = run(fastnn, fastnn.tensor), run(torch, torch.tensor)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_assigned_twice_only_the_last_gets_the_gradient():
    v = fastnn.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = fastnn.zeros(2).index_put((fastnn.tensor([0, 0, 1]),), v)
    np.testing.assert_array_equal(y.detach().numpy(), [2, 3])
    (g,) = fastnn.autograd.grad(y, v, fastnn.ones(2))
    np.testing.assert_array_equal(g.numpy(), [0, 1, 1])
    y = fastnn.scatter(fastnn.zeros(2), 0, fastnn.tensor([0, 0, 1]), v)
    (g,) = fastnn.autograd.grad(y, v, fastnn.ones(2))
    np.testing.assert_array_equal(g.numpy(), [0, 1, 1])


def test_leaf_that_requires_grad_is_not_changed():
    w = fastnn.ones(3, requires_grad=True)
    for f in (
        lambda: w.__setitem__(0, 1.0),
        lambda: w.index_add_(0, fastnn.tensor([0]), fastnn.ones(1)),
        lambda: w.scatter_(0, fastnn.tensor([0]), 1.0),
        lambda: w.masked_fill_(fastnn.ones(3).bool(), 1.0),
    ):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            f()
    with fastnn.no_grad():
        w[0] = 5
    assert w[0].item() == 5


def test_view_of_a_leaf_that_requires_grad_is_not_changed():
    w = fastnn.ones(2, 3, requires_grad=True)
    for f in (
        lambda: w[0].zero_(),
        lambda: w.view(-1)[1:].add_(1),
        lambda: w.T[0].masked_fill_(fastnn.ones(2).bool(), 1.0),
        lambda: w[0].__setitem__(1, 5.0),
        lambda: w[:, 1].unsqueeze_(0),
    ):
        with pytest.raises(RuntimeError, match="view of a leaf Variable that requires grad"):
            f()
    assert w.tolist() == [[1, 1, 1], [1, 1, 1]]
    w.data[0].zero_()
    assert w[0].tolist() == [0, 0, 0]


def test_views_that_do_not_know_their_base_are_not_changed():
    w, whole = fastnn.ones(3, requires_grad=True), fastnn.zeros(2, 3)
    with fastnn.no_grad():
        row, flat = whole[0], whole.view(-1)
    for f in (lambda: row.copy_(w), lambda: flat[:3].mul_(w), lambda: row.__setitem__(1, w[0])):
        with pytest.raises(RuntimeError, match="made by no_grad"):
            f()
    assert whole.tolist() == [[0, 0, 0], [0, 0, 0]]
    whole[0] = w
    row = fastnn.zeros(2, 3)[1]
    row.copy_(w * 2)
    assert fastnn.autograd.grad((whole[0] * row).sum(), w)[0].tolist() == [4, 4, 4]
    with fastnn.no_grad():
        whole[1].copy_(w)
    assert whole[1].tolist() == [1, 1, 1]


def test_masks_that_do_not_fit_name_the_axis():
    with pytest.raises(IndexError, match=r"mask \[2, 2\] at index 1 does not match .* \[2, 3, 4\] at index 1"):
        fastnn.ones(2, 3, 4)[fastnn.ones(2, 2).bool()]
    with pytest.raises(RuntimeError, match="masked_select: Shape mismatch"):
        fastnn.ones(3).masked_select(fastnn.ones(2).bool())
    with pytest.raises(RuntimeError, match=r"tensor a \(3\) must match the size of tensor b \(4\) at non-singleton dimension 1"):
        fastnn.ones(2, 3) + fastnn.ones(3, 4)


def test_in_place_forms(rng):
    a = rng.standard_normal((5, 4))
    i, ij = fastnn.tensor([3, 0]), fastnn.tensor(rng.integers(0, 5, (3, 4)))
    src, mask = fastnn.tensor(rng.standard_normal((3, 4))), fastnn.tensor(rng.random((5, 4)) < 0.5)
    for name, args in (
        ("index_add", (0, i, src[:2])),
        ("index_copy", (0, i, src[:2])),
        ("index_fill", (0, i, 2.0)),
        ("index_put", ((i,), src[:2])),
        ("scatter", (0, ij, src)),
        ("scatter_add", (0, ij, src)),
        ("masked_fill", (mask, 2.0)),
        ("masked_scatter", (mask, fastnn.arange(30).double())),
    ):
        x, y = fastnn.tensor(a), fastnn.tensor(a)
        expected = getattr(x, name)(*args)
        assert getattr(y, name + "_")(*args) is y
        np.testing.assert_array_equal(y.numpy(), expected.numpy(), err_msg=name)
        np.testing.assert_array_equal(x.numpy(), a)
        # recorded: the same gradients as the form that makes a new tensor
        u = fastnn.tensor(a, requires_grad=True)
        s = fastnn.tensor(rng.standard_normal((3, 4)), requires_grad=True)
        args = tuple(s[: v.shape[0]] if v is args[-1] and isinstance(v, fastnn.Tensor) and v.shape[-1:] == (4,) else v for v in args)
        c = fastnn.tensor(rng.standard_normal((5, 4)))
        one = fastnn.autograd.grad((getattr(u * 1.0, name)(*args) * c).sum(), (u, s), retain_graph=True, allow_unused=True)
        two = fastnn.autograd.grad((getattr(u * 1.0, name + "_")(*args) * c).sum(), (u, s), retain_graph=True, allow_unused=True)
        for p, q in zip(one, two, strict=True):
            assert (p is None) == (q is None)
            if p is not None:
                np.testing.assert_array_equal(p.numpy(), q.numpy(), err_msg=name)


def test_many_rows_any_threads(rng):
    """Large enough for every way of sharing out the work; float32 sums must not depend on it."""
    n = 70000
    index = rng.integers(0, 900, n)
    index[: n // 3] = 7
    v = rng.standard_normal((n, 3)).astype(np.float32)
    expected = np.zeros((900, 3))
    np.add.at(expected, index, v.astype(np.float64))
    results = []
    for threads in (1, 2, 7):
        with fastnn.threads(threads):
            i = fastnn.tensor(index)
            flat = fastnn.zeros(900, 3).index_put_((i,), fastnn.tensor(v), accumulate=True)
            column = fastnn.zeros(900).scatter_add_(0, i, fastnn.tensor(v[:, 0]))
            wide = fastnn.zeros(900, 96).index_add_(0, i[:5000], fastnn.tensor(np.tile(v[:5000], 32)))
            last = fastnn.zeros(900).scatter_(0, i, fastnn.tensor(v[:, 0]))
            w = fastnn.zeros(900, 8, requires_grad=True)
            (dw,) = fastnn.autograd.grad(F.embedding(i, w), w, fastnn.tensor(np.tile(v, 3)[:, :8]))
            results.append([a.numpy().tobytes() for a in (flat, column, wide, last, dw)])
    assert results[0] == results[1] == results[2]
    np.testing.assert_allclose(flat.numpy(), expected, rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(column.numpy(), expected[:, 0], rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(dw.numpy()[:, :3], expected, rtol=1e-3, atol=1e-2)
    stays = np.zeros(900, np.float32)
    stays[index] = v[:, 0]
    np.testing.assert_array_equal(last.numpy(), stays)


def test_large_masks(rng):
    for density in (0.0, 0.01, 0.5, 1.0):
        m = rng.random((301, 211)) < density
        a = rng.standard_normal(m.shape).astype(np.float32)
        x, mask = fastnn.tensor(a), fastnn.tensor(m)
        np.testing.assert_array_equal(x[mask].numpy(), a[m])
        np.testing.assert_array_equal(fastnn.nonzero(mask).numpy(), np.argwhere(m))
        for p, q in zip(fastnn.nonzero(mask.T, as_tuple=True), np.nonzero(m.T), strict=True):
            np.testing.assert_array_equal(p.numpy(), q)
        v = rng.standard_normal(int(m.sum())).astype(np.float32)
        x[mask] = fastnn.tensor(v)
        a[m] = v
        np.testing.assert_array_equal(x.numpy(), a)
        x[mask] = 3
        a[m] = 3
        np.testing.assert_array_equal(x.numpy(), a)


def test_embedding_options(rng):
    torch = pytest.importorskip("torch")
    a, index = rng.standard_normal((6, 4)), np.array([[1, 2, 1], [5, 1, 0]])
    g = rng.standard_normal((2, 3, 4))
    for options in ({}, {"padding_idx": 1}, {"padding_idx": -1}, {"scale_grad_by_freq": True}, {"max_norm": 1.0}, {"max_norm": 0.5, "norm_type": 1.0}):
        out = []
        for lib, f in ((fastnn, F.embedding), (torch, torch.nn.functional.embedding)):
            w = lib.tensor(a, requires_grad=True)
            with lib.no_grad():
                w = (w * 1.0).requires_grad_()
            y = f(lib.tensor(index), w, **options)
            (dw,) = lib.autograd.grad(y, w, lib.tensor(g))
            out.append((y.detach().numpy(), dw.numpy(), w.detach().numpy()))
        for p, q in zip(*out, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-6, err_msg=str(options))


@pytest.mark.parametrize("width", [96, 101])
def test_derivative_of_a_large_table(width, rng):
    """Larger than the cache: rows with no, one and many ids; rows of odd length start at any address."""
    rows = (40 << 20) // (4 * width)
    ids = np.concatenate([rng.integers(0, rows, 3000), rng.integers(0, 5, 200), [rows - 1]])
    g = rng.standard_normal((ids.size, width)).astype(np.float32)
    w = fastnn.zeros(rows, width, requires_grad=True)
    dw = fastnn.autograd.grad(F.embedding(fastnn.from_numpy(ids), w), w, fastnn.from_numpy(g))[0].numpy()
    want = np.zeros((rows, width), np.float32)
    np.add.at(want, ids, g)
    np.testing.assert_array_equal(dw, want)


def test_special_values_pass_through():
    a = np.array([np.nan, -0.0, np.inf, -np.inf, 5e-324, 1.0])
    x = fastnn.tensor(a)
    for y in (x[[0, 1, 2, 3, 4, 5]], fastnn.gather(x, 0, fastnn.arange(6)), x[fastnn.ones(6).bool()], x[fastnn.tensor([0, 1, 2, 3, 4, 5])]):
        assert y.numpy().tobytes() == a.tobytes()


def test_int32_indices(rng):
    x = fastnn.tensor(rng.standard_normal((5, 6)))
    i, j = fastnn.tensor([4, 0], dtype=fastnn.int32), fastnn.tensor([4, 0])
    ij, jj = fastnn.tensor([[1, 0]], dtype=fastnn.int32), fastnn.tensor([[1, 0]])
    for a, b in ((x[i], x[j]), (x[:, i], x[:, j]), (x.gather(1, ij), x.gather(1, jj)), (x.scatter(1, ij, 2.0), x.scatter(1, jj, 2.0))):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_kernels_accept_any_strides(rng):
    x = rng.standard_normal((6, 7))
    y = fastnn.zeros(7, 4).double()
    _cpu.index_get(y.T, fastnn.tensor(x), (fastnn.tensor([5, 0, 3, 3]),), (0,), 0, 0, -(2**63))
    np.testing.assert_array_equal(y.numpy().T, x[[5, 0, 3, 3]])


def test_diagonal_scatter_and_counts():
    for shape, k, dims in (((3, 4), 1, (0, 1)), ((3, 4), -1, (0, 1)), ((2, 3, 4), 0, (0, 2)), ((2, 3, 4), 1, (2, 1)), ((2, 2), 5, (0, 1))):
        x = fastnn.arange(float(np.prod(shape))).view(shape)
        want = x.clone().numpy()
        part = x.diagonal(k, *dims)
        view = np.diagonal(want, k, *dims)
        view.setflags(write=True)
        view[...] = -1.0
        assert fastnn.equal(x.diagonal_scatter(fastnn.full(part.shape, -1.0), k, *dims), fastnn.tensor(want))
    with pytest.raises(RuntimeError, match="diagonal_scatter: expected src of shape"):
        fastnn.ones(2, 2).diagonal_scatter(fastnn.ones(3))
    assert fastnn.repeat_interleave(fastnn.tensor([2, 0, 3])).tolist() == [0, 0, 2, 2, 2]


def test_in_place_on_0d():
    def fresh():
        x = fastnn.tensor(2.0, requires_grad=True)
        return x, x * 3

    one, index = fastnn.tensor(5.0), fastnn.tensor([0])
    for change, expected, slope in (
        (lambda y: y.index_add_(0, index, one, alpha=2), 16, 3), (lambda y: y.index_copy_(0, index, one), 5, 0), (lambda y: y.index_fill_(0, index, 7.0), 7, 0),
        (lambda y: y.scatter_(0, fastnn.tensor(0), one), 5, 0), (lambda y: y.scatter_add_(0, fastnn.tensor(0), one), 11, 3),
        (lambda y: y.index_reduce_(0, index, one, "prod"), 30, 15), (lambda y: y.scatter_reduce_(0, fastnn.tensor(0), one, "amax"), 6, 3),
    ):  # fmt: skip
        x, y = fresh()
        assert change(y) is y and y.shape == () and y.item() == expected
        y.backward()
        assert x.grad.item() == slope
    mask = fastnn.tensor([False, True]).scatter_reduce(0, fastnn.tensor([0, 1]), fastnn.tensor([True, False]), "amin", include_self=False)
    assert mask.tolist() == [True, False]
    assert [t.shape for t in fastnn.unravel_index(fastnn.tensor(3), (2, 2))] == [(), ()]


def test_second_derivatives_of_products_with_zeros():
    index = fastnn.tensor([0, 0])

    def product(x, src):
        return x.scatter_reduce(0, index, src, "prod").sum()

    for x, src in (([3.0], [0.0, 2.0]), ([0.0], [0.0, 5.0]), ([0.0], [4.0, 5.0]), ([2.0], [4.0, 5.0])):
        x, src = fastnn.tensor(x), fastnn.tensor(src)
        a, b = src.tolist()
        assert fastnn.func.hessian(product, argnums=1)(x, src).tolist() == [[0, x.item()], [x.item(), 0]]
        assert fastnn.func.jacrev(fastnn.func.grad(product), argnums=1)(x, src).tolist() == [[b, a]]


def test_how_the_level_of_a_quantile_moves_it():
    x, q = fastnn.tensor([4.0, 1.0, 2.0], dtype=fastnn.float64), fastnn.tensor(0.7, dtype=fastnn.float64)
    slope = fastnn.func.grad(lambda q, x: x.quantile(q))
    assert slope(q, x).item() == pytest.approx(4) and fastnn.func.grad(slope, argnums=1)(q, x).tolist() == pytest.approx([2, 0, -2])
