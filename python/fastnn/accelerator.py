"""PyTorch's questions about whatever accelerator there is: a GPU (`fastnn.cuda`), or none."""

from __future__ import annotations

from . import cuda
from .device import device as _device


def is_available() -> bool:
    """Whether tensors can live on a GPU."""
    return cuda.is_available()


def current_accelerator(check_available=False):
    """device("cuda") where there is a GPU, else None."""
    return _device("cuda") if is_available() else None


def device_count() -> int:
    """The number of GPUs that tensors can live on: 0 or 1."""
    return cuda.device_count()


def current_device_index() -> int:
    """The GPU in use; RuntimeError without one."""
    return cuda.current_device()


def set_device_index(device) -> None:
    """`cuda.set_device`."""
    cuda.set_device(device)


def synchronize(device=None) -> None:
    """`cuda.synchronize`; RuntimeError without a GPU."""
    cuda.synchronize(device)
