"""Where tensors live. One module, `_cpu`, serves both devices: a call takes its kernel from the table of the device that its
arguments are on, as it takes it from the table of the instruction set in use."""

from __future__ import annotations

from contextlib import contextmanager

from . import _cpu

TYPES = ("cpu", "cuda", "mps", "xpu", "meta")  # what a program may name; tensors live on the first two, and meta.py's on the last


class device:
    """The name of a place: ``device("cpu")``, ``device("cuda")``, ``device("cuda", 1)``, ``device(1)``.

    Whether tensors can live there is asked when one is made there. RuntimeError for a string that names no place, and a negative index.
    """

    __slots__ = ("index", "type")

    def __init__(self, type="cpu", index=None):
        if isinstance(type, device):
            type, index = type.type, type.index if index is None else index
        elif isinstance(type, int) and not isinstance(type, bool):
            type, index = "cuda", type
        name, colon, number = str(type).partition(":")
        if name not in TYPES:
            raise RuntimeError(f"Expected one of {', '.join(TYPES)} device type at start of device string: {type}")
        if colon and not (number.isascii() and number.isdigit()):
            raise RuntimeError(f"Invalid device string: '{type}'")
        if colon and index is not None:
            raise RuntimeError(f"type (string) must not include an index because index was passed explicitly: {type}")
        if index is not None and index < 0:
            raise RuntimeError("Device index must not be negative")
        self.type, self.index = name, int(number) if colon else index

    def __repr__(self):
        return f"device(type='{self.type}'{'' if self.index is None else f', index={self.index}'})"

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other):
        """One place, whether index 0 is said or not; a string is the place that it names."""
        if isinstance(other, str):
            other = device(other) if other.partition(":")[0] in TYPES else None
        return isinstance(other, device) and (other.type, other.index or 0) == (self.type, self.index or 0)

    def __hash__(self):
        return hash((self.type, self.index or 0))

    def __enter__(self):
        """Where tensors are made within the block: as `set_default_device`."""
        if self.type == "meta":
            make_on_meta(1)
        else:
            is_cuda(self)
        return self

    def __exit__(self, *exception):
        if self.type == "meta":
            make_on_meta(-1)
        return False


CPU, CUDA, META = device("cpu"), device("cuda", 0), device("meta")


class _Blocks:
    count = 0


meta_blocks = _Blocks()  # of `with device("meta")`, that are open


def make_on_meta(change):
    """Opens (1) or closes (-1) a block within which tensors are made without memory."""
    from . import meta  # noqa: F401  (it watches calls from now on)

    meta_blocks.count += change


def is_meta(where) -> bool:
    """Is this device (a name, a `device`, or None for the default one) that of tensors without memory?"""
    if where is None:
        return meta_blocks.count > 0
    return where.startswith("meta") if isinstance(where, str) else isinstance(where, device) and where.type == "meta"


def is_cuda(where) -> bool:
    """Is this device (a name, a `device`, or None) the GPU? RuntimeError, saying why, for one where no tensor can live."""
    if where is None or where is CPU:
        return False
    where = device(where)
    if where.type == "cpu":
        return False
    if where.type != "cuda":
        raise RuntimeError(f"no tensor can live on {where}: fastnn has cpu and cuda")
    from .cuda import require

    require()
    if where.index:
        raise RuntimeError(f"no tensor can live on {where}: fastnn uses one GPU, cuda:0 (the first of CUDA_VISIBLE_DEVICES)")
    return True


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
