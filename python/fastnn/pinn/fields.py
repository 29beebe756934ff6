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
from ..func.jet import mlp_of, network_jet
from ..ops.diagonal import eye
from ..ops.jet import orders_of
from ..ops.join import cat
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


def _jet_of(net):
    """Of a network that has no method for it: the fused kernel where its layers allow it, else None."""
    network = mlp_of(net)
    return network and (lambda x, orders: network_jet(network, x, eye(x.shape[1], dtype=x.dtype), orders))


class Fields:
    """A network at tensor x (n, d), as a context: inside `with`, `d` differentiates its outputs.

    names: of the coordinates, the last being time if it is called `time`; outputs: names of the columns of the result;
    transform: a function by name whose result takes the place of the outputs.

    A network with a method ``jet(x, orders)`` gives all derivatives in one pass (`Jets`). To d they are independent
    variables next to the coordinates: the derivative of an expression is the total one,
    D_x e = ∂e/∂x + Σ_α ∂e/∂u_α · u_(α+x). Of any other network u is an expression of the coordinates itself. Each derivative
    is computed when first asked for; `wanted`, a set that lives longer, remembers which, so that next time one pass has all.
    """

    def __init__(self, net, x, names, outputs, *, time=None, transform=None, wanted=None):
        self.names, self.outputs = tuple(names), tuple(outputs)
        self.space = tuple(name for name in names if name != time)
        self.x = x.detach().requires_grad_() if is_grad_enabled() else x
        self.known = {}  # id(tensor) -> (output, sorted coordinates of its derivative)
        self.tensors = {}  # the reverse; keeps them alive, so that ids stay valid
        self.gradients = {}  # id -> gradient by all coordinates (n, d)
        jet = net.jet if hasattr(net, "jet") else _jet_of(net)
        self.jets = Jets(jet, x, len(self.names), wanted) if jet else None
        values = {name: self.x[:, i : i + 1] for i, name in enumerate(self.names)}
        y = self._split(self.jets.outputs() if self.jets else net(self.x))
        if transform is not None:
            y = by_name(transform, {**values, **dict(zip(self.outputs, y, strict=True))}, "transform")
            y = self._split(cat(list(y), 1)) if isinstance(y, (tuple, list)) else self._split(y)
        for name, u in zip(self.outputs, y, strict=True):
            values[name] = self._learn((name, ()), u)
        self.values = values

    def _split(self, y):
        """The columns of the network's result (n, outputs); a list of columns stays."""
        if isinstance(y, list) and len(y) == len(self.outputs):
            return y
        shape = [len(self.x), len(y)] if isinstance(y, list) else list(y.shape)
        if len(shape) != 2 or shape[1] != len(self.outputs):
            raise ValueError(f"the network gives shape {shape} for {len(self.outputs)} outputs {', '.join(self.outputs)}")
        return [y] if shape[1] == 1 else [y[:, i : i + 1] for i in range(shape[1])]

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
            u = self._step(u, self.names.index(name))
        return u

    def _learn(self, key, t):
        self.known[id(t)] = key
        self.tensors[key] = t
        return t

    def _step(self, u, axis):
        key = self.known.get(id(u))
        if key is None:
            return self._total(u, axis)
        key = (key[0], tuple(sorted((*key[1], axis))))
        if key not in self.tensors:
            self._learn(key, self._total(u, axis))
        return self.tensors[key]

    def _total(self, u, axis):
        """The total derivative of any tensor by one coordinate."""
        if self.jets and id(u) in self.jets.place:
            return self.jets.beyond(u, axis)
        if not u.requires_grad:
            return u.detach() * 0
        if id(u) not in self.gradients:  # by coordinates and jets at once; u stays alive with its gradient
            sources = [self.x, *(self.jets.tensors.values() if self.jets else ())]
            found = grad(u.sum(), sources, create_graph=True, allow_unused=True)
            self.gradients[id(u)] = u, [(s, g) for s, g in zip(sources, found, strict=True) if g is not None]
        total = None
        for source, g in self.gradients[id(u)][1]:
            part = g[:, axis : axis + 1] if source is self.x else g * self.jets.beyond(source, axis)
            total = part if total is None else total + part
        return u.detach() * 0 if total is None else total


class Jets:
    """Outputs of a network and their derivatives, (n, 1) each: the one place where the fused kernel is called.

    A derivative is a multi-index (powers by coordinate). Those of `wanted` come from the first pass; a derivative that is
    asked for beyond them costs a pass of its own, once.
    """

    def __init__(self, jet, x, dims, wanted):
        self.jet, self.x, self.dims = jet, x, dims
        self.wanted = set() if wanted is None else wanted
        self.wanted.add((0,) * dims)
        self.tensors = {}  # (output, multi-index) -> (n, 1)
        self.place = {}  # id -> (output, multi-index)
        self._pass()

    def _pass(self):
        orders = orders_of(tuple(sorted(self.wanted)))
        y = self.jet(self.x, orders)
        for i, alpha in enumerate(orders.indices):
            for output in range(y.shape[2]):
                if (output, alpha) not in self.tensors:
                    t = y[i, :, output : output + 1]
                    self.tensors[output, alpha] = t
                    self.place[id(t)] = output, alpha

    def outputs(self):
        value = (0,) * self.dims
        return [t for (_, alpha), t in self.tensors.items() if alpha == value]

    def beyond(self, t, axis):
        """The derivative by a coordinate of one of these tensors."""
        output, alpha = self.place[id(t)]
        alpha = tuple(n + (i == axis) for i, n in enumerate(alpha))
        if (output, alpha) not in self.tensors:
            self.wanted.add(alpha)
            self._pass()
        return self.tensors[output, alpha]
