"""fastnn.func beside torch.func: values, nesting, structures, messages."""

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as NF
from fastnn import func as F
from fastnn.utils.checkpoint import checkpoint

torch = pytest.importorskip("torch")
TF = torch.func
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:Attempted to insert")  # PyTorch's own


@pytest.fixture
def x(rng):
    return rng.standard_normal(5)


@pytest.fixture
def w(rng):
    return rng.standard_normal((5, 4))


def leaves(tree):
    if isinstance(tree, dict):
        return [x for k in tree for x in leaves(tree[k])]
    if isinstance(tree, (tuple, list)):
        return [x for t in tree for x in leaves(t)]
    return [tree]


def agree(ours, theirs, tolerance=1e-12):
    ours, theirs = leaves(ours), leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        a, b = a.detach().numpy(), b.detach().numpy()
        assert a.shape == b.shape
        assert np.abs(a - b).max(initial=0) <= tolerance * max(np.abs(b).max(initial=0), 1e-30)


def both(f):
    """f(library, tensor maker, its func module) for fastnn and for torch must agree."""
    agree(f(fastnn, fastnn.tensor, F), f(torch, torch.tensor, TF))


def scalar(lib):
    return lambda x: lib.tanh(x).sum() * lib.sin(x[0]) + (x[1] * x[2]) ** 3


def vector(lib, w):
    return lambda x: lib.tanh(lib.sin(x) @ w)


TRANSFORMS = {
    "grad": lambda lib, t, T, x, w: T.grad(scalar(lib))(t(x)),
    "grad_and_value": lambda lib, t, T, x, w: T.grad_and_value(scalar(lib))(t(x)),
    "vjp": lambda lib, t, T, x, w: T.vjp(vector(lib, t(w)), t(x))[1](t(x[:4])),
    "jvp": lambda lib, t, T, x, w: T.jvp(vector(lib, t(w)), (t(x),), (t(x * 2),)),
    "linearize": lambda lib, t, T, x, w: T.linearize(vector(lib, t(w)), t(x))[1](t(x + 1)),
    "jacrev": lambda lib, t, T, x, w: T.jacrev(vector(lib, t(w)))(t(x)),
    "jacfwd": lambda lib, t, T, x, w: T.jacfwd(vector(lib, t(w)))(t(x)),
    "chunks": lambda lib, t, T, x, w: T.jacrev(vector(lib, t(w)), chunk_size=3)(t(x)),
    "hessian": lambda lib, t, T, x, w: T.hessian(scalar(lib))(t(x)),
    "grad of grad": lambda lib, t, T, x, w: T.grad(lambda z: T.grad(scalar(lib))(z).sum())(t(x)),
    "third": lambda lib, t, T, x, w: T.grad(lambda z: T.grad(lambda y: T.grad(scalar(lib))(y).sum())(z).sum())(t(x)),
    "jvp of grad": lambda lib, t, T, x, w: T.jvp(T.grad(scalar(lib)), (t(x),), (t(x + 1),))[1],
    "grad of jvp": lambda lib, t, T, x, w: T.grad(lambda z: T.jvp(scalar(lib), (z,), (t(x + 1),))[1])(t(x)),
    "jvp of jvp": lambda lib, t, T, x, w: T.jvp(lambda z: T.jvp(scalar(lib), (z,), (z * z,))[1], (t(x),), (t(x + 1),)),
    "jacfwd of jacfwd of jacrev": lambda lib, t, T, x, w: T.jacfwd(T.jacfwd(T.jacrev(vector(lib, t(w)))))(t(x)),
    "vmap": lambda lib, t, T, x, w: T.vmap(vector(lib, t(w)))(t(w @ w.T)),
    "vmap of grad": lambda lib, t, T, x, w: T.vmap(T.grad(scalar(lib)))(t(w @ w.T)),
    "vmap of hessian": lambda lib, t, T, x, w: T.vmap(T.hessian(scalar(lib)))(t(w @ w.T)),
    "vmap of jvp": lambda lib, t, T, x, w: T.vmap(lambda a, b: T.jvp(scalar(lib), (a,), (b,))[1])(t(w @ w.T), t(w @ w.T + 1)),
    "grad of vmap": lambda lib, t, T, x, w: T.grad(lambda v: T.vmap(vector(lib, v))(t(w @ w.T)).square().sum())(t(w)),
    "jacrev of vmap of grad": lambda lib, t, T, x, w: T.jacrev(T.vmap(T.grad(scalar(lib))))(t(w @ w.T)),
    "grad of vmap of vmap": lambda lib, t, T, x, w: T.grad(
        lambda v: T.vmap(T.vmap(lambda a, b: lib.sin(a * b).sum(), (None, 0)), (0, None))(v, t(x * w.T)).square().sum()
    )(t(w.T.copy())),
    "argnums": lambda lib, t, T, x, w: T.grad(lambda a, b: (lib.sin(a) @ b).sum(), argnums=(1, 0))(t(x), t(w)),
    "argnum": lambda lib, t, T, x, w: T.jacrev(lambda a, b: lib.sin(a) @ b, argnums=-1)(t(x), t(w)),
    "argnum forward": lambda lib, t, T, x, w: T.jacfwd(lambda a, b: lib.sin(a) @ b, argnums=1)(t(x), t(w)),
    "trees": lambda lib, t, T, x, w: T.jacrev(lambda p: {"y": (p["a"] @ p["b"][0], p["a"].sum())})({"a": t(x), "b": [t(w)]}),
    "trees forward": lambda lib, t, T, x, w: T.jacfwd(lambda p: {"y": (p["a"] @ p["b"][0], p["a"].sum())})({"a": t(x), "b": [t(w)]}),
    "aux": lambda lib, t, T, x, w: T.grad(lambda a: ((a * a).sum(), (a + 1, {"s": a.sum()})), has_aux=True)(t(x)),
    "jacrev aux": lambda lib, t, T, x, w: T.jacrev(lambda a: (a * a, a + 1), has_aux=True)(t(x)),
    "jvp aux": lambda lib, t, T, x, w: T.jvp(lambda a: (a * a, a + 1), (t(x),), (t(x),), has_aux=True),
    "unused": lambda lib, t, T, x, w: T.grad(lambda a, b: a.sum(), argnums=(0, 1))(t(x), t(w)),
    "constant": lambda lib, t, T, x, w: T.jvp(lambda a: t(w), (t(x),), (t(x),))[1],
    "closure": lambda lib, t, T, x, w: T.grad(lambda a: T.grad(lambda b: (a * b * b).sum())(t(x)).square().sum())(t(x + 1)),
    "in-place": lambda lib, t, T, x, w: T.hessian(lambda a: (a * 1).mul_(a).add_(1).square().sum())(t(x)),
    "setitem": lambda lib, t, T, x, w: T.hessian(lambda a: _set(a * a, a).square().sum())(t(x)),
}


def _set(y, a):
    y[1:3] = a[:2] * a[3]
    return y


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_agree_with_torch(name, x, w):
    both(lambda lib, t, T: TRANSFORMS[name](lib, t, T, x, w))


def network(rng, lib, t):
    shapes = {"0.weight": (7, 5), "0.bias": (7,), "2.weight": (3, 7), "2.bias": (3,)}
    net = lib.nn.Sequential(lib.nn.Linear(5, 7), lib.nn.Tanh(), lib.nn.Linear(7, 3)).double()
    return net, {k: t(rng.standard_normal(s)) for k, s in shapes.items()}


def test_gradients_of_every_example(rng):
    data, classes = rng.standard_normal((6, 5)), rng.integers(0, 3, 6)

    def run(lib, t, T):
        net, p = network(np.random.default_rng(1), lib, t)

        def loss(p, x, y):
            return lib.nn.functional.cross_entropy(T.functional_call(net, p, (x[None],)), y[None])

        return T.vmap(T.grad(loss), in_dims=(None, 0, 0))(p, t(data), t(classes))

    both(run)


def test_ensemble_of_modules(rng):
    data = fastnn.tensor(rng.standard_normal((6, 5)))
    nets = [fastnn.nn.Linear(5, 3).double() for _ in range(4)]
    params, buffers = F.stack_module_state(nets)
    got = F.vmap(lambda p, x: F.functional_call(nets[0], p, (x,)), in_dims=(0, None))(params, data)
    assert fastnn.allclose(got, fastnn.stack([n(data) for n in nets]), 1e-12, 1e-12)
    assert params["weight"].requires_grad and buffers == {}
    got.sum().backward()
    assert params["weight"].grad.shape == (4, 3, 5)
    skeleton = fastnn.nn.Linear(5, 3).double().to("meta")
    assert skeleton.weight.shape == (3, 5) and skeleton.weight.is_meta
    assert fastnn.equal(F.vmap(lambda p, x: F.functional_call(skeleton, p, (x,)), in_dims=(0, None))(params, data), got)
    with pytest.raises(RuntimeError, match="at least two devices, meta and cpu"):
        skeleton(data)
    with pytest.warns(UserWarning, match="which is a no-op"):
        skeleton.load_state_dict(nets[0].state_dict())
    skeleton.to_empty(device="cpu").load_state_dict(nets[0].state_dict())
    assert fastnn.equal(skeleton(data), nets[0](data))


def test_hvp_and_value_and_grad(x):
    t = fastnn.tensor(x)
    value, g = F.value_and_grad(scalar(fastnn))(t)
    assert fastnn.allclose(g, F.grad(scalar(fastnn))(t)) and value.item() == scalar(fastnn)(t).item()
    assert fastnn.allclose(F.hvp(scalar(fastnn), (t,), (t + 1,)), F.hessian(scalar(fastnn))(t) @ (t + 1), 1e-12, 1e-12)


def test_results_can_be_differentiated_outside(x):
    t = fastnn.tensor(x, requires_grad=True)
    F.grad(scalar(fastnn))(t).sum().backward()
    assert fastnn.allclose(t.grad, F.hessian(scalar(fastnn))(fastnn.tensor(x)).sum(0), 1e-12, 1e-12)
    assert not F.grad(scalar(fastnn))(fastnn.tensor(x)).requires_grad
    with fastnn.no_grad():
        assert not F.grad(scalar(fastnn))(t).requires_grad


def test_functions_with_derivatives_of_their_own(x):
    class Cube(fastnn.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x * x * g

    class WithJvp(Cube):
        @staticmethod
        def jvp(ctx, t):
            (x,) = ctx.saved_tensors
            return 3 * x * x * t

    t = fastnn.tensor(x)
    for f in (Cube.apply, WithJvp.apply):
        assert fastnn.allclose(F.jvp(f, (t,), (t + 1,))[1], 3 * t * t * (t + 1), 1e-12, 1e-12)
        assert fastnn.allclose(F.jacfwd(F.jacrev(f))(t).sum((0, 1)), 6 * t, 1e-12, 1e-12)


@pytest.mark.parametrize(
    "make, kind, words",
    [
        (lambda t: F.grad(lambda a: a * 2)(t), RuntimeError, "Expected f(*args) to return a scalar Tensor, got tensor with 1 dims. Maybe you wanted to use the vjp or jacrev APIs"),
        (lambda t: F.grad(lambda a: 3.0)(t), RuntimeError, "to return a Tensor, got <class 'float'>"),
        (lambda t: F.grad(lambda a: a.sum(), argnums=2)(t), RuntimeError, "Got argnum=2, but only 1 positional inputs"),
        (lambda t: F.grad(lambda a: a.sum(), argnums=())(t), RuntimeError, "argnums must be non-empty"),
        (lambda t: F.grad(lambda a: a.sum(), argnums=(0, 0))(t), RuntimeError, "argnums elements must be unique"),
        (lambda t: F.grad(lambda a: a.sum(), has_aux=True)(t), RuntimeError, "output of function f should be a tuple: (output, aux)"),
        (lambda t: F.grad(lambda a: a.sum())(fastnn.arange(3)), RuntimeError, "only Tensors of floating point"),
        (lambda t: F.grad(lambda a: a.argmax())(t), RuntimeError, "argmax, which has no derivative"),
        (lambda t: F.grad(lambda a: (a > 0).sum())(t), RuntimeError, "got fastnn.int64"),
        (lambda t: F.jacfwd(lambda a: a > 0)(t), RuntimeError, "gt, which has no derivative"),
        (lambda t: F.vjp(lambda a: a.sort().indices, t), RuntimeError, "sort, which has no derivative"),
        (lambda t: F.vjp(lambda a: a * 2, t)[1](t[:2]), RuntimeError, "Mismatch in shape: grad_output[0] has a shape of [2] and output[0] has a shape of [5]"),
        (lambda t: F.vjp(lambda a: a * 2, t)[1]((t, t)), RuntimeError, "Expected pytree structure of cotangents to be the same"),
        (lambda t: F.jvp(lambda a: a, t, (t,)), RuntimeError, "Expected primals to be a tuple"),
        (lambda t: F.jvp(lambda a: a, (t,), (t, t)), RuntimeError, "to have the same python structure"),
        (lambda t: F.jvp(lambda a: t * 1, (t,), (t,), strict=True), RuntimeError, "not allowed with strict=True"),
        (lambda t: F.jvp(lambda a: 1.0, (t,), (t,)), RuntimeError, "expected f(*primals) to return only tensors, got unsupported type"),
        (lambda t: F.vmap(lambda a: a)(), ValueError, "got no inputs"),
        (lambda t: F.vmap(lambda a: a, in_dims=3)(t), ValueError, "expected in_dim to satisfy -1 <= in_dim < 1"),
        (lambda t: F.vmap(lambda a, b: a, in_dims=(0,))(t, t), ValueError, "in_dims is not compatible with the structure"),
        (lambda t: F.vmap(lambda a, b: a)(t, t[:2]), ValueError, "Expected all tensors to have the same size in the mapped dimension, got sizes [5, 2]"),
        (lambda t: F.vmap(lambda a: a, in_dims=(None,))(t), ValueError, "Expected at least one Tensor to vmap over" ),
        (lambda t: F.vmap(lambda a: 1.0)(t), ValueError, "must only return Tensors, got type <class 'float'>"),
        (lambda t: F.vmap(lambda a: a, out_dims=None)(t), ValueError, "can not return a BatchedTensor when out_dim is None"),
        (lambda t: F.vmap(lambda a: a.item())(t), RuntimeError, "calling .item() on a Tensor"),
        (lambda t: F.vmap(lambda a: a if a > 0 else -a)(t), RuntimeError, "data-dependent control flow"),
        (lambda t: F.vmap(lambda a: a + fastnn.rand(()))(t), RuntimeError, "called random operation while in randomness error mode"),
        (lambda t: F.vmap(lambda a: t.add_(a))(t), RuntimeError, "in-place operation is not possible"),
        (lambda t: F.vmap(lambda a: a, randomness="some")(t), RuntimeError, "Only allowed values for randomness"),
        (lambda t: F.vmap(lambda a: a, chunk_size=0)(t), ValueError, "chunk_size should be None or greater than 0"),
        (lambda t: fastnn.autograd.grad(t.argmax(), t), RuntimeError, "does not require grad"),
    ],
)  # fmt: skip
def test_messages(make, kind, words, x):
    with pytest.raises(kind) as e:
        make(fastnn.tensor(x))
    assert words in str(e.value)


def test_axes_of_vmap(rng):
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((3, 5))
    for in_dims, out_dims in (((1, 0), 0), ((-2, 0), -1), (((1), 0), 1), ((1, None), 0)):
        both(lambda lib, t, T, i=in_dims, o=out_dims: T.vmap(lambda p, q: lib.sin(p).sum(0)[:2, None] * q.reshape(-1)[:5], i, o)(t(a), t(b)))
    both(lambda lib, t, T: T.vmap(lambda d: {"s": d["a"].sum(), "t": (d["b"], d["a"] * 2)}, ({"a": 1, "b": None},), {"s": 0, "t": (None, 1)})({"a": t(a), "b": t(b)}))
    for n in (1, 2, 3, 7):
        both(lambda lib, t, T, n=n: T.vmap(lambda p: lib.tanh(p).sum(0), 1, chunk_size=n)(t(a)))


def test_randomness_of_vmap():
    ones = fastnn.ones(6, 8)
    for draw in (lambda a: fastnn.rand(8) + a * 0, lambda a: NF.dropout(a, 0.5), lambda a: fastnn.randn_like(a), lambda a: a.clone().uniform_(), lambda a: fastnn.bernoulli(a * 0.5)):
        same = F.vmap(draw, randomness="same")(ones).numpy()
        different = F.vmap(draw, randomness="different")(ones).numpy()
        assert (same == same[0]).all()
        assert any((different[i] != different[0]).any() for i in range(1, 6))
        with pytest.raises(RuntimeError, match="randomness"):
            F.vmap(draw)(ones)
    outer = F.vmap(F.vmap(lambda a: NF.dropout(a, 0.5), randomness="same"), randomness="different")(fastnn.ones(3, 4, 16)).numpy()
    assert (outer == outer[:, :1]).all() and (outer[0] != outer[1]).any()


def test_gradients_through_dropout_in_vmap():
    x = fastnn.ones(4, 8, requires_grad=True)
    y = F.vmap(lambda a: NF.dropout(a, 0.5), randomness="different")(x)
    y.sum().backward()
    assert (x.grad == y.detach()).all()


def test_unbatched_in_place_inside_vmap(x):
    def f(a):
        y = fastnn.zeros(3, dtype=fastnn.float64)
        y[0] = a
        y += a
        return y

    got = F.vmap(f)(fastnn.tensor(x)).numpy()
    assert np.array_equal(got, np.stack([2 * x, x, x], 1))


def test_batched_cotangents(x, w):
    t = fastnn.tensor(x, requires_grad=True)
    y = vector(fastnn, fastnn.tensor(w))(t)
    (rows,) = fastnn.autograd.grad(y, t, fastnn.eye(4, dtype=fastnn.float64), is_grads_batched=True)
    agree(rows, TF.jacrev(vector(torch, torch.tensor(w)))(torch.tensor(x)))


def test_autograd_functional(x, w):
    ours, theirs = fastnn.autograd.functional, torch.autograd.functional
    for name, f, args in (
        ("jacobian", lambda lib, t: lambda p, q: (lib.sin(p) @ q, p.sum()), (x, w)),
        ("jacobian", lambda lib, t: vector(lib, t(w)), x),
        ("hessian", lambda lib, t: scalar(lib), x),
        ("hessian", lambda lib, t: lambda p, q: lib.sin(p @ q).sum(), (x, w)),
        ("hvp", lambda lib, t: scalar(lib), x),
        ("vhp", lambda lib, t: scalar(lib), x),
    ):
        got = []
        for lib, t, module in ((fastnn, fastnn.tensor, ours), (torch, torch.tensor, theirs)):
            inputs = tuple(t(a) for a in args) if isinstance(args, tuple) else t(args)
            extra = (inputs,) if name in ("hvp", "vhp") else ()
            got.append(getattr(module, name)(f(lib, t), inputs, *extra))
        agree(*got)
    for name, v in (("vjp", x[:4]), ("jvp", x)):
        agree(
            getattr(ours, name)(vector(fastnn, fastnn.tensor(w)), fastnn.tensor(x), fastnn.tensor(v)),
            getattr(theirs, name)(vector(torch, torch.tensor(w)), torch.tensor(x), torch.tensor(v)),
        )
    with pytest.raises(RuntimeError, match="independent of input 0"):
        ours.jacobian(lambda a: fastnn.ones(2), fastnn.tensor(x), strict=True)
    with pytest.raises(RuntimeError, match="should contain a single element"):
        ours.hessian(lambda a: a, fastnn.tensor(x))


def test_checkpoint(rng):
    net = fastnn.nn.Sequential(fastnn.nn.Linear(5, 7), fastnn.nn.Tanh(), fastnn.nn.Dropout(0.5), fastnn.nn.Linear(7, 3)).double()
    data = fastnn.tensor(rng.standard_normal((6, 5)))
    grads = []
    for run in (net, lambda x: checkpoint(net, x)):
        fastnn.manual_seed(3)
        net.zero_grad()
        x = data.clone().requires_grad_()
        y = run(x).square().sum()
        y.backward()
        grads.append([y.detach(), x.grad, *[p.grad for p in net.parameters()]])
    for a, b in zip(*grads, strict=True):
        assert fastnn.equal(a, b)
    net.eval()
    f = lambda x: net(x).tanh().sum()  # noqa: E731
    x = data[0]
    assert fastnn.allclose(F.hessian(lambda a: checkpoint(f, a))(x), F.hessian(f)(x), 1e-12, 1e-12)
    two = checkpoint(lambda a: (a * 2, a.sum(), 3), data.clone().requires_grad_())
    assert two[0].shape == (6, 5) and two[1].shape == () and two[2] == 3 and two[1].requires_grad


def test_batch_norms_without_statistics_and_strict_calls():
    net = fastnn.nn.Sequential(fastnn.nn.BatchNorm1d(3), fastnn.nn.Linear(3, 2))
    assert F.replace_all_batch_norm_modules_(net) is net and net[0].running_mean is None and not list(net.buffers())
    x = fastnn.randn(4, 5, 3)
    y = F.vmap(net)(x)
    assert fastnn.allclose(y[1], net(x[1]), atol=1e-6)
    with pytest.raises(RuntimeError, match=r"(?s)Error\(s\) in reparametrizing for Sequential:.*Unexpected key\(s\): 'nope'.*Missing key\(s\): '0.weight'"):
        F.functional_call(net, {"nope": x}, (x[0],), strict=True)
