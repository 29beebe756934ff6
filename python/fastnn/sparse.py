"""Sparse matrices, as graph networks need them: made from indices and values, multiplied with dense ones, differentiable in both.

PyTorch's names: sparse_coo_tensor, sparse_csr_tensor, sparse.mm, Tensor.to_sparse. Two axes only: what PyTorch gives as a sparse vector is
dense here. Products with dense matrices are `csr_matmul` (ops/segment.py), other arithmetic is sparse_algebra.py; the rest raises.
"""

from __future__ import annotations

import numpy as np

from . import printing
from . import sparse_algebra as algebra
from .dtypes import sparse_coo, sparse_csr
from .errors import BoundsError, ShapeError, named
from .ops.segment import csr_matmul, segment_sum
from .sparse_algebra import addmm, log_softmax, softmax
from .tensor import Size, Tensor, TensorType, as_tensor, from_numpy, normalize_dim, zeros

__all__ = ["FloatTensor", "SparseMatrix", "addmm", "log_softmax", "mm", "softmax", "spdiags", "spmm", "sum"]


class SparseMatrix:
    """A matrix of this shape that is zero but at (rows, columns), where it has values (n). Equal places add up."""

    is_sparse, is_leaf, is_cuda, grad, ndim, grad_fn = True, True, False, None, 2, None

    def __init__(self, rows, columns, values, shape, coalesced=False, layout=sparse_coo):
        self._rows, self._columns, self._values_, self._shape = rows, columns, values, tuple(shape)
        self._coalesced, self.layout, self._csr = coalesced, layout, None

    shape = property(lambda self: Size(self._shape))
    dtype = property(lambda self: self._values_.dtype)
    device = property(lambda self: self._values_.device)
    requires_grad = property(lambda self: self._values_.requires_grad)
    is_sparse_csr = property(lambda self: self.layout is sparse_csr)
    T = property(lambda self: self.t())
    data = property(lambda self: self.detach())

    def size(self, dim=None):
        return self.shape if dim is None else self._shape[dim]

    def dim(self):
        return 2

    sparse_dim = dim

    def dense_dim(self):
        return 0

    def __len__(self):
        return self._shape[0]

    def numel(self):
        """The product of the shape, zeros included."""
        return self._shape[0] * self._shape[1]

    def _nnz(self):
        return self._rows._size

    def is_coalesced(self):
        return self._coalesced

    def _sorted(self):
        """(offsets of rows, order of the entries by row)"""
        if self._csr is None:
            rows = self._rows.numpy()
            order = np.argsort(rows, kind="stable")
            offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self._shape[0]))])
            self._csr = from_numpy(offsets), from_numpy(order)
        return self._csr

    def coalesce(self):
        """The same with each place once, by rows, then columns."""
        if self._coalesced:
            return self
        flat = self._rows.numpy() * self._shape[1] + self._columns.numpy()
        places, inverse = np.unique(flat, return_inverse=True)
        values = segment_sum(self._values_, from_numpy(inverse.astype(np.int64)), len(places))
        rows, columns = (from_numpy(np.ascontiguousarray(a)) for a in np.divmod(places, max(self._shape[1], 1)))
        return SparseMatrix(rows, columns, values, self._shape, True, self.layout)

    def indices(self):
        """(2, n): rows above columns."""
        return from_numpy(np.stack([self._rows.numpy(), self._columns.numpy()]))

    def values(self):
        return self._values_

    _indices, _values = indices, values

    def crow_indices(self):
        """Where each row begins among the entries, and where the last ends."""
        return self._sorted()[0]

    def col_indices(self):
        return self._columns[self._sorted()[1]]

    def to_dense(self):
        flat = self._rows * self._shape[1] + self._columns
        dense = zeros(self._shape[0] * self._shape[1], dtype=self.dtype).index_add(0, flat, self._values_)
        return dense.reshape(self._shape)

    def numpy(self):
        """TypeError, as PyTorch's."""
        raise TypeError("can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first.")

    def sum(self, dim=None):
        """The sum of all entries, or of those of each column (dim 0) or row (dim 1): dense."""
        if dim is None or (isinstance(dim, (tuple, list)) and len(dim) == 2):
            return self._values_.sum()
        dim = normalize_dim(dim[0] if isinstance(dim, (tuple, list)) else dim, 2)
        places = self._columns if dim == 0 else self._rows
        return segment_sum(self._values_, places, self._shape[1 - dim])

    def t(self):
        return SparseMatrix(self._columns, self._rows, self._values_, self._shape[::-1])

    def transpose(self, dim0, dim1):
        return self if dim0 % 2 == dim1 % 2 else self.t()

    def _with(self, values):
        return SparseMatrix(self._rows, self._columns, values, self._shape, self._coalesced, self.layout)

    def _made(self, rows, columns, values, shape, coalesced=False):
        return SparseMatrix(rows, columns, values, shape, coalesced, self.layout)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return algebra.answer(func, args, kwargs or {})

    def to(self, *args, **kwargs):
        return self._with(self._values_.to(*args, **kwargs))

    def float(self):
        return self._with(self._values_.float())

    def double(self):
        return self._with(self._values_.double())

    def half(self):
        return self._with(self._values_.half())

    def cpu(self):
        return self

    def cuda(self, *args, **kwargs):
        return self._with(self._values_.cuda(*args, **kwargs))

    def detach(self):
        return self._with(self._values_.detach())

    def clone(self):
        return self._with(self._values_.clone())

    def requires_grad_(self, requires_grad=True):
        self._values_.requires_grad_(requires_grad)
        return self

    def to_sparse(self):
        return SparseMatrix(self._rows, self._columns, self._values_, self._shape, self._coalesced)

    to_sparse_coo = to_sparse

    def to_sparse_csr(self):
        return SparseMatrix(*_parts(self.coalesce()), sparse_csr)

    def __getitem__(self, row):
        """A row, dense."""
        if not isinstance(row, int):
            raise NotImplementedError("only whole rows can be taken from a sparse matrix, by their number; see index_select")
        if not -self._shape[0] <= row < self._shape[0]:
            raise BoundsError(f"index {row} is out of bounds for dimension 0 with size {self._shape[0]}")
        return algebra.index_select(self, 0, from_numpy(np.array([row % self._shape[0]]))).to_dense()[0]

    def __add__(self, other):
        return algebra.add(self, other)

    def __radd__(self, other):
        return algebra.add(other, self)

    def __sub__(self, other):
        return algebra.add(self, other, -1)

    def __rsub__(self, other):
        return algebra.add(other, self, -1)

    def __mul__(self, other):
        return algebra.mul(self, other)

    __rmul__ = __mul__

    def mul_(self, number):
        """Multiplies the values in place."""
        self._values_.mul_(number)
        return self

    def __truediv__(self, other):
        return algebra.div(self, other)

    def __pow__(self, exponent):
        return algebra.pow(self, exponent)

    def __neg__(self):
        return self * -1

    def __matmul__(self, other):
        return mm(self, other)

    matmul = mm = spmm = mv = __matmul__

    def __rmatmul__(self, dense):
        return mm(self.t(), dense.mT if dense.ndim > 1 else dense).mT if dense.ndim > 1 else mm(self.t(), dense)

    add, sub, mul, div, pow = __add__, __sub__, __mul__, __truediv__, __pow__
    index_select, softmax, log_softmax = algebra.index_select, algebra.softmax, algebra.log_softmax

    def __repr__(self):
        return printing.sparse_text(self)


for _name in algebra.OF_VALUES:
    setattr(SparseMatrix, _name, algebra.FORMS[_name])
TensorType.stands_for[SparseMatrix] = Tensor  # to isinstance


def _parts(m):
    return m._rows, m._columns, m._values_, m._shape, m._coalesced


@named
def mm(mat1, mat2):
    """The product of a sparse matrix (R, V) with a dense one (V, D) or a vector (V): dense; with another sparse one: sparse.
    Differentiable in both."""
    if not isinstance(mat1, SparseMatrix):
        if isinstance(mat2, SparseMatrix):
            return mat2.__rmatmul__(mat1)
        return mat1 @ mat2
    if isinstance(mat2, SparseMatrix):
        return algebra.product(mat1, mat2)
    if mat2.ndim not in (1, 2) or mat1._shape[1] != mat2.shape[0]:
        raise ShapeError(f"sparse.mm: shapes cannot be multiplied ({list(mat1._shape)} and {list(mat2.shape)})")
    offsets, order = mat1._sorted()
    return csr_matmul(offsets, mat1._columns[order], mat1._values_[order], mat2)


spmm = mm


@named
def spdiags(diagonals, offsets, shape, layout=None):
    """A `SparseMatrix` of this shape: diagonals (K, N) on the K offsets, the one at offset k so that column c has the value at c."""
    diagonals, offsets = as_tensor(diagonals), np.atleast_1d(as_tensor(offsets).numpy())
    diagonals = diagonals if diagonals.ndim == 2 else diagonals[None]
    if len(offsets) != diagonals.shape[0] or len(set(offsets.tolist())) < len(offsets):
        raise ShapeError(f"spdiags: expected as many different offsets as diagonals, got {offsets.tolist()} for {diagonals.shape[0]}")
    which, columns = np.divmod(np.arange(diagonals.numel()), diagonals.shape[1])
    rows = columns - offsets[which]
    inside = (rows >= 0) & (rows < shape[0]) & (columns < shape[1])
    values = diagonals.reshape(-1)[from_numpy(np.flatnonzero(inside))]
    return _made("spdiags", np.stack([rows[inside], columns[inside]]), values, shape, None, False).coalesce()


@named
def sum(input, dim=None, dtype=None):
    """`SparseMatrix.sum`, in dtype if given."""
    return (input if dtype is None else input.to(dtype)).sum(dim)


@named
def sparse_coo_tensor(indices, values, size=None, *, dtype=None, device=None, requires_grad=False, check_invariants=None, is_coalesced=None):
    """A `SparseMatrix` with values (n) at indices (2, n): rows above columns. size: its shape, by default the smallest that fits.

    Values that are no floats become float32. ShapeError: other shapes; BoundsError: an index outside of size.
    """
    return _made("sparse_coo_tensor", indices, values, size, dtype, requires_grad)


def _made(name, indices, values, size, dtype, requires_grad):
    indices, values = as_tensor(indices), as_tensor(values)
    values = values if dtype is None else values.to(dtype)
    values = values if values._floating else values.to("float32")
    if indices.ndim != 2 or indices.shape[0] != 2 or values.ndim != 1 or indices.shape[1] != values.shape[0]:
        raise ShapeError(f"{name}: expected indices (2, n) and values (n), got {list(indices.shape)} and {list(values.shape)}")
    rows, columns = (from_numpy(np.array(row, np.int64)) for row in indices.numpy())
    least = [int(v.max()) + 1 if v.numel() else 0 for v in (rows, columns)]
    size = tuple(least) if size is None else tuple(int(n) for n in size)
    if len(size) != 2:
        raise ShapeError(f"{name}: only matrices exist, got size {list(size)}")
    for v, n, high in zip((rows, columns), size, least, strict=True):
        if high > n or (v.numel() and int(v.min()) < 0):
            raise BoundsError(f"{name}: index {high - 1 if high > n else int(v.min())} is out of bounds for size {list(size)}")
    if requires_grad:
        values = values.detach().requires_grad_()
    return SparseMatrix(rows, columns, values, size)


@named
def sparse_csr_tensor(crow_indices, col_indices, values, size=None, *, dtype=None, device=None, requires_grad=False, check_invariants=None):
    """A `SparseMatrix` from compressed rows: row r has the entries crow_indices[r] .. crow_indices[r + 1] - 1.

    Errors are `sparse_coo_tensor`'s, and ShapeError unless crow_indices begins with 0, never falls and ends with the number of entries.
    """
    offsets, columns = as_tensor(crow_indices).numpy(), as_tensor(col_indices)
    counts = np.diff(offsets) if offsets.ndim == 1 else np.array([-1])
    if columns.ndim != 1 or not offsets.size or offsets.ravel()[0] != 0 or (counts < 0).any() or offsets[-1] != len(columns):
        raise ShapeError(f"sparse_csr_tensor: crow_indices must rise from 0 to the number of col_indices, whose shape is {list(columns.shape)}")
    rows = np.repeat(np.arange(len(counts)), counts)
    size = (len(offsets) - 1, int(columns.max()) + 1 if columns.numel() else 0) if size is None else size
    made = _made("sparse_csr_tensor", np.stack([rows, columns.numpy()]), values, size, dtype, requires_grad)
    made.layout = sparse_csr
    return made


def FloatTensor(indices, values, size=None):
    """`sparse_coo_tensor` of float32, by its older name."""
    return sparse_coo_tensor(indices, values, size, dtype="float32")


def _to_sparse(input):
    """The entries of a matrix that are not zero."""
    if input.ndim != 2:
        raise ShapeError(f"to_sparse: only matrices can be sparse, got shape {list(input.shape)}")
    rows, columns = input.detach().nonzero(as_tuple=True)
    return SparseMatrix(rows, columns, input[rows, columns], input.shape, True)


def _to_sparse_csr(input):
    """`to_sparse` in compressed rows."""
    return _to_sparse(input).to_sparse_csr()


def _to_dense(input):
    """The tensor itself: it is dense."""
    return input


for _f in (_to_sparse, _to_sparse_csr, _to_dense):
    _f.__name__ = _f.__qualname__ = _f.__name__[1:]
    setattr(Tensor, _f.__name__, named(_f))
Tensor.to_sparse_coo = Tensor.to_sparse
