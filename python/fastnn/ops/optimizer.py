"""One training step of a list of parameters: thin calls of the kernels, which change their first arguments in place.

No gradients are recorded. Lists hold tensors alike in shape and dtype, one for each parameter; lr and the step counts
are 0-d float64 tensors, because values that change from step to step must live in memory (a recorded step is replayed
with the same arguments). The meaning of each rule is in reference/optimizer.py.
"""

from __future__ import annotations

from .. import _cpu
from ..device import kernels
from ..tensor import _fill, empty

__all__ = ()


def _run(kernel, changed, *args):
    """One kernel call; afterwards graphs that have saved the changed tensors must know."""
    kernel(changed, *args)
    for t in changed:
        _cpu.mutate(t)


def write_rate(lr, value):
    """lr ← value: what a schedule does between steps."""
    _fill(lr, value)
    _cpu.mutate(lr)


def sgd(params, buffers, grads, lr, *, momentum, dampening, weight_decay, nesterov, maximize, first):
    """buffers may be empty without momentum; first: the buffers hold nothing yet."""
    _run(kernels(lr, *params).sgd, params, buffers, grads, lr, momentum, dampening, weight_decay, nesterov, maximize, first)


def adam(params, means, squares, largest, steps, grads, lr, *, beta1, beta2, eps, weight_decay, decoupled, maximize):
    """largest: the AMSGrad state, or empty; decoupled: AdamW."""
    k = kernels(lr, *params)
    _run(k.adam, params, means, squares, largest, steps, grads, lr, beta1, beta2, eps, weight_decay, decoupled, maximize)


def nadam(params, means, squares, products, steps, grads, lr, *, beta1, beta2, eps, weight_decay, momentum_decay,
          decoupled, maximize):  # fmt: skip
    """products: 0-d float64, the running product of the momentum schedule, starting at 1."""
    k = kernels(lr, *params)
    _run(k.nadam, params, means, squares, products, steps, grads, lr, beta1, beta2, eps, weight_decay, momentum_decay,
         decoupled, maximize)  # fmt: skip


def adamax(params, means, norms, steps, grads, lr, *, beta1, beta2, eps, weight_decay, maximize):
    """norms: the largest decayed |g|."""
    k = kernels(lr, *params)
    _run(k.adamax, params, means, norms, steps, grads, lr, beta1, beta2, eps, weight_decay, maximize)


def rmsprop(params, squares, means, buffers, steps, grads, lr, *, alpha, eps, weight_decay, momentum, maximize):
    """means: for the centered form, or empty; buffers: with momentum, or empty."""
    k = kernels(lr, *params)
    _run(k.rmsprop, params, squares, means, buffers, steps, grads, lr, alpha, eps, weight_decay, momentum, maximize)


def adagrad(params, sums, steps, grads, lr, *, lr_decay, eps, weight_decay, maximize):
    """sums: Σg² so far."""
    k = kernels(lr, *params)
    _run(k.adagrad, params, sums, steps, grads, lr, lr_decay, eps, weight_decay, maximize)


def adadelta(params, squares, deltas, steps, grads, lr, *, rho, eps, weight_decay, maximize):
    """squares, deltas: running means of g² and of squared steps."""
    k = kernels(lr, *params)
    _run(k.adadelta, params, squares, deltas, steps, grads, lr, rho, eps, weight_decay, maximize)


def soft_threshold(params, lr, l1):
    """p ← sign(p) max(|p| - lr l1, 0): the proximal step of the penalty l1 Σ|p| (ISTA)."""
    _run(kernels(lr, *params).soft_threshold, params, lr, l1)


def grad_norm(grads, p):
    """The p-norm of all grads as one vector: 0-d, of the dtype of the first."""
    norm = empty((), dtype=grads[0].dtype)
    kernels(*grads).grad_norm(norm, grads, p)
    return norm


def clip_to_norm(grads, norm, max_norm):
    """g ← g · min(1, max_norm / (norm + 1e-6)), in place."""
    _run(kernels(norm, *grads).clip_to_norm, grads, norm, max_norm)


def clip_to_value(grads, limit):
    """g ← min(max(g, -limit), limit), in place."""
    _run(kernels(*grads).clip_to_value, grads, limit)
