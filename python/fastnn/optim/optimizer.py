"""Optimizer: parameter groups, state for each parameter, hooks and state dicts. What steps them is in grouped.py."""

from __future__ import annotations

import copy
import functools
import warnings
from collections import OrderedDict, defaultdict
from itertools import chain

from .. import dtypes
from ..nn.hooks import Handle
from ..ops import optimizer as rules
from ..parts import flat, is_complex
from ..tensor import Tensor, tensor

__all__ = ["Optimizer", "required"]

required = object()


class Group(dict):
    """The options of some parameters. Setting "lr" also writes the 0-d array that the kernels read.

    A recorded training step is replayed without Python, so a scheduler reaches it only through that array.
    `repeats` says whether a parameter is in the group twice (tied weights, listed with both of their layers).
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._written = self._lr()
        self.rate = tensor(self._written, dtype=dtypes.float64)
        params = self.get("params", ())
        self.repeats = len({id(p) for p in params}) != len(params)

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        if key == "lr":
            self.write_rate()

    def _lr(self):
        lr = self.get("lr")  # an optimizer of the user's need not have one
        return 0.0 if lr is None else float(lr)

    def write_rate(self):
        lr = self._lr()
        if lr != self._written:
            rules.write_rate(self.rate, lr)
            self._written = lr

    def __deepcopy__(self, memo):
        return type(self)({k: copy.deepcopy(v, memo) for k, v in self.items()})

    def __reduce__(self):
        return type(self), (dict(self),)


def _parts(p):
    """What there is to optimize in p, a tensor or (name, tensor): of a complex one its real and its imaginary part."""
    if isinstance(p, tuple) and len(p) == 2 and is_complex(p[1]):
        return [(f"{p[0]}.{word}", part) for word, part in zip(("real", "imag"), flat(p[1]), strict=True)]
    return flat(p) if isinstance(p, Tensor) else [p]


def _hooked(step):
    """A step between the hooks that are registered; one that a subclass's calls runs plainly."""

    @functools.wraps(step)
    def run(self, *args, **kwargs):
        self._stepped = True
        hooks = self.__dict__.get("_hooks")
        if not hooks or self._stepping:
            return step(self, *args, **kwargs)
        self._stepping = True
        try:
            for hook in list(hooks["step_pre"].values()):
                new = hook(self, (self, *args), kwargs)
                if new is not None:
                    if not isinstance(new, tuple) or len(new) != 2:
                        raise RuntimeError(f"{step} must return None or a tuple of (new_args, new_kwargs), but got {new}.")
                    (_, *args), kwargs = new
            result = step(self, *args, **kwargs)
            for hook in list(hooks["step_post"].values()):
                hook(self, (self, *args), kwargs)
        finally:
            self._stepping = False
        return result

    return run


class Optimizer:
    """Base of all optimizers: subclass it with a `step` that reads `self.param_groups` and keeps what it needs in `self.state[p]`.

    params: an iterable of tensors, of (name, tensor) pairs, or of dicts with "params" and options of that group; defaults:
    the options that a group does not give.
    """

    _stepping = _stepped = False  # within a step; whether there has been one (schedules warn if there has not)

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.step)

    def __init__(self, params, defaults):
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + params.type()
            )
        self.defaults = defaults
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state):
        """Called with what `load_state_dict` has made, too: a subclass adds here the options that older groups lack."""
        self.__dict__.update(state)

    def _check(self, group):
        """Raise ValueError for options out of range."""

    def add_param_group(self, param_group):
        """Train more parameters, with their own options: {"params": [...], "lr": ...}."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = {**param_group, **{k: v for k, v in self.defaults.items() if k not in param_group}}
        params = group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
                "will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        params = [part for p in params for part in _parts(p)]
        named = [isinstance(p, tuple) for p in params]
        if any(named) and not all(named):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        if self.param_groups and ("param_names" in self.param_groups[0]) != any(named):
            raise ValueError(
                "all optimizer param groups should be with/without names. "
                f"cannot add param group {'with' if any(named) else 'without'} names to the optimizer"
            )
        if any(named):
            group["param_names"] = [name for name, _ in params]
            params = [p for _, p in params]
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
            if id(p) in known:
                raise ValueError("some parameters appear in more than one parameter group")
        if len({id(p) for p in params}) != len(params):
            warnings.warn("optimizer contains a parameter group with duplicate parameters: each step changes them as often", stacklevel=3)
        for name, value in group.items():
            if value is required:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
        group["params"] = params
        self._check(group)
        if isinstance(param_group, Group):  # one optimizer around another: the groups are both's
            param_group.update(group)
            self.param_groups.append(param_group)
        else:
            self.param_groups.append(Group(group))

    def step(self, closure=None):
        """Change every parameter that has a gradient. closure, if given, computes and returns the loss first."""
        raise NotImplementedError

    def zero_grad(self, set_to_none=True):
        """Forget all gradients, or fill them with zeros."""
        for p in chain.from_iterable(g["params"] for g in self.param_groups):
            if p._grad is not None:
                p._grad = None if set_to_none else p._grad.detach().zero_()

    # ---- hooks ------------------------------------------------------------------------------------------------------

    def _register(self, kind, hook, prepend=False):
        hooks = self.__dict__.setdefault("_hooks", defaultdict(OrderedDict))[kind]
        handle = Handle(hooks, hook)
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def _run(self, kind, *args):
        """Runs the hooks of a kind; each may replace the last argument, which is returned."""
        for hook in list(self.__dict__.get("_hooks", {}).get(kind, {}).values()):
            new = hook(self, *args)
            if new is not None and args:
                args = (*args[:-1], new)
        return args[-1] if args else None

    def register_step_pre_hook(self, hook):
        """hook(optimizer, args, kwargs) before each step, args[0] the optimizer too; it may return the (args, kwargs) to use
        instead. Returns a handle."""
        return self._register("step_pre", hook)

    def register_step_post_hook(self, hook):
        """hook(optimizer, args, kwargs) after each step."""
        return self._register("step_post", hook)

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """hook(optimizer) before a state dict is made."""
        return self._register("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """hook(optimizer, state_dict) after; it may change it, or return another."""
        return self._register("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """hook(optimizer, state_dict) before one is loaded; it may change the (shallow) copy, or return another."""
        return self._register("load_pre", hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """hook(optimizer) after one has been loaded."""
        return self._register("load_post", hook, prepend)

    # ---- state dict -------------------------------------------------------------------------------------------------

    def state_dict(self):
        """{"state": {index: {name: tensor}}, "param_groups": [options, with "params" as indices]}, as PyTorch's."""
        self._run("state_dict_pre")
        index = {}
        for p in chain.from_iterable(g["params"] for g in self.param_groups):
            index.setdefault(id(p), len(index))
        groups = [
            {**{k: v for k, v in g.items() if k != "params"}, "params": [index[id(p)] for p in g["params"]]}
            for g in self.param_groups
        ]
        own = {index[id(p)]: self._shown(s) for p, s in self.state.items() if id(p) in index}
        shared = {k: s for k, s in self.state.items() if not isinstance(k, Tensor)}  # state of no one parameter
        return self._run("state_dict_post", {"state": {**dict(sorted(own.items())), **shared}, "param_groups": groups})

    def load_state_dict(self, state_dict):
        """Take over state and options; nothing changes when they do not fit. Accepts PyTorch's state dicts too."""
        state_dict = self._run("load_pre", dict(state_dict))
        groups, saved = self.param_groups, state_dict["param_groups"]
        if len(groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(g["params"]) != len(s["params"]) for g, s in zip(groups, saved, strict=True)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        owner = dict(zip(chain.from_iterable(s["params"] for s in saved), chain.from_iterable(g["params"] for g in groups), strict=True))
        state = defaultdict(dict)
        for index, values in state_dict["state"].items():
            if index in owner:
                state[owner[index]] = self._adopted(values, owner[index])
            elif not isinstance(index, int):
                state[index] = values
        loaded = []
        for group, options in zip(groups, saved, strict=True):
            options = {k: v for k, v in options.items() if k not in ("params", *self._choices)}
            merged = {**self.defaults, **group, **copy.deepcopy(options), "params": group["params"]}
            self._check(merged)
            loaded.append(merged)
        for group, merged in zip(groups, loaded, strict=True):
            group.update(merged)
            group.write_rate()
        self.__setstate__({"state": state, "param_groups": groups})
        self._run("load_post")

    _choices = ()  # options that a loaded state dict does not change

    def _shown(self, state):
        """The state of one parameter as a state dict has it."""
        return dict(state) if isinstance(state, dict) else state

    def _adopted(self, value, param, name=None):
        """A copy of a saved state whose tensors are like the parameter: its dtype, if that is floating point, and its device."""
        if isinstance(value, Tensor):
            dtype = param.dtype if param.dtype.is_floating_point and name != "step" else value.dtype
            return value.detach().to(device=param.device, dtype=dtype, copy=True)
        if isinstance(value, dict):
            return {k: self._adopted(v, param, k) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._adopted(v, param, name) for v in value)
        return value

    def __repr__(self):
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            text += "".join(f"    {k}: {group[k]}\n" for k in sorted(group) if k != "params")
        return text + ")"
