"""Derivatives against finite differences: gradcheck of the first, gradgradcheck of the second."""

from __future__ import annotations

import warnings

import numpy as np

from .. import dtypes
from ..autodiff import Array, enable_grad, grad
from ..parts import flat, is_complex, joined
from ..tensor import Tensor, from_numpy, tensor


class GradcheckError(RuntimeError):
    """The derivative and finite differences disagree."""


def _outputs(func, inputs):
    return tuple(t for t in flat(func(*inputs)) if isinstance(t, Array) and t.dtype.is_floating_point)


def _by_parts(func, inputs):
    """(func, inputs) with the two parts of each complex input in its place."""
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    where = [is_complex(x) for x in inputs]
    return (lambda *parts: func(*joined(parts, where)), flat(inputs)) if any(where) else (func, inputs)


def _values(ts):
    return [np.array(t.detach().numpy(), dtype=np.float64) for t in ts]


def _checked(inputs):
    inputs = (inputs,) if isinstance(inputs, Array) else tuple(inputs)
    chosen = [i for i, x in enumerate(inputs) if isinstance(x, Array) and x.requires_grad]
    if not chosen:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True.")
    for i in chosen:
        if inputs[i].dtype is not dtypes.float64:
            warnings.warn(f"gradcheck: input {i} is {inputs[i].dtype}; finite differences of small steps need float64", stacklevel=3)
    return inputs, chosen


def _perturbed(func, inputs, i, direction, eps):
    """d func / d input i along a direction, by central differences, for every output."""
    base = np.array(inputs[i].detach().numpy())
    results = []
    for step in (eps, -eps):
        moved = from_numpy(np.asarray(base + step * direction, dtype=base.dtype))
        with enable_grad():
            args = [moved.requires_grad_() if k == i else x for k, x in enumerate(inputs)]
            results.append(_values(_outputs(func, args)))
    return [(a - b) / (2 * eps) for a, b in zip(*results, strict=True)]


def _pushed(func, inputs, i, direction):
    """The derivative along a direction of input i by forward mode, of every output."""
    from ..func import jvp

    def of_one(x):
        return _outputs(func, [x if k == i else v for k, v in enumerate(inputs)])

    return _values(jvp(of_one, (inputs[i].detach(),), (from_numpy(direction).to(inputs[i].dtype),))[1])


def _compare(analytic, numeric, atol, rtol, what):
    bad = ~(np.abs(analytic - numeric) <= atol + rtol * np.abs(numeric))
    if bad.any():
        k = int(np.argmax(bad))
        raise GradcheckError(f"{what}: numerical {numeric[k]:.10g}, analytical {analytic[k]:.10g}")


def gradcheck(func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, nondet_tol=0.0, check_undefined_grad=True,
              check_grad_dtypes=False, check_batched_grad=False, check_batched_forward_grad=False, check_forward_ad=False,
              check_backward_ad=True, fast_mode=False, masked=None):  # fmt: skip
    """Compares `grad` of func with central differences, entry by entry of the Jacobian (fast_mode: one random direction).

    check_forward_ad: the same of forward mode, `func.jvp`. check_backward_ad=False: not of `grad`. The other checks are accepted: that
    gradients have their inputs' dtypes, and may be batched or missing, holds for all functions made of ops.

    inputs: tensors, float64 or complex128 (others warn: their differences need a larger eps, atol); those with requires_grad=True are
    checked. Returns True, or raises GradcheckError naming the
    entry (returns False with raise_exception=False). Passes when |difference| <= atol + rtol * |numerical|.
    """
    func, inputs = _by_parts(func, inputs)
    inputs, chosen = _checked(inputs)
    try:
        outputs = _outputs(func, inputs)
        again = _values(_outputs(func, inputs))
        for j, (a, b) in enumerate(zip(_values(outputs), again, strict=True)):
            if not np.all((np.abs(a - b) <= nondet_tol) | (a == b) | (np.isnan(a) & np.isnan(b))):
                raise GradcheckError(f"output {j} is not deterministic: two calls differ")
        rng = np.random.default_rng(0)
        for i in chosen:
            x = inputs[i]
            if fast_mode:
                directions = [rng.standard_normal(x._shape)]
            else:
                directions = []
                for k in range(x._size):
                    e = np.zeros(x._size)
                    e[k] = 1.0
                    directions.append(e.reshape(x._shape))
            numeric = [_perturbed(func, inputs, i, d, eps) for d in directions]
            if check_forward_ad:
                for d, num in zip(directions, numeric, strict=True):
                    for j, (a, n) in enumerate(zip(_pushed(func, inputs, i, d), num, strict=True)):
                        _compare(a.reshape(-1), n.reshape(-1), atol, rtol, f"Jacobian computed with forward mode mismatch for output {j} with respect to input {i}")
            for j, y in enumerate(outputs if check_backward_ad else ()):
                if not y.requires_grad:
                    analytic = np.zeros((y._size, x._size))
                    rows = np.eye(y._size)
                else:
                    rows = rng.standard_normal((1, y._size)) if fast_mode else np.eye(y._size)
                    analytic = np.zeros((len(rows), x._size))
                    for r, v in enumerate(rows):
                        (g,) = grad(y, x, tensor(v.reshape(y._shape), dtype=y.dtype), retain_graph=True, allow_unused=True)
                        if g is not None:
                            if g._shape != x._shape:
                                raise GradcheckError(f"gradient of input {i} has shape {g._shape}, the input {x._shape}")
                            analytic[r] = _values([g])[0].reshape(-1)
                for d, num in zip(directions, numeric, strict=True):
                    a = analytic @ d.reshape(-1)
                    n = rows @ num[j].reshape(-1)
                    _compare(a, n, atol, rtol, f"Jacobian mismatch for output {j} with respect to input {i}")
        return True
    except GradcheckError:
        if raise_exception:
            raise
        return False


def gradgradcheck(func, inputs, grad_outputs=None, *, eps=1e-6, atol=1e-5, rtol=1e-3, gen_non_contig_grad_outputs=False, raise_exception=True,
                  nondet_tol=0.0, check_undefined_grad=True, check_grad_dtypes=False, check_batched_grad=False, check_fwd_over_rev=False,
                  check_rev_over_rev=True, fast_mode=False, masked=False):  # fmt: skip
    """gradcheck of the gradient itself: second derivatives, with respect to the inputs and to grad_outputs (random if None).

    check_fwd_over_rev: by forward mode too; the other checks are accepted, as in gradcheck.
    """
    func, inputs = _by_parts(func, inputs)
    inputs, chosen = _checked(inputs)
    outputs = _outputs(func, inputs)
    if grad_outputs is None:
        rng = np.random.default_rng(1)
        grad_outputs = [from_numpy(np.array(rng.standard_normal(y._shape))).requires_grad_() for y in outputs]
    else:
        grad_outputs = list(flat(grad_outputs))
    n = len(inputs)

    def first(*args):
        ys = _outputs(func, args[:n])
        live = [(y, v) for y, v in zip(ys, args[n:], strict=True) if y.requires_grad]
        if not live:
            return tuple(args[i] * 0 for i in chosen)
        return grad([y for y, _ in live], [args[i] for i in chosen], [v for _, v in live], create_graph=True, materialize_grads=True)

    return gradcheck(
        first, (*inputs, *grad_outputs), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
        check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev, fast_mode=fast_mode,
    )  # fmt: skip
