"""Element types, and PyTorch's names for how memory is laid out.

float32, float64, int64, int32, uint8 and bool are computed in. int8, int16, float16 and bfloat16 are stored only: each kernel computes in
int32 or float32 what it is given of them and rounds its results (csrc/bind/stored.h). complex64 and complex128 are pairs.
"""

from __future__ import annotations

import builtins
import types

import numpy as np

from . import _cpu


class dtype:
    """An element type. Compare with ``is`` or ``==``; `numpy` is NumPy's, or (of bfloat16, which it lacks) one that holds its numbers."""

    __slots__ = ("computed", "is_floating_point", "itemsize", "name", "numpy", "scalar_type")

    def __init__(self, name: str, scalar_type: str, numpy: str | None = None, itemsize: int | None = None):
        self.name, self.scalar_type = name, scalar_type  # its names in code, and in PyTorch's messages and classes
        self.numpy = np.dtype(numpy or name)
        self.itemsize = itemsize or self.numpy.itemsize
        self.is_floating_point = self.numpy.kind == "f"
        self.computed = self if self.itemsize > 2 or self.numpy.kind in "ub" else float32 if self.is_floating_point else int32  # what kernels get

    is_complex = property(lambda self: self.numpy.kind == "c")
    is_signed = property(lambda self: self.name not in ("uint8", "bool"))

    def to_real(self):
        """The dtype of the parts of complex numbers of this one; a real dtype itself."""
        return {complex64: float32, complex128: float64}.get(self, self)

    def to_complex(self):
        """The complex dtype whose parts are of this one. RuntimeError where there is none."""
        if self.is_complex:
            return self
        if self not in (float32, float64):
            raise RuntimeError(f"{self} has no complex dtype")
        return complex64 if self is float32 else complex128

    def __repr__(self):
        return f"fastnn.{self.name}"

    def __reduce__(self):
        return self.name


float32, float64, int64, int32 = dtype("float32", "Float"), dtype("float64", "Double"), dtype("int64", "Long"), dtype("int32", "Int")
uint8, bool, int8, int16 = dtype("uint8", "Byte"), dtype("bool", "Bool"), dtype("int8", "Char"), dtype("int16", "Short")
float16, bfloat16 = dtype("float16", "Half"), dtype("bfloat16", "BFloat16", "float32", 2)
complex64, complex128 = dtype("complex64", "ComplexFloat"), dtype("complex128", "ComplexDouble")  # of pairs of tensors (complex_tensor/)
float, double, long, int = float32, float64, int64, int32
short, half, cfloat, cdouble = int16, float16, complex64, complex128
ALL = (float32, float64, int64, int32, uint8, bool, int8, int16, float16, bfloat16)  # the order of core/view.h

C_TYPES = dict(zip(ALL, ("float", "double", "long int", "int", "unsigned char", "bool", "signed char", "short int", "c10::Half", "c10::BFloat16"),
                   strict=True))  # in some of PyTorch's messages  # fmt: skip

_default = float32


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats; float32 unless set."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Sets the dtype of tensors made from Python floats. TypeError unless it is a floating one."""
    global _default
    d = as_dtype(d)
    if not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d}")
    _default = d
    _cpu.set_default_float(d)


_by_key = (
    {d.name: d for d in ALL}
    | {d.numpy: d for d in ALL if d is not bfloat16}
    | {builtins.float: float64, builtins.int: int64, builtins.bool: bool}
)


def as_dtype(d) -> dtype:
    """A fastnn dtype from a dtype, a NumPy dtype, a Python type or a name."""
    if isinstance(d, dtype):
        if d.is_complex:
            raise TypeError(f"{d}: no kernel computes with it; complex tensors are made by functions that take this dtype")
        return d
    found = _by_key.get(d) if isinstance(d, (str, type, np.dtype)) else None
    if found is None:
        try:
            found = _by_key.get(np.dtype(d))
        except TypeError:
            pass
    if found is None:
        raise TypeError(f"unsupported dtype {d!r}; fastnn has {', '.join(x.name for x in ALL)}")
    return found


def is_complex(x):
    """Whether x, or something in a tuple, list or dict of it, is a complex tensor, number, array or dtype."""
    if isinstance(x, (tuple, list)):
        return any(map(is_complex, x))
    if isinstance(x, dict):
        return any(map(is_complex, x.values()))
    if isinstance(x, complex):
        return True
    d = x if isinstance(x, (dtype, np.dtype)) else getattr(x, "dtype", None)  # of a tensor of PyTorch's or JAX's, too
    return d.kind == "c" if isinstance(d, np.dtype) else getattr(d, "is_complex", False) is True


def _named(d):
    """`as_dtype`, but for complex ones too."""
    return d if isinstance(d, dtype) else as_dtype(d)


_BFLOAT16 = types.SimpleNamespace(eps=2.0**-7, max=(2 - 2.0**-7) * 2.0**127, min=-(2 - 2.0**-7) * 2.0**127, tiny=2.0**-126, precision=2)


class finfo:
    """Limits of a floating dtype (the default one if none is given): eps, max, min, tiny (smallest_normal), bits, resolution."""

    def __init__(self, type=None):
        d = _default if type is None else _named(type).to_real()
        if not d.is_floating_point:
            raise TypeError(f"finfo requires a floating point dtype; use iinfo to handle '{d}'")
        info = _BFLOAT16 if d is bfloat16 else np.finfo(d.numpy)
        self.bits, self.dtype = 8 * d.itemsize, d.name
        self.eps, self.max, self.min = builtins.float(info.eps), builtins.float(info.max), builtins.float(info.min)
        self.tiny = self.smallest_normal = builtins.float(info.tiny)
        self.resolution = 10.0**-info.precision

    def __repr__(self):
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.tiny:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype: max, min, bits."""

    def __init__(self, type):
        d = _named(type)
        if d.is_floating_point or d is bool:
            raise TypeError(f"iinfo requires an integer dtype, got '{d}'")
        info = np.iinfo(d.numpy)
        self.bits, self.max, self.min, self.dtype = info.bits, builtins.int(info.max), builtins.int(info.min), d.name

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


class layout:
    """How PyTorch stores a tensor: `strided` is that of every Tensor, the others are those of `sparse.SparseMatrix`."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __repr__(self):
        return f"fastnn.{self.name}"

    def __reduce__(self):
        return self.name


strided, sparse_coo, sparse_csr = map(layout, ("strided", "sparse_coo", "sparse_csr"))


class memory_format:
    """How a tensor lies in memory. channels_last: `to`, `contiguous`, `clone` and `empty` give a view of memory in that order.
    Results of kernels are C-contiguous whatever they read, and convolutions pack what they read: it makes nothing faster here."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __repr__(self):
        return f"fastnn.{self.name}"

    def __reduce__(self):
        return self.name


contiguous_format, preserve_format, channels_last, channels_last_3d = map(
    memory_format, ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")
)
