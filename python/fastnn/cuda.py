"""Answers to scripts that ask for a GPU before they fall back to the CPU. This build has none."""

from __future__ import annotations

from . import amp  # noqa: F401  (torch.cuda.amp)


def is_available() -> bool:
    """Can tensors live on a GPU? Not in this build: ``device("cuda" if cuda.is_available() else "cpu")`` is the CPU."""
    return False


def device_count() -> int:
    """The number of GPUs that tensors can live on."""
    return 0


def manual_seed(seed: int) -> None:
    """Seeds the generator of the current GPU: nothing to do without one, as in PyTorch."""


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Gives unused GPU memory back: nothing to do without a GPU, as in PyTorch."""


def synchronize(device=None) -> None:
    """Waits for a GPU; RuntimeError without one."""
    _none()


def current_device() -> int:
    """The GPU in use; RuntimeError without one."""
    _none()


def get_device_name(device=None) -> str:
    """The GPU's name; RuntimeError without one."""
    _none()


def _none():
    raise RuntimeError("fastnn was built without CUDA: this installation runs on the CPU only")
