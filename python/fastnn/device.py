"""Where tensors live. One module, `_cpu`, serves both devices: a call takes its kernel from the table of the device that its
arguments are on, as it takes it from the table of the instruction set in use."""

from __future__ import annotations

from contextlib import contextmanager

from . import _cpu


class device:
    """Where a tensor lives: ``device("cpu")``, ``device("cuda")``. RuntimeError, saying why, for one that cannot be had."""

    __slots__ = ("index", "type")

    def __init__(self, type="cpu", index=None):
        if isinstance(type, device):
            type, index = type.type, type.index
        name, _, number = str(type).partition(":")
        if isinstance(type, int) and not isinstance(type, bool):
            name, number = "cuda", str(type)
        if name not in ("cpu", "cuda") or (number and number != "0") or index not in (None, 0):
            raise RuntimeError(f"unknown device '{type if index is None else f'{type}:{index}'}'; fastnn has: cpu, cuda (one GPU)")
        if name == "cuda":
            from .cuda import require

            require()
        self.type, self.index = name, index if index is not None else (int(number) if number else None)

    def __repr__(self):
        return f"device(type='{self.type}'{', index=0' if self.type == 'cuda' else ''})"

    def __str__(self):
        return "cuda:0" if self.type == "cuda" else self.type

    def __eq__(self, other):
        return (isinstance(other, device) and other.type == self.type) or other in (self.type, f"{self.type}:0")

    def __hash__(self):
        return hash(self.type)


CPU = device("cpu")


def is_cuda(where) -> bool:
    """Is this device (a name, a `device`, or None) the GPU? RuntimeError for one that cannot be had."""
    return where is not None and where is not CPU and device(where).type == "cuda"


def beside(x, like):
    """x on the device of `like`: for tables that Python makes, and index tensors of the other device."""
    return x.to("cuda") if like.is_cuda and not x.is_cuda else x


def kernels(*tensors):
    """The module whose kernels run on these tensors."""
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
