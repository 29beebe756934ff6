"""The memory behind a tensor: its size and place, and what gives a tensor other memory or another view of it."""

from __future__ import annotations

import math

import numpy as np

from .. import _cpu, dtypes
from ..errors import ShapeError
from ..tensor import Tensor, asarray, empty, shape_from


class UntypedStorage:
    """The bytes that one or several tensors are views of; `data_ptr()` tells whether two tensors share them."""

    def __init__(self, tensor):
        self._tensor = tensor
        self._address, self._bytes = tensor._memory

    def data_ptr(self):
        return self._address

    def nbytes(self):
        return self._bytes

    size = __len__ = nbytes

    @property
    def device(self):
        return self._tensor.device

    def __eq__(self, other):
        return isinstance(other, UntypedStorage) and self._address == other._address

    __hash__ = object.__hash__


class TypedStorage:
    """The memory behind a tensor as a row of numbers of its dtype; writing to it changes every tensor that is a view of it."""

    def __init__(self, row):
        self._row = row

    dtype = property(lambda self: self._row.dtype)
    device = property(lambda self: self._row.device)

    def untyped(self):
        return UntypedStorage(self._row)

    def data_ptr(self):
        return self._row._pointer

    def nbytes(self):
        return self._row._size * self.dtype.itemsize

    def element_size(self):
        return self.dtype.itemsize

    def size(self):
        return self._row._size

    __len__ = size

    def tolist(self):
        return self._row.tolist()

    def __iter__(self):
        return iter(self.tolist())

    def __getitem__(self, index):
        if isinstance(index, slice):
            raise RuntimeError("slices of a storage are not supported; make a tensor of it")
        return self._row[index].item()

    def __setitem__(self, index, value):
        self._row[index] = value

    def fill_(self, value):
        self._row.fill_(value)
        return self

    def clone(self):
        return TypedStorage(self._row.clone())

    def __repr__(self):
        numbers = "".join(f" {v}\n" for v in self)
        return f"{numbers}[fastnn.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size {len(self)}]"


def storage(input):
    """The memory that input is a view of, as numbers of its dtype."""
    return TypedStorage(input.detach().as_strided((input._memory[1] // input.dtype.itemsize,), (1,), 0))


def untyped_storage(input):
    """The bytes that input is a view of."""
    return UntypedStorage(input)


def storage_offset(input):
    """Where input's first element lies in the memory that it shares with others, in elements."""
    return (input._pointer - input._memory[0]) // input.dtype.itemsize


def is_set_to(input, tensor):
    """Whether both are the same view of the same memory."""
    return input._pointer == tensor._pointer and input._shape == tensor._shape and input._strides == tensor._strides


def resize_(input, *sizes, memory_format=None):
    """input with another shape, in place: the elements in order, as many as there is room for; those beyond are uninitialised.

    RuntimeError for a tensor that requires grad.
    """
    if input.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    shape = shape_from(sizes)
    if any(n < 0 for n in shape):
        raise ShapeError(f"resize_: sizes must not be negative, got {list(shape)}")
    flat, n = input.reshape(-1), math.prod(shape)
    if n > flat._size:
        grown = empty(n, dtype=input.dtype, device=input.device)
        _cpu.copy(grown.narrow(0, 0, flat._size), flat)
        flat = grown
    _cpu.set_data(input, flat.narrow(0, 0, n)._reshape(shape))
    return input


def resize_as_(input, the_template, memory_format=None):
    """`resize_` to the shape of the_template."""
    return resize_(input, the_template._shape)


def set_(input, source=None):
    """input becomes another name of source's memory (or empty), in place."""
    _cpu.set_data(input, empty(0, dtype=input.dtype) if source is None else source.detach())
    return input


def empty_strided(size, stride, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """An uninitialised tensor with these strides."""
    extent = 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if all(size) else 0
    y = empty(extent, dtype=dtype, device=device)._view(tuple(size), tuple(stride), 0).detach()
    return y.requires_grad_(requires_grad)


def empty_permuted(size, physical_layout, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """An uninitialised tensor whose axes lie in memory in the order of physical_layout, the outermost first."""
    if sorted(physical_layout) != list(range(len(size))):
        raise ShapeError(f"empty_permuted: physical_layout {list(physical_layout)} is no order of {len(size)} axes")
    y = empty([size[d] for d in physical_layout], dtype=dtype, device=device).permute(*np.argsort(physical_layout).tolist()).detach()
    return y.requires_grad_(requires_grad)


def new_empty_strided(input, size, stride, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """`empty_strided` of input's dtype."""
    return empty_strided(size, stride, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def in_dtype(input, dtype):
    """The bytes of input read as numbers of another dtype, `x.view(dtype)`: no conversion, no derivative.

    The last axis grows or shrinks with the size of an element. RuntimeError where it does not divide.
    """
    dtype = dtypes.as_dtype(dtype)
    if dtype is input.dtype:
        return input
    have, want = input.dtype.itemsize, dtype.itemsize
    if have != want and (not input.ndim or input._strides[-1] != 1 or input._shape[-1] * have % want):
        raise RuntimeError(
            f"self.size(-1) and its stride must be divisible to view {input.dtype.name} as {dtype.name} (different element sizes), "
            f"but got shape {list(input._shape)} with strides {list(input._strides)}"
        )
    return input.detach()._bits(dtype)


__all__ = ("empty_permuted", "empty_strided")
METHODS = "apply_ is_set_to is_shared map_ share_memory_ new_empty_strided resize_ resize_as_ set_ storage storage_offset untyped_storage".split()
def share_memory_(input):
    """input itself: workers are threads of this process."""
    return input


def is_shared(input):
    """True: every thread of this process sees the memory, and workers are threads."""
    return True


def apply_(input, function):
    """Replaces each element by function(element), a Python function of numbers, in place. Slow: ops are there for speed."""
    return _overwritten(input, "apply_", [function(v) for v in input.detach().flatten().tolist()])


def map_(input, tensor, function):
    """Replaces each element by function(element, that of tensor), a Python function of numbers, in place."""
    other = tensor.detach().expand(input._shape).flatten().tolist()
    return _overwritten(input, "map_", [function(v, w) for v, w in zip(input.detach().flatten().tolist(), other, strict=True)])


def _overwritten(input, name, values):
    if input.requires_grad:
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")
    return input.copy_(asarray(values, dtype=input.dtype).reshape(input._shape))




def is_inference(self):
    """False: what inference_mode makes can be used anywhere."""
    return False


Tensor.is_inference = is_inference
