"""Derivatives of functions at a point, as `torch.autograd.functional` has them: jacobian, hessian, vjp, jvp, vhp, hvp.

Inputs are a tensor or a tuple of tensors, results have the same form. With create_graph they can be differentiated, with
respect to the inputs too. strict: RuntimeError where an output does not depend on an input, instead of zeros.
"""

from __future__ import annotations

from .. import func as F
from ..autodiff import Array, grad
from ..errors import ShapeError
from ..grad_mode import enable_grad
from ..parts import is_complex
from ..tangent import push
from ..tensor import ones_like, zeros_like


def _tuple(x, what, name):
    if is_complex(x) or (isinstance(x, tuple) and any(map(is_complex, x))):
        raise NotImplementedError(f"{name}: not implemented for complex tensors; fastnn.func.vjp and jvp take them")
    xs = (x,) if isinstance(x, Array) else x
    if not isinstance(xs, tuple):
        raise TypeError(f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the given {what} has type {type(x)}.")
    for i, t in enumerate(xs):
        if not isinstance(t, Array):
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the value at index {i} of the "
                f"given {what} has type {type(t)}."
            )
    return xs


class _Call:
    """func at inputs, recorded: fresh inputs, flat outputs."""

    def __init__(self, func, inputs, create_graph, name):
        self.single_in = isinstance(inputs, Array)
        xs = _tuple(inputs, "inputs", name)
        self.name, self.create_graph = name, create_graph
        with enable_grad():
            if create_graph:
                self.inputs = tuple(x.view(x._shape) if x.requires_grad else x.detach().requires_grad_() for x in xs)
            else:
                self.inputs = tuple(x.detach().requires_grad_() for x in xs)
            out = func(*self.inputs)
        self.single_out = isinstance(out, Array)
        self.outputs = _tuple(out, "outputs of the user-provided function", name)

    def shown(self, ys):
        ys = tuple(ys) if self.create_graph else tuple(y.detach() for y in ys)
        return ys

    def value(self):
        ys = self.shown(self.outputs)
        return ys[0] if self.single_out else ys

    def like_inputs(self, xs):
        xs = self.shown(xs)
        return xs[0] if self.single_in else xs

    def like_outputs(self, ys):
        ys = self.shown(ys)
        return ys[0] if self.single_out else ys

    def vector(self, v, like, what):
        """v as a tuple of tensors like those given; None stands for 1 where there is one element."""
        if v is None:
            if len(like) != 1 or like[0]._size != 1:
                raise RuntimeError(
                    f"The vector v can only be None if the {what} is a single Tensor with a single element."
                    if what == "input to the user-provided function"
                    else "The vector v can only be None if the user-provided function returns a single Tensor with a single element."
                )
            return (ones_like(like[0]),)
        vs = _tuple(v, "v", self.name)
        if len(vs) != len(like):
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(vs)}.")
        for i, (t, x) in enumerate(zip(vs, like, strict=True)):
            if t._shape != x._shape:
                raise ShapeError(f"Entry {i} in v has invalid size: should be {x.shape} but got {t.shape}.")
        return vs

    def pull(self, vs, strict, create_graph=None):
        pairs = [(y, v) for y, v in zip(self.outputs, vs, strict=True) if y.requires_grad]
        found = [None] * len(self.inputs)
        if pairs:
            create_graph = self.create_graph if create_graph is None else create_graph
            found = grad([y for y, _ in pairs], self.inputs, [v for _, v in pairs], retain_graph=True, create_graph=create_graph, allow_unused=True)
        return self.filled(found, self.inputs, strict, "The output of the user-provided function is independent of input {}.")

    def push(self, ts, strict):
        with enable_grad():
            found = push(self.outputs, self.inputs, ts)
        return self.filled(found, self.outputs, strict, "Output {} of the user-provided function is independent of the inputs.")

    def filled(self, found, like, strict, words):
        for i, t in enumerate(found):
            if t is None and strict:
                raise RuntimeError(f"{words.format(i)} This is not allowed in strict mode.")
        return [zeros_like(x) if t is None else t for t, x in zip(found, like, strict=True)]


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), v'J): v like the outputs, the product like the inputs."""
    f = _Call(func, inputs, create_graph, "vjp")
    return f.value(), f.like_inputs(f.pull(f.vector(v, f.outputs, "output"), strict))


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), Jv): v like the inputs, the product like the outputs. In forward mode."""
    f = _Call(func, inputs, create_graph, "jvp")
    return f.value(), f.like_outputs(f.push(f.vector(v, f.inputs, "input to the user-provided function"), strict))


def _scalar(f, name):
    if not f.single_out:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if f.outputs[0]._size != 1:
        raise RuntimeError("The Tensor returned by the function given to " + name + " should contain a single element")


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), v'H) of a scalar-valued func: H is symmetric, so this is hvp by reverse mode over reverse mode."""
    f = _Call(func, inputs, create_graph, "vhp")
    _scalar(f, "vhp")
    vs = f.vector(v, f.inputs, "input to the user-provided function")
    first = [g for g in f.pull((ones_like(f.outputs[0]),), strict, True)]
    pairs = [(g, t) for g, t in zip(first, vs, strict=True) if g.requires_grad]
    found = [None] * len(f.inputs)
    if pairs:
        found = grad([g for g, _ in pairs], f.inputs, [t for _, t in pairs], create_graph=create_graph, retain_graph=True, allow_unused=True)
    return f.value(), f.like_inputs(f.filled(found, f.inputs, strict, "The gradient of the user-provided function is independent of input {}."))


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), Hv) of a scalar-valued func: forward mode over reverse mode."""
    f = _Call(func, inputs, create_graph, "hvp")
    _scalar(f, "hvp")
    vs = f.vector(v, f.inputs, "input to the user-provided function")
    first = f.pull((ones_like(f.outputs[0]),), strict, True)
    with enable_grad():
        found = push(first, f.inputs, vs)
    return f.value(), f.like_inputs(f.filled(found, f.inputs, strict, "The gradient of the user-provided function is independent of input {}."))


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """The Jacobian: (*output, *input) for each output and input; a tensor, a tuple, or a tuple of tuples.

    vectorize is accepted: rows always go in one pass. strategy="forward-mode": columns instead of rows.
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(f'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode". Got {strategy}')
    f = _Call(func, inputs, create_graph, "jacobian")
    if strict:
        for y in f.outputs:
            f.name = "jacobian"
            _Call.filled(f, grad(y, f.inputs, ones_like(y), retain_graph=True, allow_unused=True) if y.requires_grad else [None] * len(f.inputs),
                         f.inputs, True, "Output of the user-provided function is independent of input {}.")  # fmt: skip
    along = F.jacrev if strategy == "reverse-mode" else F.jacfwd
    with enable_grad():
        blocks = along(lambda *xs: _as_tuple(func(*xs)), tuple(range(len(f.inputs))))(*f.inputs)
    blocks = tuple(b[0] if f.single_in else b for b in (f.shown(b) for b in blocks))
    return blocks[0] if f.single_out else blocks


def _as_tuple(out):
    return (out,) if isinstance(out, Array) else tuple(out)


def hessian(func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy="reverse-mode"):
    """The Hessian of a scalar-valued func: (*input, *input) for each pair of inputs; a tensor or a tuple of tuples."""
    f = _Call(func, inputs, create_graph, "hessian")
    _scalar(f, "hessian")
    n = len(f.inputs)

    def gradient(*xs):
        return F.grad(lambda *zs: func(*zs).reshape(()), tuple(range(n)))(*xs)

    return jacobian(gradient if not f.single_in else lambda x: gradient(x)[0], inputs, create_graph, strict, strategy=outer_jacobian_strategy)


__all__ = ("hessian", "hvp", "jacobian", "jvp", "vhp", "vjp")
