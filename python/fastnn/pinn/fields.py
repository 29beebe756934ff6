"""Outputs of a network at points, and their derivatives by name: the one place where derivatives are taken.

A residual is a plain function of outputs, coordinates and coefficients, called by the names of its arguments:

    def burgers(u, t, x):
        return d(u, "t") + u * d(u, "x") - nu * d(u, "x", "x")

`d` finds out from the evaluation in progress how u was computed.
"""

from __future__ import annotations

import inspect
import threading

from ..autodiff import grad, is_grad_enabled
from ..tensor import Tensor

__all__ = ["Fields", "by_name", "d", "laplacian"]


class _Active(threading.local):
    def __init__(self):
        self.stack = []


_active = _Active()


def by_name(function, values, what):
    """function(**those of values that it names). ValueError, listing the names there are, for an argument of another name."""
    arguments = []
    for p in inspect.signature(function).parameters.values():
        if p.kind is p.VAR_KEYWORD:
            return function(**values)
        if p.name in values:
            arguments.append(p.name)
        elif p.default is p.empty:
            raise ValueError(f"{what}: its function has an argument {p.name!r}; there are {', '.join(values)}")
    return function(**{name: values[name] for name in arguments})


def _current(u):
    if not _active.stack:
        raise RuntimeError("d: derivatives exist only inside a residual function; elsewhere use problem.evaluate(function, points)")
    for fields in reversed(_active.stack):
        if id(u) in fields.known:
            return fields
    return _active.stack[-1]


def d(u, *names):
    """∂u/∂names: d(u, "x") is u_x, d(u, "x", "t") is u_xt. u is an output, a derivative, or any expression of them, (n, 1).

    ValueError for a coordinate that does not exist, RuntimeError outside a residual function.
    """
    return _current(u).derivative(u, names)


def laplacian(u):
    """The sum of second derivatives over all coordinates of space."""
    fields = _current(u)
    terms = [fields.derivative(u, (name, name)) for name in fields.space]
    return sum(terms[1:], terms[0])


class Fields:
    """`function` (a network) at points x (n, d), as a context: inside `with`, `d` differentiates its outputs.

    names: of the coordinates, the last being time if it is called `time`; outputs: names of the columns of the result.
    Derivatives are computed when asked for, each once; one reverse pass gives those by all coordinates.
    """

    def __init__(self, function, x, names, outputs, time=None):
        self.names, self.outputs = tuple(names), tuple(outputs)
        self.space = tuple(name for name in names if name != time)
        self.x = x.detach().requires_grad_() if is_grad_enabled() else x
        y = function(self.x)
        if y.ndim != 2 or y.shape[1] != len(self.outputs):
            raise ValueError(f"the network gives shape {list(y.shape)} for {len(self.outputs)} outputs {', '.join(self.outputs)}")
        self.values = {name: self.x[:, i : i + 1] for i, name in enumerate(self.names)}
        self.known = {}  # id(tensor) -> (output, sorted names of its derivative)
        self.tensors = {}  # the reverse; keeps them alive, so that ids stay valid
        self.gradients = {}  # key or id -> gradient by all coordinates (n, d)
        for i, name in enumerate(self.outputs):
            self.values[name] = self._learn((name, ()), y[:, i : i + 1])

    def __enter__(self):
        _active.stack.append(self)
        return self

    def __exit__(self, *exc):
        _active.stack.remove(self)

    def call(self, function, extra=None, what="residual"):
        """function by the names of coordinates, outputs and `extra`."""
        return by_name(function, {**self.values, **(extra or {})}, what)

    def derivative(self, u, names):
        for name in names:
            if name not in self.names:
                raise ValueError(f"d: there is no coordinate {name!r}; there are {', '.join(self.names)}")
        if not isinstance(u, Tensor):
            raise TypeError(f"d: expected an output of the network or an expression of it, got {type(u).__name__}")
        for name in names:
            u = self._step(u, name)
        return u

    def _learn(self, key, t):
        self.known[id(t)] = key
        self.tensors[key] = t
        return t

    def _step(self, u, name):
        key = self.known.get(id(u))
        if key is None:
            return self._column(self._gradient(u), name)
        output, done = key
        key = (output, tuple(sorted((*done, name))))
        if key not in self.tensors:
            at = id(u)
            if at not in self.gradients:
                self.gradients[at] = self._gradient(u)
            self._learn(key, self._column(self.gradients[at], name))
        return self.tensors[key]

    def _gradient(self, u):
        if not u.requires_grad:
            return self.x.detach() * 0
        return grad(u.sum(), self.x, create_graph=True, materialize_grads=True)[0]

    def _column(self, g, name):
        i = self.names.index(name)
        return g[:, i : i + 1]
