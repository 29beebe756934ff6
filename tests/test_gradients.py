"""Every differentiable sample: first and second derivatives against finite differences, in float64."""

import numpy as np
import pytest

import fastnn
from fastnn.autograd import gradcheck, gradgradcheck
from layouts import as_args
from samples import families, samples


def differentiable(family):
    for _, sample in samples(family):
        if not sample.grad:
            continue
        args = as_args(sample.args, "float64")
        flat = [x for a in args for x in (a if isinstance(a, (list, tuple)) else (a,))]
        chosen = [
            x
            for i, x in enumerate(flat)
            if isinstance(x, fastnn.Tensor) and x.dtype.is_floating_point and (sample.grad is True or i in sample.grad) and x.numel()
        ]
        if not chosen:
            continue
        inputs = [x.clone().requires_grad_() for x in chosen]

        def fn(*moved, sample=sample, args=args, chosen=chosen):
            table = {id(c): m for c, m in zip(chosen, moved, strict=True)}

            def put(a):
                return type(a)(put(x) for x in a) if isinstance(a, (list, tuple)) else table.get(id(a), a)

            y = sample.fn(*[put(a) for a in args], **sample.kwargs)
            return y if isinstance(y, fastnn.Tensor) else tuple(t for t in y if isinstance(t, fastnn.Tensor))

        yield sample, fn, inputs


@pytest.mark.parametrize("family", families())
def test_first_derivative(family):
    with np.errstate(all="ignore"):
        for sample, fn, inputs in differentiable(family):
            try:
                small = sum(x.numel() for x in inputs) <= 12
                assert gradcheck(fn, inputs, fast_mode=not small)
            except Exception as e:
                raise AssertionError(f"{sample}: {e}") from e


@pytest.mark.parametrize("family", families())
def test_second_derivative(family):
    with np.errstate(all="ignore"):
        for sample, fn, inputs in differentiable(family):
            if not sample.smooth:
                continue
            try:
                assert gradgradcheck(fn, inputs, fast_mode=True)
            except Exception as e:
                raise AssertionError(f"{sample}: {e}") from e


SLICES = {
    "split": lambda h: sum((k + 1) * p.square().sum() for k, p in enumerate(h.split(3, 1))),
    "overlapping": lambda h: h[1:4].square().sum() + (h[2:, ::2] * 3).cos().sum() + h[-1].exp().sum(),
    "one by one": lambda h: sum(h[i].square().sum() * i for i in range(6)) + h[:, 2].sum() + h[3, 4] ** 2,
    "backwards": lambda h: h.flip(0)[1:3].cos().sum() + h.select(1, -2).square().sum() + h.narrow(0, 2, 3).exp().sum(),
    "with the whole": lambda h: h.square().sum() + h[1:3].cos().sum() + h.sum(),
    "indices too": lambda h: h[fastnn.tensor([1, 1, 4])].square().sum() + h[2:, fastnn.tensor([0, 3])].cos().sum() + h[0].sum(),
    "shared": lambda h: (h[:3] + h[3:]).square().sum() + (h + h).cos().sum(),
    "expanded": lambda h: h[1:2].expand(4, 9).square().sum() + h[:, :1].expand(6, 9).cos().sum(),
}


@pytest.mark.parametrize("name", SLICES)
def test_gradients_of_slices_are_added_in_place(name, rng):
    """Into a sum that nobody else has (Op.into): the same as what a graph of the gradient says, whose sums are new arrays."""
    f, x = SLICES[name], rng.standard_normal((6, 9))
    found = []
    for graph in (False, True):
        t = fastnn.from_numpy(x).clone().requires_grad_()
        found.append(fastnn.autograd.grad(f(t * 2), t, create_graph=graph)[0].detach().numpy())
        t = fastnn.from_numpy(x).clone().requires_grad_()
        fastnn.autograd.backward(f(t * 2), inputs=[t], create_graph=graph)
        found.append(t.grad.detach().numpy())
    for g in found[1:]:
        np.testing.assert_allclose(g, found[0], rtol=1e-14)
    t = fastnn.from_numpy(x).clone().requires_grad_()
    assert gradcheck(lambda t: f(t * 2), (t,))


def test_a_gradient_that_a_hook_keeps_is_not_added_to():
    kept = []
    t = fastnn.ones(4, 6).requires_grad_()
    h = t * 1
    parts = h.split(2, 1)
    g = fastnn.full((4, 6), 3.0)
    h.register_hook(lambda g: kept.append((g, g.clone())))
    parts[0].register_hook(lambda g: kept.append((g, g.clone())))
    fastnn.autograd.backward([h, *parts], [g, *[fastnn.full((4, 2), k + 1.0) for k in range(3)]])
    assert g.sum().item() == 3 * 24  # the caller's own
    for now, then in kept:
        assert fastnn.equal(now, then)
    np.testing.assert_array_equal(t.grad.numpy()[0], [4, 4, 5, 5, 6, 6])



def test_second_derivatives_of_scans_at_the_edge():
    """Of numbers, of nothing, and of sums in which one term is all."""
    for shape in ((), (0,)):
        for f in (lambda x: x.cumprod(0), lambda x: x.prod()):
            x = fastnn.full(shape, 2.0, requires_grad=True)
            (g,) = fastnn.autograd.grad(f(x).sum(), x, create_graph=True)
            assert fastnn.autograd.grad(g.sum(), x, allow_unused=True)[0].tolist() == (0 if shape == () else [])
    x = fastnn.tensor([1e4, 0.0, -1e4, 3.0], dtype=fastnn.float64, requires_grad=True)
    (g,) = fastnn.autograd.grad(fastnn.logcumsumexp(x, 0).sum(), x, create_graph=True)
    assert g.tolist() == [4, 0, 0, 0] and fastnn.autograd.grad((g * g).sum(), x)[0].tolist() == [0, 0, 0, 0]
