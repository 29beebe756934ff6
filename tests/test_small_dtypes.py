"""int8, int16, float16, bfloat16: stored as they are, computed in int32 and float32, rounded once a kernel."""

import copy
import itertools
import pickle

import numpy as np
import pytest

import fastnn as fn
import fastnn.nn.functional as F

try:
    import torch
except ImportError:
    torch = None

with_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
SMALL = "int8 int16 float16 bfloat16".split()
HALVES = [fn.float16, fn.bfloat16]
NAMES = "float32 float64 int64 int32 uint8 bool".split() + SMALL
BITS = np.arange(65536, dtype=np.uint16).view(np.int16)


def half(bits, dtype):
    return fn.from_numpy(bits.copy()).view(dtype)


def bfloat16_of(x):
    """float32 to bfloat16 and back, by the definition: the nearer of the two neighbours, the even one of a tie."""
    down = (x.view(np.uint32) & 0xFFFF0000).view(np.float32)
    up = (down.view(np.uint32) + 0x10000).view(np.float32)
    wide, low, high = (v.astype(np.float64) for v in (x, down, up))
    high = np.where(np.isinf(high), np.copysign(2.0**128, high), high)
    odd = down.view(np.uint32) >> 16 & 1
    nearer = np.abs(wide - high) < np.abs(wide - low)
    return np.where(nearer | ((np.abs(wide - high) == np.abs(wide - low)) & (odd == 1)), up, down)


def test_every_half_and_back():
    wide = half(BITS, fn.float16).float().numpy()
    want = BITS.view(np.float16).astype(np.float32)
    np.testing.assert_array_equal(wide, want)
    np.testing.assert_array_equal(half(BITS, fn.bfloat16).float().numpy(), (BITS.astype(np.int32) << 16).view(np.float32))
    for dtype in HALVES:
        x = half(BITS, dtype).float()
        same = ~np.isnan(x.numpy())
        np.testing.assert_array_equal(x.to(dtype).view(fn.int16).numpy()[same], BITS[same])
        assert x.to(dtype).isnan().numpy()[~same].all()


def test_rounds_to_the_nearest():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    special = np.concatenate([np.linspace(-1e-7, 1e-7, 9999), np.linspace(65400, 65600, 9999), rng.normal(size=9999) * 1e-4])
    x = np.concatenate([x[np.isfinite(x)], special.astype(np.float32)])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(fn.from_numpy(x).half().numpy(), x.astype(np.float16))
        np.testing.assert_array_equal(fn.from_numpy(x).bfloat16().float().numpy(), bfloat16_of(x))


@with_torch
@pytest.mark.parametrize("source", NAMES)
def test_conversions_are_those_of_pytorch(source):
    values = [0, 1, -1, 2.5, -3.7, 127, -128, 200, 255, 300, -300, 32767, 40000, 70000, 1e6, 0.1]
    values = [int(v) for v in values] if "int" in source else values
    theirs, ours = torch.tensor(values, dtype=torch.float64).to(getattr(torch, source)), fn.tensor(values, dtype=fn.float64).to(getattr(fn, source))
    for target in NAMES:
        assert ours.to(getattr(fn, target)).tolist() == theirs.to(getattr(torch, target)).tolist(), target


@with_torch
@pytest.mark.parametrize("first", NAMES)
def test_promotion_is_that_of_pytorch(first):
    a, x = getattr(torch, first), getattr(fn, first)
    for second in NAMES:
        b, y = getattr(torch, second), getattr(fn, second)
        assert fn.promote_types(x, y).name == str(torch.promote_types(a, b))[6:]
        assert fn.can_cast(x, y) == torch.can_cast(a, b)
        for s, t in itertools.product(((2,), ()), repeat=2):
            theirs, ours = (torch.ones(s, dtype=a), torch.ones(t, dtype=b)), (fn.ones(s, dtype=x), fn.ones(t, dtype=y))
            assert fn.result_type(*ours).name == str(torch.result_type(*theirs))[6:]
            for name in ("add", "div", "eq", "maximum"):
                assert getattr(fn, name)(*ours).dtype.name == str(getattr(torch, name)(*theirs).dtype)[6:], (second, s, t, name)
    for number, shape in itertools.product((True, 1, 1.5), ((2,), ())):
        for name in ("mul", "div", "pow", "lt"):
            got, want = getattr(fn, name)(fn.ones(shape, dtype=x), number), getattr(torch, name)(torch.ones(shape, dtype=a), number)
            assert got.dtype.name == str(want.dtype)[6:], (number, shape, name)
    for name, args in (("sum", ()), ("prod", ()), ("cumsum", (0,)), ("mean", ()), ("exp", ()), ("amax", ())):
        if name != "mean" or "float" in first:
            assert getattr(fn, name)(fn.ones(2, dtype=x), *args).dtype.name == str(getattr(torch, name)(torch.ones(2, dtype=a), *args).dtype)[6:]


@pytest.mark.parametrize("dtype", HALVES)
def test_an_op_is_computed_in_float32_and_rounded(dtype):
    a, b = fn.randn(3, 40).to(dtype), fn.randn(40).to(dtype)
    for f in (
        lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a.exp(), lambda a, b: a @ b, lambda a, b: a.softmax(-1), lambda a, b: a.sum(0),
        lambda a, b: F.layer_norm(a, (40,), b), lambda a, b: a.cumsum(1), lambda a, b: a.sort(1).values, lambda a, b: F.gelu(a),
        lambda a, b: a.T, lambda a, b: a[:, ::3], lambda a, b: fn.cat([a, a]), lambda a, b: a.gather(1, a.argsort(1)), lambda a, b: a.var(1),
    ):  # fmt: skip
        got = f(a, b)
        assert got.dtype is dtype and fn.equal(got, f(a.float(), b.float()).to(dtype))
    assert fn.equal(a + 0.1, (a.float() + 0.1).to(dtype)) and bool((fn.tensor(0.1, dtype=dtype) == 0.1).all())
    a += b
    assert a.dtype is dtype
    a.mul_(fn.randn(3, 40))
    assert a.dtype is dtype and (a > 0).dtype is fn.bool and a.argmax().dtype is fn.int64


def test_small_integers():
    x = fn.tensor([100, 100, -128, 7], dtype=fn.int8)
    assert (x + x).tolist() == [-56, -56, 0, 14] and (x * 3).dtype is fn.int8 and (-x).tolist() == [-100, -100, -128, -7]
    assert x.sum().item() == 79 and x.sum().dtype is fn.int64 and (x / 2).dtype is fn.float32 and (x // 2).tolist() == [50, 50, -64, 3]
    assert (x << 1).tolist() == [-56, -56, 0, 14] and (x ^ 1).dtype is fn.int8 and x.max().item() == 100 and x[x > 0].tolist() == [100, 100, 7]
    assert (x + fn.tensor([1], dtype=fn.uint8)).dtype is fn.int16 and x.sort().values.tolist() == [-128, 7, 100, 100]
    sound = np.array([[1, -2, 32767], [4, 5, -32768]], np.int16)
    t = fn.tensor(sound)
    assert t.dtype is fn.int16 and t.T.contiguous().tolist() == sound.T.tolist() and (t / 32768).dtype is fn.float32
    t[0, 1] = 9
    t[:, 2] += 1
    assert t.tolist() == [[1, 9, -32768], [4, 5, -32767]] and fn.iinfo(fn.int16).max == 32767
    with pytest.raises(RuntimeError, match="without overflow"):
        fn.tensor([300], dtype=fn.int8)
    with pytest.raises(RuntimeError, match="without overflow"):
        fn.full((2,), 300, dtype=fn.int8)
    for change in (lambda: x.fill_(300), lambda: x.__setitem__(0, -129)):
        with pytest.raises(RuntimeError, match="without overflow"):
            change()
    for dtype in (fn.int8, fn.int16):
        for shape in ((3, 5, 7), (64, 80)):
            a = np.random.default_rng(1).integers(-100, 100, shape).astype(dtype.numpy)
            y = fn.from_numpy(a)
            for of in (lambda v: v.T, lambda v: v[::2], lambda v: v[..., 1:-1]):
                np.testing.assert_array_equal(of(y).clone().numpy(), of(a))
                np.testing.assert_array_equal(of(y).int().numpy(), of(a).astype(np.int32))
            np.testing.assert_array_equal(y.flip(-1).numpy(), a[..., ::-1])


def test_memory_shared_with_others():
    a = np.arange(4, dtype=np.float16)
    t = fn.from_numpy(a)
    t += 1
    assert a.tolist() == [1, 2, 3, 4] and t.numpy().dtype == np.float16 and fn.from_dlpack(a).dtype is fn.float16
    x = fn.arange(5).bfloat16()
    for read in (lambda: x.numpy(), lambda: np.asarray(x)):
        with pytest.raises(TypeError, match="unsupported ScalarType BFloat16"):
            read()
    assert x.tolist() == [0, 1, 2, 3, 4] and x[3].item() == 3 and x.element_size() == 2 and x.view(fn.int16).tolist()[1] == 0x3F80
    assert fn.frombuffer(bytearray(b"\x80\x3f\x00\x40"), dtype=fn.bfloat16).tolist() == [1, 2]
    assert fn.tensor([x[1], x[2]]).dtype is fn.bfloat16 and fn.tensor([x[1], 1.5]).dtype is fn.tensor([]).dtype is fn.float32
    x.view(fn.int16)[1] = 0x4000
    assert x[1].item() == 2
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), x.clone()):
        assert y.dtype is fn.bfloat16 and fn.equal(x, y)
    assert x.type() == "fastnn.BFloat16Tensor" and isinstance(x, fn.BFloat16Tensor) and fn.HalfTensor([1.0]).dtype is fn.float16
    with pytest.raises(RuntimeError):
        fn.zeros(3, dtype=fn.int8).view(fn.int16)


@with_torch
def test_dlpack_both_ways():
    for name in SMALL:
        theirs = torch.arange(6).reshape(2, 3).to(getattr(torch, name))
        ours = fn.from_dlpack(theirs)
        assert ours.dtype.name == name and ours.tolist() == theirs.tolist()
        back = torch.from_dlpack(ours)
        assert back.dtype is theirs.dtype and back.data_ptr() == theirs.data_ptr()


@with_torch
def test_prints_as_pytorch_does():
    for name in SMALL:
        for values in ([0, 1, 2], [[1, -2], [3, 100]], 3):
            ours, theirs = (m.tensor(values, dtype=getattr(m, name)) for m in (fn, torch))
            assert repr(ours).replace("fastnn", "torch") == repr(theirs)
            if "float" in name:
                assert repr(ours / 3).replace("fastnn", "torch") == repr(theirs / 3)
    for name in ("float16", "bfloat16"):
        assert str(fn.finfo(getattr(fn, name))) == str(torch.finfo(getattr(torch, name)))


def test_files(tmp_path):
    state = {name: fn.arange(6).reshape(2, 3).to(getattr(fn, name)) for name in SMALL}
    fn.save(state, tmp_path / "f")
    back = fn.load(tmp_path / "f")
    assert all(back[n].dtype is t.dtype and fn.equal(back[n], t) for n, t in state.items())


@pytest.mark.parametrize("dtype", HALVES)
def test_networks_learn(dtype):
    """Gradients and states of optimizers are of the parameters' dtype; the loss falls."""
    fn.manual_seed(0)
    nets = [
        (fn.nn.Sequential(fn.nn.Linear(6, 16), fn.nn.LayerNorm(16), fn.nn.GELU(), fn.nn.Linear(16, 3)), (8, 6)),
        (fn.nn.Sequential(fn.nn.Conv2d(1, 4, 3), fn.nn.BatchNorm2d(4), fn.nn.ReLU(), fn.nn.MaxPool2d(2), fn.nn.Flatten(), fn.nn.Linear(36, 3)), (8, 1, 8, 8)),
        (fn.nn.Sequential(fn.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1), fn.nn.Flatten(), fn.nn.Linear(32, 3)), (8, 4, 8)),
    ]  # fmt: skip
    for (net, shape), Optimizer in zip(nets, (fn.optim.AdamW, fn.optim.SGD, fn.optim.RMSprop), strict=True):
        net.to(dtype)
        x, target = fn.randn(*shape, dtype=dtype), fn.arange(8) % 3
        optimizer, losses = Optimizer(net.parameters(), lr=0.02), []
        for _ in range(20):
            loss = F.cross_entropy(net(x), target)
            optimizer.zero_grad()
            loss.backward()
            fn.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        assert loss.dtype is dtype and losses[-1] < losses[0] * 0.9
        assert all(p.dtype is dtype and p.grad.dtype is dtype for p in net.parameters())
        assert all(v.dtype is dtype for s in optimizer.state.values() for k, v in s.items() if k != "step" and isinstance(v, fn.Tensor))


def test_recurrent_layers_and_rows_of_embeddings():
    lstm = fn.nn.LSTM(4, 5, batch_first=True).bfloat16()
    y, (h, c) = lstm(fn.randn(2, 3, 4).bfloat16())
    y.sum().backward()
    assert {t.dtype for t in (y, h, c, lstm.weight_hh_l0.grad)} == {fn.bfloat16}
    table = fn.nn.Embedding(5, 3).half()
    table(fn.tensor([1, 1, 4])).sum().backward()
    assert table.weight.grad.dtype is fn.float16 and table.weight.grad.tolist() == [[0] * 3, [2] * 3, [0] * 3, [0] * 3, [1] * 3]


@with_torch
def test_gradients_are_those_of_pytorch_to_rounding():
    rng = np.random.default_rng(2)
    values = [rng.normal(size=s).astype(np.float32) for s in ((4, 6), (5, 6), (5,))]
    grads = []
    for m in (fn, torch):
        x, w, b = (m.tensor(v).bfloat16().requires_grad_() for v in values)
        y = m.nn.functional.silu(m.nn.functional.linear(x, w, b)).softmax(-1)
        (y * m.arange(5)).sum().backward()
        grads.append([t.grad.float().numpy() for t in (x, w, b)])
        assert x.grad.dtype is m.bfloat16 and y.dtype is m.bfloat16
    for ours, theirs in zip(*grads, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0.03, atol=0.02 * np.abs(theirs).max())


def test_vmap_and_capture():
    x = fn.randn(4, 3).bfloat16()
    got = fn.vmap(lambda v: (v * v).sum() + fn.cat([v, v]).max())(x)
    assert got.dtype is fn.bfloat16 and fn.equal(got, fn.stack([(v * v).sum() + fn.cat([v, v]).max() for v in x]))
    assert fn.func.vmap(fn.func.grad(lambda v: (v * v).sum()))(x).dtype is fn.bfloat16
    step = fn.capture(lambda v: (v @ v.T).softmax(-1) + v.sum())
    for _ in range(3):
        v = fn.randn(4, 3).half()
        assert fn.equal(step(v), (v @ v.T).softmax(-1) + v.sum())


def test_random_numbers():
    for dtype in HALVES:
        x = fn.rand(20_000, dtype=dtype)
        assert x.dtype is dtype and x.max().item() < 1 and x.min().item() >= 0 and abs(x.float().mean().item() - 0.5) < 0.01
        assert abs(fn.randn(20_000, dtype=dtype).float().std().item() - 1) < 0.03
    assert fn.randint(-5, 5, (100,), dtype=fn.int8).dtype is fn.int8
    with pytest.raises(RuntimeError, match="out of bounds"):
        fn.randint(0, 300, (3,), dtype=fn.int8)


def test_the_default_dtype():
    for dtype in HALVES:
        fn.set_default_dtype(dtype)
        try:
            made = fn.tensor([1.0, 2.0]), fn.zeros(2), fn.arange(3) / 2, fn.nn.Linear(2, 2).weight, fn.tensor(1.5), fn.rand(2)
            assert {t.dtype for t in made} == {dtype} and "dtype" not in repr(made[0])
        finally:
            fn.set_default_dtype(fn.float32)


def test_functions_of_numpy_are_computed_in_float32():
    """bfloat16 has no ndarray: what stands on NumPy is computed in float32 and rounded."""
    x = fn.tensor([3.0, 1.0, 3.0, 2.0]).bfloat16()
    assert x.unique().tolist() == [1, 2, 3] and x.unique().dtype is fn.bfloat16
    for dtype in HALVES:
        assert fn.linalg.inv(fn.eye(2, dtype=dtype) * 2).tolist() == [[0.5, 0], [0, 0.5]] and fn.linalg.det(fn.eye(2, dtype=dtype)).dtype is dtype
        with pytest.raises(NotImplementedError, match="Unsupported dtype"):
            fn.fft.fft(fn.ones(4, dtype=dtype))
        with pytest.raises(NotImplementedError, match="no complex numbers"):
            fn.complex(fn.ones(1, dtype=dtype), fn.ones(1, dtype=dtype))
        assert fn.nan_to_num(fn.tensor([float("inf")], dtype=dtype)).item() == fn.finfo(dtype).max
    values, index = x.cummax(0)
    assert values.dtype is fn.bfloat16 and index.tolist() == [0, 0, 2, 2]
    assert fn.isin(x, fn.tensor([3.0]).bfloat16()).tolist() == [True, False, True, False]
    assert fn.nextafter(fn.tensor([1.0, 0.0, -1.0]).bfloat16(), fn.tensor([2.0, -1.0, 0.0]).bfloat16()).view(fn.int16).tolist() == [0x3F81, -32767, -16513]


def test_autocast():
    net = fn.nn.Sequential(fn.nn.Conv2d(1, 4, 3), fn.nn.BatchNorm2d(4), fn.nn.ReLU(), fn.nn.Flatten(), fn.nn.LayerNorm(36), fn.nn.Linear(36, 3))
    x, a = fn.randn(2, 1, 5, 5), fn.randn(3, 3)
    assert not fn.is_autocast_enabled() and fn.amp.autocast_mode.is_autocast_available("cpu")
    with fn.autocast("cpu", dtype=fn.bfloat16):
        assert fn.is_autocast_enabled() and fn.get_autocast_dtype("cpu") is fn.bfloat16
        y = net(x)
        loss = F.cross_entropy(y, fn.tensor([0, 1]))
        dtypes = [t.dtype for t in (a @ a, fn.mm(a, a), (a @ a).softmax(0), a + 1, (a @ a) + a, fn.cat([a, a @ a]), F.mse_loss(a @ a, a @ a), a.double() @ a.double())]
        with fn.autocast("cpu", enabled=False):
            assert (a @ a).dtype is fn.float32 and not fn.is_autocast_enabled()
    assert dtypes == [fn.bfloat16, fn.bfloat16, fn.bfloat16, fn.float32, fn.float32, fn.float32, fn.float32, fn.float64]
    assert y.dtype is fn.bfloat16 and loss.dtype is fn.float32 and (a @ a).dtype is fn.float32
    loss.backward()
    assert all(p.grad.dtype is fn.float32 for p in net.parameters())
    with pytest.warns(UserWarning, match="target dtype is not supported"), fn.autocast("cpu", dtype=fn.float64):
        assert (a @ a).dtype is fn.float32

    @fn.autocast("cpu", dtype=fn.float16)
    def product(a):
        return a @ a

    assert product(a).dtype is fn.float16


@with_torch
def test_autocast_gives_pytorchs_dtypes():
    seen = []
    for m in (fn, torch):
        f, a, image = m.nn.functional, m.ones(4, 4), m.ones(1, 2, 4, 4)
        with m.autocast("cpu"):
            low = a @ a
            seen.append([str(t.dtype).partition(".")[2] for t in (
                f.linear(a, a, a[0]), f.conv2d(image, m.ones(3, 2, 2, 2)), m.bmm(image[0], image[0]), m.addmm(a, a, a), low.sum(), f.relu(low),
                f.layer_norm(low, (4,)), f.layer_norm(low, (4,), a[0], a[0]), f.l1_loss(low, a), low.prod(), m.stack([low, a]), m.einsum("ij,jk", a, a),
                f.scaled_dot_product_attention(image, image, image), f.batch_norm(f.conv2d(image, m.ones(3, 2, 2, 2)), m.zeros(3), m.ones(3)),
                f.binary_cross_entropy_with_logits(low, a), f.prelu(a, a[0, :1]), m.matmul(a, a[0]), low.exp(), f.dropout(low), f.gelu(low), low.mean(),
            )])  # fmt: skip
    assert seen[0] == seen[1]


@pytest.mark.parametrize("dtype", HALVES)
def test_changes_in_place_keep_the_dtype(dtype):
    x, w = fn.randn(3, dtype=dtype).requires_grad_(), fn.randn(3)
    y = x * 2
    y *= w  # of float32
    y.sum().backward()
    assert y.dtype is dtype and x.grad.dtype is dtype and fn.equal(x.grad, (w.to(dtype) * 2))
    z = fn.zeros(2, 3, dtype=dtype)
    z[0] = w
    z[1].copy_(fn.arange(3))
    assert fn.equal(z, fn.stack([w.to(dtype), fn.arange(3).to(dtype)]))
    fn.testing.assert_close(z, z * 1.0005)
    with pytest.raises(AssertionError, match="not close"):
        fn.testing.assert_close(z, z + 0.1)


@pytest.mark.parametrize("write", [lambda v, d: fn.full((2,), v, dtype=d), lambda v, d: fn.zeros(2, dtype=d).fill_(v)])
@pytest.mark.parametrize("dtype", [fn.int64, fn.int32, fn.int16, fn.int8, fn.uint8])
def test_numbers_that_integers_do_not_hold(dtype, write):
    info = fn.iinfo(dtype)
    assert write(info.max, dtype).tolist() == [info.max] * 2
    assert write(info.min, dtype).tolist() == [info.min] * 2
    for value in (np.nan, np.inf, -np.inf, 2.0**64, info.max + 1.0):
        with pytest.raises(RuntimeError, match="without overflow"):
            write(value, dtype)
    with pytest.raises(OverflowError):
        fn.zeros(2, dtype=dtype) + np.uint64(2**63)


@pytest.mark.parametrize("dtype", HALVES)
def test_rounded_once_answers_as_others(dtype):
    x, y = fn.randn(3, 4).to(dtype), fn.randn(3, 4).to(dtype)
    assert F.cosine_similarity(x, y, axis=0).equal(F.cosine_similarity(x, y, 0))
    out = fn.empty(0, dtype=dtype)
    assert fn.addcmul(x, x, y, out=out) is out
    assert out.equal(fn.addcmul(x, x, y))
    assert x.clone().sinc_().equal(x.float().sinc().to(dtype)) and x.clone().addcmul_(x, y).equal(out)
    with pytest.raises(TypeError, match="argument 'x2' must be Tensor, not str"):
        F.cosine_similarity(x, "y")


@pytest.mark.parametrize("dtype", HALVES)
def test_examples_of_vmap_are_not_the_first_one(dtype):
    x = fn.arange(12.0).reshape(3, 4)

    def one(r, x):
        return fn.dot(r, x[0]), fn.cat([r, x[0]]), F.mse_loss(r, x[0])

    want = fn.func.vmap(lambda r: one(r, x))(x)
    x = x.to(dtype)
    for a, b in zip(fn.func.vmap(lambda r: one(r, x))(x), want, strict=True):
        assert a.float().equal(b)
