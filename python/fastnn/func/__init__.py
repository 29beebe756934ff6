"""Functions of functions, named and behaving as in `torch.func`: they nest freely, to any order of derivative.

grad, vjp, jacrev go backwards through the recorded graph; jvp, linearize, jacfwd forwards through the same graph; vmap maps
over an axis; jet and partials give derivatives along directions in Taylor mode. Results depend on the caller's tensors, so
what is differentiated here can be differentiated again outside.
"""

from ..utils.checkpoint import checkpoint
from .forward import hessian, hvp, jacfwd, jacobian, jvp, linearize
from .jet import derivatives_of, jet, partials
from .module import functional_call, replace_all_batch_norm_modules_, stack_module_state
from .reverse import grad, grad_and_value, jacrev, value_and_grad, vjp
from .vmap import vmap


def functionalize(func, *, remove="mutations"):
    """func itself: changes in place are no obstacle to any of these functions."""
    return func


__all__ = (
    "checkpoint", "derivatives_of", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "hvp", "jacfwd", "jacobian", "jacrev",
    "jet", "jvp", "linearize", "partials", "replace_all_batch_norm_modules_", "stack_module_state", "value_and_grad", "vjp", "vmap",
)
