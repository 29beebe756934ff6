"""`fastnn.autograd`: the functions of `autodiff`, functions with derivatives of your own, and checks of derivatives."""

from __future__ import annotations

import math

from ..autodiff import (
    Array,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    look_for_nan,
    no_grad,
    record,
    set_grad_enabled,
)
from ..autodiff import backward as _backward
from ..autodiff import grad as _grad
from ..errors import named
from ..inplace import before_change, check_change, made_by_value, take_over
from ..parts import flat, flat_as, is_complex, joined
from ..tensor import Tensor, ones_like, tensor, zeros
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .graph import saved_tensors_hooks

backward, grad = named(_backward), named(_grad)  # of complex tensors too


def _end_to_end(tensors, dtype):
    from ..ops.join import cat

    return cat([t.reshape(-1).to(dtype) for t in tensors])


class Function:
    """A function with a derivative of your own: subclass with static `forward(ctx, *args)` and `backward(ctx, g)`; call `apply`.

    forward runs unrecorded; what backward needs goes through ctx.save_for_backward or attributes of ctx. backward returns
    one gradient per argument of forward (None where there is none). Written with ops, it is differentiable itself.
    In the other form forward(*args) sees no ctx, and `setup_context(ctx, inputs, output)` is called after it.
    """

    generate_vmap_rule = True  # every op has one

    @staticmethod
    def setup_context(ctx, inputs, output):
        """What forward would have left in ctx."""
        raise NotImplementedError

    @staticmethod
    def forward(ctx, *args):
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx, *grads):
        raise NotImplementedError("You must implement the backward method for your custom autograd.Function to use it with backward mode AD.")

    vjp = backward

    @staticmethod
    def jvp(ctx, *tangents):
        """Optional, for forward mode: the change of the output for changes of the arguments (None: it stays)."""
        raise NotImplementedError

    def __call__(self, *args, **kwargs):
        raise RuntimeError(f"Legacy autograd function with non-static forward method is deprecated: call {type(self).__name__}.apply(...)")

    @classmethod
    def apply(cls, *args):
        ctx = Context(args, cls.__name__)
        with no_grad():
            if cls.setup_context is Function.setup_context:
                y = cls.forward(ctx, *args)
            else:
                y = cls.forward(*args)
                cls.setup_context(ctx, args, y)
        if any(map(is_complex, args)) or any(map(is_complex, y if isinstance(y, tuple) else (y,))):
            return cls._apply_to_complex(ctx, y, args)
        if ctx.dirty and is_grad_enabled() and any(isinstance(a, Array) and a.requires_grad for a in args):
            args = ctx.before_change(args)
        if isinstance(y, tuple):
            return cls._apply_to_several(ctx, y, args)
        if id(y) in ctx.old:
            return ctx.taken_over(y, record(y.detach(), _Applied(cls, ctx), args))
        if any(y is a for a in args) and id(y) not in ctx.dirty:  # an argument handed through keeps its own history
            y = y.detach()
        return y if id(y) in ctx.no_derivative else record(y, _Applied(cls, ctx), args)

    @classmethod
    def _apply_to_complex(cls, ctx, y, args):
        """Its node is one of the parts of complex arguments and results."""
        if ctx.dirty:
            raise NotImplementedError(f"{cls.__name__}: mark_dirty is not implemented where arguments or results are complex")
        ys = y if isinstance(y, tuple) else (y,)
        ctx.complex = [is_complex(a) for a in args], [is_complex(v) for v in ys]
        out = joined(cls._apply_to_several(ctx, flat(ys), flat(args)), ctx.complex[1])
        return out if isinstance(y, tuple) else out[0]

    @classmethod
    def _apply_to_several(cls, ctx, ys, args):
        """A node has one output: the differentiable ones are laid end to end in one tensor, and taken out of it again."""
        places = [i for i, y in enumerate(ys) if isinstance(y, Array) and y.dtype.is_floating_point and id(y) not in ctx.no_derivative]
        if not places or not is_grad_enabled() or not any(isinstance(a, Array) and a.requires_grad for a in args):
            return ys
        wide = max((ys[i].dtype for i in places), key=lambda d: d.itemsize)
        with no_grad():
            flat = _end_to_end([ys[i] for i in places], wide)
        call = _Applied(cls, ctx, ys, places)
        flat = record(flat, call, args)
        out = list(ys)
        for i, part in zip(places, flat.split([ys[i]._size for i in places]), strict=True):
            part = part.reshape(ys[i]._shape).to(ys[i].dtype)
            out[i] = ctx.taken_over(ys[i], record(part.detach(), _Output(call, i), (part,)))
        # What was saved of the outputs is what is returned, with its history: backward has a derivative with respect to it.
        ctx._keep(tuple(next((out[i] for i in places if ys[i] is t), t) for t in ctx._saved))
        return tuple(out)


class Context:
    """What forward leaves for backward."""

    materialize = True
    complex = None  # (of the arguments, of the results): which are complex, where any is

    def __init__(self, args, name):
        self._name = name
        self._saved = self._versions = self._pairs = ()
        self._hooks = None
        self.needs_input_grad = tuple(isinstance(a, (Array, Tensor)) and a.requires_grad for a in args)
        self.no_derivative = set()
        self.dirty, self.old = {}, {}  # by id: the arguments changed in place, and what they were before

    def save_for_backward(self, *tensors):
        if any(map(is_complex, tensors)):
            self._pairs, tensors = [is_complex(t) for t in tensors], flat(tensors)
        self._hooks = saved_tensors_hooks.active()
        if self._hooks is not None:
            self._packed = [self._hooks.packed(t) if isinstance(t, Array) else None for t in tensors]
        self._keep(tensors)

    def _keep(self, tensors):
        self._saved = tensors
        self._versions = tuple(t._version if isinstance(t, Array) else 0 for t in tensors)

    @property
    def saved_tensors(self):
        """What was saved. RuntimeError where one of them has been changed in place since."""
        saved = self._checked()
        return joined(saved, self._pairs) if self._pairs else saved

    def _checked(self):
        if self._hooks is not None:
            return tuple(t if p is None else self._hooks.unpacked(p, t) for t, p in zip(self._saved, self._packed, strict=True))
        if any(isinstance(t, Array) and t._version != v for t, v in zip(self._saved, self._versions, strict=True)):
            raise RuntimeError(f"{self._name}: one of the variables needed for gradient computation has been modified by an inplace operation")
        return self._saved

    def mark_non_differentiable(self, *tensors):
        """No gradient flows through these outputs."""
        self.no_derivative.update(id(t) for t in flat(tensors))
        self._kept = tensors

    def mark_dirty(self, *tensors):
        """These arguments are changed in place by forward, which returns them; they take over its history."""
        self.dirty.update((id(t), t) for t in tensors)

    def before_change(self, args):
        """args with what they were before in place of those marked dirty. RuntimeError for leaves that require grad."""
        for x in self.dirty.values():
            check_change(x, self._name)
            old = before_change(x)
            if made_by_value(old):  # its derivative would read what has been overwritten: backward shall see that it is stale
                old._node = x._node
            self.old[id(x)] = old
        return tuple(self.old.get(id(a), a) for a in args)

    def taken_over(self, x, y):
        """x with the history of y where x was marked dirty, else y."""
        if id(x) not in self.old:
            return y
        take_over(x, y._node, self.old[id(x)])
        return x

    def save_for_forward(self, *tensors):
        """Accepted: `jvp` finds what it needs in attributes of ctx."""

    def set_materialize_grads(self, value):
        """False: backward gets None, not zeros, for an output that no gradient has reached."""
        self.materialize = value


def _reduces_to(g, x):
    """Whether the gradient g has the shape of x, or one that x broadcasts to."""
    if g._shape == x._shape or g._levels is not None or x._levels is not None:
        return True
    ends = zip(reversed(g._shape), reversed(x._shape), strict=False)
    return len(g._shape) >= len(x._shape) and all(b in (a, 1) for a, b in ends)


class _Output:
    """An identity, the i-th output of a call: it notes that a gradient has come through it."""

    saved = ()

    def __init__(self, call, i):
        self.cls, self.name, self.reached, self.i = call.cls, call.name, call.reached, i

    def gradients(self, g, y, args, params, needs):
        self.reached.add(self.i)
        return [g]

    def tangent(self, y, args, params, ts):
        return ts[0]


_NO_ARGUMENT = (1 << 30,)  # the position of none


class _Applied:
    """One call of a Function, in the place of an op."""

    def __init__(self, cls, ctx, ys=None, places=()):
        self.cls, self.ctx, self.name = cls, ctx, cls.__name__
        self.places = places  # of the differentiable outputs, where there are several
        self.outputs = ys and [(y._shape, y.dtype) if isinstance(y, Array) else None for y in ys]
        self.reached = set()  # of those, the ones that a gradient has come to; looked at where None tells the others apart
        if cls.jvp is not Function.jvp:  # without it forward mode transposes backward
            self.tangent = self.jvp

    @property
    def saved(self):
        """No argument, as ctx looks after its tensors itself; but where it has some, backward without retain_graph ends this node too."""
        return _NO_ARGUMENT if self.ctx._saved else ()

    def jvp(self, y, args, params, ts):
        """The tangent of the output by the Function's own rule."""
        if self.ctx.complex is None:
            return self.of_each(self.cls.jvp(self.ctx, *ts))
        given, returned = self.ctx.complex
        changes = self.cls.jvp(self.ctx, *joined(ts, given))
        return self.of_each(flat_as(changes if isinstance(changes, tuple) else (changes,), returned))

    def each(self, g):
        """The gradient of every output of forward, from that of the one tensor that holds them; None for what is no tensor."""
        if self.outputs is None:
            return (g,)
        gs = [None] * len(self.outputs)
        sizes = [math.prod(self.outputs[i][0]) for i in self.places]
        for i, part in zip(self.places, g.split(sizes), strict=True):
            shape, dtype = self.outputs[i]
            gs[i] = part.reshape(shape).to(dtype)
        if self.ctx.materialize:
            return [zeros(o[0], dtype=o[1], device=g.device) if g_ is None and o is not None else g_ for g_, o in zip(gs, self.outputs, strict=True)]
        reached = set(self.reached)
        self.reached.clear()
        return [g_ if i in reached else None for i, g_ in enumerate(gs)]

    def of_each(self, ts):
        """The tangent of that one tensor, from those of the outputs."""
        if self.outputs is None:
            return ts
        wide = max((self.outputs[i][1] for i in self.places), key=lambda d: d.itemsize)
        return _end_to_end([ts[i] for i in self.places], wide)

    def gradients(self, g, y, args, params, needs):
        backward = self.cls.vjp if self.cls.backward is Function.backward else self.cls.backward
        given, returned = self.ctx.complex or ((False,) * len(args), ())
        result = backward(self.ctx, *(joined(self.each(g), returned) if returned else self.each(g)))
        result = result if isinstance(result, tuple) else (result,)
        while len(result) > len(given) and result[-1] is None:  # optional arguments that were not given
            result = result[:-1]
        if len(result) != len(given):
            raise RuntimeError(f"function {self.name} returned an incorrect number of gradients (expected {len(given)}, got {len(result)})")
        for i, d in enumerate(result):
            if is_complex(d) and not given[i]:
                raise RuntimeError(f"Function {self.name} returned an invalid gradient at index {i} - got a complex one of a real argument")
        result = flat_as(result, given) if returned else result
        for i, (d, a) in enumerate(zip(result, args, strict=True)):
            if needs[i] and d is not None and not _reduces_to(d, a):
                raise RuntimeError(
                    f"Function {self.name} returned an invalid gradient at index {i} - got {list(d.shape)} but expected shape compatible "
                    f"with {list(a.shape)}"
                )
        return result


class _VariableType(type):
    def __instancecheck__(cls, x):
        return isinstance(x, Tensor)


class Variable(metaclass=_VariableType):
    """What tensors were before they had gradients themselves. Variable(data) is a tensor on the same memory, without history; every
    tensor is an instance."""

    def __new__(cls, data=None, requires_grad=False, volatile=None):
        data = tensor(()) if data is None else data
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)


class set_detect_anomaly:
    """From now on, or until the end of the block if used as one, backward raises RuntimeError at the first gradient with a NaN (unless
    check_nan=False), naming the op whose result it belongs to. Costs a pass over every gradient."""

    def __init__(self, mode, check_nan=True):
        self._before = look_for_nan(bool(mode and check_nan))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        look_for_nan(self._before)


class detect_anomaly(set_detect_anomaly):
    """`set_detect_anomaly(True)` for a block."""

    def __init__(self, check_nan=True):
        super().__init__(True, check_nan)


def jacobian(func, inputs, **options):
    """See `fastnn.autograd.functional.jacobian`."""
    from .functional import jacobian

    return jacobian(func, inputs, **options)


from . import forward_ad, function, graph  # noqa: E402

__all__ = (
    "Function", "GradcheckError", "Variable", "backward", "detect_anomaly", "enable_grad", "forward_ad", "function", "grad", "gradcheck", "gradgradcheck", "graph", "inference_mode",
    "is_grad_enabled", "jacobian", "no_grad", "ones_like", "set_detect_anomaly", "set_grad_enabled",
)
