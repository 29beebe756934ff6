"""Handles of hooks."""

from __future__ import annotations

import itertools


class Handle:
    """What a register_*_hook returns: remove() takes the hook away, leaving a `with` block does so too."""

    _ids = itertools.count()

    def __init__(self, hooks):
        self.hooks, self.id = hooks, next(Handle._ids)

    def remove(self):
        self.hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()
