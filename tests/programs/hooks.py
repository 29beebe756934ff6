# Deterministic: prints the same under both. Hooks that look at gradients, and a Function with two outputs.
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
with torch.no_grad():
    for p in net.parameters():
        p.copy_(torch.arange(p.numel()).reshape(p.shape) * 0.1 - 0.3)
log = []
h = net[0].register_full_backward_hook(
    lambda m, gi, go: log.append(
        (
            "l0",
            [None if g is None else [round(v, 4) for v in g.flatten().tolist()] for g in gi],
            [[round(v, 4) for v in g.flatten().tolist()] for g in go],
        )
    )
)
h2 = net[2].register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
h3 = net[1].register_full_backward_pre_hook(
    lambda m, go: log.append(("pre", [round(v, 4) for v in go[0].flatten().tolist()]))
)
x = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1, 2]])
net(x).sum().backward()
print([[round(v, 4) for v in p.grad.flatten().tolist()] for p in net.parameters()])
print(log)
log.clear()
x.requires_grad_()
net(x).sum().backward()
print(log, x.grad)


class Two(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b, a + b

    @staticmethod
    def backward(ctx, g, h):
        a, b = ctx.saved_tensors
        return g * b + h, g * a + h


a = torch.tensor([1.0, 2.0], requires_grad=True, dtype=torch.float64)
b = torch.tensor([3.0, 4.0], requires_grad=True, dtype=torch.float64)
p, s = Two.apply(a, b)
(p * 2 + s * s).sum().backward()
print(a.grad, b.grad)
p, s = Two.apply(a, b)
s.sum().backward()
print(a.grad, b.grad)
print(torch.autograd.gradcheck(Two.apply, (a, b)), torch.autograd.gradgradcheck(Two.apply, (a, b)))
