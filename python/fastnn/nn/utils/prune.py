"""Pruning: weights set to zero and kept there by a mask.

A pruned parameter `name` becomes the parameter `name_orig` and the buffer `name_mask`; a forward pre-hook sets name = name_orig · name_mask.
PyTorch's functions and classes: see Han et al., NeurIPS 2015 for pruning by magnitude.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from ...autodiff import no_grad
from ...ops.join import cat
from ...ops.random import randperm
from ...tensor import ones_like

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer", "RandomStructured",
    "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned", "l1_unstructured", "ln_structured",
    "random_structured", "random_unstructured", "remove",
]  # fmt: skip


def _count(amount, size):
    """How many of size elements amount is: an int, or a share of them."""
    if not isinstance(amount, (int, float)) or isinstance(amount, bool):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if amount < 0 or (isinstance(amount, float) and amount > 1.0):
        raise ValueError(f"amount={amount} should either be a float in the range [0.0, 1.0] or a non-negative integer")
    if isinstance(amount, int) and amount > size:
        raise ValueError(f"amount={amount} should be smaller than the number of parameters to prune={size}")
    return amount if isinstance(amount, int) else round(amount * size)


class BasePruningMethod(ABC):
    """A subclass says in `compute_mask(t, default_mask)` which elements stay: 1, or 0 for those that are pruned.

    PRUNING_TYPE: "unstructured" (any element), "structured" (slices of an axis) or "global".
    """

    PRUNING_TYPE = "unstructured"
    _tensor_name: str

    @abstractmethod
    def compute_mask(self, t, default_mask):
        """The mask of t, given the one that it already has."""

    def __call__(self, module, inputs):
        object.__setattr__(module, self._tensor_name, self.apply_mask(module))

    def apply_mask(self, module):
        """The pruned tensor, through which gradients reach the original."""
        mask, original = (getattr(module, self._tensor_name + end) for end in ("_mask", "_orig"))
        return mask.to(original.dtype) * original

    @classmethod
    def apply(cls, module, name, *args, importance_scores=None, **kwargs):
        """Prunes the parameter `name` of module; what is pruned already stays so, and the methods are kept in a `PruningContainer`."""
        before = _hook_of(module, name)
        method = cls(*args, **kwargs)
        method._tensor_name = name
        if before is not None:
            key, old = before
            container = old if isinstance(old, PruningContainer) else PruningContainer(old)
            container._tensor_name = name
            container.add_pruning_method(method)
            del module._forward_pre_hooks[key]
            method = container
            original, mask = getattr(module, name + "_orig"), getattr(module, name + "_mask")
        else:
            original = getattr(module, name)
            mask = ones_like(original.detach())
        scores = original if importance_scores is None else importance_scores
        if scores.shape != original.shape:
            raise AssertionError(f"importance_scores should have the same shape as parameter {name} of {module}")
        with no_grad():
            mask = method.compute_mask(scores.detach(), mask)
        if before is None:
            delattr(module, name)
            module.register_parameter(name + "_orig", original)
        if name + "_mask" in module._buffers:
            module._buffers[name + "_mask"] = mask
        else:
            module.register_buffer(name + "_mask", mask)
        method(module, None)
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t, default_mask=None, importance_scores=None):
        """A pruned copy of t."""
        scores = t if importance_scores is None else importance_scores
        return t * self.compute_mask(scores, ones_like(t) if default_mask is None else default_mask)

    def remove(self, module):
        """Makes the pruned tensor the parameter; the mask and the original go."""
        name = self._tensor_name
        with no_grad():
            value = self.apply_mask(module).detach()
        original = module._parameters.pop(name + "_orig")
        del module._buffers[name + "_mask"]
        module.__dict__.pop(name, None)
        original.data = value
        setattr(module, name, original)


def _hook_of(module, name):
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None


class PruningContainer(BasePruningMethod):
    """Several methods, one after another; each prunes what those before it left."""

    def __init__(self, *args):
        self._pruning_methods = ()
        methods = args[0] if len(args) == 1 and isinstance(args[0], Iterable) else args
        for method in methods:
            self._tensor_name = method._tensor_name
            self.add_pruning_method(method)

    def add_pruning_method(self, method):
        if not isinstance(method, BasePruningMethod) and method is not None:
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to PruningContainer {self}. "
                f"Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self):
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, index):
        return self._pruning_methods[index]

    def compute_mask(self, t, default_mask):
        method = self._pruning_methods[-1]
        mask = default_mask.clone()
        if method.PRUNING_TYPE == "unstructured":
            left = mask == 1
            mask[left] = method.compute_mask(t[left], mask[left])
        elif method.PRUNING_TYPE == "structured":
            dim = method.dim % t.ndim
            others = tuple(d for d in range(t.ndim) if d != dim)
            keep = (mask.sum(others) if others else mask).nonzero().squeeze(1)
            part = method.compute_mask(t.index_select(dim, keep), mask.index_select(dim, keep))
            mask = mask.index_copy(dim, keep, part)
        elif method.PRUNING_TYPE == "global":
            mask = method.compute_mask(t, mask)
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        return mask


class Identity(BasePruningMethod):
    """Prunes nothing; makes the mask."""

    def compute_mask(self, t, default_mask):
        return default_mask


class RandomUnstructured(BasePruningMethod):
    """amount of the elements, at random."""

    def __init__(self, amount):
        _count(amount, amount)  # checks that it is a number, or a share
        self.amount = amount

    def compute_mask(self, t, default_mask):
        mask, n = default_mask.clone(), _count(self.amount, t.numel())
        if n:
            mask.view(-1)[randperm(t.numel())[:n]] = 0
        return mask


class L1Unstructured(RandomUnstructured):
    """amount of the elements, the smallest in size."""

    def compute_mask(self, t, default_mask):
        mask, n = default_mask.clone(), _count(self.amount, t.numel())
        if n:
            mask.view(-1)[t.abs().reshape(-1).topk(n, largest=False).indices] = 0
        return mask


class RandomStructured(BasePruningMethod):
    """amount of the slices along dim, at random."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim=-1):
        RandomUnstructured(amount)
        self.amount, self.dim = amount, dim

    def _chosen(self, t, n):
        return randperm(t.shape[self.dim])[:n]

    def compute_mask(self, t, default_mask):
        if t.ndim < 2:
            raise ValueError(f"Structured pruning can only be applied to multidimensional tensors. Found tensor of shape {t.shape}")
        n = _count(self.amount, t.shape[self.dim])
        return default_mask.index_fill(self.dim, self._chosen(t, n), 0) if n else default_mask


class LnStructured(RandomStructured):
    """amount of the slices along dim, those with the smallest L_n norm."""

    def __init__(self, amount, n, dim=-1):
        super().__init__(amount, dim)
        self.n = n

    def _chosen(self, t, n):
        dim = self.dim % t.ndim
        norms = t.norm(p=self.n, dim=tuple(d for d in range(t.ndim) if d != dim))
        return norms.topk(n, largest=False).indices


class CustomFromMask(BasePruningMethod):
    """A mask given beforehand."""

    PRUNING_TYPE = "global"

    def __init__(self, mask):
        self.mask = mask

    def compute_mask(self, t, default_mask):
        return default_mask * self.mask.to(default_mask.dtype)


def identity(module, name):
    """Gives the parameter a mask of ones. Returns module, as all of these functions do."""
    Identity.apply(module, name)
    return module


def random_unstructured(module, name, amount):
    """`RandomUnstructured` of the parameter `name`: an int amount of elements, or a share."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module, name, amount, importance_scores=None):
    """`L1Unstructured` of the parameter `name`."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module, name, amount, dim):
    """`RandomStructured` of the parameter `name`."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module, name, amount, n, dim, importance_scores=None):
    """`LnStructured` of the parameter `name`."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module, name, mask):
    """`CustomFromMask` of the parameter `name`."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs):
    """Prunes several parameters, [(module, name), ...], as if they were one long vector."""
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    parameters, scores = list(parameters), importance_scores or {}
    values = [scores.get((m, n), getattr(m, n)).detach().reshape(-1) for m, n in parameters]
    masks = [getattr(m, n + "_mask", ones_like(getattr(m, n).detach())).reshape(-1) for m, n in parameters]
    container = PruningContainer()
    container._tensor_name = "temp"
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(f'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method {pruning_method} of type {method.PRUNING_TYPE}')
    container.add_pruning_method(method)
    mask = container.compute_mask(cat(values), cat(masks))
    begin = 0
    for module, name in parameters:
        p = getattr(module, name)
        custom_from_mask(module, name, mask[begin : begin + p.numel()].reshape(p.shape))
        begin += p.numel()


def remove(module, name):
    """Ends the pruning of a parameter, for good: what is pruned is zero, and may be trained again."""
    found = _hook_of(module, name)
    if found is None:
        raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")
    key, hook = found
    hook.remove(module)
    del module._forward_pre_hooks[key]
    return module


def is_pruned(module):
    """Whether any parameter of the module, or of one inside it, is pruned."""
    return any(isinstance(hook, BasePruningMethod) for m in module.modules() for hook in m._forward_pre_hooks.values())
