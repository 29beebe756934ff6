"""Making complex tensors: from parts, from numbers and arrays, filled, drawn; and `Tensor.to(complex64)`."""

from __future__ import annotations

import math

import numpy as np

from .. import _cpu, dtypes
from .. import creation as real
from ..autodiff import Array, is_grad_enabled
from ..dtypes import as_dtype, complex64, complex128, is_complex
from ..nn.parameter import Parameter
from ..ops import random
from ..ops.diagonal import eye as real_eye
from ..ops.ranges import linspace as real_linspace
from ..ops.ranges import logspace as real_logspace
from ..ops.shape import broadcast_tensors
from ..ops.storage import empty_strided as real_empty_strided
from ..tensor import Tensor, result_type, shape_from
from .forms import form, native
from .tensor import COMPLEX, REAL, ComplexTensor, as_complex, known, need_complex, of_array, of_whole, parts, whole

complex_number = complex  # `complex` is PyTorch's below

# -- from parts, and back ---------------------------------------------------------------------------------------------------


def _two_parts(name, first, second):
    for position, (word, x) in enumerate((first, second), 1):
        if not isinstance(x, Array):
            raise TypeError(f"{name}(): argument '{word}' (position {position}) must be Tensor, not {type(x).__name__}")
    a, b = first[1], second[1]
    if not (a._floating and b._floating):
        raise RuntimeError(f"Expected both inputs to be Half, Float or Double tensors but got {a.dtype.name} and {b.dtype.name}")
    if a.dtype is not b.dtype:
        raise RuntimeError(f"Expected object of scalar type {a.dtype.name} but got scalar type {b.dtype.name} for second argument")
    COMPLEX[a.dtype]  # raises where there is none
    return a, b


@native
def complex(real, imag):
    """real + i imag of two tensors of one floating dtype, broadcast together. RuntimeError for other dtypes."""
    re, im = broadcast_tensors(*_two_parts("complex", ("real", real), ("imag", imag)))
    return ComplexTensor(re.clone(), im.clone())


@native
def polar(abs, angle):
    """abs · (cos(angle) + i sin(angle)) of two tensors of one floating dtype."""
    size, angle = _two_parts("polar", ("abs", abs), ("angle", angle))
    return ComplexTensor(size * angle.cos(), size * angle.sin())


@native
def view_as_complex(input):
    """The tensor (..., 2) of real and imaginary parts as a complex one (...), on the same memory. RuntimeError for other shapes and dtypes."""
    if not isinstance(input, Array) or not input._floating:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{getattr(input, 'dtype', type(input).__name__)}"
        )
    COMPLEX[input.dtype]  # raises where there is none
    if input.ndim == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input._shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    return of_whole(input)


@native
def view_as_real(input):
    """(..., 2): real and imaginary parts along a last axis. The argument of `view_as_complex` if input is its result. Else it is memory that
    input's parts are views of from now on; a copy where others share theirs, and where it has a history."""
    z = need_complex(input, "view_as_real")
    if z._whole is not None or (z.requires_grad and is_grad_enabled()):
        return whole(z)
    pairs = z.__dict__.get("_memory")
    if pairs is None or any(part._buffer != pairs._buffer for part in parts(z)):
        pairs = whole(z.detach())
        if all(part._references == 1 and part._node is None for part in parts(z)):
            for i, part in enumerate(parts(z)):
                _cpu.set_data(part, pairs[..., i])
            z._memory = pairs
    return pairs


# -- from numbers -----------------------------------------------------------------------------------------------------------


def _real_dtype(dtype):
    """The dtype of the parts of tensors of a complex dtype, given in any way."""
    return REAL[_complex_dtype(dtype)]


def _complex_dtype(d):
    found = d if isinstance(d, dtypes.dtype) else {c.numpy: c for c in REAL}.get(np.dtype(d))
    if found not in REAL:
        raise TypeError(f"expected a complex dtype, got {d}")
    return found


def _finished(z, requires_grad):
    return z.requires_grad_() if requires_grad else z


def _array(data):
    """The complex ndarray of numbers, nested sequences and tensors; Python's count as the default dtype."""
    if isinstance(data, Tensor):
        return data.detach().numpy()
    if isinstance(data, (list, tuple)):
        arrays = [_array(d) for d in data]
        return np.stack(arrays) if arrays else np.zeros(0, dtypes.get_default_dtype().numpy)
    if isinstance(data, (np.ndarray, np.generic)):
        return np.asarray(data)
    if hasattr(data, "__dlpack__"):
        return np.from_dlpack(data.detach() if hasattr(data, "detach") else data)
    default = dtypes.get_default_dtype()
    return np.asarray(data, (COMPLEX[default] if isinstance(data, complex_number) else default).numpy)


@form("tensor", "scalar_tensor")
def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    if dtype is not None and not is_complex(dtype):
        raise RuntimeError(f"tensor: complex numbers cannot be converted to {as_dtype(dtype)}")
    if isinstance(data, Tensor):
        z = as_complex(data.detach(), copy=True)
    else:
        a = _array(data)
        if a.dtype.kind in "biu":
            a = a.astype(dtypes.get_default_dtype().numpy)
        z = ComplexTensor(*(real.tensor(np.array(part, order="C")) for part in (a.real, a.imag)))
    z = z if dtype is None else z.to(_complex_dtype(dtype))
    return _finished(z if device is None else z.to(device=device), requires_grad)


@form()
def new_tensor(self, data, *, dtype=None, **options):
    return tensor(data, dtype=self.dtype if dtype is None else dtype, **options)


@form("asarray")
def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    z = as_tensor(obj, dtype, device)
    return _finished(z.clone().detach() if copy else z.detach(), requires_grad)


@form("as_tensor")
def as_tensor(data, dtype=None, device=None):
    z = of_array(data) if isinstance(data, np.ndarray) and data.dtype.kind == "c" else data if isinstance(data, ComplexTensor) else tensor(data, dtype=dtype)
    return z if dtype is None and device is None else z.to(**{k: v for k, v in (("dtype", dtype), ("device", device)) if v is not None})


@form()
def from_numpy(array):
    return of_array(array)


@form()
def from_dlpack(x):
    return of_array(np.from_dlpack(x))


# -- filled and drawn -------------------------------------------------------------------------------------------------------


def _real(name):
    return getattr(real, name, None) or getattr(random, name)


def _made(name):
    """The complex form of a function that makes tensors of a shape: a real part of its, and an imaginary part of 0."""
    f = {"eye": real_eye, "logspace": real_logspace, "empty_strided": real_empty_strided}.get(name) or _real(name)

    def g(*args, dtype, requires_grad=False, **options):
        re = f(*args, dtype=_real_dtype(dtype), **options)
        return _finished(ComplexTensor(re, real.zeros_like(re)), requires_grad)

    return form(name)(g)


zeros, ones, empty, eye, logspace, empty_strided = map(_made, ("zeros", "ones", "empty", "eye", "logspace", "empty_strided"))


@form()
def new_empty_strided(self, size, stride, *, dtype=None, **options):
    return (empty_strided if is_complex(dtype or self) else real_empty_strided)(size, stride, dtype=dtype or self.dtype, **options)


@form()
def full(size, fill_value, *, dtype=None, device=None, requires_grad=False, **options):
    value = known(fill_value)
    if dtype is None:
        dtype = value.dtype if isinstance(value, ComplexTensor) else COMPLEX[dtypes.get_default_dtype()]
    if not is_complex(dtype):
        raise RuntimeError(f"value cannot be converted to type {as_dtype(dtype).name} without overflow")
    re, im = (real.full(size, part, dtype=_real_dtype(dtype), device=device) for part in parts(value))
    return _finished(ComplexTensor(re, im), requires_grad)


@form()
def linspace(start, end, steps, *, dtype=None, requires_grad=False, **options):
    a, b = (complex_number(x.item() if hasattr(x, "item") else x) for x in (start, end))
    dtype = COMPLEX[dtypes.get_default_dtype()] if dtype is None else dtype
    re, im = (real_linspace(p, q, steps, dtype=_real_dtype(dtype), **options) for p, q in zip(parts(a), parts(b), strict=True))
    return _finished(ComplexTensor(re, im), requires_grad)


def _drawn(name, scale=1.0):
    """Of random numbers: each part drawn as real ones are, times scale."""
    f = _real(name)

    def g(*sizes, size=None, generator=None, dtype, device=None, requires_grad=False, **options):
        shape = shape_from(sizes, size)
        re, im = (f(shape, generator=generator, dtype=_real_dtype(dtype), device=device) for _ in range(2))
        return _finished(ComplexTensor(re, im) if scale == 1.0 else ComplexTensor(re * scale, im * scale), requires_grad)

    return form(name)(g)


rand, randn = _drawn("rand"), _drawn("randn", math.sqrt(0.5))  # of variance 1 in all


def _alike(name, make):
    """`name_like` and `new_name`."""

    @form(f"{name}_like")
    def like(input, *args, dtype=None, device=None, **options):
        dtype = input.dtype if dtype is None else dtype
        device = input.device if device is None and input.is_cuda else device
        if is_complex(dtype):
            return make(input.shape, *args, dtype=dtype, device=device, **options)
        return _real(f"{name}_like")(input.real, *args, dtype=dtype, device=device, **options)

    @form(f"new_{name}")
    def new(self, *args, dtype=None, **options):
        dtype = self.dtype if dtype is None else dtype
        return (make if is_complex(dtype) else _real(name))(*args, dtype=dtype, **options)


for _name, _f in {"zeros": zeros, "ones": ones, "empty": empty, "full": full, "rand": rand, "randn": randn}.items():
    _alike(_name, _f)


@form()
def uniform_(tensor, a=0.0, b=1.0, generator=None):
    for part in parts(tensor):
        part.uniform_(a, b, generator=generator)
    return tensor


@form()
def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Of this mean (of the real part) and this standard deviation of the whole: std / √2 of each part."""
    for part, m in zip(parts(tensor), parts(mean), strict=True):
        part.normal_(m, std * math.sqrt(0.5), generator=generator)
    return tensor


# -- dtypes -------------------------------------------------------------------------------------------------------------------


@form()
def to(input, *args, **kwargs):
    """A real tensor in a complex dtype."""
    z = as_complex(input)
    z = z.to(*args, **kwargs)
    return ComplexTensor(z.real.clone(), z.imag) if z.real is input else z


@form("result_type")
def _result_type(a, b):
    a, b = (as_complex(x, like=y if hasattr(y, "dtype") else None).real if not isinstance(x, Array) else x for x, y in ((a, b), (b, a)))
    d = result_type(a, b)
    return COMPLEX[d if d.is_floating_point else dtypes.get_default_dtype()]


@form("promote_types")
def _promote_types(a, b):
    double = any(d in (complex128, dtypes.float64) for d in (a, b))
    return complex128 if double else complex64


@form("numel")
def _numel(x):
    return x.numel()


@form("is_floating_point")
def _is_floating_point(x):
    return False


class ComplexParameter(ComplexTensor, stands_for=Parameter):
    """What `nn.Parameter(z)` makes of a complex tensor."""

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()
