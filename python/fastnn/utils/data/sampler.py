"""Samplers: the order in which a loader visits a dataset."""

from __future__ import annotations

import itertools
import math
from types import GenericAlias

import numpy as np

from ... import distributed, dtypes, ops
from ...errors import ShapeError
from ...tensor import as_tensor

__all__ = [
    "BatchSampler", "DistributedSampler", "RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler", "WeightedRandomSampler",
]  # fmt: skip


class Sampler:
    """An order of indices: define __iter__ and __len__."""

    __class_getitem__ = classmethod(GenericAlias)  # Sampler[int], for annotations

    def __init__(self, data_source=None):
        pass

    def __iter__(self):
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")


class SequentialSampler(Sampler):
    """0, 1, 2, ..."""

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler):
    """A new permutation each time, or num_samples draws with replacement."""

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._num_samples = num_samples
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={self.num_samples}")

    @property
    def num_samples(self):
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self):
        size, left = len(self.data_source), self.num_samples
        if self.replacement:
            yield from ops.random.randint(0, size, (left,), generator=self.generator).tolist()
            return
        while left > 0:
            yield from ops.random.randperm(size, generator=self.generator).tolist()[:left]
            left -= size

    def __len__(self):
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices in a new order each time."""

    def __init__(self, indices, generator=None):
        self.indices, self.generator = indices, generator

    def __iter__(self):
        for i in ops.random.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """num_samples draws of 0 .. len(weights) - 1, with probabilities proportional to the weights."""

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = as_tensor(weights).to(dtypes.float64)
        w = self.weights.numpy()
        if w.ndim != 1:
            raise ValueError(f"weights should be a 1d sequence but given weights have shape {w.shape}")
        if not (w >= 0).all() or not 0 < w.sum() < math.inf:
            raise ValueError("weights must be finite, not negative, and not all zero")
        if not replacement and num_samples > np.count_nonzero(w):
            raise ShapeError("more samples without replacement than there are positive weights")
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self):
        count = self.num_samples if self.replacement else len(self.weights)
        u, w = ops.random.rand(count, dtype=dtypes.float64, generator=self.generator).numpy(), self.weights.numpy()
        if self.replacement:
            ends = np.cumsum(w)
            chosen = np.searchsorted(ends, u * ends[-1], side="right").clip(0, np.flatnonzero(w)[-1])
        else:  # the largest of u^(1/w) (Efraimidis & Spirakis 2006), by their logarithms
            with np.errstate(divide="ignore"):
                chosen = np.argsort(np.log1p(-u) / w)[::-1][: self.num_samples]
        return iter(chosen.tolist())

    def __len__(self):
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of batch_size indices of another sampler; the last may be shorter unless drop_last."""

    def __init__(self, sampler, batch_size, drop_last):
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self):
        full, rest = divmod(len(self.sampler), self.batch_size)
        return full if self.drop_last else full + (rest > 0)


class DistributedSampler(Sampler):
    """Every num_replicas-th index from `rank` on, of an order that all ranks share: `set_epoch` gives the next one.

    The indices are repeated from the start until they divide evenly, or with drop_last the rest is left out.
    """

    def __init__(self, dataset, num_replicas=None, rank=None, shuffle=True, seed=0, drop_last=False):
        self.num_replicas = distributed.get_world_size() if num_replicas is None else num_replicas
        self.rank = distributed.get_rank() if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(f"Invalid rank {self.rank}, rank should be in the interval [0, {self.num_replicas - 1}]")
        self.dataset, self.shuffle, self.seed, self.drop_last, self.epoch = dataset, shuffle, seed, drop_last, 0
        size = len(dataset)
        self.num_samples = size // self.num_replicas if drop_last else math.ceil(size / self.num_replicas)
        self.total_size = self.num_samples * self.num_replicas

    def set_epoch(self, epoch):
        """The order of that epoch, the same on all ranks."""
        self.epoch = epoch

    def __iter__(self):
        size = len(self.dataset)
        generator = ops.random.Generator().manual_seed(self.seed + self.epoch)
        order = ops.random.randperm(size, generator=generator).tolist() if self.shuffle else list(range(size))
        order = list(itertools.islice(itertools.cycle(order), self.total_size))
        return iter(order[self.rank :: self.num_replicas])

    def __len__(self):
        return self.num_samples
