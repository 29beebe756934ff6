# Deterministic: prints the same under both. schedulers, parameter groups, checkpoints.
import copy
import io
import torch
from torch import nn, optim
from torch.optim.lr_scheduler import *

net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))


def lrs(make, n=8, opt=None, metric=None):
    o = opt or optim.SGD(
        [{"params": net[0].parameters()}, {"params": net[2].parameters(), "lr": 0.5}], lr=0.1, momentum=0.9
    )
    s = make(o)
    out = []
    for i in range(n):
        o.step()
        s.step(metric[i]) if metric else s.step()
        out.append([round(g["lr"], 6) for g in o.param_groups])
    return out


print(lrs(lambda o: StepLR(o, 3, 0.5)))
print(lrs(lambda o: MultiStepLR(o, [2, 5], gamma=0.1)))
print(lrs(lambda o: ExponentialLR(o, 0.9)))
print(lrs(lambda o: CosineAnnealingLR(o, T_max=6, eta_min=0.01)))
print(lrs(lambda o: CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2)))
print(lrs(lambda o: LambdaLR(o, [lambda e: 0.95**e, lambda e: 1 / (e + 1)])))
print(lrs(lambda o: MultiplicativeLR(o, lambda e: 0.9)))
print(lrs(lambda o: LinearLR(o, 0.25, 1.0, total_iters=4)))
print(lrs(lambda o: ConstantLR(o, 0.5, total_iters=3)))
print(lrs(lambda o: PolynomialLR(o, total_iters=5, power=2.0)))
print(lrs(lambda o: CyclicLR(o, base_lr=0.01, max_lr=0.1, step_size_up=3, mode="triangular2")))
print(lrs(lambda o: OneCycleLR(o, max_lr=[0.1, 0.2], total_steps=8)))
print(lrs(lambda o: SequentialLR(o, [ConstantLR(o, 0.1, total_iters=2), ExponentialLR(o, 0.9)], milestones=[3])))
print(lrs(lambda o: ChainedScheduler([ConstantLR(o, 0.1, total_iters=2), ExponentialLR(o, 0.9)])))
print(
    lrs(
        lambda o: ReduceLROnPlateau(o, factor=0.5, patience=1, mode="min"),
        metric=[1, 0.9, 0.9, 0.9, 0.9, 0.5, 0.6, 0.7],
    )
)
o = optim.Adam(net.parameters(), lr=1e-2, betas=(0.9, 0.99), weight_decay=1e-3)
s = StepLR(o, 2)
with torch.no_grad():
    for p in net.parameters():
        p.fill_(0.25)
x = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
y = torch.tensor([[1.0], [0.0]])


def step():
    o.zero_grad(set_to_none=True)
    l = nn.functional.mse_loss(net(x), y)
    l.backward()
    o.step()
    s.step()
    return l.item()


for _ in range(3):
    step()
b = io.BytesIO()
torch.save({"net": net.state_dict(), "o": o.state_dict(), "s": s.state_dict(), "epoch": 3}, b)
want = [round(step(), 5) for _ in range(3)]
b.seek(0)
c = torch.load(b, weights_only=False)
net.load_state_dict(c["net"])
o.load_state_dict(c["o"])
s.load_state_dict(c["s"])
print(want == [round(step(), 5) for _ in range(3)], c["epoch"], s.get_last_lr(), s.last_epoch)
print(type(o).__name__, o.param_groups[0]["betas"], len(o.param_groups))
m = copy.deepcopy(net)
print([torch.equal(a, b) for a, b in zip(m.parameters(), net.parameters())], m[0].weight is net[0].weight)
for p in net[0].parameters():
    p.requires_grad = False
print(sum(p.numel() for p in net.parameters() if p.requires_grad))
total = torch.nn.utils.clip_grad_norm_(net[2].parameters(), 0.01)
print(round(float(total), 4), round(float(net[2].weight.grad.norm()), 4))
v = nn.utils.parameters_to_vector(net.parameters())
nn.utils.vector_to_parameters(v * 2, net.parameters())
print(v.shape, round(float(net[0].bias.sum()), 4))
