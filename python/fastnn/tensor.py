"""`Tensor`: the C++ array with Python's manners. Its arithmetic is attached by the modules in `ops`, family by family."""

from __future__ import annotations

import numpy as np

from . import _cpu, dtypes
from .autodiff import backward, is_grad_enabled, use_hooks
from .creation import (
    _fill,
    _made,
    as_tensor,
    asarray,
    empty,
    empty_like,
    from_dlpack,
    from_numpy,
    frombuffer,
    full,
    full_like,
    ones,
    ones_like,
    shape_from,
    tensor,
    zeros,
    zeros_like,
)
from .device import CPU, device
from .dtypes import as_dtype
from .errors import DTypeError, ShapeError


class Size(tuple):
    """A tensor's shape: a tuple of ints."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements."""
        n = 1
        for s in self:
            n *= s
        return n

    def __repr__(self):
        return f"fastnn.Size({list(self)})"


class Tensor(_cpu.Array):
    """An n-dimensional array of one dtype that remembers how it was computed, so that `backward` can differentiate it.

    Make one with `fastnn.tensor`, `from_numpy`, `zeros`, `randn`, ... ``Tensor(data)`` gives float32, ``Tensor(2, 3)`` an
    uninitialised tensor of that shape, as in PyTorch.
    """

    __array_priority__ = 1000
    __array_ufunc__ = None  # NumPy leaves `ndarray + Tensor` to Tensor
    __hash__ = object.__hash__
    is_cuda = False
    is_sparse = False
    layout = "strided"

    def __new__(cls, *data):
        if len(data) == 1 and isinstance(data[0], _cpu.Array):
            return super().__new__(cls, data[0])
        if all(isinstance(d, int) for d in data):
            t = empty(data or (0,), dtype=dtypes.get_default_dtype())
        elif len(data) == 1 and isinstance(data[0], Size):
            t = empty(data[0])
        else:
            t = tensor(*data, dtype=dtypes.get_default_dtype())
        return super().__new__(cls, t)

    # -- what it is -----------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        return Size(self._shape)

    def size(self, dim=None):
        """The shape, or the length of one axis; IndexError for an axis that does not exist."""
        return Size(self._shape) if dim is None else self._shape[normalize_dim(dim, self.ndim)]

    def dim(self) -> int:
        return self.ndim

    ndimension = dim

    def numel(self) -> int:
        return self._size

    nelement = numel

    def stride(self, dim=None):
        """Strides in elements."""
        return self._strides if dim is None else self._strides[normalize_dim(dim, self.ndim)]

    def element_size(self) -> int:
        return self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._size * self.dtype.itemsize

    @property
    def device(self) -> device:
        return CPU

    def get_device(self) -> int:
        return -1

    def data_ptr(self) -> int:
        return self._pointer

    def is_contiguous(self) -> bool:
        return self._packed

    def is_floating_point(self) -> bool:
        return self._floating

    def is_complex(self) -> bool:
        return False

    # -- differentiation --------------------------------------------------------------------------------------------------

    @property
    def grad(self):
        """The gradient that `backward` has added up, or None."""
        return self._grad

    @grad.setter
    def grad(self, g):
        if g is not None:
            if not isinstance(g, _cpu.Array):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(g).__name__}")
            if g._shape != self._shape:
                raise ShapeError(f"assigned grad has data of a different size: {list(g._shape)} instead of {list(self._shape)}")
            if g.dtype is not self.dtype:
                raise DTypeError(f"assigned grad has data of a different type: {g.dtype} instead of {self.dtype}")
        self._grad = g

    @property
    def grad_fn(self):
        """The op that made this tensor, or None."""
        return None if self._node is None else self._node[0]

    @property
    def data(self):
        """The same memory without history."""
        return self.detach()

    @data.setter
    def data(self, value):
        if not isinstance(value, _cpu.Array):
            raise TypeError(f"data: expected a Tensor, got {type(value).__name__}")
        if self.requires_grad and not value.dtype.is_floating_point:
            raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
        _cpu.set_data(self, value)

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
        """Adds to `.grad` of every leaf the gradient of this tensor; see `autodiff.backward`."""
        backward((self,), None if gradient is None else (gradient,), retain_graph, create_graph, inputs)

    def requires_grad_(self, requires_grad=True):
        self.requires_grad = requires_grad
        return self

    def detach_(self):
        self._node = None
        self.requires_grad = False
        return self

    def retain_grad(self):
        """Keeps `.grad` of this tensor too, though it is not a leaf."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._node is not None:
            use_hooks()
            self._retains_grad = True

    def register_hook(self, hook):
        """Calls hook(gradient) when this tensor's gradient is known; what it returns (if not None) replaces the gradient."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        use_hooks()
        hooks = self.__dict__.setdefault("_hooks", {})
        handle = _Handle(hooks)
        hooks[id(handle)] = hook
        return handle

    # -- values out -------------------------------------------------------------------------------------------------------

    def item(self):
        """The value of a one-element tensor as a Python number; RuntimeError otherwise."""
        return _cpu.item(self)

    def tolist(self):
        return _cpu.numpy(self, False).tolist()

    def numpy(self, *, force=False):
        """An ndarray on the same memory. RuntimeError for a tensor that requires grad (detach it first, or force=True)."""
        if self.requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return _cpu.numpy(self, True)

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        a = _cpu.numpy(self, True) if copy is not True else _cpu.numpy(self, False).copy()
        if dtype is not None and a.dtype != dtype:
            if copy is False:
                raise ValueError(f"a copy is needed to convert {self.dtype.name} to {np.dtype(dtype)}")
            a = a.astype(dtype)
        return a

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        if stream is not None:
            raise BufferError("__dlpack__: stream must be None for memory of the CPU")
        if dl_device is not None and tuple(dl_device) != (1, 0):
            raise BufferError("__dlpack__: this tensor is on the CPU")
        return _cpu.to_dlpack(self.clone() if copy else self, max_version is not None and max_version[0] >= 1)

    def __dlpack_device__(self):
        return (1, 0)

    def __bool__(self):
        if self._size != 1:
            raise RuntimeError(
                "Boolean value of Tensor with no values is ambiguous"
                if self._size == 0
                else "Boolean value of Tensor with more than one value is ambiguous"
            )
        return bool(_cpu.item(self))

    def __float__(self):
        return float(_cpu.item(self))

    def __int__(self):
        return int(_cpu.item(self))

    def __index__(self):
        if self._size != 1 or self._floating or self.ndim:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(_cpu.item(self))

    def __len__(self):
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self._shape[0]

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter([self[i] for i in range(self._shape[0])])

    def __contains__(self, value):
        return bool((self == value).any())

    def __format__(self, spec):
        return format(self.item(), spec) if self.ndim == 0 and spec else str(self)

    def __deepcopy__(self, memo):
        if self._node is not None:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol")
        t = type(self)(self.detach().clone())
        t.requires_grad = self.requires_grad
        if self._grad is not None:
            t._grad = self._grad.clone()
        memo[id(self)] = t
        return t

    def __reduce__(self):
        return (_rebuild, (np.array(_cpu.numpy(self, False)), self.requires_grad, type(self)))

    def __repr__(self):
        body = np.array2string(
            _cpu.numpy(self, False), separator=", ", precision=4, threshold=1000, edgeitems=3, max_line_width=80, prefix="tensor("
        )
        if self._size == 0:
            body = "[]"
        extra = ""
        if self._size == 0 and self._shape != (0,):
            extra += f", size={self._shape}"
        if self.dtype not in (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool):
            extra += f", dtype={self.dtype}"
        if self._node is not None:
            extra += f", grad_fn=<{self._node[0].name}>"
        elif self.requires_grad:
            extra += ", requires_grad=True"
        return f"tensor({body}{extra})"

    # -- conversions ------------------------------------------------------------------------------------------------------

    def cpu(self):
        return self

    def cuda(self, *args, **kwargs):
        device("cuda")

    def float(self):
        return self.to(dtypes.float32)

    def double(self):
        return self.to(dtypes.float64)

    def long(self):
        return self.to(dtypes.int64)

    def int(self):
        return self.to(dtypes.int32)

    def bool(self):
        return self.to(dtypes.bool)

    def byte(self):
        return self.to(dtypes.uint8)

    def type(self, dtype=None):
        return f"fastnn.{self.dtype.name}" if dtype is None else self.to(dtype)

    def type_as(self, other):
        return self.to(other.dtype)

    def new_tensor(self, data, *, dtype=None, requires_grad=False):
        return tensor(data, dtype=dtype or self.dtype, requires_grad=requires_grad)

    def new_empty(self, *size, dtype=None, requires_grad=False):
        return empty(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)

    def new_zeros(self, *size, dtype=None, requires_grad=False):
        return zeros(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)

    def new_ones(self, *size, dtype=None, requires_grad=False):
        return ones(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)

    def new_full(self, size, fill_value, *, dtype=None, requires_grad=False):
        return full(size, fill_value, dtype=dtype or self.dtype, requires_grad=requires_grad)


class _Handle:
    def __init__(self, hooks):
        self.hooks = hooks

    def remove(self):
        self.hooks.pop(id(self), None)


def _rebuild(array, requires_grad, cls):
    t = cls(tensor(array))
    t.requires_grad = requires_grad
    return t


def normalize_dim(dim, ndim):
    """dim as 0..ndim-1; IndexError as PyTorch words it. A 0-d tensor accepts 0 and -1."""
    n = ndim or 1
    if not isinstance(dim, int):
        try:
            dim = dim.__index__()
        except (AttributeError, TypeError):
            raise TypeError(f"dim must be int, not {type(dim).__name__}") from None
    if not -n <= dim < n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim + n if dim < 0 else dim


def is_tensor(x) -> bool:
    return isinstance(x, Tensor)


def numel(x) -> int:
    return x._size


def is_floating_point(x) -> bool:
    return x._floating


def result_type(a, b):
    """The dtype of an arithmetic result of a and b (tensors or numbers)."""
    return _cpu.promote(a, b)


_cpu.register(
    Tensor, dtypes.ALL, (ShapeError, DTypeError, ValueError, IndexError, TypeError, RuntimeError)
)  # the last tuple in the order of ErrorKind

__all__ = (
    "Size Tensor as_tensor asarray empty empty_like from_dlpack from_numpy frombuffer full full_like is_floating_point "
    "is_grad_enabled is_tensor numel ones ones_like result_type tensor zeros zeros_like"
).split()
