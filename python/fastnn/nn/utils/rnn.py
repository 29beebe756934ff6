"""Batches of sequences of different lengths: padded to the longest, or packed without padding, step after step."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable

import numpy as np

from ...errors import ShapeError
from ...ops.join import cat
from ...tensor import Tensor, from_numpy, full

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence", "pad_sequence",
    "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class PackedSequence(namedtuple("PackedSequence", "data batch_sizes sorted_indices unsorted_indices")):
    """Sequences without padding: data (N, *) holds the rows of step 0, then of step 1, ..; batch_sizes (T) their numbers.

    The longest sequence comes first; sorted_indices (B) tells which one of the original batch it is, None if unchanged.
    """

    __slots__ = ()

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None:
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        """The same with data converted."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def double(self):
        return self.to(dtype="float64")

    def float(self):
        return self.to(dtype="float32")

    def cpu(self):
        return self

    @property
    def is_cuda(self):
        return False

    def is_pinned(self):
        return False


def invert_permutation(permutation):
    """The inverse of a permutation (n) of 0 .. n - 1, None for None."""
    return None if permutation is None else from_numpy(np.argsort(permutation.numpy(), kind="stable"))


def _lengths(lengths):
    a = np.asarray(lengths.numpy() if isinstance(lengths, Tensor) else lengths)
    if a.ndim != 1:
        raise ShapeError(f"'lengths' argument should be a 1D CPU int64 tensor, but got {a.ndim}D {a.dtype}")
    return a.astype(np.int64)


def _places(lengths, stride_t, stride_b):
    """(sizes of the steps, where each packed row lies in a padded batch with these strides); lengths fall."""
    sizes = (lengths[None, :] > np.arange(lengths[0])[:, None]).sum(1)
    rows = [t * stride_t + np.arange(n) * stride_b for t, n in enumerate(sizes)]
    return sizes.astype(np.int64), np.concatenate(rows)


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """input (T, B, *), or (B, T, *) if batch_first, without its padding: a PackedSequence of sequences of these lengths (B).

    enforce_sorted: the lengths must fall; else sequences are sorted, and layers undo it. RuntimeError for lengths that are not
    sorted, not positive, longer than input, or not as many as sequences.
    """
    lengths, order = _lengths(lengths), None
    axis = 0 if batch_first else 1
    if len(lengths) != input.shape[axis]:
        raise ShapeError(f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} (batch_size={input.shape[axis]})")
    if not len(lengths) or lengths.min() <= 0:
        raise RuntimeError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0")
    if lengths.max() > input.shape[1 - axis]:
        raise ShapeError(f"pack_padded_sequence: length {lengths.max()} in an input of {input.shape[1 - axis]} steps")
    if not enforce_sorted:
        order = np.argsort(-lengths, kind="stable")
        lengths = lengths[order]
    elif (np.diff(lengths) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass `enforce_sorted=False` "
            "to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not need ONNX exportability."
        )
    first, second = input.shape[:2]
    stride_t, stride_b = (1, second) if batch_first else (second, 1)
    sizes, rows = _places(lengths, stride_t, stride_b)
    if order is not None:
        rows = rows // stride_t % input.shape[1 - axis] * stride_t + order[rows // stride_b % len(lengths)] * stride_b
    data = input.reshape((first * second, *input.shape[2:])).index_select(0, from_numpy(rows))
    return PackedSequence(data, from_numpy(sizes), None if order is None else from_numpy(order))


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """(padded batch (T, B, *), or (B, T, *) if batch_first, in the original order; lengths (B)): undoes pack_padded_sequence.

    total_length: T, if more than the longest; ValueError if less.
    """
    sizes = sequence.batch_sizes.numpy()
    steps, batch = len(sizes), int(sizes[0])
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    lengths = (sizes[None, :] > np.arange(batch)[:, None]).sum(1).astype(np.int64)
    _, rows = _places(lengths, *((1, steps) if batch_first else (batch, 1)))
    data, back = sequence.data, sequence.unsorted_indices
    padded = full((steps * batch, *data.shape[1:]), padding_value, dtype=data.dtype).index_copy(0, from_numpy(rows), data)
    padded = padded.reshape((*((batch, steps) if batch_first else (steps, batch)), *data.shape[1:]))
    if back is not None:
        padded, lengths = padded.index_select(0 if batch_first else 1, back), lengths[back.numpy()]
    return padded, from_numpy(lengths)


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Tensors (Lᵢ, *) as one (T, B, *), or (B, T, *) if batch_first, T the longest, padded at their end ("right") or start."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}")
    sequences = tuple(sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    rest = sequences[0].shape[1:]
    for s in sequences:
        if s.ndim == 0 or s.shape[1:] != rest:
            raise ShapeError(f"pad_sequence: sequences of {[list(s.shape) for s in sequences]}: all axes but the first must agree")
    lengths = np.array([len(s) for s in sequences])
    steps, batch = int(lengths.max()), len(lengths)
    start = lengths * 0 if padding_side == "right" else steps - lengths
    stride_t, stride_b = (1, steps) if batch_first else (batch, 1)
    rows = np.concatenate([(np.arange(n) + a) * stride_t + b * stride_b for b, (n, a) in enumerate(zip(lengths, start, strict=True))])
    data = cat(sequences)
    padded = full((steps * batch, *rest), padding_value, dtype=data.dtype).index_copy(0, from_numpy(rows.astype(np.int64)), data)
    return padded.reshape((*((batch, steps) if batch_first else (steps, batch)), *rest))


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The list of sequences (Lᵢ, *) of a padded batch: undoes pad_sequence. ShapeError for lengths beyond it."""
    lengths, axis = _lengths(lengths), 0 if batch_first else 1
    if len(lengths) != padded_sequences.shape[axis] or lengths.max(initial=0) > padded_sequences.shape[1 - axis]:
        raise ShapeError(f"unpad_sequence: lengths {lengths.tolist()} do not fit a batch of shape {list(padded_sequences.shape)}")
    return [padded_sequences.select(axis, b).narrow(0, 0, int(n)) for b, n in enumerate(lengths)]


def pack_sequence(sequences, enforce_sorted=True):
    """A PackedSequence of tensors (Lᵢ, *), the longest first unless enforce_sorted is False."""
    sequences = list(sequences)
    return pack_padded_sequence(pad_sequence(sequences), [len(s) for s in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """The list of sequences (Lᵢ, *) of a PackedSequence, in the original order."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences))
