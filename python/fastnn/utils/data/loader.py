"""DataLoader: batches of a dataset, prepared ahead on threads if asked.

A dataset of tensors in memory is batched by one index_select a tensor, not sample by sample: define batch(indices) in a
dataset of your own to do the same. Workers are threads of this process; kernels and NumPy let go of the interpreter lock.
"""

from __future__ import annotations

import copy
import itertools
import threading
from collections import deque, namedtuple
from collections.abc import Mapping, MutableMapping, Sequence
from types import GenericAlias

import numpy as np

from ... import cuda, dtypes, ops
from ...errors import named
from ...tensor import Tensor, from_numpy, tensor
from .._pytree import tree_map
from .dataset import IterableDataset, at_once
from .sampler import BatchSampler, RandomSampler, SequentialSampler

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]


def _pinned(x):
    return x.pin_memory() if hasattr(x, "pin_memory") else x


def default_collate(batch):
    """Samples to one batch: tensors and arrays are stacked, numbers become a tensor, containers are collated inside."""
    first = batch[0]
    if isinstance(first, Tensor):
        return named(ops.join.stack)(list(batch))
    if isinstance(first, np.ndarray):
        return named(from_numpy)(np.stack(batch))
    if isinstance(first, (bool, np.bool_)):
        return tensor(list(batch), dtype=dtypes.bool)
    if isinstance(first, np.generic):
        return from_numpy(np.array(batch))
    if isinstance(first, float):
        return tensor(list(batch), dtype=dtypes.float64)
    if isinstance(first, int):
        return tensor(list(batch), dtype=dtypes.int64)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _like(first, {key: default_collate([sample[key] for sample in batch]) for key in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(column) for column in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        return [default_collate(column) for column in zip(*batch, strict=True)]
    raise TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {type(first)}"
    )


def default_convert(data):
    """One sample with its arrays as tensors, containers inside; anything else stays."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind in "fiub":
        return from_numpy(np.array(data))
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return [default_convert(value) for value in data]
    return data


def _like(mapping, values):
    """values in a mapping of that kind; a dict where its class does not take them."""
    try:
        if isinstance(mapping, MutableMapping):
            result = copy.copy(mapping)
            result.update(values)
            return result
        return type(mapping)(values)
    except TypeError:
        return values


WorkerInfo = namedtuple("WorkerInfo", "id num_workers seed dataset")
_here = threading.local()


def get_worker_info():
    """(id, num_workers, seed, dataset) in a thread that prepares batches, else None. A stream is read by one worker, whatever
    num_workers the loader was given: its share is all of it."""
    return getattr(_here, "worker", None)


class _Batches:
    """One epoch of a loader; its length is the loader's."""

    def __init__(self, loader, batches):
        self._loader, self._batches = loader, batches

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._batches)

    def __len__(self):
        return len(self._loader)

    def close(self):
        """Ends the epoch, and its threads."""
        self._batches.close()


_FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


class DataLoader:
    """Iterates over batches of a dataset.

    shuffle draws a new order every epoch, from `generator` or from a generator of its own seeded with `seed`.
    num_workers threads prepare prefetch_factor batches each ahead, in order; 0 prepares each when it is asked for. The
    stream of an IterableDataset is read by one thread, however many there are. batch_size None gives single samples.
    pin_memory: batches come in page-locked memory, from which `x.to("cuda", non_blocking=True)` need not be waited for; nothing changes without
    a GPU. multiprocessing_context, persistent_workers, in_order and pin_memory_device are accepted and change nothing.
    """

    __class_getitem__ = classmethod(GenericAlias)  # DataLoader[int], for annotations

    def __init__(self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None, num_workers=0, collate_fn=None,
                 pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None, multiprocessing_context=None,
                 generator=None, *, prefetch_factor=None, persistent_workers=False, pin_memory_device="", in_order=True, seed=None):  # fmt: skip
        if not isinstance(num_workers, int) or num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multithreading.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if multiprocessing_context is not None and num_workers == 0:
            raise ValueError("multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got num_workers=0")
        if prefetch_factor is not None and (num_workers == 0 or prefetch_factor < 1):
            raise ValueError("prefetch_factor option needs num_workers > 0 and must be positive")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self.persistent_workers = persistent_workers
        self.dataset, self.num_workers, self.timeout, self.worker_init_fn = dataset, num_workers, timeout, worker_init_fn
        self.prefetch_factor = 2 if prefetch_factor is None else prefetch_factor
        self.pin_memory, self.drop_last = pin_memory, drop_last
        if seed is not None:
            if generator is not None:
                raise ValueError("DataLoader: give a generator or a seed, not both")
            generator = ops.random.Generator().manual_seed(seed)
        self.generator = generator
        self.streaming = isinstance(dataset, IterableDataset)
        if self.streaming and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader with IterableDataset: expected unspecified shuffle, sampler and batch_sampler option")
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = getattr(batch_sampler, "batch_size", None)
        elif batch_size is None:
            if drop_last:
                raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        else:
            BatchSampler((), batch_size, bool(drop_last))  # checks the numbers
        if sampler is None and not self.streaming:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is None and batch_size is not None and not self.streaming:
            batch_sampler = BatchSampler(sampler, batch_size, bool(drop_last))
        self.batch_size, self.sampler, self.batch_sampler = batch_size, sampler, batch_sampler
        self._collates = collate_fn is not None  # by the user's function: single samples are wanted
        single = batch_size is None and batch_sampler is None
        self.collate_fn = collate_fn or (default_convert if single else default_collate)
        self._made = True

    def __setattr__(self, name, value):
        if name in _FIXED and "_made" in self.__dict__:  # the samplers are made of them already
            raise ValueError(f"{name} attribute should not be set after DataLoader is initialized")
        object.__setattr__(self, name, value)

    def __len__(self):
        if self.streaming:
            if self.batch_size is None:
                return len(self.dataset)
            full, rest = divmod(len(self.dataset), self.batch_size)
            return full if self.drop_last else full + (rest > 0)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def __iter__(self):
        jobs = self._stream() if self.streaming else self._jobs()
        if self.pin_memory and cuda.is_available():
            jobs = ((lambda job=job: tree_map(_pinned, job())) for job in jobs)
        return _Batches(self, (job() for job in jobs) if self.num_workers == 0 else self._ahead(jobs))

    def _jobs(self):
        """For each batch a function that makes it."""
        if self.batch_sampler is None:
            for i in self.sampler:
                yield lambda i=i: self.collate_fn(self.dataset[i])
            return
        whole = None if self._collates else at_once(self.dataset, "batch")
        several = at_once(self.dataset, "__getitems__") or (lambda indices: [self.dataset[i] for i in indices])
        for indices in self.batch_sampler:
            yield lambda indices=indices: whole(indices) if whole else self.collate_fn(several(indices))

    def _stream(self):
        samples = iter(self.dataset)
        for n in itertools.repeat(self.batch_size):
            batch = next(samples, samples) if n is None else list(itertools.islice(samples, n))
            if batch is samples or (n is not None and (not batch or (self.drop_last and len(batch) < n))):
                return
            yield lambda batch=batch: self.collate_fn(batch)

    def _ahead(self, jobs):
        """Runs the jobs on threads, a few ahead, and yields their results in order. An exception of a job is raised here;
        when this generator is closed, by `break` or at its end, the threads end too."""
        from concurrent.futures import ThreadPoolExecutor

        ids = itertools.count()
        threads = 1 if self.streaming else self.num_workers

        def init():
            i = next(ids)
            _here.worker = WorkerInfo(i, threads, ops.random.initial_seed() + i, self.dataset)
            if self.worker_init_fn is not None:
                self.worker_init_fn(i)

        pool = ThreadPoolExecutor(threads, thread_name_prefix="fastnn-loader", initializer=init)
        waiting = deque()
        end = object()
        if self.streaming:  # reading the stream is the work, so it happens on the thread as well
            source, jobs = jobs, itertools.repeat(lambda: (lambda job: end if job is None else job())(next(source, None)))
        try:
            for job in itertools.islice(jobs, self.num_workers * self.prefetch_factor):
                waiting.append(pool.submit(job))
            while waiting:
                batch = waiting.popleft().result(self.timeout or None)
                if batch is end:
                    break
                for job in itertools.islice(jobs, 1):
                    waiting.append(pool.submit(job))
                yield batch
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
