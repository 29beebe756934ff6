"""PyTorch's talk with other processes, for scripts that start it: the world is this process alone, and what it sends it receives."""

from __future__ import annotations

import enum
import os

__all__ = [
    "ReduceOp", "all_gather", "all_reduce", "barrier", "broadcast", "destroy_process_group", "get_rank", "get_world_size", "init_process_group",
    "is_available", "is_initialized", "reduce",
]  # fmt: skip

_initialized = False


class ReduceOp(enum.Enum):
    """How numbers of several processes are put together: of one process, they are the result."""

    SUM, AVG, PRODUCT, MIN, MAX = range(5)


def is_available():
    """True: a process group can be made, though nobody else is in it."""
    return True


def is_initialized():
    """Whether `init_process_group` has been called."""
    return _initialized


def init_process_group(backend=None, init_method=None, timeout=None, world_size=-1, rank=-1, **options):
    """Accepts a world of one process. RuntimeError for one of more: by world_size, or the variable WORLD_SIZE if that is not given."""
    global _initialized
    size = int(os.environ.get("WORLD_SIZE", 1)) if world_size == -1 else world_size
    if size != 1:
        raise RuntimeError(f"init_process_group: a world of {size} processes; fastnn trains in one, on all cores")
    _initialized = True


def destroy_process_group(group=None):
    """Ends what `init_process_group` began."""
    global _initialized
    _initialized = False


def get_rank(group=None):
    """0: the only process."""
    return 0


def get_world_size(group=None):
    """1: the only process."""
    return 1


def _alone(*peers):
    if any(peers):
        raise RuntimeError(f"there is no process of rank {next(filter(None, peers))}: rank 0 is the only one")


def barrier(group=None, async_op=False, device_ids=None):
    """Waits for nobody."""


def all_reduce(tensor, op=ReduceOp.SUM, group=None, async_op=False):
    """Leaves tensor as it is: the sum, mean, .. of one."""


def broadcast(tensor, src=0, group=None, async_op=False):
    """Leaves tensor as it is. RuntimeError for another rank than 0."""
    _alone(src)


def reduce(tensor, dst=0, op=ReduceOp.SUM, group=None, async_op=False):
    """Leaves tensor as it is. RuntimeError for another rank than 0."""
    _alone(dst)


def all_gather(tensor_list, tensor, group=None, async_op=False):
    """Copies tensor into the list's one tensor. ValueError for a list of another length."""
    (only,) = tensor_list
    only.copy_(tensor.detach())
