"""Elementary functions of complex numbers.

What real kernels do well is written with them, part by part. The rest is NumPy's complex function, with its derivative f'(z) as a
complex expression (`holomorphic`): dL/dx + i dL/dy of f's argument is that of its result times conj(f'(z)).
"""

from __future__ import annotations

import numpy as np

from .. import _cpu
from ..autodiff import op
from ..dtypes import complex128
from ..ops import elementwise as ew
from ..ops.linalg import _of_examples
from ..tensor import from_numpy, ones_like, result_type, zeros_like
from .arithmetic import abs, add, angle, conj, div, is_zero, mul, neg, operands, reciprocal, square, sub
from .forms import form
from .tensor import COMPLEX, ComplexTensor, as_complex, of_whole, parts, whole

# -- functions that NumPy computes ------------------------------------------------------------------------------------------


def by_numpy(f, *tensors, **options):
    """f of complex ndarrays, which pairs (..., 2) are; its complex result as pairs."""
    if any(t.is_cuda for t in tensors):
        raise NotImplementedError(f"{f.__name__}: complex numbers on the CPU only; x.cpu() moves a tensor there")
    arrays = [np.ascontiguousarray(_cpu.numpy(t, False)).view(COMPLEX[t.dtype].numpy)[..., 0] for t in tensors]
    with np.errstate(all="ignore"):
        y = np.asarray(f(*arrays, **options), np.result_type(*arrays))
    return from_numpy(np.ascontiguousarray(y).view(tensors[0].dtype.numpy).reshape(*y.shape, 2))


def split(x):
    """The complex tensor of pairs (..., 2), each part in memory of its own."""
    return ComplexTensor(x[..., 0].clone(), x[..., 1].clone())


def holomorphic(name, compute, derivative):
    """The complex function `name`: compute(ndarray), and derivative(z, y) for y = f(z)."""

    @op
    @_of_examples
    def f(x):
        return by_numpy(compute, x)

    def times(g, factor):
        return whole(mul(of_whole(g), factor))

    f.name = name
    f.partials(lambda g, y, x: times(g, conj(derivative(of_whole(x), of_whole(y)))))
    f.tangents(lambda t, y, x: times(t, derivative(of_whole(x), of_whole(y))))

    def public(input):
        return split(f(whole(input)))

    public.__name__ = public.__qualname__ = name
    return form(name)(public)


# -- powers ------------------------------------------------------------------------------------------------------------------


def _but_0(condition, z):
    """0 where condition holds, else z."""
    zero = zeros_like(z.real)
    return ComplexTensor(ew.where(condition, zero, z.real), ew.where(condition, zero, z.imag))


def _power_rules():
    def by_base(g, y, a, b):
        a, b = of_whole(a), of_whole(b)
        factor = mul(b, pow(a, sub(b, 1)))
        return whole(mul(of_whole(g), conj(_but_0(is_zero(b), factor))))

    def by_exponent(g, y, a, b):
        a, y = of_whole(a), of_whole(y)
        return whole(mul(of_whole(g), conj(_but_0(is_zero(a), mul(y, log(a))))))

    return by_base, by_exponent


@op
@_of_examples
def _power(a, b):
    return by_numpy(np.power, a, b)


_power.partials(*_power_rules())


@form()
def pow(input, exponent):
    a, b = operands(input, exponent)
    if isinstance(b, (int, float)) and b == int(b) and abs(b) <= 64:  # exact, and differentiable at 0
        return _integer_power(a, int(b))
    a, b = (as_complex(x, like=y) for x, y in ((a, b), (b, a)))
    dtype = COMPLEX[result_type(a.real, b.real)]
    return split(_power(whole(a.to(dtype)), whole(b.to(dtype))))


@form()
def float_power(input, exponent):
    """input ** exponent in complex128."""
    return pow(as_complex(input).to(complex128), exponent)


def _integer_power(z, n):
    if n < 0:
        return reciprocal(_integer_power(z, -n))
    if n == 0:
        return ComplexTensor(ones_like(z.real), zeros_like(z.imag))
    if n == 1:
        return z.clone()
    half = mul(z, z) if n < 4 else square(_integer_power(z, n // 2))
    return mul(half, z) if n % 2 else half


# -- elementary functions ---------------------------------------------------------------------------------------------------


def _polar(size, angle):
    return ComplexTensor(size * angle.cos(), size * angle.sin())


@form()
def exp(input):
    re, im = parts(input)
    return _polar(re.exp(), im)


@form()
def exp2(input):
    return exp(mul(input, float(np.log(2))))


@form()
def log(input):
    return ComplexTensor(abs(input).log(), angle(input))


@form()
def log2(input):
    return mul(log(input), float(1 / np.log(2)))


@form()
def log10(input):
    return mul(log(input), float(1 / np.log(10)))


@form()
def sin(input):
    re, im = parts(input)
    return ComplexTensor(re.sin() * im.cosh(), re.cos() * im.sinh())


@form()
def cos(input):
    re, im = parts(input)
    return ComplexTensor(re.cos() * im.cosh(), -(re.sin() * im.sinh()))


@form()
def sinh(input):
    re, im = parts(input)
    return ComplexTensor(re.sinh() * im.cos(), re.cosh() * im.sin())


@form()
def cosh(input):
    re, im = parts(input)
    return ComplexTensor(re.cosh() * im.cos(), re.sinh() * im.sin())


@form()
def sigmoid(input):
    return mul(add(tanh(mul(input, 0.5)), 1), 0.5)


@form()
def silu(input, inplace=False):
    return mul(input, sigmoid(input))


@form()
def rsqrt(input):
    return reciprocal(sqrt(input))


@form()
def sinc(input):
    zero = is_zero(input)
    angle = mul(input, float(np.pi))
    angle = ComplexTensor(ew.where(zero, ones_like(angle.real), angle.real), angle.imag)
    y = div(sin(angle), angle)
    return ComplexTensor(ew.where(zero, ones_like(y.real), y.real), y.imag)


def _circle(z, sign):
    """√(1 ± z²)"""
    return sqrt(add(1, mul(square(z), sign)))


sqrt = holomorphic("sqrt", np.sqrt, lambda z, y: div(0.5, y))
tan = holomorphic("tan", np.tan, lambda z, y: add(1, square(y)))
tanh = holomorphic("tanh", np.tanh, lambda z, y: sub(1, square(y)))
asin = holomorphic("asin", np.arcsin, lambda z, y: reciprocal(_circle(z, -1)))
acos = holomorphic("acos", np.arccos, lambda z, y: neg(reciprocal(_circle(z, -1))))
atan = holomorphic("atan", np.arctan, lambda z, y: reciprocal(add(1, square(z))))
asinh = holomorphic("asinh", np.arcsinh, lambda z, y: reciprocal(_circle(z, 1)))
acosh = holomorphic("acosh", np.arccosh, lambda z, y: reciprocal(mul(sqrt(sub(z, 1)), sqrt(add(z, 1)))))
atanh = holomorphic("atanh", np.arctanh, lambda z, y: reciprocal(sub(1, square(z))))
expm1 = holomorphic("expm1", np.expm1, lambda z, y: add(y, 1))
log1p = holomorphic("log1p", np.log1p, lambda z, y: reciprocal(add(z, 1)))
