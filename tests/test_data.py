"""Datasets, samplers, loaders: the same batches as PyTorch's rules give, threads that end, errors that arrive."""

import collections
import gc
import threading
import time

import numpy as np
import pytest

import fastnn
from fastnn.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    get_worker_info,
    random_split,
)


class Squares(Dataset):
    def __init__(self, n, delay=0.0, fail_at=None):
        self.n, self.delay, self.fail_at = n, delay, fail_at

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        time.sleep(self.delay)
        if i == self.fail_at:
            raise KeyError(f"sample {i} is broken")
        return i, i * i


class Stream(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


def pair(n=10):
    return TensorDataset(fastnn.arange(n * 3).reshape(n, 3), np.arange(n, dtype=np.float64))


def loader_threads():
    return [t for t in threading.enumerate() if t.name.startswith("fastnn-loader")]


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_of_tensors(workers, drop_last):
    loader = DataLoader(pair(), batch_size=4, num_workers=workers, drop_last=drop_last)
    batches = list(loader)
    assert len(batches) == len(loader) == (2 if drop_last else 3)
    assert [b[1].tolist() for b in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]][: len(batches)]
    assert batches[1][0].tolist()[0] == [12, 13, 14] and batches[0][1].dtype is fastnn.float64
    assert loader_threads() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_shuffling(workers):
    def epoch(loader):
        return [i for b in loader for i in b[1].tolist()]

    loader = DataLoader(pair(50), batch_size=7, shuffle=True, num_workers=workers, seed=5)
    one, two = epoch(loader), epoch(loader)
    assert sorted(one) == sorted(two) == list(range(50)) and one != two != list(range(50))
    again = DataLoader(pair(50), batch_size=7, shuffle=True, seed=5)
    assert [epoch(again), epoch(again)] == [one, two]
    fastnn.manual_seed(0)
    first = epoch(DataLoader(pair(50), 7, True))
    fastnn.manual_seed(0)
    assert epoch(DataLoader(pair(50), 7, True)) == first
    generator = fastnn.Generator().manual_seed(5)
    assert epoch(DataLoader(pair(50), 7, True, generator=generator)) == one


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_samples_one_by_one(workers):
    batches = list(DataLoader(Squares(10, delay=0.001), batch_size=3, num_workers=workers))
    assert [b[1].tolist() for b in batches] == [[0, 1, 4], [9, 16, 25], [36, 49, 64], [81]]
    singles = list(DataLoader(Squares(3), batch_size=None, num_workers=workers))
    assert singles == [[0, 0], [1, 1], [2, 4]]  # lists, as default_convert makes them
    kept = list(DataLoader(Squares(4), batch_size=2, collate_fn=lambda samples: samples, num_workers=workers))
    assert kept == [[(0, 0), (1, 1)], [(2, 4), (3, 9)]]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_streams(workers):
    assert [b.tolist() for b in DataLoader(Stream(7), batch_size=3, num_workers=workers)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [b.tolist() for b in DataLoader(Stream(7), 3, drop_last=True, num_workers=workers)] == [[0, 1, 2], [3, 4, 5]]
    assert list(DataLoader(Stream(3), batch_size=None, num_workers=workers)) == [0, 1, 2]
    assert list(DataLoader(Stream(0), batch_size=2, num_workers=workers)) == []
    chained = ChainDataset([Stream(2), Stream(2)])
    assert [b.tolist() for b in DataLoader(chained, 4, num_workers=workers)] == [[0, 1, 0, 1]]
    assert loader_threads() == []


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_exceptions_arrive_where_the_batch_would(workers):
    loader = DataLoader(Squares(20, fail_at=9), batch_size=4, num_workers=workers)
    seen = []
    with pytest.raises(KeyError, match="sample 9 is broken"):
        for batch in loader:
            seen.append(batch[0].tolist())
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert loader_threads() == []

    class Broken(IterableDataset):
        def __iter__(self):
            yield 1
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(DataLoader(Broken(), batch_size=1, num_workers=workers))


def test_abandoned_iterators_leave_no_thread():
    loader = DataLoader(Squares(1000, delay=0.001), batch_size=2, num_workers=3)
    for _ in loader:
        break
    iterator = iter(loader)
    next(iterator)
    assert loader_threads()
    del iterator
    gc.collect()
    deadline = time.monotonic() + 10
    while loader_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert loader_threads() == []


def test_prefetching_is_bounded_and_ahead():
    asked = []

    class Watched(Squares):
        def __getitem__(self, i):
            asked.append(i)
            return super().__getitem__(i)

    iterator = iter(DataLoader(Watched(100), batch_size=1, num_workers=2, prefetch_factor=3))
    next(iterator)
    deadline = time.monotonic() + 10
    while len(asked) < 7 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(asked) == 7  # the one taken, and 2 x 3 ahead
    iterator.close()


def test_workers_start_and_time_out():
    ids = []
    list(DataLoader(Squares(20, delay=0.005), batch_size=1, num_workers=2, worker_init_fn=ids.append))
    assert sorted(ids) == list(range(len(ids))) and 1 <= len(ids) <= 2
    with pytest.raises(TimeoutError):
        list(DataLoader(Squares(2, delay=0.5), num_workers=1, timeout=0.01))


def test_two_loaders_at_once():
    loader = DataLoader(pair(30), batch_size=3, num_workers=2)
    for a, b in zip(loader, loader, strict=True):
        assert a[1].tolist() == b[1].tolist()


def test_subsets_and_splits():
    data = pair(10)
    part = Subset(data, [7, 3, 5])
    assert len(part) == 3 and part[1][1].item() == 3
    assert next(iter(DataLoader(part, batch_size=3)))[1].tolist() == [7, 3, 5]
    nested = Subset(part, [2, 0])
    assert next(iter(DataLoader(nested, batch_size=2)))[1].tolist() == [5, 7]
    a, b = random_split(data, [7, 3], fastnn.Generator().manual_seed(1))
    rows = [x[1].item() for x in a] + [x[1].item() for x in b]
    assert sorted(rows) == list(range(10)) and (len(a), len(b)) == (7, 3)
    assert [len(s) for s in random_split(range(10), [0.5, 0.25, 0.25])] == [6, 2, 2]
    for lengths in ([5, 4], [11, -1], [0.5, 0.4], [1.5, -0.5]):
        with pytest.raises(ValueError):
            random_split(data, lengths)
    both = data + Squares(3)
    assert len(both) == 13 and both[12] == (2, 4) and both[-1] == (2, 4) and both[0][1].item() == 0
    with pytest.raises(IndexError):
        both[13]
    with pytest.raises(AssertionError):
        ConcatDataset([])
    for broken in (lambda: TensorDataset(), lambda: TensorDataset(fastnn.ones(2), fastnn.ones(3)), lambda: TensorDataset(fastnn.ones(()))):
        with pytest.raises((ValueError, AssertionError)):
            broken()


def test_a_dataset_that_says_anew_what_a_sample_is_is_asked_for_each():
    """batch and __getitems__ answer at once only where they know as much as __getitem__."""

    class Negative(TensorDataset):
        def __getitem__(self, i):
            return tuple(-t for t in super().__getitem__(i))

    class NegativeSubset(Subset):
        def __getitem__(self, i):
            return tuple(-t for t in super().__getitem__(i))

    class Tenfold(Dataset):
        batch = 3  # of no meaning to the loader
        __len__, __getitem__ = (lambda self: 4), (lambda self, i: i)

        def __getitems__(self, indices):
            return [10 * i for i in indices]

    x = fastnn.arange(4)
    for data in (Negative(x), NegativeSubset(TensorDataset(x), range(4)), Subset(Negative(x), range(4))):
        assert [b[0].tolist() for b in DataLoader(data, 2)] == [[0, -1], [-2, -3]]
    assert [b.tolist() for b in DataLoader(Tenfold(), 2)] == [[0, 10], [20, 30]]
    assert next(iter(DataLoader(Subset(Tenfold(), [3, 1]), 2))).tolist() == [30, 10]
    assert type(default_collate([collections.OrderedDict(a=1)])) is collections.OrderedDict


def test_workers_know_themselves():
    class Share(IterableDataset):
        begin, end = 0, 6
        __iter__ = lambda self: iter(range(self.begin, self.end))  # noqa: E731

    def init(i):
        info = get_worker_info()
        size = (info.dataset.end - info.dataset.begin) // info.num_workers
        info.dataset.begin = info.id * size
        info.dataset.end = info.dataset.begin + size

    assert get_worker_info() is None
    assert sorted(int(v) for v in DataLoader(Share(), num_workers=2, worker_init_fn=init)) == list(range(6))
    assert get_worker_info() is None


def test_samplers():
    fastnn.manual_seed(0)
    assert list(SequentialSampler("abc")) == [0, 1, 2]
    assert sorted(RandomSampler("abcd")) == [0, 1, 2, 3]
    many = list(RandomSampler("ab", num_samples=5))
    assert len(many) == 5 and sorted(many[:2]) == sorted(many[2:4]) == [0, 1]
    assert set(RandomSampler("ab", replacement=True, num_samples=40)) == {0, 1}
    assert sorted(SubsetRandomSampler([5, 2, 9])) == [2, 5, 9]
    with pytest.raises(ValueError, match="num_samples=0"):
        RandomSampler("")
    batches = BatchSampler(SequentialSampler(range(7)), 3, False)
    assert list(batches) == [[0, 1, 2], [3, 4, 5], [6]] and len(batches) == 3
    assert len(BatchSampler(range(7), 3, True)) == len(list(BatchSampler(range(7), 3, True))) == 2
    assert [b[1].tolist() for b in DataLoader(pair(4), batch_sampler=[[3], [0, 1]])] == [[3], [0, 1]]
    assert [b[1].tolist() for b in DataLoader(pair(4), batch_size=2, sampler=[3, 0, 1])] == [[3, 0], [1]]


def test_weighted_sampler():
    fastnn.manual_seed(0)
    counts = np.bincount(list(WeightedRandomSampler([0.0, 1.0, 3.0, 0.0], 20000)), minlength=4)
    assert counts[0] == counts[3] == 0 and abs(counts[2] / 20000 - 0.75) < 0.02
    first = collections.Counter(next(iter(WeightedRandomSampler([1.0, 4.0, 0.0], 2, replacement=False))) for _ in range(300))
    assert first[2] == 0 and abs(first[1] / 300 - 0.8) < 0.1
    assert sorted(WeightedRandomSampler([1.0, 4.0, 2.0], 3, replacement=False)) == [0, 1, 2]
    for weights, n, replacement in [([], 1, True), ([1.0], 0, True), ([-1.0, 2.0], 1, True), ([[1.0]], 1, True), ([1.0, 0.0], 2, False),
                                    ([0.0], 1, True), ([float("nan")], 1, True)]:  # fmt: skip
        with pytest.raises(ValueError):
            WeightedRandomSampler(weights, n, replacement)


def test_collate():
    Point = collections.namedtuple("Point", "x y")
    x = fastnn.ones(2)
    assert tuple(default_collate([x, x, x]).shape) == (3, 2)
    assert default_collate([np.ones(2, np.float32)] * 2).dtype is fastnn.float32
    assert default_collate([1.5, 2.5]).dtype is fastnn.float64 and default_collate([1, 2]).dtype is fastnn.int64
    assert default_collate([True, False]).dtype is fastnn.bool and default_collate([np.float32(1)]).dtype is fastnn.float32
    assert default_collate(["a", "b"]) == ["a", "b"]
    got = default_collate([{"a": 1, "b": (x, "s")}, {"a": 2, "b": (x, "t")}])
    assert got["a"].tolist() == [1, 2] and got["b"][1] == ("s", "t") and tuple(got["b"][0].shape) == (2, 2)
    point = default_collate([Point(1, 2.0), Point(3, 4.0)])
    assert type(point) is Point and point.y.tolist() == [2, 4]
    for bad, error in [([object()], TypeError), ([[1, 2], [3]], RuntimeError), ([x, fastnn.ones(3)], RuntimeError)]:
        with pytest.raises(error):
            default_collate(bad)


@pytest.mark.parametrize(
    "options",
    [
        dict(batch_size=0), dict(batch_size=-1), dict(batch_size=1.5), dict(num_workers=-1), dict(timeout=-1), dict(prefetch_factor=2),
        dict(num_workers=1, prefetch_factor=0), dict(shuffle=True, sampler=[0]), dict(batch_sampler=[[0]], batch_size=2),
        dict(batch_sampler=[[0]], shuffle=True), dict(batch_size=None, drop_last=True), dict(seed=1, generator=object()),
    ],
    ids=str,
)  # fmt: skip
def test_bad_options(options):
    with pytest.raises(ValueError):
        DataLoader(pair(), **options)


def test_streams_take_no_order():
    for options in (dict(shuffle=True), dict(sampler=[0]), dict(batch_sampler=[[0]])):
        with pytest.raises(ValueError):
            DataLoader(Stream(3), **options)
    with pytest.raises(TypeError):
        len(DataLoader(Stream(3)))


def test_index_out_of_range():
    with pytest.raises(IndexError):
        list(DataLoader(pair(4), sampler=[7]))


def test_distributed_sampler():
    from fastnn.utils.data.distributed import DistributedSampler

    parts = [list(DistributedSampler(range(10), 3, rank, shuffle=False)) for rank in range(3)]
    assert parts == [[0, 3, 6, 9], [1, 4, 7, 0], [2, 5, 8, 1]]
    assert [len(DistributedSampler(range(10), 3, 0, drop_last=last)) for last in (False, True)] == [4, 3]
    ranks = [DistributedSampler(range(12), 3, rank, seed=1) for rank in range(3)]
    assert sorted(i for s in ranks for i in s) == list(range(12))
    first = list(ranks[0])
    ranks[0].set_epoch(1)
    assert list(ranks[0]) != first and sorted(DistributedSampler(range(4))) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="Invalid rank"):
        DistributedSampler(range(4), 2, 2)


def test_classes_take_types_for_annotations():
    class Pairs(fastnn.utils.data.Dataset[tuple[int, str]]):
        def __getitem__(self, i):
            return i

        def __len__(self):
            return 3

    class Backwards(fastnn.utils.data.Sampler[int]):
        def __iter__(self):
            return iter((2, 1, 0))

        def __len__(self):
            return 3

    loader: fastnn.utils.data.DataLoader[int] = fastnn.utils.data.DataLoader(Pairs(), 2, sampler=Backwards())
    assert [b.tolist() for b in loader] == [[2, 1], [0]] and issubclass(Pairs, fastnn.utils.data.Dataset) and fastnn.utils.data.IterableDataset[int]


def test_loader_options_that_would_have_no_effect_are_refused():
    loader = DataLoader(range(4), batch_size=2)
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 3
    with pytest.raises(ValueError, match="persistent_workers"):
        DataLoader(range(4), persistent_workers=True)
    assert len(DataLoader(range(4), in_order=True)) == 4
