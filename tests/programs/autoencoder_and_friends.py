# An autoencoder, an embedding classifier and a physics-style second derivative.
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


class AE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3))
        self.decoder = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 20))

    def forward(self, x):
        return self.decoder(self.encoder(x))


basis = torch.randn(3, 20)
X = torch.randn(256, 3) @ basis
model = AE()
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
first = None
for epoch in range(200):
    perm = torch.randperm(X.size(0))
    for k in range(0, X.size(0), 64):
        xb = X[perm[k : k + 64]]
        loss = F.mse_loss(model(xb), xb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        first = loss.item() if first is None else first
assert loss.item() < 0.2 * first


class Bag(nn.Module):
    def __init__(self, vocab, dim, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim, padding_idx=0)
        self.fc = nn.Linear(dim, classes)

    def forward(self, tokens):
        e = self.embedding(tokens)
        m = (tokens != 0).unsqueeze(-1).float()
        return self.fc((e * m).sum(1) / m.sum(1).clamp(min=1))


tokens = torch.randint(1, 50, (200, 7))
tokens[:, 5:] = 0
target = (tokens[:, :5] < 10).any(dim=1).long()
bag = Bag(50, 16, 2)
opt = torch.optim.RMSprop(bag.parameters(), lr=1e-2)
for _ in range(150):
    opt.zero_grad()
    loss = nn.CrossEntropyLoss()(bag(tokens), target)
    loss.backward()
    opt.step()
assert (bag(tokens).argmax(-1) == target).float().mean() > 0.9
assert bag.embedding.weight.grad[0].abs().sum() == 0

net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1)).double()
x = torch.linspace(0, 1, 20, dtype=torch.float64).reshape(-1, 1).requires_grad_(True)
u = net(x)
u_x = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)[0]
u_xx = torch.autograd.grad(u_x, x, torch.ones_like(u_x), create_graph=True)[0]
loss = ((u_xx + 1) ** 2).mean() + u[0, 0] ** 2 + u[-1, 0] ** 2
loss.backward()
assert all(p.grad is not None for p in net[0].parameters())
