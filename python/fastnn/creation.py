"""Making tensors: from numbers, from other libraries' memory, filled with one value. All are `fastnn.NAME` by way of tensor.py."""

from __future__ import annotations

import functools
import numbers

import numpy as np

from . import _cpu, dtypes
from .device import is_cuda, is_meta, meta_blocks
from .dtypes import as_dtype
from .errors import DTypeError, ShapeError


def shape_from(sizes, size=None):
    """(2, 3) from f(2, 3), f((2, 3)), f([2, 3]), f(x.shape) or f(size=(2, 3))."""
    if size is not None:
        if sizes:
            raise TypeError("the shape is given twice: by position and as size=")
        sizes = (size,)
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    return tuple(sizes)


_NUMPY = {d.numpy for d in dtypes.ALL}
_WIDEN = {"H": "i4", "I": "i8", "L": "i8", "Q": "i8", "q": "i8", "l": "i8", "i": "i4"}


def _supported(a):
    """The ndarray in a dtype that fastnn has, native byte order; TypeError where there is none."""
    if a.dtype not in _NUMPY or not a.dtype.isnative:
        native = a.dtype.newbyteorder("=")
        if native not in _NUMPY:
            if native.char not in _WIDEN:
                raise TypeError(f"can't convert np.ndarray of type {a.dtype}. The supported types are: " + ", ".join(d.name for d in dtypes.ALL))
            native = np.dtype(_WIDEN[native.char])
        a = a.astype(native)
    return a


def _share(a):
    t = _cpu.from_numpy(a)
    if t is None:
        t = _cpu.from_numpy(np.array(a, order="C"))
        if t is None:
            raise ShapeError(f"arrays have at most 8 dimensions, got {a.ndim}")
    return t


def from_numpy(array):
    """A tensor on the ndarray's memory (a copy where its layout, byte order or dtype cannot be shared)."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    return _share(_supported(array))


def from_dlpack(ext_tensor):
    """A tensor on the memory of any object with `__dlpack__` (PyTorch, JAX, NumPy, CuPy, ...), or of a capsule.

    Memory of a GPU too: its owner is told to make our stream wait for what it still computes. RuntimeError without that GPU.
    """
    if hasattr(ext_tensor, "__dlpack__"):
        options = {}
        if hasattr(ext_tensor, "__dlpack_device__") and ext_tensor.__dlpack_device__()[0] == 2:
            from .cuda import require

            require()
            options["stream"] = _cpu.stream_handle(_cpu.stream_current())
        try:
            ext_tensor = ext_tensor.__dlpack__(max_version=(1, 0), **options)
        except TypeError:
            ext_tensor = ext_tensor.__dlpack__(**options)
    return _cpu.from_dlpack(ext_tensor)


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A 1-d tensor on the memory of an object with the buffer protocol."""
    dtype = as_dtype(dtype)
    bits = np.dtype("i2") if dtype is dtypes.bfloat16 else dtype.numpy
    return _share(np.frombuffer(buffer, dtype=bits, count=count, offset=offset))._bits(dtype).requires_grad_(requires_grad)


def _to_array(data):
    """The ndarray of nested sequences, numbers, tensors; Python floats become the default dtype."""
    if isinstance(data, np.ndarray) or isinstance(data, np.generic):
        return _supported(np.asarray(data))
    if hasattr(data, "__dlpack__"):  # PyTorch's, JAX's: their __array__ warns or does not exist
        return _supported(np.from_dlpack(data.detach() if hasattr(data, "detach") else data))
    if isinstance(data, (list, tuple)) and any(isinstance(d, _cpu.Array) for d in data):
        a = np.array([np.array(values(d)) if isinstance(d, _cpu.Array) else d for d in data])
        return _supported(a.astype(_widest(data)) if a.dtype == np.float64 else a)
    try:
        a = np.array(data)
    except ValueError as e:
        raise ValueError(f"tensor: {e}") from None
    if a.dtype.kind in "uO" and not _has_dtype(data) and a.size and all(type(n) is int for n in a.ravel().tolist()):
        raise ValueError("tensor: Overflow when unpacking long long")
    if a.dtype == object:
        strange = next((v for v in a.ravel().tolist() if not isinstance(v, (int, float))), data)
        raise DTypeError(f"Could not infer dtype of {type(strange).__name__}")
    if a.dtype.kind in "US":
        raise TypeError(f"new(): invalid data type '{a.dtype}'")
    if a.dtype == np.float64:
        a = a.astype(_widest(data) if _has_dtype(data) else dtypes.get_default_dtype().numpy)
    return _supported(a)


def values(t):
    """A tensor's numbers as an ndarray to read, bfloat16 as float32."""
    if not isinstance(t, _cpu.Array):  # complex
        return t.detach().numpy()
    return _cpu.numpy(t.detach().to(dtypes.float32) if t.dtype is dtypes.bfloat16 else t, False)


_WITH_DTYPE = (np.ndarray, np.generic, _cpu.Array)


def _has_dtype(data):
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, _WITH_DTYPE)


def _widest(data):
    """The NumPy dtype that holds all numbers in nested sequences: Python's floats count as the default dtype."""
    if isinstance(data, (list, tuple)):
        return functools.reduce(np.promote_types, map(_widest, data))
    if isinstance(data, (np.ndarray, np.generic)):
        return data.dtype if data.dtype.kind == "f" else np.dtype(bool)
    if isinstance(data, _cpu.Array):
        return data.dtype.numpy if data._floating else np.dtype(bool)
    return dtypes.get_default_dtype().numpy


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor from numbers, nested sequences, ndarrays or tensors; always a copy.

    Python floats give the default dtype (float32), ints int64, bools bool; ndarrays keep theirs.
    """
    if isinstance(data, _cpu.Array):
        t = data.detach().to(dtype or data.dtype, copy=True)
        device = data.device if device is None else device
    else:
        if dtype is None and type(data) is float:  # np.float64 is a float too, and keeps its dtype
            t = full((), data)
        else:
            a = _to_array(data) if dtype is None or not isinstance(data, (list, tuple, int, float)) else _typed(data, as_dtype(dtype))
            t = _share(np.ascontiguousarray(a).reshape(a.shape)).clone()
            if dtype is None and t._floating and (dtypes._default is dtypes.bfloat16 or _has_dtype(data)) and _bfloat16(data):
                dtype = dtypes.bfloat16
            if dtype is not None:
                t = t.to(as_dtype(dtype))
    return _made(t, device, requires_grad, pin_memory)


def _bfloat16(data):
    """Whether floats in nested sequences, which NumPy has gathered in float32, are bfloat16: as the tensors among them, or by default."""
    if isinstance(data, (list, tuple)) and data:
        return all(map(_bfloat16, data))
    return (data.dtype if isinstance(data, _cpu.Array) else dtypes.float32 if _has_dtype(data) else dtypes._default) is dtypes.bfloat16


def _typed(data, dtype):
    """Large integers keep their value and floats their precision on the way to an explicit dtype; RuntimeError for those it cannot hold."""
    if isinstance(data, (list, tuple)) and any(isinstance(d, _cpu.Array) for d in data):
        return _to_array(data)
    a = np.array(data)
    if a.size and a.dtype.kind in "iuf":
        _check_fits(a.min(), a.max(), dtype)
    return a if a.dtype in _NUMPY else _to_array(data)


def _check_fits(least, most, dtype):
    if dtype.numpy.kind not in "iu" or dtype.itemsize == 8:
        return
    limit = np.iinfo(dtype.numpy).max
    if not (-limit - dtype.is_signed <= least and most <= limit):  # PyTorch takes -1 as 255
        raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")


def as_tensor(data, dtype=None, device=None):
    """data as a tensor, sharing memory where possible."""
    if isinstance(data, _cpu.Array):
        return data.to(dtype or data.dtype, device=device)
    t = from_numpy(data) if isinstance(data, np.ndarray) else tensor(data, dtype=dtype)
    return _on(t if dtype is None else t.to(as_dtype(dtype)), device)


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """obj as a tensor without history. copy: True always copies, False never does (ValueError where obj has other memory)."""
    t = as_tensor(obj, dtype, device).detach()
    if copy is False and not hasattr(obj, "__dlpack__"):
        raise ValueError("asarray: obj's numbers have no memory that a tensor could share")
    return (t.clone() if copy else t).requires_grad_(requires_grad)


def _on(t, where):
    """t, in the memory of that device."""
    if is_meta(where):
        from .meta import made

        return made(t._shape, t.dtype)
    return _cpu.to_place(t, True) if is_cuda(where) and not t.is_cuda else t


def _without_memory(shape, dtype, requires_grad):
    from .meta import made

    return made(shape, dtype).requires_grad_(requires_grad)


def _made(t, device, requires_grad, pin_memory=False):
    if device is not None or meta_blocks.count:
        t = _on(t, device)
    if pin_memory:
        t = t.pin_memory()
    if requires_grad:
        t.requires_grad = True
    return t


def empty(*sizes, size=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None):
    """An uninitialised tensor of this shape. MemoryError where it does not fit, RuntimeError for a negative size."""
    d = dtypes._default if dtype is None else dtype if type(dtype) is dtypes.dtype else as_dtype(dtype)
    if (device is not None or meta_blocks.count) and is_meta(device):
        return _without_memory(shape_from(sizes, size), d, requires_grad)
    x = _cpu.empty(shape_from(sizes, size), d)
    return _made(x if memory_format is None else x.contiguous(memory_format=memory_format), device, requires_grad, pin_memory)


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A tensor of this shape filled with one value."""
    if dtype is None:
        if isinstance(fill_value, _cpu.Array):
            dtype = fill_value.dtype
        elif isinstance(fill_value, (bool, np.bool_)):
            dtype = dtypes.bool
        elif isinstance(fill_value, (int, np.integer)):
            dtype = dtypes.int64
        else:
            dtype = dtypes.get_default_dtype()
    if not isinstance(fill_value, (numbers.Real, _cpu.Array, np.generic)) or isinstance(fill_value, np.complexfloating):
        raise TypeError(f"full: fill_value must be a number, not {type(fill_value).__name__}")
    if (device is not None or meta_blocks.count) and is_meta(device):
        return _without_memory(shape_from((size,)), as_dtype(dtype), requires_grad)
    t = _cpu.empty(shape_from((size,)), as_dtype(dtype))
    _fill(t, fill_value)
    return _made(t, device, requires_grad, pin_memory)


def _fill(t, value):
    """Sets every element, unrecorded. RuntimeError for a number that an integer dtype does not hold."""
    if isinstance(value, _cpu.Array):
        _cpu.copy(t, value.detach()._expand(t._shape))
    else:
        _cpu.fill(t, float(value) if t._floating else value)


def zeros(*sizes, size=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A tensor of zeros."""
    return full(shape_from(sizes, size), 0, dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad, pin_memory=pin_memory)


def ones(*sizes, size=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A tensor of ones."""
    return full(shape_from(sizes, size), 1, dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad, pin_memory=pin_memory)


def _alike(x, device):
    """x, if what is made like it belongs on its device too."""
    return (x,) if device is None and x.is_cuda else ()


def empty_like(input, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None):
    """A tensor of x's shape (and dtype, unless given) whose elements are not set."""
    y = _cpu.empty(input._shape, input.dtype if dtype is None else as_dtype(dtype), *_alike(input, device))
    return _made(y, device, requires_grad, pin_memory)


def full_like(input, fill_value, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None):
    """fill_value in x's shape (and dtype, unless given)."""
    return full(input._shape, fill_value, dtype=dtype or input.dtype, device=input.device if device is None and input.is_cuda else device, requires_grad=requires_grad, pin_memory=pin_memory)


def zeros_like(input, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None):
    """Zeros in x's shape (and dtype, unless given)."""
    return full(input._shape, 0, dtype=dtype or input.dtype, device=input.device if device is None and input.is_cuda else device, requires_grad=requires_grad, pin_memory=pin_memory)


def ones_like(input, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None):
    """Ones in x's shape (and dtype, unless given)."""
    return full(input._shape, 1, dtype=dtype or input.dtype, device=input.device if device is None and input.is_cuda else device, requires_grad=requires_grad, pin_memory=pin_memory)


@functools.cache
def zero(dtype):
    """0 as a 0-d tensor: one for all who need it, nobody may write to it."""
    return number(0, dtype)


def number(value, dtype):
    """A Python number as a 0-d tensor of dtype. RuntimeError for one that an integer dtype does not hold."""
    t = empty((), dtype=dtype)
    _fill(t, value)
    return t
