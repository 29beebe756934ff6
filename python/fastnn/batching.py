"""What vmap is made of: two ops that hide an axis of a tensor and show it again, and the sum over hidden axes.

Inside vmap a tensor looks like one example (csrc/bind/batch.h), so ops and their derivatives are written for one example
and run for all. `_hide` and `_show` are each other's derivative; in between nothing knows of vmap but the kernels' door.
"""

from __future__ import annotations

from . import _cpu
from .autodiff import Array, grad, op, use_levels


@op(saves="")
def _hide(x, *, dim, level):
    use_levels(sum_hidden)
    return _cpu.hide(x, dim, level)


@op(saves="")
def _show(x, *, dim, level, size):
    return _cpu.show(x, dim, level, size)


_hide.partials(lambda g, y, x, dim, level: _show(g, dim=dim, level=level, size=x._shape[dim])).linear()
_show.partials(lambda g, y, x, dim, level, size: _hide(g, dim=dim, level=level)).linear()


def hide(x, dim, level):
    """x as one example of its axis dim, the axis remembered under level."""
    return _hide(x, dim=dim, level=level)


def show(x, dim, level, size):
    """The axis hidden under level at dim again; where x has none, x repeated size times without copying."""
    return _show(x, dim=dim, level=level, size=size)


def sum_hidden(g, x):
    """The gradient of x, which all examples share, from the gradients g of the examples: their sum.

    Not over vmaps that run now: there each example asks for a gradient of its own.
    """
    keep = {*(x._levels or ()), *_cpu.vmap_levels()}
    for level in g._levels:
        if level not in keep:
            g = show(g, 0, level, 1).sum(0)
    return g


def grad_of_each(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads):
    """autodiff.grad of each entry along the first axis of grad_outputs, in one pass: with that axis hidden."""
    vs = (grad_outputs,) if isinstance(grad_outputs, Array) else tuple(grad_outputs)
    sizes = {v._shape[0] for v in vs if v is not None and v.ndim}
    if len(sizes) != 1:
        raise RuntimeError("grad: is_grads_batched=True needs grad_outputs with a first axis of one length")
    (size,) = sizes
    level = _cpu.vmap_enter(size, "error")
    try:
        vs = [None if v is None else hide(v, 0, level) for v in vs]
        found = grad(
            outputs, inputs, vs, retain_graph, create_graph, allow_unused=allow_unused, materialize_grads=materialize_grads
        )
    finally:
        _cpu.vmap_exit()
    return tuple(None if g is None else show(g, 0, level, size) for g in found)
