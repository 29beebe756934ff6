"""The gradient of a large table of which few rows were looked up: those rows only.

`nn.Embedding(sparse=True)` and `F.embedding(sparse=True)` leave one in `weight.grad`; `optim.SGD`, `Adagrad` and `SparseAdam` then
change no other rows. A table of 1,000,000 rows costs a step what its batch looks up, not 1,000,000 rows.
"""

from __future__ import annotations

from .dtypes import sparse_coo
from .grad_mode import no_grad
from .size import Size


class RowSparse:
    """A gradient of shape (V, ...) that is zero but in rows (n) of int64, where it has values (n, ...). Equal rows add up.

    The names of PyTorch's sparse tensors: indices(), values(), coalesce(), to_dense(). Plus another one it is sparse, plus a
    Tensor it is a Tensor.
    """

    is_sparse, layout = True, sparse_coo
    requires_grad = False
    _node = None
    _levels = None

    def __init__(self, rows, values, shape, coalesced=False):
        self._rows, self._values_, self._shape, self._coalesced = rows, values, tuple(shape), coalesced

    @property
    def shape(self):
        return Size(self._shape)

    @property
    def dtype(self):
        return self._values_.dtype

    def __repr__(self):
        from .printing import sparse_text

        return sparse_text(self)

    def is_coalesced(self):
        return self._coalesced

    def rows(self):
        """The numbers of the rows (n)."""
        return self._rows

    def indices(self):
        """The numbers of the rows as PyTorch shapes them: (1, n)."""
        return self._rows.unsqueeze(0)

    def values(self):
        """(n, ...): one row of the table for each of rows()."""
        return self._values_

    _indices, _values = indices, values

    def _nnz(self):
        return self._rows._shape[0]

    def coalesce(self):
        """The same with every row once, in rising order."""
        if self._coalesced:
            return self
        from .ops.segment import segment_sum
        from .ops.sort import unique

        with no_grad():
            rows, place = unique(self._rows, return_inverse=True)
            return RowSparse(rows, segment_sum(self._values_, place, rows._shape[0]), self._shape, True)

    def to_dense(self):
        from .tensor import zeros

        with no_grad():
            return zeros(self._shape, dtype=self.dtype, device=self._values_.device).index_add_(0, self._rows, self._values_)

    def detach(self):
        return self

    def clone(self):
        return RowSparse(self._rows.clone(), self._values_.clone(), self._shape, self._coalesced)

    def zero_(self):
        """No rows any more."""
        self._rows, self._values_, self._coalesced = self._rows[:0], self._values_[:0], True
        return self

    def __add__(self, other):
        with no_grad():
            if not isinstance(other, RowSparse):
                return other.clone().index_add_(0, self._rows, self._values_)
            from .ops.join import cat

            return RowSparse(cat([self._rows, other._rows]), cat([self._values_, other._values_]), self._shape)
