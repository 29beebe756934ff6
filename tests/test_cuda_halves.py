"""float16 and bfloat16 on the GPU (or the host shim, see test_cuda.py): stored so, computed in float32 and rounded once; products,
convolutions and attention on tensor cores, against float64 of the rounded numbers."""

import contextlib

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from test_cuda import GEOMETRIES, SCHEDULES, SHIM, broken, pytestmark, there  # noqa: F401
from test_small_dtypes import BITS, NAMES, half

HALVES = [fastnn.float16, fastnn.bfloat16]
ULP = {fastnn.float16: 2.0**-11, fastnn.bfloat16: 2.0**-8}  # half of a unit in the last place, at most
WAYS = {"small": {}, "large": {"CAPABILITY": "80", "BUSY": "1"}, "hopper": {"BUSY": "1"}, "widened": {"CAPABILITY": "75"}} if SHIM else {"gpu": {}}


@contextlib.contextmanager
def way(name, monkeypatch):
    """The host shim chooses kernels as a GPU of another capability, or for larger arrays, would."""
    for key, value in WAYS[name].items():
        monkeypatch.setenv(f"FASTNN_SHIM_{key}", value)
    yield
    for key in WAYS[name]:
        monkeypatch.delenv(f"FASTNN_SHIM_{key}")


def numbers(rng, shape, dtype):
    return fastnn.from_numpy(rng.standard_normal(shape).astype(np.float32)).to(dtype)


def wide(x):
    return x.detach().cpu().to(fastnn.float64).numpy()


def near(got, expected, dtype, terms=0.0, message=""):
    """got is expected rounded once, up to float32's rounding of sums whose terms' sizes add up to `terms`."""
    assert got.dtype is dtype and got.is_cuda and tuple(got.shape) == expected.shape, message
    off = np.abs(wide(got) - expected)
    assert (off <= ULP[dtype] * np.abs(expected) + 4e-6 * terms + 1e-7).all(), (message, off.max(initial=0))


# ---- memory and conversions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", HALVES)
def test_every_half_there_and_back(dtype):
    x = half(BITS, dtype)
    there_ = x.cuda()
    assert there_.dtype is dtype and there_.cpu().view(fastnn.int16).tolist() == BITS.tolist()
    np.testing.assert_array_equal(there_.float().cpu().numpy(), x.float().numpy())
    same = ~np.isnan(x.float().numpy())
    np.testing.assert_array_equal(there_.float().to(dtype).cpu().view(fastnn.int16).numpy()[same], BITS[same])


@pytest.mark.parametrize("source", NAMES)
def test_conversions(source, rng):
    x = fastnn.from_numpy(rng.integers(0, 100, (7, 9))).to(getattr(fastnn, source))
    y = fastnn.from_numpy(rng.standard_normal((5, 6)) * 90).to(getattr(fastnn, source))
    for target in map(fastnn.__dict__.get, NAMES):
        for v in (x, y):
            assert v.cuda().T.to(target).cpu().tolist() == v.T.to(target).tolist(), target
            assert v.cuda()[1:, ::2].to(target).cpu().tolist() == v[1:, ::2].to(target).tolist(), target
    assert x.cuda().cpu().dtype is x.dtype and fastnn.full((3,), 1, dtype=x.dtype, device="cuda").tolist() == [1] * 3
    with fastnn.no_grad():
        c = x.cuda()
        c[1] = x[0]
        assert c[1].tolist() == x[0].tolist() and "cuda:0" in repr(c)


@pytest.mark.parametrize("dtype", HALVES)
def test_an_op_is_computed_in_float32_and_rounded(dtype, rng):
    a, b = numbers(rng, (3, 40), dtype), numbers(rng, (40,), dtype)
    for f in (
        lambda a, b: a * b, lambda a, b: a / b + 0.1, lambda a, b: a.softmax(-1), lambda a, b: a.sum(0), lambda a, b: F.layer_norm(a, (40,), b),
        lambda a, b: a.cumsum(1), lambda a, b: a.sort(1).values, lambda a, b: F.gelu(a), lambda a, b: a.T.contiguous(), lambda a, b: fastnn.cat([a, a]),
        lambda a, b: a.gather(1, a.argsort(1)), lambda a, b: a.var(1), lambda a, b: F.max_pool1d(a, 3), lambda a, b: a[a > 0], lambda a, b: F.cross_entropy(a, a),
        lambda a, b: a.clone().mul_(b), lambda a, b: fastnn.where(a > b, a, b), lambda a, b: F.batch_norm(a.T, None, None, training=True), lambda a, b: a[1] @ b,
    ):  # fmt: skip
        got, expected = f(a.cuda(), b.cuda()), f(a, b)
        assert got.is_cuda and got.dtype is expected.dtype is dtype
        np.testing.assert_allclose(wide(got), wide(expected), rtol=2 * ULP[dtype], atol=1e-6)
    assert (a.cuda() > 0).dtype is fastnn.bool and a.cuda().argmax().dtype is fastnn.int64


def test_small_integers():
    x = fastnn.tensor([100, 100, -128, 7], dtype=fastnn.int8).cuda()
    assert (x + x).tolist() == [-56, -56, 0, 14] and (x << 1).dtype is fastnn.int8 and x.sum().item() == 79 and x.sort().values.tolist() == [-128, 7, 100, 100]
    assert (x.to(fastnn.int16) * 300).tolist() == [30000, 30000, 27136, 2100]


def test_memory_shared_with_others():
    for dtype in HALVES:
        x = fastnn.arange(6.0).to(dtype).cuda().reshape(2, 3)
        y = fastnn.from_dlpack(x.T)
        y += 1
        assert y.dtype is dtype and x.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("dtype", HALVES)
def test_training(dtype, rng):
    """A network of halves, and one of float32 in an autocast, with scaled losses: steps are the CPU's, nearly."""
    x, t = fastnn.from_numpy(rng.standard_normal((20, 1, 8, 8)).astype(np.float32)), fastnn.arange(20) % 4
    for autocast in (False, True):
        losses = []
        for device in ("cpu", "cuda"):
            fastnn.manual_seed(3)
            net = fastnn.nn.Sequential(fastnn.nn.Conv2d(1, 6, 3), fastnn.nn.ReLU(), fastnn.nn.Flatten(), fastnn.nn.Linear(216, 24), fastnn.nn.LayerNorm(24), fastnn.nn.Linear(24, 4))
            net = net.to(device, fastnn.float32 if autocast else dtype)
            optimizer, scaler = fastnn.optim.SGD(net.parameters(), 0.1, momentum=0.9), fastnn.amp.GradScaler(device, 256.0, enabled=autocast)
            ran = []
            for _ in range(5):
                optimizer.zero_grad()
                with fastnn.autocast(device, dtype, enabled=autocast):
                    y = net(x.to(device, fastnn.float32 if autocast else dtype))
                    loss = F.cross_entropy(y, t.to(device))
                assert y.dtype is dtype and loss.dtype is (fastnn.float32 if autocast else dtype)
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                ran.append(loss.item())
            losses.append(ran)
        np.testing.assert_allclose(losses[1], losses[0], rtol=40 * ULP[dtype])
        assert losses[1][-1] < 0.8 * losses[1][0]


def test_autocast():
    a = fastnn.randn(4, 4).cuda()
    with fastnn.autocast("cuda"):
        low = a @ a
        assert fastnn.is_autocast_enabled("cuda") and not fastnn.is_autocast_enabled("cpu") and fastnn.get_autocast_dtype("cuda") is fastnn.float16
        for f, dtype in [
            (lambda: fastnn.mv(a, a[0]), "float16"), (lambda: F.linear(a, a), "float16"), (lambda: low + 1, "float16"), (lambda: low + a, "float32"),
            (lambda: low.softmax(0), "float32"), (lambda: low.exp(), "float32"), (lambda: low**2, "float32"), (lambda: 1 / low, "float32"),
            (lambda: low.sum(), "float32"), (lambda: F.layer_norm(low, (4,)), "float32"), (lambda: F.relu(low), "float16"), (lambda: low.mean(), "float16"),
            (lambda: fastnn.cat([low, a]), "float32"), (lambda: F.mse_loss(low, low), "float32"), (lambda: fastnn.addcmul(low, low, a), "float32"),
            (lambda: F.scaled_dot_product_attention(a, a, a), "float16"), (lambda: a.double() @ a.double(), "float64"), (lambda: a.cpu() @ a.cpu(), "float32"),
            (lambda: F.conv2d(a.reshape(1, 1, 4, 4), a[:2, :2].reshape(1, 1, 2, 2)), "float16"), (lambda: low.softmax(0, dtype=fastnn.float16), "float16"),
            (lambda: fastnn.nn.LSTM(4, 4).cuda()(a)[0], "float16"), (lambda: fastnn.nn.GRU(4, 4).cuda()(a)[0], "float16"),
            (lambda: fastnn.nn.LSTM(4, 4).cuda()(low)[0], "float16"), (lambda: fastnn.nn.GRU(4, 4).cuda()(low)[0], "float16"),
        ]:  # fmt: skip
            assert f().dtype.name == dtype
        with fastnn.autocast("cuda", enabled=False):
            assert (a @ a).dtype is fastnn.float32
    with fastnn.autocast("cpu"):
        assert (a @ a).dtype is fastnn.float32 and (a.cpu() @ a.cpu()).dtype is fastnn.bfloat16
    assert fastnn.cuda.is_bf16_supported(False)


# ---- products ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", WAYS)
def test_products(name, dtype, rng, monkeypatch):
    """Ragged tiles, nothing to add, any strides, vectors, batches and broadcast ones, a bias; several steps, and around the ring."""
    with way(name, monkeypatch):
        for m, k, n in [(1, 1, 1), (0, 3, 2), (3, 0, 2), (17, 40, 65), (130, 9, 136), (5, 330, 9)]:
            a, b, d = (numbers(rng, s, dtype) for s in ((m, k), (k, n), (n,)))
            want, terms = wide(a) @ wide(b), np.abs(wide(a)) @ np.abs(wide(b))
            for layout in ("contiguous", "transposed", "stepped", "misaligned"):
                x, y, z = (there(v, layout) for v in (a, b, d))
                near(x @ y, want, dtype, terms, (m, k, n, layout))
                near(fastnn.addmm(z, x, y), want + wide(d), dtype, terms + 1, (m, k, n, layout))
            near(a.cuda() @ there(b, "transposed"), want, dtype, terms)
            near(a.cuda()[:, :1] @ b.cuda()[:1], wide(a)[:, :1] @ wide(b)[:1], dtype, terms) if k else None
        for s, t in [((3, 20, 24), (3, 24, 16)), ((2, 3, 5, 8), (8, 7)), ((5, 9), (4, 9, 8)), ((2, 1, 4, 8), (3, 8, 11)), ((6,), (2, 6, 3)), ((2, 7, 6), (6,))]:
            a, b = numbers(rng, s, dtype), numbers(rng, t, dtype)
            near(a.cuda() @ b.cuda(), wide(a) @ wide(b), dtype, np.abs(wide(a)) @ np.abs(wide(b)), (s, t))
        a, b = numbers(rng, (24, 16), dtype).cuda().requires_grad_(), numbers(rng, (16, 40), dtype).cuda().requires_grad_()
        g = numbers(rng, (24, 40), dtype).cuda()
        for got, want in zip(fastnn.autograd.grad(a @ b, (a, b), g), (wide(g) @ wide(b).T, wide(a).T @ wide(g)), strict=True):
            near(got, want, dtype, 40)


def test_products_beyond_a_tile(rng, monkeypatch):
    """Two rows and columns of the largest tiles, groups of rows of them, and a sum that is cut into pieces."""
    dtype = fastnn.bfloat16
    a, b = numbers(rng, (300, 72), dtype), numbers(rng, (72, 152), dtype)
    for name in [w for w in WAYS if w != "widened"]:
        with way(name, monkeypatch):
            near(a.cuda() @ b.cuda(), wide(a) @ wide(b), dtype, np.abs(wide(a)) @ np.abs(wide(b)), name)
    a, b = numbers(rng, (9, 1600), dtype), numbers(rng, (1600, 10), dtype)
    near(a.cuda() @ b.cuda(), wide(a) @ wide(b), dtype, np.abs(wide(a)) @ np.abs(wide(b)))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", WAYS)
def test_schedules(name, schedule, rng, monkeypatch):
    """Missing barriers and waits would show: the rings of slices, of boxes, and tiles that are filled again."""
    monkeypatch.setenv("FASTNN_SHIM_SCHEDULE", schedule)
    with way(name, monkeypatch):
        dtype = fastnn.float16
        a, b = numbers(rng, (40, 400), dtype), numbers(rng, (400, 24), dtype)
        near(a.cuda() @ b.cuda(), wide(a) @ wide(b), dtype, np.abs(wide(a)) @ np.abs(wide(b)))
        convolve(rng, dtype, (2, 3, 9, 11, 5, (3, 3), 1, 1, 1, 1))
        attend(rng, dtype, 70, 130, 20, 70, True)


# ---- convolutions and attention ----------------------------------------------------------------------------------------------------


def convolve(rng, dtype, geometry):
    n, c, h, w, o, kernel, stride, padding, dilation, groups = geometry
    arrays = [numbers(rng, s, dtype) for s in ((n, c, h, w), (o, c // groups, *kernel), (o,))]
    f = lambda x, f, b: F.conv2d(x, f, b, stride, padding, dilation, groups)  # noqa: E731
    exact = [a.double().requires_grad_() for a in arrays]
    want = f(*exact)
    g = numbers(rng, want.shape, dtype)
    args = [a.cuda().requires_grad_() for a in arrays]
    got = f(*args)
    results = [got, *fastnn.autograd.grad(got, args, g.cuda())]
    wanted = [want, *fastnn.autograd.grad(want, exact, g.double())]
    sizes = [a.abs() for a in exact]
    all_terms = f(*sizes)
    terms = [all_terms, *fastnn.autograd.grad(all_terms, exact, g.double().abs())]
    for y, z, s in zip(results, wanted, terms, strict=True):
        near(y, wide(z), dtype, np.abs(wide(s)), geometry)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", [w for w in WAYS if w != "hopper"])
def test_convolutions(name, dtype, rng, monkeypatch):
    """Strides that leave rows without a tap, dilations, groups, ragged tiles; both derivatives, and the bias."""
    with way(name, monkeypatch):
        for geometry in GEOMETRIES + [(2, 8, 6, 6, 16, (1, 1), 1, 0, 1, 1), (3, 70, 5, 6, 80, (3, 3), 1, 1, 1, 1)][: 2 if name != "widened" else 0]:
            convolve(rng, dtype, geometry)
        x, f = numbers(rng, (2, 4, 5, 6), dtype), numbers(rng, (4, 3, 3, 3), dtype)
        near(F.conv_transpose2d(x.cuda(), f.cuda(), None, 2, 1, 1), wide(F.conv_transpose2d(x.double(), f.double(), None, 2, 1, 1)), dtype, 40)


def test_pieces_of_dw(rng):
    """A sum over many places, cut into pieces."""
    convolve(rng, fastnn.bfloat16, (4, 3, 30, 31, 5, (2, 2), 1, 0, 1, 1))


def attend(rng, dtype, rows, keys, width, values, causal, mask=None, heads=(2, 2)):
    arrays = [numbers(rng, (1, h, n, m), dtype) for h, n, m in ((heads[0], rows, width), (heads[1], keys, width), (heads[1], keys, values))]
    options = dict(is_causal=causal, enable_gqa=heads[0] != heads[1])
    results = []
    for move in (lambda x: x.cuda(), lambda x: x.double()):
        args = [move(a).requires_grad_() for a in arrays]
        added = None if mask is None else mask.cuda() if mask.dtype is fastnn.bool and args[0].is_cuda else mask if mask.dtype is fastnn.bool else move(mask).requires_grad_()
        y = F.scaled_dot_product_attention(*args, added, **options)
        inputs = [*args, *([added] if added is not None and added.requires_grad else [])]
        g = move(fastnn.from_numpy(np.cos(np.arange(max(y.numel(), 1), dtype=np.float32))[: y.numel()]).reshape(y.shape).to(dtype))
        results.append([y, *fastnn.autograd.grad(y, inputs, g)])
    for got, want in zip(*results, strict=True):
        assert got.dtype is dtype and got.is_cuda
        e = wide(want)
        np.testing.assert_allclose(wide(got), e, rtol=8 * ULP[dtype], atol=8 * ULP[dtype] * np.abs(e).max(initial=1e-3))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", [w for w in WAYS if w in ("small", "widened", "gpu")])
def test_attention(name, dtype, rng, monkeypatch):
    """Ragged tiles, more columns than a block has, causal with fewer and more rows than keys, shared keys, masks, rows that see nothing."""
    with way(name, monkeypatch):
        for rows, keys, width, values, causal in [(1, 1, 1, 1, False), (33, 70, 24, 16, True), (70, 33, 8, 66, True), (5, 66, 67, 130, False), (0, 3, 2, 2, False)]:
            attend(rng, dtype, rows, keys, width, values, causal)
        seen = fastnn.from_numpy(rng.random((9, 35)) > 0.5)
        seen[3] = False
        attend(rng, dtype, 9, 35, 5, 3, False, seen, heads=(4, 2))
        attend(rng, dtype, 9, 35, 8, 8, False, numbers(rng, (1, 4, 9, 35), dtype), heads=(4, 2))


def test_dropout_of_attention():
    """The CPU's mask."""
    q = fastnn.ones(1, 2, 9, 16).bfloat16()
    results = []
    for device in ("cpu", "cuda"):
        fastnn.manual_seed(5)
        results.append(wide(F.scaled_dot_product_attention(*[q.to(device)] * 3, dropout_p=0.4)))
    np.testing.assert_allclose(results[1], results[0], rtol=2**-6)


# ---- the shim ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not SHIM, reason="of the host shim")
@pytest.mark.parametrize("which, wrong", [(14, True), (15, False), (16, True), (17, False)])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_shim_waits(which, wrong, schedule, monkeypatch):
    """copy_async without its wait, and with it; a product of halves read before its wait, and after."""
    monkeypatch.setenv("FASTNN_SHIM_SCHEDULE", schedule)
    count, message = broken(which)
    assert (count > 0) == wrong and not message
