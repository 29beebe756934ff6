"""unfold and fold: PyTorch as second oracle, each the transpose of the other, errors in PyTorch's words."""

import numpy as np
import pytest

import fastnn
from fastnn.ops.unfold import fold, unfold

CASES = [((2, 3, 8, 9), (3, 1, 1, 1)), ((2, 3, 8, 9), ((2, 3), (2, 1), (1, 2), (3, 2))), ((3, 7, 7), (7, 1, 0, 1))]


def tensor(a):
    return fastnn.from_numpy(np.ascontiguousarray(a))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape, args", CASES)
def test_against_torch(shape, args, dtype, rng):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal(shape).astype(dtype)
    y = torch.nn.functional.unfold(torch.from_numpy(x), *args)
    assert np.array_equal(unfold(tensor(x), *args).numpy(), y.numpy())
    g = rng.standard_normal(y.shape).astype(dtype)
    expected = torch.nn.functional.fold(torch.from_numpy(g), shape[-2:], *args).numpy()
    np.testing.assert_allclose(fold(tensor(g), shape[-2:], *args).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_transposes(rng):
    """<unfold(x), y> = <x, fold(y)>, exactly for integers."""
    for _ in range(200):
        kernel, stride, dilation = (tuple(int(v) for v in rng.integers(1, 4, 2)) for _ in range(3))
        padding, size = tuple(int(v) for v in rng.integers(0, 4, 2)), [int(v) for v in rng.integers(1, 20, 2)]
        if any(h + 2 * p < d * (k - 1) + 1 for h, p, d, k in zip(size, padding, dilation, kernel, strict=True)):
            continue
        x = rng.integers(-5, 6, (2, 3, *size)).astype("f")
        u = unfold(tensor(x), kernel, dilation, padding, stride).numpy()
        y = rng.integers(-5, 6, u.shape).astype("f")
        f = fold(tensor(y), size, kernel, dilation, padding, stride).numpy()
        assert (u.astype("d") * y).sum() == (x.astype("d") * f).sum(), (size, kernel, stride, dilation, padding)


def z(*shape):
    return fastnn.from_numpy(np.zeros(shape, "f"))


ERRORS = [
    (lambda: unfold(z(5, 6), 2), RuntimeError, "Expected 3D or 4D (batch mode) tensor"),
    (lambda: unfold(z(2, 0, 5, 6), 2), RuntimeError, "but got: [2, 0, 5, 6]"),
    (lambda: unfold(z(2, 3, 1, 1), (2, 3)), RuntimeError, "calculated shape of the array of sliding blocks as (0, -1)"),
    (lambda: unfold(z(2, 3, 5, 5), (0, 3)), RuntimeError,
     "kernel size should be greater than zero, but got kernel_height: 0 kernel_width: 3"),
    (lambda: unfold(z(2, 3, 5, 5), 2, stride=0), RuntimeError, "stride should be greater than zero, but got stride_height: 0"),
    (lambda: unfold(z(2, 3, 5, 5), 2, dilation=0), RuntimeError, "dilation should be greater than zero"),
    (lambda: unfold(z(2, 3, 5, 5), 2, padding=-1), RuntimeError, "padding should be non-negative, but got pad_height: -1"),
    (lambda: unfold(z(2, 3, 5, 5), (2, 3, 1)), RuntimeError, "It is expected kernel_size equals to 2, but got size 3"),
    (lambda: unfold(z(2, 3, 5, 5), 1.5), TypeError, "must be tuple of ints"),
    (lambda: unfold(None, 2), TypeError, "must be Tensor, not NoneType"),
    (lambda: unfold(fastnn.from_numpy(np.zeros((1, 1, 2, 2), "q")), 2), TypeError, "unfold"),
    (lambda: fold(z(12), (5, 6), 2), RuntimeError, "Expected 2D or 3D (batch mode) tensor"),
    (lambda: fold(z(2, 13, 20), (5, 6), 2), RuntimeError, "input.size(1)=13 and kernel_size=(2, 2)."),
    (lambda: fold(z(2, 12, 21), (5, 6), 2), RuntimeError, "4 * 5 = 20, but got input.size(2)=21."),
    (lambda: fold(z(2, 12, 20), (-5, 6), 2), RuntimeError, "-6 * 5 = -30"),
    (lambda: fold(z(2, 12, 20), (5, 6, 7), 2), RuntimeError, "It is expected output_size equals to 2, but got size 3"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", ERRORS)
def test_errors(call, error, message):
    with pytest.raises(error) as e:
        call()
    assert message in str(e.value)
