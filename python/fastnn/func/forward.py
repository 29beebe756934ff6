"""Forward mode as functions of functions: jvp, linearize, jacfwd; and what is made of both modes: hessian, hvp."""

from __future__ import annotations

import functools

from ..autodiff import Array, no_derivative
from ..grad_mode import enable_grad, is_grad_enabled, set_grad_enabled
from ..tangent import push
from ..tensor import zeros_like
from .inputs import choose, flat_tensors, fresh, outside, released, split_aux
from .reverse import basis, grad, jacrev
from .tree import flatten, tensors, unflatten
from .vmap import vmap

JVP = "jvp(f, primals, tangents)"


class Pushforward:
    """One evaluation of f, ready for any number of Jacobian-vector products."""

    def __init__(self, func, primals, has_aux, name):
        graph = is_grad_enabled()
        with enable_grad():
            primals = fresh(primals, graph)
            self.inputs, self.in_spec = flatten(primals)
            output, aux = split_aux(func(*primals), has_aux, name)
            self.outputs, self.out_spec = flat_tensors(output, name)
            for y in self.outputs:
                if not y._floating:
                    raise RuntimeError(f"{name}: All outputs of f must be floating-point Tensors, got Tensor with dtype {y.dtype}{no_derivative(y)}")
            self.kept = outside([*self.outputs, *tensors(aux)], self.inputs) if graph else ()
        self.output, self.aux = released(output, self.kept), released(aux, self.kept)

    def push(self, tangents, strict=False):
        """The tangents of the outputs; None among the given ones means zero."""
        graph = is_grad_enabled() and (
            any(id(y) in self.kept for y in self.outputs) or any(t is not None and t.requires_grad for t in tangents)
        )
        pairs = [(x, t) for x, t in zip(self.inputs, tangents, strict=True) if t is not None]
        with set_grad_enabled(graph):
            found = push(self.outputs, [x for x, _ in pairs], [t for _, t in pairs])
        if strict and None in found:
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not allowed "
                "with strict=True."
            )
        return [zeros_like(y) if t is None else t for y, t in zip(self.outputs, found, strict=True)]


def _checked_tangents(primals, tangents, name=JVP):
    xs, spec = flatten(primals)
    ts, t_spec = flatten(tangents)
    if spec != t_spec:
        raise RuntimeError(
            f"{name}: Expected primals and tangents to have the same python structure. For example, if primals is a tuple of "
            f"3 tensors, tangents also must be. Got primals with structure {spec} and tangents with structure {t_spec}"
        )
    for what, leaves in (("primals", xs), ("tangents", ts)):
        if not leaves:
            raise RuntimeError(f"{name}: Expected {what} to contain at least one Tensor.")
        for x in leaves:
            if not isinstance(x, Array):
                raise RuntimeError(f"{name}: Expected {what} to only contain Tensors, got {type(x)}")
    for x, t in zip(xs, ts, strict=True):
        if x._shape != t._shape:
            raise RuntimeError(f"{name}: Expected the shape of a tangent to be that of its primal: {list(t._shape)} and {list(x._shape)}")
    return [t if t.dtype is x.dtype else t.to(x.dtype) for x, t in zip(xs, ts, strict=True)]


def jvp(func, primals, tangents, *, strict=False, has_aux=False):
    """(func(*primals), the derivative of func along tangents), or with has_aux (output, derivative, aux). Forward mode.

    primals: a tuple; tangents: of the same structure and shapes. strict: RuntimeError where an output depends on no input.
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{JVP}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    ts = _checked_tangents(primals, tangents)
    f = Pushforward(func, primals, has_aux, JVP)
    changes = unflatten(f.push(ts, strict), f.out_spec)
    return (f.output, changes, f.aux) if has_aux else (f.output, changes)


def linearize(func, *primals):
    """(func(*primals), jvp_fn): func is evaluated once, and jvp_fn(*tangents) is its derivative there."""
    if not primals:
        raise RuntimeError("linearize: Expected primals to contain at least one Tensor.")
    f = Pushforward(func, primals, False, "linearize(f, *primals)")

    def jvp_fn(*tangents):
        return unflatten(f.push(_checked_tangents(primals, tangents, "linearize(f, *primals)")), f.out_spec)

    return f.output, jvp_fn


def jacfwd(func, argnums=0, has_aux=False, *, chunk_size=None, randomness="error"):
    """The function that returns the Jacobian of func by forward mode: for each output and chosen input (*output, *input).

    func is evaluated once; all columns go forward in one pass, or chunk_size at a time. randomness is accepted for PyTorch's
    sake: with one evaluation there is one draw.
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacfwd: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapper(*args):
        chosen, put = choose(args, argnums)
        f = Pushforward(lambda x: func(*put(x)), (chosen,), has_aux, "jacfwd(f, *args)")
        blocks = [[] for _ in f.outputs]
        for k, x in enumerate(f.inputs):
            def along(t, k=k):
                return tuple(f.push([t if i == k else None for i in range(len(f.inputs))]))

            columns = vmap(along, chunk_size=chunk_size)(basis(x)) if x._size else [y.unsqueeze(0)[:0] for y in f.outputs]
            for block, c, y in zip(blocks, columns, f.outputs, strict=True):
                block.append(c.movedim(0, -1).reshape((*y._shape, *x._shape)))
        jacobian = unflatten([unflatten(b, f.in_spec)[0] for b in blocks], f.out_spec)
        return (jacobian, f.aux) if has_aux else jacobian

    return wrapper


def hessian(func, argnums=0):
    """The function that returns the Hessian of a scalar-valued func, forward over reverse: jacfwd(jacrev(func))."""
    return jacfwd(jacrev(func, argnums), argnums)


def hvp(func, primals, tangents):
    """The Hessian of a scalar-valued func times tangents, without the Hessian: jvp of grad. One primal: a tensor, else a tuple."""
    if not isinstance(primals, tuple):
        raise RuntimeError("hvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    product = jvp(grad(func, tuple(range(len(primals)))), primals, tangents)[1]
    return product[0] if len(primals) == 1 else product


jacobian = jacrev
