"""What `tensor.grad_fn` shows: the op that made a tensor, under PyTorch's name, and what came before it."""

from __future__ import annotations

from ._cpu import Array
from .printing import grad_name


class Node:
    """`name()` and `next_functions`, as PyTorch's nodes have them; `op` is the op itself, and its attributes are found here too."""

    def __init__(self, tensor):
        self._tensor, self.op = tensor, tensor._node[0]

    def name(self):
        return grad_name(self._tensor)

    @property
    def next_functions(self):
        """((node, 0), ...) for each tensor among the arguments: (None, 0) where no gradient goes."""
        args = self._tensor._node[1]
        if args is None:
            return ()
        return tuple((node(a), 0) for a in args if isinstance(a, Array))

    @property
    def metadata(self):
        """A dict for notes on this node."""
        return self.__dict__.setdefault("_metadata", {})

    def register_prehook(self, hook):
        """hook((gradient,)) runs when the gradient of this node's output is known, and may return another such tuple."""

        def of_output(g):
            new = hook((g,))
            return new[0] if isinstance(new, tuple) else new

        return self._tensor.register_hook(of_output)

    def register_hook(self, hook):
        raise NotImplementedError("hooks of nodes do not exist here: register one with the tensor, or with the module")

    def __eq__(self, other):
        return isinstance(other, Node) and self._tensor._node is other._tensor._node

    def __hash__(self):
        return id(self._tensor._node)

    def __getattr__(self, name):
        return getattr(self.op, name)


class AccumulateGrad:
    """The end of the graph: the gradient of `variable` is added up here."""

    __module__ = "builtins"  # as PyTorch's nodes, which are printed so
    next_functions = ()

    def __init__(self, variable):
        self.variable = variable

    def name(self):
        return "struct torch::autograd::AccumulateGrad"


def node(t):
    """The node of a tensor, or None for one that needs no gradient."""
    if t._node is not None:
        return type(grad_name(t), (Node,), {"__module__": "builtins"})(t)
    return AccumulateGrad(t) if t.requires_grad else None
