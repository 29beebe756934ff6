"""device="meta": tensors with a shape and a dtype, and no memory.

    with fastnn.device("meta"):
        model = Model()                                     # nothing is drawn, nothing is filled
    model.load_state_dict(fastnn.load(path), assign=True)   # or model.to_empty(device="cpu")

What is computed with one is one, too, for its shape: all its elements are one number in memory (NaN, 0 in integers). What would be written
into one is not written, and reading its values raises NotImplementedError. Loaded when that device is first named.
"""

from __future__ import annotations

import math
from contextlib import contextmanager

from . import _cpu, dtypes
from .autodiff import no_grad
from .creation import number
from .device import META, TYPES, is_meta, meta_blocks
from .device import device as _Device
from .nn.parameter import Parameter
from .overrides import _OPERATORS, mapped_results, plainly, tensors_in, watch_calls
from .tensor import Tensor

_NO_DATA = "Cannot copy out of meta tensor; no data!"
_READ = frozenset("item tolist numpy cpu cuda __float__ __int__ __bool__ __index__ __complex__ __array__ equal allclose nonzero".split())
_OF_MEMORY = frozenset("from_numpy frombuffer from_dlpack as_tensor asarray".split())
_WITHOUT_MEMORY = frozenset("empty full ones zeros".split())  # they ask for the device themselves, before there is any memory (creation.py)
_SETITEM = Tensor.__setitem__
_CHANGES = frozenset("requires_grad_ detach_ squeeze_ unsqueeze_ t_ transpose_ swapaxes_ swapdims_".split())  # themselves, not their values


class MetaTensor(Tensor):
    """A tensor without memory: see fastnn.meta."""

    takes_part = True
    is_meta, is_cpu = True, False
    device = property(lambda self: META)

    @property
    def data(self):
        return made(self._shape, self.dtype)

    @data.setter
    def data(self, value):
        with plainly():
            _cpu.set_data(self, value)
        if not value.is_meta:
            self.__class__ = Parameter if isinstance(self, Parameter) else Tensor

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, func.__name__
        where = kwargs.get("device")
        if name == "to" and where is None:
            where = next((a for a in args[1:] if isinstance(a, _Device) or (isinstance(a, str) and a.partition(":")[0] in TYPES)), None)
        elsewhere = where is not None and not is_meta(where)
        if name in _READ or (elsewhere and name == "to"):
            raise NotImplementedError(
                f"{_NO_DATA} Please use Module.to_empty() instead of Module.to() when moving module from meta to a different device." if elsewhere else _NO_DATA
            )
        if func is _SETITEM or (name.endswith("_") and not name.startswith("_") and name not in _CHANGES):
            if not isinstance(args[0], MetaTensor):
                raise NotImplementedError(_NO_DATA)
            return None if func is _SETITEM else args[0]
        if any(t.ndim and not isinstance(t, MetaTensor) for t in tensors_in((*args, *kwargs.values()))):
            raise RuntimeError(f"{name}: Expected all tensors to be on the same device, but found at least two devices, meta and cpu!")
        with _suspended(), plainly(), no_grad():
            y = func(*args, **({**kwargs, "device": None} if where is not None and not elsewhere else kwargs))
        return args[0] if name in _CHANGES else y if elsewhere else _without_memory(y)

    def stride(self, dim=None):
        strides = [1]
        for n in self._shape[:0:-1]:
            strides.append(strides[-1] * max(n, 1))
        strides = tuple(strides[: self.ndim][::-1])
        return strides if dim is None else strides[dim]

    def is_contiguous(self, memory_format=dtypes.contiguous_format):
        return memory_format is dtypes.contiguous_format

    def __repr__(self):
        dtype = "" if self.dtype is dtypes.get_default_dtype() else f", dtype={self.dtype}"
        return f"{self._kind}(..., device='meta', size={tuple(self._shape)}{dtype}{', requires_grad=True' if self.requires_grad else ''})"

    _kind = "tensor"


for _name in _OPERATORS:
    setattr(MetaTensor, f"__i{_name}__", lambda self, other: self)


class MetaParameter(MetaTensor, Parameter):
    """A Parameter without memory; it becomes a Parameter when it is given some."""

    _kind = "Parameter containing:\nParameter"

    def __deepcopy__(self, memo):
        memo[id(self)] = copied = MetaParameter(self.data, self.requires_grad)
        return copied


def made(shape, dtype):
    """A tensor of this shape without memory."""
    with _suspended(), plainly():
        return MetaTensor(number(math.nan if dtype.is_floating_point else 0, dtype)._expand(tuple(shape)))


def become(x):
    """x, a tensor that has just been given a meta tensor's data, as one."""
    x.__class__ = MetaParameter if isinstance(x, Parameter) else MetaTensor


def _without_memory(y):
    return mapped_results(y, lambda t: t if isinstance(t, MetaTensor) else made(t._shape, t.dtype))


@contextmanager
def _suspended():
    before, meta_blocks.count = meta_blocks.count, 0
    try:
        yield
    finally:
        meta_blocks.count = before


def answer(func, args, kwargs):
    """func's result without memory, where device="meta" is given, or a block `with device("meta")` is open and func makes tensors of none;
    NotImplemented for other calls."""
    where = kwargs.get("device")
    named = where is not None and is_meta(where)
    if (not named and not meta_blocks.count) or func.__name__ in _WITHOUT_MEMORY:
        return NotImplemented
    makes = named or (where is None and func.__name__ not in _OF_MEMORY and next(tensors_in((*args, *kwargs.values())), None) is None)
    with _suspended():
        y = func(*args, **({k: v for k, v in kwargs.items() if k != "device"} if named else kwargs))
    return _without_memory(y) if makes else y


watch_calls(answer)
