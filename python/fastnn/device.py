"""A device is a module: `_cpu` and (when built) `_cuda` export the same kernels. Choosing a device is choosing a module."""

from __future__ import annotations

from contextlib import contextmanager

from . import _cpu


class device:
    """Where a tensor lives: ``device("cpu")``. RuntimeError for anything that this installation does not have."""

    __slots__ = ("index", "type")

    def __init__(self, type="cpu", index=None):
        if isinstance(type, device):
            type, index = type.type, type.index
        name, _, number = str(type).partition(":")
        if name == "cuda":
            raise RuntimeError("fastnn was built without CUDA: this installation runs on the CPU only")
        if name != "cpu" or (number and number != "0"):
            raise RuntimeError(f"unknown device '{type}'; fastnn has: cpu")
        self.type, self.index = name, index if index is not None else (int(number) if number else None)

    def __repr__(self):
        return f"device(type='{self.type}')"

    def __str__(self):
        return self.type

    def __eq__(self, other):
        return (isinstance(other, device) and other.type == self.type) or other == self.type

    def __hash__(self):
        return hash(self.type)


CPU = device("cpu")


def kernels(*tensors):
    """The module whose kernels run on these tensors' device."""
    return _cpu


def get_num_threads() -> int:
    """Threads that kernels use. Results do not depend on it."""
    return _cpu.num_threads()


def set_num_threads(n: int) -> None:
    """Sets the number of threads that kernels use; ValueError unless 1 <= n <= 256."""
    _cpu.set_num_threads(n)


@contextmanager
def isa(name: str):
    """Runs kernels compiled for another instruction set (v2, v3, v4; also sse4, avx2, avx512) inside the block."""
    before = _cpu.isa()
    _cpu.set_isa(name)
    try:
        yield
    finally:
        _cpu.set_isa(before)


@contextmanager
def threads(n: int):
    """Runs kernels on n threads inside the block."""
    before = _cpu.num_threads()
    _cpu.set_num_threads(n)
    try:
        yield
    finally:
        _cpu.set_num_threads(before)
