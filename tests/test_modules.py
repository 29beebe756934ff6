"""Modules as trees: names, walks, modes, attributes, hooks, copies, containers, initial values, what is replaced."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import fastnn
from fastnn import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2)))
        self.scale = nn.Parameter(fastnn.ones(2))
        self.register_buffer("count", fastnn.zeros(()))
        self.register_buffer("cache", fastnn.zeros(3), persistent=False)
        self.shared = self.layers[0]
        self.nothing = None

    def forward(self, x):
        return self.layers(x) * self.scale


def test_names_and_walks():
    net = Net()
    assert list(net.state_dict()) == ["scale", "count", "layers.0.weight", "layers.0.bias", "layers.2.0.weight", "layers.2.0.bias",
                                      "shared.weight", "shared.bias"]  # fmt: skip
    assert [n for n, _ in net.named_parameters()] == ["scale", "layers.0.weight", "layers.0.bias", "layers.2.0.weight", "layers.2.0.bias"]
    assert [n for n, _ in net.named_buffers()] == ["count", "cache"]
    assert [n for n, _ in net.named_children()] == ["layers", "shared"]
    assert [n for n, _ in net.named_modules()] == ["", "layers", "layers.0", "layers.1", "layers.2", "layers.2.0"]
    assert len(list(net.parameters(recurse=False))) == 1 and len(list(net.buffers())) == 2
    assert net.get_parameter("layers.2.0.bias") is net.layers[2][0].bias
    assert net.get_buffer("count") is net.count and net.get_submodule("layers.2") is net.layers[2]
    for call in (lambda: net.get_parameter("layers.9.bias"), lambda: net.get_parameter("layers"), lambda: net.get_submodule("scale"),
                 lambda: net.get_buffer("scale"), lambda: net.unknown):  # fmt: skip
        with pytest.raises(AttributeError):
            call()
    seen = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen[-1] == "Net" and seen[0] == "Linear"
    assert "scale" in dir(net)
    del net.scale
    assert not hasattr(net, "scale")


def test_modes_dtypes_gradients():
    net = Net()
    assert net.eval() is net and not net.layers[2][0].training and net.train().layers.training
    weight = net.layers[0].weight
    net.double()
    assert net.layers[0].weight is weight and weight.dtype is fastnn.float64 and net.count.dtype is fastnn.float64
    net.to(fastnn.float32).to("cpu").to(fastnn.ones(1, dtype=fastnn.float64))
    assert weight.dtype is fastnn.float64
    net(fastnn.ones(2, 3, dtype=fastnn.float64)).sum().backward()
    assert weight.grad.dtype is fastnn.float64
    net.float()
    assert weight.grad.dtype is fastnn.float32 and weight.requires_grad and weight.is_leaf
    net.zero_grad(set_to_none=False)
    assert weight.grad.abs().sum().item() == 0
    net.zero_grad()
    assert weight.grad is None
    net.requires_grad_(False)
    assert not net(fastnn.ones(2, 3)).requires_grad
    with pytest.raises(TypeError, match="floating point"):
        net.to(fastnn.int64)
    with pytest.raises(RuntimeError):
        net.to("cuda:7")
    with pytest.raises(ValueError):
        net.train("yes")


def test_attributes():
    net = Net()
    with pytest.raises(TypeError, match="cannot assign 'Tensor' as parameter 'scale'"):
        net.scale = fastnn.ones(2)
    with pytest.raises(TypeError, match="as child module 'layers'"):
        net.layers = 3
    with pytest.raises(TypeError, match="as buffer 'count'"):
        net.count = 3
    net.count = fastnn.ones(1)
    assert net.state_dict()["count"].tolist() == [1]
    net.scale = None
    assert net.scale is None and "scale" not in net.state_dict()
    net.scale = nn.Parameter(fastnn.zeros(2))
    net.count = nn.Parameter(fastnn.zeros(2))  # a buffer becomes a parameter
    assert "count" in dict(net.named_parameters()) and "count" not in dict(net.named_buffers())
    net.state = nn.Buffer(fastnn.zeros(2), persistent=False)
    assert "state" in dict(net.named_buffers()) and "state" not in net.state_dict()
    for call, error in [
        (lambda: net.register_buffer("a.b", None), KeyError), (lambda: net.register_buffer("", None), KeyError),
        (lambda: net.register_buffer("forward", None), KeyError), (lambda: net.register_buffer("x", 3), TypeError),
        (lambda: net.register_parameter("x", fastnn.ones(1)), TypeError), (lambda: net.add_module("x", 3), TypeError),
        (lambda: net.add_module("train", nn.ReLU()), KeyError), (lambda: net.register_parameter(3, None), TypeError),
    ]:  # fmt: skip
        with pytest.raises(error):
            call()

    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.ReLU()

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Early()
    with pytest.raises(RuntimeError, match='missing the required "forward"'):
        nn.Module()(1)


def test_hooks():
    layer, log = nn.ReLU(), []
    x = fastnn.tensor([-1.0, 2.0])
    a = layer.register_forward_pre_hook(lambda m, args: (log.append("pre"), (args[0] + 1,))[1])
    b = layer.register_forward_hook(lambda m, args, y: (log.append("post"), y * 10)[1])
    c = layer.register_forward_hook(lambda m, args, kwargs, y: log.append("first"), prepend=True, with_kwargs=True)
    assert layer(x).tolist() == [0, 30] and log == ["pre", "first", "post"]
    a.remove(), b.remove(), c.remove(), c.remove()
    assert layer(x).tolist() == [0, 2]
    with layer.register_forward_hook(lambda m, args, y: y + 1):
        assert layer(x).tolist() == [1, 3]
    assert layer(x).tolist() == [0, 2]


def test_copies_and_pickles():
    net = Net()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin.shared is twin.layers[0]
        twin.layers[0].weight.data.fill_(3.0)
        assert not (net.layers[0].weight.detach().numpy() == 3).any()
        assert type(twin.scale) is nn.Parameter and twin.scale.requires_grad
        assert list(twin.state_dict()) == list(net.state_dict())
    net.scale.square().sum().backward()
    assert copy.deepcopy(net).scale.grad is None and copy.deepcopy(net.scale).grad is None
    shared = net.state_dict()["scale"]
    net.scale.data.fill_(5.0)
    assert shared.tolist() == [5, 5]


def test_sequential_and_lists():
    a, b, c = nn.Linear(2, 2), nn.ReLU(), nn.Tanh()
    s = nn.Sequential(a, b, c)
    assert len(s) == 3 and s[-1] is c and list(s[:2]) == [a, b] and list(s + nn.Sequential(a)) == [a, b, c, a]
    s[1] = c
    assert s[1] is c
    del s[1]
    assert list(s) == [a, c] and list(s.state_dict()) == ["0.weight", "0.bias"]
    assert s.insert(0, b) is s
    s.append(b)
    assert list(s) == [b, a, c, b] and s.pop() is b and s.pop(0) is b
    s.extend([b, b])
    assert len(s) == 4
    for index in (4, -5):
        with pytest.raises(IndexError):
            s[index]
    with pytest.raises(TypeError):
        nn.Sequential(3)
    m = nn.ModuleList([a]) + [b]
    m += [c]
    assert list(m) == [a, b, c] and [n for n, _ in m.named_children()] == ["0", "1", "2"] and list(m[1:]) == [b, c]
    del m[:2]
    assert list(m) == [c]
    with pytest.raises(RuntimeError):
        m(1)
    d = nn.ModuleDict({"a": a, "b": b})
    d["c"] = c
    d.update([("e", b)])
    assert list(d) == ["a", "b", "c", "e"] and d["c"] is c and "a" in d and d.pop("a") is a and len(d) == 3
    assert list(d.keys()) == ["b", "c", "e"] and dict(d.items())["b"] is b and b in d.values()
    del d["b"]
    d.clear()
    assert len(d) == 0


def test_parameter_containers():
    p = nn.ParameterList([nn.Parameter(fastnn.ones(2)), fastnn.zeros(3)])
    assert [n for n, _ in p.named_parameters()] == ["0", "1"] and isinstance(p[1], nn.Parameter) and len(p[1:]) == 1
    p.append(fastnn.ones(1))
    p += [fastnn.ones(1)]
    p[0] = fastnn.zeros(4)
    assert len(p) == 4 and p[-4].shape == (4,)
    d = nn.ParameterDict({"w": fastnn.ones(2)})
    d["v"] = nn.Parameter(fastnn.ones(3))
    assert [n for n, _ in d.named_parameters()] == ["w", "v"] and "w" in d and len(d) == 2
    assert "Parameter containing" in repr(p)
    p.append("a")  # what is no tensor stays what it is
    d |= {"x": None, "a": [1]}
    assert p[-1] == "a" and list(p.state_dict()) == list("0123") and list(d) == ["w", "v", "a", "x"] and d["x"] is None
    assert [n for n, _ in d.named_parameters()] == ["w", "v"] and d.pop("a") == [1] and d.popitem() == ("x", None) and len(d.copy()) == 2
    assert "(4): Object of type: str" in repr(p) and d.setdefault("v", 3).shape == (3,) and list(reversed(d)) == ["v", "w"]
    for kind, broken in [
        (TypeError, lambda: p.extend(fastnn.ones(2))), (TypeError, lambda: d[3]), (AttributeError, lambda: d["q"]), (IndexError, lambda: p[9]),
        (RuntimeError, lambda: d(1)), (ValueError, lambda: d.update([("a",)])), (KeyError, lambda: d.update({"keys": fastnn.ones(1)})),
    ]:  # fmt: skip
        with pytest.raises(kind):
            broken()


def test_same_seed_same_weights():
    def weights(seed):
        fastnn.manual_seed(seed)
        return [p.tolist() for p in nn.Sequential(nn.Linear(5, 5), nn.Conv2d(2, 2, 3), nn.Embedding(4, 3)).parameters()]

    assert weights(1) == weights(1) != weights(2)


def test_vector_of_parameters(rng):
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    v = nn.utils.parameters_to_vector(net.parameters())
    assert tuple(v.shape) == (11,) and v.requires_grad
    nn.utils.vector_to_parameters(fastnn.arange(11.0), net.parameters())
    assert net[0].weight.tolist() == [[0, 1, 2], [3, 4, 5]] and net[1].bias.tolist() == [10]
    assert nn.utils.parameters_to_vector(net.parameters()).tolist() == list(range(11))
    with pytest.raises(ValueError):
        nn.utils.vector_to_parameters(fastnn.ones(12), net.parameters())


def test_what_is_replaced_keeps_its_place():
    """model[0] = layer, model.fc = layer: order decides what a Sequential computes, and how a state dict reads."""
    s = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    s[0] = nn.Linear(2, 3, bias=False)
    assert [type(m).__name__ for m in s] == ["Linear", "ReLU", "Linear"] and list(s.state_dict()) == ["0.weight", "2.weight", "2.bias"]

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(1, 1), nn.Linear(1, 1)
            self.w, self.v = nn.Parameter(fastnn.ones(1)), nn.Parameter(fastnn.ones(1))
            self.register_buffer("p", fastnn.ones(1))
            self.register_buffer("q", fastnn.ones(1))

    m = Two()
    before = list(m.state_dict())
    m.a, m.w, m.p = nn.Linear(1, 1), nn.Parameter(fastnn.zeros(1)), fastnn.zeros(1)
    assert list(m.state_dict()) == before
    m.b = nn.Parameter(fastnn.ones(1))  # of another kind: it moves
    assert [n for n, _ in m.named_children()] == ["a"] and [n for n, _ in m.named_parameters()] == ["w", "v", "b", "a.weight", "a.bias"]


def test_training_mode_goes_through_the_children():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(2)

        def train(self, mode=True):
            super().train(mode)
            self.norm.eval()
            return self

    m = nn.Sequential(Frozen(), nn.Dropout())
    m.train()
    assert m[1].training and m[0].training and not m[0].norm.training


def test_state_dict_hooks():
    m, seen = nn.Sequential(nn.Linear(1, 1)), []
    m[0].register_load_state_dict_pre_hook(lambda module, state, prefix, *rest: state.__setitem__(prefix + "bias", state.pop(prefix + "old")))
    m.register_load_state_dict_post_hook(lambda module, keys: seen.append(keys.missing_keys))
    m.register_state_dict_post_hook(lambda module, state, prefix, meta: state.pop(prefix + "0.weight"))
    given = {"0.weight": fastnn.ones(1, 1), "0.old": fastnn.ones(1)}
    m.load_state_dict(given)
    assert list(given) == ["0.weight", "0.old"] and m[0].bias.item() == 1 and seen == [[]] and list(m.state_dict()) == ["0.bias"]


def test_skip_init():
    layer = fastnn.nn.utils.skip_init(fastnn.nn.Linear, 3, out_features=2)
    assert layer.weight.shape == (2, 3)
    with pytest.raises(RuntimeError, match="'device' arg"):
        fastnn.nn.utils.skip_init(fastnn.nn.ReLU)


def test_lazy_convolution_with_groups():
    for layer in (nn.LazyConv2d(6, 3, groups=2), nn.LazyConvTranspose2d(6, 3, groups=2)):
        assert repr(layer).startswith(f"{type(layer).__name__}(0, 6,") and "groups=2" in repr(layer)
        assert layer(fastnn.ones(1, 4, 5, 5)).shape[1] == 6 and layer.in_channels == 4


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_of_lazy_modules_are_lazy(copied):
    net = nn.Sequential(nn.LazyConv2d(2, 3, dtype=fastnn.float64), nn.Flatten(), nn.LazyLinear(2, bias=False).double())
    other = copied(net)
    assert repr(other) == repr(net)
    for m, channels in ((net, 1), (other, 3)):
        assert m(fastnn.ones(1, channels, 5, 5, dtype=fastnn.float64)).shape == (1, 2) and m[0].in_channels == channels


def test_hooks_are_kept_as_they_are():
    layer, hook = nn.ReLU(), lambda *args, **kwargs: None
    layer.register_forward_hook(hook)
    layer.register_forward_pre_hook(hook)
    assert list(layer._forward_hooks.values()) == list(layer._forward_pre_hooks.values()) == [hook]


def test_lazy_layers_keep_the_dtype_they_are_given():
    x = fastnn.ones(2, 4, dtype=fastnn.float64)
    assert nn.LazyLinear(3).double()(x).dtype is fastnn.float64 and nn.LazyLinear(3, dtype=fastnn.float64)(x).dtype is fastnn.float64
    layer = nn.LazyConv1d(2, 3, bias=False)
    assert layer.bias is None and layer(fastnn.ones(1, 4, 5)).shape == (1, 2, 3)


def test_transferred_parametrizations():
    class Symmetric(nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).mT

    P = nn.utils.parametrize
    a, b, c = nn.Linear(3, 3), nn.Linear(3, 3), nn.Module()
    assert P.transfer_parametrizations_and_params(a, b) is b and not P.is_parametrized(b)
    P.register_parametrization(a, "weight", Symmetric())
    for other in (b, c):
        P.transfer_parametrizations_and_params(a, other, "weight")
        np.testing.assert_array_equal(other.weight.detach().numpy(), a.weight.detach().numpy())
        assert other.parametrizations.weight.original is a.parametrizations.weight.original


def test_parameter_dict_sorts_a_plain_dict():
    d = nn.ParameterDict({"w": fastnn.ones(2), "a": fastnn.ones(1)})
    assert list(d.keys()) == ["a", "w"] and list(d.state_dict()) == ["a", "w"]
    assert list(nn.ParameterDict([("w", fastnn.ones(2)), ("a", fastnn.ones(1))]).keys()) == ["w", "a"]


def test_correct_fan():
    w = fastnn.ones(4, 3, 5)
    assert nn.init._calculate_correct_fan(w, "FAN_IN") == 15 and nn.init._calculate_correct_fan(w, "fan_out") == 20
    with pytest.raises(ValueError, match="Mode up not supported"):
        nn.init._calculate_correct_fan(w, "up")


def test_one_process_and_an_older_name():
    with pytest.warns(FutureWarning, match="NLLLoss"):
        assert nn.NLLLoss2d()(fastnn.zeros(1, 2, 3, 3), fastnn.zeros(1, 3, 3, dtype=fastnn.int64)) == 0
    net = nn.Linear(3, 1)
    alone = nn.parallel.DistributedDataParallel(net, device_ids=[0], find_unused_parameters=True)
    assert list(alone.state_dict()) == ["module.weight", "module.bias"]
    with alone.no_sync():
        assert not alone.require_backward_grad_sync
        alone(fastnn.ones(2, 3)).sum().backward()
    assert alone.require_backward_grad_sync and net.bias.grad == 2
    norm = nn.utils.get_total_norm([p.grad for p in net.parameters()])
    nn.utils.clip_grads_with_norm_(net.parameters(), 1.0, norm)
    assert nn.utils.get_total_norm([p.grad for p in net.parameters()]).item() == pytest.approx(1, rel=1e-5)
