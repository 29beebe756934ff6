"""Jets: the kernel and the walk through a graph against polynomials, torch and each other; errors."""

import itertools

import numpy as np
import pytest

import fastnn
from fastnn import func, nn
from fastnn.autograd import gradcheck, gradgradcheck
from fastnn.func.jet import mlp_of
from fastnn.ops import jet as ops

ACTIVATIONS = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "silu": nn.SiLU, "softplus": nn.Softplus}


def network(sizes, activation="Tanh", dtype=fastnn.float64):
    fastnn.manual_seed(0)
    layers = [m for a, b in itertools.pairwise(sizes) for m in (nn.Linear(a, b), getattr(nn, activation)())]
    return nn.Sequential(*layers[:-1]).to(dtype)


def points(*shape, seed=0):
    return fastnn.tensor(np.random.default_rng(seed).uniform(-1, 1, shape))


class Plain(nn.Module):
    """The same network, hidden from the kernel."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)


def close(a, b, rtol=1e-11):
    a, b = (np.asarray(t.detach().numpy() if hasattr(t, "detach") else t) for t in (a, b))
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max(initial=0.0))


def test_polynomial():
    """x³y + 2 y⁴ x: every derivative is known exactly."""
    x = points(7, 2).requires_grad_()

    def f(p):
        a, b = p[:, :1], p[:, 1:]
        return a**3 * b + 2 * b * b * b * b * a

    a, b = x.detach().numpy()[:, :1], x.detach().numpy()[:, 1:]
    expected = {
        (0, 0): a**3 * b + 2 * b**4 * a, (1, 0): 3 * a**2 * b + 2 * b**4, (1, 1): 3 * a**2 + 8 * b**3, (3, 0): 6 * b,
        (3, 1): 6 + 0 * a, (0, 3): 48 * b * a, (0, 4): 48 * a, (1, 3): 48 * b, (4, 0): 0 * a, (2, 1): 6 * a,
    }  # fmt: skip
    for got, want in zip(func.partials(f, x, list(expected)), expected.values(), strict=True):
        close(got, want)
    (third,) = func.partials(f, x, [(2, 1)])  # differentiable: ∂/∂x of 6 x
    close(fastnn.autograd.grad(third.sum(), x)[0], np.concatenate([6 + 0 * a, 0 * b], 1))


def test_jet_of_a_curve():
    t = fastnn.tensor(np.linspace(0.2, 1.5, 5)).requires_grad_()
    one = fastnn.ones(5).double()
    s = t.detach().numpy()
    known = {
        "exp": (fastnn.exp, [np.exp(s)] * 4),
        "log": (fastnn.log, [1 / s, -1 / s**2, 2 / s**3, -6 / s**4]),
        "sin": (fastnn.sin, [np.cos(s), -np.sin(s), -np.cos(s), np.sin(s)]),
        "cos": (fastnn.cos, [-np.sin(s), -np.cos(s), np.sin(s), np.cos(s)]),
        "reciprocal": (lambda x: 1 / x, [-1 / s**2, 2 / s**3, -6 / s**4, 24 / s**5]),
        "sqrt": (fastnn.sqrt, [0.5 * s**-0.5, -0.25 * s**-1.5, 0.375 * s**-2.5, -0.9375 * s**-3.5]),
        "quotient": (lambda x: x * x / (1 + x), None),
        "power": (lambda x: x**2.5, [2.5 * s**1.5, 3.75 * s**0.5, 1.875 * s**-0.5, -0.9375 * s**-1.5]),
        "x^x": (lambda x: x**x, None),
        "softmax": (lambda x: fastnn.nn.functional.softmax(fastnn.stack([x, x * x], 1), 1)[:, 0], None),
        "layer_norm": (lambda x: fastnn.nn.functional.layer_norm(fastnn.stack([x, x * x, x.sin()], 1), (3,))[:, 0], None),
        "matmul": (lambda x: (fastnn.outer(x, x.sin()) @ fastnn.outer(x, x))[0], None),
    }
    for f, expected in known.values():
        y, series = func.jet(f, t, one, 4)
        close(y, f(t))
        if expected is None:
            expected, u = [], f(t)
            for _ in range(4):
                u = func_jvp(u, t, one)
                expected.append(u)
        for got, want in zip(series, expected, strict=True):
            close(got, want, 1e-9)


def func_jvp(y, x, v):
    from fastnn.tangent import push

    return push([y], [x], [v])[0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_kernel_and_graph_agree(name):
    net, x = network((2, 9, 7, 2), ACTIVATIONS[name].__name__), points(11, 2)
    assert mlp_of(net)[2] == name and mlp_of(Plain(net)) is None
    orders = [a for a in itertools.product(range(5), repeat=2) if sum(a) <= 4]
    for a, b in zip(func.partials(net, x, orders), func.partials(Plain(net), x, orders), strict=True):
        close(a, b)
    directions = points(3, 2, seed=1)
    for a, b in zip(
        func.partials(net, x, [(1, 0, 2), (0, 1, 1)], directions), func.partials(Plain(net), x, [(1, 0, 2), (0, 1, 1)], directions), strict=True
    ):
        close(a, b)


def test_against_torch():
    torch = pytest.importorskip("torch")
    net, x = network((2, 20, 20, 20, 1)), points(50, 2)
    theirs = torch.nn.Sequential(*[m for a, b in ((2, 20), (20, 20), (20, 20), (20, 1)) for m in (torch.nn.Linear(a, b), torch.nn.Tanh())][:-1])
    theirs = theirs.double()
    for p, q in zip(theirs.parameters(), net.parameters(), strict=True):
        p.data.copy_(torch.from_numpy(q.detach().numpy().copy()))
    t = torch.from_numpy(x.numpy().copy()).requires_grad_()
    u = theirs(t)
    for order in (1, 2, 3, 4):
        (g,) = torch.autograd.grad(u.sum(), t, create_graph=True)
        u = g[:, :1]
        (ours,) = func.partials(net, x, [(order, 0)])
        error = np.abs(ours.detach().numpy() - u.detach().numpy()).max() / np.abs(u.detach().numpy()).max()
        assert error <= 1e-12, (order, error)
        loss = (ours * ours).mean()
        for a, b in zip(fastnn.autograd.grad(loss, list(net.parameters()), allow_unused=True),
                        torch.autograd.grad((u * u).mean(), list(theirs.parameters()), retain_graph=True, allow_unused=True), strict=True):  # fmt: skip
            close(a, 0 * a.detach().numpy() if b is None else b.numpy(), 1e-11)


def test_gradients_of_every_order():
    net, x = network((2, 4, 3, 1)), points(3, 2).requires_grad_()
    weights = [w.detach().clone().requires_grad_() for w in net.parameters()]
    v = points(1, 2, seed=3).requires_grad_()

    def f(x, v, *w):
        return ops.jet_mlp(x, v, w, ops.orders_of(((3,),)), "tanh")

    assert gradcheck(f, (x, v, *weights)) and gradgradcheck(f, (x, v, *weights), fast_mode=True)

    def g(x, v):
        return func.partials(Plain(net), x, [(2,)], v)[0]

    assert gradcheck(g, (x, v)) and gradgradcheck(g, (x, v), fast_mode=True)


def test_points_that_depend_on_weights():
    """Only the op's own arguments count when a graph of its gradient is asked for."""
    net = network((1, 4, 1))
    w = net[0].weight
    x = w * 2
    plain = func.partials(Plain(net), x, [(2,)])[0].sum()
    fused = func.partials(net, x, [(2,)])[0].sum()
    close(fastnn.autograd.grad(fused, w, create_graph=True)[0], fastnn.autograd.grad(plain, w)[0])


def test_names():
    net, x = network((2, 6, 2)), points(4, 2)
    u, v_xt, u_tt = func.derivatives_of(net, x, ["u", "v_xt", "u_tt"], "xt", "uv")
    a, b, c = func.partials(net, x, [(0, 0), (1, 1), (0, 2)])
    close(u, a[:, :1]), close(v_xt, b[:, 1:]), close(u_tt, c[:, :1])
    (long,) = func.derivatives_of(net, x, ["u_r_phi"], ["r", "phi"], "uv")
    close(long, b[:, :1])
    with pytest.raises(ValueError, match="no output 'w'"):
        func.derivatives_of(net, x, ["w_x"], "xt", "uv")
    with pytest.raises(ValueError, match="no coordinate 'z'"):
        func.derivatives_of(net, x, ["u_z"], "xt", "uv")


class Sine(nn.Module):
    def __init__(self, factor=None):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x.sin() if self.factor is None else fastnn.sin(self.factor * x)


class Waves(nn.Module):
    def forward(self, x):
        return fastnn.cat([x, (2 * x).cos(), x[:, :1] * x[:, 1:]], 1)


def found(*modules):
    network = mlp_of(nn.Sequential(*modules))
    return network and (len(network[0]), len(network[1]) // 2, network[2])


def test_what_takes_the_kernel():
    """(modules in front, layers, activation)"""
    a, b, c = nn.Linear(2, 3), nn.Linear(3, 3), nn.Linear(3, 1)
    assert found(a) == (0, 1, "tanh")
    assert found(a, nn.SiLU(), b, nn.SiLU(), c) == (0, 3, "silu")
    assert found(a, Sine(), b, Sine(), c) == found(a, Sine(30.0), b, Sine(2), c) == (0, 3, "sin")
    assert found(nn.Sequential(a, nn.Tanh(), b), nn.Tanh(), nn.Sequential(c)) == (0, 3, "tanh")
    assert found(Waves(), nn.Linear(5, 3), nn.Tanh(), c) == (1, 2, "tanh")
    assert found(a, nn.Tanh(), b, nn.Sigmoid(), c) == (2, 2, "sigmoid")  # the rest by its graph
    assert found(a, nn.ReLU(), c) is found(a, nn.Tanh()) is found(a, nn.GELU("tanh"), c) is found(a, nn.Softplus(2.0), c) is None
    assert found(a, nn.Tanh(), nn.LayerNorm(3), c) is found(a, nn.PReLU(), c) is None
    c.register_forward_hook(lambda *args: None)
    assert found(a, nn.Tanh(), c) is None


@pytest.mark.parametrize("net", [
    nn.Sequential(nn.Linear(2, 7), Sine(3.0), nn.Linear(7, 5), Sine(3.0), nn.Linear(5, 2)),
    nn.Sequential(Waves(), nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2)),
    nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 5), nn.SiLU(), nn.Linear(5, 2)),
])  # fmt: skip
def test_networks_with_something_in_front_or_other_activations(net):
    net, x = net.double(), points(6, 2).requires_grad_()
    orders = [(0, 0), (1, 1), (4, 0), (0, 3)]
    assert mlp_of(net) is not None
    fused, plain = func.partials(net, x, orders), func.partials(Plain(net), x, orders)
    weights = [x, *net.parameters()]
    for a, b in zip(fused, plain, strict=True):
        close(a, b)
        grads = (fastnn.autograd.grad((t * t).sum(), weights, retain_graph=True, materialize_grads=True) for t in (a, b))
        for g, h in zip(*grads, strict=True):
            close(g, h, 1e-10)
    (g,) = fastnn.autograd.grad(fused[1].sum(), x, create_graph=True)
    (h,) = fastnn.autograd.grad(plain[1].sum(), x, create_graph=True)
    close(fastnn.autograd.grad(g.sum(), x)[0], fastnn.autograd.grad(h.sum(), x)[0], 1e-10)


def test_errors():
    net, x = network((2, 3, 1)), points(4, 2)
    with pytest.raises(ValueError, match="multi-index"):
        func.partials(net, x, [(1,)])
    with pytest.raises(RuntimeError, match=r"expected points \(N, d\)"):
        func.partials(net, points(4), [(1,)])
    with pytest.raises(RuntimeError, match="3 inputs|2 inputs"):
        func.partials(network((3, 3, 1)), x, [(1, 0)])
    with pytest.raises(RuntimeError, match="float32"):
        func.partials(network((2, 3, 1), dtype=fastnn.float32), x, [(1, 0)])
    with pytest.raises(ValueError, match="order >= 1"):
        func.jet(net, x, fastnn.ones(2).double(), 0)
    with pytest.raises(ValueError, match="unknown activation"):
        ops.jet_mlp(x, points(1, 2), list(net.parameters()), ops.orders_of(((1,),)), "relu")
    with pytest.raises(RuntimeError, match=r"expected jets \(2, N, d\)"):
        ops.jet_mlp(x, None, list(net.parameters()), ops.orders_of(((1,),)), "tanh")
    with pytest.raises(ValueError, match="at most order 4"):
        ops.jet_mlp(x, points(1, 2), list(net.parameters()), ops.orders_of(((5,),)), "tanh")
    close(func.partials(net, x, [(5, 0)])[0], func.partials(Plain(net), x, [(5, 0)])[0])  # beyond the kernel: the graph
