"""Normalisation: running statistics, numerical care, errors, torch as a second oracle."""

import numpy as np
import pytest

import fastnn
from fastnn.ops import norm as F

SHAPES = ((6, 4), (40, 3), (3, 4, 5), (2, 3, 6, 7), (30, 2, 40, 40))


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_as_torch(shape):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    c = shape[1]
    a, g = rng.standard_normal(shape) * 2 + 5, rng.standard_normal(shape)
    w, b, mean, var = (rng.random(c) + 0.5 for _ in range(4))
    ours = [fastnn.tensor(v) for v in (a, mean, var, w, b)]
    theirs = [torch.tensor(v) for v in (a, mean, var, w, b)]
    for i in (0, 3, 4):
        ours[i].requires_grad_(), theirs[i].requires_grad_()
    for _ in range(3):
        y, u = F.batch_norm(*ours, training=True, momentum=0.3), torch.nn.functional.batch_norm(*theirs, training=True, momentum=0.3)
        np.testing.assert_allclose(y.detach().numpy(), u.detach().numpy(), rtol=1e-10, atol=1e-12)
    for k in (1, 2):  # running statistics, the variance unbiased
        np.testing.assert_allclose(ours[k].numpy(), theirs[k].numpy(), rtol=1e-12)
    y, u = y + F.batch_norm(*ours), u + torch.nn.functional.batch_norm(*theirs)
    y.backward(fastnn.tensor(g))
    u.backward(torch.tensor(g))
    for i in (0, 3, 4):
        np.testing.assert_allclose(ours[i].grad.numpy(), theirs[i].grad.numpy(), rtol=1e-9, atol=1e-11)


def test_instance_norm_running_as_torch():
    torch = pytest.importorskip("torch")
    a = np.random.default_rng(0).standard_normal((3, 4, 5, 6))
    m, v, tm, tv = fastnn.zeros(4).double(), fastnn.ones(4).double(), torch.zeros(4).double(), torch.ones(4).double()
    y, u = F.instance_norm(fastnn.tensor(a), m, v), torch.nn.functional.instance_norm(torch.tensor(a), tm, tv)
    np.testing.assert_allclose(y.numpy(), u.numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(m.numpy(), tm.numpy(), rtol=1e-12)
    np.testing.assert_allclose(v.numpy(), tv.numpy(), rtol=1e-12)
    y = F.instance_norm(fastnn.tensor(a), m, v, use_input_stats=False)
    u = torch.nn.functional.instance_norm(torch.tensor(a), tm, tv, use_input_stats=False)
    np.testing.assert_allclose(y.numpy(), u.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("offset", [1e2, 1e4])
def test_no_cancellation(offset):
    """float32 numbers far from 0: the variance is of the differences, not a difference of squares."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((8, 6, 600)) + offset).astype("float32")
    exact = x.astype("float64")

    def standard(axes):
        c = exact - exact.mean(axes, keepdims=True)
        return c / np.sqrt((c * c).mean(axes, keepdims=True))

    t = fastnn.tensor(x)
    tolerance = 4e-7 * offset  # one unit in the last place of the mean
    for y, axes in (
        (F.layer_norm(t, (600,), eps=0.0), (2,)),
        (F.batch_norm(t, None, None, training=True, eps=1e-30), (0, 2)),
        (F.instance_norm(t, eps=0.0), (2,)),
        (F.batch_norm(t.reshape(48, 600), None, None, training=True, eps=1e-30).reshape(8, 6, 600), None),
    ):
        if axes is not None:
            np.testing.assert_allclose(y.numpy(), standard(axes), atol=tolerance)
    assert abs(F.layer_norm(t, (600,), eps=0.0).numpy().std() - 1) < 1e-3


def test_nan_stays_in_its_row():
    x = np.random.default_rng(0).standard_normal((4, 9)).astype("float32")
    x[1, 3] = np.nan
    bad = np.isnan(F.layer_norm(fastnn.tensor(x), (9,)).numpy())
    assert bad[1].all() and not bad[[0, 2, 3]].any()
    bad = np.isnan(F.batch_norm(fastnn.tensor(x), None, None, training=True).numpy())
    assert bad[:, 3].all() and not np.delete(bad, 3, 1).any()


def test_running_statistics_are_checked_for_changes():
    mean, var = fastnn.zeros(3), fastnn.ones(3)
    x = fastnn.tensor(np.random.default_rng(0).standard_normal((5, 3)), dtype=fastnn.float32, requires_grad=True)
    y = F.batch_norm(x, mean, var)  # reads var
    F.batch_norm(x, mean, var, training=True)  # writes it
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_momentum_in_memory():
    a, b = fastnn.zeros(3), fastnn.zeros(3)
    x = fastnn.tensor(np.random.default_rng(0).standard_normal((5, 3)), dtype=fastnn.float32)
    F.batch_norm(x, a, fastnn.ones(3), training=True, momentum=0.25)
    F.batch_norm(x, b, fastnn.ones(3), training=True, momentum=fastnn.tensor(0.25))
    np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_errors():
    x = fastnn.ones(2, 3)
    with pytest.raises(RuntimeError, match=r"Given normalized_shape=\[4\], expected input with shape \[\*, 4\]"):
        F.layer_norm(x, (4,))
    with pytest.raises(RuntimeError, match="Expected weight to be of same shape as normalized_shape"):
        F.layer_norm(x, (3,), fastnn.ones(2))
    with pytest.raises(RuntimeError, match="at least 1-dimensional"):
        F.layer_norm(x, ())
    with pytest.raises(RuntimeError, match="divisible by num_groups"):
        F.group_norm(x, 2)
    with pytest.raises(RuntimeError, match="greater than 0"):
        F.group_norm(x, 0)
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        F.group_norm(fastnn.ones(3), 1)
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        F.batch_norm(fastnn.ones(1, 3), None, None, training=True)
    for training, eps, wanted in ((True, 0.0, "positive during training"), (False, -1.0, "non-negative")):
        with pytest.raises(ValueError, match=f"eps must be {wanted}"):
            F.batch_norm(x, fastnn.zeros(3), fastnn.ones(3), training=training, eps=eps)
    with pytest.raises(RuntimeError, match="running_mean and running_var"):
        F.batch_norm(x, None, None)
    with pytest.raises(RuntimeError, match="weight"):
        F.batch_norm(x, None, None, fastnn.ones(2), training=True)
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        F.instance_norm(fastnn.ones(2, 3, 1))
    with pytest.raises(RuntimeError, match="type"):
        F.layer_norm(x, (3,), fastnn.ones(3).double())
    with pytest.raises(RuntimeError, match="not implemented"):
        F.layer_norm(fastnn.tensor([[1, 2, 3]]), (3,))


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "group_norm", "local_response_norm", "normalize"])
def test_as_torch(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    cases = {
        "layer_norm": [((4, 6, 33), ((33,), "w", "w")), ((4, 6, 5), ((6, 5), "w", "w")), ((70, 8), ((8,),))],
        "rms_norm": [((4, 6, 33), ((33,), "w")), ((3, 5), ((5,), None, 0.1)), ((3, 5), ((5,),))],
        "group_norm": [((4, 6, 33), (3, "c", "c")), ((4, 6), (2, "c", "c")), ((2, 4, 5, 5), (4,))],
        "local_response_norm": [((3, 7, 4), (3,)), ((3, 7, 4, 2), (2, 0.1, 0.5, 2.0))],
        "normalize": [((3, 7), ()), ((3, 7), (1.0, 0))],
    }[name]
    for shape, options in cases:
        sizes = {"w": options[0] if options else (), "c": shape[1:2]}
        arrays = [rng.standard_normal(shape)] + [rng.standard_normal(sizes[o]) for o in options if isinstance(o, str)]
        g = rng.standard_normal(shape)
        results = []
        for lib, f in ((fastnn, F), (torch, torch.nn.functional)):
            tensors = [lib.tensor(a, requires_grad=True) for a in arrays]
            rest = iter(tensors[1:])
            y = getattr(f, name)(tensors[0], *[next(rest) if isinstance(o, str) else o for o in options])
            y.backward(lib.tensor(g))
            results.append([y.detach().numpy()] + [t.grad.numpy() for t in tensors])
        for ours, theirs in zip(*results, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)
