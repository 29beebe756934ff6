"""Datasets: maps from indices to samples, and streams of samples."""

from __future__ import annotations

import bisect
import itertools
import math
from types import GenericAlias

import numpy as np

from ... import ops
from ...errors import named
from ...tensor import as_tensor, from_numpy

__all__ = [
    "ChainDataset", "ConcatDataset", "Dataset", "IterableDataset", "StackDataset", "Subset", "TensorDataset", "random_split",
]  # fmt: skip


class Dataset:
    """A map from indices to samples: define __getitem__ and __len__.

    batch(indices), if defined, returns the collated batch at once; PyTorch's __getitems__(indices) a list of samples. A class
    that defines __getitem__ anew is asked for each sample again.
    """

    __class_getitem__ = classmethod(GenericAlias)  # Dataset[int], for annotations

    def __getitem__(self, index):
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other):
        return ConcatDataset([self, other])


def at_once(dataset, name):
    """The method `name` of a dataset that answers for several indices; None if it knows less of its samples than __getitem__."""
    for c in type(dataset).__mro__:
        if name in vars(c):
            method = getattr(dataset, name)
            return method if callable(method) else None
        if "__getitem__" in vars(c):
            break
    return None


class IterableDataset(Dataset):
    """A stream of samples: define __iter__."""

    def __iter__(self):
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")

    def __add__(self, other):
        return ChainDataset([self, other])


class ChainDataset(IterableDataset):
    """Streams one after another."""

    def __init__(self, datasets):
        self.datasets = list(datasets)

    def __iter__(self):
        return itertools.chain.from_iterable(self._streams())

    def __len__(self):
        return sum(map(len, self._streams()))

    def _streams(self):
        if not all(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ChainDataset only supports IterableDataset")
        return self.datasets


class TensorDataset(Dataset):
    """Samples are rows (first axis) of one or more tensors or ndarrays of equal length."""

    def __init__(self, *tensors):
        self.tensors = tuple(named(as_tensor)(t) for t in tensors)
        if not self.tensors:
            raise ValueError("TensorDataset: at least one tensor is needed")
        if any(t.ndim == 0 or t.shape[0] != self.tensors[0].shape[0] for t in self.tensors):
            raise AssertionError("Size mismatch between tensors")

    def __getitem__(self, index):
        return tuple(t[index] for t in self.tensors)

    def __len__(self):
        return self.tensors[0].shape[0]

    def batch(self, indices):
        index = from_numpy(np.asarray(indices, dtype=np.int64))
        return [t.index_select(0, index) for t in self.tensors]


class StackDataset(Dataset):
    """Samples of several datasets of equal length side by side: a tuple of them, or with keywords a dict."""

    def __init__(self, *args, **kwargs):
        if bool(args) == bool(kwargs):
            raise ValueError("StackDataset: give datasets either by place (samples are tuples) or by name (samples are dicts)")
        self.datasets = args or kwargs
        parts = list(kwargs.values()) if kwargs else list(args)
        if any(len(part) != len(parts[0]) for part in parts):
            raise ValueError("Size mismatch between datasets")
        self._length = len(parts[0])

    def __getitem__(self, index):
        if isinstance(self.datasets, dict):
            return {name: part[index] for name, part in self.datasets.items()}
        return tuple(part[index] for part in self.datasets)

    def __len__(self):
        return self._length


class Subset(Dataset):
    """The samples of a dataset at some indices."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices
        if at_once(dataset, "batch"):
            self._index = np.asarray(indices, dtype=np.int64).reshape(-1)

    def __getitem__(self, index):
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    @property
    def batch(self):
        whole = at_once(self.dataset, "batch")
        return whole and (lambda chosen: whole(self._index[np.asarray(chosen, dtype=np.int64)]))

    @property
    def __getitems__(self):
        several = at_once(self.dataset, "__getitems__")
        return several and (lambda chosen: several([self.indices[i] for i in chosen]))

    def __len__(self):
        return len(self.indices)


class ConcatDataset(Dataset):
    """Datasets one after another."""

    def __init__(self, datasets):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __getitem__(self, index):
        size = len(self)
        if index >= size:
            raise IndexError(f"index {index} of a dataset of {size} samples")
        if index < -size:
            raise ValueError(f"absolute value of index should not exceed dataset length: {index} of {size}")
        index %= size
        i = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[i][index - (self.cumulative_sizes[i - 1] if i else 0)]

    def __len__(self):
        return self.cumulative_sizes[-1]


def random_split(dataset, lengths, generator=None):
    """Subsets without common samples; lengths are counts that sum to len(dataset), or shares that sum to 1."""
    lengths, size = list(lengths), len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        if any(not 0 <= share <= 1 for share in lengths):
            raise ValueError(f"random_split: shares must lie between 0 and 1, got {lengths}")
        lengths = [math.floor(size * share) for share in lengths]
        for i in range(size - sum(lengths)):  # what rounding left over goes round robin
            lengths[i % len(lengths)] += 1
    if sum(lengths) != size or any(n < 0 for n in lengths):
        raise ValueError("Sum of input lengths does not equal the length of the input dataset!")
    order = ops.random.randperm(size, generator=generator).tolist()
    ends = list(itertools.accumulate(lengths))
    return [Subset(dataset, order[end - n : end]) for n, end in zip(lengths, ends, strict=True)]
