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
