"""Tensor's operators (`a + b`) and in-place forms (`a.add_(b)`), from the functions of elementwise.py, comparison.py and activation.py."""

from __future__ import annotations

import numpy as np

from .. import _cpu
from ..autodiff import Array, record
from ..creation import zero
from ..errors import complex_forms, named
from ..inplace import before_change, check_change, inplace, take_over, writable
from ..tensor import Tensor, as_tensor, from_numpy, full_like, zeros_like
from . import bits, calculus, comparison, diagonal, gamma, matmul, scan, shape, special, variance
from . import elementwise as ew
from .elementwise import add, floor_divide, positive, pow, remainder, where

_of_ndarray = named(as_tensor)  # complex ones too


def _operand(f, a, b):
    """The operator of an operand that the kernel does not take: an ndarray becomes a tensor, a complex number is left to f's complex
    form, anything else is not ours."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return named(f)(*(_of_ndarray(x) if isinstance(x, np.ndarray) else x for x in (a, b)))
    if isinstance(a, _COMPLEX) or isinstance(b, _COMPLEX):
        return complex_forms().answer(f, (a, b), {})
    return NotImplemented


_COMPLEX = (complex, np.complexfloating)


def _operator(f, op, kernel, swapped):
    if op is None:

        def method(a, b):
            try:
                return kernel(b, a) if swapped else kernel(a, b)
            except TypeError as e:
                if type(e) is not TypeError:
                    raise
                return _operand(f, b, a) if swapped else _operand(f, a, b)
    elif swapped:

        def method(a, b):
            try:
                return record(kernel(b, a), op, (b, a))
            except TypeError as e:
                if type(e) is not TypeError:
                    raise
                return _operand(f, b, a)
    else:

        def method(a, b):
            try:
                return record(kernel(a, b), op, (a, b))
            except TypeError as e:
                if type(e) is not TypeError:
                    raise
                return _operand(f, a, b)

    return method


def _power_operator(a, b, f=pow):
    try:
        return f(a, b)
    except TypeError as e:
        if type(e) is not TypeError:
            raise
        return _operand(pow, a, b)


_SLOTS = ("add", "sub", "mul", "truediv")  # of two tensors in C: bind/operators.cpp


def _operators():
    for symbol, f, op in (
        ("add", add, ew._add), ("sub", ew.sub, ew._sub), ("mul", ew.mul, ew._mul), ("truediv", ew.div, ew._div),
        ("floordiv", floor_divide, floor_divide.op), ("mod", remainder, remainder.op), ("and", comparison.bitwise_and, None),
        ("or", comparison.bitwise_or, None), ("xor", comparison.bitwise_xor, None), ("lshift", comparison.bitwise_left_shift, None),
        ("rshift", comparison.bitwise_right_shift, None),
    ):  # fmt: skip
        kernel = getattr(_cpu, f.__name__)
        methods = [_operator(f, op, kernel, swapped) for swapped in (False, True)]
        if symbol in _SLOTS:
            _cpu.set_operator(_SLOTS.index(symbol), kernel, op, *methods)
        else:
            for prefix, method in zip(("", "r"), methods, strict=True):
                method.__name__ = method.__qualname__ = f"__{prefix}{symbol}__"
                setattr(Tensor, method.__name__, method)
        update = inplace(f, kernel)
        update.__name__ = f"__i{symbol}__"
        setattr(Tensor, update.__name__, update)
    for f in (comparison.eq, comparison.ne, comparison.lt, comparison.le, comparison.gt, comparison.ge):
        method = _operator(f, None, getattr(_cpu, f.__name__), False)
        method.__name__ = method.__qualname__ = f"__{f.__name__}__"
        setattr(Tensor, method.__name__, method)
    Tensor.__neg__, Tensor.__pos__, Tensor.__abs__, Tensor.__invert__ = ew.neg, positive, ew.abs, comparison.bitwise_not

    def where_method(input, condition, other):
        """input where condition holds, other elsewhere."""
        return where(condition, input, other)

    where_method.__name__ = where_method.__qualname__ = "where"
    Tensor.where = where_method
    Tensor.__pow__, Tensor.__rpow__ = _power_operator, lambda a, b: _power_operator(b, a, ew._pow)
    Tensor.__ipow__ = inplace(pow)
    Tensor.__round__ = lambda x, n=0: ew.round(x, decimals=n)
    Tensor.__divmod__ = lambda a, b: (floor_divide(a, b), remainder(a, b))


_NUMPY = {  # NumPy's name of an operator: the method of a tensor on its left, and on its right
    "add": ("__add__", "__radd__"), "subtract": ("__sub__", "__rsub__"), "multiply": ("__mul__", "__rmul__"),
    "divide": ("__truediv__", "__rtruediv__"), "true_divide": ("__truediv__", "__rtruediv__"), "floor_divide": ("__floordiv__", "__rfloordiv__"),
    "remainder": ("__mod__", "__rmod__"), "power": ("__pow__", "__rpow__"), "matmul": ("__matmul__", "__rmatmul__"),
    "bitwise_and": ("__and__", "__rand__"), "bitwise_or": ("__or__", "__ror__"), "bitwise_xor": ("__xor__", "__rxor__"),
    "left_shift": ("__lshift__", "__rlshift__"), "right_shift": ("__rshift__", "__rrshift__"),
    "equal": ("__eq__", "__eq__"), "not_equal": ("__ne__", "__ne__"), "less": ("__lt__", "__gt__"), "less_equal": ("__le__", "__ge__"),
    "greater": ("__gt__", "__lt__"), "greater_equal": ("__ge__", "__le__"),
}  # fmt: skip


def _ufunc(self, ufunc, method, *inputs, out=None, **options):
    """NumPy's functions of tensors. `ndarray + Tensor` is Tensor's operator, gradients included; others, `np.sin(tensor)`,
    compute in NumPy and give a tensor, as PyTorch's do: RuntimeError for one that requires grad."""
    if method == "__call__" and out is None and not options and ufunc.__name__ in _NUMPY:
        left, right = (_of_ndarray(x) if isinstance(x, np.ndarray) else x for x in inputs)
        if isinstance(left, Array) or isinstance(inputs[0], np.ndarray):
            return getattr(left, _NUMPY[ufunc.__name__][0])(right)
        return getattr(right, _NUMPY[ufunc.__name__][1])(left)
    arrays = [x.numpy() if isinstance(x, Array) else x for x in inputs]
    if out is not None:
        options["out"] = tuple(x.numpy() if isinstance(x, Array) else x for x in out)
    y = getattr(ufunc, method)(*arrays, **options)
    if out is not None:
        return out[0] if len(out) == 1 else out
    wrapped = [from_numpy(np.asarray(a)) if isinstance(a, (np.ndarray, np.generic)) else a for a in (y if isinstance(y, tuple) else (y,))]
    return tuple(wrapped) if isinstance(y, tuple) else wrapped[0]


Tensor.__array_ufunc__ = _ufunc


def _fill(input, value):
    """A tensor like input with one value; the derivative goes to value, if that is a tensor."""
    if isinstance(value, Array):
        if value.ndim:
            raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
        return add(zeros_like(input), value.to(input.dtype))
    return full_like(input, value)


def _zero(input):
    return zeros_like(input)


def _write_zeros(x, out):
    writable(x, "zero_")
    _cpu.copy(x, zeros_like(x) if x.is_cuda else zero(x.dtype)._expand(x._shape))


def _copy(input, src, non_blocking=False):
    """src in input's shape and dtype."""
    if not isinstance(src, Array):
        raise TypeError(f"copy_(): argument 'other' must be Tensor, not {type(src).__name__}")
    y = src.to(input.dtype) if src.dtype is not input.dtype else src
    return y.expand(input._shape) if y._shape != input._shape else y.clone()


def _inplace_forms():
    _fill.__name__, _zero.__name__, _copy.__name__ = "fill", "zero", "copy"
    Tensor.fill_, Tensor.zero_, plain = inplace(_fill), inplace(_zero, _write_zeros), inplace(_copy)

    def copy_(self, src, non_blocking=False):
        """src's elements, in self's shape, dtype and device. non_blocking: as in `to`."""
        if not non_blocking or not isinstance(src, Array) or src.is_cuda == self.is_cuda or (_cpu.grad_mode() and (self.requires_grad or src.requires_grad)):
            return plain(self, src)
        writable(self, "copy_")
        _cpu.copy_async(self, src if src._shape == self._shape else src.expand(self._shape))
        _cpu.mutate(self)
        return self

    Tensor.copy_ = copy_
    direct = (
        "add sub mul div floor_divide remainder fmod neg abs sqrt rsqrt reciprocal exp log sin cos floor ceil trunc square erf expm1 "
        "log1p"
    )
    through_a_result = (
        "pow round frac sign clamp clamp_min clamp_max nan_to_num lerp addcmul addcdiv tan asin acos atan sinh cosh asinh acosh atanh "
        "exp2 log2 log10 erfc atan2 hypot copysign xlogy"
    )
    for name in direct.split():
        setattr(Tensor, name + "_", inplace(getattr(ew, name), getattr(_cpu, name)))
    for name in "bitwise_and bitwise_or bitwise_xor bitwise_not".split():
        setattr(Tensor, name + "_", inplace(getattr(comparison, name), getattr(_cpu, name)))
    for name in through_a_result.split():
        setattr(Tensor, name + "_", inplace(getattr(ew, name)))
    Tensor.subtract_, Tensor.multiply_, Tensor.divide_, Tensor.true_divide_ = Tensor.sub_, Tensor.mul_, Tensor.div_, Tensor.div_
    Tensor.clip_, Tensor.absolute_, Tensor.negative_ = Tensor.clamp_, Tensor.abs_, Tensor.neg_
    for module, names in (
        (ew, "deg2rad rad2deg"),
        (calculus, "addbmm addr gcd heaviside lcm ldexp sgn sinc"),
        (matmul, "addmm addmv baddbmm"),
        (scan, "cumprod cumsum"),
        (diagonal, "tril triu"),
        (gamma, "digamma igamma igammac lgamma mvlgamma"),
        (special, "erfinv i0"),
        (bits, "nextafter"),
        (ew, "float_power"),
        (comparison, "eq ne lt le gt ge logical_and logical_or logical_xor logical_not bitwise_left_shift bitwise_right_shift"),
    ):
        for name in names.split():
            setattr(Tensor, name + "_", inplace(getattr(module, name)))
    Tensor.logit_, Tensor.renorm_ = inplace(ew.logit, composite=True), inplace(variance.renorm, composite=True)
    others = "fix:trunc less:lt less_equal:le greater:gt greater_equal:ge not_equal:ne"
    others += " arccos:acos arcsin:asin arctan:atan arccosh:acosh arcsinh:asinh arctanh:atanh arctan2:atan2"
    for pair in others.split():
        name, same = pair.split(":")
        setattr(Tensor, name + "_", getattr(Tensor, same + "_"))


def _reshaped(fn):
    """`x.fn_(...)`: x becomes the view fn(x, ...) of its memory, history included."""
    name = fn.__name__ + "_"

    def method(self, *args, **kwargs):
        if not (_cpu.grad_mode() and self.requires_grad):
            _cpu.set_data(self, fn(self.detach(), *args, **kwargs))
            return self
        check_change(self, name)
        old = before_change(self)
        y = fn(old, *args, **kwargs)
        _cpu.set_data(self, y.detach())
        take_over(self, y._node, old, written=False)
        return self

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of :func:`{fn.__name__}`."
    return method


def _reshaping_forms():
    for name in "as_strided squeeze swapaxes swapdims t transpose unsqueeze".split():
        setattr(Tensor, name + "_", _reshaped(getattr(shape, name)))


_operators()
_inplace_forms()
_reshaping_forms()
