"""Arithmetic of sparse matrices: every result is sparse where PyTorch's is, and differentiable in all values.

Where the entries stand is found by NumPy (integers); values only go through ops. `answer` is what a function of tensors does when one of
its arguments is sparse.
"""

from __future__ import annotations

import numpy as np

from .errors import ShapeError
from .ops.join import cat
from .ops.segment import segment_max, segment_softmax, segment_sum
from .tensor import Tensor, from_numpy, normalize_dim

# Functions of a number that leave 0 where it is: they are those of the values.
OF_VALUES = "abs asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor log1p neg rad2deg relu round sgn sign sin sinh sqrt square tan tanh trunc".split()


def is_sparse(x):
    return hasattr(x, "_rows")


def _same_shape(name, a, b):
    if a._shape != tuple(b.shape):
        raise ShapeError(f"{name}: sparse matrices must have the same shape, got {list(a._shape)} and {list(b.shape)}")


def _places(m):
    """One number for each entry: row-major, as in the dense matrix."""
    return m._rows.numpy() * m._shape[1] + m._columns.numpy()


def _indices(a):
    return from_numpy(np.ascontiguousarray(a, np.int64))


def add(a, b, alpha=1):
    """a + alpha * b: sparse where both are, else dense."""
    if not is_sparse(a):
        return a + (b.to_dense() if alpha == 1 else alpha * b.to_dense())
    if not is_sparse(b):
        return a.to_dense() + (b if alpha == 1 else alpha * b)
    _same_shape("add", a, b)
    values = cat([a._values_, b._values_ if alpha == 1 else alpha * b._values_])
    return a._made(cat([a._rows, b._rows]), cat([a._columns, b._columns]), values, a._shape).coalesce()


def mul(a, b):
    """Element by element: sparse. b: a number, a sparse matrix of a's shape, or a dense tensor that broadcasts to it."""
    if not is_sparse(a):
        a, b = b, a
    if is_sparse(b):
        _same_shape("mul", a, b)
        a, b = a.coalesce(), b.coalesce()
        _, i, k = np.intersect1d(_places(a), _places(b), assume_unique=True, return_indices=True)
        i, k = _indices(i), _indices(k)
        return a._made(a._rows[i], a._columns[i], a._values_[i] * b._values_[k], a._shape, True)
    return a._with(a._values_ * _at_entries(a, b))


def _at_entries(a, b):
    """A number as it is; of a dense tensor that broadcasts to a's shape, what stands where a has entries."""
    return b.expand(a._shape)[a._rows, a._columns] if isinstance(b, Tensor) and b.ndim else b


def div(a, b):
    """a / b, a sparse: by a number, or by a dense tensor that broadcasts to a."""
    if not is_sparse(a) or is_sparse(b):
        raise NotImplementedError("div: only a sparse matrix divided by a number or a dense tensor is implemented; use to_dense()")
    return a._with(a._values_ / _at_entries(a, b))


def _followed(a, b):
    """(i, k): every entry i of a with every entry k of b whose row is i's column; k in the order of b's rows."""
    offsets = b._sorted()[0].numpy()
    start, count = offsets[a._columns.numpy()], np.diff(offsets)[a._columns.numpy()]
    i = np.repeat(np.arange(len(count)), count)
    before = np.concatenate([[0], np.cumsum(count)])[:-1]
    return _indices(i), _indices(np.arange(len(i)) - before[i] + start[i])


def product(a, b):
    """The product of two sparse matrices: sparse."""
    if a._shape[1] != b._shape[0]:
        raise ShapeError(f"mm: shapes cannot be multiplied ({list(a._shape)} and {list(b._shape)})")
    i, k = _followed(a, b)
    k = b._sorted()[1][k]
    return a._made(a._rows[i], b._columns[k], a._values_[i] * b._values_[k], (a._shape[0], b._shape[1])).coalesce()


def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta * input + alpha * (mat1 @ mat2), mat1 sparse."""
    y = mat1 @ mat2
    return add(input if beta == 1 else beta * input, y, alpha)


def linear(input, weight, bias=None):
    """input @ weight.T + bias, input sparse."""
    y = input @ weight.t()
    return y if bias is None else y + bias


def index_select(input, dim, index):
    """Rows (dim 0) or columns (dim 1), as index says."""
    if normalize_dim(dim, 2) == 1:
        return index_select(input.t(), 0, index).t()
    rows = index.long()
    picked = input._made(_indices(np.arange(len(rows))), rows, input._values_.new_ones(len(rows)), (len(rows), input._shape[0]))
    return product(picked, input)


def joined(tensors, dim=0):
    """Sparse matrices below (dim 0) or beside each other (dim 1)."""
    dim, first = normalize_dim(dim, 2), tensors[0]
    if not all(map(is_sparse, tensors)) or len({m._shape[1 - dim] for m in tensors}) > 1:
        raise ShapeError("cat: expected sparse matrices whose shapes differ only along dim")
    ends = np.cumsum([0] + [m._shape[dim] for m in tensors]).tolist()
    places = [[m._rows, m._columns] for m in tensors]
    for place, end in zip(places, ends, strict=False):
        place[dim] = place[dim] + end
    shape = (ends[-1], first._shape[1]) if dim == 0 else (first._shape[0], ends[-1])
    whole = first._made(cat([p[0] for p in places]), cat([p[1] for p in places]), cat([m._values_ for m in tensors]), shape)
    return whole.coalesce() if all(m._coalesced for m in tensors) else whole


def _segments(m, dim, dtype):
    m = m.coalesce()
    m = m if dtype is None else m.to(dtype)
    along = normalize_dim(dim, 2)
    return m, (m._rows if along else m._columns), m._shape[1 - along]


def softmax(input, dim, *, dtype=None):
    """softmax over the entries of each row (dim 1) or column (dim 0); what is not there counts as minus infinity."""
    m, ids, n = _segments(input, dim, dtype)
    return m._with(segment_softmax(m._values_, ids, n))


def log_softmax(input, dim, *, dtype=None):
    """The logarithm of `softmax`."""
    m, ids, n = _segments(input, dim, dtype)
    shifted = m._values_ - segment_max(m._values_.detach(), ids, n)[ids]
    return m._with(shifted - segment_sum(shifted.exp(), ids, n)[ids].log())


def of_values(name):
    """The function of this name, of a sparse matrix: that of its values."""

    def f(input):
        m = input.coalesce()
        return m._with(getattr(m._values_, name)())

    f.__name__, f.__doc__ = name, f"`Tensor.{name}` of the values: it leaves 0 where it is."
    return f


def pow(input, exponent):
    """Each value to the power of a positive number."""
    m = input.coalesce()
    if not exponent > 0:
        raise NotImplementedError(f"pow: of a sparse matrix to the power of {exponent}: 0 would not stay 0; use to_dense()")
    return m._with(m._values_**exponent)


FORMS = {
    "add": add, "sub": lambda a, b, alpha=1: add(a, b, -alpha), "mul": mul, "multiply": mul, "div": div, "true_divide": div, "pow": pow,
    "mm": lambda a, b: a @ b, "matmul": lambda a, b: a @ b, "mv": lambda a, b: a @ b, "addmm": addmm, "linear": linear, "softmax": softmax,
    "log_softmax": log_softmax, "cat": joined, "concat": joined, "index_select": index_select, "transpose": lambda a, *dims: a.transpose(*dims),
    "t": lambda a: a.t(), "sum": lambda a, dim=None: a.sum(dim), "numel": lambda a: a.numel(), "clone": lambda a: a.clone(),
} | {name: of_values(name) for name in OF_VALUES}  # fmt: skip


def answer(func, args, kwargs):
    """func(*args, **kwargs), where one of them is sparse. NotImplementedError where that has no sparse form."""
    form = FORMS.get(func.__name__)
    if form is None:
        raise NotImplementedError(f"{func.__name__}: not implemented for sparse matrices; use to_dense()")
    return form(*args, **kwargs)
