"""The GPU's kernels, on a GPU or on the host shim (tools/shim.sh builds it; FASTNN_CUDA_LIBRARY names it): every sample of every op
gives what the CPU gives, in every layout and on every schedule; errors; whole training steps; and what the shim must catch."""

import contextlib
import ctypes
import os

import numpy as np
import pytest

import fastnn
from layouts import as_args
from samples import families, samples

pytestmark = pytest.mark.skipif(not fastnn.cuda.is_available(), reason="no GPU, and no host shim (tools/shim.sh)")
SHIM = fastnn.cuda.is_available() and fastnn.cuda.get_device_name() == "host shim"
shim_only = pytest.mark.skipif(not SHIM, reason="of the host shim")
SCHEDULES = ["first", "last", "turn", "random"] if SHIM else ["gpu"]


ON_THE_CPU = (  # samples that make tensors of their own, there
    "adam", "nadam", "adagrad", "adadelta", "rmsprop", "dropout", "embedding_bag sparse", "embedding_bag weighted", "jet_mlp far out",
)  # fmt: skip


def there(x, layout="contiguous"):
    """A tensor (or a nest of them) on the GPU, in a layout."""
    if isinstance(x, (list, tuple)):
        return type(x)(there(v, layout) for v in x)
    if not isinstance(x, fastnn.Tensor):
        return x
    if layout == "transposed" and x.ndim > 1:
        return x.permute(*reversed(range(x.ndim))).contiguous().cuda().permute(*reversed(range(x.ndim)))
    if layout == "stepped" and x.ndim > 0:
        padded = fastnn.zeros(*(2 * s + 1 for s in x.shape), dtype=x.dtype)
        inner = tuple(slice(1, 2 * s + 1, 2) for s in x.shape)
        padded[inner] = x
        return padded.cuda()[inner]
    if layout == "misaligned" and x.ndim > 0:
        padded = fastnn.zeros(x.numel() + 1, dtype=x.dtype)
        padded[1:] = x.reshape(-1)
        return padded.cuda()[1:].reshape(x.shape)
    return x.cuda()


def here(result):
    """Every tensor of a result as an ndarray."""
    if isinstance(result, fastnn.Tensor):
        return [result.detach().cpu().numpy()]
    return [a for r in result for a in here(r)] if isinstance(result, (tuple, list)) else []


def same(got, expected, rtol, message):
    assert len(got) == len(expected), message
    for g, e in zip(got, expected, strict=True):
        assert g.shape == e.shape and g.dtype == e.dtype, message
        if g.dtype.kind == "f":
            scale = np.abs(e[np.isfinite(e)]).max(initial=5e-2)  # a gradient that is 0 is rounding noise on both
            np.testing.assert_allclose(g, e, rtol=rtol, atol=rtol * scale, err_msg=str(message))
        else:
            np.testing.assert_array_equal(g, e, err_msg=str(message))


LAUNCHED, COMPARED = set(), set()  # kernels that have run there, families that have been through `compare`


@contextlib.contextmanager
def noting():
    """Kernels launched meanwhile (on the GPU: nothing else may run) are noted."""
    before = fastnn._cpu.launches()
    yield
    after = fastnn._cpu.launches()
    LAUNCHED.update(k for k in after if after[k] != before[k])


def run(sample, dtype, move, grad):
    args = move(as_args(sample.args, dtype))
    kwargs = {k: move(v) for k, v in sample.kwargs.items()}
    floats = [a for a in args if isinstance(a, fastnn.Tensor) and a.dtype.is_floating_point] if grad and sample.grad else []
    for a in floats:
        a.requires_grad_()
    result = sample.fn(*args, **kwargs)
    first = result if isinstance(result, fastnn.Tensor) else result[0]
    arrays = here(result)
    if floats and isinstance(first, fastnn.Tensor) and first.requires_grad:
        g = fastnn.from_numpy(np.cos(np.arange(first.numel())).reshape(first.shape)).to(first)  # ones would be too easy: softmax
        grads = fastnn.autograd.grad(first, floats, g, allow_unused=True)
        arrays += here([g for g in grads if g is not None])
    return arrays


def compare(family, dtype, layout="contiguous", grad=True):
    """How many samples ran; one without its kernels says so and is left out."""
    ran = 0
    for _, sample in samples(family):
        with np.errstate(all="ignore"):
            fastnn.manual_seed(7)
            expected = run(sample, dtype, lambda x: x, grad)
            fastnn.manual_seed(7)
            try:
                with noting():
                    got = run(sample, dtype, lambda x: there(x, layout), grad)
            except NotImplementedError as e:
                assert str(e).split(":")[0] not in fastnn.cuda.kernels()
                continue
            except TypeError as e:  # by way of NumPy: matrix decompositions
                assert "Tensor.cpu" in str(e)
                continue
            except RuntimeError as e:
                assert "same device" in str(e) and str(sample).startswith(ON_THE_CPU), sample
                continue
        same(got, expected, max(sample.rtol or 0, 2e-5) if dtype == "float32" else 1e-11, f"{sample} {dtype} {layout}")
        ran += 1
    if grad:
        COMPARED.add(family)
    return ran


@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernel_is_the_cpus(family, dtype):
    compare(family, dtype)


@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize("layout", ["transposed", "stepped", "misaligned"])
def test_layouts(family, layout):
    compare(family, "float32", layout, grad=False)


@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize("schedule", [s for s in SCHEDULES if s in ("last", "random")])  # "first" is what all other tests run on
def test_schedules(family, schedule, monkeypatch):
    monkeypatch.setenv("FASTNN_SHIM_SCHEDULE", schedule)
    compare(family, "float32")


SHAPES = [(), (1,), (31,), (33,), (127,), (1025,), (3, 0, 2), (5, 1, 7), (2, 3, 4, 5, 6), (1, 257), (64, 65)]


@pytest.mark.parametrize("shape", SHAPES)
def test_elementwise_shapes(shape, rng):
    x, y = (fastnn.from_numpy(rng.standard_normal(shape)) for _ in range(2))
    a, b = x.cuda(), y.cuda()
    same(here([a + b, a.exp(), fastnn.where(a > b, a, b), a * 2 + 1]), here([x + y, x.exp(), fastnn.where(x > y, x, y), x * 2 + 1]), 1e-14, shape)
    if len(shape) > 1:
        same(here([a + b[:1], a.T - b.T, a[..., :1] * b]), here([x + y[:1], x.T - y.T, x[..., :1] * y]), 1e-14, shape)
    z = a.clone()
    z += b
    z[...] = z * 2
    same(here(z), here((x + y) * 2), 1e-14, shape)


@pytest.mark.parametrize("source", ["float32", "float64", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("target", ["float32", "float64", "int64", "int32", "uint8", "bool"])
def test_conversions(source, target, rng):
    x = fastnn.from_numpy(rng.integers(0, 100, (7, 9))).to(getattr(fastnn, source))
    same(here(x.cuda().T.to(getattr(fastnn, target))), here(x.T.to(getattr(fastnn, target))), 0, (source, target))
    assert x.cuda().cpu().dtype is x.dtype


def test_devices():
    x = fastnn.arange(6.0).reshape(2, 3)
    c = x.to("cuda")
    assert c.is_cuda and not c.is_cpu and not x.is_cuda and c.device.type == "cuda" and str(c.device) == "cuda:0" and c.get_device() == 0
    assert c.to("cuda") is c and c.cuda() is c and x.cpu() is x and c.to(x).device == "cpu" and c.cpu().tolist() == x.tolist() == c.tolist()
    assert c.T.cpu().tolist() == x.T.tolist() and c[:, 1].tolist() == [1, 4] and c[1, 2].item() == 5 and float(c[0, 1]) == 1
    assert fastnn.zeros(2, device="cuda").is_cuda and fastnn.tensor([1, 2], device="cuda:0").tolist() == [1, 2]
    assert fastnn.zeros_like(c).is_cuda and fastnn.empty_like(c).is_cuda and fastnn.full((2,), 3.0, device="cuda").tolist() == [3, 3]
    assert "device='cuda:0'" in repr(c)
    c[0] = fastnn.tensor([7.0, 8.0, 9.0])  # from the other device, as in PyTorch
    x[1] = c[0]
    assert x.tolist() == [[0, 1, 2], [7, 8, 9]]
    assert fastnn.cuda.memory_allocated() > 0 and fastnn.cuda.device_count() == 1
    with fastnn.no_grad():
        net = fastnn.nn.Linear(3, 2).to("cuda")
    assert all(p.is_cuda and p.is_leaf for p in net.parameters()) and not next(net.cpu().parameters()).is_cuda


def test_gradients_cross_devices(rng):
    x = fastnn.from_numpy(rng.standard_normal(5)).requires_grad_()
    (x.cuda().exp().cpu() * 2).backward(fastnn.ones(5, dtype=fastnn.float64))
    assert not x.grad.is_cuda
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp(x.detach().numpy()))


RULES = [
    ("SGD", dict(momentum=0.9)), ("Adam", {}), ("AdamW", dict(amsgrad=True)), ("NAdam", {}), ("Adamax", {}), ("Adagrad", {}), ("Adadelta", {}),
    ("RMSprop", dict(centered=True, momentum=0.5, lr=0.002)),  # its first steps turn rounding noise into steps of 10 lr
]  # fmt: skip


def steps(device, rule, options):
    """Losses, norms of gradients and weights of a few steps of a small network, dropout included."""
    fastnn.manual_seed(3)
    x, t = fastnn.randn(20, 7).to(device), (fastnn.arange(20) % 4).to(device)
    net = fastnn.nn.Sequential(
        fastnn.nn.Linear(7, 33), fastnn.nn.GELU(), fastnn.nn.Dropout(0.3), fastnn.nn.Linear(33, 4), fastnn.nn.Tanh()
    ).to(device)
    optimizer = getattr(fastnn.optim, rule)(net.parameters(), **{"lr": 0.05, "weight_decay": 0.01, **options})
    numbers = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = fastnn.nn.functional.cross_entropy(net(x), t, label_smoothing=0.1)
        loss.backward()
        numbers += [loss.item(), fastnn.nn.utils.clip_grad_norm_(net.parameters(), 0.7).item()]
        fastnn.nn.utils.clip_grad_value_(net.parameters(), 0.5)
        optimizer.step()
    return [np.array(numbers), *(p.detach().cpu().numpy() for p in net.parameters())]


@pytest.mark.parametrize("rule, options", RULES)
def test_training_steps(rule, options):
    for a, b in zip(steps("cpu", rule, options), steps("cuda", rule, options), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=3e-6)


def test_masks_are_the_cpus():
    x = fastnn.ones(5, 333)
    fastnn.manual_seed(11)
    a = fastnn.nn.functional.dropout(x, 0.37)
    fastnn.manual_seed(11)
    b = fastnn.nn.functional.dropout(x.cuda(), 0.37)
    assert a.numpy().tobytes() == b.cpu().numpy().tobytes()

def both(f, *arrays, rtol=1e-11, grad=True):
    """f of the arrays, and its derivatives, on both devices."""
    results = []
    for move in (lambda x: x, lambda x: x.cuda()):
        args = [move(fastnn.from_numpy(a)) for a in arrays]
        floats = [a.requires_grad_() for a in args if grad and a.dtype.is_floating_point]
        y = f(*args)
        ys = y if isinstance(y, tuple) else (y,)
        out = here(ys)
        if floats:
            g = move(fastnn.from_numpy(np.cos(np.arange(ys[0].numel())).reshape(ys[0].shape)))
            out += here([d for d in fastnn.autograd.grad(ys[0], floats, g, allow_unused=True) if d is not None])
        results.append(out)
    same(results[1], results[0], rtol, str([a.shape for a in arrays]))


@pytest.mark.parametrize("n", [1, 3, 17, 255, 1025, 2049, 4100])  # a few numbers a thread, many, more than registers hold
def test_norm_rows(n, rng):
    F = fastnn.nn.functional
    x, w, b = rng.standard_normal((3, n)), rng.standard_normal(n), rng.standard_normal(n)
    both(lambda x, w, b: F.layer_norm(x, (n,), w, b), x, w, b)
    both(lambda x, w: F.rms_norm(x, (n,), w), x, w)


@pytest.mark.parametrize("shape", [(2, 6, 1), (3, 6, 37), (70, 4), (2, 4, 5, 9)])
def test_norm_channels(shape, rng):
    F = fastnn.nn.functional
    x, w, b = rng.standard_normal(shape), rng.standard_normal(shape[1]), rng.standard_normal(shape[1])
    both(lambda x, w, b: F.group_norm(x, 2, w, b), x, w, b, rtol=1e-9)
    both(lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), x, w, b)


@pytest.mark.parametrize("n", [1, 2, 33, 1000, 1025, 9000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8])
def test_sort_lengths(n, dtype, rng):
    x = (rng.integers(0, 40, (2, n)) - 10 * (dtype is not np.uint8)).astype(dtype)  # many ties: the order is stable
    both(lambda x: fastnn.sort(x, dim=-1), x, grad=False)
    both(lambda x: fastnn.sort(x.T, dim=0, descending=True, stable=True), x, grad=False)
    both(lambda x: fastnn.topk(x, min(n, 5)), x, grad=False)
    both(lambda x: fastnn.unique(x, return_inverse=True, return_counts=True), x, grad=False)


def test_quantiles(rng):
    x = rng.standard_normal((5, 7))
    both(lambda x: x.quantile(0.3), x)
    both(lambda x: x.nanquantile(fastnn.tensor([0.2, 0.9], dtype=x.dtype, device=x.device), 1), x)


@pytest.mark.parametrize("n", [1, 255, 1025, 40000])  # one step, several, pieces
def test_scan_lengths(n, rng):
    x = rng.standard_normal((2, n)) if n < 2000 else rng.integers(-9, 9, (1, n))
    both(lambda x: x.cumsum(1), x, rtol=1e-9)
    both(lambda x: x.T.cumsum(0), x, rtol=1e-9)
    both(lambda x: x.argmax(), x, grad=False)


def test_scattered_sums_are_the_cpus(rng):
    """Many indices to few places, as embeddings have: the same bits as on the CPU, wherever rows lie."""
    index, x = rng.integers(0, 7, 900), rng.standard_normal((900, 5)).astype(np.float32)
    y = [here(fastnn.zeros(7, 5, device=d).index_add(0, fastnn.from_numpy(index).to(d), fastnn.from_numpy(x).to(d)))[0] for d in ("cpu", "cuda")]
    assert y[0].tobytes() == y[1].tobytes()
    both(lambda w: fastnn.nn.functional.embedding(fastnn.from_numpy(index).to(w.device), w), rng.standard_normal((7, 3)))


@pytest.mark.parametrize("rows, keys, width, values", [(1, 1, 1, 1), (65, 70, 20, 9), (33, 64, 8, 130), (5, 129, 3, 70)])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_tiles(rows, keys, width, values, causal, rng):
    F = fastnn.nn.functional
    q, k, v = (rng.standard_normal((2, n, m)) for n, m in ((rows, width), (keys, width), (keys, values)))
    both(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal), q, k, v, rtol=1e-10)


@pytest.mark.parametrize("m, n, k", [(17, 33, 5), (130, 70, 40), (200, 129, 17)])
@pytest.mark.parametrize("precision, error", [("high", 2e-6), ("medium", 2e-3)])
def test_products_on_tensor_cores(m, n, k, precision, error, rng):
    """3xTF32 is as accurate as float32, TF32 is not; any layout, and the derivatives."""
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (n, k)))
    fastnn.set_float32_matmul_precision(precision)
    try:
        y = (fastnn.from_numpy(a).cuda() @ fastnn.from_numpy(b).cuda().T).cpu().numpy()
    finally:
        fastnn.set_float32_matmul_precision("highest")
    off = np.abs(y - a.astype(float) @ b.T.astype(float)).max() / np.sqrt(k)
    assert off < error and (precision == "high" or not SHIM or off > error / 1e3)


RUNGS = [(family, name) for family, ladder in fastnn.rungs(device="cuda").items() for name in ladder[:-1]]


@pytest.mark.parametrize("family, name", RUNGS)
def test_rung_is_the_cpus(family, name):  # float64 in test_matmul_rungs and test_row_rungs
    with fastnn.rung(**{family: name}, device="cuda"):
        assert compare({"layer_norm": "norm", "max_pool2d": "pool", "lstm": "rnn"}.get(family, family), "float32")


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", fastnn.rungs("matmul", "cuda"))
def test_matmul_rungs(name, schedule, rng, monkeypatch):
    """Ragged tiles, nothing to add, operands and results of any strides, batches; and the derivatives, which are products again."""
    monkeypatch.setenv("FASTNN_SHIM_SCHEDULE", schedule)
    for m, k, n in [(1, 1, 1), (0, 3, 2), (3, 0, 2), (17, 33, 65), (133, 9, 130), (5, 150, 9)]:  # the last: once around a ring and more
        a, b, d = rng.standard_normal((m, k)), rng.standard_normal((k, n)), rng.standard_normal(n)
        for layout in ("contiguous", "transposed", "stepped", "misaligned"):
            for dtype in (np.float64, np.float32):
                x, y, z = (there(fastnn.from_numpy(v.astype(dtype)), layout) for v in (a, b, d))
                with fastnn.rung(matmul=name, device="cuda"):
                    got = here([x @ y, fastnn.nn.functional.linear(x, y.T, z)])
                for g, w in zip(got, (a @ b, a @ b + d), strict=True):
                    np.testing.assert_allclose(g, w, atol=1e-12 if dtype is np.float64 else 1e-4, err_msg=f"{m} {k} {n} {layout}")
    with fastnn.rung(matmul=name, device="cuda"):
        both(lambda a, b: a @ b, rng.standard_normal((2, 3, 33, 9)), rng.standard_normal((3, 9, 40)))
        both(lambda a, b: a @ b, rng.standard_normal((4, 7, 9)), rng.standard_normal((9, 36)))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("family, name", [r for r in RUNGS if r[0] in ("softmax", "layer_norm")])
def test_row_rungs(family, name, schedule, rng, monkeypatch):
    """Rows shorter than a warp, longer than a block, and than what registers hold; fewer rows than threads, and more than blocks."""
    monkeypatch.setenv("FASTNN_SHIM_SCHEDULE", schedule)
    F = fastnn.nn.functional
    with fastnn.rung(**{family: name}, device="cuda"):
        for shape in [(300, 1), (3, 17), (2, 257), (1, 4200), (7, 0), (0, 7)]:
            x, w, b = rng.standard_normal(shape), rng.standard_normal(shape[1]), rng.standard_normal(shape[1])
            if family == "softmax":
                both(lambda x: F.softmax(x, 1), x)
                both(lambda x: F.softmax(x, 0), x)
            elif shape[1]:
                both(lambda x, w, b: F.layer_norm(x, w.shape, w, b), x, w, b)
                both(lambda x: F.layer_norm(x, x.shape[1:]), x)


GEOMETRIES = [  # images, channels, height, width, outputs, kernel, stride, padding, dilation, groups
    (2, 3, 9, 11, 5, (3, 3), 1, 1, 1, 1), (1, 4, 10, 40, 6, (2, 5), (2, 3), (1, 2), (2, 1), 2), (1, 2, 7, 6, 3, (1, 1), 3, 0, 1, 1),
    (2, 6, 5, 33, 6, (3, 1), (1, 2), (2, 0), 3, 6), (1, 1, 30, 31, 2, (13, 12), 4, 6, 1, 1), (1, 18, 12, 13, 70, (3, 3), 2, 1, 1, 1),
    (0, 2, 5, 5, 3, (3, 3), 1, 1, 1, 1), (2, 2, 3, 3, 2, (2, 2), 5, 1, 4, 1),
]  # fmt: skip


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", fastnn.rungs("conv2d", "cuda"))
def test_conv2d_rungs(name, schedule, rng, monkeypatch):
    """Strides that leave rows without a tap, dilations, groups, windows too large for shared memory, ragged tiles; dx, dw and the bias."""
    monkeypatch.setenv("FASTNN_SHIM_SCHEDULE", schedule)
    for n, c, h, w, o, kernel, stride, padding, dilation, groups in GEOMETRIES:
        x, f, b = rng.standard_normal((n, c, h, w)), rng.standard_normal((o, c // groups, *kernel)), rng.standard_normal(o)
        for dtype, rtol in ((np.float64, 1e-11), (np.float32, 2e-5)):
            with fastnn.rung(conv2d=name, device="cuda"):
                both(lambda x, f, b: fastnn.nn.functional.conv2d(x, f, b, stride, padding, dilation, groups), *(a.astype(dtype) for a in (x, f, b)), rtol=rtol)  # noqa: B023
        with fastnn.rung(conv2d=name, device="cuda"):
            both(lambda x, f: fastnn.nn.functional.conv_transpose2d(x, f, None, stride, 0, 0, groups, dilation), x, rng.standard_normal((c, 2, *kernel)))  # noqa: B023


def test_large_tiles_of_conv2d(rng):
    """Enough numbers that the production kernels take tiles of 128 x 128, and dw pieces of its sum."""
    x, f = rng.standard_normal((30, 66, 34, 35)).astype(np.float32), rng.standard_normal((66, 66, 1, 2)).astype(np.float32)
    both(lambda x, f: fastnn.nn.functional.conv2d(x, f), x, f, rtol=2e-5)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", fastnn.rungs("attention", "cuda"))
def test_attention_rungs(name, schedule, rng, monkeypatch):
    """Ragged tiles, more columns than a block has, causal with fewer and more rows than keys, shared keys, masks, rows that see nothing."""
    monkeypatch.setenv("FASTNN_SHIM_SCHEDULE", schedule)
    F = fastnn.nn.functional
    with fastnn.rung(attention=name, device="cuda"):
        for rows, keys, width, values, causal in [(1, 1, 1, 1, False), (33, 70, 20, 9, True), (70, 33, 8, 66, True), (5, 66, 67, 70, False), (0, 3, 2, 2, False)]:
            arrays = [rng.standard_normal((2, n, m)) for n, m in ((rows, width), (keys, width), (keys, values))]
            both(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal), *arrays, rtol=1e-10)  # noqa: B023
            both(lambda q, k, v: F.scaled_dot_product_attention(q, k, v), *(a.astype(np.float32) for a in arrays), rtol=2e-5)
        q, k, v, added = (rng.standard_normal(s) for s in ((2, 4, 9, 5), (2, 2, 35, 5), (2, 2, 35, 3), (4, 9, 35)))
        seen = fastnn.from_numpy(rng.random((9, 35)) > 0.5)
        seen[3] = False
        both(lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m, enable_gqa=True), q, k, v, added, rtol=1e-10)
        both(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, seen.to(q.device), enable_gqa=True), q, k, v, rtol=1e-10)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", fastnn.rungs("lstm", "cuda"))
def test_lstm_rungs(name, schedule, rng, monkeypatch):
    """Sequences of different lengths, both directions, more sequences than a block has, states to begin with and to end with."""
    monkeypatch.setenv("FASTNN_SHIM_SCHEDULE", schedule)

    def lstm(x, h, c, *weights):
        packed = fastnn.nn.utils.rnn.pack_padded_sequence(x, fastnn.tensor(lengths), enforce_sorted=False)  # noqa: B023
        y, h, c = fastnn.lstm(packed.data, packed.batch_sizes, (h, c), list(weights), True, 1, 0.0, True, True)
        return fastnn.cat([y.reshape(-1), h.reshape(-1), c.reshape(-1)])

    with fastnn.rung(lstm=name, device="cuda"):
        for lengths, inputs, units in [([4, 2, 2, 1, 3, 4], 3, 5), ([1], 1, 1)]:
            shapes = [(4 * units, inputs), (4 * units, units), (4 * units,), (4 * units,)] * 2
            states = [rng.standard_normal((2, len(lengths), units)) for _ in range(2)]
            both(lstm, rng.standard_normal((max(lengths), len(lengths), inputs)), *states, *(0.5 * rng.standard_normal(s) for s in shapes))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", fastnn.rungs("max_pool2d", "cuda"))
def test_max_pool_rungs(name, schedule, rng, monkeypatch):
    """Many ties, NaN and minus infinity; windows that overlap, leave gaps, and are too large for shared memory; the derivative."""
    monkeypatch.setenv("FASTNN_SHIM_SCHEDULE", schedule)
    pool = fastnn.nn.functional.max_pool2d
    with fastnn.rung(max_pool2d=name, device="cuda"):
        for kernel, stride, padding, dilation in [(2, 2, 0, 1), (3, 2, 1, 1), (3, 1, 1, 2), ((1, 5), (1, 3), (0, 2), 1), (17, 5, 8, 1), (2, 4, 1, 1)]:
            for shape in [(2, 3, 19, 37), (1, 1, 20, 5), (0, 2, 18, 18)]:
                if kernel == 17 and shape[3] == 5:
                    continue
                x = rng.integers(-3, 3, shape).astype(np.float32)
                both(lambda x: pool(x, kernel, stride, padding, dilation), x.astype(np.float64))  # noqa: B023
                x[rng.random(x.shape) < 0.1] = np.nan
                x[rng.random(x.shape) < 0.1] = -np.inf
                both(lambda x: pool(x, kernel, stride, padding, dilation, return_indices=True), x, grad=False)  # noqa: B023


@pytest.mark.parametrize("name", fastnn.rungs("softmax", "cuda"))
@pytest.mark.parametrize("log", [False, True])
def test_softmax_of_special_values(name, log):
    inf, nan = np.inf, np.nan
    x = np.array([[inf, 0, 1], [-inf, -inf, -inf], [nan, 1, 2], [-inf, 1, -inf], [inf, inf, -inf], [1, -inf, nan], [1e30, -1e30, 0]])
    F = fastnn.nn.functional
    with fastnn.rung(softmax=name, device="cuda"):
        both(lambda x: (F.log_softmax if log else F.softmax)(x, 1), x, grad=False)


def test_ladders_are_each_devices_own():
    with fastnn.rung(matmul="naive"):  # a name that both have
        assert chosen() == {("cpu", "matmul", "naive"), ("cuda", "matmul", "naive")}
        with fastnn.rung(matmul="coalesced"):
            assert chosen() == {("cpu", "matmul", "naive"), ("cuda", "matmul", "coalesced")}
        with fastnn.rung(matmul=2):
            assert chosen() == {("cpu", "matmul", "streamed"), ("cuda", "matmul", "naive")}
        with fastnn.rung(matmul=2, device="cuda"), fastnn.rung(matmul="production"):
            assert chosen() == set()
    assert chosen() == set()


def chosen():
    return {(device, r[0], r[2]) for device in ("cpu", "cuda") for r in fastnn._cpu.rungs(device == "cuda") if r[4]}


DRAWS = {
    "rand": lambda d: fastnn.rand(3, 333, device=d),
    "rand float64": lambda d: fastnn.rand(333, dtype=fastnn.float64, device=d),
    "uniform": lambda d: fastnn.empty(777, device=d).uniform_(-2.5, 0.1),
    "randn": lambda d: fastnn.randn(5, 333, device=d),
    "randn float64": lambda d: fastnn.randn(5, 333, dtype=fastnn.float64, device=d),
    "normal": lambda d: fastnn.empty(777, device=d).normal_(1.5, 0.3),
    "randint": lambda d: fastnn.randint(-5, 1 << 40, (300,), device=d),
    "bernoulli": lambda d: fastnn.bernoulli(fastnn.linspace(0, 1, 300).to(d)),
    "randperm": lambda d: fastnn.randperm(1000, device=d),
    "randperm in buckets": lambda d: fastnn.randperm(70000, device=d),
    "multinomial": lambda d: fastnn.multinomial(fastnn.linspace(0, 1, 300).to(d).reshape(2, 150), 40),
    "multinomial with replacement": lambda d: fastnn.multinomial(fastnn.linspace(0, 1, 300).to(d).reshape(2, 150), 400, replacement=True),
}


@pytest.mark.parametrize("name", DRAWS)
def test_random_numbers_are_the_cpus(name):
    results = []
    for device in ("cpu", "cuda"):
        fastnn.manual_seed(11)
        results.append([here(DRAWS[name](device))[0].tobytes() for _ in range(2)])
    assert results[0] == results[1]


def test_targets_out_of_range():
    x, t = fastnn.zeros(3, 4).cuda(), fastnn.tensor([0, 4, 1]).cuda()
    with pytest.raises(IndexError, match="cross_entropy.*4"):
        fastnn.nn.functional.cross_entropy(x, t).item()
    assert fastnn.nn.functional.cross_entropy(x, t % 4).item() == pytest.approx(np.log(4))


def test_memory_comes_back():
    x = fastnn.ones(1000).cuda()
    before = fastnn.cuda.memory_allocated()
    for _ in range(5):
        x.exp()
    assert fastnn.cuda.memory_allocated() == before
    with pytest.raises(MemoryError):
        fastnn._cpu.empty((1 << 45,), fastnn.float32, x)
    assert x.exp().cpu().shape == (1000,)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda c, h: c + h, RuntimeError, "add.*cuda:0 and cpu"),
        (lambda c, h: h.add_(c), RuntimeError, "same device"),
        (lambda c, h: c @ h.T, RuntimeError, "matmul"),
        (lambda c, h: c.numpy(), TypeError, "Tensor.cpu"),
        (lambda c, h: np.asarray(c), TypeError, "Tensor.cpu"),
        (lambda c, h: c.to("cuda:1"), RuntimeError, "cuda:1"),
        (lambda c, h: c.__dlpack__(dl_device=(1, 0)), BufferError, "cuda:0"),
        (lambda c, h: c.to(fastnn.uint8) - c.bool() - c.bool().logical_not().sub(c.bool()), RuntimeError, "bool"),
    ],
)
def test_errors(call, error, words):
    c, h = fastnn.ones(2, 3).cuda(), fastnn.ones(2, 3)
    with pytest.raises(error, match=words):
        call(c, h)
    assert (c + 1).tolist() == [[2, 2, 2], [2, 2, 2]]  # the next call works


def test_dlpack_shares_memory(rng):
    x = fastnn.from_numpy(rng.standard_normal((3, 4))).cuda()
    assert x.__dlpack_device__() == (2, 0) and fastnn.ones(1).__dlpack_device__() == (1, 0)
    y = fastnn.from_dlpack(x.T)
    assert y.is_cuda and y.stride() == (1, 4) and y.tolist() == x.T.tolist()
    y *= 2
    assert y.tolist() == x.T.tolist()
    before = fastnn.cuda.memory_allocated()
    del x
    assert fastnn.cuda.memory_allocated() == before and (y + 1).shape == (4, 3)
    del y
    assert fastnn.cuda.memory_allocated() < before
    fastnn.cuda.current_stream().synchronize()


def test_faults_are_raised_and_forgotten():
    a, b = fastnn.tensor([6, 7]).cuda(), fastnn.tensor([0, 2]).cuda()
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        (a // b).cpu()
    assert (a // fastnn.tensor([1, 2]).cuda()).tolist() == [6, 3]
    with pytest.raises(RuntimeError, match="negative"):
        (a ** fastnn.tensor([-1, 2]).cuda()).cpu()
    assert (a**2).tolist() == [36, 49]


def test_every_kernel_has_been_launched():
    for family in set(families()) - COMPARED:
        compare(family, "float32")
    with noting():  # what only derivatives of derivatives, optimizers and printing reach
        for rule, options in RULES:
            steps("cuda", rule, options)
        x = fastnn.ones(1, 2, 4, 4).cuda().requires_grad_()
        for f in (lambda x: x.tanh(), lambda x: fastnn.nn.functional.max_pool2d(x, 2).square()):
            g = fastnn.autograd.grad(f(x).sum(), x, create_graph=True)[0]
            g.sum().backward()
        for draw in DRAWS.values():
            draw("cuda")
    assert [k for k in fastnn.cuda.kernels() if k not in LAUNCHED] == []


# ---- the shim itself --------------------------------------------------------------------------------------------------------

BROKEN = [
    (0, "a missing barrier, read forwards", ["first", "turn"]),
    (1, "a missing barrier, read backwards", ["last"]),
    (2, "a missing barrier between warps", ["first", "last"]),
    (8, "a copy that nobody waits for", SCHEDULES),
    (9, "a product that nobody waits for", SCHEDULES),
    (10, "a tile given away before all have read it", ["first"]),
]
REFUSED = [(11, "bytes more announced"), (12, "not all threads reach"), (3, "not all threads reach"), (4, "not all threads reach"), (5, "nothing is allocated"), (6, "shared tile\\[128\\]"), (7, "barrier")]


def broken(which):
    message = ctypes.create_string_buffer(512)
    library = ctypes.CDLL(os.environ["FASTNN_CUDA_LIBRARY"])
    return library.fastnn_shim_broken(which, message, 512), message.value.decode()


@shim_only
@pytest.mark.parametrize("which, what, schedules", BROKEN)
def test_shim_shows_missing_barriers(which, what, schedules, monkeypatch):
    for schedule in schedules:
        monkeypatch.setenv("FASTNN_SHIM_SCHEDULE", schedule)
        wrong, message = broken(which)
        assert wrong > 0, (what, schedule, message)


@shim_only
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_shim_copies_what_is_waited_for(schedule, monkeypatch):
    monkeypatch.setenv("FASTNN_SHIM_SCHEDULE", schedule)
    assert broken(13) == (0, "")


@shim_only
@pytest.mark.parametrize("which, words", REFUSED)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_shim_refuses(which, words, schedule, monkeypatch):
    import re

    monkeypatch.setenv("FASTNN_SHIM_SCHEDULE", schedule)
    wrong, message = broken(which)
    assert wrong == -1 and re.search(words, message), message


@shim_only
def test_shim_counts():
    a = fastnn.ones(64, 64).cuda()
    fastnn._cpu.device_counts()
    a + a, a.T.contiguous()
    counts = fastnn._cpu.device_counts()  # launches, requests, sectors moved, sectors if coalesced, ...
    assert counts["add"][:4] == [1, 3 * 4096 // 32, 3 * 4096 // 8, 3 * 4096 // 8]
    assert counts["copy"][2] == 4096 + 4096 // 8 and counts["copy"][3] == 2 * 4096 // 8  # a sector for each number read


@shim_only
@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("family", fastnn.rungs(device="cuda"))
def test_rungs_count_what_their_texts_say(family, derivative):
    from fastnn.bench.ladder import counted, on_cuda

    counts, _ = on_cuda(family, counted, quick=True, derivative=derivative)
    assert list(counts) == fastnn.rungs(family, "cuda")
    for name in list(counts)[:-1]:
        head = "//          derivative:" if derivative else "// counted"
        line = next(x for x in fastnn.source(family, name, "cuda").splitlines() if x.startswith(head))
        numbers = [int(n.replace(",", "")) for n in line.split(":")[1].replace(";", "").split() if n[0].isdigit()]
        _, requests, sectors, _, shared, conflicts, _, _ = counts[name]
        assert numbers == [requests, sectors, shared, conflicts], (name, counts[name])


def test_study_prints_the_ladder(capsys, monkeypatch):
    from fastnn.bench import ladder
    from fastnn.cli import main

    family = "softmax"
    assert main(["study", family, "--device", "cuda", "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[4:]] == [[str(i), name] for i, name in enumerate(fastnn.rungs(family, "cuda"), 1)]
    assert ("conflicts" in lines[3]) == SHIM and ("GFLOP/s" in lines[3]) != SHIM
    monkeypatch.setattr(ladder, "best", lambda call, seconds: call() or 1.0)
    monkeypatch.setattr(fastnn.cuda, "get_device_name", lambda: "some GPU")
    monkeypatch.setattr(fastnn.bench.ladder, "climbs", lambda family, quick, climbs=ladder.climbs: climbs(family, True))
    assert list(ladder.study_cuda(family)) == fastnn.rungs(family, "cuda") and "ms" in capsys.readouterr().out
    assert main(["study", "relu", "--device", "cuda"]) == 2
