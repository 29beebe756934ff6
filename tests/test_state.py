"""State dicts: what modules of one's own may override, versions, extra state, prefixes; hooks of modules that look on."""

import copy

import pytest

import fastnn
from fastnn import nn
from fastnn.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
)


class Renamed(nn.Module):
    """Its weight was called w in version 1, and the count did not exist."""

    _version = 2

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(fastnn.zeros(2))
        self.register_buffer("count", fastnn.tensor(0))

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *lists):
        self.found = local_metadata.get("version")
        if self.found is None or self.found < 2:
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
            state_dict.setdefault(prefix + "count", fastnn.tensor(7))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *lists)


def test_older_names_are_taken_by_load_from_state_dict():
    net = nn.Sequential(nn.Sequential(Renamed()))
    old = {"0.0.w": fastnn.ones(2)}
    assert str(net.load_state_dict(old)) == "<All keys matched successfully>" and list(old) == ["0.0.w"]
    assert net[0][0].weight.tolist() == [1, 1] and net[0][0].count.item() == 7 and net[0][0].found is None
    state = net.state_dict()
    assert state._metadata["0.0"] == {"version": 2} and state._metadata[""] == {"version": 1}
    net.load_state_dict(copy.deepcopy(state))
    assert net[0][0].found == 2
    assert nn.BatchNorm1d(2).state_dict()._metadata[""] == {"version": 2}  # PyTorch's number


def test_save_to_state_dict_and_state_dict_of_children_are_asked():
    class Doubled(nn.Linear):
        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "twice"] = 2 * destination[prefix + "weight"]

    class Silent(nn.Linear):
        def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
            return destination

    assert list(nn.Sequential(Doubled(1, 1), Silent(1, 1)).state_dict()) == ["0.weight", "0.bias", "0.twice"]


def test_extra_state():
    class Counter(nn.Module):
        seen = 1

        def get_extra_state(self):
            return {"seen": self.seen}

        def set_extra_state(self, state):
            self.seen = state["seen"]

    net = nn.ModuleDict({"c": Counter()})
    state = net.state_dict()
    assert dict(state) == {"c._extra_state": {"seen": 1}}
    state["c._extra_state"] = {"seen": 5}
    net.load_state_dict(state)
    assert net["c"].seen == 5
    with pytest.raises(RuntimeError, match='Missing key.*"c._extra_state"'):
        net.load_state_dict({})
    assert net.load_state_dict({"c._extra_state": {"seen": 6}, "d._extra_state": 1}, strict=False).unexpected_keys == ["d._extra_state"]


def test_post_hooks_may_forgive_missing_keys_and_replace_the_state_dict():
    net = nn.Sequential(nn.Linear(1, 1))
    handle = net[0].register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    net.load_state_dict({"0.weight": fastnn.ones(1, 1)})
    handle.remove()
    with pytest.raises(RuntimeError, match='Missing key.*"0.bias"'):
        net.load_state_dict({"0.weight": fastnn.ones(1, 1)})
    net._register_state_dict_hook(lambda module, state, prefix, meta: {"all": len(state)})
    assert net.state_dict() == {"all": 2}


def test_values_that_are_no_tensors_are_named_and_nothing_is_changed():
    net = nn.Linear(1, 2)
    before = copy.deepcopy(net.state_dict())
    for assign in (False, True):
        with pytest.raises(RuntimeError, match='parameter named "bias", expected'):
            net.load_state_dict({"weight": fastnn.ones(2, 1), "bias": object()}, assign=assign)
        assert all(fastnn.equal(a, b) for a, b in zip(net.state_dict().values(), before.values(), strict=True))


def test_prefixes_are_consumed():
    state = nn.Sequential(nn.Linear(1, 1)).state_dict(prefix="module.")
    nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == ["0.weight", "0.bias"] and "0" in state._metadata


def test_always_called_hooks_see_a_forward_that_raises():
    seen, layer = [], nn.Linear(2, 1)
    layer.register_forward_hook(lambda *a: seen.append("only after success"))
    layer.register_forward_hook(lambda module, args, out: seen.append(out), always_call=True)
    with pytest.raises(RuntimeError):
        layer(fastnn.ones(1, 3))
    assert seen == [None]


def test_hooks_of_every_module():
    seen, net = [], nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    handles = [
        register_module_forward_pre_hook(lambda m, args: seen.append(("before", type(m).__name__))),
        register_module_forward_hook(lambda m, args, out: seen.append(("after", type(m).__name__))),
        register_module_full_backward_hook(lambda m, gi, go: seen.append(("back", type(m).__name__))),
    ]
    net(fastnn.ones(1, 1, requires_grad=True)).sum().backward()
    for handle in handles:
        handle.remove()
    assert [name for when, name in seen if when == "before"] == ["Sequential", "Linear", "ReLU"]
    assert [name for when, name in seen if when == "after"] == ["Linear", "ReLU", "Sequential"]
    assert sorted(name for when, name in seen if when == "back") == ["Linear", "ReLU", "Sequential"]
    n = len(seen)
    net(fastnn.ones(1, 1))
    assert len(seen) == n


def test_hooks_that_return_what_does_not_fit():
    layer, x = nn.Linear(1, 1), fastnn.ones(1, 1, requires_grad=True)
    with layer.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True), pytest.raises(RuntimeError, match="forward pre-hook must return"):
        layer(x)
    with layer.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0])), pytest.raises(RuntimeError, match="got 2, but expected 1"):
        layer(x).sum().backward()
    x.register_hook(lambda g: 3)
    with pytest.raises(TypeError, match="hook returned 'int'"):
        (x * 2).sum().backward()


def test_prehooks_of_nodes_and_retains_grad():
    a = fastnn.ones(2, requires_grad=True)
    b = a * 3
    handle = b.grad_fn.register_prehook(lambda grads: (grads[0] * 10,))
    b.retain_grad()
    assert b.retains_grad and not a.retains_grad
    b.sum().backward()
    assert a.grad.tolist() == [30, 30]
    handle.remove()
