"""autograd.Function, hooks of saved tensors, checkpoints of nested values: what programs written for PyTorch do with them."""

import contextlib
import dataclasses

import numpy as np
import pytest

import fastnn
from fastnn import autograd
from fastnn.utils.checkpoint import checkpoint

double = {"dtype": fastnn.float64}


class Both(autograd.Function):
    """x·y and x + y, and the order of x; `seen` is what backward was given."""

    materialize = True
    seen: list = []

    @classmethod
    def forward(cls, ctx, x, y):
        ctx.save_for_backward(x, y)
        ctx.set_materialize_grads(cls.materialize)
        order = x.argsort()
        ctx.mark_non_differentiable(order)
        return x * y, order, x + y

    @classmethod
    def backward(cls, ctx, g, none, h):
        cls.seen.append((g is None, none is None or none.dtype, h is None))
        x, y = ctx.saved_tensors
        g, h = (fastnn.zeros_like(x) if v is None else v for v in (g, h))
        return g * y + h, g * x + h


class Bare(Both):
    materialize = False


def test_gradients_that_do_not_arrive_are_none_where_asked():
    x, y = (fastnn.tensor([2.0, 3.0], requires_grad=True) for _ in "xy")
    for cls, first, second in ((Both, (False, fastnn.int64, False), (False, fastnn.int64, False)), (Bare, (False, True, True), (True, True, False))):
        a, order, b = cls.apply(x, y)
        assert not order.requires_grad
        for _ in range(2):  # each pass is told of its own gradients
            Both.seen.clear()
            (g,) = autograd.grad(a.sum(), x, retain_graph=True)
            (h,) = autograd.grad(b.sum(), x, retain_graph=True)
            assert Both.seen == [first, second] and g.tolist() == [2.0, 3.0] and h.tolist() == [1.0, 1.0]
    wide = [fastnn.tensor([0.5, -1.5], **double, requires_grad=True) for _ in "xy"]
    f = lambda x, y: Bare.apply(x, y)[::2]  # noqa: E731
    assert autograd.gradcheck(f, wide) and autograd.gradgradcheck(f, wide)


def test_functions_say_what_is_wrong_with_them():
    class Wrong(autograd.Function):
        forward = staticmethod(lambda ctx, x, y: x * y)
        backward = staticmethod(lambda ctx, g: (fastnn.ones(5), None))

    x = fastnn.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Wrong returned an invalid gradient at index 0 - got \[5\] but expected shape compatible with \[2\]"):
        Wrong.apply(x, x.detach()).sum().backward()
    with pytest.raises(NotImplementedError, match="forward function"):
        autograd.Function.apply(x)

    class Vjp(Wrong):
        backward = autograd.Function.backward
        vjp = staticmethod(lambda ctx, g: (g * 3, None))

    assert autograd.grad(Vjp.apply(x, x.detach()).sum(), x)[0].tolist() == [3.0, 3.0]
    with pytest.raises(NotImplementedError, match="backward method"):
        type("None_", (Wrong,), {"backward": autograd.Function.backward}).apply(x, x).sum().backward()


def test_saved_tensors_go_through_hooks():
    x, y = (fastnn.tensor([0.5, 2.0], **double, requires_grad=True) for _ in "xy")
    packed = []

    def pack(t):
        assert not t.requires_grad and not fastnn.is_grad_enabled()
        packed.append(t * 1)  # ops in a hook are not hooked
        return np.array(t.numpy())

    with autograd.graph.saved_tensors_hooks(pack, fastnn.from_numpy):
        z = (x.exp() * y).sum()
    assert len(packed) >= 3 and autograd.graph.saved_tensors_hooks.active() is None
    assert fastnn.equal(autograd.grad(z, x, retain_graph=True)[0], (x.exp() * y).detach())
    with fastnn.no_grad():
        y.mul_(100)  # what was saved is not what is here now
    np.testing.assert_allclose(autograd.grad(z, x)[0].numpy(), np.exp([0.5, 2.0]) * [0.5, 2.0])
    x, y = (fastnn.tensor([0.5, 0.25], **double, requires_grad=True) for _ in "xy")

    def hooked(x, y):
        with autograd.graph.saved_tensors_hooks(lambda t: t + 0, lambda t: t):
            return (x.exp() * y).sin(), Both.apply(x, y)[0]

    assert autograd.gradcheck(hooked, (x, y)) and autograd.gradgradcheck(hooked, (x, y))
    with autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t * 2):
        z = Both.apply(x, y)[0] + x.square()
    np.testing.assert_allclose(autograd.grad(z.sum(), x)[0].numpy(), 2 * y.detach().numpy() + 4 * x.detach().numpy())
    with autograd.graph.save_on_cpu(pin_memory=True):
        z = x.exp().sum()
    assert fastnn.equal(autograd.grad(z, x)[0], x.detach().exp())
    with autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: 3):
        z = x.exp().sum()
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor but got result of type int"):
        z.backward()
    with pytest.raises(ZeroDivisionError), autograd.graph.saved_tensors_hooks(lambda t: 1 / 0, lambda t: t):
        x.exp()
    assert autograd.graph.saved_tensors_hooks.active() is None


@dataclasses.dataclass
class Out:
    value: fastnn.Tensor
    name: str = "out"


class Named(dict):
    """As models' outputs are: a dict that one reads by attribute."""

    __getattr__ = dict.__getitem__


def test_checkpoints_of_nested_values():
    """The gradient of a tensor within a dict that the function returns was lost."""
    a, b = (fastnn.tensor([1.0, 2.0], **double, requires_grad=True) for _ in "ab")
    runs = []

    def f(x, both, *, last, scale):
        runs.append(both is not None)
        return x.sin(), {"q": [x * both["b"]]}, Out(last * scale), Named(z=x + last), both

    def total(call):
        first, d, out, named, both = call(a, {"b": b}, last=b * 2, scale=3.0)
        assert isinstance(named, Named) and out.name == "out" and d["q"][0].requires_grad
        return (first * d["q"][0] + out.value * named.z + both["b"]).sum()

    wanted = autograd.grad(total(f), (a, b))
    found = autograd.grad(total(lambda *args, **options: checkpoint(f, *args, use_reentrant=False, **options)), (a, b))
    assert len(runs) == 3
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-14)


def test_contexts_of_checkpoints():
    log = []

    @contextlib.contextmanager
    def note(name):
        log.append(name)
        yield

    x = fastnn.ones(2, requires_grad=True)
    y = checkpoint(fastnn.exp, x, use_reentrant=False, context_fn=lambda: (note("first"), note("second")), determinism_check="none", debug=False)
    assert log == ["first"]
    y.sum().backward()
    assert log == ["first", "second"]


def test_a_change_in_place_matters_only_to_gradients_that_are_wanted():
    """A quotient by a number keeps the quotient for the gradient of the divisor, which nobody asks for; a product with a mask its factor."""
    x = fastnn.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    mask, n = fastnn.tensor([[1.0, 0.0], [1.0, 1.0]]), fastnn.tensor(4.0)
    for f in (lambda x: x / 4, lambda x: x / n, lambda x: x * 0.25, lambda x: x * n.reciprocal()):
        y = f(x)
        fastnn.diagonal(y).add_(-1).pow_(2)
        (g,) = autograd.grad(y.sum(), x)
        np.testing.assert_allclose(g.numpy(), [[-0.375, 0.25], [0.25, 0.0]])
    h = x * 1
    y = h * mask
    h.add_(1)
    assert fastnn.equal(autograd.grad(y.sum(), x, retain_graph=True)[0], mask)
    mask.add_(1)
    with pytest.raises(RuntimeError, match="mul: .*argument 1 changed"):
        autograd.grad(y.sum(), x)
    d = fastnn.tensor(4.0, requires_grad=True)
    y = x / d
    with fastnn.no_grad():
        y.add_(1)
    with pytest.raises(RuntimeError, match="div: .*its output changed"):
        autograd.grad(y.sum(), d)
    w = fastnn.ones(3, 2)
    h = x * 1
    y = fastnn.nn.functional.linear(h, w)
    h.zero_()
    assert autograd.grad(y.sum(), x)[0].tolist() == [[3.0, 3.0], [3.0, 3.0]]


def views():
    """Changes in place through views: (name, f(w) of w (3,) that requires grad, the same without changes in place)."""
    new = fastnn.tensor

    def wide(w):
        return w.expand(3, 3).clone()

    def element(w):
        x = w * 2
        x[0].mul_(5)
        return x * x

    def whole(w):
        x = w * 2
        x.view(3, 1).t().mul_(x)
        return x * x

    def before_and_after(w):
        x = w * 2
        early, v = x + x, x[1:]
        v[0].add_(w[0])
        v[1].mul_(v[0])
        return x * early

    def diagonal(w):
        x = wide(w)
        on = fastnn.diagonal(x).add_(-1).pow_(2).sum()
        return x.flatten()[:-1].view(2, 4)[:, 1:].pow(2).sum() + on

    def base_changes_view(w):
        x = w * 2
        v = x[:2]
        x.mul_(w)
        return v * v

    def view_changes_view(w):
        x = w * 2
        u, v, t = x[:2], x[1:], x.view(1, 3)
        u.mul_(u)
        v.add_(1)
        return u.sum() * v.sum() + t.pow(3).sum()

    def rows(w):
        x = wide(w)
        x[0][1:].mul_(2)
        x[:, 0].zero_()
        x[1].unsqueeze(0)[:, 2] = w[0] * w[1]
        return x.pow(3)

    def augmented(w):
        x = w * 2
        v, u = x[1:], x[1:][:1]
        x[0] += w[1]
        x.mul_(w)
        u[0] = w[0] * 3
        v *= w[:2]
        return x * x

    def overlapping(w):
        x = w * 2
        x.unfold(0, 2, 1)[0].mul_(3)
        x.expand(2, 3)[1, 1:].add_(x[0])
        x[0].zero_().add_(w[1])
        return x * x + x.expand(2, 3)

    mask = new([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]], **double)
    return [
        ("element", element, lambda w: (w * w * new([100.0, 4.0, 4.0], **double))),
        ("whole", whole, lambda w: (4 * w * w) ** 2),
        ("before_and_after", before_and_after,
         lambda w: 4 * w * fastnn.stack([2 * w[0], 2 * w[1] + w[0], 2 * w[2] * (2 * w[1] + w[0])])),
        ("diagonal", diagonal, lambda w: (w * mask).pow(2).sum() + (w - 1).pow(2).sum()),
        ("base_changes_view", base_changes_view, lambda w: (2 * w * w)[:2] ** 2),
        ("view_changes_view", view_changes_view, lambda w: (
            (4 * w[0] ** 2 + 4 * w[1] ** 2 + 1) * (4 * w[1] ** 2 + 2 * w[2] + 2)
            + (4 * w[0] ** 2) ** 3 + (4 * w[1] ** 2 + 1) ** 3 + (2 * w[2] + 1) ** 3)),
        ("augmented", augmented,
         lambda w: fastnn.stack([(2 * w[0] + w[1]) * w[0], 3 * w[0] * w[0], 2 * w[2] * w[2] * w[1]]).square()),
        ("overlapping", overlapping, lambda w: (lambda x: x * x + x.expand(2, 3))(
            fastnn.stack([w[1], 6 * w[1] + 6 * w[0], 2 * w[2] + 6 * w[0]]))),
        ("rows", rows, lambda w: 8 * (w[1] ** 3 + w[2] ** 3) + w[1] ** 3 + (w[0] * w[1]) ** 3 + w[1] ** 3 + w[2] ** 3),
    ]  # fmt: skip


@pytest.mark.parametrize("name,f,plain", views(), ids=lambda v: v if isinstance(v, str) else "")
def test_a_change_of_a_view_changes_its_base(name, f, plain):
    w = fastnn.tensor([0.75, -1.5, 2.0], **double, requires_grad=True)
    assert fastnn.allclose(f(w).sum(), plain(w).sum())
    got, want = (autograd.grad(g(w).sum(), w, create_graph=True)[0] for g in (f, plain))
    np.testing.assert_allclose(got.tolist(), want.tolist(), rtol=1e-12)
    np.testing.assert_allclose(*(autograd.grad(g.pow(2).sum(), w)[0].tolist() for g in (got, want)), rtol=1e-12)
    forward = fastnn.func.jvp(f, (w.detach(),), (fastnn.ones(3, **double),))[1].sum()
    np.testing.assert_allclose(forward.item(), want.sum().item(), rtol=1e-12)


def test_views_that_cannot_be_changed_and_what_detach_hides():
    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    for change in (lambda: w[0].add_(1), lambda: w.view(2, 1).t()[0].mul_(2), lambda: w[:1].__setitem__(0, 3.0)):
        with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
            change()
    with fastnn.no_grad():
        w[0].add_(1)
    assert w.tolist() == [2.0, 2.0]
    x = w * 2
    v = x.view(2, 1)
    v.t_().mul_(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        x.sum().backward()
    x = w * 1
    y = x * x
    x[0].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    x = w * 2
    x.detach()[0] = 7.0
    assert x.tolist() == [7.0, 4.0] and autograd.grad(x.sum(), w)[0].tolist() == [2.0, 2.0]


def test_bases_of_changed_views_are_freed_without_the_collector():
    import gc

    gc.collect()
    gc.disable()
    try:
        before = fastnn.memory_stats()["live_bytes"]
        w = fastnn.ones(1000, requires_grad=True)
        x = w * 2
        for i in range(10):
            x[i : i + 500].mul_(3)
        v = x[5:]
        v.add_(1)
        x.unfold(0, 5, 1)[3].mul_(2)
        x.sum().backward()
        del w, x, v
        assert fastnn.memory_stats()["live_bytes"] == before
    finally:
        gc.enable()


def test_forward_ad():
    fw = autograd.forward_ad
    x, w = fastnn.tensor([1.0, 2.0], **double), fastnn.tensor([3.0, -1.0], **double, requires_grad=True)
    with fw.dual_level():
        a, b = fw.make_dual(x, fastnn.tensor([1.0, 0.0], **double)), fw.make_dual(w, fastnn.ones(2, **double))
        _, change = fw.unpack_dual((a * b).sin())
        assert fw.unpack_dual(a).tangent.tolist() == [1.0, 0.0] and fw.unpack_dual(x).tangent is None and fw.unpack_dual(w * 2).tangent is None
        with pytest.raises(RuntimeError, match="Nested"):
            fw.enter_dual_level()
        with pytest.raises(RuntimeError, match="different size"):
            fw.make_dual(x, fastnn.ones(3))
        with fastnn.no_grad(), pytest.raises(RuntimeError, match="no_grad"):
            fw.make_dual(x, x)
    want = np.cos([3.0, -2.0]) * np.array([3.0 + 1.0, 2.0])
    np.testing.assert_allclose(change.tolist(), want)
    (g,) = autograd.grad(change.sum(), w)  # of cos(x w) (w t + x): the change has derivatives itself
    np.testing.assert_allclose(g.tolist(), np.cos([3.0, -2.0]) * [1.0, 0.0] - np.sin([3.0, -2.0]) * [4.0, 4.0])
    with pytest.raises(RuntimeError, match="no level exists"):
        fw.make_dual(x, x)


def test_anomalies_are_found():
    x = fastnn.zeros(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"the gradient of the result of mul, of shape \[2\], has nan"), autograd.detect_anomaly():
        ((x * 2).sqrt() * 0).sum().backward()
    with autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match=r"a tensor of shape \[2\] has nan"):
        autograd.grad((x.sqrt() * 0).sum(), x)
    ((x * 2).sqrt() * 0).sum().backward()
    assert x.grad.isnan().all()
    with autograd.detect_anomaly(check_nan=False):
        ((x * 2).sqrt() * 0).sum().backward()
    autograd.set_detect_anomaly(True)
    try:
        x.exp().sum().backward(inputs=[fastnn.ones(1, requires_grad=True)])
        with pytest.raises(RuntimeError, match="nan"):
            (x.sqrt() * 0).sum().backward()
    finally:
        autograd.set_detect_anomaly(False)


def test_hooks_whose_handles_are_thrown_away():
    x, called = fastnn.ones(2, requires_grad=True), []
    for i in range(5):
        x.register_hook(lambda g, i=i: called.append(i))
    x.sum().backward()
    assert called == [0, 1, 2, 3, 4]


def test_a_hook_must_keep_the_shape():
    x = fastnn.ones(2, requires_grad=True)
    x.register_hook(lambda g: g[:1])
    with pytest.raises(RuntimeError, match="changed the size"):
        x.sum().backward()


def test_multi_grad_hooks():
    a, b, c = (fastnn.tensor(v, requires_grad=True) for v in (1.0, 2.0, 3.0))
    calls = []
    graph = fastnn.autograd.graph
    every = graph.register_multi_grad_hook((a, b, c), lambda gs: calls.append([g if g is None else g.item() for g in gs]))
    first = graph.register_multi_grad_hook((a, b), lambda g: calls.append(g.item()), mode="any")
    (a * b).backward()
    assert calls == [2, [2, 1, None]]
    (a * b * c).backward()
    assert calls[2:] == [6, [6, 3, 2]]
    every.remove()
    (a * c).backward()
    assert calls[4:] == [3]
    first.remove()
    (a * c).backward()
    assert len(calls) == 5
    with pytest.raises(ValueError, match="mode"):
        graph.register_multi_grad_hook((a,), print, mode="some")


class Tripled(autograd.Function):
    """x in place, times three; the gradient is marked with one more factor."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.mark_dirty(x)
        ctx.save_for_backward(w)
        x.mul_(3)
        return (x, w * 2) if w is not None else x

    @staticmethod
    def backward(ctx, g, *gw):
        return g * 30, (gw[0] * 2 if gw else None)


def test_an_argument_marked_dirty_takes_over_the_history():
    x = fastnn.tensor([1.0, 2.0], requires_grad=True)
    z = x * 1
    before = z * 5
    y = Tripled.apply(z, None)
    assert y is z and z.tolist() == [3, 6]
    assert autograd.grad(z.sum() + before.sum(), x)[0].tolist() == [35, 35]
    w, z = fastnn.tensor([4.0], requires_grad=True), x * 1
    y, v = Tripled.apply(z, w)
    assert y is z
    y.sum().backward(retain_graph=True)
    v.backward()
    assert x.grad.tolist() == [30, 30] and w.grad.tolist() == [2]


def test_views_marked_dirty_change_their_base():
    x = fastnn.ones(3, requires_grad=True)
    base = x * 1
    Tripled.apply(base[:2], None)
    assert base.tolist() == [3, 3, 1] and autograd.grad(base.sum(), x)[0].tolist() == [30, 30, 1]


def test_decorated_generators_run_every_step_within():
    x = fastnn.ones(1, requires_grad=True)

    @fastnn.no_grad()
    def steps():
        try:
            got = yield (x * 2).requires_grad
            yield got, (x * 2).requires_grad
        except KeyError:
            yield "caught", fastnn.is_grad_enabled()
        return 5

    def outer():
        return (yield from steps())

    g = steps()
    assert next(g) is False and fastnn.is_grad_enabled() and g.send(3) == (3, False)
    assert g.throw(KeyError()) == ("caught", False) and next(g, "end") == "end" and fastnn.is_grad_enabled()
    g = outer()
    assert next(g) is False and next(g) == (None, False)
    with pytest.raises(StopIteration) as end:
        next(g)
    assert end.value.value == 5
    g = steps()
    next(g)
    g.close()
    assert fastnn.is_grad_enabled()


def test_inference_mode_off_as_a_decorator():
    @fastnn.inference_mode(False)
    def recorded():
        return fastnn.is_grad_enabled()

    with fastnn.no_grad():
        assert recorded() and not fastnn.inference_mode()(fastnn.is_grad_enabled)()


def test_gradcheck_of_forward_mode():
    class Crooked(autograd.Function):
        factor = 2

        @staticmethod
        def forward(ctx, x):
            return x * 2

        @classmethod
        def backward(cls, ctx, g):
            return g * cls.factor

        @staticmethod
        def jvp(ctx, t):
            return t * 3

    x = fastnn.rand(3, **double).requires_grad_()
    assert autograd.gradcheck(lambda v: (v.tanh() ** 2, v.sum()), x, check_forward_ad=True, check_undefined_grad=False)
    assert autograd.gradgradcheck(fastnn.nn.functional.silu, x, check_fwd_over_rev=True)
    assert autograd.gradcheck(Crooked.apply, x)
    with pytest.raises(autograd.GradcheckError, match="forward mode mismatch .* numerical 2, analytical 3"):
        autograd.gradcheck(Crooked.apply, x, check_forward_ad=True)
    Crooked.factor = 4
    with pytest.raises(autograd.GradcheckError, match="Jacobian mismatch"):
        autograd.gradcheck(Crooked.apply, x)
    assert autograd.gradcheck(Crooked.apply, x, check_backward_ad=False)


def test_what_may_not_be_marked_dirty():
    x = fastnn.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        Tripled.apply(x, None)
    z = x.exp()  # its derivative reads it
    y = Tripled.apply(z, None)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    plain = fastnn.ones(2)
    assert Tripled.apply(plain, None) is plain and not plain.requires_grad


def test_a_function_that_saves_tensors_is_used_once():
    class Both(fastnn.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y, x + y

        @staticmethod
        def backward(ctx, g, h):
            x, y = ctx.saved_tensors
            return g * y + h, g * x + h

    x = fastnn.ones(2, requires_grad=True)
    z, s = Both.apply(x, x)
    assert "grad_fn=<BothBackward>" in repr(z) and "grad_fn=<BothBackward>" in repr(s)
    (z + s).sum().backward(retain_graph=True)
    (z + s).sum().backward()
    with pytest.raises(RuntimeError, match="a second time"):
        (z + s).sum().backward()
    assert x.grad.tolist() == [8.0, 8.0]


IN_VIEWS = """z[0]+=w|z[0].add_(w)|z[0].copy_(w*2)|z[:,0].mul_(w[:2])|z.diagonal().copy_(w[:2])|z.t()[0].add_(w[0])|z.view(6)[1:4].copy_(w**2)|
z.view(-1)[:3]=w|z[0][1]=w[0]|z.unsqueeze(0)[0,1]=w|z[1].lerp_(w,.5)|z.narrow(0,1,1).copy_(w[None])|z[0].index_add_(0,i,w)|
z[:, ::2].addcmul_(w[:2,None],w[1:])|z[0].exp_().mul_(w)|z.view(3,2).t()[1]=w|z[1:].flatten()[0]=w.sum()""".replace("\n", "").split("|")


@pytest.mark.parametrize("text", IN_VIEWS)
@pytest.mark.parametrize("seen", ["z", "before", "part", "again"])
def test_views_of_what_has_no_history_are_changed_with_it(text, seen):
    """What shares memory with the changed view learns of it: the whole, and views of it made before and after."""
    torch = pytest.importorskip("torch")
    found = []
    for lib in (fastnn, torch):
        w = lib.tensor([1.0, 2.0, 3.0], dtype=lib.float64, requires_grad=True)
        z = lib.arange(6, dtype=lib.float64).view(2, 3).clone()
        names = {"w": w, "z": z, "i": lib.tensor([0, 2, 2]), "before": z.t(), "part": z[0], "whole": z}
        exec(text, names)
        names["again"] = z[:, 1:] * w[0]
        y = names[seen]
        assert y.requires_grad and not y.is_leaf
        g, = lib.autograd.grad((y * y).sum(), w, create_graph=True)
        gg = lib.autograd.grad(g.sum(), w)[0] if g.requires_grad else g
        found.append([y.detach().numpy().copy(), g.detach().numpy(), gg.detach().numpy()])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_views_of_what_has_no_history():
    z, w = fastnn.zeros(2, 3), fastnn.ones(3, requires_grad=True)
    v = z[0]
    assert v._base is z and v[1:]._base is z and z._base is None and z.detach()._base is None and not v.requires_grad
    with fastnn.no_grad():
        hidden = z[1]
    assert hidden._base is None
    with pytest.raises(RuntimeError, match="made by no_grad"):
        hidden.add_(w)
    z.requires_grad_()
    assert not v.requires_grad
    with pytest.raises(RuntimeError, match="a view of a leaf Variable"):
        v.add_(w)
    _, d = fastnn.func.jvp(lambda w: (b := fastnn.zeros(2, 3), b[1].copy_(w * w), b.sum(0))[-1], (w.detach(),), (fastnn.ones(3),))
    assert d.tolist() == [2.0, 2.0, 2.0]
    total = fastnn.zeros(3)
    parts = total.split(1)
    for i in range(3):
        parts[i].add_(w[i] * i)
    total.sum().backward()
    assert w.grad.tolist() == [0.0, 1.0, 2.0]
