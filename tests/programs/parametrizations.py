# Deterministic: prints the same under both. Parameters computed from others: parametrize, weight norm, spectral norm, lazy layers.
import torch
import torch.nn.utils.parametrize as P
from torch import nn
from torch.nn.utils import parametrizations as PP


def fix(m):
    with torch.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_((torch.arange(p.numel()).reshape(p.shape) * 0.37 + i).sin())
    return m


def r(t):
    return [round(v, 4) for v in t.detach().flatten().tolist()]



class Sym(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).transpose(-1, -2)


m = fix(nn.Linear(3, 3))
P.register_parametrization(m, "weight", Sym())
print(r(m.weight))
print(m)
print(list(m.state_dict()))
print(P.is_parametrized(m), P.is_parametrized(m, "bias"))
m(torch.ones(2, 3)).sum().backward()
print(r(m.parametrizations.weight.original.grad))
P.remove_parametrizations(m, "weight")
print(type(m).__name__, r(m.weight), list(m.state_dict()), m)
m = PP.weight_norm(fix(nn.Linear(3, 2)))
print(list(m.state_dict()), r(m.weight))
m(torch.ones(1, 3)).sum().backward()
print(r(m.parametrizations.weight.original0.grad), r(m.parametrizations.weight.original1.grad))
with torch.no_grad():
    m.parametrizations.weight.original0.mul_(2)
print(r(m.weight))
m = nn.utils.weight_norm(fix(nn.Conv2d(2, 3, 2)))
print(list(m.state_dict()), r(m.weight)[:5])
y = m(torch.ones(1, 2, 3, 3))
y.sum().backward()
print(r(m.weight_g.grad))
nn.utils.remove_weight_norm(m)
print(list(m.state_dict()), m)
m = PP.spectral_norm(fix(nn.Linear(4, 3)), n_power_iterations=60)
m(torch.ones(1, 4))
print(r(torch.linalg.svdvals(m.weight))[0])
print(list(m.state_dict()))
m.eval()
print(r(m.weight)[:2] == r(m.weight)[:2])
m = nn.utils.spectral_norm(fix(nn.Linear(4, 3)), n_power_iterations=60)
m(torch.ones(1, 4)).sum().backward()
print(r(torch.linalg.svdvals(m.weight))[0], sorted(m.state_dict()))
nn.utils.remove_spectral_norm(m)
print(list(m.state_dict()))
for k in ("matrix_exp", "cayley"):
    for sh in ((4, 3), (3, 4), (3, 3)):
        m = PP.orthogonal(fix(nn.Linear(*sh)), orthogonal_map=k)
        w = m.weight.detach()
        q = w @ w.T if sh[0] >= sh[1] else w.T @ w
        print(k, sh, [abs(v) < 1e-5 for v in (q - torch.eye(q.shape[0])).abs().max().reshape(1).tolist()])
        o = torch.optim.SGD(m.parameters(), lr=0.1)
        (m(torch.ones(2, sh[0])) ** 2).sum().backward()
        o.step()
        w = m.weight.detach()
        q = w @ w.T if sh[0] >= sh[1] else w.T @ w
        print([abs(v) < 1e-5 for v in (q - torch.eye(q.shape[0])).abs().max().reshape(1).tolist()])
net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5))
print(net(torch.ones(2, 3, 6, 6)).shape)
print(net)
print([tuple(p.shape) for p in net.parameters()])
