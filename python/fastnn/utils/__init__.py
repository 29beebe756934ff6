"""Data loading; checkpoints."""

from . import _pytree, checkpoint, data

__all__ = ["_pytree", "checkpoint", "data"]
