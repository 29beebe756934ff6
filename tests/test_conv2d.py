"""Convolutions: exact on integers for random geometries, error bounds, PyTorch as second oracle, errors, odd sizes."""

import time

import numpy as np
import pytest

import fastnn
from fastnn import _cpu
from fastnn.ops import conv2d as ops
from fastnn.reference import conv2d as ref

ISAS = [name for name, _, supported in _cpu.isas() if supported]


def tensor(a):
    return fastnn.from_numpy(np.ascontiguousarray(a))


def random_geometry(rng):
    """x, w and g shapes and options of a random convolution that has an output."""
    while True:
        kernel = [int(v) for v in rng.choice([1, 1, 2, 3, 3, 3, 4, 5, 7], 2)]
        stride = [int(v) for v in rng.choice([1, 1, 1, 2, 3, 4], 2)]
        dilation = [int(v) for v in rng.choice([1, 1, 1, 2, 3], 2)]
        padding = [int(v) for v in rng.integers(0, 4, 2)]
        groups = int(rng.choice([1, 1, 1, 2, 3, 5]))
        c, o = int(rng.choice([1, 2, 3, 8, 17, 33])), int(rng.choice([1, 2, 3, 5, 6, 7, 14, 15, 33]))
        n = int(rng.integers(1, 4))
        have = [int(v) for v in rng.integers(1, 30, 2)]
        size = [
            (h + 2 * p - d * (k - 1) - 1) // s + 1
            for h, p, d, k, s in zip(have, padding, dilation, kernel, stride, strict=True)
        ]
        if min(size) > 0 and n * groups * c * o * np.prod(kernel) * np.prod(size) < 2e6:
            options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
            return (n, groups * c, *have), (groups * o, c, *kernel), (n, groups * o, *size), options


def random_depthwise(rng):
    """The same of a filter for each channel, of the sizes and strides that run plane by plane."""
    while True:
        kernel, stride, c = int(rng.choice([3, 5, 7])), int(rng.integers(1, 3)), int(rng.integers(1, 40))
        n, have, padding = int(rng.integers(1, 4)), rng.integers(1, 60, 2).tolist(), rng.integers(0, 5, 2).tolist()
        size = [(h + 2 * p - kernel) // stride + 1 for h, p in zip(have, padding, strict=True)]
        if min(size) > 0:
            options = {"stride": [stride] * 2, "padding": padding, "dilation": [1, 1], "groups": c}
            return (n, c, *have), (c, 1, kernel, kernel), (n, c, *size), options


def random_channels(rng):
    """A filter for each channel, of any size, stride and dilation: channels in the lanes."""
    while True:
        kernel, stride, dilation = (rng.integers(1, top, 2).tolist() for top in (6, 5, 4))
        n, c, have, padding = int(rng.integers(1, 4)), int(rng.integers(1, 40)), rng.integers(1, 40, 2).tolist(), rng.integers(0, 5, 2).tolist()
        size = [(h + 2 * p - d * (k - 1) - 1) // s + 1 for h, p, d, k, s in zip(have, padding, dilation, kernel, stride, strict=True)]
        if min(size) > 0:
            options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": c}
            return (n, c, *have), (c, 1, *kernel), (n, c, *size), options


def random_filters(rng):
    """Many channels and taps, of a stride or size that Winograd tiles do not have: filters in the lanes."""
    while True:
        kernel, stride, dilation = rng.integers(1, 6, 2).tolist(), [int(rng.integers(1, 4)), int(rng.choice([1, 2, 2]))], rng.integers(1, 3, 2).tolist()
        n, groups, c, o = (int(v) for v in (rng.integers(1, 4), rng.integers(1, 3), rng.integers(6, 40), rng.choice([14, 16, 30, 32, 47, 64])))
        have, padding = rng.integers(1, 30, 2).tolist(), rng.integers(0, 4, 2).tolist()
        size = [(h + 2 * p - d * (k - 1) - 1) // s + 1 for h, p, d, k, s in zip(have, padding, dilation, kernel, stride, strict=True)]
        if min(size) > 0 and (stride[1] > 1 or kernel not in ([3, 3], [5, 5])):
            options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
            return (n, groups * c, *have), (groups * o, c, *kernel), (n, groups * o, *size), options


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("geometry", [random_geometry, random_depthwise, random_channels, random_filters])
def test_integers_are_exact(geometry, isa, rng):
    """Integer values small enough for float32: every product and sum is exact, so any wrong index shows. Not of Winograd."""
    end = time.monotonic() + 3
    count = 0
    with fastnn.isa(isa), fastnn.rung(conv2d="implicit" if geometry is random_geometry else "production"):
        while count < 600 and time.monotonic() < end:
            count += 1
            dtype = rng.choice(["float32", "float64"])
            x, w, g, options = geometry(rng)
            x, w, g = (rng.integers(-8, 9, shape).astype(dtype) for shape in (x, w, g))
            b = rng.integers(-8, 9, w.shape[0]).astype(dtype)
            found = [
                ops._conv2d(tensor(x), tensor(w), tensor(b), size=g.shape[2:], **options),
                ops._conv2d_dx(tensor(g), tensor(w), None, size=x.shape[2:], **options),
                ops._conv2d_dw(tensor(g), tensor(x), size=w.shape[2:], **options),
            ]
            expected = [
                ref.conv2d_full(x, w, size=g.shape[2:], **options) + b[:, None, None],
                ref.conv2d_dx(g, w, size=x.shape[2:], **options),
                ref.conv2d_dw(g, x, size=w.shape[2:], **options),
            ]
            for name, a, e in zip(("conv2d", "conv2d_dx", "conv2d_dw"), found, expected, strict=True):
                assert np.array_equal(a.numpy(), e), f"{name} {x.shape} {w.shape} {options} {dtype}"


def all_three(x, w, g, options):
    """y, dx, dw as NumPy arrays."""
    return [
        ops._conv2d(tensor(x), tensor(w), None, size=g.shape[2:], **options).numpy(),
        ops._conv2d_dx(tensor(g), tensor(w), None, size=x.shape[2:], **options).numpy(),
        ops._conv2d_dw(tensor(g), tensor(x), size=w.shape[2:], **options).numpy(),
    ]


# x, filters, kernel, padding, groups: on Winograd tiles in every instruction set; ragged channels, widths, last tiles
WINOGRAD = [
    ((2, 64, 14, 14), 40, 3, 1, 1, 1),
    ((3, 37, 29, 23), 53, 3, 0, 1, 1),
    ((9, 32, 19, 21), 48, 5, 2, 1, 1),
    ((4, 64, 12, 130), 64, 3, 2, 2, 1),
    ((4, 130, 9, 9), 128, 3, (0, 1), 1, 1),
    ((5, 180, 21, 17), 170, 3, 1, 1, 1),  # by weights
    ((2, 40, 19, 26), 36, 3, (2, 1), 1, (2, 3)),
    ((3, 32, 24, 17), 40, 5, 4, 1, (1, 2)),
]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shape, filters, kernel, padding, groups, dilation", WINOGRAD)
def test_winograd_error(shape, filters, kernel, padding, groups, dilation, isa, rng):
    """On every element within 2 k eps (|a| |b|); the largest error within 1e-5 of the largest result; not the direct path."""
    padding, dilation = ((v, v) if isinstance(v, int) else v for v in (padding, dilation))
    options = {"stride": (1, 1), "padding": padding, "dilation": dilation, "groups": groups}
    size = [h + 2 * p - d * (kernel - 1) for h, p, d in zip(shape[2:], padding, dilation, strict=True)]
    x, w = rng.standard_normal(shape).astype("f"), rng.standard_normal((filters, shape[1] // groups, kernel, kernel)).astype("f")
    g = rng.standard_normal((shape[0], filters, *size)).astype("f")
    with fastnn.isa(isa):
        found = all_three(x, w, g, options)
        with fastnn.rung(conv2d="implicit"):
            direct = all_three(x, w, g, options)
    xd, wd, gd = (a.astype("d") for a in (x, w, g))
    exact, scale = (
        [
            ref.conv2d_full(x, w, size=g.shape[2:], **options),
            ref.conv2d_dx(g, w, size=x.shape[2:], **options),
            ref.conv2d_dw(g, x, size=w.shape[2:], **options),
        ]
        for x, w, g in ((xd, wd, gd), (abs(xd), abs(wd), abs(gd)))
    )
    counts = (w[0].size, filters // groups * kernel**2, shape[0] * size[0] * size[1])
    for a, d, e, s, k in zip(found, direct, exact, scale, counts, strict=True):
        assert (np.abs(a - e) <= 2 * k * np.finfo("f").eps * s).all()
        assert np.abs(a - e).max() <= 1e-5 * np.abs(e).max()
        assert not np.array_equal(a, d)


def test_winograd_special_values(rng):
    """A tile with one infinity, NaN or sum beyond float32 gives what the direct path gives."""
    options = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    for special in (np.nan, np.inf, -np.inf, 3e38):
        x, w, g = (rng.standard_normal(s).astype("f") for s in ((2, 64, 17, 18), (64, 64, 3, 3), (2, 64, 17, 18)))
        x[1, 2, 5, 6] = g[0, 3, 0, 17] = special
        found = all_three(x, w, g, options)
        with fastnn.rung(conv2d="implicit"):
            for a, d in zip(found, all_three(x, w, g, options), strict=True):
                assert np.array_equal(np.isfinite(a), np.isfinite(d))


@pytest.mark.parametrize("shape", [(2, 64, 14, 40, 3, 1), (1, 200, 7, 30, 3, 1), (4, 3, 33, 16, 7, 2), (2, 2, 40, 90, 7, 2), (3, 96, 9, 130, 1, 1)])
def test_error_bound(shape, rng):
    """|error| <= 2 k eps (|a| |b|), k the number of products, for each of the three."""
    n, c, h, o, k, stride = shape
    x, w = rng.standard_normal((n, c, h, h)).astype("f"), rng.standard_normal((o, c, k, k)).astype("f")
    options = {"stride": (stride, stride), "padding": (k // 2, k // 2), "dilation": (1, 1), "groups": 1}
    size = ((h - 1) // stride + 1,) * 2
    g = rng.standard_normal((n, o, *size)).astype("f")
    for fn, exact, a, b, result, products in (
        (lambda x, w, **p: ops._conv2d(x, w, None, **p), ref.conv2d_full, x, w, size, c * k * k),
        (lambda g, w, **p: ops._conv2d_dx(g, w, None, **p), ref.conv2d_dx, g, w, (h, h), o * k * k),
        (ops._conv2d_dw, ref.conv2d_dw, g, x, (k, k), n * size[0] * size[1]),
    ):
        found = fn(tensor(a), tensor(b), size=result, **options).numpy()
        a, b = a.astype("d"), b.astype("d")
        error = np.abs(found - exact(a, b, size=result, **options))
        bound = 2 * products * np.finfo("f").eps * exact(np.abs(a), np.abs(b), size=result, **options)
        assert (error <= bound).all()
        assert np.sqrt(np.mean(error**2)) <= 0.05 * np.sqrt(np.mean(bound**2))


CASES = [
    ("conv2d", (2, 4, 9, 8), (6, 2, 3, 3), {"stride": 2, "padding": 1, "groups": 2}),
    ("conv2d", (2, 3, 8, 8), (5, 3, 2, 4), {"padding": "same"}),
    ("conv2d", (2, 3, 9, 8), (5, 3, 4, 3), {"padding": "same", "dilation": (2, 1)}),
    ("conv2d", (3, 12, 12), (4, 3, 5, 5), {"padding": (2, 0), "dilation": (1, 2)}),
    ("conv1d", (2, 3, 20), (5, 3, 4), {"stride": 3, "padding": 2}),
    ("conv_transpose1d", (2, 3, 7), (3, 4, 5), {"stride": 2, "padding": 1, "output_padding": 1}),
    ("conv_transpose2d", (2, 4, 5, 6), (4, 3, 4, 4), {"stride": 2, "padding": 1}),
    ("conv_transpose2d", (2, 4, 5, 6), (4, 3, 3, 3), {"stride": 3, "output_padding": (2, 1), "groups": 2, "dilation": 2}),
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name, x, w, options", CASES)
def test_against_torch(name, x, w, options, rng):
    torch = pytest.importorskip("torch")
    filters = w[1] * options.get("groups", 1) if "transpose" in name else w[0]
    arrays = [rng.standard_normal(s) for s in (x, w, (filters,))]
    ours = [tensor(a).requires_grad_() for a in arrays]
    theirs = [torch.from_numpy(a).requires_grad_() for a in arrays]
    y, z = getattr(fastnn, name)(*ours, **options), getattr(torch.nn.functional, name)(*theirs, **options)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-12, atol=1e-12)
    seed = rng.standard_normal(z.shape)
    grads = fastnn.autograd.grad(y, ours, tensor(seed), create_graph=True)
    expected = torch.autograd.grad(z, theirs, torch.from_numpy(seed), create_graph=True)
    for a, e in zip(grads, expected, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), e.detach().numpy(), rtol=1e-12, atol=1e-11)
    # Second order: the input gradient depends on the weight, the weight gradient on the input.
    for i, k in ((0, 1), (1, 0)):
        seed = rng.standard_normal(arrays[i].shape)
        (again,) = fastnn.autograd.grad(grads[i], ours[k], tensor(seed), retain_graph=True)
        (want,) = torch.autograd.grad(expected[i], theirs[k], torch.from_numpy(seed), retain_graph=True)
        np.testing.assert_allclose(again.numpy(), want.numpy(), rtol=1e-12, atol=1e-11)


def z(*shape, dtype="f"):
    return fastnn.from_numpy(np.zeros(shape, dtype))


ERRORS = [
    (lambda: fastnn.conv2d(z(1, 4, 10, 10), z(6, 3, 5, 5)), RuntimeError,
     "Given groups=1, weight of size [6, 3, 5, 5], expected input[1, 4, 10, 10] to have 3 channels, but got 4 channels instead"),
    (lambda: fastnn.conv2d(z(4, 4), z(6, 3, 5, 5)), RuntimeError,
     "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [4, 4]"),
    (lambda: fastnn.conv1d(z(3), z(6, 3, 5)), RuntimeError,
     "Expected 2D (unbatched) or 3D (batched) input to conv1d, but got input of size: [3]"),
    (lambda: fastnn.conv1d(z(1, 3, 5), z(6, 3, 3, 3)), RuntimeError,
     "Expected 4-dimensional input for 4-dimensional weight [6, 3, 3, 3], but got 3-dimensional input of size [1, 3, 5] instead"),
    (lambda: fastnn.conv2d(z(1, 3, 1, 1), z(6, 3, 3, 3)), RuntimeError,
     "Calculated padded input size per channel: (1 x 1). Kernel size: (3 x 3). Kernel size can't be greater than actual input size"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 3, 3), dilation=2), RuntimeError, "Kernel size: (5 x 5)"),
    (lambda: fastnn.conv1d(z(1, 3, 2), z(6, 3, 3)), RuntimeError, "Calculated padded input size per channel: (2). Kernel size: (3)."),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 3, 3), padding=-1), RuntimeError, "negative padding is not supported"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 3, 3), stride=0), RuntimeError, "non-positive stride is not supported"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 3, 3), dilation=0), RuntimeError, "dilation should be greater than zero"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 3, 3), groups=0), RuntimeError, "non-positive groups is not supported"),
    (lambda: fastnn.conv2d(z(1, 4, 4, 4), z(6, 1, 3, 3), groups=4), RuntimeError,
     "Given groups=4, expected weight to be divisible by 4 at dimension 0, but got weight of size [[6, 1, 3, 3]] instead"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 3, 3), z(5)), RuntimeError,
     "Given weight of size [6, 3, 3, 3], expected bias to be 1-dimensional with 6 elements, but got bias of size [5] instead"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 3, 3, dtype="d")), TypeError, "expected scalar type Float but found Double"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 3, 3), z(6, dtype="d")), TypeError,
     "Input type (float) and bias type (double) should be the same"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4, dtype="q"), z(6, 3, 3, 3, dtype="q")), TypeError, "not implemented for 'Long'"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 3, 3), stride=(1, 1, 1)), RuntimeError,
     "expected stride to be a single integer value or a list of 2 values to match the convolution dimensions, but got stride=[1, 1, 1]"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 3, 3), stride=1.5), TypeError, "argument 'stride' must be tuple of ints, not float"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 3, 3), padding="foo"), RuntimeError, "Invalid padding string: 'foo'"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 3, 3), padding="same", stride=2), RuntimeError,
     "padding='same' is not supported for strided convolutions"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(0, 3, 3, 3)), RuntimeError, "expected weight to be at least 1 at dimension 0"),
    (lambda: fastnn.conv2d(z(1, 3, 0, 4), z(6, 3, 3, 3), padding=2), RuntimeError, "Only zero batch or zero channel inputs"),
    (lambda: fastnn.conv2d(z(1, 3, 4, 4), z(6, 3, 0, 1)), RuntimeError, "kernel size should be greater than zero"),
    (lambda: fastnn.conv2d(None, z(6, 3, 3, 3)), TypeError, "argument 'input' (position 1) must be Tensor, not NoneType"),
    (lambda: fastnn.conv2d(z(1, 1, 2, 2), z(1, 1, 1, 1), padding=1 << 62), RuntimeError, "too large"),
    (lambda: fastnn.conv2d(z(1, 1, 2, 2), z(1, 1, 1, 1), padding=1 << 30), MemoryError, ""),
    (lambda: fastnn.conv_transpose2d(z(1, 4, 4, 4), z(3, 6, 3, 3)), RuntimeError,
     "Given transposed=1, weight of size [3, 6, 3, 3], expected input[1, 4, 4, 4] to have 3 channels, but got 4 channels instead"),
    (lambda: fastnn.conv_transpose2d(z(1, 3, 4, 4), z(3, 6, 3, 3), stride=2, output_padding=2), RuntimeError,
     "output padding must be smaller than either stride or dilation"),
    (lambda: fastnn.conv_transpose2d(z(1, 3, 4, 4), z(3, 6, 3, 3), output_padding=-1), RuntimeError,
     "negative output_padding is not supported"),
    (lambda: fastnn.conv_transpose2d(z(1, 3, 1, 1), z(3, 6, 2, 2), padding=1), RuntimeError,
     "Calculated output size per channel: (0 x 0). Output size is too small"),
    (lambda: fastnn.conv_transpose2d(z(1, 3, 4, 4), z(3, 6, 3, 3), padding="same"), TypeError, "must be tuple of ints, not str"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", ERRORS)
def test_errors(call, error, message):
    with pytest.raises(error) as e:
        call()
    assert message in str(e.value)


def test_extremes():
    """Empty batches and channels, filters that see only padding, dilations far beyond the input."""
    assert fastnn.conv2d(z(0, 3, 4, 4), z(6, 3, 3, 3)).shape == (0, 6, 2, 2)
    y = fastnn.conv2d(z(1, 0, 4, 4), z(6, 0, 3, 3), tensor(np.arange(6.0, dtype="f")))
    assert y.shape == (1, 6, 2, 2) and (y.numpy() == np.arange(6)[:, None, None]).all()
    far = 10**9
    x = tensor(np.arange(4.0).reshape(1, 1, 2, 2)).requires_grad_()
    w = tensor(np.arange(9.0).reshape(1, 1, 3, 3)).requires_grad_()
    y = fastnn.conv2d(x, w, dilation=far, padding=far)
    assert np.array_equal(y.detach().numpy(), 4 * x.detach().numpy())
    dx, dw = fastnn.autograd.grad(y, (x, w), fastnn.ones_like(y))
    assert (dx.numpy() == 4).all() and dw.numpy().ravel().tolist() == [0, 0, 0, 0, 6, 0, 0, 0, 0]
    y = fastnn.conv2d(x, w, stride=far, padding=2)
    assert y.shape == (1, 1, 1, 1) and y.item() == 0


def test_special_values_stay_where_they_are(rng):
    """NaN and infinity reach exactly the results that their taps reach."""
    for special in (np.nan, np.inf):
        x, w, g = rng.standard_normal((2, 3, 7, 7)), rng.standard_normal((4, 3, 3, 3)), rng.standard_normal((2, 4, 7, 7))
        x[1, 2, 0, 6] = special
        y = fastnn.conv2d(tensor(x), tensor(w), padding=1).numpy()
        seen = np.zeros((2, 4, 7, 7), bool)
        seen[1, :, :2, 5:] = True
        assert np.array_equal(np.isfinite(y), ~seen)
        options = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
        dw = ops._conv2d_dw(tensor(g), tensor(x), size=(3, 3), **options).numpy()
        seen = np.zeros((4, 3, 3, 3), bool)
        seen[:, 2, :2, 1:] = True
        assert np.array_equal(np.isfinite(dw), ~seen)
        options["groups"] = 3
        w, g = w[:3, :1], g[:, :3]
        y = ops._conv2d(tensor(x), tensor(w), None, size=(7, 7), **options).numpy()
        dw = ops._conv2d_dw(tensor(g), tensor(x), size=(3, 3), **options).numpy()
        seen = np.zeros((2, 3, 7, 7), bool)
        seen[1, 2, :2, 5:] = True
        assert np.array_equal(np.isfinite(y), ~seen)
        seen = np.zeros((3, 1, 3, 3), bool)
        seen[2, 0, :2, 1:] = True
        assert np.array_equal(np.isfinite(dw), ~seen)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kernel, channels, filters, groups", [(3, 40, 70, 1), (3, 180, 170, 1), (2, 40, 70, 1), (3, 40, 40, 40)])
def test_threads_give_the_same_bits(isa, kernel, channels, filters, groups, rng):
    """On Winograd tiles (by tiles, by weights), as an implicit product, and plane by plane."""
    size = (20 - kernel, 22 - kernel)
    shapes = (6, channels, 17, 19), (filters, channels // groups, kernel, kernel), (6, filters, *size)
    x, w, g = (rng.standard_normal(s).astype("f") for s in shapes)
    options = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": groups}
    results = set()
    for threads in (1, 2, 3, 7):
        with fastnn.isa(isa), fastnn.threads(threads):
            results.add(tuple(a.tobytes() for a in all_three(x, w, g, options)))
    assert len(results) == 1


@pytest.mark.parametrize(("c", "o", "size", "kernel"), [(3, 70, 256, 3), (64, 33, 160, 1)])
def test_results_past_the_cache(c, o, size, kernel, rng):
    """Streamed where all images together exceed the cache: the same bits as image by image."""
    x, w = tensor(rng.standard_normal((3, c, size, size), np.float32)), tensor(rng.standard_normal((o, c, kernel, kernel), np.float32))
    b = tensor(rng.standard_normal(o, np.float32))
    for isa in ISAS:
        with fastnn.isa(isa), fastnn.rung(conv2d="implicit"):
            y = fastnn.conv2d(x, w, b, padding=kernel // 2)
            for i in range(3):
                assert np.array_equal(y[i : i + 1].numpy(), fastnn.conv2d(x[i : i + 1].clone(), w, b, padding=kernel // 2).numpy())
