"""Order statistics, counts, scatter_reduce and joined pieces against PyTorch: values, indices and gradients."""

import numpy as np
import pytest

import fastnn

torch = pytest.importorskip("torch")


def same(ours, theirs, **options):
    ours = ours if isinstance(ours, (tuple, list)) else (ours,)
    theirs = theirs if isinstance(theirs, (tuple, list)) else (theirs,)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert tuple(a.shape) == tuple(b.shape) and str(b.dtype).endswith(a.dtype.name)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6, atol=1e-6, **options)


def check(f, *arrays):
    """f(library, *tensors) in both, and the gradients of every float array."""
    ours, theirs = [fastnn.tensor(a) for a in arrays], [torch.tensor(a) for a in arrays]
    floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    for i in floats:
        ours[i].requires_grad_()
        theirs[i].requires_grad_()
    y, ty = f(fastnn, *ours), f(torch, *theirs)
    same(y, ty)
    y, ty = (v[0] if isinstance(v, (tuple, list)) else v for v in (y, ty))
    if not (ty.requires_grad and y.requires_grad):
        assert not ty.requires_grad
        return
    g = np.cos(np.arange(ty.numel())).reshape(tuple(ty.shape))
    mine = fastnn.autograd.grad(y, [ours[i] for i in floats], fastnn.tensor(g), allow_unused=True)
    his = torch.autograd.grad(ty, [theirs[i] for i in floats], torch.tensor(g), allow_unused=True)
    for a, b in zip(mine, his, strict=True):
        if b is not None:
            np.testing.assert_allclose(0 if a is None else a.numpy(), b.numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(7,), (5, 9), (2, 3, 4)])
def test_running_extremes_and_modes(rng, shape):
    x = rng.integers(0, 4, shape).astype(np.float64)
    for dim in range(-1, len(shape)):
        for name in ("cummax", "cummin"):
            check(lambda lib, x, dim=dim, name=name: tuple(getattr(lib, name)(x, dim)), x)
        check(lambda lib, x, dim=dim: lib.mode(x, dim)[0], x)
        check(lambda lib, x, dim=dim: lib.mode(x, dim, True)[0], x)
    y = x.copy()
    y[..., 2] = np.nan
    check(lambda lib, x: tuple(lib.cummax(x, -1)), y)
    index = fastnn.mode(fastnn.tensor(x), 0)[1].numpy()
    values = np.take_along_axis(x, index[None], 0)[0]
    np.testing.assert_array_equal(values, fastnn.mode(fastnn.tensor(x), 0)[0].numpy())


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles(rng, interpolation):
    x = rng.standard_normal((5, 6, 4))
    y = x.copy()
    y[1, 2, 1] = np.nan
    nothing = np.full((3, 4), np.nan)
    same(fastnn.nanquantile(fastnn.tensor(nothing), 0.5, 0), torch.nanquantile(torch.tensor(nothing), 0.5, 0))
    q = np.array([0.0, 0.3, 0.5, 1.0])
    for a in (x, y):
        for name in ("quantile", "nanquantile"):
            for dim in (None, 0, 1, -1):
                for keepdim in (False, True):
                    check(
                        lambda lib, a, name=name, dim=dim, keepdim=keepdim: getattr(lib, name)(
                            a, lib.tensor(q), dim, keepdim, interpolation=interpolation
                        ),
                        a,
                    )
            check(lambda lib, a, name=name: getattr(lib, name)(a, 0.25, 1, interpolation=interpolation), a)
    for bad in (1.5, -0.1):
        with pytest.raises(RuntimeError, match="range"):
            fastnn.quantile(fastnn.tensor(x), bad)


def test_nanmedian(rng):
    x = rng.standard_normal((5, 6))
    x[1, 2] = x[2, 3] = x[3, :5] = np.nan
    check(lambda lib, x: lib.nanmedian(x), x)
    for dim in (0, 1):
        check(lambda lib, x, dim=dim: tuple(lib.nanmedian(x, dim)), x)


def test_counts(rng):
    i, w, x = rng.integers(0, 9, 50), rng.standard_normal(50), rng.standard_normal((4, 25)).astype(np.float32)
    same(fastnn.bincount(fastnn.tensor(i)), torch.bincount(torch.tensor(i)))
    same(fastnn.bincount(fastnn.tensor(i), minlength=20), torch.bincount(torch.tensor(i), minlength=20))
    same(fastnn.bincount(fastnn.tensor(i), fastnn.tensor(w)), torch.bincount(torch.tensor(i), torch.tensor(w)))
    same(fastnn.histc(fastnn.tensor(x), 7), torch.histc(torch.tensor(x), 7))
    same(fastnn.histc(fastnn.tensor(x), 5, -1, 1), torch.histc(torch.tensor(x), 5, -1, 1))
    same(fastnn.isin(fastnn.tensor(i), fastnn.tensor([1, 3])), torch.isin(torch.tensor(i), torch.tensor([1, 3])))
    a = rng.integers(0, 2, (6, 3))
    for dim in (0, 1):
        same(
            fastnn.unique(fastnn.tensor(a), return_inverse=True, return_counts=True, dim=dim),
            torch.unique(torch.tensor(a), return_inverse=True, return_counts=True, dim=dim),
        )
    for dim in (None, 0, 1):
        same(
            fastnn.unique_consecutive(fastnn.tensor(a), return_inverse=True, return_counts=True, dim=dim),
            torch.unique_consecutive(torch.tensor(a), return_inverse=True, return_counts=True, dim=dim),
        )
    with pytest.raises(RuntimeError, match="non-negative"):
        fastnn.bincount(fastnn.tensor([-1, 2]))


@pytest.mark.filterwarnings("ignore:index_reduce")
@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
def test_scatter_reduce(rng, reduce, include_self):
    for shape, dim in (((6,), 0), ((4, 5), 0), ((4, 5), 1), ((2, 3, 4), 1)):
        x, src = rng.integers(1, 4, shape).astype(np.float64), rng.integers(1, 4, shape).astype(np.float64)
        if not include_self:
            x += 0.5  # PyTorch lets input share the gradient of an extreme that it equals, though it takes no part
        index = rng.integers(0, shape[dim], shape)
        check(lambda lib, x, i, s, dim=dim: lib.scatter_reduce(x, dim, i, s, reduce, include_self=include_self), x, index, src)
        if reduce != "sum":
            table = rng.integers(0, shape[dim], shape[dim])
            check(lambda lib, x, i, s, dim=dim: lib.index_reduce(x, dim, i, s, reduce, include_self=include_self), x, table, src)
        check(lambda lib, x, i, s, dim=dim: lib.scatter_reduce(x, dim, i, s, reduce, include_self=include_self),
              x.astype(np.int64), index, src.astype(np.int64))  # fmt: skip
    with pytest.raises(IndexError, match="out of bounds"):
        fastnn.scatter_reduce(fastnn.tensor(x), 1, fastnn.tensor(index) - 9, fastnn.tensor(src), reduce)
    y = fastnn.tensor(x)
    y.scatter_reduce_(1, fastnn.tensor(index), fastnn.tensor(src), reduce)
    same(y, torch.tensor(x).scatter_reduce(1, torch.tensor(index), torch.tensor(src), reduce))


@pytest.mark.filterwarnings("ignore:The reduce argument")
def test_scatter_multiply(rng):
    x, src, index = rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), rng.integers(0, 4, (3, 4))
    want = torch.tensor(x).scatter(1, torch.tensor(index), torch.tensor(src), reduce="multiply")
    same(fastnn.tensor(x).scatter(1, fastnn.tensor(index), fastnn.tensor(src), reduce="multiply"), want)
    same(fastnn.tensor(x).scatter_(1, fastnn.tensor(index), fastnn.tensor(src), reduce="multiply"), want)
    with pytest.raises(RuntimeError, match="add or multiply"):
        fastnn.tensor(x).scatter(1, fastnn.tensor(index), 1.0, reduce="divide")


def test_products_with_zeros(rng):
    x, src, index = np.array([0.0, 2, 3]), np.array([2.0, 0, 5, 0, 0]), np.array([0, 1, 1, 2, 2])
    check(lambda lib, x, i, s: lib.scatter_reduce(x, 0, i, s, "prod"), x, index, src)


def test_pieces(rng):
    x, y = rng.standard_normal((3, 4)), rng.standard_normal((2, 1))
    check(lambda lib, x, y: lib.block_diag(x, y), x, y)
    check(lambda lib, x: lib.trace(x), x)
    check(lambda lib, a, b: lib.cartesian_prod(a, b), x[0], x[1])
    for r, repeated in ((1, False), (2, False), (3, True), (5, False)):
        check(lambda lib, a, r=r, repeated=repeated: lib.combinations(a, r, repeated), x[0])
    z = rng.standard_normal((2, 3, 5))
    check(lambda lib, z: lib.dsplit(z, [1, 3])[1], z)
    check(lambda lib, z: lib.split_with_sizes(z, [2, 3], 2)[1], z)
    check(lambda lib, z, s: lib.select_scatter(z, s, 1, 2), z, rng.standard_normal((2, 5)))
    check(lambda lib, z, s: lib.slice_scatter(z, s, 2, 0, 5, 2), z, rng.standard_normal((2, 3, 3)))
    index = np.array([[0, 7], [-1, 7]])
    same(fastnn.tensor(z).put_(fastnn.tensor(index), fastnn.ones(2, 2, dtype=fastnn.float64), accumulate=True),
         torch.tensor(z).put_(torch.tensor(index), torch.ones(2, 2, dtype=torch.float64), accumulate=True))  # fmt: skip


def test_histogramdd(rng):
    x = rng.standard_normal((4, 5, 2))
    flat = x.reshape(-1, 2)
    for bins, more in ((4, {}), ([2, 3], {}), ([2, 3], {"range": [-1.0, 1.0, -2.0, 2.0]}), (3, {"density": True})):
        hist, edges = fastnn.histogramdd(fastnn.tensor(x), bins, **more)
        if "range" in more:
            more = {"range": [(-1, 1), (-2, 2)]}
        expected, borders = np.histogramdd(flat, bins, **more)
        np.testing.assert_allclose(hist.numpy(), expected)
        for a, b in zip(edges, borders, strict=True):
            np.testing.assert_allclose(a.numpy(), b)
    edges = fastnn.tensor([-1.0, 0, 1], dtype=fastnn.float64)
    assert fastnn.histogramdd(fastnn.tensor(x), [edges, edges]).hist.shape == (2, 2)
    with pytest.raises(RuntimeError, match="histogramdd: The size of bins, 1, .* 2"):
        fastnn.histogramdd(fastnn.tensor(x), [3])
