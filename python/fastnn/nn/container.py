"""Modules that hold modules or parameters: in a row, a list, a dictionary."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Mapping
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
    """Entries are attributes. Tensors become parameters; what is no tensor is kept as it is, as in a list or dictionary of Python."""

    def _put(self, name, value):
        setattr(self, name, Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value)

    @staticmethod
    def _kind(p):
        return p.type()

    def _lines(self, entries):
        def text(value):
            if isinstance(value, Tensor):
                return f"Parameter containing: [{self._kind(value)} of size {'x'.join(map(str, value.shape))}]"
            return f"Object of type: {type(value).__name__}"

        return "\n".join(f"  ({name}): {text(value)}" for name, value in entries)

    def __call__(self, *args, **kwargs):
        raise RuntimeError(f"{type(self).__name__} should not be called.")


class ParameterList(_ParameterHolder):
    """A list whose tensors are parameters; other values stay as they are. IndexError for what is not in it."""

    def __init__(self, values=None):
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    @staticmethod
    def _kind(p):
        return p.dtype

    def _name(self, index):
        index, size = operator.index(index), len(self)
        if not -size <= index < size:
            raise IndexError(f"index {index} is out of range")
        return str(index % size)

    def __len__(self):
        return self._size

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return getattr(self, self._name(index))

    def __setitem__(self, index, value):
        self._put(self._name(index), value)

    def __dir__(self):
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, value):
        self._put(str(self._size), value)
        self._size += 1
        return self

    def extend(self, values):
        if isinstance(values, Tensor) or not isinstance(values, Iterable):
            raise TypeError(f"ParameterList.extend should be called with an iterable, but got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values):
        return self.extend(values)

    def extra_repr(self):
        return self._lines(enumerate(self))


class ParameterDict(_Keyed, _ParameterHolder):
    """A dictionary whose tensors are parameters; other values stay as they are. Keys are strings.

    Entries are in the order of their keys where they come from a plain dict. AttributeError for a key that is not there, as in PyTorch.
    """

    def __init__(self, parameters=None):
        super().__init__()
        self._keys = {}
        if parameters is not None:
            self.update(parameters)

    @property
    def _entries(self):
        return {key: getattr(self, key) for key in self._keys}

    def __getitem__(self, key):
        if not isinstance(key, str):
            raise TypeError(f"Index given to ParameterDict cannot be used as a key as it is not a string (type is '{type(key).__name__}').")
        return getattr(self, key)

    def __setitem__(self, key, value):
        if not isinstance(key, str):
            self[key]  # raises, as for reading
        self._put(key, value)
        self._keys[key] = None

    def __delitem__(self, key):
        del self._keys[key]
        delattr(self, key)

    def __reversed__(self):
        return reversed(self._keys)

    def keys(self):
        return self._keys.keys()

    def update(self, parameters):
        if not isinstance(parameters, Iterable):
            raise TypeError(
                f"ParametersDict.update should be called with an iterable of key/value pairs, but got {type(parameters).__name__}"
            )
        if isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict):
            parameters = sorted(parameters.items())
        for i, pair in enumerate(parameters.items() if hasattr(parameters, "items") else parameters):
            if len(pair) != 2:
                raise ValueError(f"ParameterDict update sequence element #{i} has length {len(pair)}; 2 is required")
            self[pair[0]] = pair[1]

    def pop(self, key):
        value = self[key]
        del self[key]
        return value

    def popitem(self):
        """The last (key, value), taken out. KeyError where there is none."""
        key = next(reversed(self._keys), None)
        if key is None:
            raise KeyError("popitem(): dictionary is empty")
        return key, self.pop(key)

    def clear(self):
        for key in list(self._keys):
            del self[key]

    def setdefault(self, key, default=None):
        """self[key], after setting it to default where there is no such key."""
        if key not in self:
            self[key] = default
        return self[key]

    def copy(self):
        return ParameterDict(OrderedDict(self.items()))

    def fromkeys(self, keys, default=None):
        """A new dictionary with these keys, each with the value default."""
        return ParameterDict((key, default) for key in keys)

    def __or__(self, other):
        new = self.copy()
        new.update(other)
        return new

    def __ror__(self, other):
        new = other.copy()
        new.update(self)
        return new

    def __ior__(self, other):
        self.update(other)
        return self

    def extra_repr(self):
        return self._lines(self.items())
