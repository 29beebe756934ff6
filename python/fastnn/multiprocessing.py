"""Python's multiprocessing under PyTorch's address, with `spawn`. Tensors that go to another process are copied, not shared."""

from __future__ import annotations

import multiprocessing as _multiprocessing
from multiprocessing import *  # noqa: F403

__all__ = [*_multiprocessing.__all__, "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn"]


class ProcessRaisedException(Exception):
    """A process of `spawn` ended with an error."""


def spawn(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """Runs fn(i, *args) in nprocs processes, i = 0, 1, ...; the list of them, unless join waits for all: then None.

    ProcessRaisedException if one of them failed; the others are ended.
    """
    context = _multiprocessing.get_context(start_method)
    processes = [context.Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]
    for p in processes:
        p.start()
    if not join:
        return processes
    for i, p in enumerate(processes):
        p.join()
        if p.exitcode:
            for other in processes[i + 1 :]:
                other.terminate()
            raise ProcessRaisedException(f"process {i} terminated with exit code {p.exitcode}")
    return None


def get_all_sharing_strategies():
    return {"file_system"}


def get_sharing_strategy():
    return "file_system"


def set_sharing_strategy(new_strategy):
    """Accepted for its known names: memory is not shared."""
    if new_strategy not in ("file_descriptor", "file_system"):
        raise AssertionError(f"unknown sharing strategy {new_strategy!r}")
