# Deterministic: prints the same under both. networks as blog posts write them, with weights set by hand.
import torch
import torch.nn as nn
import torch.nn.functional as F


def fix(m):
    with torch.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_((torch.arange(p.numel(), dtype=p.dtype) * 0.7 + i).sin().reshape(p.shape) * 0.3)
    return m


def show(name, t):
    print(name, tuple(t.shape), round(float(t.double().sum()), 3), round(float(t.double().abs().max()), 3))


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, i, o, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(o)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(o)
        self.shortcut = nn.Sequential()
        if stride != 1 or i != o:
            self.shortcut = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


x = (torch.arange(2 * 3 * 16 * 16) * 0.1).cos().reshape(2, 3, 16, 16)
net = fix(
    nn.Sequential(BasicBlock(3, 8), BasicBlock(8, 16, 2), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(16, 10))
)
show("resnet", net(x))
l = F.cross_entropy(net(x), torch.tensor([1, 7]))
l.backward()
print(round(l.item(), 4))
show("grad", net[0].conv1.weight.grad)
net.eval()
show("eval", net(x))
print(net[1])


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.d1 = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(2)
        self.d2 = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.LeakyReLU(0.2, inplace=True))
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.up2 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.out = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        a = self.d1(x)
        b = self.d2(self.pool(a))
        return self.out(torch.cat([a, self.up(b), self.up2(b)], dim=1))


u = fix(UNet())
y = u(x)
show("unet", y)
y.pow(2).mean().backward()
show("unet grad", u.up.weight.grad)
show("d1", u.d1[0].weight.grad)
mobile = fix(
    nn.Sequential(
        nn.Conv2d(3, 3, 3, padding=1, groups=3),
        nn.Conv2d(3, 6, 1),
        nn.ReLU6(),
        nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6),
        nn.Hardswish(),
    )
)
show("mobile", mobile(x))


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = nn.ModuleList([nn.Conv2d(3, 2, k, padding=k // 2) for k in (1, 3, 5)])
        self.m = nn.MaxPool2d(3, stride=1, padding=1)

    def forward(self, x):
        return torch.cat([b(x) for b in self.b] + [self.m(x)], 1)


show("inception", fix(Inception())(x))
g = fix(
    nn.Sequential(
        nn.ConvTranspose2d(5, 8, 4, 1, 0, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(True),
        nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
)
show("dcgan", g((torch.arange(10.0) * 0.3).sin().view(2, 5, 1, 1)))


class Attention(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.h = h
        self.qkv = nn.Linear(d, 3 * d)
        self.o = nn.Linear(d, d)
        self.register_buffer("mask", torch.tril(torch.ones(8, 8)).view(1, 1, 8, 8))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.qkv(x).split(C, dim=2)
        q, k, v = [t.view(B, T, self.h, C // self.h).transpose(1, 2) for t in (q, k, v)]
        a = (q @ k.transpose(-2, -1)) * k.size(-1) ** -0.5
        a = a.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
        a = F.softmax(a, dim=-1)
        return self.o((a @ v).transpose(1, 2).contiguous().view(B, T, C))


t = (torch.arange(2 * 6 * 8) * 0.17).sin().view(2, 6, 8)
at = fix(Attention(8, 2))
show("attention", at(t))
show("einsum", torch.einsum("bqd,bkd->bqk", t, t))
show("ein2", torch.einsum("bij,jk->bik", t, torch.eye(8)))
pe = torch.zeros(6, 8)
pos = torch.arange(0, 6).unsqueeze(1).float()
div = torch.exp(torch.arange(0, 8, 2).float() * (-torch.log(torch.tensor(10000.0)) / 8))
pe[:, 0::2] = torch.sin(pos * div)
pe[:, 1::2] = torch.cos(pos * div)
show("pe", pe.unsqueeze(0) + t)


class CharRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.i2h = nn.Linear(5 + 4, 4)
        self.i2o = nn.Linear(5 + 4, 3)
        self.sm = nn.LogSoftmax(dim=1)

    def forward(self, i, h):
        c = torch.cat((i, h), 1)
        return self.sm(self.i2o(c)), torch.tanh(self.i2h(c))


r = fix(CharRNN())
h = torch.zeros(1, 4)
for i in range(5):
    o, h = r(F.one_hot(torch.tensor([i]), 5).float(), h)
loss = nn.NLLLoss()(o, torch.tensor([2]))
loss.backward()
print(round(loss.item(), 4))
show("rnn", r.i2h.weight.grad)
emb = fix(nn.Embedding(10, 4, padding_idx=0))
show("cbow", emb(torch.tensor([[1, 2, 0], [3, 9, 9]])).mean(1))
print(emb)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Linear(6, 4)
        self.mu, self.lv = nn.Linear(4, 2), nn.Linear(4, 2)
        self.d = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 6), nn.Sigmoid())

    def forward(self, x, eps):
        h = F.relu(self.e(x))
        mu, lv = self.mu(h), self.lv(h)
        return self.d(mu + eps * torch.exp(0.5 * lv)), mu, lv


v = fix(VAE())
xx = (torch.arange(12.0) * 0.4).sin().abs().view(2, 6)
rec, mu, lv = v(xx, torch.tensor([[0.1, -0.2], [0.3, 0.4]]))
loss = F.binary_cross_entropy(rec, xx, reduction="sum") - 0.5 * torch.sum(1 + lv - mu.pow(2) - lv.exp())
loss.backward()
print(round(loss.item(), 3))
show("vae", v.e.weight.grad)
print(
    nn.TripletMarginLoss(margin=1.0, p=2)(t[0], t[1], t[0].flip(0)).item().__round__(4),
    nn.CosineSimilarity(dim=1)(t[0], t[1]).sum().item().__round__(4),
    nn.PairwiseDistance(p=2)(t[0], t[1]).sum().item().__round__(4),
)
T = 2.0
print(
    round((nn.KLDivLoss(reduction="batchmean")(F.log_softmax(t[0] / T, 1), F.softmax(t[1] / T, 1)) * T * T).item(), 5)
)
print(
    nn.CrossEntropyLoss(label_smoothing=0.1, weight=torch.tensor([1.0, 2, 1, 1, 1, 1, 1, 0.5]), ignore_index=3)(
        t[0], torch.tensor([0, 1, 2, 3, 7, 7])
    )
    .item()
    .__round__(5)
)
xadv = t[0].clone().requires_grad_(True)
F.cross_entropy(xadv, torch.tensor([0, 1, 2, 3, 4, 5])).backward()
show("fgsm", torch.clamp(xadv + 0.03 * xadv.grad.sign(), 0, 1))
print(
    nn.Sequential(
        nn.Linear(2, 3),
        nn.Dropout(0.2),
        nn.GELU(),
        nn.LayerNorm(3),
        nn.Softmax(dim=-1),
        nn.PReLU(),
        nn.ELU(),
        nn.GroupNorm(1, 3),
        nn.MaxPool2d(2),
        nn.AvgPool2d(3, 1),
        nn.Softplus(),
        nn.SiLU(),
    )
)
print(
    nn.ModuleDict({"a": nn.Identity(), "b": nn.ParameterList([nn.Parameter(torch.zeros(2))])}),
    sum(1 for _ in net.modules()),
    [n for n, _ in net.named_children()],
    [n for n, _ in list(net.named_parameters())[:3]],
)
