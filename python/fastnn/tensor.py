"""`Tensor`: the C++ array with Python's manners. Its arithmetic is attached by the modules in `ops`, family by family."""

from __future__ import annotations

import copy
import itertools

import numpy as np

from . import _cpu, dtypes, printing
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
    values,
    zeros,
    zeros_like,
)
from .device import CPU, CUDA, device
from .dtypes import as_dtype, finfo, iinfo
from .errors import BoundsError, DTypeError, OutOfMemoryError, ShapeError
from .printing import set_printoptions
from .promotion import can_cast, promote_types, result_type
from .row_sparse import RowSparse
from .size import Size


class TensorType(type(_cpu.Array)):
    """What `isinstance(x, Tensor)` asks. A complex tensor is one to a program, though it is no `Array`, whose memory kernels read: code
    that needs that asks for `Array`."""

    stands_for = {}  # {class of complex tensors, or of sparse ones: the class that it is to isinstance}

    def __instancecheck__(cls, x):
        kind = type(x)
        return issubclass(TensorType.stands_for.get(kind, kind), cls)


class Tensor(_cpu.Array, metaclass=TensorType):
    """An n-dimensional array of one dtype that remembers how it was computed, so that `backward` can differentiate it.

    Make one with `fastnn.tensor`, `from_numpy`, `zeros`, `randn`, ... ``Tensor(data)`` gives float32, ``Tensor(2, 3)`` an
    uninitialised tensor of that shape, as in PyTorch.
    """

    __module__ = "fastnn"
    __array_priority__ = 1000
    __hash__ = object.__hash__
    is_quantized = is_meta = is_mps = is_xpu = is_nested = False
    names = property(lambda self: (None,) * self.ndim)
    output_nr = 0
    is_sparse = False
    layout = dtypes.strided

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
        """The number of elements."""
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
        return CUDA if self.is_cuda else CPU

    @property
    def is_cpu(self) -> bool:
        return not self.is_cuda

    def get_device(self) -> int:
        return 0 if self.is_cuda else -1

    def pin_memory(self, device=None):
        """The tensor in page-locked memory, from and to which copies need not be waited for (non_blocking=True): itself if it lies there.

        RuntimeError without a GPU, and for a tensor there.
        """
        if _cpu.is_pinned(self):
            return self
        if not self.is_cuda:
            from .cuda import require

            require()
        return _cpu.pinned(self)

    def is_pinned(self, device=None) -> bool:
        """Whether it lies in page-locked memory."""
        return _cpu.is_pinned(self)

    def record_stream(self, stream) -> None:
        """Its memory is used by work of that stream (a `cuda.Stream`) which fastnn does not see: it stays as it is until that is done.

        What fastnn runs on several streams is noted by itself.
        """
        from .cuda.streams import number

        _cpu.stream_note(self, number(stream, "record_stream"))

    def data_ptr(self) -> int:
        return self._pointer

    def is_contiguous(self, memory_format=dtypes.contiguous_format) -> bool:
        """Whether the elements lie in memory in order; with channels_last: in the order of an image's axes 0, 2, 3, 1."""
        if memory_format not in (dtypes.channels_last, dtypes.channels_last_3d):
            return self._packed
        return self.ndim == (4 if memory_format is dtypes.channels_last else 5) and self.movedim(1, -1)._packed

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self._floating

    def is_complex(self) -> bool:
        """Whether the dtype is complex64 or complex128."""
        return False

    def is_signed(self) -> bool:
        return self.dtype.is_signed

    def is_nonzero(self) -> bool:
        """Is the only element not zero? RuntimeError unless there is exactly one."""
        return bool(self)

    def is_same_size(self, other) -> bool:
        return self._shape == other._shape

    # -- differentiation --------------------------------------------------------------------------------------------------

    @property
    def grad(self):
        """The gradient that `backward` has added up, or None."""
        return self._grad

    @grad.setter
    def grad(self, g):
        if g is not None:
            if not isinstance(g, (_cpu.Array, RowSparse)):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(g).__name__}")
            if g._shape != self._shape:
                raise ShapeError(f"assigned grad has data of a different size: {list(g._shape)} instead of {list(self._shape)}")
            if g.dtype is not self.dtype:
                raise DTypeError(f"assigned grad has data of a different type: {g.dtype} instead of {self.dtype}")
        self._grad = g

    @property
    def grad_fn(self):
        """The node of the op that made this tensor (graph_nodes.Node), or None."""
        if self._node is None:
            return None
        from .graph_nodes import node

        return node(self)

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
        if value.is_meta:
            from .meta import become

            become(self)

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
        """Adds to `.grad` of every leaf the gradient of this tensor; see `autodiff.backward`."""
        backward((self,), None if gradient is None else (gradient,), retain_graph, create_graph, inputs)

    def requires_grad_(self, requires_grad=True):
        self.requires_grad = requires_grad
        return self

    def detach_(self):
        """Forgets how this tensor was computed: it becomes a leaf that needs no gradient."""
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

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was asked of this tensor, which is no leaf."""
        return self.__dict__.get("_retains_grad", False)

    def register_hook(self, hook):
        """Calls hook(gradient) when this tensor's gradient is known; what it returns (if not None) replaces the gradient."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return self._hook("_hooks", hook)

    def register_post_accumulate_grad_hook(self, hook):
        """Calls hook(tensor) after `backward` has added to the `.grad` of this leaf."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self._node is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return self._hook("_post_hooks", hook)

    def _hook(self, kind, hook):
        use_hooks()
        return Handle(self.__dict__.setdefault(kind, {}), hook)

    # -- values out -------------------------------------------------------------------------------------------------------

    def item(self):
        """The value of a one-element tensor as a Python number; RuntimeError otherwise."""
        return _cpu.item(self)

    def tolist(self):
        return values(self.cpu()).tolist()

    def numpy(self, *, force=False):
        """An ndarray on the same memory. RuntimeError for a tensor that requires grad (detach it first, or force=True)."""
        if self.requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return _cpu.numpy(self.detach().cpu() if force else self, True)

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
        if stream is not None and not self.is_cuda:
            raise BufferError("__dlpack__: stream must be None for memory of the CPU")
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError(f"__dlpack__: this tensor is on {self.device}; .to() moves it")
        if self.is_cuda and stream == 0:
            raise BufferError("__dlpack__: stream 0 could be the legacy stream, 1, or the thread's, 2: pass that")
        if self.is_cuda and stream != -1:  # -1: the consumer sees to it
            _cpu.stream_lead(1 if stream is None else stream)
        return _cpu.to_dlpack(self.clone() if copy else self, max_version is not None and max_version[0] >= 1)

    def __dlpack_device__(self):
        return (2, 0) if self.is_cuda else (1, 0)

    def __bool__(self):
        if self._size != 1:
            raise RuntimeError(
                "Boolean value of Tensor with no values is ambiguous"
                if self._size == 0
                else "Boolean value of Tensor with more than one value is ambiguous"
            )
        if self._levels is not None:
            raise RuntimeError(
                "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. Every example would "
                "go its own way: use where() instead."
            )
        return bool(_cpu.item(self))

    def _number(self):
        if self._size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return _cpu.item(self)

    def __float__(self):
        return float(self._number())

    def __int__(self):
        return int(self._number())

    def __complex__(self):
        return complex(self._number())

    def __index__(self):
        if self._size != 1 or self._floating:
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

    def __reversed__(self):
        return self.flip(0) if self.ndim else self

    def __contains__(self, value):
        if not isinstance(value, (_cpu.Array, int, float, complex)):
            raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(value)}.")
        return bool((self == value).any())

    def __format__(self, spec):
        """f"{x}" and f"{x:.3f}" of a 0-d tensor show its number, as in PyTorch."""
        return format(self.item(), spec) if self.ndim == 0 and type(self) is Tensor else object.__format__(self, spec)

    def __deepcopy__(self, memo):
        if self._node is not None:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol")
        t = self._alike(self.detach().clone())
        if self._grad is not None:
            t._grad = self._grad.clone()
        memo[id(self)] = t
        for name, value in self._named_by_users():
            setattr(t, name, copy.deepcopy(value, memo))
        return t

    def __copy__(self):
        """A leaf on the same memory, with what users have put on this tensor."""
        t = self._alike(self.detach())
        for name, value in self._named_by_users():
            setattr(t, name, value)
        return t

    def _alike(self, values):
        t = type(self)(values)
        t.requires_grad = self.requires_grad
        return t

    def _named_by_users(self):
        return [(name, value) for name, value in self.__dict__.items() if not name.startswith("_")]

    def __reduce__(self):
        bits = self.detach().cpu()
        bits = bits._bits(dtypes.int16) if self.dtype is dtypes.bfloat16 else bits
        return (_rebuild, (np.array(_cpu.numpy(bits, False)), self.requires_grad, type(self), self.dtype))

    def __repr__(self):
        if self._levels is not None:
            return f"BatchedTensor(shape={list(self._shape)} of each example, dtype={self.dtype}, vmaps={len(self._levels)})"
        return printing.text(self)

    # -- conversions ------------------------------------------------------------------------------------------------------

    def cpu(self, memory_format=None):
        """The tensor in the CPU's memory: itself, or a copy; gradients flow through."""
        return self.to(device="cpu") if self.is_cuda else self

    def cuda(self, device=None, non_blocking=False, memory_format=None):
        """The tensor in the GPU's memory: itself, or a copy; gradients flow through. RuntimeError where there is none."""
        return self.to(device="cuda" if device is None else device, non_blocking=non_blocking)

    def float(self, memory_format=dtypes.preserve_format):
        return self.to(dtypes.float32, memory_format=memory_format)

    def double(self, memory_format=dtypes.preserve_format):
        return self.to(dtypes.float64, memory_format=memory_format)

    def long(self, memory_format=dtypes.preserve_format):
        return self.to(dtypes.int64, memory_format=memory_format)

    def int(self, memory_format=dtypes.preserve_format):
        return self.to(dtypes.int32, memory_format=memory_format)

    def bool(self, memory_format=dtypes.preserve_format):
        return self.to(dtypes.bool, memory_format=memory_format)

    def byte(self, memory_format=dtypes.preserve_format):
        return self.to(dtypes.uint8, memory_format=memory_format)

    def char(self, memory_format=dtypes.preserve_format):
        return self.to(dtypes.int8, memory_format=memory_format)

    def short(self, memory_format=dtypes.preserve_format):
        return self.to(dtypes.int16, memory_format=memory_format)

    def half(self, memory_format=dtypes.preserve_format):
        return self.to(dtypes.float16, memory_format=memory_format)

    def bfloat16(self, memory_format=dtypes.preserve_format):
        return self.to(dtypes.bfloat16, memory_format=memory_format)

    def cfloat(self, memory_format=dtypes.preserve_format):
        return self.to(dtypes.complex64, memory_format=memory_format)

    def cdouble(self, memory_format=dtypes.preserve_format):
        return self.to(dtypes.complex128, memory_format=memory_format)

    def stft(self, *args, **kwargs):
        """`fastnn.stft`."""
        from .short_time import stft

        return stft(self, *args, **kwargs)

    def istft(self, *args, **kwargs):
        """`fastnn.istft`."""
        from .short_time import istft

        return istft(self, *args, **kwargs)

    def type(self, dtype=None):
        """With dtype: the tensor in that dtype (a dtype, or one of the classes FloatTensor, LongTensor, ...). Else its class."""
        if dtype is None:
            return f"fastnn.{_CLASS_NAMES[self.dtype]}"
        if isinstance(dtype, str):
            named = {f"{m}.{n}": d for d, n in _CLASS_NAMES.items() for m in ("torch", "fastnn")}
            if dtype not in named:
                raise ValueError(f"invalid type: '{dtype}'")
            dtype = named[dtype]
        return self.to(getattr(dtype, "of", dtype))

    def type_as(self, other):
        return self.to(other.dtype)

    def new(self, *args):
        """An uninitialised tensor of this dtype and of the sizes given, or a tensor of the data given. The older new_empty and new_tensor."""
        if len(args) == 1 and not isinstance(args[0], (int, Size)):
            return tensor(args[0], dtype=self.dtype)
        return empty(*args, dtype=self.dtype) if args else empty(0, dtype=self.dtype)

    def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
        return tensor(data, dtype=dtype or self.dtype, device=self.device if device is None else device, requires_grad=requires_grad)

    def new_empty(self, *sizes, size=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
        return empty(*sizes, size=size, dtype=dtype or self.dtype, device=self.device if device is None else device, requires_grad=requires_grad)

    def new_zeros(self, *sizes, size=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
        return zeros(*sizes, size=size, dtype=dtype or self.dtype, device=self.device if device is None else device, requires_grad=requires_grad)

    def new_ones(self, *sizes, size=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
        return ones(*sizes, size=size, dtype=dtype or self.dtype, device=self.device if device is None else device, requires_grad=requires_grad)

    def new_full(self, size, fill_value, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
        return full(size, fill_value, dtype=dtype or self.dtype, device=self.device if device is None else device, requires_grad=requires_grad)


class Handle:
    """What a register_*_hook returns: remove() takes the hook away, leaving a `with` block does so too."""

    _ids = itertools.count()

    def __init__(self, hooks, hook):
        self.hooks, self.id = hooks, next(Handle._ids)
        hooks[self.id] = hook

    def remove(self):
        self.hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


def _rebuild(array, requires_grad, cls, dtype=None):
    t = tensor(array)
    t = cls(t if dtype is None else t._bits(dtype))
    t.requires_grad = requires_grad
    return t


_CLASS_NAMES = {d: f"{d.scalar_type}Tensor" for d in dtypes.ALL}


class _TypedTensor(type):
    """FloatTensor, LongTensor, ...: constructors of one dtype, and isinstance tests for it."""

    def __call__(cls, *data):
        if data and all(isinstance(d, int) for d in data):
            return empty(data, dtype=cls.of)
        if len(data) == 1 and isinstance(data[0], Size):
            return empty(data[0], dtype=cls.of)
        return tensor(*data, dtype=cls.of) if data else empty((0,), dtype=cls.of)

    def __instancecheck__(cls, x):
        return isinstance(x, Tensor) and x.dtype is cls.of


globals().update({name: _TypedTensor(name, (), {"of": d, "__doc__": f"Tensors of {d.name}."}) for d, name in _CLASS_NAMES.items()})


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


def is_tensor(obj) -> bool:
    """Whether obj is a Tensor, real or complex."""
    return isinstance(obj, Tensor)


def numel(x) -> int:
    """The number of elements of x."""
    return x._size


def is_floating_point(x) -> bool:
    """Whether x's dtype is a floating one."""
    return x._floating


def is_complex(x) -> bool:
    """Whether x is a complex tensor."""
    return x.is_complex()


def is_nonzero(x) -> bool:
    """Whether the only element of x is not 0; RuntimeError unless there is exactly one."""
    return x.is_nonzero()


def typename(obj) -> str:
    """The name of a tensor's class by dtype, or of any other object's class."""
    return obj.type() if isinstance(obj, Tensor) else f"{type(obj).__module__}.{type(obj).__qualname__}"


_cpu.register(
    Tensor, dtypes.ALL, (ShapeError, DTypeError, ValueError, BoundsError, TypeError, RuntimeError, NotImplementedError, OutOfMemoryError)
)  # the last tuple in the order of ErrorKind

__all__ = (
    "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor ShortTensor Size Tensor as_tensor asarray can_cast empty empty_like "
    "finfo from_dlpack from_numpy frombuffer full full_like iinfo is_complex is_floating_point is_grad_enabled is_nonzero "
    "is_tensor numel ones ones_like promote_types result_type set_printoptions tensor typename zeros zeros_like"
).split()
