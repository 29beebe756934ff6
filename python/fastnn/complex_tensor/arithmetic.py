"""Complex numbers element by element: sums and products, magnitudes, comparisons."""

from __future__ import annotations

from .. import _cpu
from ..autodiff import op
from ..ops import comparison
from ..ops import elementwise as ew
from ..tensor import ones_like
from .forms import NoComplexForm, form
from .tensor import ComplexTensor, as_complex, is_real, known, paired, parts

# -- sums and products --------------------------------------------------------------------------------------------------------


def operands(a, b):
    return known(a), known(b)


@form()
def add(input, other, *, alpha=1):
    a, b = operands(input, other if alpha == 1 else mul(other, alpha))
    (ar, ai), (br, bi) = parts(a), parts(b)
    return paired(ar + br, ai + bi)


@form("sub", "subtract")
def sub(input, other, *, alpha=1):
    a, b = operands(input, other if alpha == 1 else mul(other, alpha))
    (ar, ai), (br, bi) = parts(a), parts(b)
    return paired(ar - br, ai - bi)


@form()
def rsub(input, other, *, alpha=1):
    return sub(other, input, alpha=alpha)


@form("mul", "multiply")
def mul(input, other):
    a, b = operands(input, other)
    (ar, ai), (br, bi) = parts(a), parts(b)
    if is_real(b):
        return paired(ar * br, ai * br)
    if is_real(a):
        return paired(ar * br, ar * bi)
    return paired(ar * br - ai * bi, ar * bi + ai * br)


@form("div", "divide", "true_divide")
def div(input, other, *, rounding_mode=None):
    if rounding_mode is not None:
        raise NoComplexForm("div: rounding_mode is not supported for complex numbers")
    a, b = operands(input, other)
    if is_real(b):
        (ar, ai), (br, _) = parts(a), parts(b)
        return paired(ar / br, ai / br)
    if not isinstance(b, ComplexTensor):
        return mul(a, 1 / b)
    br, bi = parts(b)
    size = ew.maximum(br.detach().abs(), bi.detach().abs())  # so that no square overflows; b is of its order
    br, bi = br / size, bi / size
    square = (br * br + bi * bi) * size
    return mul(a, ComplexTensor(br / square, -bi / square))


@form()
def reciprocal(input):
    return div(1, input)


@form()
def square(input):
    return mul(input, input)


@form("neg", "negative")
def neg(input):
    re, im = parts(input)
    return ComplexTensor(-re, -im)


@form()
def positive(input):
    return input


@form("conj", "conj_physical")
def conj(input):
    """real - i imag, in memory of its own."""
    re, im = parts(input)
    return ComplexTensor(re.clone(), -im)


@form()
def conj_physical_(input):
    input.imag.neg_()
    return input


@form()
def abs_(input):
    raise RuntimeError("In-place abs is not supported for complex tensors.")


@form("resolve_conj", "resolve_neg")
def resolve_conj(input):
    return input


@form()
def addcmul(input, tensor1, tensor2, *, value=1):
    return add(input, mul(mul(tensor1, tensor2), value))


@form()
def addcdiv(input, tensor1, tensor2, *, value=1):
    return add(input, mul(div(tensor1, tensor2), value))


@form()
def lerp(input, end, weight):
    return add(input, mul(sub(end, input), weight))


def is_zero(z):
    re, im = parts(z)
    return (re == 0) & (im == 0)


# -- magnitude and direction --------------------------------------------------------------------------------------------------


def _not_0(x):
    return ew.where(x == 0, ones_like(x), x)


@op(saves="re, im, y")
def _modulus(re, im):
    return _cpu.hypot(re, im)


_modulus.partials(lambda g, y, re, im: g * (re / _not_0(y)), lambda g, y, re, im: g * (im / _not_0(y))).pointwise()


@form("abs", "absolute", "__abs__")
def abs(input):
    """√(real² + imag²): a real tensor. Its gradient at 0 is 0."""
    return _modulus(*parts(input))


@form()
def angle(input):
    """The argument, in [-pi, pi]: a real tensor."""
    re, im = parts(input)
    return ew.atan2(im, re)


@form()
def sgn(input):
    """z / |z|, and 0 at 0."""
    return div(input, _not_0(abs(input)))


@form()
def real(input):
    return input.real


@form()
def imag(input):
    return input.imag


# -- comparisons --------------------------------------------------------------------------------------------------------------


@form()
def eq(input, other):
    (ar, ai), (br, bi) = map(parts, operands(input, other))
    return (ar == br) & (ai == bi)


@form("ne", "not_equal")
def ne(input, other):
    return ~eq(input, other)


@form()
def equal(input, other):
    return tuple(input.shape) == tuple(other.shape) and bool(eq(input, other).all())


@form()
def isclose(input, other, rtol=1e-5, atol=1e-8, equal_nan=False):
    """|input - other| <= atol + rtol |other|, or both are the same."""
    a, b = as_complex(input), as_complex(other)
    same = eq(a, b)
    if equal_nan:
        same = same | (isnan(a) & isnan(b))
    distance, size = abs(sub(a, b)), abs(b)
    return same | ((distance <= atol + rtol * size) & comparison.isfinite(distance) & comparison.isfinite(size))


@form()
def allclose(input, other, rtol=1e-5, atol=1e-8, equal_nan=False):
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@form()
def isnan(input):
    re, im = parts(input)
    return comparison.isnan(re) | comparison.isnan(im)


@form()
def isinf(input):
    re, im = parts(input)
    return comparison.isinf(re) | comparison.isinf(im)


@form()
def isfinite(input):
    re, im = parts(input)
    return comparison.isfinite(re) & comparison.isfinite(im)


@form()
def isreal(input):
    return input.imag == 0


@form()
def logical_not(input):
    return is_zero(input)


def _logical(name):
    real = getattr(comparison, name)
    form(name)(lambda input, other: real(*(~is_zero(x) if isinstance(x, ComplexTensor) else x for x in (input, other))))


for _name in "logical_and logical_or logical_xor".split():
    _logical(_name)
