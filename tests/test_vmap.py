"""vmap: every sample of every op equals a loop over examples, forward and backward; nesting, randomness, errors."""

import numpy as np
import pytest

import fastnn
from fastnn import func as F
from samples import families, samples

EXAMPLES = 3
# what an example's values decide: shapes of results, or a check in Python
DATA_DEPENDENT = {
    "argwhere", "embedding", "masked_select", "nonzero", "unique", "repeat_interleave", "masked_scatter", "one_hot", "tensor_split",
    "allclose", "equal", "bucketize", "gaussian_nll_loss", "normal", "where", "getitem", "setitem", "gamma quantile",
}  # fmt: skip


def examples(a, k):
    """The k-th example: a's values in another order, so that they stay in the op's domain."""
    return np.roll(a.reshape(-1), k).reshape(a.shape).copy()


def flat(args):
    return [x for a in args for x in (flat(a) if isinstance(a, (list, tuple)) else [a])]


def rebuilt(args, values):
    return [type(a)(rebuilt(a, values)) if isinstance(a, (list, tuple)) else next(values) for a in args]


def results(y):
    return [t for t in flat(y if isinstance(y, (tuple, list)) else [y]) if isinstance(t, fastnn.Tensor)]


def batches(args):
    """(which arguments are mapped) in turn: all arrays, then each alone."""
    arrays = [i for i, a in enumerate(flat(args)) if isinstance(a, np.ndarray)]
    yield arrays
    if len(arrays) > 1:
        for i in arrays:
            yield [i]


def call(sample, values):
    return results(sample.fn(*rebuilt(sample.args, iter(values)), **sample.kwargs))


@pytest.mark.parametrize("family", [f for f in families() if f not in ("random", "optimizer", "jet")])
def test_every_sample_is_a_loop(family):
    with np.errstate(all="ignore"):
        for _, sample in samples(family):
            for mapped in batches(sample.args):
                check(sample, mapped)


def check(sample, mapped):
    leaves = flat(sample.args)
    one = [
        [fastnn.from_numpy(examples(a, k if i in mapped else 0)) if isinstance(a, np.ndarray) else a for i, a in enumerate(leaves)]
        for k in range(EXAMPLES)
    ]
    try:
        expected = [call(sample, values) for values in one]
    except (RuntimeError, IndexError, ValueError):
        return  # a rolled argument is not a valid one
    if not expected[0]:
        return

    def fn(*xs):
        values = list(one[0])
        for i, x in zip(mapped, xs, strict=True):
            values[i] = x
        return tuple(call(sample, values))

    try:
        got = F.vmap(fn)(*[fastnn.stack([values[i] for values in one]) for i in mapped])
    except RuntimeError as e:
        assert "vmap" in str(e), f"{sample} {mapped}: {e}"
        name = sample.name or sample.fn.__name__
        assert any(word in name for word in DATA_DEPENDENT), f"{sample} {mapped}: {e}"
        return
    for j, y in enumerate(got):
        want = fastnn.stack([e[j] for e in expected]).numpy()
        assert y.numpy().shape == want.shape, f"{sample} {mapped}"
        assert y.numpy().dtype == want.dtype, f"{sample} {mapped}"
        np.testing.assert_allclose(y.numpy(), want, rtol=1e-12, atol=1e-13, err_msg=f"{sample} {mapped}")


@pytest.mark.parametrize("family", [f for f in families() if f not in ("random", "optimizer", "jet")])
def test_gradients_are_those_of_a_loop(family):
    """Outside vmap: each example's gradient, and for a shared argument their sum. Inside: each example's own for both."""
    with np.errstate(all="ignore"):
        for _, sample in samples(family):
            if sample.grad and sum(a.size for a in flat(sample.args) if isinstance(a, np.ndarray)) <= 300:
                for mapped in batches(sample.args):
                    check_gradients(sample, mapped)


def first_float(ys):
    return next((y for y in ys if y.dtype.is_floating_point), None)


def check_gradients(sample, mapped):
    leaves = flat(sample.args)
    floats = [i for i, a in enumerate(leaves) if isinstance(a, np.ndarray) and a.dtype == np.float64 and (sample.grad is True or i in sample.grad)]
    if not floats:
        return
    one = [
        [fastnn.from_numpy(examples(a, k if i in mapped else 0)) if isinstance(a, np.ndarray) else a for i, a in enumerate(leaves)]
        for k in range(EXAMPLES)
    ]

    def loss(k, xs):
        values = list(one[k])
        for i, x in xs.items():
            values[i] = x
        y = first_float(call(sample, values))
        return (y.sin() * 0.7 + y).sum()

    expected = {i: [] for i in floats}
    try:
        for k in range(EXAMPLES):
            xs = {i: one[k][i].clone().requires_grad_() for i in floats}
            y = loss(k, xs)
            if not y.requires_grad:
                return
            for i, g in zip(floats, fastnn.autograd.grad(y, [xs[i] for i in floats], materialize_grads=True), strict=True):
                expected[i].append(g)
    except (RuntimeError, IndexError, ValueError):
        return  # a rolled argument is not a valid one

    shared = [i for i in floats if i not in mapped]
    stacked = {i: fastnn.stack([values[i] for values in one]) for i in mapped}
    inputs = {i: (stacked[i] if i in mapped else one[0][i].clone()) for i in floats}
    for x in inputs.values():
        x.requires_grad_()

    def each(*xs):
        return loss(0, {**{i: inputs[i] for i in shared}, **dict(zip(mapped, xs, strict=True))})

    try:
        total = F.vmap(each)(*stacked.values()).sum()
    except RuntimeError as e:
        assert "vmap" in str(e), f"{sample}: {e}"
        return
    outside = fastnn.autograd.grad(total, list(inputs.values()), materialize_grads=True)

    def own(*xs):
        named = dict(zip(mapped, xs, strict=True))
        return F.grad(lambda zs: loss(0, {**named, **zs}))({i: named.get(i, one[0][i]) for i in floats})

    inside = F.vmap(own)(*[x.detach() for x in stacked.values()])
    for i, g in zip(inputs, outside, strict=True):
        want = fastnn.stack(expected[i]).numpy()
        close(g, want if i in mapped else want.sum(0), f"{sample} outside, argument {i} of {mapped}")
        close(inside[i], want, f"{sample} inside, argument {i} of {mapped}")


def close(got, want, message):
    finite = want[np.isfinite(want)]
    scale = np.abs(finite).max(initial=1.0)
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-10, atol=1e-11 * scale, err_msg=message)


def test_order_statistics_inside_vmap():
    """Each example's own: quantiles, modes, medians and running extremes, with their gradients."""
    x = fastnn.tensor(np.random.default_rng(0).integers(0, 4, (3, 4, 5)).astype("f8"))
    for f in (
        lambda t: t.quantile(0.3), lambda t: t.quantile(fastnn.tensor([0.1, 0.8], dtype=fastnn.float64), 1), lambda t: t.nanquantile(0.5, 0, True),
        lambda t: t.mode(0)[0], lambda t: t.nanmedian(1)[0], lambda t: t.cummax(0)[0], lambda t: t.cummin(1)[1],
    ):  # fmt: skip
        assert fastnn.vmap(f)(x).tolist() == fastnn.stack([f(t) for t in x]).tolist()
        assert fastnn.vmap(f, in_dims=2)(x).tolist() == fastnn.stack([f(t) for t in x.unbind(2)]).tolist()
    each = fastnn.vmap(fastnn.func.grad(lambda t: t.quantile(0.3)))(x)
    assert each.tolist() == fastnn.stack([fastnn.func.grad(lambda t: t.quantile(0.3))(t) for t in x]).tolist()


@pytest.mark.parametrize("reduce", ["prod", "amax", "amin", "mean", "sum"])
def test_scatter_reduce_inside_vmap(reduce):
    rng = np.random.default_rng(0)
    x, src = (fastnn.tensor(rng.standard_normal(s)) for s in ((3, 4, 5), (3, 2, 5)))
    index = fastnn.tensor(rng.integers(0, 4, (3, 2, 5)))

    def f(x, index, src):
        return x.scatter_reduce(0, index, src, reduce)

    for axes in ((0, 0, 0), (None, 0, 0), (0, None, None)):
        args = [v if a == 0 else v[1] for v, a in zip((x, index, src), axes, strict=True)]
        each = [f(*(v[i] if a == 0 else v for v, a in zip(args, axes, strict=True))) for i in range(3)]
        assert fastnn.vmap(f, in_dims=axes)(*args).tolist() == fastnn.stack(each).tolist()
    g = fastnn.vmap(F.grad(lambda x, i, s: f(x, i, s).sin().sum(), argnums=2))(x, index, src)
    one = F.grad(lambda x, i, s: f(x, i, s).sin().sum(), argnums=2)
    np.testing.assert_allclose(g.numpy(), np.stack([one(x[i], index[i], src[i]).numpy() for i in range(3)]), 1e-12)


def test_what_depends_on_all_examples():
    rng = np.random.default_rng(1)
    x, y = (fastnn.tensor(rng.standard_normal((3, 4, 4)) * scale) for scale in (np.array([1, 9, 0.1])[:, None, None], 1))
    n = fastnn.tensor(rng.integers(0, 5, (3, 4)))
    for f, args in (
        (lambda a: a.matrix_exp(), (x,)), (lambda a: a.nanmedian(), (x.masked_fill(x > 1, float("nan")),)), (fastnn.isin, (n, n.roll(1, 0))), (fastnn.nextafter, (x, y)), (fastnn.gcd, (n, n + 6)),
        (lambda a, b: a.masked_scatter(b > 0, a.exp()), (x, y)), (lambda a, b: fastnn.special.hermite_polynomial_h(a[0], b), (x, n)),
        (lambda a: fastnn.linalg.lu_factor_ex(a).info, (x,)), (lambda a, b: fastnn.nn.functional.multilabel_margin_loss(a[0], b % 4), (x, n)), (lambda a: fastnn.geqrf(a).tau, (x,)),
    ):  # fmt: skip
        np.testing.assert_allclose(fastnn.vmap(f)(*args).numpy(), np.stack([f(*each).numpy() for each in zip(*args, strict=True)]), 1e-12)
