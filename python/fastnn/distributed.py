"""PyTorch's answers about other processes, for scripts that ask before they train alone: there are none."""

from __future__ import annotations


def is_available():
    """False."""
    return False


def is_initialized():
    """False."""
    return False


def get_rank(group=None):
    """0: the only process."""
    return 0


def get_world_size(group=None):
    """1: the only process."""
    return 1
