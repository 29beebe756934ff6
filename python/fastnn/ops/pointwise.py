"""What pointwise ops are made with: a kernel, its derivative rules, and a public function, in one call each."""

from __future__ import annotations

from .. import _cpu
from ..autodiff import Op, record
from ..tensor import zeros_like

_FORWARD = {
    1: lambda k: lambda x: k(x),
    2: lambda k: lambda a, b: k(a, b),
    3: lambda k: lambda a, b, c: k(a, b, c),
}


def pointwise(name, saves, *rules, kernel=None):
    """The Op of a kernel with one rule per argument. saves: the arguments (x; a, b; a, b, c; or y) that the rules read."""
    kernel = getattr(_cpu, kernel or name)
    forward = _FORWARD[len(rules)](kernel)
    forward.__name__ = name
    op = Op(forward, saves).partials(*rules).pointwise()
    op.forward = kernel  # without the detour through Python
    return op


def unary(name, doc, saves, rule):
    """The public function of one argument, and (as `.op`) its Op."""
    kernel, op = getattr(_cpu, name), pointwise(name, saves, rule)

    def f(input):
        return record(kernel(input), op, (input,))

    f.__name__ = f.__qualname__ = name
    f.__doc__, f.op = doc, op
    return f


def binary(name, doc, saves, da, db):
    """The public function of two arguments (tensors or numbers), and (as `.op`) its Op."""
    kernel, op = getattr(_cpu, name), pointwise(name, saves, da, db)

    def f(input, other):
        return record(kernel(input, other), op, (input, other))

    f.__name__ = f.__qualname__ = name
    f.__doc__, f.op = doc, op
    return f


def linear(name, saves, *rules):
    """An f_dx op: linear in its first argument g, so its first rule is itself. Other arguments: x, a."""
    arity = len(rules) + 1
    kernel = getattr(_cpu, name)
    forward = {2: lambda g, x: kernel(g, x), 3: lambda g, x, a: kernel(g, x, a)}[arity]
    forward.__name__ = name
    op = Op(forward, saves).pointwise()
    op.forward = kernel
    return op.partials(lambda h, y, g, *rest: op(h, *rest), *rules)


def nothing(*args, **params):
    """The partial derivative of something that does not depend on the argument, or only in steps."""


def zero(g, y, *args):
    """A derivative that exists and is 0."""
    return zeros_like(g)
