"""Changing a tensor in place while gradients are recorded: `x.add_(1)`, `x[i] = v`.

x takes over the history of the result, and what was computed from x before keeps meaning its old version, a tensor of its
own. A node of a changed tensor has three more fields than autodiff.py's, `(..., mark, old, link)`: old is that version (mark is
None), or mark says that this tensor *is* the version before a change.

What a view shares with its base changes in both. link = (op, base, rest, params) says what x is a view of, x = op(base, *rest,
**params): a change of x gives the base a new history too, the old base with x written over that part of it. Another view of that
base finds out when it is used next (`refresh`).

A view of what has no history is not recorded: it remembers its base only (`_base`), the first of them, and link is `_window`, by strides.
"""

from __future__ import annotations

import numpy as np

from . import _cpu
from .autodiff import Array, Op, op, outdated, record
from .errors import ShapeError


def inplace(fn, kernel=None, composite=False):
    """The method `x.fn_(...)`: writes fn(x, ...) into x's memory and returns x.

    kernel(x, ..., out) does it in one pass when nothing is being recorded, and when fn is an Op whose derivative does not read x.
    When gradients are recorded, x takes over the history of the result, and its value before stays reachable as a tensor of its
    own, copied if the derivative reads it. composite: fn is made of several ops that may read it, so it is copied first.
    RuntimeError for a leaf that requires grad, and where shape or dtype of the result do not fit.
    """
    name = fn.__name__ + "_"

    def method(self, *args, **kwargs):
        if _cpu.grad_mode():
            recorded = self.requires_grad
            if recorded or any(isinstance(a, Array) and a.requires_grad for a in args):
                check_change(self, name)
                return _inplace_recorded(self, fn, name, args, kwargs, kernel, composite)
        if kernel is not None and not kwargs:
            kernel(self, *args, self)
        else:
            _overwrite(self, fn(self, *args, **kwargs), name)
        _cpu.mutate(self)
        return self

    method.__name__ = method.__qualname__ = name
    method.__module__ = fn.__module__
    method.__doc__ = f"In-place version of :func:`{fn.__name__}`."
    if hasattr(fn, "rounded_once"):
        method.rounded_once = True
    return method


def _overwrite(x, y, name):
    if y._shape != x._shape:
        raise ShapeError(f"{name}: output with shape {list(x._shape)} doesn't match the broadcast shape {list(y._shape)}")
    if y.dtype.is_floating_point and not x.dtype.is_floating_point:
        raise ShapeError(f"{name}: result type {y.dtype.name} can't be cast to the desired output type {x.dtype.name}")
    writable(x, name)
    _cpu.copy(x, y)


def writable(x, name):
    """RuntimeError for an expanded x: several of its elements are one."""
    if 0 in x._strides and x._size and any(s == 0 and n > 1 for s, n in zip(x._strides, x._shape, strict=True)):
        raise RuntimeError(
            f"{name}: unsupported operation: more than one element of the written-to tensor refers to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )


def check_change(x, name):
    """RuntimeError for changes, recorded in x's history, that gradients would miss: of a leaf that requires grad, of a view of
    one, and of a view made by no_grad, which does not know its base."""
    if outdated(x):
        refresh(x)
    base = x
    if x._node is None and x._is_view and x._references > 1 and not x.requires_grad:
        if _link(x, None) is None:
            raise RuntimeError(
                f"{name}: this tensor is a view of one that would not learn of this change's history: it was made by no_grad, or of a "
                "tensor that is not contiguous, or by vmap. Change the whole tensor, or clone() first."
            )
        base = x._base
    while base._node is not None:
        args = base._node[1]
        if not args or not isinstance(args[0], Array) or args[0]._buffer != x._buffer:
            return
        base = args[0]
    if base.requires_grad:
        what = "a leaf Variable" if base is x else "a view of a leaf Variable"
        raise RuntimeError(f"{what} that requires grad is being used in an in-place operation ({name}).")


def before_change(x):
    """x as it was before an in-place change: a tensor on the same memory with the history that x has now."""
    if outdated(x):
        refresh(x)
    return _version(x)


def _version(x):
    """The same of an x that may be outdated: with the history that it says it has."""
    old = x.detach()
    if x._node is not None:
        old._node = (*x._node[:6], "before in-place", *x._node[7:])  # still valid, though its memory moves on
    return old


def _apart(a, x, old):
    """An argument of an in-place change of x that shares its memory: x's old version, or a copy with a's history."""
    if not isinstance(a, Array) or a._buffer != x._buffer:
        return a
    if a is x:
        return old
    kept = a.detach().clone()
    kept._node = before_change(a)._node
    return kept


def take_over(x, node, old, written=True):
    """Gives x, changed in place, the history `node`. What was computed from x before keeps meaning `old`; see _cpu.inputs.

    written: values have changed, so that x's base has changed too; False for x.t_() and its like, after which x is a view of its
    own and a change of it is refused where its base is used.
    """
    if node is None:  # x no longer depends on anything
        if old._node is None:
            return
        node = (_CONSTANT, (), None, 0, None, None)
    link = _link(x, old._node) if written else None
    x._node = (*node[:3], x._version, *node[4:6], None, old, link)
    if link is None:
        return
    base, steps = _disjoint(link)
    old_base, now = _version(base), x.detach()
    now._node = (*x._node[:8], None)
    _let_go(old, link[1], base, old_base)
    take_over(base, (_overwritten, (old_base, now), {"view": steps}, 0, None, None), old_base)


def _let_go(old, parent, base, old_base):
    """Makes a view of the old base of old, a view of base by way of parent: history that led back to base would never be freed."""
    if old._node is None:
        return
    f, args, *others = old._node
    if args and args[0] is parent:
        past = old_base
        if parent is not base:
            past = _version(parent)
            _let_go(past, _link(parent, parent._node)[1], base, old_base)
        old._node = (f, (past, *args[1:]), *others)


def _disjoint(link):
    """(base, steps) of a view: the nearest base whose elements all have memory of their own, and the views (op, rest, params) from it.

    What lies between, an expanded base or one of overlapping windows, learns of the change when it is used next.
    """
    f, base, rest, params = link
    steps = ((f, rest, params),)
    while _overlaps(base) and (link := _link(base, base._node)) is not None:
        f, base, rest, params = link
        steps = ((f, rest, params), *steps)
    return base, steps


def _overlaps(x):
    """Whether elements of x may share memory."""
    reach = 0
    for stride, n in sorted((abs(s), n) for s, n in zip(x._strides, x._shape, strict=True) if n > 1):
        if stride <= reach:
            return True
        reach += stride * (n - 1)
    return False


def _link(x, node):
    """What x with this node is a view of: (op, base, rest, params), or None."""
    if node is None:
        base = x._base
        if base is None or base._buffer != x._buffer or not base._packed or x._levels is not None:
            return None
        start = (x.data_ptr() - base.data_ptr()) // x.element_size()
        return _window, base, (), {"size": x._shape, "stride": x._strides, "start": start}
    if len(node) > 8:
        return node[8]
    f, args, params = node[:3]
    if not args or not isinstance(f, Op) or not isinstance(args[0], Array) or args[0]._buffer != x._buffer or x._levels is not None:
        return None
    return f, args[0], args[1:], params or {}


def is_written(x, view, value):
    """Whether value is that view of x, changed in place: x has its values and its history already (x[i] += v)."""
    node = value._node
    return (
        node is not None and len(node) > 8 and node[8] is not None and node[8][1] is x and node[3] == x._node[3]
        and (value.data_ptr(), value._shape, value._strides) == (view.data_ptr(), view._shape, view._strides)
    )  # fmt: skip


def refresh(x):
    """Gives an outdated view the history of its base. False where that is not known."""
    link = _link(x, x._node)
    if link is None or (outdated(link[1]) and not refresh(link[1])):
        return False
    f, base, rest, params = link
    x._node = (f, (base, *rest), params, x._version, None, None, None, _version(x), link)
    return True


_cpu.set_refresh(refresh)


def _inplace_recorded(x, fn, name, args, kwargs, kernel, composite):
    old = before_change(x)
    by_value = made_by_value(old)
    if kernel is not None and isinstance(fn, Op) and not (kwargs or by_value or _reads(fn, 0)):
        y = x.detach()
        kernel(y, *args, y)
        record(y, fn, (old, *args))
        _cpu.mutate(x, True)
        take_over(x, y._node, old)
        return x
    if composite:
        old = _kept(old)
    y = fn(old, *[_apart(a, x, old) for a in args], **kwargs)
    node = y._node
    if not composite and (by_value or (node is not None and any(a is old and _reads(node[0], i) for i, a in enumerate(node[1])))):
        kept = _kept(old)
        node = node and (node[0], tuple(kept if a is old else a for a in node[1]), *node[2:])
        old = kept
    if y.dtype is not x.dtype:
        return _inplace_recorded(x, lambda *a, **k: fn(*a, **k).to(x.dtype), name, args, kwargs, None, True)
    _overwrite(x, y.detach(), name)
    _cpu.mutate(x, True)
    take_over(x, node, old)
    return x


def made_by_value(x):
    """Whether the derivative of what made x reads x."""
    return x._node is not None and x._node[1] is not None and _reads(x._node[0], -1)


def _reads(f, i):
    """Whether rules of f read its argument i (-1: its output)."""
    return f.saved is None or i in f.saved


def _kept(old):
    """A copy of old with its history: its values are read by the derivative of the change, or of what made them."""
    kept = old.detach().clone()
    kept._node = old._node
    return kept


@op(saves="")
def _window(base, *, size, stride, start):
    """The view of a contiguous base with these strides, from its element number `start` on."""
    return (base if base._packed else base.contiguous())._view(size, stride, start)


def element_numbers(size, stride, start):
    """Where the elements of such a view lie in what it is a view of: an array of that size."""
    places = np.full(tuple(size), start)
    for d, (n, s) in enumerate(zip(size, stride, strict=True)):
        places += (np.arange(n) * s).reshape([-1 if i == d else 1 for i in range(len(size))])
    return places


@op(saves="")
def _put_back(g, *, shape, size, stride, start):
    """Zeros of this shape with g added up where that window shows them: the derivative of `_window`."""
    y = g.new_zeros(shape)
    y.view(-1).index_add_(0, _cpu.from_numpy(element_numbers(size, stride, start).reshape(-1)), g.detach().reshape(-1))
    return y


_window.partials(lambda g, y, base, **at: _put_back(g, shape=base._shape, **at)).linear(0)
_put_back.partials(lambda g, y, x, shape, **at: _window(g, **at)).linear(0)


@op(saves="")
def _constant():
    """Where a history ends: x.zero_() depends on nothing."""


_CONSTANT = _constant.partials()


@op(saves="")
def _overwritten(base, part, *, view):
    """base with `part` in place of what the views of view, ((op, rest, params), ...), show of it."""
    y = _cpu.empty(base._shape, base.dtype, base)
    _cpu.copy(y, base)
    window = y
    for f, rest, params in view:
        window = f.forward(window, *rest, **params)
        if window._buffer != y._buffer:
            raise RuntimeError(f"{f.name}: a change in place of this view cannot be differentiated; clone() it first")
    _cpu.copy(window, part)
    return y


def _shown(g, view):
    for f, rest, params in view:
        g = f(g, *rest, **params)
    return g


_overwritten.partials(
    lambda g, y, base, part, view: _overwritten(g, g.new_zeros(part._shape), view=view),
    lambda g, y, base, part, view: _shown(g, view),
).linear(0, 1)
