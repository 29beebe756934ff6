# Deterministic: prints the same under both. datasets and loaders.
import torch
from torch.utils.data import (
    BatchSampler,
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
    random_split,
    default_collate,
)


class Squares(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i >= self.n:
            raise IndexError
        return {"x": torch.tensor([float(i)]), "y": i * i, "name": f"item{i}"}


d = Squares(7)
for b in DataLoader(d, batch_size=3):
    print(b["x"].flatten().tolist(), b["y"], b["name"])
print(len(DataLoader(d, 3)), len(DataLoader(d, 3, drop_last=True)))


def pad(batch):
    xs = [torch.ones(i["y"] % 4 + 1) for i in batch]
    return torch.nn.utils.rnn.pad_sequence(xs, batch_first=True), torch.tensor([len(x) for x in xs])


for x, n in DataLoader(d, 4, collate_fn=pad):
    print(x.shape, n.tolist())
a, b = random_split(range(10), [7, 3], generator=torch.Generator().manual_seed(1))
print(len(a), len(b), sorted(list(a) + list(b)))
a, b = random_split(d, [0.5, 0.5])
print(len(a), len(b))
c = ConcatDataset([TensorDataset(torch.arange(3)), TensorDataset(torch.arange(10, 12))])
print(len(c), c[3], c[-1], c.cumulative_sizes)
print(
    [int(i) for i in Subset(torch.arange(10) * 2, [1, 3])],
    list(SequentialSampler(range(3))),
    list(BatchSampler(SequentialSampler(range(5)), 2, False)),
)
print(
    sorted(SubsetRandomSampler([1, 5, 2])),
    len(list(WeightedRandomSampler([0.1, 0.9], 5))),
    len(list(RandomSampler(range(4), replacement=True, num_samples=9))),
)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(5))


print([b.tolist() for b in DataLoader(Stream(), batch_size=2)])
print(default_collate([(1, 2.0), (3, 4.0)]), default_collate([torch.zeros(2), torch.ones(2)]))
x, y = next(
    iter(
        DataLoader(
            TensorDataset(torch.arange(6.0).view(3, 2), torch.tensor([0, 1, 2])),
            batch_size=2,
            shuffle=False,
            num_workers=0,
            pin_memory=False,
        )
    )
)
print(x, y, x.dtype, y.dtype)
try:
    TensorDataset(torch.ones(2), torch.ones(3))
except AssertionError as e:
    print("AssertionError", e)
g = torch.Generator()
g.manual_seed(3)
print(len([1 for _ in DataLoader(range(10), shuffle=True, generator=g, batch_size=None)]))
