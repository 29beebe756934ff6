"""Nests of tuples, named tuples, lists and dicts as flat lists of leaves, and back."""

from __future__ import annotations

from ..autodiff import Array
from ..parts import is_complex, joined


class Spec:
    """The shape of a nest: kind (None for a leaf), context (dict keys, named tuple type), the specs inside."""

    __slots__ = ("children", "context", "kind", "size")

    def __init__(self, kind=None, context=None, children=()):
        self.kind, self.context, self.children = kind, context, children
        self.size = 1 if kind is None else sum(c.size for c in children)

    def __eq__(self, other):
        return (self.kind, self.context, self.children) == (other.kind, other.context, other.children)

    __hash__ = None

    def __repr__(self):
        if self.kind is None:
            return "*"
        if self.kind is dict:
            return "{" + ", ".join(f"{k!r}: {c}" for k, c in zip(self.context, self.children, strict=True)) + "}"
        inside = ", ".join(map(str, self.children))
        return f"[{inside}]" if self.kind is list else f"({inside}{',' if len(self.children) == 1 else ''})"


LEAF = Spec()


def _parts(tree, apart=True):
    """(kind, context, children) of one level, or None for a leaf. apart: a complex tensor is a nest of its two parts, which are what
    derivatives and vmap work on."""
    if is_complex(tree):
        return (type(tree), _complex, [tree.real, tree.imag]) if apart else None
    if type(tree) in (tuple, list):
        return type(tree), None, list(tree)
    if isinstance(tree, dict):
        return dict, tuple(tree), list(tree.values())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return tuple, type(tree), list(tree)
    return None


def _complex(real, imag):
    if not (isinstance(real, Array) and isinstance(imag, Array)):
        raise TypeError("expected tensors with real elements: Jacobians of complex tensors are not supported")
    return joined((real, imag), (True,))[0]


def flatten(tree, apart=True):
    """(leaves, spec)."""
    parts = _parts(tree, apart)
    if parts is None:
        return [tree], LEAF
    leaves, specs = [], []
    for child in parts[2]:
        inside, spec = flatten(child, apart)
        leaves += inside
        specs.append(spec)
    return leaves, Spec(parts[0], parts[1], tuple(specs))


def unflatten(leaves, spec):
    """The nest of this spec with these leaves."""
    if spec.kind is None:
        return leaves[0]
    children, at = [], 0
    for c in spec.children:
        children.append(unflatten(leaves[at : at + c.size], c))
        at += c.size
    if spec.kind is dict:
        return dict(zip(spec.context, children, strict=True))
    return spec.context(*children) if spec.context is not None else spec.kind(children)


def map_tree(f, tree):
    """The same nest with f of every leaf."""
    leaves, spec = flatten(tree)
    return unflatten([f(x) for x in leaves], spec)


def tensors(tree):
    """The tensors among the leaves."""
    return [x for x in flatten(tree)[0] if isinstance(x, Array)]


def spread(tree, spec):
    """The leaves of tree, each repeated for all leaves that spec has below it; None where the two do not fit."""
    parts = _parts(tree)
    if parts is None:
        return [tree] * spec.size
    if spec.kind is not parts[0] or len(parts[2]) != len(spec.children) or (spec.kind is dict and parts[1] != spec.context):
        return None
    out = []
    for child, c in zip(parts[2], spec.children, strict=True):
        inside = spread(child, c)
        if inside is None:
            return None
        out += inside
    return out
