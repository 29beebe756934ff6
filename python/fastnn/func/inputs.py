"""What every transform does around a call: inputs of its own to differentiate by, and results that depend on no more
than the caller can see."""

from __future__ import annotations

from .. import _cpu
from ..autodiff import Array
from ..ops.shape import _reshape
from .tree import flatten, map_tree, unflatten


def fresh(tree, graph):
    """The tensors of tree as new differentiable tensors on the same memory; with graph, a caller's history flows through."""

    def one(x):
        if not isinstance(x, Array):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
        if graph and x.requires_grad:
            return _reshape(x, shape=x._shape)
        return x.detach().requires_grad_()

    return map_tree(one, tree)


def choose(args, argnums):
    """(the chosen arguments: one, or a tuple; a function that puts others in their places)."""
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    many = isinstance(argnums, tuple)
    places = [_place(i, len(args)) for i in (argnums if many else (argnums,))]
    if not places:
        raise RuntimeError("argnums must be non-empty")
    if len(set(places)) != len(places):
        raise RuntimeError(f"argnums elements must be unique, got {tuple(places)}")

    def put(new):
        out = list(args)
        for i, x in zip(places, new if many else (new,), strict=True):
            out[i] = x
        return tuple(out)

    chosen = tuple(args[i] for i in places)
    return (chosen if many else chosen[0]), put


def _place(i, n):
    if not isinstance(i, int):
        raise RuntimeError(f"argnum must be int, got: {type(i)}")
    if not -n <= i < n:
        raise RuntimeError(f"Got argnum={i}, but only {n} positional inputs")
    return i % n


def outside(outputs, inputs):
    """ids of the tensors behind outputs that depend on anything differentiable besides the fresh inputs."""
    own = {id(x) for x in inputs}
    found = {id(x) for x in inputs if x._node is not None}
    for y in outputs:
        if y._node is None and y.requires_grad and id(y) not in own:
            found.add(id(y))
    for y in _cpu.order(outputs, own):
        for x in _cpu.inputs(y):
            if isinstance(x, Array) and (
                id(x) in found or (x._node is None and id(x) not in own and x.requires_grad)
            ):
                found.add(id(y))
                break
    return found


def released(tree, kept):
    """The nest with every tensor detached whose id is not in kept."""
    return map_tree(lambda x: x if not isinstance(x, Array) or id(x) in kept or not x.requires_grad else x.detach(), tree)


def split_aux(output, has_aux, name):
    """(output, aux) of a function that returns both, or (output, None)."""
    if not has_aux:
        return output, None
    if not (isinstance(output, tuple) and len(output) == 2):
        raise RuntimeError(f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return output


def flat_tensors(tree, name):
    """(leaves, spec) of an output that must be tensors."""
    leaves, spec = flatten(tree)
    if not leaves or (len(leaves) == 1 and leaves[0] is None):
        raise RuntimeError(f"{name}: Expected f to be a function that has non-empty output (got output = {leaves})")
    for x in leaves:
        if not isinstance(x, Array):
            raise RuntimeError(f"{name}: expected f(*primals) to return only tensors, got unsupported type {type(x)}")
    return leaves, spec


__all__ = ("choose", "flat_tensors", "fresh", "outside", "released", "split_aux", "unflatten")
