"""Products of complex tensors: functions that are linear in each of several arguments, from those of real and imaginary parts.

A real factor may stand among complex ones (PyTorch refuses it in most): it costs half of what a complex one does.
"""

from __future__ import annotations

from .. import ops
from ..dtypes import is_complex
from ..tensor import Tensor
from .arithmetic import add, conj, mul
from .forms import form
from .tensor import ComplexTensor, parts


def multilinear(f, *operands):
    """f(*operands), linear in each of them, by taking each complex one apart: f(a + ib) = f(a) + i f(b)."""
    for k, z in enumerate(operands):
        if isinstance(z, ComplexTensor):
            re, im = (multilinear(f, *operands[:k], part, *operands[k + 1 :]) for part in parts(z))
            if isinstance(re, ComplexTensor):
                return ComplexTensor(re.real - im.imag, re.imag + im.real)
            return ComplexTensor(re, im)
    return f(*operands)


_REAL = ops.exported("FUNCTIONAL") | ops.exported("__all__")


def _of_two(name):
    real = _REAL[name]

    def f(input, other, *options, **named_options):
        return multilinear(lambda a, b: real(a, b, *options, **named_options), input, other)

    f.__name__ = f.__qualname__ = name
    return form(getattr(real, "__wrapped__", real).__name__)(f)


matmul, mm, bmm, mv, dot, inner, outer, kron, tensordot, cross = map(
    _of_two, "matmul mm bmm mv dot inner outer kron tensordot cross".split()
)
form("ger")(outer)


@form()
def vdot(input, tensor):
    return dot(conj(input) if isinstance(input, ComplexTensor) else input, tensor)


@form()
def einsum(equation, *operands):
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    if not isinstance(equation, (str, Tensor)):
        raise TypeError(f"einsum(): argument 'equation' must be str, not {type(equation).__name__}")
    if not isinstance(equation, str):  # operand, its axes, operand, its axes, ..., axes of the result
        operands = (equation, *operands)
        count = len(operands) // 2
        rest = operands[2 * count :]
        return multilinear(
            lambda *each: _REAL["einsum"](*(v for pair in zip(each, operands[1::2], strict=False) for v in pair), *rest), *operands[: 2 * count : 2]
        )
    return multilinear(lambda *each: _REAL["einsum"](equation, *each), *operands)


@form()
def chain_matmul(*matrices):
    product = matrices[0]
    for m in matrices[1:]:
        product = matmul(product, m)
    return product


def _added(name, product):
    def f(input, a, b, *, beta=1, alpha=1):
        y = product(a, b)
        y = y if alpha == 1 else mul(y, alpha)
        return y if beta == 0 else add(mul(input, beta) if beta != 1 else input, y)

    f.__name__ = f.__qualname__ = name
    return form(name)(f)


addmm, addmv, addr, baddbmm = (
    _added(name, product) for name, product in (("addmm", mm), ("addmv", mv), ("addr", outer), ("baddbmm", bmm))
)
addbmm = _added("addbmm", lambda a, b: bmm(a, b).sum(0))


@form()
def linear(input, weight, bias=None):
    """input weightᵀ + bias."""
    y = multilinear(_REAL["linear"], input, weight)
    return y if bias is None else add(y, bias)


def _convolution(name, axes):
    real = _REAL[name]

    def f(input, weight, bias=None, *options, **named_options):
        if bias is not None and not is_complex(input) and not is_complex(weight):
            raise RuntimeError(f"{name}: Input type ({input.dtype.name}) and bias type ({bias.dtype.name}) should be the same")
        y = multilinear(lambda x, w: real(x, w, None, *options, **named_options), input, weight)
        return y if bias is None else add(y, bias.reshape(-1, *(1,) * axes))

    f.__name__ = f.__qualname__ = name
    form(name)(f)


for _axes in (1, 2, 3):
    _convolution(f"conv{_axes}d", _axes)
    _convolution(f"conv_transpose{_axes}d", _axes)


@form("embedding")
def embedding(input, weight, *options, **named_options):
    """Rows of a complex table."""
    return multilinear(lambda table: _REAL["embedding"](input, table, *options, **named_options), weight)
