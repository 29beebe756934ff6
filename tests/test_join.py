"""Joining and padding: errors, PyTorch as second oracle, many and mixed inputs, views."""

import numpy as np
import pytest

import fastnn
from fastnn.ops import pad, rows


class Functional:
    pad, one_hot = staticmethod(pad.pad), staticmethod(rows.one_hot)


@pytest.mark.parametrize(
    ("error", "message", "f"),
    [
        (ValueError, "expected a non-empty list of Tensors", lambda x: fastnn.cat([])),
        (RuntimeError, "Expected size 3 but got size 4 for tensor number 1 in the list", lambda x: fastnn.cat([x, fastnn.ones(2, 4)])),
        (RuntimeError, "same number of dimensions: got 2 and 1", lambda x: fastnn.cat([x, fastnn.ones(2)])),
        (RuntimeError, r"zero-dimensional tensor \(at position 1\)", lambda x: fastnn.cat([x, fastnn.tensor(1.0)])),
        (TypeError, "expected Tensor as element 1 in argument 0, but got int", lambda x: fastnn.cat([x, 1])),
        (TypeError, "must be tuple of Tensors, not Tensor", lambda x: fastnn.cat(x)),
        (IndexError, "Dimension out of range", lambda x: fastnn.cat([x], 2)),
        (RuntimeError, "non-empty TensorList", lambda x: fastnn.stack([])),
        (RuntimeError, r"got \[2, 3\] at entry 0 and \[2, 4\] at entry 1", lambda x: fastnn.stack([x, fastnn.ones(2, 4)])),
        (IndexError, "Dimension out of range", lambda x: fastnn.stack([x], 4)),
        (RuntimeError, "split_size can only be 0", lambda x: fastnn.split(x, 0)),
        (RuntimeError, "non-negative, but got split_size=-1", lambda x: fastnn.split(x, -1)),
        (RuntimeError, "sum exactly to 2", lambda x: fastnn.split(x, [1, 2])),
        (RuntimeError, "greater than 0, got: 0", lambda x: fastnn.chunk(x, 0)),
        (RuntimeError, "larger than 0", lambda x: fastnn.tensor_split(x, 0)),
        (IndexError, "no dimensions", lambda x: fastnn.unbind(fastnn.tensor(1))),
        (RuntimeError, "divisible by 2", lambda x: pad.pad(x, (1,))),
        (RuntimeError, "two times the input dimension", lambda x: pad.pad(x, (1,) * 6)),
        (RuntimeError, "less than the corresponding input dimension", lambda x: pad.pad(x, (3, 0), "reflect")),
        (RuntimeError, "wrapping around more than once", lambda x: pad.pad(x, (4, 0), "circular")),
        (NotImplementedError, "Unrecognised padding mode", lambda x: pad.pad(x, (1, 1), "mirror")),
        (RuntimeError, "negative", lambda x: pad.pad(x, (-2, -2))),
        (RuntimeError, "value argument", lambda x: pad.pad(x, (1, 1), "reflect", 1.0)),
        (RuntimeError, "non-empty", lambda x: pad.pad(x[:, :0], (1, 1), "replicate")),
        (RuntimeError, "appears multiple times", lambda x: fastnn.flip(x, (0, 0))),
        (RuntimeError, "must align", lambda x: fastnn.roll(x, (1, 2), 0)),
        (RuntimeError, "at least 2 dimensions", lambda x: fastnn.tril(x[0])),
        (RuntimeError, "1D or 2D", lambda x: fastnn.diag(x[None])),
        (RuntimeError, "identical", lambda x: fastnn.diagonal(x, 0, 0, 0)),
        (RuntimeError, "can not be smaller", lambda x: x.repeat(2)),
        (RuntimeError, "negative dimension", lambda x: x.repeat(2, -1)),
        (RuntimeError, "non-negative", lambda x: fastnn.repeat_interleave(x, -1)),
        (RuntimeError, "same size as input along dim", lambda x: fastnn.repeat_interleave(x, fastnn.tensor([1, 2, 3]), 0)),
        (RuntimeError, "0D or 1D", lambda x: fastnn.meshgrid(x)),
        (RuntimeError, "indexing must be one of", lambda x: fastnn.meshgrid(x[0], indexing="a")),
        (RuntimeError, "step must be nonzero", lambda x: fastnn.arange(0, 3, 0)),
        (RuntimeError, "step sign", lambda x: fastnn.arange(3, 0)),
        (RuntimeError, "non-negative", lambda x: fastnn.linspace(0, 1, -1)),
        (RuntimeError, "greater or equal to 0", lambda x: fastnn.eye(-1)),
    ],
)  # fmt: skip
def test_errors(error, message, f):
    with pytest.raises(error, match=message):
        f(fastnn.ones(2, 3))


def test_too_large():
    for f in (lambda x: x.repeat(2**31, 2**31), lambda x: x.repeat_interleave(2**61), lambda x: pad.pad(x, (2**61, 2**61))):
        with pytest.raises((MemoryError, RuntimeError)):
            f(fastnn.ones(2, 3))


def test_dtypes_are_promoted():
    assert fastnn.cat([fastnn.ones(2), fastnn.arange(2)]).dtype is fastnn.float32
    assert fastnn.cat([fastnn.arange(2), fastnn.ones(2, dtype=fastnn.float64), fastnn.ones(1)]).dtype is fastnn.float64
    assert fastnn.stack([fastnn.tensor(True), fastnn.tensor(2)]).tolist() == [1, 2]


def test_many_inputs(rng):
    parts = [rng.standard_normal((3, int(n))) for n in rng.integers(0, 5, 700)]
    w = [fastnn.tensor(p, requires_grad=True) for p in parts]
    y = fastnn.cat(w, 1)
    np.testing.assert_array_equal(y.detach().numpy(), np.concatenate(parts, 1))
    g = rng.standard_normal(y.shape)
    grads = fastnn.autograd.grad(y, w, fastnn.tensor(g))
    np.testing.assert_array_equal(np.concatenate([d.numpy() for d in grads], 1), g)
    x = fastnn.ones(300, 2).unbind(0)
    assert fastnn.stack(x, 1).shape == (2, 300)


@pytest.mark.parametrize("isa", [name for name, _, supported in fastnn._cpu.isas() if supported])
def test_stack_interleaves(isa):
    rng = np.random.default_rng(4)
    with fastnn.isa(isa):
        for dtype in ("f4", "f8", "i4", "i8", "u1", "?"):
            for k in (2, 3, 4, 5):
                for m in (1, 15, 16, 33, 2049):
                    a = [(rng.standard_normal((3, m)) * 50).astype(dtype) for _ in range(k)]
                    np.testing.assert_array_equal(fastnn.stack([fastnn.tensor(v) for v in a], 2).numpy(), np.stack(a, 2))
    empty, wide, one = fastnn.zeros(3, 5, 0), fastnn.zeros(3, 5, 2), fastnn.ones(3, 5, 1)  # three inputs, three columns
    np.testing.assert_array_equal(fastnn.cat([wide, empty, one], 2).numpy(), np.tile([0.0, 0.0, 1.0], (3, 5, 1)))


def test_splits_are_views():
    x = fastnn.arange(12).reshape(3, 4)
    for pieces in (x.split(2, 1), x.chunk(2), x.unbind(1), x.tensor_split(5), (x.diagonal(),), fastnn.meshgrid(x[0], x[:, 0])):
        assert all(p._buffer == x._buffer for p in pieces)
    assert x.split(2, 1)[1].tolist() == [[2, 3], [6, 7], [10, 11]]
    assert [tuple(c.shape) for c in fastnn.zeros(0, 2).split(2)] == [(0, 2)]


def test_against_torch(rng):
    torch = pytest.importorskip("torch")
    a = rng.standard_normal((2, 3, 4, 5))

    def same(f, *arrays):
        theirs = f(torch, torch.nn.functional, *(torch.tensor(b) for b in arrays))
        ours = f(fastnn, Functional, *(fastnn.tensor(b) for b in arrays))
        one = isinstance(theirs, torch.Tensor)
        for p, q in zip((ours,) if one else ours, (theirs,) if one else theirs, strict=True):
            assert tuple(p.shape) == tuple(q.shape) and str(p.dtype).split(".")[1] == str(q.dtype).split(".")[1]
            np.testing.assert_array_equal(p.numpy(), q.numpy())

    for mode in ("constant", "reflect", "replicate", "circular"):
        for width in ((1, 2), (2, 1, 1, 2), (1, 1, 2, 0, 1, 2), (-1, 2), (-2, -1), (1, -2, -1, 1), (0, 1, 0, 0)):
            x = a if mode == "constant" else a[(0,) * (2 - len(width) // 2)] if len(width) < 6 else a[None]
            same(lambda lib, f, x, mode=mode, width=width: f.pad(x, width, mode=mode), x)
    same(lambda lib, f, x: f.pad(x, (1, 2), value=-3), a)
    same(lambda lib, f, x: f.pad(x, (1, 2), value=7), np.arange(6).reshape(2, 3))
    for k in (-7, -1, 0, 3, 9):
        same(lambda lib, f, x, k=k: (lib.tril(x, k), lib.triu(x, k), lib.diagonal(x, k, 1, -1), lib.diag(x[0, 0], k)), a)
        same(lambda lib, f, x, k=k: (lib.diag_embed(x, k), lib.diag_embed(x, k, 0, 2), lib.roll(x, k), lib.roll(x, k, 2), lib.rot90(x, k, (3, 1))), a)
        same(lambda lib, f, x, k=k: (lib.tril_indices(4, 5, k), lib.triu_indices(4, 5, k)), a)
    for n in (1, 2, 3, 7):
        same(lambda lib, f, x, n=n: lib.chunk(x, n, 2), a)
        same(lambda lib, f, x, n=n: lib.split(x, n, -1), a)
        same(lambda lib, f, x, n=n: lib.tensor_split(x, n, 1), a)
    same(lambda lib, f, x: lib.tensor_split(x, (1, 9, -1), 3), a)
    same(lambda lib, f, x: (lib.hstack([x, x]), lib.vstack([x, x]), lib.dstack([x, x]), lib.column_stack([x, x])), a)
    same(lambda lib, f, x: (*lib.atleast_3d(x, x[0, 0, 0]), lib.atleast_1d(x[0, 0, 0, 0]), lib.atleast_2d(x[0, 0, 0])), a)
    same(lambda lib, f, x: (x.repeat(2, 1, 1, 3), x.repeat(2, 1, 1, 1, 2), lib.tile(x, (2, 3)), x.repeat(0, 1, 1, 1)), a)
    same(lambda lib, f, x: (lib.repeat_interleave(x, 2), lib.repeat_interleave(x, 3, 1), x.repeat_interleave(lib.tensor([1, 0, 2]), 1)), a)
    same(lambda lib, f, x: (lib.flip(x, (0, 3)), x.flip(1, -1), x.flip([]), lib.fliplr(x), lib.flipud(x)), a)
    same(lambda lib, f, x: lib.cat([x, lib.zeros(0, dtype=lib.float64)], 1), a)
    same(lambda lib, f, x: (*lib.meshgrid(x[0, 0, 0], x[0, 0, :, 0], x[0, 0, 0, 0], indexing="xy"),), a)
    same(lambda lib, f: (lib.arange(5), lib.arange(1.0, 2.0, 0.3), lib.arange(5, 0, -2), lib.eye(3, 5), lib.eye(2)))
    np.testing.assert_allclose(fastnn.linspace(-3, 10, 33).numpy(), torch.linspace(-3, 10, 33).numpy(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(fastnn.logspace(-3, 3, 9).numpy(), torch.logspace(-3, 3, 9).numpy(), rtol=1e-5)
    same(lambda lib, f, i: (f.one_hot(i), f.one_hot(i, 12)), rng.integers(0, 9, (3, 4)))


def test_large_pieces(rng):
    """Rows long enough to be cut between threads."""
    a = rng.standard_normal((3, 200_001)).astype(np.float32)
    x = fastnn.tensor(a)
    np.testing.assert_array_equal(fastnn.roll(x, 12345, 1).numpy(), np.roll(a, 12345, 1))
    np.testing.assert_array_equal(pad.pad(x, (7, 100_000), "reflect").numpy(), np.pad(a, ((0, 0), (7, 100_000)), "reflect"))
    np.testing.assert_array_equal(x[0].repeat(3).numpy(), np.tile(a[0], 3))
    np.testing.assert_array_equal(fastnn.cat([x, x[:, :5], x], 1).numpy(), np.concatenate([a, a[:, :5], a], 1))
    np.testing.assert_array_equal(fastnn.flip(x, (0, 1)).numpy(), a[::-1, ::-1])
    np.testing.assert_array_equal(x[:, fastnn.tensor([0, -1])].numpy(), a[:, [0, -1]])
    np.testing.assert_array_equal(x[fastnn.tensor([2, 2])].numpy(), a[[2, 2]])


def test_split_by_the_methods_name_and_reversed():
    x = fastnn.arange(5)
    assert [p.tolist() for p in x.split(split_size=2)] == [[0, 1], [2, 3], [4]]
    assert [p.tolist() for p in x.split(split_size=[1, 4], dim=0)] == [[0], [1, 2, 3, 4]]
    with pytest.raises(TypeError, match="split_size"):
        x.split()
    assert [int(v) for v in reversed(x)] == [4, 3, 2, 1, 0] and reversed(fastnn.tensor(3)).item() == 3
