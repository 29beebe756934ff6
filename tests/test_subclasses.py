"""Layers as programs subclass them: the methods of PyTorch's bases that they call and override."""

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.nn import functional as F
from fastnn.nn.modules.activation import MultiheadAttention
from fastnn.nn.modules.batchnorm import _BatchNorm
from fastnn.nn.modules.conv import _ConvNd
from fastnn.nn.modules.dropout import _DropoutNd
from fastnn.nn.modules.loss import _Loss, _WeightedLoss
from fastnn.nn.modules.transformer import _get_activation_fn, _get_clones
from fastnn.nn.modules.utils import _pair, _reverse_repeat_tuple


@pytest.mark.parametrize("options", [{"padding": 1}, {"padding": (1, 2), "padding_mode": "reflect"}, {"padding": "same"}, {"stride": 2}])
def test_convolutions_of_a_weight_that_is_computed(options):
    class Standardized(nn.Conv2d):
        def forward(self, x):
            return self._conv_forward(x, self.weight * 2, None)

    conv, x = Standardized(2, 3, 3, **options), fastnn.rand(1, 2, 6, 5)
    plain = nn.Conv2d.forward(conv, x) - conv.bias[:, None, None]
    np.testing.assert_allclose(conv(x).detach().numpy(), 2 * plain.detach().numpy(), atol=1e-5)


def test_padding_as_pad_takes_it():
    assert nn.Conv2d(1, 1, 3, padding=(1, 2))._reversed_padding_repeated_twice == [2, 2, 1, 1]
    assert nn.Conv2d(1, 1, 4, padding="same")._reversed_padding_repeated_twice == [1, 2, 1, 2]
    assert _reverse_repeat_tuple((1, 2), 2) == (2, 2, 1, 1)


def test_base_of_convolutions():
    class Own(_ConvNd):
        def __init__(self, i, o, k, stride=1, padding=0, dilation=1, groups=1, bias=True):
            super().__init__(i, o, _pair(k), _pair(stride), _pair(padding), _pair(dilation), False, _pair(0), groups, bias, "zeros")

        def forward(self, x):
            return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    conv = Own(2, 4, 3, padding=1, groups=2)
    assert conv(fastnn.ones(1, 2, 5, 5)).shape == (1, 4, 5, 5) and conv.weight.shape == (4, 1, 3, 3) and not conv.transposed
    assert repr(conv) == "Own(2, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=2)"
    assert nn.ConvTranspose1d(1, 1, 2).transposed


def test_batch_norms_with_a_check_of_their_own():
    class AnyRank(_BatchNorm):
        def _check_input_dim(self, input):
            pass

    y = AnyRank(3)(fastnn.rand(4, 3, 5))
    np.testing.assert_allclose(y.mean((0, 2)).detach().numpy(), 0, atol=1e-6)
    with pytest.raises(NotImplementedError):
        _BatchNorm(3)(fastnn.rand(4, 3))
    with pytest.raises(ValueError, match=r"^expected 2D or 3D input \(got 4D input\)"):
        nn.BatchNorm1d(3)(fastnn.rand(1, 3, 2, 2))


@pytest.mark.parametrize("norm_first", [False, True])
def test_blocks_of_encoder_layers(norm_first):
    class Seen(nn.TransformerEncoderLayer):
        def _sa_block(self, x, attn_mask, key_padding_mask, is_causal=False):
            x, self.seen = self.self_attn(x, x, x, attn_mask=attn_mask, key_padding_mask=key_padding_mask, is_causal=is_causal)
            return self.dropout1(x)

    own, x = Seen(8, 2, 16, 0.0, batch_first=True, norm_first=norm_first), fastnn.rand(2, 3, 8)
    plain = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=norm_first)
    plain.load_state_dict(own.state_dict())
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    np.testing.assert_allclose(own(x, mask).detach().numpy(), plain(x, mask).detach().numpy(), atol=1e-5)
    assert own.seen.shape == (2, 3, 3) and own.seen[0, 0].tolist() == [1, 0, 0]


def test_blocks_of_decoder_layers():
    class Silent(nn.TransformerDecoderLayer):
        def _mha_block(self, x, mem, attn_mask, key_padding_mask, is_causal=False):
            return 0 * x

        def _ff_block(self, x):
            return super()._ff_block(x) * 0

    layer, x = Silent(8, 2, 16, 0.0, norm_first=True), fastnn.rand(3, 2, 8)
    expected = x + layer._sa_block(layer.norm1(x), None, None)
    np.testing.assert_allclose(layer(x, fastnn.rand(4, 2, 8)).detach().numpy(), expected.detach().numpy(), atol=1e-5)


def test_bases_of_losses():
    class Smooth(_WeightedLoss):
        def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean", gamma=2.0):
            super().__init__(weight, size_average, reduce, reduction)
            self.gamma = gamma

        def forward(self, x, target):
            return getattr(F.cross_entropy(x, target, self.weight, reduction="none") * self.gamma, self.reduction)()

    class Root(_Loss):
        def forward(self, x):
            return self.reduction

    loss = Smooth(fastnn.ones(3), reduction="sum")
    assert loss(fastnn.zeros(2, 3), fastnn.tensor([0, 2])).item() == pytest.approx(4 * np.log(3)) and list(loss.state_dict()) == ["weight"]
    assert Smooth().weight is None and not Smooth().state_dict()
    assert [Root()(0), Root(None, None, "sum")(0), Root(False)(0), Root(reduce=False)(0)] == ["mean", "sum", "sum", "none"]
    with pytest.raises(TypeError, match="at most"):
        Root(1, 2, 3, 4)
    with pytest.raises(ValueError, match="not a valid value for reduction"):
        Root(reduction="most")


def test_modules_that_move_more_than_parameters():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)
            self.more = [fastnn.ones(2)]

        def _apply(self, fn, recurse=True):
            super()._apply(fn, recurse)
            self.more = [fn(t) for t in self.more]
            return self

    net = nn.Sequential(Holder(), nn.BatchNorm1d(2))
    weight = net[0].linear.weight
    weight.grad = fastnn.ones(2, 2)
    assert net.double() is net and net[0].more[0].dtype is fastnn.float64 and net[0].linear.weight is weight
    assert weight.dtype is weight.grad.dtype is net[1].running_mean.dtype is fastnn.float64 and net[1].num_batches_tracked.dtype is fastnn.int64


def test_members_by_a_function():
    shared = nn.Linear(1, 1)
    net = nn.Sequential(shared, nn.Sequential(nn.BatchNorm1d(1), shared))
    members = net._named_members(lambda m: m._parameters.items() if isinstance(m, nn.Linear) else [], prefix="net")
    assert [n for n, _ in members] == ["net.0.weight", "net.0.bias"]


def test_helpers_by_pytorchs_names():
    assert len(_get_clones(nn.ReLU(), 3)) == 3 and _get_activation_fn("gelu") is F.gelu
    assert isinstance(nn.Dropout2d(), _DropoutNd) and isinstance(nn.MultiheadAttention(2, 1), MultiheadAttention)
    w = nn.PReLU(2, init=0.5)
    w.weight.data.zero_()
    w.reset_parameters()
    assert w.weight.tolist() == [0.5, 0.5]


class Logged(fastnn.Tensor):
    log = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.log.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs)


class Plain(fastnn.Tensor):
    def twice(self):
        return self * 2


def test_what_is_computed_from_a_subclass_is_of_it():
    x = Plain([[1.0, -2.0]])
    results = [x + 1, 1 - x, x @ x.T, x.T, abs(x), x > 0, x[0], x.exp(), F.relu(x), fastnn.cat([fastnn.ones(1, 2), x]), x.max(1).values]
    results += [x.twice(), *x.split(1, 1), x.detach(), fastnn.ones(1, 2) + x, *x, nn.Linear(2, 1)(x)]
    assert {type(y) for y in results} == {Plain}
    assert type(x.tolist()) is list and type(x.sum().item()) is float and type(x.as_subclass(fastnn.Tensor)) is fastnn.Tensor
    assert repr(x) == "Plain([[ 1., -2.]])" and isinstance(x.shape, fastnn.Size)
    assert type(nn.Parameter(x) * 2) is fastnn.Tensor


def test_functions_of_a_subclass_go_through_its_own():
    x = fastnn.ones(2, requires_grad=True)
    y = x.as_subclass(Logged)
    Logged.log.clear()
    (fastnn.exp(y) * y).sum().backward()
    assert Logged.log == ["exp", "mul", "sum", "backward"]
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.e, rtol=1e-6)
    with pytest.raises(TypeError):  # neither is a subclass of the other, so neither answers
        Logged(1) + Plain(1)


def test_classes_that_are_no_tensors():
    class Diagonal:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return (func, args[0].value) if func is fastnn.mean else NotImplemented

        value = 3

    assert fastnn.mean(Diagonal()) == (fastnn.mean, 3)
    with pytest.raises(TypeError, match="exp"):
        fastnn.exp(Diagonal())
    with pytest.raises(TypeError):
        fastnn.mean("x")


def test_power_iteration_of_the_older_spectral_norm(rng):
    """v from u first, then u from v."""
    w, u = rng.standard_normal((3, 4)), rng.standard_normal(3)
    layer = fastnn.nn.utils.spectral_norm(fastnn.nn.Linear(4, 3, bias=False, dtype=fastnn.float64))
    layer.weight_orig.data.copy_(fastnn.from_numpy(w))
    layer.weight_u.copy_(fastnn.from_numpy(u))
    layer(fastnn.ones(1, 4, dtype=fastnn.float64))
    v = u @ w / np.linalg.norm(u @ w)
    u = w @ v / np.linalg.norm(w @ v)
    np.testing.assert_allclose(layer.weight_u.numpy(), u)
    np.testing.assert_allclose(layer.weight.detach().numpy(), w / (u @ w @ v))


def test_lazy_layers_of_ones_own():
    class Scaled(nn.modules.lazy.LazyModuleMixin, nn.Linear):
        cls_to_become = nn.Linear

        def __init__(self, out_features):
            super().__init__(0, 0, bias=False)
            self.weight, self.out_features = nn.UninitializedParameter(), out_features

        def initialize_parameters(self, input):
            self.in_features = input.shape[-1]
            self.weight.materialize((self.out_features, self.in_features))
            nn.init.constant_(self.weight, 0.5)

    layer = Scaled(3)
    weight = layer.weight
    assert layer.has_uninitialized_params() and nn.LazyLinear(2).has_uninitialized_params()
    assert layer(fastnn.ones(1, 4)).tolist() == [[2, 2, 2]] and type(layer) is nn.Linear
    assert layer.weight is weight and type(weight) is nn.Parameter and weight.shape == (3, 4)
