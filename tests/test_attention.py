"""Scaled dot-product attention against NumPy in float64, against its own composition, and against torch where installed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastnn
import fastnn.nn.functional as F
from fastnn import nn
from fastnn.autograd import gradcheck, gradgradcheck
from fastnn.ops import attention as ops
from fastnn.reference.attention import attention as reference

TOLERANCE = {"float32": 3e-6, "float64": 1e-12}


def arrays(rng, dtype, *shapes):
    return [rng.standard_normal(s).astype(dtype) for s in shapes]


def strided(a, how):
    """The same numbers, laid out otherwise."""
    if how == "heads last" and a.ndim > 2:
        return np.ascontiguousarray(a.swapaxes(-2, -3)).swapaxes(-2, -3)
    if how == "columns":
        return np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2)
    if how == "backwards":
        return np.ascontiguousarray(a[..., ::-1, :])[..., ::-1, :]
    if how == "part":
        wide = np.full((*a.shape[:-1], 2 * a.shape[-1] + 3), np.nan, a.dtype)
        wide[..., 1 : a.shape[-1] + 1] = a
        return wide[..., 1 : a.shape[-1] + 1]
    return a


def attend(q, k, v, mask=None, **options):
    q, k, v = (fastnn.from_numpy(a) for a in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, None if mask is None else fastnn.from_numpy(mask), **options)


def close(got, want, dtype):
    got = got.detach().numpy() if isinstance(got, fastnn.Tensor) else got
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * max(1.0, np.abs(want).max(initial=0)))


sizes = st.one_of(st.integers(0, 20), st.integers(50, 80), st.sampled_from([127, 128, 129, 255, 257, 300]))


@settings(max_examples=80, deadline=None)
@given(
    batch=st.integers(1, 2), heads=st.integers(1, 3), group=st.integers(1, 3), length=sizes, keys=sizes, width=st.integers(1, 40),
    values=st.integers(1, 40), mask=st.sampled_from([None, None, "flags", "numbers"]), causal=st.booleans(),
    shared=st.sampled_from([(0, 1, 2, 3), (2, 3), (1, 3), (0, 3), (3,)]), dtype=st.sampled_from(["float32", "float64"]),
    layout=st.sampled_from(["plain", "heads last", "columns", "backwards", "part"]), seed=st.integers(0, 99),
)  # fmt: skip
def test_every_shape(batch, heads, group, length, keys, width, values, mask, causal, shared, dtype, layout, seed):
    rng = np.random.default_rng(seed)
    q, k, v = arrays(rng, dtype, (batch, heads * group, length, width), (batch, heads, keys, width), (batch, heads, keys, values))
    scores = (batch, heads * group, length, keys)
    m = None
    if mask is not None:
        causal = False
        shape = tuple(n if axis in shared else 1 for axis, n in enumerate(scores))
        m = rng.random(shape) < 0.7 if mask == "flags" else rng.standard_normal(shape).astype(dtype)
    full = None if m is None else np.broadcast_to(m, scores)
    want = reference(*(a.astype(float) for a in (q, k, v)), full, causal)
    y = attend(*(strided(a, layout) for a in (q, k, v)), m, is_causal=causal, enable_gqa=group > 1)
    close(y, want, dtype)


def derivatives(f, tensors, g):
    tensors = [t.detach().clone().requires_grad_() for t in tensors]
    return fastnn.autograd.grad(f(*tensors), tensors, g)


@settings(max_examples=60, deadline=None)
@given(
    heads=st.integers(1, 3), group=st.integers(1, 2), length=sizes, keys=sizes, width=st.integers(1, 40), values=st.integers(1, 40),
    mask=st.sampled_from([None, None, "flags", "numbers"]), causal=st.booleans(), p=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
    layout=st.sampled_from(["plain", "heads last", "columns", "part"]), seed=st.integers(0, 99),
)  # fmt: skip
def test_derivative_is_that_of_the_composition(heads, group, length, keys, width, values, mask, causal, p, layout, seed):
    rng = np.random.default_rng(seed)
    q, k, v = arrays(rng, "float64", (heads * group, length, width), (heads, keys, width), (heads, keys, values))
    tensors = [fastnn.from_numpy(strided(a, layout)) for a in (q, k, v)]
    flags = None
    if mask == "flags":
        flags = fastnn.from_numpy(rng.random((heads * group, length, keys)) < 0.7)
    elif mask == "numbers":
        tensors.append(fastnn.from_numpy(rng.standard_normal((heads * group, length, keys))))
    dropped = fastnn.tensor([seed, 64]) if p else None
    options = {"dropped": dropped, "scale": 0.3, "causal": causal and mask is None, "p": p}

    def fused(q, k, v, m=flags):
        return ops._attention(q, k, v, m, **options)[0]

    def composed(q, k, v, m=flags):
        return ops._composed(q, k, v, m, **options)

    g = fastnn.from_numpy(strided(rng.standard_normal((heads * group, length, values)), layout))
    close(fused(*tensors), composed(*tensors).numpy(), "float64")
    for got, want in zip(derivatives(fused, tensors, g), derivatives(composed, tensors, g), strict=True):
        close(got, want.numpy(), "float64")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_and_layouts_change_nothing(dtype, rng):
    q, k, v = arrays(rng, dtype, (1, 2, 330, 20), (1, 2, 700, 20), (1, 2, 700, 24))

    def run(how="plain"):
        ts = [fastnn.from_numpy(strided(a, how)).requires_grad_() for a in (q, k, v)]
        y = F.scaled_dot_product_attention(*ts, dropout_p=0.2, is_causal=True)
        return [y, *fastnn.autograd.grad(y, ts, fastnn.ones_like(y))]

    results = []
    for n in (1, 2, 3, 7):
        for how in ("plain", "heads last"):
            fastnn.manual_seed(1)
            with fastnn.threads(n):
                results.append([t.detach().numpy().tobytes() for t in run(how)])
    assert all(r == results[0] for r in results)


def test_dropout_keeps_the_mean_and_its_numbers(rng):
    q, k, v = arrays(rng, "float32", (2, 40, 8), (2, 90, 8), (2, 90, 4))
    v[:] = 1
    fastnn.manual_seed(0)
    y = attend(q, k, v, dropout_p=0.25)
    assert abs(y.mean().item() - 1) < 0.05
    assert y.numpy().std() > 0.01
    assert not np.array_equal(y.numpy(), attend(q, k, v, dropout_p=0.25).numpy())
    fastnn.manual_seed(0)
    assert np.array_equal(y.numpy(), attend(q, k, v, dropout_p=0.25).numpy())
    assert not attend(q, k, v, dropout_p=1.0).numpy().any()
    weights = fastnn.ones(2, 40, 90)
    fastnn.manual_seed(0)
    kept = F.dropout(weights, 0.25) > 0  # the same numbers as dropout of the matrix of weights
    q[:] = 0
    fastnn.manual_seed(0)
    np.testing.assert_allclose(attend(q, k, v, dropout_p=0.25).numpy()[..., 0], kept.numpy().mean(-1) / 0.75, rtol=1e-5)


@pytest.mark.parametrize("mask", ["flags", "numbers"])
def test_rows_that_see_nothing(mask, rng):
    q, k, v = (fastnn.from_numpy(a).requires_grad_() for a in arrays(rng, "float64", (2, 5, 3), (2, 300, 3), (2, 300, 4)))
    seen = np.zeros((2, 5, 300), bool)
    seen[0, 1:3, 270:] = True
    m = fastnn.from_numpy(seen if mask == "flags" else np.where(seen, 0.5, -np.inf))
    y = F.scaled_dot_product_attention(q, k, v, m)
    grads = fastnn.autograd.grad(y, (q, k, v), fastnn.ones_like(y))
    nothing = ~seen.any(-1)
    assert not y.detach().numpy()[nothing].any()
    assert not grads[0].numpy()[nothing].any()
    for g in grads[1:]:
        assert np.isfinite(g.numpy()).all()
        assert not g.numpy()[~seen.any(1)].any()
    close(y, reference(*(t.detach().numpy() for t in (q, k, v)), m.numpy()), "float64")


def test_large_numbers(rng):
    q, k, v = arrays(rng, "float64", (1, 9, 4), (1, 600, 4), (1, 600, 4))
    q *= 1e3
    close(attend(q, k, v), reference(q, k, v), "float64")
    lowest = np.full((9, 600), np.finfo(np.float64).min)  # not -inf: every key alike
    y = attend(np.zeros_like(q), k, v, lowest)
    np.testing.assert_allclose(y.numpy(), np.broadcast_to(v.mean(1, keepdims=True), y.shape), atol=1e-12)
    k[0, 500] = np.nan
    assert np.isnan(attend(q, k, v).numpy()).all()
    hidden = np.arange(600) < 500
    assert np.isfinite(attend(q, k, v[:, :, :2] * 1, hidden[None]).numpy()).all()


@pytest.mark.parametrize("causal", [False, True])
def test_every_order_of_derivative(causal, rng):
    ts = [fastnn.from_numpy(a).requires_grad_() for a in arrays(rng, "float64", (2, 3, 2), (1, 4, 2), (1, 4, 3))]

    def f(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True)

    assert gradcheck(f, ts)
    assert gradgradcheck(f, ts)
    third = fastnn.autograd.grad(fastnn.autograd.grad(fastnn.autograd.grad(f(*ts).sum(), ts[0], create_graph=True)[0].sum(), ts[0],
                                                      create_graph=True)[0].sum(), ts[0])[0]  # fmt: skip
    assert np.isfinite(third.numpy()).all()


def test_vmap_and_jvp(rng):
    q, k, v = (fastnn.from_numpy(a) for a in arrays(rng, "float64", (4, 2, 5, 3), (4, 2, 6, 3), (4, 2, 6, 3)))
    f = F.scaled_dot_product_attention
    np.testing.assert_allclose(fastnn.func.vmap(f)(q, k, v).numpy(), f(q, k, v).numpy(), atol=1e-15)
    per_example = fastnn.func.vmap(fastnn.func.grad(lambda q, k, v: f(q, k, v, is_causal=True).sum()))(q, k, v)
    whole = fastnn.func.grad(lambda q: f(q, k, v, is_causal=True).sum())(q)
    np.testing.assert_allclose(per_example.numpy(), whole.numpy(), atol=1e-14)
    _, dy = fastnn.func.jvp(lambda q: f(q, k, v), (q,), (fastnn.ones_like(q),))
    step = 1e-6
    want = (f(q + step, k, v) - f(q - step, k, v)) / (2 * step)
    np.testing.assert_allclose(dy.numpy(), want.numpy(), atol=1e-8)


def test_output_has_the_layout_of_the_query(rng):
    q, k, v = (fastnn.randn(2, 5, 3, 8).transpose(1, 2).requires_grad_() for _ in range(3))
    y = F.scaled_dot_product_attention(q, k, v)
    assert y.transpose(1, 2).is_contiguous()
    y.sum().backward()
    assert F.scaled_dot_product_attention(*(t.detach().contiguous() for t in (q, k, v))).is_contiguous()


def test_memory_is_linear_in_the_length():
    """From 512 to 16,384, forward and derivative; a matrix of scores would take 32 times as much for each position at the end."""
    peaks = {}
    for length in (512, 1024, 2048, 4096, 8192, 16384):
        q, k, v = (fastnn.randn(1, length, 16).requires_grad_() for _ in range(3))
        fastnn._cpu.pool_reset_peak()
        before = fastnn._cpu.pool_stats()["live_bytes"]
        F.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward()
        peaks[length] = (fastnn._cpu.pool_stats()["peak_bytes"] - before) / length
    assert max(peaks.values()) < 1.7 * peaks[512], peaks


def test_layers_use_it(rng):
    layer = nn.MultiheadAttention(12, 3, batch_first=True)
    x = fastnn.from_numpy(rng.standard_normal((2, 7, 12)).astype(np.float32))
    padding = fastnn.from_numpy(np.arange(7) >= np.array([[7], [4]]))
    before = fastnn._cpu.launches()["attention"]
    y, weights = layer(x, x, x, padding, need_weights=False)
    assert weights is None
    assert fastnn._cpu.launches()["attention"] == before + 1
    np.testing.assert_allclose(y.detach().numpy(), layer(x, x, x, padding)[0].detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_padded_keys_equal_none_bit_for_bit(rng, dtype):
    """Whether the queries are cut, too, or not: also the few that read keys and values where they lie."""
    for width, longest in ((4, 12), (20, 40), (64, 300), (100, 33)):
        lengths = np.array([longest, 1, longest // 2 + 3, 7])
        q, k, v = (fastnn.from_numpy(a) for a in arrays(rng, dtype, *[(4, 2, longest, width)] * 3))
        y = F.scaled_dot_product_attention(q, k, v, fastnn.from_numpy(np.arange(longest) < lengths[:, None, None, None]))
        for b, n in enumerate(lengths.tolist()):
            for m in (n, longest, 1, 3):
                assert fastnn.equal(y[b, :, :m], F.scaled_dot_product_attention(q[b, :, :m], k[b, :, :n], v[b, :, :n]))
        few, seen = q[:, :, :3], fastnn.from_numpy(np.arange(longest) < 5)
        assert fastnn.equal(F.scaled_dot_product_attention(few, k, v, seen), F.scaled_dot_product_attention(few, k[:, :, :5], v[:, :, :5]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cached_decoding_equals_the_whole_bit_for_bit(rng, dtype):
    for width, length in ((16, 20), (64, 270), (100, 9)):
        q, k, v = (fastnn.from_numpy(a) for a in arrays(rng, dtype, *[(2, 2, length, width)] * 3))
        whole = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        for i in (0, 1, 7, length // 2, length - 1):
            step = F.scaled_dot_product_attention(q[:, :, i : i + 1], k[:, :, : i + 1], v[:, :, : i + 1])
            assert fastnn.equal(whole[:, :, i : i + 1], step)


def test_bad_input(rng):
    q, k, v = (fastnn.from_numpy(a) for a in arrays(rng, "float32", (2, 4, 5, 8), (2, 4, 6, 8), (2, 4, 6, 8)))
    f = F.scaled_dot_product_attention
    for shape in [(5, 7), (4, 6), (3, 1, 5, 6), (2, 3, 5, 6), (7,)]:
        with pytest.raises(RuntimeError, match="must match|broadcast"):
            f(q, k, v, fastnn.zeros(shape))
    for bad in [fastnn.zeros(5, 6, dtype=fastnn.float64), fastnn.zeros(5, 6, dtype=fastnn.int64)]:
        with pytest.raises(RuntimeError, match="attn_mask dtype"):
            f(q, k, v, bad)
    with pytest.raises(RuntimeError, match="is_causal"):
        f(q, k, v, fastnn.zeros(5, 6), is_causal=True)
    with pytest.raises(RuntimeError, match="must divide the number of heads"):
        f(q, k[:, :3], v[:, :3], enable_gqa=True)
    with pytest.raises(IndexError):
        f(q[0, 0], k[0, 0], v[0, 0], enable_gqa=True)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        f(q, k[..., :5], v)
    with pytest.raises(RuntimeError, match="broadcast"):
        f(q, k[:, :3], v[:, :3])
    with pytest.raises(RuntimeError, match="dropout probability"):
        f(q, k, v, dropout_p=1.5)
    with pytest.raises(RuntimeError, match="same dtype"):
        f(q, k.double(), v)
    with pytest.raises(RuntimeError, match="floating"):
        f(q.long(), k.long(), v.long())
    with pytest.raises(TypeError, match="must be Tensor"):
        f(q, k, None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_as_torch(dtype, rng):
    torch = pytest.importorskip("torch", reason="compares with torch")
    cases = [
        ((2, 3, 70, 16), (2, 3, 70, 16), None, {"is_causal": True}),
        ((2, 6, 9, 16), (2, 2, 70, 16), None, {"is_causal": True, "enable_gqa": True}),
        ((2, 6, 9, 16), (2, 2, 70, 16), rng.random((2, 1, 9, 70)) < 0.8, {"enable_gqa": True}),
        ((1, 4, 20, 8), (2, 4, 30, 8), rng.standard_normal((2, 1, 20, 30)).astype(dtype), {"scale": 0.7}),
        ((3, 20, 8), (2, 3, 30, 8), rng.random((20, 30)) < 0.5, {}),
        ((2, 3, 20, 8), (2, 1, 30, 8), rng.standard_normal((20, 1)).astype(dtype), {}),
        ((1, 1, 600, 4), (1, 1, 550, 4), None, {"is_causal": True}),
        ((7, 5), (9, 5), None, {}),
    ]
    for q_shape, k_shape, mask, options in cases:
        values = arrays(rng, dtype, q_shape, k_shape, k_shape)
        ours, theirs = ([lib.from_numpy(a).requires_grad_() for a in values] for lib in (fastnn, torch))
        masks = [None if mask is None else lib.from_numpy(mask.copy()) for lib in (fastnn, torch)]
        if mask is not None and mask.dtype != bool:
            for ts, m in zip((ours, theirs), masks, strict=True):
                ts.append(m.requires_grad_())
        y = F.scaled_dot_product_attention(*ours[:3], masks[0], **options)
        want = torch.nn.functional.scaled_dot_product_attention(*theirs[:3], masks[1], **options)
        close(y, want.detach().numpy(), dtype)
        g = rng.standard_normal(want.shape).astype(dtype)
        got = fastnn.autograd.grad(y, ours, fastnn.from_numpy(g))
        for a, b in zip(got, torch.autograd.grad(want, theirs, torch.from_numpy(g)), strict=True):
            close(a, b.numpy(), dtype)


def test_flex_attention(rng):
    """Against scaled_dot_product_attention with the same mask or bias as a matrix, gradients too; an unseen query gives 0."""
    from fastnn.nn.attention import flex_attention as flex

    B, H, L, S = (int(n) for n in rng.integers(2, 6, 4))
    q, k, v = (fastnn.tensor(rng.normal(size=(B, H, n, 3)), requires_grad=True) for n in (L, S, S))
    slopes, doc = fastnn.tensor(rng.random(H)), fastnn.tensor(rng.integers(0, 2, (B, L + S)))
    near = flex.or_masks(lambda b, h, i, j: abs(i - j) < 2, lambda b, h, i, j: j == 0)
    same = flex.and_masks(near, lambda b, h, i, j: doc[b, i] == doc[b, L + j])
    i, j = fastnn.arange(L)[:, None], fastnn.arange(S)
    bias = slopes[:, None, None] * (j - i)
    for mod, added in ((None, 0), (lambda s, b, h, i, j: s + slopes[h] * (j - i), bias)):
        for mask in (None, flex.create_block_mask(near, None, None, L, S), flex.create_block_mask(same, B, None, L, S)):
            y, lse = flex.flex_attention(q, k, v, mod, mask, return_lse=True)
            seen = fastnn.ones(L, S, dtype=fastnn.bool) if mask is None else mask.mask
            scores = (q @ k.mT / 3**0.5 + added).masked_fill(~seen, -1e9)
            expected = scores.softmax(-1) @ v * seen.any(-1, keepdim=True)
            assert fastnn.allclose(y, expected) and fastnn.allclose(flex.flex_attention(q, k, v, mod, mask), y)
            assert fastnn.allclose(lse[lse.isfinite()], scores.logsumexp(-1)[lse.isfinite()])
            for one, other in zip(*(fastnn.autograd.grad(t.square().sum(), (q, k, v)) for t in (y, expected)), strict=True):
                assert fastnn.allclose(one, other)
    assert flex.create_block_mask(near, 1, 1, 8, 8, BLOCK_SIZE=3).to_dense().tolist() == [[[[1, 1, 0], [1, 1, 1], [1, 1, 1]]]]
    y = flex.flex_attention(q, k[:, :1], v[:, :1], enable_gqa=True)
    assert fastnn.allclose(y, flex.flex_attention(q, k[:, :1].expand_as(k), v[:, :1].expand_as(v)))
    with pytest.raises(ValueError, match="number of heads"):
        flex.flex_attention(q, k[:, :1], v[:, :1])
    with pytest.raises(ValueError, match="q_len"):
        flex.flex_attention(q, k, v, block_mask=flex.create_block_mask(near, 1, 1, L + 1, S))


def test_a_result_in_the_order_of_its_heads_is_no_view():
    q = fastnn.randn(2, 5, 3, 4).transpose(1, 2)
    y = fastnn.nn.functional.scaled_dot_product_attention(q, q, q)
    assert y.stride() == q.stride() and y._base is None
