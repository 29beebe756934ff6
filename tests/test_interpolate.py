"""Resampling beyond the samples: PyTorch as second oracle, special values, errors."""

import math

import numpy as np
import pytest

import fastnn
from fastnn.ops import interpolate as F


def test_against_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    TF = torch.nn.functional
    for _ in range(60):
        mode = ["nearest", "nearest-exact", "bilinear", "bicubic", "area"][rng.integers(5)]
        shape = (2, 2, int(rng.integers(1, 12)), int(rng.integers(1, 40)))
        options = {"mode": mode}
        if mode[0] == "b":
            options["align_corners"] = bool(rng.integers(2))
            options["antialias"] = bool(rng.integers(2)) and not options["align_corners"]
        if rng.integers(2) or options.get("antialias"):
            options["size"] = (int(rng.integers(1, 20)), int(rng.integers(1, 60)))
        else:
            options["scale_factor"] = tuple(float(f) for f in rng.uniform(1.0 if mode == "area" else 0.9, 3, 2))
            options["recompute_scale_factor"] = [None, True][rng.integers(2)]
            if 0 in [math.floor(s * f) for s, f in zip(shape[2:], options["scale_factor"], strict=True)]:
                continue
        if options.get("antialias") and 1 in options["size"]:
            continue  # PyTorch 2.13 repeats its first row when the output is one column wide
        x = rng.standard_normal(shape)
        ours, theirs = fastnn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, want = F.interpolate(ours, **options), TF.interpolate(theirs, **options)
        g = rng.standard_normal(tuple(want.shape))
        y.backward(fastnn.tensor(g))
        want.backward(torch.tensor(g))
        message = f"{shape} {options}"
        np.testing.assert_allclose(y.detach().numpy(), want.detach().numpy(), rtol=1e-10, atol=1e-10, err_msg=message)
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-10, atol=1e-10, err_msg=message)


def test_factors_that_are_no_integers(rng):
    """What PyTorch makes of them where the output is as large as the input, or twice as large."""
    torch = pytest.importorskip("torch")
    for _ in range(150):
        n = int(rng.integers(1, 4))
        x = rng.normal(size=(1, 2, *rng.integers(1, 7, n)))
        factor = rng.uniform(0.9, 2.4, n).tolist()
        if any(int(s * f) < 1 for s, f in zip(x.shape[2:], factor, strict=True)):
            continue
        for mode in ("nearest", "nearest-exact", ("linear", "bilinear", "trilinear")[n - 1]):
            y, want = (lib.nn.functional.interpolate(lib.from_numpy(x), scale_factor=factor, mode=mode) for lib in (fastnn, torch))
            np.testing.assert_allclose(y.numpy(), want.numpy(), atol=1e-12, err_msg=f"{mode} {x.shape} {factor}")


def test_nearest_copies_special_values():
    x = np.array([[[np.nan, np.inf, -0.0, -np.inf]]], np.float32)
    y = F.interpolate(fastnn.tensor(x), scale_factor=2).numpy()
    assert y.tobytes() == np.repeat(x, 2, -1).tobytes()
    assert F.upsample(fastnn.tensor(x), size=8).numpy().tobytes() == y.tobytes()


def test_volumes_and_empty_batches():
    assert F.interpolate(fastnn.ones(0, 3, 2, 2, 2), scale_factor=2, mode="trilinear").shape == (0, 3, 4, 4, 4)
    y = F.interpolate(fastnn.ones(2, 3, 2, 2, 2), size=(3, 1, 5), mode="trilinear")
    assert y.shape == (2, 3, 3, 1, 5) and np.allclose(y.numpy(), 1)
    assert F.upsample_bilinear(fastnn.ones(1, 1, 2, 2), scale_factor=2).shape == (1, 1, 4, 4)
    assert F.upsample_nearest(fastnn.ones(1, 1, 2, 2), size=3).shape == (1, 1, 3, 3)


x = fastnn.ones(1, 2, 4, 4)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: F.interpolate(x), ValueError, "either size or scale_factor"),
        (lambda: F.interpolate(x, 4, 2), ValueError, "only one of size or scale_factor"),
        (lambda: F.interpolate(x, (4, 4, 4)), ValueError, "same number of spatial dimensions"),
        (lambda: F.interpolate(x, 4, mode="cubic"), NotImplementedError, r"\(got cubic\)"),
        (lambda: F.interpolate(x, 4, mode="linear"), RuntimeError, "Got 4D input, but linear mode needs 3D input"),
        (lambda: F.interpolate(fastnn.ones(4, 4), 4), RuntimeError, "Only 3D, 4D and 5D"),
        (lambda: F.interpolate(x, 4, align_corners=True), ValueError, "align_corners option"),
        (lambda: F.interpolate(x, 4, antialias=True), ValueError, "Anti-alias"),
        (lambda: F.interpolate(x, 0), RuntimeError, "greater than 0"),
        (lambda: F.interpolate(x, -3), RuntimeError, "greater than 0"),
        (lambda: F.interpolate(x, scale_factor=0.1), RuntimeError, "greater than 0"),
        (lambda: F.interpolate(x, scale_factor=math.nan), ValueError, "finite"),
        (lambda: F.interpolate(x, 2.5), TypeError, "ints"),
        (lambda: F.interpolate(x, 4, recompute_scale_factor=True), ValueError, "not meaningful"),
        (lambda: F.interpolate(x.long(), 4), RuntimeError, "a floating dtype"),
        (lambda: F.interpolate(np.ones((1, 1, 4)), 4), TypeError, "Tensor"),
        (lambda: F.interpolate(x, (2**40, 1)), RuntimeError, "2\\*\\*31"),
        (lambda: F.pixel_shuffle(x, 2), RuntimeError, "divisible by the square"),
        (lambda: F.pixel_unshuffle(x, 3), RuntimeError, "divisible by downscale_factor"),
        (lambda: F.channel_shuffle(x, 3), RuntimeError, "divisible by groups"),
    ],
)
def test_errors_name_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_area_of_volumes():
    x = fastnn.arange(64.0).reshape(1, 1, 4, 4, 4)
    y = F.interpolate(x, (2, 2, 2), mode="area")
    np.testing.assert_array_equal(y.numpy(), x.numpy().reshape(1, 1, 2, 2, 2, 2, 2, 2).mean((3, 5, 7)))
