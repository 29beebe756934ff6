"""Layers against PyTorch: names, state dicts, defaults, reprs, outputs, errors; test_modules.py has what needs no PyTorch."""

import copy
import math
import re
from collections import OrderedDict

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn import nn

torch = pytest.importorskip("torch")
tnn = torch.nn

# name, arguments, options, shapes of the inputs (floats unless given as (kind, shape))
LAYERS = [
    ("Identity", (1, 2), {}, [(3,)]),
    ("Linear", (5, 3), {}, [(2, 4, 5)]),
    ("Linear", (5, 3), dict(bias=False), [(5,)]),
    ("Bilinear", (3, 4, 5), {}, [(2, 3), (2, 4)]),
    ("Conv1d", (4, 6, 3), dict(stride=2, padding=1, dilation=2, groups=2), [(2, 4, 11)]),
    ("Conv1d", (2, 3, 4), dict(padding="same", padding_mode="reflect"), [(2, 2, 9)]),
    ("Conv2d", (4, 6, (3, 2)), dict(stride=(1, 2), padding=(2, 0), groups=2, bias=False), [(2, 4, 8, 7)]),
    ("Conv2d", (1, 2, 3), dict(padding=1, padding_mode="circular"), [(1, 5, 6)]),
    ("Conv2d", (1, 2, 3), dict(padding=2, padding_mode="replicate"), [(2, 1, 5, 6)]),
    ("Conv2d", (2, 2, 4), dict(padding="same", dilation=(1, 2)), [(2, 2, 7, 9)]),
    ("Conv2d", (2, 2, 3), dict(padding="valid"), [(2, 2, 7, 9)]),
    ("ConvTranspose1d", (4, 6, 3), dict(stride=2, padding=1, output_padding=1, groups=2), [(2, 4, 5)]),
    ("ConvTranspose2d", (3, 2, 3), dict(stride=2, output_padding=(1, 0), dilation=2), [(2, 3, 4, 5)]),
    ("MaxPool1d", (3,), dict(stride=2, padding=1), [(2, 3, 10)]),
    ("MaxPool2d", (2,), {}, [(2, 3, 6, 7)]),
    ("MaxPool2d", ((3, 2),), dict(stride=1, dilation=2, ceil_mode=True), [(2, 3, 8, 7)]),
    ("AvgPool1d", (3,), dict(stride=2, padding=1), [(2, 3, 10)]),
    ("AvgPool2d", (2,), dict(padding=1, count_include_pad=False), [(2, 3, 6, 7)]),
    ("AvgPool2d", ((3, 2),), dict(divisor_override=5), [(2, 3, 6, 7)]),
    ("LPPool2d", (2, 2), {}, [(2, 3, 6, 7)]),
    ("AdaptiveAvgPool1d", (4,), {}, [(2, 3, 10)]),
    ("AdaptiveAvgPool2d", ((3, None),), {}, [(2, 3, 7, 5)]),
    ("AdaptiveMaxPool1d", (4,), {}, [(2, 3, 10)]),
    ("AdaptiveMaxPool2d", (3,), {}, [(2, 3, 7, 5)]),
    ("BatchNorm1d", (3,), {}, [(6, 3)]),
    ("BatchNorm1d", (3,), dict(momentum=None, eps=1e-2), [(4, 3, 5)]),
    ("BatchNorm2d", (3,), dict(momentum=0.3), [(4, 3, 5, 2)]),
    ("BatchNorm2d", (3,), dict(affine=False, track_running_stats=False), [(4, 3, 5, 2)]),
    ("InstanceNorm1d", (3,), {}, [(4, 3, 5)]),
    ("InstanceNorm2d", (3,), dict(affine=True, track_running_stats=True), [(4, 3, 5, 4)]),
    ("InstanceNorm2d", (3,), {}, [(3, 5, 4)]),
    ("LayerNorm", (5,), {}, [(4, 3, 5)]),
    ("LayerNorm", ((3, 5),), dict(bias=False, eps=1e-3), [(4, 3, 5)]),
    ("LayerNorm", (5,), dict(elementwise_affine=False), [(5,)]),
    ("RMSNorm", (5,), {}, [(4, 5)]),
    ("RMSNorm", ((3, 5),), dict(eps=1e-2, elementwise_affine=False), [(4, 3, 5)]),
    ("GroupNorm", (2, 6), {}, [(3, 6, 5)]),
    ("GroupNorm", (3, 6), dict(affine=False), [(3, 6, 2, 2)]),
    ("GroupNorm", (3, 6), dict(bias=False), [(3, 6, 2, 2)]), ("BatchNorm1d", (3,), dict(bias=False), [(4, 3)]),
    ("Embedding", (7, 4), dict(padding_idx=2), [("index", (3, 5))]),
    ("Embedding", (7, 4), {}, [("index", ())]),
    ("Flatten", (), {}, [(2, 3, 4)]),
    ("Flatten", (0, 1), {}, [(2, 3, 4)]),
    ("Unflatten", (1, (2, -1)), {}, [(2, 6, 3)]),
    ("Upsample", (), dict(scale_factor=2), [(2, 3, 4)]),
    ("Upsample", (), dict(size=(5, 7), mode="bilinear"), [(2, 3, 4, 3)]),
    ("UpsamplingNearest2d", (), dict(scale_factor=2), [(2, 3, 4, 3)]),
    ("UpsamplingBilinear2d", (), dict(size=5), [(2, 3, 4, 3)]),
    ("PixelShuffle", (2,), {}, [(2, 8, 3, 4)]),
    ("PixelUnshuffle", (2,), {}, [(2, 3, 4, 6)]),
    ("Unfold", (2,), dict(stride=2, padding=1), [(2, 3, 4, 5)]),
    ("Fold", ((4, 5), 2), {}, [(2, 12, 12)]),
    ("ZeroPad2d", ((1, 2, 0, 3),), {}, [(2, 3, 4)]),
    ("ConstantPad1d", (2, 3.5), {}, [(2, 3, 4)]),
    ("ReflectionPad2d", (2,), {}, [(2, 3, 4, 5)]),
    ("ReplicationPad1d", ((1, 3),), {}, [(2, 3, 4)]),
    ("CircularPad2d", (1,), {}, [(2, 3, 4, 5)]),
    ("PReLU", (), {}, [(3, 4)]),
    ("PReLU", (4,), dict(init=0.1), [(3, 4, 2)]),
    ("Dropout", (0.3,), {}, []), ("Dropout1d", (), {}, []), ("Dropout2d", (0.1,), {}, []), ("AlphaDropout", (), {}, []),
    ("CosineSimilarity", (), dict(dim=1), [(3, 4), (3, 4)]),
    ("PairwiseDistance", (), dict(p=3.0, keepdim=True), [(3, 4), (3, 4)]),
    ("MaxUnpool2d", (2,), {}, []), ("MaxUnpool1d", (2, 3), {}, []),
]  # fmt: skip
ACTIVATIONS = [
    ("ReLU", {}), ("ReLU", dict(inplace=True)), ("ReLU6", {}), ("LeakyReLU", {}), ("LeakyReLU", dict(negative_slope=0.3)), ("ELU", dict(alpha=0.5)), ("CELU", {}),
    ("SELU", {}), ("GELU", {}), ("GELU", dict(approximate="tanh")), ("SiLU", {}), ("Mish", {}), ("Softplus", {}),
    ("Softplus", dict(beta=2.0, threshold=1.0)), ("Sigmoid", {}), ("LogSigmoid", {}), ("Tanh", {}), ("Tanhshrink", {}),
    ("Softsign", {}), ("Hardtanh", {}), ("Hardtanh", dict(min_val=-0.5, max_val=2.0)), ("Hardsigmoid", {}), ("Hardswish", {}),
    ("Hardshrink", {}), ("Softshrink", dict(lambd=0.2)), ("Threshold", dict(threshold=0.1, value=20.0)), ("GLU", {}),
    ("Softmax", dict(dim=1)), ("LogSoftmax", dict(dim=-1)), ("Softmin", dict(dim=0)), ("Softmax2d", {}),
]  # fmt: skip
LAYERS += [(name, (), options, [(2, 4, 3, 6)]) for name, options in ACTIVATIONS]
LOSSES = [
    ("L1Loss", {}, "ff"), ("MSELoss", dict(reduction="none"), "ff"), ("SmoothL1Loss", dict(beta=0.5), "ff"),
    ("HuberLoss", dict(delta=0.7, reduction="sum"), "ff"), ("CrossEntropyLoss", {}, "fc"),
    ("CrossEntropyLoss", dict(ignore_index=1, label_smoothing=0.1), "fc"), ("NLLLoss", dict(reduction="none"), "fc"),
    ("PoissonNLLLoss", {}, "fp"), ("GaussianNLLLoss", {}, "ffp"), ("KLDivLoss", dict(reduction="batchmean"), "fp"),
    ("BCELoss", {}, "pp"), ("BCEWithLogitsLoss", {}, "fp"), ("MultiMarginLoss", dict(p=2, margin=0.5), "fc"),
    ("MultiLabelSoftMarginLoss", {}, "fp"), ("SoftMarginLoss", {}, "fs"), ("HingeEmbeddingLoss", {}, "fs"),
    ("MarginRankingLoss", dict(margin=0.1), "ffs"), ("CosineEmbeddingLoss", {}, "ffn"), ("TripletMarginLoss", dict(swap=True), "fff"),
]  # fmt: skip


def shown(module):
    """The repr; older versions of PyTorch do not show whether a normalisation has a bias."""
    return re.sub(r", bias=(True|False)", "", repr(module)) if "Norm" in repr(module) else repr(module)


def names(case):
    return f"{case[0]}-{','.join(map(str, case[1]))}"


def inputs(shapes, rng):
    for shape in shapes:
        if shape and shape[0] == "index":
            yield np.asarray(rng.integers(0, 7, shape[1]))
        else:
            yield rng.standard_normal(shape)


def twins(name, args, options):
    """Our module and PyTorch's, in float64 and with the same weights."""
    theirs = getattr(tnn, name)(*args, **options).double()
    ours = getattr(nn, name)(*args, **options).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("case", LAYERS, ids=names)
def test_layers_equal_torch(rng, case):
    name, args, options, shapes = case
    ours, theirs = twins(name, args, options)
    assert shown(ours) == shown(theirs)
    for mode in (True, False):
        ours.train(mode), theirs.train(mode)
        for _ in range(2 if shapes else 0):
            arrays = list(inputs(shapes, rng))
            xs = [fastnn.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
            zs = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
            x, z = ours(*[x.clone() for x in xs]), theirs(*[z.clone() for z in zs])
            np.testing.assert_allclose(x.detach().numpy(), z.detach().numpy(), rtol=1e-10, atol=1e-12)
            rtol = 1e-7 if name == "Hardsigmoid" else 1e-9  # PyTorch's derivative holds 1/6 in float32
            if z.requires_grad:
                (x * x).sum().backward()
                (z * z).sum().backward()
                for a, b in zip([*xs, *ours.parameters()], [*zs, *theirs.parameters()], strict=True):
                    assert (a.grad is None) == (b.grad is None)
                    if b.grad is not None:
                        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=rtol, atol=1e-10)
                ours.zero_grad(), theirs.zero_grad()
        for key, value in theirs.state_dict().items():  # running statistics
            np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name,options,kinds", LOSSES, ids=lambda v: v if isinstance(v, str) else ",".join(v))
def test_losses_equal_torch(rng, name, options, kinds):
    ours, theirs = getattr(nn, name)(**options), getattr(tnn, name)(**options)
    assert repr(ours) == repr(theirs)
    make = {
        "f": lambda: rng.standard_normal((4, 5)), "p": lambda: rng.random((4, 5)) * 0.9 + 0.05,
        "c": lambda: rng.integers(0, 5, 4), "s": lambda: rng.choice([-1.0, 1.0], (4, 5)), "n": lambda: rng.choice([-1.0, 1.0], 4),
    }  # fmt: skip
    arrays = [make[k]() for k in kinds]
    got, want = ours(*map(fastnn.tensor, arrays)), theirs(*map(torch.tensor, arrays))
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12)


def test_weighted_losses_keep_their_weight(rng):
    w = rng.random(5)
    ours, theirs = nn.CrossEntropyLoss(fastnn.tensor(w)), tnn.CrossEntropyLoss(torch.tensor(w))
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
    assert list(ours.parameters()) == []
    x, y = rng.standard_normal((4, 5)), rng.integers(0, 5, 4)
    np.testing.assert_allclose(float(ours(fastnn.tensor(x), fastnn.tensor(y))), float(theirs(torch.tensor(x), torch.tensor(y))))
    ours = nn.BCEWithLogitsLoss(pos_weight=fastnn.tensor(w))
    theirs = tnn.BCEWithLogitsLoss(pos_weight=torch.tensor(w))
    y = rng.random((4, 5))
    np.testing.assert_allclose(float(ours(fastnn.tensor(x), fastnn.tensor(y))), float(theirs(torch.tensor(x), torch.tensor(y))))
    with pytest.raises(TypeError):
        nn.CrossEntropyLoss(None, -100)  # in PyTorch the second one is size_average
    for make in (lambda: nn.MSELoss(reduction="median"), lambda: nn.MultiMarginLoss(p=3), lambda: nn.TripletMarginLoss(margin=0)):
        with pytest.raises(ValueError):
            make()


def test_max_unpool(rng):
    x = rng.standard_normal((2, 3, 6, 8))
    ours, indices = nn.MaxPool2d(2, return_indices=True)(fastnn.tensor(x))
    theirs, their_indices = tnn.MaxPool2d(2, return_indices=True)(torch.tensor(x))
    np.testing.assert_array_equal(indices.numpy(), their_indices.numpy())
    for size in (None, (6, 8)):
        a = nn.MaxUnpool2d(2)(ours, indices, output_size=size)
        b = tnn.MaxUnpool2d(2)(theirs, their_indices, output_size=size)
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_conv_transpose_output_size(rng):
    ours, theirs = twins("ConvTranspose2d", (2, 3, 3), dict(stride=3, padding=1))
    x = rng.standard_normal((2, 2, 4, 5))
    for size in [(10, 14), (2, 3, 12, 13), (11, 15)]:
        a = ours(fastnn.tensor(x), output_size=size)
        b = theirs(torch.tensor(x), output_size=size)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)
    for size in [(9, 13), (13, 13), (10,)]:
        with pytest.raises(ValueError, match=r"output_size|output size"):
            ours(fastnn.tensor(x), output_size=size)


def test_dropout(rng):
    fastnn.manual_seed(3)
    x = fastnn.ones(100, 100)
    layer = nn.Dropout(0.25)
    y = layer(x).numpy()
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)} and abs((y == 0).mean() - 0.25) < 0.02
    assert (layer.eval()(x).numpy() == 1).all()
    z = nn.Dropout2d(0.5)(fastnn.ones(20, 20, 3, 3)).numpy().reshape(400, 9)
    assert (z == z[:, :1]).all() and {0.0, 2.0} == set(np.unique(z))
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match="dropout probability"):
            nn.Dropout(p)


def test_load_state_dict_errors_read_like_torch():
    ours, theirs = nn.Sequential(nn.Linear(3, 2)), tnn.Sequential(tnn.Linear(3, 2))
    broken = {"0.weight": np.zeros((2, 4), np.float32), "1.weight": np.zeros(1, np.float32)}
    with pytest.raises(RuntimeError) as mine:
        ours.load_state_dict(broken)
    with pytest.raises(RuntimeError) as other:
        theirs.load_state_dict({k: torch.tensor(v) for k, v in broken.items()})
    other = str(other.value).replace("torch.Size", "fastnn.Size")
    assert sorted(str(mine.value).split("\n\t")) == sorted(other.split("\n\t"))
    result = ours.load_state_dict({"0.weight": np.ones((2, 3), np.float32), "x": 3}, strict=False)
    assert result.missing_keys == ["0.bias"] and result.unexpected_keys == ["x"] and "missing_keys=['0.bias']" in repr(result)
    assert (ours[0].weight.detach().numpy() == 1).all()
    with pytest.raises(TypeError):
        ours.load_state_dict([1])
    new = fastnn.full((2, 3), 7.0)
    ours.load_state_dict({"0.weight": new, "0.bias": fastnn.zeros(2)}, assign=True)
    new.fill_(8.0)
    assert (ours[0].weight.detach().numpy() == 8).all()


def test_repr_of_trees():
    ours = nn.Sequential(OrderedDict(first=nn.Linear(2, 3, bias=False), second=nn.ModuleList([nn.ReLU(), nn.Dropout()])))
    theirs = tnn.Sequential(OrderedDict(first=tnn.Linear(2, 3, bias=False), second=tnn.ModuleList([tnn.ReLU(), tnn.Dropout()])))
    assert repr(ours) == repr(theirs).replace("(0-1): 2 x", "")
    assert repr(nn.Module()) == "Module()"
    assert repr(nn.Parameter(fastnn.ones(1))).startswith("Parameter containing:\ntensor([1.]")


def test_default_initial_values_have_torchs_distribution():
    fastnn.manual_seed(0)
    for ours, theirs in [
        (nn.Linear(200, 300), tnn.Linear(200, 300)), (nn.Conv2d(16, 64, 3), tnn.Conv2d(16, 64, 3)),
        (nn.ConvTranspose2d(16, 64, 3, groups=2), tnn.ConvTranspose2d(16, 64, 3, groups=2)), (nn.Bilinear(20, 30, 40), tnn.Bilinear(20, 30, 40)),
        (nn.Embedding(300, 100), tnn.Embedding(300, 100)), (nn.PReLU(3), tnn.PReLU(3)), (nn.LayerNorm(9), tnn.LayerNorm(9)),
    ]:  # fmt: skip
        for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            a, b = p.detach().numpy(), q.detach().numpy()
            assert a.shape == b.shape
            error = 4 / math.sqrt(a.size)
            assert abs(a.std() - b.std()) <= error * max(b.std(), 1e-9), (ours, name)
            assert abs(a.mean() - b.mean()) <= 2 * error * max(b.std(), 1e-9)
            if b.std() and not isinstance(ours, nn.Embedding):
                assert np.abs(a).max() <= np.abs(b).max() * (1 + error)


def test_init_functions():
    fastnn.manual_seed(1)
    w = fastnn.empty(64, 100, 3)
    for fill, low, high, std in [
        (lambda: nn.init.uniform_(w, -2, 3), -2, 3, 5 / math.sqrt(12)), (lambda: nn.init.normal_(w, 1, 2), -12, 14, 2),
        (lambda: nn.init.constant_(w, 3.5), 3.5, 3.5, 0), (lambda: nn.init.ones_(w), 1, 1, 0), (lambda: nn.init.zeros_(w), 0, 0, 0),
        (lambda: nn.init.xavier_uniform_(w, 2.0), -0.2209, 0.2209, 2 * math.sqrt(2 / 492)),
        (lambda: nn.init.xavier_normal_(w), -1, 1, math.sqrt(2 / 492)),
        (lambda: nn.init.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu"), -0.1768, 0.1768, math.sqrt(2 / 192)),
        (lambda: nn.init.kaiming_normal_(w, a=1.0), -1, 1, math.sqrt(1 / 300)),
        (lambda: nn.init.trunc_normal_(w, std=0.5, a=-0.5, b=1.0), -0.5, 1.0, 0.3605),
    ]:  # fmt: skip
        assert fill() is w
        a = w.numpy()
        assert a.min() >= low - 1e-6 and a.max() <= high + 1e-6 and abs(a.std() - std) <= 0.03 * std + 1e-6
    for shape in [(5, 5), (3, 7), (7, 3), (4, 2, 3)]:
        q = nn.init.orthogonal_(fastnn.empty(*shape, dtype=fastnn.float64), gain=2.0).numpy().reshape(shape[0], -1)
        square = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
        np.testing.assert_allclose(square, 4 * np.eye(len(square)), atol=1e-12)
    np.testing.assert_array_equal(nn.init.eye_(fastnn.empty(3, 4)).numpy(), np.eye(3, 4))
    s = nn.init.sparse_(fastnn.empty(10, 6), 0.3).numpy()
    assert ((s == 0).sum(0) == 3).all()
    for shape, groups in [((4, 2, 3), 1), ((4, 2, 3, 5), 2)]:
        np.testing.assert_array_equal(
            nn.init.dirac_(fastnn.empty(*shape), groups).numpy(), tnn.init.dirac_(torch.empty(*shape), groups).numpy()
        )
    for kind in ("linear", "conv2d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"):
        assert nn.init.calculate_gain(kind) == tnn.init.calculate_gain(kind)
    assert nn.init.calculate_gain("leaky_relu", 0.3) == tnn.init.calculate_gain("leaky_relu", 0.3)
    for broken in (
        lambda: nn.init.calculate_gain("sin"), lambda: nn.init.xavier_uniform_(fastnn.empty(3)), lambda: nn.init.eye_(fastnn.empty(3)),
        lambda: nn.init.orthogonal_(fastnn.empty(3)), lambda: nn.init.dirac_(fastnn.empty(3, 3)), lambda: nn.init.sparse_(fastnn.empty(3), 0.5),
        lambda: nn.init.kaiming_normal_(w, mode="fan"), lambda: nn.init.calculate_gain("leaky_relu", "x"),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            broken()
    p = nn.Parameter(fastnn.empty(3))
    assert nn.init.uniform_(p) is p and p.is_leaf and p.requires_grad


def test_embedding_options(rng):
    table = rng.standard_normal((7, 4))
    frozen = nn.Embedding.from_pretrained(fastnn.tensor(table))
    assert not frozen.weight.requires_grad
    for norm_type in (1.0, 2.0):
        ours = nn.Embedding(7, 4, max_norm=1.0, norm_type=norm_type, _weight=fastnn.tensor(table))
        theirs = tnn.Embedding(7, 4, max_norm=1.0, norm_type=norm_type, _weight=torch.tensor(table.copy()))
        assert repr(ours) == repr(theirs)
        index = np.array([[1, 3, 1], [0, 6, 3]])
        a, b = ours(fastnn.tensor(index)), theirs(torch.tensor(index))
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-12)
    with pytest.raises(AssertionError):
        nn.Embedding(3, 2, padding_idx=3)
    with pytest.raises(ValueError):
        nn.Embedding(3, 2, _weight=fastnn.ones(2, 2))
    with pytest.raises(IndexError):
        nn.Embedding(3, 2)(fastnn.tensor([3]))


def test_bad_layers():
    for make, error in [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError), (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError),
        (lambda: nn.Conv2d(4, 4, 3, groups=0), ValueError), (lambda: nn.Conv2d(4, 4, 3, padding="full"), ValueError),
        (lambda: nn.Conv2d(4, 4, 3, 2, padding="same"), ValueError), (lambda: nn.Conv2d(4, 4, 3, padding_mode="x"), ValueError),
        (lambda: nn.Conv2d(4, 4, (3, 3, 3)), ValueError), (lambda: nn.ConvTranspose2d(4, 4, 3, padding_mode="reflect"), ValueError),
        (lambda: nn.Linear(-1, 4), RuntimeError), (lambda: nn.GroupNorm(4, 6), ValueError), (lambda: nn.Hardtanh(1, 0), AssertionError),
        (lambda: nn.Bilinear(0, 1, 1), ValueError), (lambda: nn.Threshold(1), TypeError), (lambda: nn.ReLU(speed=1), TypeError),
        (lambda: nn.ZeroPad2d((1, 2, 3)), ValueError), (lambda: nn.Unflatten(1, 3), TypeError),
        (lambda: nn.BatchNorm2d(3)(fastnn.ones(2, 3)), ValueError), (lambda: nn.BatchNorm1d(3)(fastnn.ones(2, 4)), (ValueError, RuntimeError)),
        (lambda: nn.InstanceNorm2d(3)(fastnn.ones(2)), ValueError), (lambda: nn.Softmax2d()(fastnn.ones(2)), ValueError),
        (lambda: nn.Softmax(dim=1.0), TypeError), (lambda: nn.LogSoftmax(dim=True), TypeError),
        (lambda: nn.Unflatten(1, (2, 2))(fastnn.ones(2, 5)), RuntimeError), (lambda: nn.Linear(3, 2)(fastnn.ones(2)), RuntimeError),
    ]:  # fmt: skip
        with pytest.raises(error):
            make()


def test_results_can_be_viewed():
    """Layers' outputs lie in memory as they are shaped, so that the usual `view` before a linear layer works."""
    volume = fastnn.randn(2, 3, 4, 4, 4)
    for layer in (nn.Conv3d(3, 4, 3, padding=1), nn.Conv3d(3, 4, 3, padding="same"), nn.ConvTranspose3d(3, 4, 2, 2), nn.MaxPool3d(2)):
        assert layer(volume).view(2, -1).shape[0] == 2
    output, (h, _) = nn.LSTM(3, 5, 2, proj_size=2)(fastnn.randn(4, 2, 3))
    assert output.view(8, 2).shape == (8, 2) and h.view(4, 2).shape == (4, 2)


def test_functional_is_the_union_of_the_families():
    assert len(F.__all__) == len(set(F.__all__)) > 80
    for name in F.__all__:
        assert callable(getattr(F, name)) and getattr(F, name).__module__.startswith("fastnn.ops."), name


def test_a_graph_that_saw_the_old_value_refuses_backward():
    p = nn.Parameter(fastnn.ones(3))
    y = (p * p).sum()
    p.grad = fastnn.ones(3)
    fastnn.optim.SGD([p]).step()
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.backward()
    y = (p * p).sum()
    p.data = fastnn.zeros(3)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.backward()


def test_training_equals_torch_for_100_steps(rng):
    """A small network with every kind of state, in float64: the same loss to the last digits."""
    theirs = tnn.Sequential(
        tnn.Conv2d(1, 4, 3, padding=1), tnn.BatchNorm2d(4), tnn.ReLU(), tnn.MaxPool2d(2), tnn.Conv2d(4, 4, 3), tnn.GroupNorm(2, 4),
        tnn.SiLU(), tnn.Flatten(), tnn.LayerNorm(16), tnn.Linear(16, 3)
    ).double()  # fmt: skip
    ours = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.GroupNorm(2, 4),
        nn.SiLU(), nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, 3)
    ).double()  # fmt: skip
    ours.load_state_dict(theirs.state_dict())
    a, b = fastnn.optim.AdamW(ours.parameters(), lr=1e-3), torch.optim.AdamW(theirs.parameters(), lr=1e-3)
    for _ in range(100):
        x, y = rng.standard_normal((6, 1, 8, 8)), rng.integers(0, 3, 6)
        a.zero_grad(), b.zero_grad()
        mine, other = F.cross_entropy(ours(fastnn.tensor(x)), fastnn.tensor(y)), tnn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(y))
        mine.backward(), other.backward()
        a.step(), b.step()
        assert abs(mine.item() - other.item()) <= 1e-9
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), atol=1e-9, err_msg=name)


def test_adaptive_softmax_equals_torch():
    torch = pytest.importorskip("torch")
    ours, theirs = (lib.nn.AdaptiveLogSoftmaxWithLoss(6, 12, [3, 7], div_value=2.0, head_bias=True) for lib in (fastnn, torch))
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x, y = np.random.default_rng(0).standard_normal((5, 6)).astype("f4"), np.array([0, 2, 5, 11, 7])
    a, b = ours(fastnn.from_numpy(x), fastnn.from_numpy(y)), theirs(torch.from_numpy(x), torch.from_numpy(y))
    np.testing.assert_allclose(a.output.detach().numpy(), b.output.detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(ours.log_prob(fastnn.from_numpy(x)).detach().numpy(), theirs.log_prob(torch.from_numpy(x)).detach().numpy(), rtol=1e-4)
    a.loss.backward()
    with pytest.raises(RuntimeError, match="Target values should be in"):
        ours(fastnn.from_numpy(x), fastnn.tensor([0, 0, 0, 0, 12]))


@pytest.mark.parametrize(
    "name,options",
    [("ReLU", {}), ("ReLU6", {}), ("LeakyReLU", dict(negative_slope=0.2)), ("LeakyReLU", dict(negative_slope=-0.2)), ("ELU", {}), ("CELU", {}), ("SELU", {}), ("SiLU", {}),
     ("Mish", {}), ("Hardtanh", {}), ("Hardswish", {}), ("Hardsigmoid", {}), ("Threshold", dict(threshold=0.1, value=3.0)), ("RReLU", dict(lower=0.3, upper=0.3))],
)  # fmt: skip
@pytest.mark.parametrize("before", [lambda x: x * 1.5, fastnn.sigmoid, lambda x: (x * 2)[:, 1:3].t()], ids=["mul", "sigmoid", "view"])
def test_activations_in_place_change_their_input(rng, name, options, before):
    """Results and gradients are those of the layer that makes a new tensor, and whoever holds the input sees the result."""
    values = rng.standard_normal((4, 5)) * 4

    def run(inplace):
        x = fastnn.tensor(values, requires_grad=True)
        h = before(x)
        y = getattr(nn, name)(**options, inplace=inplace)(h)
        assert (y is h) == inplace
        (y * 2 + (h if inplace else y).sin()).sum().backward()
        return y.detach().numpy(), x.grad.numpy()

    for ours, expected in zip(run(True), run(False), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_in_place_layers_of_leaves_and_dropout():
    with pytest.raises(RuntimeError, match="leaf Variable"):
        nn.ReLU(inplace=True)(fastnn.ones(3, requires_grad=True))
    x = fastnn.ones(100)
    assert nn.Dropout(0.5, inplace=True)(x) is x and 0 < int((x == 0).sum()) < 100
    pointer = x.data_ptr()
    assert nn.LeakyReLU(0.1, inplace=True)(x).data_ptr() == pointer
    assert F.celu_(x) is x and F.selu_(x) is x and F.rrelu_(x, training=True) is x
    i = fastnn.tensor([1, 5, 9])
    assert F.threshold(i, 3, 7, inplace=True) is i and i.tolist() == [7, 5, 9] and F.hardtanh_(i, 0, 6).tolist() == [6, 5, 6]


def test_sync_batch_norm_is_batch_norm():
    plain = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.BatchNorm2d(2), nn.ReLU()))
    x = fastnn.randn(3, 1, 5, 5)
    expected = copy.deepcopy(plain)(x)
    model = nn.SyncBatchNorm.convert_sync_batchnorm(plain)
    assert type(model[1][0]) is nn.SyncBatchNorm and list(model.state_dict()) == list(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.BatchNorm2d(2))).state_dict())
    np.testing.assert_array_equal(model(x).detach().numpy(), expected.detach().numpy())
    with pytest.raises(ValueError, match="at least 2D"):
        nn.SyncBatchNorm(2)(fastnn.ones(2))


@pytest.mark.parametrize("name,norm,transpose,shape", [("Conv1d", nn.BatchNorm1d, False, (6,)), ("Conv2d", nn.BatchNorm2d, False, (6, 6)), ("ConvTranspose2d", nn.BatchNorm2d, True, (4, 4))])
def test_fused_norms(name, norm, transpose, shape):
    for bias in (True, False):
        conv, bn = getattr(nn, name)(3, 4, 2, bias=bias), norm(4)
        with pytest.raises(AssertionError, match="eval"):
            nn.utils.fusion.fuse_conv_bn_eval(conv, bn, transpose)
        bn.running_mean.normal_(), bn.running_var.uniform_(0.5, 2), bn.weight.data.normal_()
        conv.eval(), bn.eval()
        x = fastnn.randn(2, 3, *shape)
        fused = nn.utils.fusion.fuse_conv_bn_eval(conv, bn, transpose)
        np.testing.assert_allclose(fused(x).detach().numpy(), bn(conv(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    linear, bn = nn.Linear(3, 4).eval(), nn.BatchNorm1d(4, affine=False).eval()
    bn.running_mean.normal_()
    np.testing.assert_allclose(nn.utils.fuse_linear_bn_eval(linear, bn)(fastnn.ones(2, 3)).detach().numpy(), bn(linear(fastnn.ones(2, 3))).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_refused_inputs_of_layers():
    for make, message in (
        (lambda: nn.BatchNorm1d(2, eps=-1.0)(fastnn.ones(3, 2)), "eps must be positive"), (lambda: nn.CircularPad1d(1)(fastnn.ones(1, 1, 2, 3)), "2D or 3D"),
        (lambda: F.cross_entropy(fastnn.ones(2, 3), fastnn.ones(2, 3), ignore_index=1), "ignore_index is not supported"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            make()
    sampled = nn.FractionalMaxPool2d(2, output_ratio=0.5, _random_samples=fastnn.rand(1, 3, 2))
    assert list(sampled.state_dict()) == ["_random_samples"]
    values, indices = F.max_pool2d_with_indices(fastnn.arange(16.0).reshape(1, 1, 4, 4), 2)
    assert values.flatten().tolist() == indices.flatten().tolist() == [5, 7, 13, 15]


def test_flat_weights_of_recurrent_layers():
    lstm = nn.LSTM(2, 3, num_layers=2, bidirectional=True)
    assert lstm._flat_weights_names == [n for n, _ in lstm.named_parameters()]
    assert all(a is b for a, b in zip(lstm._flat_weights, lstm.parameters(), strict=True))


def test_clipping_by_a_norm_of_more():
    a, b = fastnn.zeros(2).requires_grad_(), fastnn.zeros(1).requires_grad_()
    (3 * a.sum() + 4 * b.sum()).backward()
    norm = nn.utils.get_total_norm([a.grad, b.grad])
    nn.utils.clip_grads_with_norm_((p for p in [a]), 1.0, norm)
    np.testing.assert_allclose(a.grad.numpy(), 3 / (math.sqrt(34) + 1e-6), rtol=1e-6)
    assert b.grad.item() == 4
