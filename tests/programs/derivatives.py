# Deterministic: prints the same under both. derivatives by hand, of higher order, functional.
import math
import torch
from torch.func import functional_call, grad, hessian, jacrev, jacfwd, jvp, vjp, vmap

torch.set_printoptions(precision=4, sci_mode=False)
x = torch.linspace(-1, 1, 5, requires_grad=True, dtype=torch.float64)
y = (x**3).sum()
(g,) = torch.autograd.grad(y, x, create_graph=True)
(h,) = torch.autograd.grad(g.sum(), x)
print(g.detach(), h)
t = torch.tensor(0.5, requires_grad=True)
u = torch.sin(3 * t)
du = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]
ddu = torch.autograd.grad(du, t, retain_graph=True)[0]
print(round(ddu.item(), 4), u.grad_fn is not None, t.is_leaf)
print(
    grad(torch.sin)(torch.tensor(1.0)),
    jacrev(lambda a: a**2)(torch.arange(3.0)),
    hessian(lambda a: (a**3).sum())(torch.arange(2.0)),
    vmap(torch.dot)(torch.ones(2, 3), torch.arange(6.0).view(2, 3)),
)
print(
    jvp(torch.sin, (torch.tensor(0.0),), (torch.tensor(1.0),)),
    vjp(torch.exp, torch.tensor(0.0))[1](torch.tensor(2.0)),
    jacfwd(lambda a: a.sum() * a)(torch.ones(2)),
)
net = torch.nn.Linear(2, 1)
with torch.no_grad():
    net.weight.copy_(torch.tensor([[0.5, -1.0]]))
    net.bias.zero_()
p = {k: v.detach() for k, v in net.named_parameters()}


def loss(p, a, b):
    return ((functional_call(net, p, (a.unsqueeze(0),)).squeeze(0) - b) ** 2).mean()


per = vmap(grad(loss), in_dims=(None, 0, 0))(p, torch.tensor([[1.0, 2], [3, 4]]), torch.tensor([[1.0], [0.0]]))
print(per["weight"], per["bias"])


def inner(p, a, b):
    gr = grad(loss)(p, a, b)
    return {k: p[k] - 0.1 * gr[k] for k in p}


def outer(p):
    return loss(inner(p, torch.tensor([1.0, 2]), torch.tensor([1.0])), torch.tensor([3.0, 4]), torch.tensor([0.0]))


print({k: v for k, v in grad(outer)(p).items()})
print(
    torch.autograd.functional.jacobian(lambda a: a.exp(), torch.zeros(2)),
    torch.autograd.functional.hessian(lambda a: (a**4).sum(), torch.ones(2)),
)
a = torch.ones(3, requires_grad=True)
b = a * 2
b.register_hook(lambda g: print("hook", g))
b.retain_grad()
b.sum().backward()
print(a.grad, b.grad)
with torch.no_grad():
    print((a * 2).requires_grad)
with torch.inference_mode():
    print((a * 2).requires_grad, torch.is_grad_enabled())


@torch.no_grad()
def f(z):
    return z * 2


print(f(a).requires_grad)
torch.set_grad_enabled(False)
print((a + 1).requires_grad)
torch.set_grad_enabled(True)
try:
    (a * 2).backward()
except RuntimeError as e:
    print(e)
c = a.clone()
d = c * c
c += 1
try:
    d.sum().backward()
except RuntimeError:
    print("in place noticed")
y0 = torch.tensor([1.0, 0.0])
A = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], requires_grad=True)


def rk4(f, y, dt):
    k1 = f(y)
    k2 = f(y + dt / 2 * k1)
    k3 = f(y + dt / 2 * k2)
    k4 = f(y + dt * k3)
    return y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


yy = y0
for _ in range(20):
    yy = rk4(lambda s: A @ s, yy, 0.1)
yy.pow(2).sum().backward()
print(yy.detach(), A.grad)
z = torch.tensor([1.0, 2.0], requires_grad=True)
w = torch.where(z > 1.5, z**2, z.exp())
w.sum().backward()
print(z.grad, torch.autograd.gradcheck(torch.sigmoid, torch.randn(3, dtype=torch.double, requires_grad=True)))
m = torch.tensor([[4.0, 1], [1, 3]], requires_grad=True, dtype=torch.float64)
torch.linalg.inv(m).trace().backward()
print(m.grad)
with torch.enable_grad():
    print(torch.tensor(2.0, requires_grad=True).log().requires_grad)
