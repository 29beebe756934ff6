"""Sums over shared axes: tensordot, einsum, inner, kron, chain_matmul, all by one product of matrices (matmul.py)."""

from __future__ import annotations

import re

from ..autodiff import Array
from ..errors import DTypeError, ShapeError
from ..tensor import normalize_dim, ones
from .matmul import _matmul, _tensors
from .shape import _expand, expand, permute, reshape, slice_view, squeeze, unsqueeze


def inner(input, other):
    """Sums of products along the last axis of both: (..., k), (***, k) -> (..., ***); scalars multiply."""
    _tensors("inner", input=input, other=other)
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.dtype is not other.dtype:
        raise DTypeError("both inputs should have same dtype")
    if input._shape[-1] != other._shape[-1]:
        raise ShapeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input._shape)} and {list(other._shape)}"
        )
    return tensordot(input, other, ((-1,), (-1,)))


def tensordot(a, b, dims=2):
    """Sums of products over pairs of axes: the last `dims` of a with the first of b, or dims = (axes of a, axes of b)."""
    _tensors("tensordot", a=a, b=b)
    if isinstance(dims, Array):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise ShapeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        da, db = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        da, db = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(da) != len(db):
        raise ShapeError("both dimension lists should have same length")
    da, db = [normalize_dim(d, a.ndim) for d in da], [normalize_dim(d, b.ndim) for d in db]
    for x, name in ((da, "first"), (db, "second")):
        if len(set(x)) != len(x):
            raise ShapeError(f"tensordot: a dim appears multiple times in the {name} list of dims")
    for p, q in zip(da, db, strict=True):
        if a._shape[p] != b._shape[q]:
            if 1 not in (a._shape[p], b._shape[q]):
                raise ShapeError(
                    f"contracted dimensions need to match, but first has size {a._shape[p]} in dim {p} and second has size "
                    f"{b._shape[q]} in dim {q}"
                )
            n = max(a._shape[p], b._shape[q])
            a, b = _widen(a, p, n), _widen(b, q, n)
    free_a, free_b = [d for d in range(a.ndim) if d not in da], [d for d in range(b.ndim) if d not in db]
    shape = [a._shape[d] for d in free_a] + [b._shape[d] for d in free_b]
    k = _count(a, da)
    left = reshape(permute(a, free_a + da), (_count(a, free_a), k))
    right = reshape(permute(b, db + free_b), (k, _count(b, free_b)))
    return reshape(_matmul(left, right), shape)


def _count(x, dims):
    n = 1
    for d in dims:
        n *= x._shape[d]
    return n


def _widen(x, d, n):
    return x if x._shape[d] == n else _expand(x, shape=(*x._shape[:d], n, *x._shape[d + 1 :]))


def _equation(given):
    """The other form, einsum(a, [0, 1], b, [1, ...], [0]): labels as numbers, those of the output last or left out."""

    def text(axes):
        return "".join("..." if i is Ellipsis else _LETTERS[i] for i in axes)

    operands, labels = given[::2], given[1::2]
    output = f"->{text(operands[len(labels)])}" if len(operands) > len(labels) else ""
    return ",".join(map(text, labels)) + output, operands[: len(labels)]


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def einsum(equation, *operands):
    """Einstein's summation: einsum("bij,bjk->bik", a, b). Repeated labels take diagonals, labels absent from the output are
    summed, "..." stands for axes that broadcast. Operands are contracted from left to right, each pair by one product."""
    if isinstance(equation, Array):
        equation, operands = _equation((equation, *operands))
    if not isinstance(equation, str):
        raise TypeError("einsum(): the equation must be a string, followed by the operands")
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not operands:
        raise ValueError("einsum(): must specify the equation string and at least one operand")
    _tensors("einsum", **{f"operand{i}": x for i, x in enumerate(operands)})
    labels, output, sizes = _parse(equation, operands)
    terms = [_diagonal(x, names) for x, names in zip(operands, labels, strict=True)]
    result, names = terms[0]
    result, names = _sum_out(result, names, {n for _, later in terms[1:] for n in later} | set(output), sizes)
    for i, (x, right) in enumerate(terms[1:], 1):
        keep = {n for _, later in terms[i + 1 :] for n in later} | set(output)
        result, names = _contract(result, names, *_sum_out(x, right, keep | set(names), sizes), keep, sizes)
    if len(terms) == 1 and not result._floating and set(labels[0]) != set(output):
        result = result.to("int64")  # a sum, which integers take in int64
    result = permute(result, [names.index(n) for n in output])
    return expand(result, [sizes[n] for n in output])


def _parse(equation, operands):
    """Axis labels of each operand and of the output, and each label's size. Axes of "..." are labelled -1, -2, ... from the
    right."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) > len(operands):
        raise ShapeError("einsum(): fewer operands were provided than specified in the equation")
    if len(parts) < len(operands):
        raise ShapeError("einsum(): more operands were provided than specified in the equation")
    for i, part in enumerate([*parts, right]):
        where = "the output" if i == len(parts) else f"operand {i}"
        if part.count("...") > 1:
            raise ShapeError(f"einsum(): found '.' for {where} for which an ellipsis was already found")
        bad = re.search(r"[^a-zA-Z.]", part)
        if bad:
            raise ShapeError(
                f"einsum(): invalid subscript given at index {text.index(bad.group())} in the equation string, subscripts must "
                "be in [a-zA-Z]"
            )
        if "." in part.replace("...", "", 1):
            raise ShapeError(f"einsum(): found '.' for {where} that is not part of any ellipsis")
    labels, sizes, widest = [], {}, 0
    for i, (part, x) in enumerate(zip(parts, operands, strict=True)):
        before, dots, after = part.partition("...")
        free = x.ndim - len(before) - len(after)
        if free and not dots:
            raise ShapeError(
                f"einsum(): the number of subscripts in the equation ({len(part)}) does not match the number of dimensions "
                f"({x.ndim}) for operand {i} and no ellipsis was given"
            )
        if free < 0:
            raise ShapeError(
                f"einsum(): the number of subscripts in the equation ({len(before) + len(after)}) is more than the number of "
                f"dimensions ({x.ndim}) for operand {i}"
            )
        names = [*before, *range(-free, 0), *after]
        widest = max(widest, free)
        seen = {}
        for name, size in zip(names, x._shape, strict=True):
            if seen.setdefault(name, size) != size:
                raise ShapeError(
                    f"einsum(): subscript {name} is repeated for operand {i} but the sizes don't match, {size} != {seen[name]}"
                )
            have = sizes.get(name, 1)
            if have != size and have != 1 and size != 1:
                raise ShapeError(
                    f"einsum(): subscript {name if isinstance(name, str) else '...'} has size {size} for operand {i} which does "
                    f"not broadcast with previously seen size {have}"
                )
            sizes[name] = size if have == 1 else have
        labels.append(names)
    dots = list(range(-widest, 0))
    if not arrow:
        letters = [c for c in left if c.isalpha()]
        return labels, dots + sorted(c for c in set(letters) if letters.count(c) == 1), sizes
    before, ellipsis, after = right.partition("...")
    output = [*before, *(dots if ellipsis else ()), *after]
    for c in before + after:
        if output.count(c) > 1:
            raise ShapeError(f"einsum(): output subscript {c} appears more than once in the output")
        if c not in sizes:
            raise ShapeError(f"einsum(): output subscript {c} does not appear in the equation for any input operand")
    return labels, output, sizes


def _diagonal(x, names):
    """x with each repeated label reduced to one axis, the diagonal."""
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            i = names.index(name)
            j = names.index(name, i + 1)
            n = x._shape[i]
            x = permute(x, [d for d in range(x.ndim) if d not in (i, j)] + [i, j])
            x = slice_view(reshape(x, (*x._shape[:-2], n * n)), x.ndim - 2, 0, n, n + 1)
            names = [c for d, c in enumerate(names) if d not in (i, j)] + [name]
    return x, list(names)


def _sum_out(x, names, keep, sizes):
    """x summed over labels that are not kept, as a product with ones."""
    gone = [n for n in names if n not in keep]
    if not gone:
        return x, names
    kept = [n for n in names if n in keep]
    x = permute(x, [names.index(n) for n in kept + gone])
    total = _count(x, range(len(kept), x.ndim))
    x = reshape(x, (*x._shape[: len(kept)], total))
    return _matmul(x, expand(ones(1, dtype=x.dtype, device=x.device), (total,))), kept


def _contract(a, left, b, right, keep, sizes):
    """One pair: labels of both that are kept are batch axes, the others of both are summed."""
    batch = [n for n in left if n in right and n in keep]
    inner = [n for n in left if n in right and n not in keep]
    rows, columns = [n for n in left if n not in right], [n for n in right if n not in left]
    a = permute(a, [left.index(n) for n in batch + rows + inner])
    b = permute(b, [right.index(n) for n in batch + inner + columns])
    names = batch + rows + columns
    if not inner:
        if a.dtype is not b.dtype:
            raise DTypeError(f"expected scalar type {a.dtype.scalar_type} but found {b.dtype.scalar_type}")
        a = reshape(a, (*a._shape, *(1 for _ in columns)))
        b = reshape(b, (*b._shape[: len(batch)], *(1 for _ in rows), *b._shape[len(batch) :]))
        return a * b, names
    nb, nr = len(batch), len(rows)
    for i in range(nb):
        size = max(a._shape[i], b._shape[i]) if 0 not in (a._shape[i], b._shape[i]) else 0
        a, b = _widen(a, i, size), _widen(b, i, size)
    for i, n in enumerate(inner):
        a, b = _widen(a, nb + nr + i, sizes[n]), _widen(b, nb + i, sizes[n])
    shape = [*a._shape[: nb + nr], *b._shape[nb + len(inner) :]]
    size, k = _count(a, range(nb)), _count(a, range(nb + nr, a.ndim))
    a = reshape(a, (size, _count(a, range(nb, nb + nr)), k))
    b = reshape(b, (size, k, _count(b, range(nb + len(inner), b.ndim))))
    return reshape(_matmul(a, b), shape), names


def kron(input, other):
    """Kronecker product: every element of input times all of other; missing leading axes count as 1."""
    _tensors("kron", input=input, other=other)
    n = max(input.ndim, other.ndim)
    s, t = (1,) * (n - input.ndim) + input._shape, (1,) * (n - other.ndim) + other._shape
    a = reshape(input, [d for x in s for d in (x, 1)])
    b = reshape(other, [d for x in t for d in (1, x)])
    return reshape(a * b, [x * y for x, y in zip(s, t, strict=True)])


def chain_matmul(*matrices):
    """The product of several matrices (the outermost may be vectors), in the order that costs the fewest operations."""
    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        matrices = tuple(matrices[0])
    if len(matrices) < 2:
        if len(matrices) == 1:
            return matrices[0]
        raise ShapeError("chain_matmul(): expected at least 1 tensor")
    _tensors("chain_matmul", **{f"matrix{i}": x for i, x in enumerate(matrices)})
    first, last = matrices[0].ndim == 1, matrices[-1].ndim == 1
    chain = list(matrices)
    if first:
        chain[0] = unsqueeze(chain[0], 0)
    if last:
        chain[-1] = unsqueeze(chain[-1], 1)
    for i, x in enumerate(chain):
        if x.ndim != 2:
            raise ShapeError(f"chain_matmul(): tensor {i} must be a matrix but got {x.ndim}-D")
    n = len(chain)
    size = [x._shape[0] for x in chain] + [chain[-1]._shape[1]]
    cost, split = {(i, i): 0 for i in range(n)}, {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, s] + cost[s + 1, j] + size[i] * size[s + 1] * size[j + 1], s) for s in range(i, j)
            )

    def product(i, j):
        return chain[i] if i == j else _matmul(product(i, split[i, j]), product(split[i, j] + 1, j))

    y = product(0, n - 1)
    y = squeeze(y, 1) if last else y
    return squeeze(y, 0) if first else y


__all__ = ("chain_matmul", "einsum", "inner", "kron", "tensordot")
METHODS = ("inner", "kron")
