"""Losses: targets out of range, ignored targets, extreme logits, errors as PyTorch words them, torch as a second oracle."""

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.nn import functional as F

RNG = np.random.default_rng(0)
SHAPES = ((6, 5), (90, 10), (3, 200), (2, 5, 3, 4))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bad", [-1, "classes", -(2**63), 2**63 - 1, 2**32])
def test_target_out_of_bounds(shape, bad):
    bad = shape[1] if bad == "classes" else bad
    x = fastnn.tensor(RNG.standard_normal(shape), requires_grad=True)
    t = np.zeros((shape[0], *shape[2:]), np.int64)
    t.flat[-1] = bad
    for f in (F.cross_entropy, F.nll_loss):
        for reduction in ("mean", "none"):
            with pytest.raises(IndexError, match=f"Target {bad} is out of bounds."):
                f(x, fastnn.tensor(t), reduction=reduction)
    if len(shape) == 2:
        with pytest.raises(IndexError, match=f"Target {bad} is out of bounds."):
            F.multi_margin_loss(x, fastnn.tensor(t))


@pytest.mark.parametrize("shape", SHAPES)
def test_ignored_targets(shape):
    """Ignored samples have loss 0 and derivative 0, whatever their logits; the mean over none is NaN."""
    a = RNG.standard_normal(shape)
    a[1] = np.nan
    t = RNG.integers(0, shape[1], (shape[0], *shape[2:]))
    t[1] = -100
    x = fastnn.tensor(a, requires_grad=True)
    for smoothing in (0.0, 0.1):
        x.grad = None
        loss = F.cross_entropy(x, fastnn.tensor(t), label_smoothing=smoothing)
        loss.backward()
        assert np.isfinite(loss.item()) and np.isfinite(x.grad.numpy()).all() and not x.grad.numpy()[1].any()
        assert np.isnan(F.cross_entropy(x, fastnn.tensor(np.full_like(t, -100)), label_smoothing=smoothing).item())
    nothing = fastnn.tensor(np.full_like(t, -100))
    assert F.cross_entropy(x, nothing, reduction="sum").item() == 0
    z = fastnn.randn(shape, requires_grad=True)
    for again in (False, True):  # the kernel's derivative and the one that has derivatives itself
        (g,) = fastnn.autograd.grad(F.cross_entropy(z, nothing), z, create_graph=again)
        assert not g.detach().numpy().any()
    assert not fastnn.autograd.grad(g.sum(), z)[0].numpy().any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [3, 20, 300])
def test_finite_for_finite_logits(dtype, classes):
    a = RNG.choice([-1e4, 0.0, 1e4], (50, classes)).astype(dtype)
    x, t = fastnn.tensor(a, requires_grad=True), fastnn.tensor(RNG.integers(0, classes, 50))
    for smoothing in (0.0, 0.2):
        loss = F.cross_entropy(x, t, label_smoothing=smoothing)
        loss.backward()
        assert np.isfinite(loss.item()) and np.isfinite(x.grad.numpy()).all()
    b = fastnn.tensor(a, requires_grad=True)
    y = fastnn.tensor((RNG.random(a.shape) < 0.5).astype(dtype))
    for f in (F.binary_cross_entropy_with_logits, F.multilabel_soft_margin_loss, F.soft_margin_loss):
        loss = f(b, y * 2 - 1 if f is F.soft_margin_loss else y)
        loss.backward()
        assert np.isfinite(loss.item()) and np.isfinite(b.grad.numpy()).all()


def test_binary_cross_entropy_ends():
    """At 0 and 1 the logarithm is kept at -100."""
    x = fastnn.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    y = F.binary_cross_entropy(x, fastnn.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
    np.testing.assert_array_equal(y.detach().numpy(), [0, 0, 100, 100])
    y.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()
    for bad in (-0.1, 1.1, np.nan):
        with pytest.raises(RuntimeError, match="all elements of input should be between 0 and 1"):
            F.binary_cross_entropy(fastnn.tensor([0.5, bad]), fastnn.tensor([0.0, 1.0]))
        with pytest.raises(RuntimeError, match="all elements of target should be between 0 and 1"):
            F.binary_cross_entropy(fastnn.tensor([0.5, 0.5]), fastnn.tensor([bad, 1.0]), weight=fastnn.tensor([2.0, 3.0]))


def test_errors():
    x, t = fastnn.zeros(4, 3), fastnn.tensor([0, 1, 2, 0])
    with pytest.raises(RuntimeError, match="expected scalar type Long but found Int"):
        F.cross_entropy(x, t.int())
    with pytest.raises(RuntimeError, match="expected scalar type Long but found Byte"):
        F.nll_loss(x, t.to(fastnn.uint8))
    with pytest.raises(RuntimeError, match="expected scalar type Long but found Float"):
        F.cross_entropy(x, t.float())
    with pytest.raises(ValueError, match=r"Expected input batch_size \(4\) to match target batch_size \(3\)"):
        F.cross_entropy(x, t.narrow(0, 0, 3))
    with pytest.raises(RuntimeError, match="size mismatch"):
        F.cross_entropy(fastnn.zeros(2, 3, 4), fastnn.zeros(2, 5, dtype=fastnn.int64))
    with pytest.raises(RuntimeError, match="weight tensor should be defined either for all 3 classes"):
        F.cross_entropy(x, t, fastnn.ones(4))
    with pytest.raises(RuntimeError, match="label_smoothing must be between"):
        F.cross_entropy(x, t, label_smoothing=1.5)
    with pytest.raises(ValueError, match="average is not a valid value for reduction"):
        F.cross_entropy(x, t, reduction="average")
    with pytest.raises(RuntimeError, match="weight"):
        F.cross_entropy(x, t, fastnn.ones(3, requires_grad=True))
    with pytest.raises(RuntimeError, match="floating point type for target with class probabilities"):
        F.cross_entropy(x, fastnn.zeros(4, 3, dtype=fastnn.int64))
    with pytest.raises(ValueError, match="must be the same as input size"):
        F.binary_cross_entropy_with_logits(fastnn.zeros(4), fastnn.zeros(3))
    with pytest.raises(ValueError, match="different to the input size"):
        F.binary_cross_entropy(fastnn.zeros(4), fastnn.zeros(3))
    with pytest.raises(RuntimeError, match="do not broadcast"), pytest.warns(UserWarning):
        F.mse_loss(fastnn.zeros(4), fastnn.zeros(3))
    with pytest.raises(RuntimeError, match="beta"):
        F.smooth_l1_loss(x, x, beta=-1)
    with pytest.raises(RuntimeError, match="delta"):
        F.huber_loss(x, x, delta=0)
    with pytest.raises(RuntimeError, match="mse_loss: not implemented"):
        F.mse_loss(t, t)
    with pytest.raises(ValueError, match="only p == 1 and p == 2"):
        F.multi_margin_loss(x, t, p=3)
    with pytest.raises(ValueError, match="negative"):
        F.gaussian_nll_loss(x, x, -fastnn.ones(4, 3))


def test_broadcast_warns():
    x, t = fastnn.tensor(RNG.standard_normal((4, 1)), requires_grad=True), fastnn.tensor(RNG.standard_normal(4), requires_grad=True)
    with pytest.warns(UserWarning, match="Using a target size"):
        loss = F.mse_loss(x, t)
    loss.backward()
    d = x.detach().numpy() - t.detach().numpy()
    np.testing.assert_allclose(loss.item(), (d * d).mean())
    np.testing.assert_allclose(x.grad.numpy(), d.sum(1, keepdims=True) * 2 / 16)
    np.testing.assert_allclose(t.grad.numpy(), -d.sum(0) * 2 / 16)


def test_old_spelling():
    x, t = fastnn.tensor([1.0, 2.0]), fastnn.tensor([0.0, 0.0])
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert F.mse_loss(x, t, size_average=False).item() == 5
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert F.mse_loss(x, t, reduce=False).shape == (2,)


def test_empty_mean_is_nan():
    x = fastnn.zeros(0, 3)
    assert np.isnan(F.mse_loss(x, x).item())
    assert np.isnan(F.cross_entropy(x, fastnn.zeros(0, dtype=fastnn.int64)).item())
    assert F.cross_entropy(x, fastnn.zeros(0, dtype=fastnn.int64), reduction="sum").item() == 0


def test_single_sample():
    """(C) logits with a 0-d target, as PyTorch."""
    x = fastnn.tensor([1.0, 2.0, 0.5], requires_grad=True)
    loss = F.cross_entropy(x, fastnn.tensor(1))
    assert loss.shape == () and F.cross_entropy(x, fastnn.tensor(1), reduction="none").shape == ()
    np.testing.assert_allclose(loss.item(), np.log(np.exp([1, 2, 0.5]).sum()) - 2, rtol=1e-6)
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy().sum(), 0, atol=1e-6)
    assert F.nll_loss(x, fastnn.tensor(2)).item() == -0.5


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_cross_entropy_as_torch(reduction):
    torch = pytest.importorskip("torch")
    for shape in SHAPES:
        a, w = RNG.standard_normal(shape) * 3, RNG.random(shape[1])
        t = RNG.integers(0, shape[1], (shape[0], *shape[2:]))
        t.flat[::4] = 2
        for options in ({}, {"ignore_index": 2}, {"label_smoothing": 0.1}, {"ignore_index": 2, "label_smoothing": 0.3}):
            for weight in (None, w):
                results = []
                for lib, f in ((fastnn, F), (torch, torch.nn.functional)):
                    x = lib.tensor(a, requires_grad=True)
                    y = f.cross_entropy(x, lib.tensor(t), None if weight is None else lib.tensor(weight), reduction=reduction, **options)
                    (y * y).sum().backward()
                    results.append((y.detach().numpy(), x.grad.numpy()))
                for ours, theirs in zip(*results, strict=True):
                    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


PAIRS = {
    "mse_loss": {}, "l1_loss": {}, "smooth_l1_loss": {"beta": 0.5}, "huber_loss": {"delta": 0.5},
    "binary_cross_entropy": {}, "binary_cross_entropy_with_logits": {}, "kl_div": {}, "poisson_nll_loss": {"full": True},
    "hinge_embedding_loss": {"margin": 0.4}, "soft_margin_loss": {}, "multilabel_soft_margin_loss": {},
}  # fmt: skip


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.filterwarnings("ignore")
def test_pairs_as_torch(name, reduction):
    torch = pytest.importorskip("torch")
    x, t = RNG.random((5, 7)) * 0.9 + 0.05, RNG.random((5, 7)) * 0.9
    if name in ("hinge_embedding_loss", "soft_margin_loss"):
        t = np.sign(t - 0.5)
    second = name not in ("hinge_embedding_loss", "soft_margin_loss", "multilabel_soft_margin_loss")
    results = []
    for lib, f in ((fastnn, F), (torch, torch.nn.functional)):
        a, b = lib.tensor(x, requires_grad=True), lib.tensor(t, requires_grad=second)
        y = getattr(f, name)(a, b, reduction=reduction, **PAIRS[name])
        (y * y).sum().backward()
        results.append([y.detach().numpy(), a.grad.numpy()] + ([b.grad.numpy()] if second else []))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_others_as_torch(reduction):
    torch = pytest.importorskip("torch")
    a, b, c = (RNG.standard_normal((6, 5)) for _ in range(3))
    sign, near, t = np.sign(RNG.standard_normal((6, 5))), np.sign(RNG.standard_normal(6)), RNG.integers(0, 5, 6)
    w = RNG.random(5)
    calls = [
        lambda lib, f, x, y, z: f.margin_ranking_loss(x, y, lib.tensor(sign), 0.2, reduction=reduction),
        lambda lib, f, x, y, z: f.cosine_embedding_loss(x, y, lib.tensor(near), 0.1, reduction=reduction),
        lambda lib, f, x, y, z: f.triplet_margin_loss(x, y, z, 2.0, swap=True, reduction=reduction),
        lambda lib, f, x, y, z: f.triplet_margin_with_distance_loss(x, y, z, reduction=reduction),
        lambda lib, f, x, y, z: f.gaussian_nll_loss(x, y, z * z, full=True, reduction=reduction),
        lambda lib, f, x, y, z: f.multi_margin_loss(x, lib.tensor(t), 2, 0.7, lib.tensor(w), reduction=reduction),
        lambda lib, f, x, y, z: f.pairwise_distance(x, y),
        lambda lib, f, x, y, z: f.cosine_similarity(x, y, 0),
    ]
    for call in calls:
        results = []
        for lib, f in ((fastnn, F), (torch, torch.nn.functional)):
            tensors = [lib.tensor(v, requires_grad=True) for v in (a, b, c)]
            y = call(lib, f, *tensors)
            (y * y).sum().backward()
            results.append([y.detach().numpy()] + [v.grad.numpy() for v in tensors if v.grad is not None])
        assert len(results[0]) == len(results[1])
        for ours, theirs in zip(*results, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


def test_binary_cross_entropy_wants_floating_targets():
    from fastnn.nn import functional as F

    p = fastnn.tensor([0.5, 0.5])
    for loss in (F.binary_cross_entropy, F.binary_cross_entropy_with_logits):
        for target in (fastnn.tensor([1, 0]), fastnn.tensor([True, False])):
            with pytest.raises(RuntimeError, match="Found dtype .* but expected float32"):
                loss(p, target)


def test_shapes_and_values_at_the_edge():
    for target, expected in (([0.0, 0.5], [0.0, 0.5 * np.log(0.5)]), ([-0.5, float("nan")], [np.nan, np.nan])):
        y = F.kl_div(fastnn.zeros(2), fastnn.tensor(target), reduction="none")
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6)
    x, t, var = fastnn.ones(4, 3), fastnn.zeros(4, 3), fastnn.full((1, 3), 2.0)
    assert F.gaussian_nll_loss(x, t, var).item() == pytest.approx(F.gaussian_nll_loss(x, t, var.expand(4, 3)).item())
    with pytest.raises(ValueError, match="var is of incorrect size"):
        F.gaussian_nll_loss(x, t, fastnn.ones(1, 1))
    for reduction in ("none", "mean", "sum"):
        assert F.multilabel_margin_loss(fastnn.tensor(2.0), fastnn.tensor(0), reduction=reduction).shape == ()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_linear_cross_entropy(reduction, weighted):
    """It is the composition, in pieces or not, with all derivatives; the mean leaves out what is ignored."""
    x, w, b = (fastnn.tensor(RNG.standard_normal(s), requires_grad=True) for s in ((7, 4), (5, 4), (5,)))
    weight = fastnn.tensor(RNG.random(5)) if weighted else None
    t = fastnn.tensor([0, 4, 2, 1, 3, 2, 2])
    p = fastnn.tensor(RNG.random((7, 5)))
    for target, more in ((t, {"ignore_index": 2}), (t, {"label_smoothing": 0.1}), (p, {})):
        options = {"weight": weight, "reduction": reduction, **more}
        whole = F.cross_entropy(F.linear(x, w, b), target, **options)
        expected = fastnn.autograd.grad(whole.sum(), (x, w, b))
        for pieces in (None, nn.LinearCrossEntropyOptions(batch_chunk_size=3), nn.LinearCrossEntropyOptions(chunking_method="aspect_ratio:4")):
            y = F.linear_cross_entropy(x, w, target, linear_bias=b, options=pieces, **options)
            np.testing.assert_allclose(y.detach(), whole.detach(), 1e-12)
            for mine, theirs in zip(fastnn.autograd.grad(y.sum(), (x, w, b)), expected, strict=True):
                np.testing.assert_allclose(mine, theirs, 1e-10, 1e-12)
    layer = nn.LinearCrossEntropyLoss(4, 5, out_features=(2, 3), bias=True, dtype=fastnn.float64)
    assert layer(x, fastnn.zeros(7, 2, 3, dtype=fastnn.int64)).ndim == 0 and list(layer.state_dict()) == ["linear.weight", "linear.bias"]


def test_linear_cross_entropy_refuses():
    x, w, t = fastnn.ones(2, 4), fastnn.ones(5, 4), fastnn.tensor([0, 1])
    for call, message in (
        (lambda: F.linear_cross_entropy(fastnn.ones(1, 2, 4), w, t), "dimensionality 1 or 2"), (lambda: F.linear_cross_entropy(x, w[0], t), "at least 2"),
        (lambda: F.linear_cross_entropy(x, w[:, 1:], t), "last dimensions"), (lambda: F.linear_cross_entropy(x, w, t, linear_bias=w), "linear_bias shape"),
        (lambda: F.linear_cross_entropy(x[0], fastnn.ones(5, 3, 4), t), "requires batched input"),
        (lambda: F.linear_cross_entropy(x, w, fastnn.ones(2, 5), ignore_index=1), "ignore_index cannot"),
        (lambda: nn.LinearCrossEntropyLoss(4, 5, weight=fastnn.ones(4)), "weight shape"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=message):
            call()
    with pytest.raises(ValueError, match="chunking_method"):
        F.linear_cross_entropy(x, w, t, options=nn.LinearCrossEntropyOptions(chunking_method="halves"))
