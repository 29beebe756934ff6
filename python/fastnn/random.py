"""PyTorch's `torch.random`: the default generator's seed and state, and `fork_rng`."""

from __future__ import annotations

from contextlib import contextmanager

from .ops.random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state

__all__ = ["Generator", "default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]


@contextmanager
def fork_rng(devices=None, enabled=True):
    """Restores the default generator's state at the end of the block."""
    state = default_generator.state.clone()  # not get_rng_state(): a recorded step may fork too
    try:
        yield
    finally:
        if enabled:
            default_generator.set_state(state)
