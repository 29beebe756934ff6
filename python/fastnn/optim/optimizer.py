"""Optimizer: parameter groups, state for each parameter, one kernel call a group and step."""

from __future__ import annotations

import copy
from collections import OrderedDict, defaultdict
from itertools import chain, compress

from .. import _cpu, dtypes
from ..autodiff import enable_grad, no_grad
from ..ops import optimizer as rules
from ..row_sparse import RowSparse
from ..tensor import Tensor, as_tensor, full_like, tensor

__all__ = ["Optimizer", "required"]

required = object()


class Group(dict):
    """The options of some parameters. Setting "lr" also writes the 0-d array that the kernels read.

    A recorded training step is replayed without Python, so a scheduler reaches it only through that array.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._written = float(self.get("lr", 0.0))  # an optimizer of the user's need not have one
        self.rate = tensor(self._written, dtype=dtypes.float64)

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        if key == "lr":
            self.write_rate()

    def write_rate(self):
        lr = float(self.get("lr", 0.0))
        if lr != self._written:
            rules.write_rate(self.rate, lr)
            self._written = lr

    def __deepcopy__(self, memo):
        return type(self)({k: copy.deepcopy(v, memo) for k, v in self.items()})

    def __reduce__(self):
        return type(self), (dict(self),)


def _shown(name, value):
    """A state as PyTorch's state dicts have it: counts are float32 there (exact up to 2^24); the kernels' are float64."""
    return value.to(dtypes.float32) if name == "step" and isinstance(value, Tensor) and value.dtype is dtypes.float64 else value


def at_least_0(group, **options):
    """ValueError unless each option of the group is a number >= 0; the keywords say what the message calls it."""
    for name, called in options.items():
        if name in group and not group[name] >= 0.0:
            raise ValueError(f"Invalid {called}: {group[name]}")


def below_1(*betas):
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


class Optimizer:
    """Base of all optimizers.

    A subclass gives the defaults of its options, checks them in `check`, and defines `update(group, params, grads)`,
    which makes the state on first use and calls one kernel for all of them. `params` is an iterable of tensors, of
    (name, tensor) pairs, or of dicts with "params" and options of that group.

    Every optimizer takes `proximal_l1` as an option of its groups: after the step each parameter moves towards 0 by
    lr · proximal_l1 and stops there, which makes exact zeros (ISTA for SGD).
    """

    accepted: dict = {}  # options by which PyTorch chooses an implementation; they change nothing here

    def __init__(self, params, defaults, ignored=()):
        self._check_ignored(ignored)
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + params.type()
            )
        options = {**defaults, **self.accepted, **dict(ignored)}
        self.defaults = {**{k: v for k, v in options.items() if k != "proximal_l1"}, "proximal_l1": defaults.get("proximal_l1", 0.0)}
        self.state = defaultdict(dict)
        self.param_groups = []
        self._step_hooks = OrderedDict()
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _check_ignored(self, options):
        for name, value in dict(options).items():
            if name not in self.accepted:
                raise TypeError(f"{type(self).__name__}.__init__() got an unexpected keyword argument '{name}'")
            if name == "differentiable" and value:
                raise ValueError(f"{type(self).__name__}: differentiable steps are not supported")

    def check(self, group):
        """Raise ValueError for options out of range."""
        at_least_0(group, lr="learning rate", weight_decay="weight_decay value")

    def update(self, group, params, grads):
        raise NotImplementedError

    def check_rows(self, group):
        """RuntimeError where this optimizer takes no gradients of rows (RowSparse), or not with these options."""
        raise RuntimeError(f"{type(self).__name__} does not support sparse gradients, please consider SparseAdam instead")

    def update_rows(self, group, p, g):
        """Change the rows of p that g has."""
        raise NotImplementedError

    def add_param_group(self, param_group):
        """Train more parameters, with their own options: {"params": [...], "lr": ...}."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = {**self.defaults, **param_group}
        params = group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
                "will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        if params and all(isinstance(p, tuple) for p in params):
            group["param_names"] = [name for name, _ in params]
            params = [p for _, p in params]
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
            if not p.dtype.is_floating_point:
                raise ValueError(f"can't optimize a tensor of dtype {p.dtype}")
            if id(p) in known:
                raise ValueError("some parameters appear in more than one parameter group")
        if len({id(p) for p in params}) != len(params):
            raise ValueError("optimizer contains a parameter group with duplicate parameters")
        for name, value in group.items():
            if value is required:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
        group["params"] = params
        if not group["proximal_l1"] >= 0:
            raise ValueError(f"Invalid proximal_l1 value: {group['proximal_l1']}")
        self.check(group)
        self.param_groups.append(Group(group))

    # ---- stepping ---------------------------------------------------------------------------------------------------

    def step(self, closure=None):
        """Change every parameter that has a gradient. closure, if given, computes and returns the loss first.

        Shapes and dtypes are checked before anything is changed.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            work = []
            for group in self.param_groups:
                params = [p for p in group["params"] if p._grad is not None]
                grads = [p._grad for p in params]
                for p, g in zip(params, grads, strict=True):
                    if g._shape != p._shape or g.dtype is not p.dtype:
                        raise RuntimeError(
                            f"{type(self).__name__}.step: gradient of shape {list(g.shape)} and dtype {g.dtype} for a "
                            f"parameter of shape {list(p.shape)} and dtype {p.dtype}"
                        )
                rows = [(p, g) for p, g in zip(params, grads, strict=True) if isinstance(g, RowSparse)]
                if rows:
                    self.check_rows(group)
                work.append((group, params, grads, rows))
            for group, params, grads, rows in work:
                group.write_rate()
                for p, g in rows:
                    self.update_rows(group, p, g)
                calls = _cpu.recorded_calls()
                if len(rows) < len(params):
                    dense = [not isinstance(g, RowSparse) for g in grads]
                    self.update(group, list(compress(params, dense)), list(compress(grads, dense)))
                if calls >= 0:
                    _cpu.follow(group, calls)
                if params:
                    if group["proximal_l1"]:
                        rules.soft_threshold(params, group.rate, float(group["proximal_l1"]))
        return loss

    def zero_grad(self, set_to_none=True):
        """Forget all gradients, or fill them with zeros."""
        for p in chain.from_iterable(g["params"] for g in self.param_groups):
            if p._grad is not None:
                p._grad = None if set_to_none else p._grad.detach().zero_()

    def slots(self, params, name, start=0.0):
        """The list of state tensors `name` of params, made where absent: shaped like the parameter."""
        states = [self.state[p] for p in params]
        for p, state in zip(params, states, strict=True):
            if state.get(name) is None:
                state[name] = full_like(p, start)
        return [state[name] for state in states]

    def counts(self, params, name="step", start=0.0):
        """The list of 0-d float64 state tensors `name` of params, made where absent."""
        states = [self.state[p] for p in params]
        for p, state in zip(params, states, strict=True):
            if name not in state:
                state[name] = tensor(start, dtype=dtypes.float64, device=p.device if p.is_cuda else None)
        return [state[name] for state in states]

    # ---- state dict -------------------------------------------------------------------------------------------------

    def state_dict(self):
        """{"state": {index: {name: tensor}}, "param_groups": [options, with "params" as indices]}, as PyTorch's."""
        index = {}
        for p in chain.from_iterable(g["params"] for g in self.param_groups):
            index.setdefault(id(p), len(index))
        groups = [
            {**{k: v for k, v in g.items() if k != "params"}, "params": [index[id(p)] for p in g["params"]]}
            for g in self.param_groups
        ]
        state = {index[id(p)]: {k: _shown(k, v) for k, v in s.items()} for p, s in self.state.items() if id(p) in index}
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Take over state and options; nothing changes when they do not fit. Accepts PyTorch's state dicts too."""
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
                state[owner[index]] = {k: self._adopt(k, v, owner[index]) for k, v in values.items()}
        loaded = []
        for group, options in zip(groups, saved, strict=True):
            options = {k: v for k, v in options.items() if k not in ("params", "foreach", "fused", "capturable", "differentiable")}
            merged = {**self.defaults, **group, **options, "params": group["params"]}
            self.check(merged)
            loaded.append(merged)
        for group, merged in zip(groups, loaded, strict=True):
            group.update(merged)
            group.write_rate()
        self.state = state

    def _adopt(self, name, value, param):
        """A saved value in the form the kernels want: counts as 0-d float64, tensors like the parameter."""
        if value is None or not (hasattr(value, "shape") or isinstance(value, (int, float))):
            return value
        if name in ("step", "mu_product", "eta", "mu"):
            return tensor(float(value), dtype=dtypes.float64)
        value = as_tensor(value)
        if value.shape != param.shape:
            raise ValueError(
                f"loaded state dict has {name} of shape {list(value.shape)} for a parameter of shape {list(param.shape)}"
            )
        return value.detach().to(dtype=param.dtype).clone()

    def __repr__(self):
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            text += "".join(f"    {k}: {group[k]}\n" for k in sorted(group) if k != "params" and (k != "proximal_l1" or group[k]))
        return text + ")"
