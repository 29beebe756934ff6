"""What the data sets of images have in common."""

from __future__ import annotations

from ..utils.data import Dataset


class Images(Dataset):
    """`data`: uint8 tensor (N, H, W); `targets`: int64 tensor (N). Sample i is (data[i], int), each through its transform."""

    def __init__(self, data, targets, transform=None, target_transform=None):
        self.data, self.targets = data, targets
        self.transform, self.target_transform = transform, target_transform

    def __getitem__(self, index):
        image, target = self.data[index], int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __len__(self):
        return self.data.shape[0]

    def __repr__(self):
        return f"{type(self).__name__}({len(self)} images of {'x'.join(map(str, self.data.shape[1:]))})"
