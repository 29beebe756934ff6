"""Parametrizations: a parameter computed from another, `module.weight = f(module.parametrizations.weight.original)`.

    class Symmetric(nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).mT

    register_parametrization(layer, "weight", Symmetric())

The module's class gets a property of that name. Several parametrizations of one parameter are composed. Where a
parametrization has `right_inverse(value)`, the first value and assigned ones go through it; it may give several tensors, which are
then `original0`, `original1`, ... and the arguments of forward.
"""

from __future__ import annotations

from contextlib import contextmanager

from ...autodiff import no_grad
from ..container import ModuleDict, ModuleList
from ..parameter import Parameter

_cache: dict | None = None


@contextmanager
def cached():
    """Inside the block every parametrized tensor is computed once."""
    global _cache
    before, _cache = _cache, {}
    try:
        yield
    finally:
        _cache = before


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, and what it is computed from."""

    def __init__(self, modules, original, unsafe=False):
        super().__init__(modules)
        value = original
        with no_grad():
            for f in reversed(list(self)):
                if hasattr(f, "right_inverse"):
                    value = f.right_inverse(value)
        self.several = isinstance(value, (tuple, list))
        values = list(value) if self.several else [value]
        for i, v in enumerate(values):
            name = f"original{i}" if self.several else "original"
            if isinstance(original, Parameter):
                self.register_parameter(name, original if v is original else Parameter(v.detach().clone(), original.requires_grad))
            else:
                self.register_buffer(name, v)
        if not unsafe:
            new = self()
            if new.dtype is not original.dtype or new.shape != original.shape:
                raise ValueError(
                    f"Registering a parametrization may not change the shape or dtype of the tensor: {tuple(original.shape)} "
                    f"{original.dtype} became {tuple(new.shape)} {new.dtype}"
                )

    def originals(self):
        return list((self._parameters or {}).values()) + list((self._buffers or {}).values())

    def forward(self):
        first, *rest = list(self)
        value = first(*self.originals())
        for f in rest:
            value = f(value)
        return value

    def right_inverse(self, value):
        with no_grad():
            for f in reversed(list(self)):
                if not hasattr(f, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(f).__name__} does not implement right_inverse.")
                value = f.right_inverse(value)
            for mine, new in zip(self.originals(), value if self.several else [value], strict=True):
                mine.copy_(new)


def _property(name):
    def get(self):
        if _cache is None:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    return property(get, lambda self, value: self.parametrizations[name].right_inverse(value))


class _Parametrized:
    """Marks the class of a module with parametrizations; the class before it in the MRO is the module's own."""

    def __setattr__(self, name, value):
        slot = getattr(type(self), name, None)
        if isinstance(slot, property):
            slot.fset(self, value)
        else:
            super().__setattr__(name, value)


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Makes module.tensor_name a function of its former value; see above. Returns the module.

    ValueError if there is no such parameter or buffer, or (unless unsafe) if shape or dtype would change.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        old = module.parametrizations[tensor_name]
        if not unsafe:
            before = old()
            after = parametrization(before)
            if after.shape != before.shape or after.dtype is not before.dtype:
                raise ValueError("Registering a parametrization may not change the shape or dtype of the tensor")
        if hasattr(parametrization, "right_inverse"):
            value = parametrization.right_inverse(old())
            old.right_inverse(value)
        old.append(parametrization)
        return module
    if tensor_name in module._parameters:
        original = module._parameters[tensor_name]
    elif tensor_name in module._buffers:
        original = module._buffers[tensor_name]
    else:
        raise ValueError(f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'")
    entries = ParametrizationList([parametrization], original, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        own = type(module)
        module.__class__ = type(f"Parametrized{own.__name__}", (_Parametrized, own), {})
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = entries
    return module


def is_parametrized(module, tensor_name=None):
    """Whether the module (or this tensor of it) has a parametrization."""
    entries = module._modules.get("parametrizations")
    if entries is None or not isinstance(module, _Parametrized):
        return False
    return len(entries) > 0 if tensor_name is None else tensor_name in entries


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Ends the parametrizations of one tensor, leaving their result, or (leave_parametrized=False) the original value."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    entries = module.parametrizations[tensor_name]
    original = entries.originals()[0]
    if leave_parametrized:
        with no_grad():
            value = entries().detach().clone()
    elif entries.several:
        raise ValueError("Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence of tensors.")
    else:
        value = original
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if isinstance(original, Parameter):
        kept = original if value is original else Parameter(value, original.requires_grad)
        module.register_parameter(tensor_name, kept)
    else:
        module.register_buffer(tensor_name, value)
    if not len(module.parametrizations):
        del module.parametrizations
        module.__class__ = type(module).__mro__[2]
    return module


def type_before_parametrizations(module):
    """The module's own class."""
    return type(module).__mro__[2] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module, to_module, tensor_name=None):
    """Gives to_module the parametrizations of from_module, of this tensor or of all, and what they are computed from: both share them."""
    if not is_parametrized(from_module):
        return to_module
    for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
        entries = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(entries().detach().clone()))
        for f in entries:
            register_parametrization(to_module, name, f)
        for kind in ("_parameters", "_buffers"):
            getattr(to_module.parametrizations[name], kind).update(getattr(entries, kind))
    return to_module


__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "transfer_parametrizations_and_params", "type_before_parametrizations",
]  # fmt: skip
