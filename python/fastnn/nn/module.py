"""Module: a tree of parameters, buffers and submodules with a forward function.

The names of a state dict equal PyTorch's, so weights load from one to the other: `layers.0.weight` is the parameter
`weight` of the submodule `0` of the submodule `layers`.
"""

from __future__ import annotations

from collections import OrderedDict

from .. import dtypes
from ..autodiff import no_grad
from ..device import device as as_device
from ..tensor import Tensor, empty
from .hooks import (  # noqa: F401
    EVERY_BACKWARD,
    EVERY_FORWARD,
    EVERY_FORWARD_PRE,
    BeforeBackward,
    Handle,
    call,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    with_options,
)
from .parameter import Buffer, Parameter
from .state import StateDict

__all__ = ["Module"]


_called: list | None = None  # modules called while a step is recorded (capture.py)


def _addindent(s_, numSpaces):
    """The text, its lines after the first moved to the right."""
    return s_.replace("\n", "\n" + " " * numSpaces)


class Module(StateDict):
    """Base of all layers and networks. Subclasses call super().__init__(), assign parameters and submodules as
    attributes, and define forward()."""

    training: bool

    def __init__(self):
        slots = self.__dict__
        slots["training"] = True
        slots["_parameters"] = {}
        slots["_buffers"] = {}
        slots["_modules"] = {}
        slots["_non_persistent_buffers_set"] = set()
        slots["_forward_hooks"] = OrderedDict()
        slots["_forward_pre_hooks"] = OrderedDict()
        slots["_backward_hooks"] = OrderedDict()

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args, **kwargs):
        if _called is not None:
            _called.append(self)
        if not (self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or EVERY_FORWARD or EVERY_FORWARD_PRE or EVERY_BACKWARD):
            return self.forward(*args, **kwargs)
        return call(self, args, kwargs)

    # ---- attributes -------------------------------------------------------------------------------------------------

    def __getattr__(self, name):
        for kind in ("_parameters", "_buffers", "_modules"):
            entries = self.__dict__.get(kind)
            if entries is not None and name in entries:
                return entries[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name, value):
        slots = self.__dict__
        if "_modules" not in slots:
            if isinstance(value, (Parameter, Module, Buffer)):
                kind = "parameters" if isinstance(value, Parameter) else "module"
                raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
            return object.__setattr__(self, name, value)
        if isinstance(value, Parameter):
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name, "_modules")
            self._modules[name] = value
        elif isinstance(value, Buffer):
            self._forget(name, "_buffers")
            self.register_buffer(name, value, value.persistent)
        else:
            for kind, what, allowed in (
                ("_parameters", "parameter", ()),
                ("_modules", "child module", ()),
                ("_buffers", "buffer", Tensor),
            ):
                if name in slots[kind]:
                    if value is not None and not (allowed and isinstance(value, allowed)):
                        expected = {"parameter": "fastnn.nn.Parameter", "buffer": "fastnn.Tensor"}.get(what, "fastnn.nn.Module")
                        raise TypeError(
                            f"cannot assign '{type(value).__name__}' as {what} '{name}' ({expected} or None expected)"
                        )
                    slots[kind][name] = value
                    return
            object.__setattr__(self, name, value)

    def __delattr__(self, name):
        for kind in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(kind, ()):
                del self.__dict__[kind][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self):
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def _forget(self, name, kind):
        """Makes way for a `kind` of this name. One that has been there before keeps its place among the others."""
        self.__dict__.pop(name, None)
        for other in ("_parameters", "_buffers", "_modules"):
            if other != kind:
                self.__dict__[other].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _check_name(self, what, name, entries):
        if "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain "."')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if hasattr(self, name) and name not in entries:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name, param):
        """Add a parameter (or None, a place kept free) under `name`."""
        self._check_name("parameter", name, self.__dict__.get("_parameters", ()))
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' (fastnn.nn.Parameter or None required)"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(f"Cannot assign non-leaf Tensor to parameter '{name}'.")
        self._parameters[name] = param

    def register_buffer(self, name, tensor, persistent=True):
        """Add state that is not trained, such as a running mean; left out of the state dict if not persistent."""
        self._check_name("buffer", name, self.__dict__.get("_buffers", ()))
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' (fastnn.Tensor or None required)"
            )
        self._buffers[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(name)

    def register_module(self, name, module):
        """Add a submodule under `name`."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name("module", name, self.__dict__.get("_modules", ()))
        self._modules[name] = module

    add_module = register_module

    # ---- walking the tree -------------------------------------------------------------------------------------------

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def _named_members(self, get_members_fn, prefix="", recurse=True, remove_duplicate=True):
        """(path, entry) of what get_members_fn(module) lists as (name, entry), over all modules."""
        seen = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, entry in get_members_fn(module):
                if entry is None or id(entry) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(entry))
                yield (f"{path}.{name}" if path else name), entry

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        return self._named_members(lambda m: m._parameters.items(), prefix, recurse, remove_duplicate)

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        return self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    def named_children(self):
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def parameters(self, recurse=True):
        return (p for _, p in self.named_parameters(recurse=recurse))

    def buffers(self, recurse=True):
        return (b for _, b in self.named_buffers(recurse=recurse))

    def children(self):
        return (m for _, m in self.named_children())

    def modules(self):
        return (m for _, m in self.named_modules())

    def get_submodule(self, target):
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target, module, strict=False):
        """Puts module in the place that target ("a.b.c") names."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and name not in parent._modules:
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        setattr(parent, name, module)

    def _get_entry(self, target, kind, what):
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if name not in module.__dict__[kind]:
            raise AttributeError(f"{type(module).__name__} has no {what} `{name}`")
        return module.__dict__[kind][name]

    def get_parameter(self, target):
        return self._get_entry(target, "_parameters", "parameter")

    def get_buffer(self, target):
        return self._get_entry(target, "_buffers", "buffer")

    def apply(self, fn):
        """Call fn on every submodule, children first, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode=True):
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        object.__setattr__(self, "training", mode)
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters, or fill them with zeros."""
        for p in self.parameters():
            if p.grad is not None:
                p.grad = None if set_to_none else p.grad.detach().zero_()

    # ---- moving and converting --------------------------------------------------------------------------------------

    def _apply(self, fn, recurse=True):
        """Replaces every parameter's and buffer's data by fn(data); the Parameter objects stay the same. `to` and its like come here:
        modules with tensors of another kind override it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        with no_grad():
            for p in self._parameters.values():
                if p is not None:
                    grad, p.data = p.grad, fn(p.data)
                    p.grad = None if grad is None else fn(grad)
            for name, b in self._buffers.items():
                if b is not None:
                    self._buffers[name] = fn(b)
        return self

    def to(self, *args, dtype=None, device=None, non_blocking=False, memory_format=None):
        """to(dtype), to(device), to(device, dtype), to(tensor): floating point data only changes its dtype.

        to("meta"): the shapes are kept and the memory is given up, for `func.functional_call` of a skeleton or
        `load_state_dict(assign=True)`. NotImplementedError for any other device, from there: see `to_empty`.
        """
        for arg in args:
            if isinstance(arg, Tensor):
                dtype, device = arg.dtype, arg.device
            elif isinstance(arg, dtypes.dtype):
                dtype = arg
            elif not isinstance(arg, (bool, dtypes.memory_format)):
                device = arg
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"nn.Module.to only accepts floating point dtypes, but got desired dtype={dtype}")
        options = {} if device is None else {"device": device}
        if device is not None and as_device(device).type == "meta":
            return self._apply(lambda t: empty(t.shape, dtype=dtype if dtype is not None and t.dtype.is_floating_point else t.dtype, device="meta"))

        def convert(t):
            if dtype is not None and t.dtype.is_floating_point:
                return t.to(dtype=dtype, **options)
            return t.to(**options) if options else t

        return self._apply(convert)

    def float(self):
        return self.to(dtypes.float32)

    def double(self):
        return self.to(dtypes.float64)

    def half(self):
        return self.to(dtypes.float16)

    def bfloat16(self):
        return self.to(dtypes.bfloat16)

    def type(self, dst_type):
        """The module itself, parameters and buffers in another dtype: one, or its tensors' class or name ("torch.DoubleTensor")."""
        return self._apply(lambda t: t.type(dst_type))

    def to_empty(self, *, device, recurse=True):
        """New memory for every tensor, whose numbers are arbitrary."""
        return self._apply(lambda t: empty(t.shape, dtype=t.dtype, device=device))

    def share_memory(self):
        """The module itself: workers are threads of this process."""
        return self

    def compile(self, *args, **kwargs):
        """Kernels are compiled already. See `fastnn.capture` for what makes steps faster."""

    def cpu(self):
        return self.to("cpu")

    def cuda(self, device=None):
        return self.to("cuda" if device is None else device)

    # ---- hooks ------------------------------------------------------------------------------------------------------

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """hook(module, args, output) runs after forward and may return another output; always_call: even if forward raises."""
        return self._register_hook(self._forward_hooks, with_options(hook, with_kwargs, always_call), prepend)

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """hook(module, args) runs before forward and may return other arguments."""
        return self._register_hook(self._forward_pre_hooks, with_options(hook, with_kwargs), prepend)

    def register_full_backward_hook(self, hook, prepend=False):
        """hook(module, grad_input, grad_output) runs when the gradients of the module's inputs are known; what it returns
        (if not None) replaces them. Tuples with a place for every positional argument and output, None for what has none."""
        return self._register_hook(self._backward_hooks, hook, prepend)

    register_backward_hook = register_full_backward_hook

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """hook(module, grad_output) runs when the gradients of the module's outputs are known, and may replace them."""
        return self._register_hook(self._backward_hooks, BeforeBackward(hook), prepend)

    def _register_hook(self, hooks, hook, prepend):
        handle = Handle(hooks, hook)
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    # ---- text -------------------------------------------------------------------------------------------------------

    def extra_repr(self):
        """What stands between the parentheses of this module's line; layers override it."""
        return ""

    def _get_name(self):
        return type(self).__name__

    def __repr__(self):
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        children = [f"({name}): " + _addindent(repr(m), 2) for name, m in self._modules.items()]
        lines = extra + children
        if not lines:
            return f"{self._get_name()}()"
        if len(extra) == 1 and not children:
            return f"{self._get_name()}({extra[0]})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"
