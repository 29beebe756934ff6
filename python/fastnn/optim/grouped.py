"""Grouped: an optimizer that changes all parameters of a group in one call; the base of those that come with fastnn."""

from __future__ import annotations

from collections import Counter
from itertools import compress

from .. import _cpu, dtypes
from ..autodiff import enable_grad, no_grad
from ..ops import optimizer as rules
from ..row_sparse import RowSparse
from ..tensor import Tensor, as_tensor, full_like, tensor
from .optimizer import Optimizer

__all__ = ["Grouped"]


def at_least_0(group, **options):
    """ValueError unless each option of the group is a number >= 0; the keywords say what the message calls it."""
    for name, called in options.items():
        if name in group and isinstance(group[name], Tensor) and group[name].numel() != 1:
            raise ValueError(f"Tensor {name} must be 1-element")
        if name in group and not group[name] >= 0.0:
            raise ValueError(f"Invalid {called}: {group[name]}")


def below_1(*betas):
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


class Grouped(Optimizer):
    """A subclass gives the defaults of its options, checks them in `_check`, and defines `update(group, params, grads)`,
    which makes the state on first use and calls one kernel for all of them.

    Every one takes `proximal_l1` as an option of its groups: after the step each parameter moves towards 0 by
    lr · proximal_l1 and stops there, which makes exact zeros (ISTA for SGD). The options by which PyTorch chooses an
    implementation (foreach, fused, capturable) are accepted and change nothing.
    """

    _choices = ("foreach", "fused", "capturable", "differentiable")

    def __init__(self, params, defaults, proximal_l1=0.0):
        super().__init__(params, {**defaults, "proximal_l1": proximal_l1} if proximal_l1 else defaults)

    def _check(self, group):
        """ValueError for options out of range; RuntimeError for two of PyTorch's implementations at once."""
        at_least_0(group, lr="learning rate", weight_decay="weight_decay value", proximal_l1="proximal_l1 value")
        if group.get("differentiable"):
            raise ValueError(f"{type(self).__name__}: differentiable steps are not supported")
        if group.get("fused") and group.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        for p in group["params"]:
            if not p.dtype.is_floating_point:
                raise ValueError(f"can't optimize a tensor of dtype {p.dtype}")

    def update(self, group, params, grads):
        raise NotImplementedError

    def check_rows(self, group):
        """RuntimeError where this optimizer takes no gradients of rows (RowSparse), or not with these options."""
        raise RuntimeError(f"{type(self).__name__} does not support sparse gradients, please consider SparseAdam instead")

    def update_rows(self, group, p, g):
        """Change the rows of p that g has."""
        raise NotImplementedError

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
            for group, params in self._turns():
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
                    if group.get("proximal_l1"):
                        rules.soft_threshold(params, group.rate, float(group["proximal_l1"]))
        return loss

    def _turns(self):
        """(group, those of its parameters that have gradients), again for the parameters that it has twice, and so on."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p._grad is not None]
            while group.repeats:
                once = {id(p): p for p in params}
                if len(once) == len(params):
                    break
                yield group, list(once.values())
                counts = Counter(map(id, params))
                params = [p for i, p in once.items() for _ in range(counts[i] - 1)]
            yield group, params

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

    def _shown(self, state):
        """As PyTorch's: counts are float32 there (exact up to 2^24); the kernels' are float64."""
        count = state.get("step")
        if isinstance(count, Tensor) and count.dtype is dtypes.float64:
            return {k: v.to(dtypes.float32) if k == "step" else v for k, v in state.items()}
        return dict(state)

    def _adopted(self, values, param):
        return {k: self._adopt(k, v, param) for k, v in values.items()}

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
