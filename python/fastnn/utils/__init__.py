"""Data loading; checkpoints."""

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
