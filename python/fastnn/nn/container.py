"""Modules that hold modules or parameters: in a row, a list, a dictionary."""

from __future__ import annotations

import operator
from itertools import islice

from ..tensor import Tensor
from .module import Module
from .parameter import Parameter

__all__ = ["Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"]


class _Numbered(Module):
    """Children named "0", "1", ...: the list part of Sequential and ModuleList."""

    def _index(self, index):
        index, size = operator.index(index), len(self)
        if not -size <= index < size:
            raise IndexError(f"index {index} is out of range")
        return index % size

    def _renumber(self, children):
        self._modules.clear()
        for i, module in enumerate(children):
            self.add_module(str(i), module)

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def __getitem__(self, index):
        if isinstance(index, slice):
            picked = list(self._modules.items())[index]
            new = type(self)()
            for i, (name, module) in enumerate(picked):
                new.add_module(name if isinstance(self, Sequential) else str(i), module)
            return new
        return next(islice(self._modules.values(), self._index(index), None))

    def __setitem__(self, index, module):
        name = next(islice(self._modules, self._index(index), None))
        setattr(self, name, module)

    def __delitem__(self, index):
        children = list(self._modules.values())
        if isinstance(index, slice):
            del children[index]
        else:
            del children[self._index(index)]
        self._renumber(children)

    def append(self, module):
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules):
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index, module):
        if not isinstance(module, Module):
            raise TypeError(f"module should be of type: {Module}")
        children = list(self._modules.values())
        if not -len(children) <= index <= len(children):
            raise IndexError(f"Index out of range: {index}")
        children.insert(index, module)
        self._renumber(children)
        return self

    def pop(self, index=-1):
        module = self[index]
        del self[index]
        return module

    def __iadd__(self, other):
        return self.extend(other)


class Sequential(_Numbered):
    """Modules applied one after another: Sequential(a, b) or Sequential(OrderedDict(first=a, second=b))."""

    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], dict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), module)

    def forward(self, input):
        for module in self._modules.values():
            input = module(input)
        return input

    def __add__(self, other):
        if not isinstance(other, Sequential):
            raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
        return Sequential(*self, *other)


class ModuleList(_Numbered):
    """A list of modules whose parameters are found; it has no forward of its own."""

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __add__(self, other):
        return ModuleList([*self, *other])

    def __repr__(self):
        """Equal neighbours are one line: (0-5): 6 x Layer(...)."""
        if not len(self):
            return f"{self._get_name()}()"
        runs = []
        for i, text in enumerate(map(repr, self)):
            if runs and runs[-1][2] == text:
                runs[-1][1] = i
            else:
                runs.append([i, i, text])
        lines = [f"({a}): {text}" if a == b else f"({a}-{b}): {b - a + 1} x {text}" for a, b, text in runs]
        return f"{self._get_name()}(\n  " + "\n".join(lines).replace("\n", "\n  ") + "\n)"


class _Keyed:
    """The dictionary part of ModuleDict and ParameterDict, over self._entries."""

    def __getitem__(self, key):
        return self._entries[key]

    def __delitem__(self, key):
        del self._entries[key]

    def __len__(self):
        return len(self._entries)

    def __iter__(self):
        return iter(self._entries)

    def __contains__(self, key):
        return key in self._entries

    def clear(self):
        self._entries.clear()

    def pop(self, key):
        return self._entries.pop(key)

    def keys(self):
        return self._entries.keys()

    def items(self):
        return self._entries.items()

    def values(self):
        return self._entries.values()

    def get(self, key, default=None):
        return self._entries.get(key, default)

    def update(self, other):
        for key, value in other.items() if hasattr(other, "items") else other:
            self[key] = value


class ModuleDict(_Keyed, Module):
    """A dictionary of modules whose parameters are found."""

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    @property
    def _entries(self):
        return self._modules

    def __setitem__(self, key, module):
        self.add_module(key, module)


class _ParameterHolder(Module):
    """Entries become parameters when they are tensors."""

    def __init__(self, values=None):
        super().__init__()
        if values is not None:
            self.update(values) if isinstance(self, ParameterDict) else self.extend(values)

    @property
    def _entries(self):
        return self._parameters

    def _put(self, name, value):
        if isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        if not isinstance(value, Parameter):
            raise TypeError(f"{type(self).__name__} holds parameters, got {type(value).__name__}")
        self._parameters[name] = value

    @staticmethod
    def _kind(p):
        return p.type()

    def extra_repr(self):
        return "\n".join(
            f"  ({name}): Parameter containing: [{self._kind(p)} of size {'x'.join(map(str, p.shape))}]"
            for name, p in self._parameters.items()
        )


class ParameterList(_ParameterHolder):
    """A list of parameters."""

    @staticmethod
    def _kind(p):
        return p.dtype

    def _name(self, index):
        index, size = operator.index(index), len(self)
        if not -size <= index < size:
            raise IndexError(f"index {index} is out of range")
        return str(index % size)

    def __len__(self):
        return len(self._parameters)

    def __iter__(self):
        return iter(self._parameters.values())

    def __getitem__(self, index):
        if isinstance(index, slice):
            return ParameterList(list(self)[index])
        return self._parameters[self._name(index)]

    def __setitem__(self, index, value):
        self._put(self._name(index), value)

    def append(self, value):
        self._put(str(len(self)), value)
        return self

    def extend(self, values):
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values):
        return self.extend(values)


class ParameterDict(_Keyed, _ParameterHolder):
    """A dictionary of parameters. They are in the order of their keys where they come from a plain dict, as in PyTorch."""

    def __init__(self, parameters=None):
        super().__init__(parameters)

    def update(self, parameters):
        super().update(sorted(parameters.items()) if type(parameters) is dict else parameters)

    def __setitem__(self, key, value):
        self._put(key, value)
