"""Elementwise ops: PyTorch as a second oracle, promotion, in-place forms, errors; test_accuracy.py has their accuracy."""

import math

import numpy as np
import pytest

import fastnn
from fastnn.ops import activation as F

SPECIAL = [0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 1e-38, 3e38, -3e38, 89.0, -104.0, 1e4, -1e4, math.inf, -math.inf, math.nan, 0.5, 20.5]
ALIKE = (
    "abs acos acosh asin asinh atan atanh ceil cos cosh erf erfc exp exp2 expm1 floor frac log log10 log1p log2 neg reciprocal "
    "round rsqrt sigmoid sign sin sinh sqrt square tan tanh trunc isnan isinf isfinite signbit relu celu selu"
).split()
ALIKE_F = (
    "celu elu gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish relu relu6 selu sigmoid silu softplus "
    "softshrink softsign tanh tanhshrink"
).split()


def both(torch, x, requires_grad=False):
    a, b = fastnn.tensor(x), torch.tensor(x)
    if requires_grad:
        a.requires_grad_(), b.requires_grad_()
    return a, b


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ALIKE + ["F." + n for n in ALIKE_F])
def test_special_values_as_torch(name, dtype):
    """NaN, infinities and zeros come out as in PyTorch, and so do the gradients."""
    torch = pytest.importorskip("torch")
    mine, theirs = (F, torch.nn.functional) if name.startswith("F.") else (fastnn, torch)
    f, r = getattr(mine, name.removeprefix("F.")), getattr(theirs, name.removeprefix("F."))
    x = np.array(SPECIAL, dtype)
    if name == "F.gelu":
        x = x[~(np.abs(x) > 1e38)]  # there PyTorch 2.13 gives inf or NaN
    if name == "F.hardsigmoid" and dtype == np.float64:
        pytest.skip("PyTorch's constant 1/6 is a float32")
    a, b = both(torch, x, requires_grad=True)
    y, e = f(a), r(b)
    ye, ee = np.array(y.detach().numpy()), e.detach().numpy()
    np.testing.assert_allclose(ye, ee, rtol=2e-6 if dtype == np.float32 else 1e-13, atol=1e-7 if dtype == np.float32 else 1e-15)
    if e.requires_grad:
        fastnn.autograd.backward(y.sum())
        e.sum().backward()
        g, ge = np.array(a.grad.numpy()), b.grad.numpy()
        finite = np.isfinite(ge) & ~np.isnan(x)
        np.testing.assert_allclose(
            g[finite], ge[finite], rtol=2e-6 if dtype == np.float32 else 1e-12, atol=1e-7 if dtype == np.float32 else 1e-15
        )


def test_gradients_at_kinks():
    """PyTorch's conventions where a derivative does not exist (not at the bounds of clamp or ties of fmax: there its versions differ)."""
    torch = pytest.importorskip("torch")
    x = [-1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, -3.0, 6.0, 2.0]
    for f, r in (
        (fastnn.relu, torch.relu), (fastnn.abs, torch.abs), (lambda t: fastnn.clamp(t, -0.6, 0.6), lambda t: torch.clamp(t, -0.6, 0.6)),
        (lambda t: t.clamp(min=0.6), lambda t: t.clamp(min=0.6)), (lambda t: t.clamp(max=0.6), lambda t: t.clamp(max=0.6)),
        (lambda t: fastnn.maximum(t, fastnn.zeros_like(t)), lambda t: torch.maximum(t, torch.zeros_like(t))),
        (lambda t: fastnn.minimum(t, fastnn.zeros_like(t)), lambda t: torch.minimum(t, torch.zeros_like(t))),
        (lambda t: fastnn.fmax(t, fastnn.full_like(t, 0.2)), lambda t: torch.fmax(t, torch.full_like(t, 0.2))),
        (F.hardtanh, torch.nn.functional.hardtanh), (F.relu6, torch.nn.functional.relu6), (F.hardsigmoid, torch.nn.functional.hardsigmoid),
        (F.hardswish, torch.nn.functional.hardswish), (F.elu, torch.nn.functional.elu), (F.leaky_relu, torch.nn.functional.leaky_relu),
        (F.hardshrink, torch.nn.functional.hardshrink), (F.softshrink, torch.nn.functional.softshrink), (F.selu, torch.nn.functional.selu),
        (lambda t: F.threshold(t, 0.5, 9.0), lambda t: torch.nn.functional.threshold(t, 0.5, 9.0)), (F.softsign, torch.nn.functional.softsign),
        (lambda t: t**0, lambda t: t**0), (lambda t: t**1, lambda t: t**1), (lambda t: t**2, lambda t: t**2), (lambda t: t**3, lambda t: t**3),
        (lambda t: 2.0**t, lambda t: 2.0**t), (lambda t: 0.0 ** abs(t), lambda t: 0.0 ** abs(t)),
        (lambda t: fastnn.sign(t) * t, lambda t: torch.sign(t) * t), (lambda t: t - t.round(), lambda t: t - t.round()),
    ):  # fmt: skip
        a, b = both(torch, x, requires_grad=True)
        f(a).sum().backward()
        r(b).sum().backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-6, atol=1e-7)


def test_pow_gradients_at_zero():
    torch = pytest.importorskip("torch")
    p = [0.0, 0.0, 0.0, 2.0, 0.0, 2.0, 3.0, 1.0]
    q = [0.0, 1.0, 2.0, 0.0, 3.0, 2.0, 1.5, 0.0]
    (a, c), (b, d) = (both(torch, p, True), both(torch, q, True))
    a, b, c, d = a, b, c, d
    fastnn.pow(a, b).sum().backward()
    torch.pow(c, d).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), c.grad.numpy(), rtol=1e-6)
    np.testing.assert_allclose(b.grad.numpy(), d.grad.numpy(), rtol=1e-6)
    x = fastnn.tensor([0.0], requires_grad=True)
    (g,) = fastnn.autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = fastnn.autograd.grad(g.sum(), x, create_graph=True)
    (k,) = fastnn.autograd.grad(h.sum(), x)
    assert (g.item(), h.item(), k.item()) == (0.0, 0.0, 6.0)


def test_where_keeps_nan_out():
    x = fastnn.tensor([-1.0, 0.0, 4.0], requires_grad=True)
    y = fastnn.where(x > 0, fastnn.sqrt(fastnn.where(x > 0, x, 1.0)), 0.0)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 0, 0.25])


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "sin", "exp", "erf", "softplus", "gelu", "silu", "sqrt", "pow"])
def test_third_derivative(name):
    torch = pytest.importorskip("torch")
    f, r = {
        "softplus": (F.softplus, torch.nn.functional.softplus), "gelu": (F.gelu, torch.nn.functional.gelu),
        "silu": (F.silu, torch.nn.functional.silu), "pow": (lambda t: t**2.5, lambda t: t**2.5),
    }.get(name, (getattr(fastnn, name, None), getattr(torch, name, None)))  # fmt: skip
    x = np.array([0.3, 0.7, 1.9])
    results = []
    for lib, g in ((fastnn, f), (torch, r)):
        t = lib.tensor(x, requires_grad=True)
        y = g(t)
        for _ in range(3):
            (y,) = lib.autograd.grad(y.sum(), t, create_graph=True)
        results.append(np.array(y.detach().numpy()))
    np.testing.assert_allclose(*results, rtol=1e-10)


def test_promotion_as_torch():
    torch = pytest.importorskip("torch")
    names = ("float32", "float64", "int64", "int32", "uint8", "bool")
    ops = ("add", "mul", "div", "maximum", "pow", "eq", "floor_divide", "remainder", "atan2")
    for p in names:
        for q in names:
            for shape in ((2,), ()):
                for op in ops:
                    if op in ("pow", "floor_divide", "remainder", "maximum") and "bool" in (p, q):
                        continue
                    a, b = (fastnn.ones(2, dtype=getattr(fastnn, p)), fastnn.ones(shape, dtype=getattr(fastnn, q)))
                    c, d = (torch.ones(2, dtype=getattr(torch, p)), torch.ones(shape, dtype=getattr(torch, q)))
                    assert getattr(fastnn, op)(a, b).dtype.name == str(getattr(torch, op)(c, d).dtype)[6:], (op, p, q, shape)
    for p in names[:5]:
        for number in (2, 2.5, True):
            for op in ("add", "mul", "sub", "div", "pow"):
                if op == "sub" and number is True:
                    continue
                e = str(getattr(torch, op)(torch.ones(2, dtype=getattr(torch, p)), number).dtype)[6:]
                assert getattr(fastnn, op)(fastnn.ones(2, dtype=getattr(fastnn, p)), number).dtype.name == e, (op, p, number)


def test_integer_division():
    a = fastnn.tensor([7, -7, 7, -7])
    b = fastnn.tensor([2, 2, -2, -2])
    assert (a // b).tolist() == [3, -4, -4, 3]
    assert (a % b).tolist() == [1, 1, -1, -1]
    assert fastnn.fmod(a, b).tolist() == [1, -1, 1, -1]
    assert fastnn.div(a, b, rounding_mode="trunc").tolist() == [3, -3, -3, 3]
    assert (a / b).dtype is fastnn.float32
    for f in (fastnn.floor_divide, fastnn.remainder, fastnn.fmod):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            f(a, fastnn.tensor([1, 0, 1, 1]))
    low = fastnn.tensor([-(2**63)])
    assert (low // -1).tolist() == [-(2**63)] and (low % -1).tolist() == [0]
    with pytest.raises(RuntimeError, match="negative integer powers"):
        a ** fastnn.tensor([-1, 1, 1, 1])
    assert (fastnn.tensor([1 << 40]) << 70).tolist() == [0] and (fastnn.tensor([-8]) >> 100).tolist() == [-1]


def test_strides_and_overlap(rng):
    """Every reach of the engine: flat, rows, numbers, strided, short and long rows, results with strides."""
    for shape in ((3, 5), (40, 3), (2, 3000), (7, 600), (5, 4, 3), (3, 1, 2000), (1, 1), (65, 64)):
        a = rng.standard_normal(shape).astype(np.float32)
        for b in (
            a, a.T.copy().T, a[..., ::-1], a[::-1], a[:1], a[..., :1], a.reshape(-1)[:1].reshape((1,) * a.ndim),
            np.repeat(a, 2, axis=-1)[..., ::2],
        ):  # fmt: skip
            np.testing.assert_array_equal((fastnn.from_numpy(a) + fastnn.from_numpy(b)).numpy(), a + b)
            np.testing.assert_array_equal((fastnn.from_numpy(b) < fastnn.from_numpy(a)).numpy(), b < a)
            np.testing.assert_array_equal(fastnn.where(fastnn.from_numpy(b > 0), fastnn.from_numpy(a), 0.0).numpy(), np.where(b > 0, a, 0))
        t, e = a.copy(), a.copy()
        v = fastnn.from_numpy(t[..., ::2])
        v += 1.0
        e[..., ::2] += 1
        np.testing.assert_array_equal(t, e)
        t = fastnn.from_numpy(a.copy())
        t.add_(t)
        np.testing.assert_array_equal(t.numpy(), a + a)
    s = fastnn.from_numpy(np.arange(10, dtype=np.float32))
    s.narrow(0, 1, 9).add_(s.narrow(0, 0, 9))
    assert s.tolist() == [0, 1, 3, 5, 7, 9, 11, 13, 15, 17]


def test_large_results_stream(rng):
    """Results too large for the cache take another way to memory."""
    a = rng.standard_normal(8 << 20).astype(np.float32)
    np.testing.assert_array_equal((fastnn.from_numpy(a) * 2.0).numpy(), a * 2)
    b = a[1:-6]
    np.testing.assert_array_equal((fastnn.from_numpy(b) + fastnn.from_numpy(b)).numpy(), b + b)


def test_in_place():
    x = fastnn.tensor([1.0, -2.0, 3.0])
    p = x.data_ptr()
    x.add_(1).mul_(2.0).sub_(0.5).div_(2).clamp_(-1, 2).relu_().neg_().abs_().sqrt_().zero_().fill_(4.0).pow_(2)
    x += 1
    x -= 1
    x *= 2
    x /= 4
    x **= 2
    x //= 3
    x %= 5
    assert x.data_ptr() == p and x.tolist() == [1.0, 1.0, 1.0]
    x.copy_(fastnn.tensor([5, 6, 7]))
    assert x.tolist() == [5, 6, 7] and x.dtype is fastnn.float32
    i = fastnn.tensor([1, 2])
    with pytest.raises(RuntimeError, match="can't be cast"):
        i += 0.5
    with pytest.raises(RuntimeError, match="can't be cast"):
        i /= 2
    w = fastnn.tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        w.add_(1)
    y = w * 2
    y.mul_(3)
    y.backward()
    assert w.grad.tolist() == [6]
    a = fastnn.tensor([1.0, 2.0], requires_grad=True)
    b = fastnn.exp(a)
    c = b * b
    b += 1
    with pytest.raises(RuntimeError, match=r"mul.*modified by an inplace operation"):
        c.sum().backward()
    b.sum().backward()  # exp's own result is kept for it
    np.testing.assert_allclose(a.grad.numpy(), np.exp([1.0, 2.0]), rtol=1e-6)
    a.grad = None
    y = F.relu(a * 1, inplace=True)
    y.sum().backward()
    assert a.grad.tolist() == [1, 1]


def test_operators_with_other_types():
    x = fastnn.tensor([1.0, 2.0])
    assert (x + np.float32(1)).tolist() == [2, 3] and (np.float64(1) + x).tolist() == [2, 3]
    assert (x + np.array([1.0, 2.0], np.float32)).tolist() == [2, 4]
    assert (np.array([1.0, 2.0], np.float32) - x).tolist() == [0, 0]
    assert (1 - x).tolist() == [0, -1] and (2 / x).tolist() == [2, 1] and (2**x).tolist() == [2, 4] and (3 % x).tolist() == [0, 1]
    assert (x == None) is False and (x != None) is True and (x == "a") is False  # noqa: E711
    for bad in ("a", None, [1, 2], object()):
        for f in (lambda a, b: a + b, lambda a, b: b + a, lambda a, b: a * b, lambda a, b: a < b):
            with pytest.raises(TypeError):
                f(x, bad)
    m = fastnn.tensor([True, False])
    assert (~m).tolist() == [False, True] and (m & True).tolist() == [True, False] and (m | m).tolist() == [True, False]
    with pytest.raises(RuntimeError, match="two bool tensors"):
        m - m
    with pytest.raises(RuntimeError, match="not implemented for 'float32'"):
        x & x
    assert divmod(x, 2.0)[1].tolist() == [1, 0] and abs(-x).tolist() == [1, 2] and (+x) is x


def test_errors():
    a, b = fastnn.ones(2, 3), fastnn.ones(2, 4)
    with pytest.raises(RuntimeError, match=r"size of tensor a \(3\) must match the size of tensor b \(4\).*dimension 1"):
        a + b
    with pytest.raises(RuntimeError, match="At least one of"):
        fastnn.clamp(a)
    with pytest.raises(RuntimeError, match="rounding_mode"):
        fastnn.div(a, a, rounding_mode="up")
    with pytest.raises(RuntimeError, match="approximate"):
        F.gelu(a, approximate="fast")
    with pytest.raises(RuntimeError, match="even"):
        F.glu(a)
    with pytest.raises(IndexError):
        F.glu(b, 5)
    with pytest.raises(RuntimeError, match="alpha cannot be 0"):
        F.celu(a, 0)
    with pytest.raises(RuntimeError, match="lambda must be"):
        F.softshrink(a, -1)
    with pytest.raises(RuntimeError, match="channel"):
        F.prelu(a, fastnn.ones(5))
    with pytest.raises(RuntimeError, match="boolean"):
        fastnn.where(a, a, a)
    with pytest.raises(TypeError):
        fastnn.exp("a")


def test_prelu_and_clamp_gradients_reach_tensors(rng):
    torch = pytest.importorskip("torch")
    x, w = rng.standard_normal((2, 3, 4)), rng.standard_normal(3)
    a, b = both(torch, x, True)
    c, d = both(torch, w, True)
    F.prelu(a, c).sum().backward()
    torch.nn.functional.prelu(b, d).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy())
    np.testing.assert_allclose(c.grad.numpy(), d.grad.numpy())
    lo, hi = both(torch, rng.standard_normal(4) - 0.5, True), both(torch, rng.standard_normal(4) + 0.5, True)
    a, b = both(torch, x, True)
    fastnn.clamp(a, lo[0], hi[0]).sum().backward()
    torch.clamp(b, lo[1], hi[1]).sum().backward()
    for mine, theirs in ((a, b), lo, hi):
        np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy())


def test_functions_of_numpy_take_tensors():
    """`ndarray * Tensor` is ours, gradients included; np.sin(Tensor) computes in NumPy; arrays change in place."""
    a, t = np.array([3.0, 4.0]), fastnn.tensor([1.0, 2.0], dtype=fastnn.float64, requires_grad=True)
    for f in (np.add, np.subtract, np.multiply, np.divide, np.power, np.floor_divide, np.less, np.greater_equal, np.equal):
        for left, right in ((a, t), (t, a), (np.float64(3), t), (t, np.float64(3))):
            plain = [x.detach().numpy() if isinstance(x, fastnn.Tensor) else x for x in (left, right)]
            result = f(left, right)
            assert isinstance(result, fastnn.Tensor)
            np.testing.assert_allclose(result.detach().numpy(), f(*plain), rtol=1e-15)
    (a**t).sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), a ** t.detach().numpy() * np.log(a))
    d = t.detach()
    np.testing.assert_array_equal(np.sin(d).numpy(), np.sin(d.numpy()))
    assert [x.tolist() for x in np.modf(d)] == [[0, 0], [1, 2]]
    a += d
    assert a.tolist() == [4, 6] and np.add.reduce(d).item() == 3
    with pytest.raises(RuntimeError, match="requires grad"):
        np.exp(t)


def test_alpha_is_applied_in_the_dtype_of_the_result():
    u, f, d = fastnn.tensor([200], dtype=fastnn.uint8), fastnn.tensor([1.0]), fastnn.tensor(2.0, dtype=fastnn.float64)
    assert fastnn.add(f, u, alpha=2).tolist() == [401] and fastnn.sub(fastnn.tensor([1]), u, alpha=2).tolist() == [-399]
    y = fastnn.add(d, fastnn.tensor([3]), alpha=1.5)
    assert y.tolist() == [6.5] and y.dtype is fastnn.float64
    assert fastnn.add(fastnn.tensor([5], dtype=fastnn.int32), fastnn.tensor([True]), alpha=2).dtype is fastnn.int32
    with pytest.raises(RuntimeError, match="alpha must not be a floating point number"):
        fastnn.add(fastnn.tensor([1]), fastnn.tensor([1]), alpha=1.5)


def test_dtypes_of_pairs():
    i, big = fastnn.tensor([4], dtype=fastnn.int32), fastnn.tensor(6)
    assert fastnn.gcd(i, big).dtype is fastnn.int32 and fastnn.gcd(fastnn.tensor([True]), big).dtype is fastnn.int64
    assert fastnn.nextafter(fastnn.ones(1), big).dtype is fastnn.float32
    mask = fastnn.tensor([True, False])
    assert (mask**2).tolist() == [1, 0] and (mask**2).dtype is fastnn.int64
    assert fastnn.outer(mask, mask).tolist() == [[True, False], [False, False]]
    assert fastnn.scalar_tensor(2).dtype is fastnn.float32
    for value, dtype in ((300, fastnn.uint8), ([2**31], fastnn.int32), (-300.0, fastnn.uint8)):
        with pytest.raises(RuntimeError, match="without overflow"):
            fastnn.tensor(value, dtype=dtype)
    assert fastnn.tensor(-1, dtype=fastnn.uint8).item() == 255


def test_clamp_at_its_bounds():
    """Numbers as bounds have no gradient there; tensors share it, and the upper one wins where the lower one is above it."""
    x = fastnn.tensor([0.0, 1, 2, 3], requires_grad=True)
    lo, hi = (fastnn.full((4,), v, requires_grad=True) for v in (1.0, 2.0))

    def grads(y, *xs):
        return [g.tolist() for g in fastnn.autograd.grad(y.sum(), xs)]

    assert grads(x.clamp(0.0, 2), x) == [[0, 1, 0, 0]] and grads(x.clamp(min=1), x) == [[0, 0, 1, 1]] and grads(x.clamp_max(2), x) == [[1, 1, 0, 0]]
    assert grads(x.clamp(lo, hi), x, lo, hi) == [[0, 0.5, 0.5, 0], [1, 0.5, 0, 0], [0, 0, 0.5, 1]]
    assert grads(x.clamp(hi, lo), x, lo, hi) == [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    assert grads(x.clamp(lo, lo.detach()), x, lo) == [[0, 1, 0, 0], [1, 0, 0, 0]]
    assert grads(x.clamp(min=lo), x, lo) == [[0, 0.5, 1, 1], [1, 0.5, 0, 0]]
    nan = fastnn.tensor([float("nan")], requires_grad=True)
    assert grads(nan.clamp(0, 1), nan) == [[0]]


def test_composites_in_place_are_differentiable():
    for change in (lambda t: t.logit_(0.1), lambda t: t.renorm_(2, 0, 0.5)):
        x = fastnn.tensor([[0.05, 0.3], [0.6, 0.95]], dtype=fastnn.float64, requires_grad=True)
        y = change(x * 1)
        y.sum().backward()
        z = fastnn.logit(x, 0.1) if y.min() < 0 else fastnn.renorm(x, 2, 0, 0.5)
        np.testing.assert_allclose(x.grad.numpy(), fastnn.autograd.grad(z.sum(), x)[0].numpy())
    empty = fastnn.from_numpy(np.broadcast_to(np.float32(1), (0, 3)).copy()).expand(2, 0, 3)
    assert empty.neg_() is empty and fastnn.exp(empty, out=empty) is empty  # no two elements share memory where there are none


def test_conversions_take_a_memory_format():
    x = fastnn.ones(2, 3)
    for name in ("float", "double", "long", "int", "bool", "byte"):
        assert getattr(x, name)(memory_format=fastnn.contiguous_format).shape == (2, 3)


def test_lerp_of_one_dtype():
    with pytest.raises(RuntimeError, match="lerp: expected dtype float32 for `end` but got dtype float64"):
        fastnn.lerp(fastnn.ones(2), fastnn.ones(2, dtype=fastnn.float64), 0.5)
    assert fastnn.lerp(fastnn.zeros(2), fastnn.ones(2), fastnn.tensor(0.25, dtype=fastnn.float64)).tolist() == [0.25, 0.25]


def test_gradients_where_functions_are_not_smooth():
    def grads(f, *values):
        xs = [fastnn.tensor(v, requires_grad=True) for v in values]
        return [g.item() for g in fastnn.autograd.grad(f(*xs), xs)]

    assert grads(fastnn.fmax, 1.0, 1.0) == grads(fastnn.fmin, 2.0, 2.0) == [0.5, 0.5]
    assert grads(fastnn.fmax, 1.0, float("nan"))[0] == 1 and grads(fastnn.fmin, 0.0, 1.0) == [1, 0]
    assert grads(fastnn.atan2, 0.0, 0.0) == [0, 0] and grads(fastnn.atan2, 0.0, 2.0) == [0.5, 0]
    assert grads(fastnn.pow, 0.0, -2.0) == [-math.inf, -math.inf] and grads(fastnn.pow, 0.0, 2.0) == [0, 0]


def test_gradient_refuses_an_axis_twice():
    with pytest.raises(RuntimeError, match="gradient: dim 1 appears multiple times"):
        fastnn.gradient(fastnn.ones(3, 3), dim=(1, -1))
