# Modules, optimizers, schedulers, state dicts.
import math
import os
import tempfile

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


class Polynomial3(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Parameter(torch.randn(()))
        self.b = torch.nn.Parameter(torch.randn(()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.calls += 1
        return self.a * x + self.b * x**3

    def string(self):
        return f"y = {self.a.item()} x + {self.b.item()} x^3"


torch.manual_seed(1)
x = torch.linspace(-math.pi, math.pi, 500)
y = torch.sin(x)
model = Polynomial3()
criterion = torch.nn.MSELoss(reduction="sum")
optimizer = optim.SGD(model.parameters(), lr=1e-6)
for _ in range(300):
    loss = criterion(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
assert model.calls.item() == 300
assert "a" in model.state_dict() and "calls" in model.state_dict()


class Net(nn.Module):
    def __init__(self, width=16, depth=3):
        super().__init__()
        self.inp = nn.Linear(2, width)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), nn.GELU()) for _ in range(depth)])
        self.out = nn.Linear(width, 2)
        self.apply(self.init_weights)

    def init_weights(self, m):
        if isinstance(m, nn.Linear):
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)

    def forward(self, x):
        x = torch.relu(self.inp(x))
        for block in self.blocks:
            x = x + block(x)
        return self.out(x)


n = 300
t = torch.rand(n) * 4 * math.pi
label = torch.randint(0, 2, (n,))
r = t / (4 * math.pi)
points = torch.stack([r * torch.cos(t + label * math.pi), r * torch.sin(t + label * math.pi)], dim=1)
net = Net()
optimizer = optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-4)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=150)
net.train()
for epoch in range(150):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(points), label)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
net.eval()
with torch.no_grad():
    accuracy = (net(points).argmax(dim=1) == label).float().mean().item()
assert accuracy > 0.9, accuracy
folder = tempfile.mkdtemp()
path = os.path.join(folder, "net.pt")
torch.save(net.state_dict(), path)
other = Net()
other.load_state_dict(torch.load(path))
assert torch.equal(other(points), net(points))
assert sum(p.numel() for p in net.parameters() if p.requires_grad) == 2 * 16 + 16 + 3 * (16 * 16 + 16 + 32) + 34
print(net)
