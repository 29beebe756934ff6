"""Taylor mode: values and derivatives along directions, for a whole batch of points, in one pass.

    y, (y1, y2) = jet(f, x, v, 2)                                   d^k/dt^k f(x + t v) at t = 0
    u, u_xy = partials(net, points, [(0, 0), (1, 1)])               ∂²/∂x∂y of a network at every point
    u, u_t, u_xx = derivatives_of(net, points, ["u", "u_t", "u_xx"], "xt")

All are derivatives, not Taylor coefficients, and differentiable themselves, to any order, with respect to whatever f depends
on, the points and the directions. A Sequential that ends in Linear layers with one smooth activation between runs these in the fused kernel
(csrc/kernels/jet/jet.cpp); any other f is run once, recorded, and its graph walked from the input on (`push`).
"""

from __future__ import annotations

import numpy as np

from .. import _cpu
from ..autodiff import Array, check_fresh, grad, no_derivative
from ..dtypes import float64
from ..errors import ShapeError
from ..grad_mode import enable_grad
from ..nn.activation import GELU, Sigmoid, SiLU, Softplus, Tanh
from ..nn.container import Sequential
from ..nn.hooks import EVERY_BACKWARD, EVERY_FORWARD, EVERY_FORWARD_PRE
from ..nn.linear import Linear
from ..ops.jet import LADDERS, MOST_ORDER, compose, fits, jet_mlp, orders_of, total
from ..ops.join import stack
from ..ops.matmul import linear
from ..ops.shape import expand
from ..tangent import push as push_tangents
from ..tangent import tangent_of
from ..tensor import from_numpy, zeros, zeros_like

__all__ = ("derivatives_of", "jet", "partials")


def jet(f, x, directions, order):
    """f(x) and its derivatives along directions: d^k/dt^k f(x + t v) at t = 0 for k = 1..order.

    x any shape; directions: a tensor v that broadcasts to x's shape, or a list of them. Returns (y, (y1, .., y_order)), for a
    list (y, [(y1, .., y_order), ..]); each has the shape of y = f(x). f: composed of fastnn's differentiable ops.
    ValueError unless order >= 1, ShapeError for a direction that does not fit, RuntimeError naming an op without derivative.
    """
    if order < 1:
        raise ValueError(f"jet: expected order >= 1, got {order}")
    several = isinstance(directions, (list, tuple))
    vs = list(directions) if several else [directions]
    wanted = [tuple(k if j == i else 0 for j in range(len(vs))) for i in range(len(vs)) for k in range(1, order + 1)]
    y, *rest = _derivatives(f, x, vs, [(0,) * len(vs), *wanted])
    series = [tuple(rest[i * order : (i + 1) * order]) for i in range(len(vs))]
    return y, series if several else series[0]


def partials(f, x, orders, directions=None):
    """Mixed partial derivatives ∂^α f at every point, one tensor like f(x) for each multi-index α in `orders`.

    x (N, d); f maps points to points: row n of the result depends on row n of x only. α has a number for each of the d
    coordinates: (1, 1) is ∂²/∂x₀∂x₁, (0, 4) is ∂⁴/∂x₁⁴. directions (K, d): α counts derivatives along these instead.
    """
    orders = [tuple(int(n) for n in a) for a in orders]
    if x.ndim != 2:
        raise ShapeError(f"partials: expected points (N, d), got shape {list(x._shape)}")
    if directions is None:
        directions = from_numpy(np.eye(x._shape[1], dtype=x.dtype.numpy))
    if directions.ndim != 2 or directions._shape[1] != x._shape[1]:
        raise ShapeError(f"partials: expected directions (K, {x._shape[1]}), got shape {list(directions._shape)}")
    if not orders:
        return []
    for a in orders:
        if len(a) != directions._shape[0] or min(a, default=0) < 0:
            raise ValueError(f"partials: {a} is no multi-index over {directions._shape[0]} directions")
    network = mlp_of(f)
    closed = orders_of(tuple(orders))
    if network is not None:
        y = network_jet(network, x, directions, closed)
        return [y[closed.place[a]] for a in orders]
    return _derivatives(f, x, [directions[k] for k in range(directions._shape[0])], orders)


def derivatives_of(f, x, names, coordinates, outputs="u"):
    """Derivatives by name: "u", "u_x", "u_xt", "u_xxxx". Each is a column (N, 1).

    x (N, d), its columns named by `coordinates` ("xt", or a list; names longer than a letter are separated by "_": "u_r_phi"),
    those of f(x) by `outputs`. ValueError for a name that does not exist.
    """
    coordinates, outputs = list(coordinates), list(outputs)
    parsed = [_parse(name, coordinates, outputs) for name in names]
    distinct = list(dict.fromkeys(a for _, a in parsed))
    found = dict(zip(distinct, partials(f, x, distinct), strict=True))
    return [found[a][:, i : i + 1] if found[a]._shape[1] > 1 else found[a] for i, a in parsed]


def _parse(name, coordinates, outputs):
    output, *parts = name.split("_")
    if output not in outputs:
        raise ValueError(f"derivatives_of: {name!r}: there is no output {output!r}; there are {', '.join(outputs)}")
    steps = [c for part in parts for c in ([part] if part in coordinates else part)]
    for c in steps:
        if c not in coordinates:
            raise ValueError(f"derivatives_of: {name!r}: there is no coordinate {c!r}; there are {', '.join(coordinates)}")
    return outputs.index(output), tuple(steps.count(c) for c in coordinates)


# -- networks that the kernel knows -----------------------------------------------------------------------------------------------

_KNOWN = {Tanh: "tanh", Sigmoid: "sigmoid", SiLU: "silu", GELU: "gelu", Softplus: "softplus"}


def _hooked(module):
    slots = module.__dict__
    own = slots["_forward_hooks"] or slots["_forward_pre_hooks"] or slots["_backward_hooks"]
    return own or EVERY_FORWARD or EVERY_FORWARD_PRE or EVERY_BACKWARD


def _activation(module, width):
    """(name, factor) where module(z) = name(factor z), name one of the kernel's activations; None for anything else.

    A module of another type without parameters is asked: it runs on `width` numbers, and its graph is looked at.
    """
    name = _KNOWN.get(type(module))
    if _hooked(module) or (name == "gelu" and module.approximate != "none") or getattr(module, "inplace", False):
        return None
    if name is not None and (name != "softplus" or (module.beta, module.threshold) == (1, 20)):
        return name, 1.0
    if name is not None or type(module) is Linear or next(module.parameters(), None) is not None:
        return None
    z = zeros(1, width, dtype=float64).requires_grad_()
    try:
        with enable_grad():
            y = module(z)
        op, args = y._node[:2]
    except Exception:  # not made for this input, or no function of it: the general path will say so
        return None
    factor, z_or_multiple = 1.0, args[0]
    if op.name not in LADDERS or y._shape != z._shape or (op.name == "softplus" and args[1] != 20):
        return None
    if isinstance(z_or_multiple, Array) and z_or_multiple is not z and z_or_multiple._node is not None:  # sin(30 z)
        scaling, pair = z_or_multiple._node[:2]
        numbers = [a for a in pair if isinstance(a, (int, float))]
        if scaling.name == "mul" and len(numbers) == 1:
            factor, z_or_multiple = float(numbers[0]), pair[0] if pair[1] is numbers[0] else pair[1]
    return (op.name, factor) if z_or_multiple is z else None


def _flat(modules):
    for m in modules:
        if isinstance(m, Sequential) and type(m).forward is Sequential.forward and not _hooked(m):
            yield from _flat(m)
        else:
            yield m


def mlp_of(f):
    """(head, weights, activation) of a Sequential: modules in front, then Linear layers with one activation between.

    None for anything else, and for networks that end in less than two such layers with something else before them. f may be
    a list of modules. A factor in front of the activation, as in sin(30 z), is taken into the weights.
    """
    if not isinstance(f, list) and (not isinstance(f, Sequential) or type(f).forward is not Sequential.forward or _hooked(f)):
        return None
    modules, weights, name = list(_flat(f)), [], None
    factor, kinds = 1.0, {}
    while modules and type(modules[-1]) is Linear and not _hooked(modules[-1]):
        last = modules.pop()._parameters
        layer = [last["weight"], last["bias"]]
        weights[:0] = layer if factor == 1.0 else [w if w is None else w * factor for w in layer]
        if len(modules) < 2 or type(modules[-2]) is not Linear or _hooked(modules[-2]):
            break
        before, width = modules[-1], modules[-2].out_features
        key = (type(before), width) if type(before) in _KNOWN else (id(before), width)
        if key not in kinds:
            kinds[key] = _activation(before, width)
        if kinds[key] is None or name not in (None, kinds[key][0]):
            break
        name, factor = kinds[key]
        modules.pop()
    if not weights or (modules and len(weights) < 4):
        return None
    return modules, weights, name or "tanh"


def network_jet(network, x, directions, orders):
    """The derivatives (len(orders.indices), N, outputs) of what `mlp_of` found: what is in front by its graph, the layers fused.

    Beyond the kernel's orders everything goes by the graph.
    """
    head, weights, activation = network
    vs = [directions[k] for k in range(directions._shape[0])]

    def before(p):
        for m in head:
            p = m(p)
        return p

    def whole(p):
        p = linear(before(p), *weights[:2])
        for i in range(2, len(weights), 2):
            p = linear(LADDERS[activation](p, 0)[0], weights[i], weights[i + 1])
        return p

    if not fits(orders):
        return stack(_derivatives(whole, x, vs, orders.indices))
    if head:
        x, directions = stack(_derivatives(before, x, vs, orders.indices)), None
    return jet_mlp(x, directions, weights, orders, activation)


# -- any function: through the recorded graph ---------------------------------------------------------------------------------------


def _derivatives(f, x, directions, wanted):
    """∂^α of f along directions that broadcast to x, for each α wanted."""
    orders = orders_of(tuple(wanted))
    with enable_grad():
        own = x.reshape(x._shape) if x.requires_grad else x.detach().requires_grad_()
        y = f(own)
    if not isinstance(y, Array):
        raise TypeError(f"jet: f must return a Tensor, not {type(y).__name__}")
    if not y._floating:
        raise TypeError(f"jet: f must return a floating-point Tensor, got {y.dtype}{no_derivative(y)}")
    seed = [own] + [None] * (len(orders.indices) - 1)
    for i, a in enumerate(orders.indices):
        if sum(a) == 1:
            v = directions[a.index(1)]
            seed[i] = expand(v if v.dtype is x.dtype else v.to(x.dtype), x._shape)
    result = push(orders, y, own, seed)
    return [zeros_like(y) if (t := result[orders.place[a]]) is None else t for a in wanted]


def push(orders, y, x, seed):
    """The jet of y, computed from x, when x has the jet `seed`: one rule a kind of op, in topological order."""
    found = {id(x): seed}
    for t in _cpu.order([y], found):
        op, args, params = t._node[0], _cpu.inputs(t), t._node[2] or {}
        jets = [found.get(id(a)) if isinstance(a, Array) else None for a in args]
        if all(j is None for j in jets):
            continue
        check_fresh(t)
        found[id(t)] = [t, *(None if c is None else _fit(c, t) for c in _coefficients(orders, op, t, args, params, jets))]
    return found.get(id(y), [y] + [None] * (len(orders.indices) - 1))


def _fit(c, y):
    return c if c._shape == y._shape else expand(c, y._shape)


def _coefficients(orders, op, y, args, params, jets):
    """The derivatives of y = op(*args, **params), from order 1 on."""
    kind, name = getattr(op, "kind", None), getattr(op, "name", "")
    higher = range(1, len(orders.indices))
    if kind == "linear" or name in ("add", "sub", "neg"):
        return [_moved(op, y, args, params, [j and j[i] for j in jets]) for i in higher]
    moving = [i for i, j in enumerate(jets) if j is not None]
    factors = [0, 1] if name == "mul" else op.of if kind == "multilinear" else ()
    if factors and sum(i in factors for i in moving) <= 2:
        return _product(orders, op, y, args, params, jets, factors)
    if moving == [0] and name in LADDERS and orders.order <= MOST_ORDER and (name != "softplus" or args[1] == 20):
        return compose(orders, LADDERS[name](args[0], orders.order), jets[0])[1:]
    if kind == "pointwise" and len(moving) == 1:
        z = [None if c is None else _fit(c, y) for c in jets[moving[0]]]
        return compose(orders, _ladder(op, args, params, moving[0], y, orders.order), z)[1:]
    return _by_polynomials(orders, op, y, args, params, jets)


def _moved(op, y, args, params, ts):
    return None if all(t is None for t in ts) else tangent_of(op, y, args, params, ts)


def _product(orders, op, y, args, params, jets, factors):
    """Cauchy's product, for at most two factors that have a jet; a bias adds its own."""
    moving = [i for i in factors if jets[i] is not None]
    plus = getattr(op, "plus", None)

    def times(values, bias=None):
        new = list(args)
        for i, v in zip(moving, values, strict=True):
            new[i] = v
        if plus is not None:
            new[plus] = bias
        return op(*new, **params)

    out = []
    for c in range(1, len(orders.indices)):
        terms = []
        if len(moving) == 2:
            a, b = (jets[i] for i in moving)
            for i, j, factor in orders.product[c]:
                if a[i] is not None and b[j] is not None:
                    terms.append(times((a[i], b[j])) if factor == 1 else times((a[i], b[j])) * factor)
        elif moving and jets[moving[0]][c] is not None:
            terms.append(times((jets[moving[0]][c],)))
        if plus is not None and jets[plus] is not None and jets[plus][c] is not None:
            terms.append(_fit(jets[plus][c], y))
        out.append(total(terms))
    return out


def _ladder(op, args, params, i, y, order):
    """The derivatives of a pointwise op with respect to argument i, by nested gradients of the op alone."""
    with enable_grad():
        own = expand(args[i], y._shape).reshape(y._shape)
        own = own if own is not args[i] else args[i] * 1
        s = [op(*[own if k == i else a for k, a in enumerate(args)], **params)]
        for _ in range(order):
            g = None
            if s[-1] is not None and s[-1].requires_grad:
                (g,) = grad(s[-1].sum(), own, create_graph=True, allow_unused=True)
            s.append(g)
    return s


def _by_polynomials(orders, op, y, args, params, jets):
    """For the rest: op at Σ a_α ε^α / α!, differentiated at ε = 0 by forward mode, as often as α says."""
    axes = range(len(orders.indices[0]))
    with enable_grad():
        eps = [zeros((), dtype=y.dtype).requires_grad_() for _ in axes]
        moved = list(args)
        for i, j in enumerate(jets):
            if j is None:
                continue
            for a, c in list(zip(orders.indices, j, strict=True))[1:]:
                if c is None:
                    continue
                for k, n in enumerate(a):
                    for m in range(1, n + 1):
                        c = c * eps[k] / m
                moved[i] = moved[i] + c
        z = op(*moved, **params)
        found = {orders.indices[0]: z[0] if isinstance(z, tuple) else z}
        for a in orders.indices[1:]:
            axis = orders._first(a)
            base = found[tuple(n - (k == axis) for k, n in enumerate(a))]
            one = zeros_like(eps[axis]) + 1
            found[a] = None if base is None else push_tangents([base], [eps[axis]], [one])[0]
    return [found[a] for a in orders.indices[1:]]
