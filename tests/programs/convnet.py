# LeNet on synthetic images, with a data set class, loaders, an epoch loop and evaluation.
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, random_split


class Bars(Dataset):
    """Images with a horizontal or a vertical bar, or none."""

    def __init__(self, n, transform=None):
        g = torch.Generator().manual_seed(0)
        self.images = torch.rand(n, 1, 16, 16, generator=g) * 0.5
        self.labels = torch.randint(0, 3, (n,), generator=g)
        for i in range(n):
            k = int(torch.randint(2, 13, (1,), generator=g))
            if self.labels[i] == 0:
                self.images[i, 0, k : k + 2, :] += 0.8
            elif self.labels[i] == 1:
                self.images[i, 0, :, k : k + 2] += 0.8
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        x = self.images[i]
        if self.transform:
            x = self.transform(x)
        return x, self.labels[i]


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5, padding=2),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2, stride=2),
            nn.Conv2d(6, 12, 3),
            nn.Tanh(),
            nn.AvgPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Linear(12 * 3 * 3, 32), nn.ReLU(), nn.Dropout(p=0.2), nn.Linear(32, 3))

    def forward(self, x):
        x = self.features(x)
        x = torch.flatten(x, 1)
        return self.classifier(x)


def train_loop(loader, model, loss_fn, optimizer):
    model.train()
    for batch, (X, y) in enumerate(loader):
        pred = model(X)
        loss = loss_fn(pred, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()


def test_loop(loader, model, loss_fn):
    model.eval()
    size = len(loader.dataset)
    test_loss, correct = 0, 0
    with torch.no_grad():
        for X, y in loader:
            pred = model(X)
            test_loss += loss_fn(pred, y).item()
            correct += (pred.argmax(1) == y).type(torch.float).sum().item()
    return correct / size, test_loss / len(loader)


torch.manual_seed(0)
data = Bars(480, transform=lambda x: (x - 0.25) / 0.3)
train_set, test_set = random_split(data, [400, 80])
model = LeNet()
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
for epoch in range(6):
    train_loop(DataLoader(train_set, batch_size=32, shuffle=True), model, loss_fn, optimizer)
accuracy, loss = test_loop(DataLoader(test_set, batch_size=40), model, loss_fn)
assert accuracy > 0.85, accuracy
assert model.features[1].num_batches_tracked.item() == 6 * 13
