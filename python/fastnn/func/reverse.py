"""Reverse mode as functions of functions: grad, grad_and_value, vjp, jacrev."""

from __future__ import annotations

import functools

from .. import autodiff
from ..autodiff import Array, no_derivative
from ..errors import ShapeError
from ..grad_mode import enable_grad, is_grad_enabled, set_grad_enabled
from ..ops.diagonal import eye
from ..tensor import zeros_like
from .inputs import choose, flat_tensors, fresh, outside, released, split_aux
from .tree import flatten, tensors, unflatten
from .vmap import vmap


def gradients(outputs, inputs, cotangents, create_graph):
    """Reverse mode from outputs to inputs, with zeros where they do not depend on an input."""
    pairs = [(y, v) for y, v in zip(outputs, cotangents, strict=True) if y.requires_grad]
    if not pairs:
        return [zeros_like(x) for x in inputs]
    found = autodiff.grad(
        [y for y, _ in pairs], inputs, [v for _, v in pairs], retain_graph=True, create_graph=create_graph, allow_unused=True
    )
    return [zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]


def grad_and_value(func, argnums=0, has_aux=False):
    """The function that returns (gradient, value) of a scalar-valued func, or (gradient, (value, aux)) with has_aux.

    argnums: which positional argument(s) to differentiate by: tensors or nests of them. RuntimeError where func returns
    anything but a 0-d tensor.
    """

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        graph = is_grad_enabled()
        with enable_grad():
            chosen, put = choose(args, argnums)
            chosen = fresh(chosen, graph)
            inputs, spec = flatten(chosen)
            output, aux = split_aux(func(*put(chosen), **kwargs), has_aux, "grad_and_value(f)(*args)")
            if not isinstance(output, Array):
                raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(output)}")
            if output.ndim:
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with {output.ndim} "
                    "dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            if not output._floating:
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a floating-point Tensor, got {output.dtype}"
                    + no_derivative(output)
                )
            kept = outside([output, *tensors(aux)], inputs) if graph else ()
            found = gradients([output], inputs, [None], id(output) in kept)
        output = released(output, kept)
        return unflatten(found, spec), ((output, released(aux, kept)) if has_aux else output)

    return wrapper


def grad(func, argnums=0, has_aux=False):
    """The function that returns the gradient of a scalar-valued func, or (gradient, aux). See `grad_and_value`."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return wrapper


def value_and_grad(func, argnums=0, has_aux=False):
    """`grad_and_value` in the order of JAX and HIPS autograd: (value, gradient), or ((value, aux), gradient)."""
    both = grad_and_value(func, argnums, has_aux)
    return functools.wraps(func)(lambda *args, **kwargs: both(*args, **kwargs)[::-1])


class Pullback:
    """One evaluation of f, ready for any number of vector-Jacobian products."""

    def __init__(self, func, primals, has_aux, name):
        graph = is_grad_enabled()
        with enable_grad():
            self.primals = fresh(primals, graph)
            self.inputs, self.in_spec = flatten(self.primals)
            output, aux = split_aux(func(*self.primals), has_aux, name)
            self.outputs, self.out_spec = flat_tensors(output, name)
            for y in self.outputs:
                if not y._floating:
                    raise RuntimeError(
                        f"{name}: All outputs of f must be floating-point or complex Tensors, got Tensor with dtype {y.dtype}"
                        + no_derivative(y)
                    )
            self.kept = outside([*self.outputs, *tensors(aux)], self.inputs) if graph else ()
        self.output, self.aux = released(output, self.kept), released(aux, self.kept)

    def pull(self, cotangents, outputs=None, create_graph=None):
        outputs = self.outputs if outputs is None else outputs
        if create_graph is None:
            create_graph = is_grad_enabled() and (
                any(id(y) in self.kept for y in outputs) or any(v.requires_grad for v in cotangents)
            )
        with set_grad_enabled(create_graph):
            return gradients(outputs, self.inputs, cotangents, create_graph)


def vjp(func, *primals, has_aux=False):
    """(func(*primals), vjp_fn), or with has_aux (output, vjp_fn, aux). vjp_fn(cotangents) gives a tuple, one gradient for each primal.

    Primals, outputs and cotangents are nests of tensors; cotangents must have the outputs' structure and shapes.
    """
    name = "vjp(f, *primals)"
    for x in flatten(primals)[0]:
        if not isinstance(x, Array):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
    f = Pullback(func, primals, has_aux, name)

    def vjp_fn(cotangents, retain_graph=True, create_graph=None):
        vs, spec = flatten(cotangents)
        if spec != f.out_spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. "
                f"cotangents: {spec}, primal output: {f.out_spec}"
            )
        for i, (v, y) in enumerate(zip(vs, f.outputs, strict=True)):
            if not isinstance(v, Array) or v._shape != y._shape:
                got = list(v._shape) if isinstance(v, Array) else type(v)
                raise ShapeError(f"Mismatch in shape: grad_output[{i}] has a shape of {got} and output[{i}] has a shape of {list(y._shape)}.")
        return unflatten(f.pull(vs, create_graph=create_graph), f.in_spec)

    return (f.output, vjp_fn, f.aux) if has_aux else (f.output, vjp_fn)


def basis(x):
    """The unit tensors of x's shape along a new first axis."""
    return eye(x._size, dtype=x.dtype).reshape((x._size, *x._shape))


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False):
    """The function that returns the Jacobian of func by reverse mode: for each output and chosen input (*output, *input).

    All rows go back in one pass, or chunk_size rows at a time. Nests: the outputs' structure, and in each the inputs'.
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapper(*args):
        chosen, put = choose(args, argnums)
        f = Pullback(lambda x: func(*put(x)), (chosen,), has_aux, "jacrev(f, *args)")
        blocks = []
        for y in f.outputs:
            rows = vmap(lambda v, y=y: tuple(f.pull([v], [y])), chunk_size=chunk_size)(basis(y)) if y._size else [
                zeros_like(x).unsqueeze(0)[:0] for x in f.inputs
            ]
            rows = [r.reshape((*y._shape, *x._shape)) for r, x in zip(rows, f.inputs, strict=True)]
            blocks.append(unflatten(rows, f.in_spec)[0])
        jacobian = unflatten(blocks, f.out_spec)
        return (jacobian, f.aux) if has_aux else jacobian

    return wrapper
