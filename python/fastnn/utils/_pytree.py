"""Nests of tuples, named tuples, lists and dicts by PyTorch's names (`func.tree`); what is none of these is a leaf."""

from __future__ import annotations

from ..func.tree import Spec as TreeSpec
from ..func.tree import flatten
from ..func.tree import unflatten as tree_unflatten

__all__ = ["TreeSpec", "tree_all", "tree_any", "tree_flatten", "tree_leaves", "tree_map", "tree_map_", "tree_map_only", "tree_structure", "tree_unflatten"]


def tree_flatten(tree):
    """(leaves, spec)."""
    return flatten(tree, apart=False)


def tree_leaves(tree):
    """The leaves, in order."""
    return tree_flatten(tree)[0]


def tree_structure(tree):
    """The nest without its leaves."""
    return tree_flatten(tree)[1]


def tree_map(func, tree, *rests):
    """The same nest with func of every leaf, and of those at its place in rests. ValueError where those are other nests."""
    leaves, spec = tree_flatten(tree)
    others = [tree_flatten(r) for r in rests]
    for _, s in others:
        if s != spec:
            raise ValueError(f"tree_map: nests differ: {spec} and {s}")
    return tree_unflatten([func(*each) for each in zip(leaves, *(ls for ls, _ in others), strict=True)], spec)


def tree_map_(func, tree, *rests):
    """func of every leaf, for what it does; the nest itself."""
    tree_map(func, tree, *rests)
    return tree


def tree_map_only(kind, func, tree):
    """The same nest with func of every leaf that is an instance of kind."""
    return tree_map(lambda x: func(x) if isinstance(x, kind) else x, tree)


def tree_all(pred, tree):
    """Whether pred is true of every leaf."""
    return all(map(pred, tree_leaves(tree)))


def tree_any(pred, tree):
    """Whether pred is true of any leaf."""
    return any(map(pred, tree_leaves(tree)))
