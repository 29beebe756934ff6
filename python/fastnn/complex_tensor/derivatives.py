"""`autograd.backward` and `autograd.grad` where some of the tensors are complex: those of their parts."""

from __future__ import annotations

from .. import autodiff
from ..parts import flat
from ..tensor import Tensor, zeros_like
from .forms import form
from .tensor import ComplexTensor, as_complex, parts


def flat_outputs(outputs, grads, name):
    """(outputs, gradients) as `autodiff` takes them. A gradient g of a complex output z stands for that of Re(conj(g) · z)."""
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    grads = (None,) * len(outputs) if grads is None else (grads,) if isinstance(grads, Tensor) else tuple(grads)
    if len(grads) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    pairs = []
    for y, g in zip(outputs, grads, strict=True):
        if not isinstance(y, ComplexTensor):
            if isinstance(g, ComplexTensor):
                raise RuntimeError(f"{name}: the gradient of a real tensor must be real")
            pairs.append((y, g))
            continue
        if not y.requires_grad:
            raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
        if g is None:
            raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {y.dtype}")
        g = as_complex(g)
        if g.shape != y.shape:
            raise RuntimeError(f"Mismatch in shape: grad_output[0] has a shape of {list(g.shape)} and output[0] has a shape of {list(y.shape)}.")
        pairs += [(part, d) for part, d in zip(parts(y), parts(g), strict=True) if part.requires_grad]
    return tuple(y for y, _ in pairs), tuple(g for _, g in pairs)


@form(Tensor.backward)
def _backward_of_one(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    backward((self,), None if gradient is None else (gradient,), retain_graph, create_graph, inputs)


@form(autodiff.backward)
def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None):
    tensors, grads = flat_outputs(tensors, grad_tensors, "backward")
    autodiff.backward(tensors, grads, retain_graph, create_graph, None if inputs is None else [p for p in flat(inputs) if p.requires_grad])


def _backward_of_complex(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Adds to `.grad` of every leaf the gradient of Re(conj(gradient) · this). RuntimeError without one: only real numbers have it implicitly."""
    if gradient is None and self.requires_grad:
        raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {self.dtype}")
    backward((self,), None if gradient is None else (gradient,), retain_graph, create_graph, inputs)


ComplexTensor.backward = _backward_of_complex


@form(autodiff.grad)
def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True, allow_unused=None,
         is_grads_batched=False, materialize_grads=False):  # fmt: skip
    """As `autodiff.grad`. The gradient of a complex input is dL/dreal + i dL/dimag."""
    if is_grads_batched:
        raise NotImplementedError("grad: is_grads_batched is not implemented for complex tensors")
    outputs, grads = flat_outputs(outputs, grad_outputs, "grad")
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    for x in inputs:
        if not x.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    wanted = [p for p in flat(inputs) if p.requires_grad]
    found = iter(autodiff.grad(outputs, wanted, grads, retain_graph, create_graph, allow_unused=True))
    result = []
    for x in inputs:
        each = [next(found) if p.requires_grad else None for p in flat(x)]
        if all(g is None for g in each) and not materialize_grads:
            if not allow_unused:
                raise RuntimeError(
                    "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if this "
                    "is the desired behavior."
                )
            result.append(None)
            continue
        each = [zeros_like(p) if g is None else g for p, g in zip(flat(x), each, strict=True)]
        result.append(ComplexTensor(*each) if isinstance(x, ComplexTensor) else each[0])
    return tuple(result)
