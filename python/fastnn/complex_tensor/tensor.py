"""`ComplexTensor` itself: two real tensors of one shape and dtype, and what a tensor is asked about."""

from __future__ import annotations

import warnings

import numpy as np

from .. import _cpu, dtypes, printing
from ..autodiff import Array
from ..creation import from_numpy
from ..errors import DTypeError
from ..ops.join import stack
from ..tensor import Tensor, TensorType, as_tensor, full, full_like, normalize_dim, result_type, zeros_like


class _ComplexOf(dict):
    def __missing__(self, dtype):
        raise DTypeError(f"there are no complex numbers whose parts are {dtype}; use float32")


COMPLEX = _ComplexOf({dtypes.float32: dtypes.complex64, dtypes.float64: dtypes.complex128})
REAL = {c: r for r, c in COMPLEX.items()}


class ComplexTensor:
    """real + i imag, element by element. Made by `fastnn.complex`, `fft`, `zeros(..., dtype=cfloat)`, `tensor([1 + 2j])`, ...

    `.grad` is dL/dreal + i dL/dimag, as in PyTorch. The parts are tensors in their own right: what changes them changes this one. It is
    a `Tensor` to `isinstance`, but no subclass; memory is shared with `view_as_complex`'s argument and `from_numpy`'s only.
    """

    __module__ = "fastnn"
    __hash__ = object.__hash__
    __array_ufunc__ = None  # ndarray + z is z.__radd__
    is_quantized = is_meta = is_sparse = is_nested = False
    _prefix = "tensor("

    def __init_subclass__(cls, stands_for=Tensor):
        TensorType.stands_for[cls] = stands_for

    def __init__(self, real, imag, whole=None):
        self._real, self._imag = real, imag
        self._whole = whole  # (..., 2): the tensor that both parts are views of, where there is one

    # -- what it is -----------------------------------------------------------------------------------------------------

    @property
    def real(self):
        """The real part: a tensor on the same memory."""
        return self._real

    @real.setter
    def real(self, value):
        self._real.copy_(as_tensor(value))

    @property
    def imag(self):
        """The imaginary part: a tensor on the same memory."""
        return self._imag

    @imag.setter
    def imag(self, value):
        self._imag.copy_(as_tensor(value))

    dtype = property(lambda self: COMPLEX[self._real.dtype])
    shape = property(lambda self: self._real.shape)
    ndim = property(lambda self: self._real.ndim)
    device = property(lambda self: self._real.device)
    is_cuda = property(lambda self: self._real.is_cuda)
    is_cpu = property(lambda self: self._real.is_cpu)
    layout = property(lambda self: self._real.layout)
    itemsize = property(lambda self: self.dtype.itemsize)
    nbytes = property(lambda self: 2 * self._real.nbytes)

    def size(self, dim=None):
        return self._real.size(dim)

    def dim(self):
        return self._real.ndim

    ndimension = dim

    def numel(self):
        return self._real.numel()

    nelement = numel

    def stride(self, dim=None):
        """Strides in complex numbers where both parts of a number lie side by side; else those of the real part."""
        strides = self._real._strides
        strides = tuple(s // 2 for s in strides) if self._interleaved() else strides
        return strides if dim is None else strides[normalize_dim(dim, self.ndim)]

    def _interleaved(self):
        """Whether both parts of a number lie side by side, as in PyTorch."""
        return self._imag._pointer == self._real._pointer + self._real.itemsize and self._imag._strides == self._real._strides

    def as_strided(self, size, stride, storage_offset=None):
        """Any view of the memory behind it, in complex numbers; RuntimeError where it would reach outside."""
        if self._interleaved():
            stride, offset = tuple(2 * s for s in stride), (0, 1)
            start = self._real.storage_offset() if storage_offset is None else 2 * storage_offset
            return ComplexTensor(*(part.as_strided(size, stride, start + i) for part, i in zip(parts(self), offset, strict=True)))
        return ComplexTensor(*(part.as_strided(size, stride, storage_offset) for part in parts(self)))

    def element_size(self):
        return self.dtype.itemsize

    def is_contiguous(self, memory_format=dtypes.contiguous_format):
        if memory_format in (dtypes.channels_last, dtypes.channels_last_3d):
            return self.ndim == (4 if memory_format is dtypes.channels_last else 5) and self.movedim(1, -1).is_contiguous()
        if self._interleaved():
            return self._real._view((*self.shape, 2), (*self._real._strides, 1), 0)._packed
        return self._real._packed and self._imag._packed

    def data_ptr(self):
        return self._real._pointer

    def is_complex(self):
        return True

    def is_floating_point(self):
        return False

    def is_signed(self):
        return True

    def is_conj(self):
        """False: nothing waits to be conjugated."""
        return False

    is_neg = is_inference = is_conj

    def is_nonzero(self):
        return bool(self)

    # -- differentiation --------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self):
        return self._real.requires_grad or self._imag.requires_grad

    @requires_grad.setter
    def requires_grad(self, value):
        self._real.requires_grad = self._imag.requires_grad = value
        self._whole = None

    def requires_grad_(self, requires_grad=True):
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self):
        return self._real.is_leaf and self._imag.is_leaf

    @property
    def grad_fn(self):
        """The node of the op that made the real part, else of that which made the imaginary one, or None."""
        return self._real.grad_fn or self._imag.grad_fn

    @property
    def grad(self):
        """dL/dreal + i dL/dimag, as `backward` has added them up, or None."""
        re, im = self._real.grad, self._imag.grad
        if re is None and im is None:
            return None
        return ComplexTensor(zeros_like(self._real) if re is None else re, zeros_like(self._imag) if im is None else im)

    @grad.setter
    def grad(self, g):
        if g is not None and not isinstance(g, ComplexTensor):
            raise TypeError(f"assigned grad expected to be a complex Tensor or None but got grad of type {type(g).__name__}")
        self._real.grad, self._imag.grad = (None, None) if g is None else parts(g)

    @property
    def data(self):
        """The same memory without history."""
        return self.detach()

    @data.setter
    def data(self, value):
        if not isinstance(value, ComplexTensor):
            raise TypeError(f"data: expected a complex Tensor, got {type(value).__name__}")
        self._real.data, self._imag.data, self._whole = value._real, value._imag, None

    def detach(self):
        """The same memory without history."""
        return ComplexTensor(self._real.detach(), self._imag.detach(), self._whole if self._whole is None else self._whole.detach())

    def detach_(self):
        for part in parts(self):
            part.detach_()
        return self

    # -- values out -------------------------------------------------------------------------------------------------------

    def numpy(self, *, force=False):
        """A new ndarray. RuntimeError for a tensor that requires grad (detach it first, or force=True)."""
        re, im = (part.numpy(force=force) for part in parts(self))
        a = np.empty(re.shape, self.dtype.numpy)
        a.real, a.imag = re, im
        return a

    def __array__(self, dtype=None, copy=None):
        if dtype is not None and np.dtype(dtype).kind != "c":
            raise TypeError(f"complex numbers have no values of dtype {np.dtype(dtype)}")
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def item(self):
        """The value of a one-element tensor as a Python number; RuntimeError otherwise."""
        return complex(self._real.item(), self._imag.item())

    def tolist(self):
        return self.detach().numpy().tolist()

    def __complex__(self):
        if self.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.item()

    def _real_number(self):
        z = self.__complex__()
        if z.imag:
            raise RuntimeError(f"value cannot be converted to a real number without overflow: {z}")
        return z.real

    def __float__(self):
        return float(self._real_number())

    def __int__(self):
        return int(self._real_number())

    def __index__(self):
        raise TypeError("only integer tensors of a single element can be converted to an index")

    def __bool__(self):
        return bool((self._real != 0) | (self._imag != 0))

    def __len__(self):
        return len(self._real)

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter([self[i] for i in range(self.shape[0])])

    def __contains__(self, value):
        return bool((self == value).any())

    def __getitem__(self, key):
        return ComplexTensor(self._real[key], self._imag[key])

    def __setitem__(self, key, value):
        self._real[key], self._imag[key] = parts(value) if isinstance(value, ComplexTensor) else parts(known(value))

    def __format__(self, spec):
        return format(self.item(), spec) if self.ndim == 0 else object.__format__(self, spec)

    def __deepcopy__(self, memo):
        if not self.is_leaf:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol")
        memo[id(self)] = z = self._with(*(part.__deepcopy__(memo) for part in parts(self)))
        return z

    def _with(self, real, imag):
        """Another of this class."""
        return type(self)(real, imag)

    def __reduce__(self):
        return type(self), (self._real, self._imag)

    def __repr__(self):
        return printing.text(self)

    # -- conversions ------------------------------------------------------------------------------------------------------

    def to(self, *args, **kwargs):
        """to(dtype), to(device), to(device, dtype), to(tensor). Of real dtypes: the real part, with a warning, as in PyTorch."""
        args = [(a.dtype, a.device) if isinstance(a, Tensor) else (a,) for a in args]
        args = [_as_dtype(a) for each in args for a in each]
        kwargs = {name: _as_dtype(a) for name, a in kwargs.items()}
        dtype = kwargs.get("dtype")
        if dtype is None:
            dtype = next((a for a in args if isinstance(a, dtypes.dtype)), None)
        elif not isinstance(dtype, dtypes.dtype):
            raise TypeError(f"to: argument 'dtype' must be a dtype, not {type(dtype).__name__}")
        if dtype is None or dtype.is_complex:
            args = [REAL.get(a, a) if isinstance(a, dtypes.dtype) else a for a in args]
            if dtype is not None and "dtype" in kwargs:
                kwargs["dtype"] = REAL[dtype]
            re, im = (part.to(*args, **kwargs) for part in parts(self))
            return self if re is self._real and im is self._imag else ComplexTensor(re, im)
        if dtype is dtypes.bool:
            return self.bool()
        warnings.warn("Casting complex values to real discards the imaginary part", UserWarning, stacklevel=2)
        return self._real.to(*args, **{**kwargs, "copy": True})

    def cfloat(self, memory_format=None):
        return self.to(dtypes.complex64)

    def cdouble(self, memory_format=None):
        return self.to(dtypes.complex128)

    def float(self, memory_format=None):
        return self.to(dtypes.float32)

    def double(self, memory_format=None):
        return self.to(dtypes.float64)

    def int(self, memory_format=None):
        return self.to(dtypes.int32)

    def long(self, memory_format=None):
        return self.to(dtypes.int64)

    def byte(self, memory_format=None):
        return self.to(dtypes.uint8)

    def char(self, memory_format=None):
        return self.to(dtypes.int8)

    def short(self, memory_format=None):
        return self.to(dtypes.int16)

    def half(self, memory_format=None):
        return self.to(dtypes.float16)

    def bfloat16(self, memory_format=None):
        return self.to(dtypes.bfloat16)

    def bool(self, memory_format=None):
        """Where the number is not 0."""
        return (self._real != 0) | (self._imag != 0)

    def type(self, dtype=None):
        if dtype is None:
            return f"fastnn.Complex{'Float' if self._real.dtype is dtypes.float32 else 'Double'}Tensor"
        return self.to(getattr(dtype, "of", dtype))

    def type_as(self, other):
        return self.to(other.dtype)

    def cpu(self, memory_format=None):
        return self.to(device="cpu") if self.is_cuda else self

    def cuda(self, device=None, non_blocking=False, memory_format=None):
        return self.to(device="cuda" if device is None else device)

    T = property(lambda self: ComplexTensor(self._real.T, self._imag.T))
    mT = property(lambda self: ComplexTensor(self._real.mT, self._imag.mT))
    H = mH = property(lambda self: ComplexTensor(self._real.mT, -self._imag.mT), doc="The last two axes exchanged, and conjugated.")


TensorType.stands_for[ComplexTensor] = Tensor
_cpu.set_pair_type(ComplexTensor)


def parts(z):
    """(real, imag) of anything: tensors of one shape for a `ComplexTensor`; of a real tensor or number, itself and 0."""
    if isinstance(z, ComplexTensor):
        return z._real, z._imag
    if isinstance(z, complex):
        return z.real, z.imag
    return z, 0


def _as_dtype(x):
    """x, an element type of Python's or NumPy's as fastnn's."""
    if not isinstance(x, (type, np.dtype)):
        return x
    return next((c for c in REAL if c.numpy == x), None) or dtypes.as_dtype(x)


def is_real(z):
    """Whether z, as `known` gives it, has no imaginary part."""
    return not isinstance(z, (ComplexTensor, complex))


def known(x):
    """x as an operand: a ComplexTensor, a Tensor, or a Python number."""
    if isinstance(x, (ComplexTensor, Array)):
        return x
    if isinstance(x, np.ndarray):
        return of_array(x) if x.dtype.kind == "c" else as_tensor(x)
    if isinstance(x, np.complexfloating):
        return complex(x)
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, (int, float, complex)):
        return x
    raise TypeError(f"expected a Tensor or a number, got {type(x).__name__}")


def of_array(a):
    """A complex tensor on a complex ndarray's memory (a copy where that cannot be shared)."""
    if a.dtype not in _NUMPY:
        raise TypeError(f"can't convert np.ndarray of type {a.dtype}. The supported types are: complex64, complex128, ...")
    real = _NUMPY[a.dtype]
    if not a.flags.c_contiguous or not a.flags.writeable:
        a = a.copy(order="C")
    return of_whole(from_numpy(a[..., None].view(real)))


_NUMPY = {c.numpy: r.numpy for c, r in REAL.items()}


def of_whole(x):
    """The complex tensor whose parts are x[..., 0] and x[..., 1]; they are views of x."""
    return ComplexTensor(x[..., 0], x[..., 1], x)


def whole(z):
    """(..., 2): real and imaginary parts along a last axis."""
    return stack(parts(z), -1) if z._whole is None else z._whole


def paired(real, imag):
    """real + i imag of new tensors or numbers, brought to one shape and dtype. Neither may be some other tensor's memory."""
    if not isinstance(imag, Array):
        imag = full_like(real, imag) if real._floating else full_like(real, imag, dtype=dtypes.get_default_dtype())
    elif not isinstance(real, Array):
        real = full_like(imag, real) if imag._floating else full_like(imag, real, dtype=dtypes.get_default_dtype())
    if real.dtype is not imag.dtype or not real._floating:
        dtype = result_type(real, imag)
        dtype = dtype if dtype.is_floating_point else dtypes.get_default_dtype()
        real, imag = real.to(dtype), imag.to(dtype)
    if real.shape != imag.shape:
        real, imag = real + zeros_like(imag), imag + zeros_like(real)
    return ComplexTensor(real, imag)


def as_complex(x, copy=False, like=None):
    """x as a ComplexTensor: with an imaginary part of 0 if it is real. copy: in memory of its own. A number is made `like` a tensor."""
    x = known(x)
    if isinstance(x, ComplexTensor):
        return x.clone() if copy else x
    if not isinstance(x, Array):
        dtype = like.dtype if like is not None else dtypes.get_default_dtype()
        dtype = REAL.get(dtype, dtype if dtype.is_floating_point else dtypes.get_default_dtype())
        return ComplexTensor(*(full((), float(part), dtype=dtype) for part in parts(x)))
    re = x if x._floating else x.to(dtypes.get_default_dtype())
    return ComplexTensor(re.clone() if copy and re is x else re, zeros_like(re))


def need_complex(z, name):
    if not isinstance(z, ComplexTensor):
        raise DTypeError(f"{name} is only supported for complex tensors")
    return z
