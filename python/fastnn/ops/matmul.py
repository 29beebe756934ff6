"""Products: matmul and what is made of it. The partials of C = A.B are products again, dA = dC.B', dB = A'.dC, so every
order of derivative exists. The kernel takes any strides: transposes here are views."""

from __future__ import annotations

import functools

import numpy as np

from .. import _cpu, dtypes
from ..autodiff import Array, op, record
from ..errors import DTypeError, ShapeError, rounded_once
from ..tensor import as_tensor
from .shape import _permute, _reshape, reshape, squeeze, unsqueeze

# (a, b, d=None, transposed=0): a.b + d as a new tensor, 1: a.b', 2: a'.b; None where shapes or dtypes do not fit
_product = _cpu.product

# -- A.B ----------------------------------------------------------------------------------------------------------------


@op(saves="ab")
def _matmul(a, b):
    c = _product(a, b)
    if c is None:
        _product_shape(a, b)  # raises
    return c


def _product_shape(a, b):
    """The shape of a @ b; errors in PyTorch's words."""
    sa, sb = a._shape, b._shape
    if not sa or not sb:
        raise ShapeError(f"both arguments to matmul need to be at least 1D, but they are {len(sa)}D and {len(sb)}D")
    if a.dtype is not b.dtype:
        raise DTypeError(
            f"expected m1 and m2 to have the same dtype, but got: {dtypes.C_TYPES[a.dtype]} != {dtypes.C_TYPES[b.dtype]}"
        )
    batch_a, batch_b, k = sa[:-2], sb[:-2], sa[-1]
    batch = []
    for d in range(max(len(batch_a), len(batch_b))):
        x = batch_a[d + len(batch_a) - max(len(batch_a), len(batch_b))] if d + len(batch_a) >= len(batch_b) else 1
        y = batch_b[d + len(batch_b) - max(len(batch_a), len(batch_b))] if d + len(batch_b) >= len(batch_a) else 1
        if x != y and x != 1 and y != 1:
            raise ShapeError(f"The size of tensor a ({x}) must match the size of tensor b ({y}) at non-singleton dimension {d}")
        batch.append(y if x == 1 else x)
    if k != (sb[0] if len(sb) == 1 else sb[-2]):
        rows = 1
        for s in sa[:-1]:
            rows *= s
        if len(sa) == len(sb) == 1:
            raise ShapeError(
                f"inconsistent tensor size, expected tensor [{k}] and src [{sb[0]}] to have the same number of elements, "
                f"but got {k} and {sb[0]} elements respectively"
            )
        if len(sb) == 1:
            raise ShapeError(f"size mismatch, got input ({rows}), mat ({rows}x{k}), vec ({sb[0]})")
        if len(sb) == 2:
            raise ShapeError(f"mat1 and mat2 shapes cannot be multiplied ({rows}x{k} and {sb[0]}x{sb[1]})")
        n = 1
        for s in batch:
            n *= s
        raise ShapeError(f"Expected size for first two dimensions of batch2 tensor to be: [{n}, {k}] but got: [{n}, {sb[-2]}].")
    return (*batch, *sa[-2:-1], *(sb[-1:] if len(sb) > 1 else ()))


def _mt(x):
    """The last two axes exchanged."""
    n = x.ndim
    return _permute(x, dims=(1, 0) if n == 2 else (*range(n - 2), n - 1, n - 2))


def _rows(x):
    """All axes but the last as one."""
    s = x._shape
    if len(s) == 2:
        return x
    n = 1
    for d in s[:-1]:
        n *= d
    return _reshape(x, shape=(n, s[-1]))


def _column(g, a, b):
    """g with the axes that vectors a or b took away."""
    if a.ndim == 1:
        g = unsqueeze(g, -1 if b.ndim == 1 else -2)
    return unsqueeze(g, -1) if b.ndim == 1 else g


def _matmul_da(g, y, a, b):
    if b.ndim == 1:
        g, b = _column(g, a, b), unsqueeze(b, 1)
        da = _matmul(g, _mt(b))
        return squeeze(da, -2) if a.ndim == 1 else da
    if a.ndim == 1:
        return squeeze(_matmul(unsqueeze(g, -2), _mt(b)), -2)
    return _matmul(g, _mt(b))


def _matmul_db(g, y, a, b):
    g = _column(g, a, b)
    if a.ndim == 1:
        a = unsqueeze(a, 0)
    if b.ndim == 1:
        return squeeze(_matmul(_mt(_rows(a)), _rows(g)), -1)
    if b.ndim == 2:  # one B for a batch of A: the batch is summed inside the product
        return _matmul(_mt(_rows(a)), _rows(g))
    return _matmul(_mt(a), g)


_matmul.partials(_matmul_da, _matmul_db).multilinear(0, 1)


def _tensors(name, **arguments):
    for i, (key, x) in enumerate(arguments.items()):
        if not isinstance(x, Array):
            raise TypeError(f"{name}(): argument '{key}' (position {i + 1}) must be Tensor, not {type(x).__name__}")


def matmul(input, other):
    """input @ other: dot product, matrix-vector, vector-matrix, matrix or batched matrix product.

    (..., m, k), (..., k, n) -> (..., m, n); leading axes broadcast; a vector loses its axis.
    RuntimeError (also a ValueError) for shapes, RuntimeError (also a TypeError) for dtypes that differ.
    """
    if not (isinstance(input, Array) and isinstance(other, Array)):
        _tensors("matmul", input=input, other=other)
    return _matmul(input, other)


def __matmul__(self, other):
    if not isinstance(other, Array):
        return NotImplemented
    c = _product(self, other)
    return _matmul(self, other) if c is None else record(c, _matmul, (self, other))


def __rmatmul__(self, other):
    return matmul(as_tensor(other), self) if isinstance(other, np.ndarray) else NotImplemented


def mm(input, mat2):
    """Product of two matrices: (m, k), (k, n) -> (m, n)."""
    if not (isinstance(input, Array) and isinstance(mat2, Array)):
        _tensors("mm", input=input, mat2=mat2)
    if input.ndim != 2 or mat2.ndim != 2:
        raise ShapeError(f"{'self' if input.ndim != 2 else 'mat2'} must be a matrix")
    return _matmul(input, mat2)


def bmm(input, mat2):
    """Products of two batches of matrices: (b, m, k), (b, k, n) -> (b, m, n); no broadcasting."""
    _tensors("bmm", input=input, mat2=mat2)
    _check_batches(input, mat2)
    return _matmul(input, mat2)


def _check_batches(a, b):
    for x, name in ((a, "batch1"), (b, "batch2")):
        if x.ndim != 3:
            raise ShapeError(f"{name} must be a 3D tensor")
    if a._shape[0] != b._shape[0] or a._shape[2] != b._shape[1]:
        raise ShapeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a._shape[0]}, {a._shape[2]}] "
            f"but got: [{b._shape[0]}, {b._shape[1]}]."
        )


def mv(input, vec):
    """Matrix times vector: (m, k), (k,) -> (m,)."""
    _tensors("mv", input=input, vec=vec)
    if input.ndim != 2 or vec.ndim != 1:
        raise ShapeError(f"vector + matrix @ vector expected, got 1, {input.ndim}, {vec.ndim}")
    return _matmul(input, vec)


def dot(input, tensor):
    """The sum of products of two vectors, a 0-d tensor."""
    _tensors("dot", input=input, tensor=tensor)
    if input.ndim != 1 or tensor.ndim != 1:
        raise ShapeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    if input.dtype is not tensor.dtype:
        raise DTypeError(
            f"dot : expected both vectors to have same dtype, but found {input.dtype.scalar_type} and {tensor.dtype.scalar_type}"
        )
    return _matmul(input, tensor)


def vdot(input, tensor):
    """`dot`, of complex vectors with the first conjugated."""
    return dot(input, tensor)


def outer(input, vec2):
    """All products of elements of two vectors: (m,), (n,) -> (m, n)."""
    _tensors("outer", input=input, vec2=vec2)
    for x, name in ((input, "self"), (vec2, "vec2")):
        if x.ndim != 1:
            raise ShapeError(f"outer: Expected 1-D argument {name}, but got {x.ndim}-D")
    if input.dtype is not vec2.dtype or input.dtype is dtypes.bool:
        return unsqueeze(input, 1) * vec2
    return _matmul(unsqueeze(input, 1), unsqueeze(vec2, 0))


ger = outer

# -- A.B + D ------------------------------------------------------------------------------------------------------------


@op(saves="ab")
def _addmm(d, a, b):
    return _product(a, b, d)  # checked by _add_product


_addmm.partials(
    lambda g, y, d, a, b: g,  # summed to d's shape by grad
    lambda g, y, d, a, b: _matmul(g, _mt(b)),
    lambda g, y, d, a, b: _matmul(_mt(a), g),
).multilinear(1, 2, plus=0)


def _add_product(d, a, b, beta, alpha):
    """beta d + alpha a.b with d broadcast; a, b checked matrices or batches."""
    shape = _product_shape(a, b)
    if d.dtype is not a.dtype:
        raise DTypeError(f"self and mat2 must have the same dtype, but got {d.dtype.scalar_type} and {a.dtype.scalar_type}")
    _check_expands(d, shape)
    if beta == 1 and alpha == 1:
        return _addmm(d, a, b)
    return scaled_sum(d, _matmul(a, b), beta, alpha)


def scaled_sum(d, product, beta, alpha):
    """beta d + alpha product; of integers the integer parts of beta and alpha. beta 0 ignores even NaN in d."""
    if not product._floating:
        beta, alpha = int(beta), int(alpha)
    if alpha != 1:
        product = product * alpha
    return product if beta == 0 else product + (d if beta == 1 else d * beta)


def _check_expands(d, shape):
    s, lead = d._shape, len(shape) - d.ndim
    if lead < 0:
        raise ShapeError(
            f"expand({list(s)}, size={list(shape)}): the number of sizes provided ({len(shape)}) must be greater or equal to "
            f"the number of dimensions in the tensor ({d.ndim})"
        )
    for i in range(d.ndim - 1, -1, -1):
        if s[i] != shape[lead + i] and s[i] != 1:
            raise ShapeError(
                f"The expanded size of the tensor ({shape[lead + i]}) must match the existing size ({s[i]}) at non-singleton "
                f"dimension {lead + i}.  Target sizes: {list(shape)}.  Tensor sizes: {list(s)}"
            )


def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta input + alpha mat1 @ mat2, input broadcast to (m, n). beta 0 ignores input, NaN included."""
    _tensors("addmm", input=input, mat1=mat1, mat2=mat2)
    for x, name in ((mat1, "mat1"), (mat2, "mat2")):
        if x.ndim != 2:
            raise ShapeError(f"{name} must be a matrix, got {x.ndim}-D tensor")
    return _add_product(input, mat1, mat2, beta, alpha)


def baddbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta input + alpha batch1 @ batch2 for batches of matrices, input broadcast to (b, m, n)."""
    _tensors("baddbmm", input=input, batch1=batch1, batch2=batch2)
    _check_batches(batch1, batch2)
    return _add_product(input, batch1, batch2, beta, alpha)


def addmv(input, mat, vec, *, beta=1, alpha=1):
    """beta input + alpha mat @ vec, input broadcast to (m,)."""
    _tensors("addmv", input=input, mat=mat, vec=vec)
    if mat.ndim != 2 or vec.ndim != 1:
        raise ShapeError(f"vector + matrix @ vector expected, got {input.ndim}, {mat.ndim}, {vec.ndim}")
    if beta == 1 and alpha == 1 and input.ndim < 2:
        column = _add_product(unsqueeze(input, -1) if input.ndim else input, mat, unsqueeze(vec, 1), 1, 1)
        return squeeze(column, 1)
    return _add_product(input, mat, vec, beta, alpha)


# -- linear -------------------------------------------------------------------------------------------------------------


@op(saves="xw")
def _linear(x, w, b):
    return _product(x, w, b, 1)  # checked by linear


def _linear_dw(g, y, x, w, b):
    if x.ndim == 1:
        x, g = unsqueeze(x, 0), unsqueeze(g, 0)
    return _matmul(_mt(_rows(g)), _rows(x))


def _linear_joint(g, y, x, w, b, needs, rows=0):
    """The same partials without recording, nor views for the transposes."""
    dx = _product(g, w, None, rows) if needs[0] else None
    dw = None
    if needs[1]:
        dw = _product(g, x, None, 2) if x.ndim == 2 else _linear_dw(g, y, x, w, b)
    return dx, dw, g


_LINEAR = (
    lambda g, y, x, w, b: _matmul(g, w),
    _linear_dw,
    lambda g, y, x, w, b: g,  # summed over rows by grad
)
_linear.partials(*_LINEAR).joint(_linear_joint).multilinear(0, 1, plus=2)


@op(saves="xw")
def _linear_rows(x, w, b):
    return _product(x, w, b, 5)


_linear_rows.partials(*_LINEAR).joint(functools.partial(_linear_joint, rows=4)).multilinear(0, 1, plus=2)


def linear_of_sequences(input, weight, bias=None):
    """`linear` of the steps of sequences: a step, and its gradient, comes out the same, bit for bit, alone and among others.

    Batches that differ in padding give the same numbers. `linear` takes the fastest way for each number of rows: for up to about 50
    of them dot products, which add in another order.
    """
    y = _product(input, weight, bias, 5) if weight.ndim == 2 and input._floating else None
    return linear(input, weight, bias) if y is None else record(y, _linear_rows, (input, weight, bias))


def linear(input, weight, bias=None):
    """y = x W' + b.   input (*, in), weight (out, in) or (in,), bias (out,) or None -> (*, out) or (*)."""
    if not (isinstance(input, Array) and isinstance(weight, Array) and (bias is None or isinstance(bias, Array))):
        _tensors("linear", input=input, weight=weight, **({} if bias is None else {"bias": bias}))
    if weight.ndim == 2:
        y = _product(input, weight, bias, 1)
        if y is not None:
            return record(y, _linear, (input, weight, bias))
    s, w = input._shape, weight._shape
    if len(w) == 1 and s:
        if bias is not None:
            raise ShapeError("mat2 must be a matrix, got 1-D tensor")
        return _matmul(input, weight)
    if not s or not w:
        raise ShapeError(f"both arguments to linear need to be at least 1D, but they are {len(s)}D and {len(w)}D")
    if len(w) != 2:
        raise ShapeError(f"t() expects a tensor with <= 2 dimensions, but self is {len(w)}D")
    if s[-1] != w[1] or weight.dtype is not input.dtype:
        _product_shape(input, weight._permute((1, 0)))  # raises
    if bias is not None:
        if bias._shape != w[:1]:
            _check_expands(bias, (*s[:-1], w[0]))
        if bias.dtype is not input.dtype:
            raise DTypeError(
                f"self and mat2 must have the same dtype, but got {bias.dtype.scalar_type} and {input.dtype.scalar_type}"
            )
    return _linear(input, weight, bias)


@rounded_once
def bilinear(input1, input2, weight, bias=None):
    """y[..., o] = sum x1[..., i] W[o, i, j] x2[..., j] + b[o].

    input1 (*, in1), input2 (*, in2), weight (out, in1, in2), bias (out,) or None -> (*, out).
    """
    _tensors("bilinear", input1=input1, input2=input2, weight=weight)
    if input1.ndim != input2.ndim:
        raise ShapeError(f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}")
    for d, (p, q) in enumerate(zip(input1._shape[:-1], input2._shape[:-1], strict=True)):
        if p != q:
            raise ShapeError(f"bilinear(): input batch dimensions do not match at dim {d}: got {p} and {q}")
    for i, x in ((1, input1), (2, input2)):
        if weight.ndim <= i or x.ndim == 0 or x._shape[-1] != weight._shape[i]:
            size, want = x._shape[-1] if x.ndim else 0, weight._shape[i] if weight.ndim > i else 0
            raise ShapeError(f"bilinear(): input{i} size does not match weight size: got {size} but expected {want}")
    if bias is not None and bias._shape != weight._shape[:1]:
        got = bias._shape[0] if bias.ndim else 1
        raise ShapeError(f"bilinear(): bias size does not match weight size: got {got} but expected {weight._shape[0]}")
    out, n1, n2 = weight._shape
    x1, x2 = _rows(input1), _rows(input2)
    # (rows, out, in1) = x2 W', then a batch of vector products with x1
    half = reshape(_matmul(x2, _mt(reshape(weight, (out * n1, n2)))), (x2._shape[0], out, n1))
    y = squeeze(_matmul(half, unsqueeze(x1, -1)), -1)
    y = reshape(y, (*input1._shape[:-1], out))
    return y if bias is None else y + bias


__all__ = (
    "addmm addmv baddbmm bmm dot ger matmul mm mv outer vdot"
).split()
METHODS = (
    "__matmul__ __rmatmul__ addmm addmv baddbmm bmm dot ger matmul mm mv outer vdot"
).split()
FUNCTIONAL = ("linear", "linear_of_sequences", "bilinear")
