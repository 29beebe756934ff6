"""The GPU: is there one, and what waits for it. Tensors get there with ``x.to("cuda")``, modules with ``net.to("cuda")``.

Kernels for it are in a library of their own, `_cuda.so` in the package's folder, which is opened when a GPU is first asked for (never by
``import fastnn``). ``pip install . -C cmake.define.FASTNN_CUDA=ON`` builds it. FASTNN_CUDA_LIBRARY names another one.
With FASTNN_CUDA_SYNC=1 every call waits for its kernel, so that an error comes from the call that caused it.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from .. import _cpu
from ..device import is_cuda
from ..errors import OutOfMemoryError  # noqa: F401
from . import amp, graphs, memory, streams  # noqa: F401
from .graphs import *  # noqa: F403
from .memory import *  # noqa: F403
from .streams import *  # noqa: F403

PRECISIONS = ("highest", "high", "medium")
_precision = "highest"


def set_precision(precision: str) -> None:
    """How the GPU multiplies float32: in float32, by three products of TF32 (as accurate, on tensor cores), or by one (10 bits)."""
    global _precision
    if precision not in PRECISIONS:
        raise RuntimeError(f"{precision} is not one of 'highest', 'high', 'medium'")
    _precision = precision
    _cpu.device_precision(PRECISIONS.index(precision))


def get_precision() -> str:
    """What `set_precision` has set; "highest" at first."""
    return _precision


@functools.cache
def _why_not() -> str:
    """Opens the library; "" or why tensors cannot live on a GPU."""
    path = os.environ.get("FASTNN_CUDA_LIBRARY") or str(Path(__file__).parent.with_name("_cuda.so"))
    if not Path(path).exists():
        if os.environ.get("FASTNN_CUDA_LIBRARY"):
            return f"FASTNN_CUDA_LIBRARY names {path}, which does not exist"
        return "fastnn was built without CUDA: `pip install . -C cmake.define.FASTNN_CUDA=ON`, with nvcc 12 or newer, builds it"
    try:
        _cpu.open_device(path)
        _cpu.device_precision(PRECISIONS.index(_precision))
        return "" if _cpu.device_count() else _cpu.device_why()
    except RuntimeError as e:
        return str(e)


def require() -> None:
    """RuntimeError, saying why, unless there is a GPU that tensors can live on."""
    if _why_not():
        raise RuntimeError(_why_not())


def is_available() -> bool:
    """Can tensors live on a GPU? Never raises: ``device("cuda" if cuda.is_available() else "cpu")``."""
    return not _why_not()


def device_count() -> int:
    """The number of GPUs that tensors can live on: 0 or 1 (the first of CUDA_VISIBLE_DEVICES)."""
    return _cpu.device_count() if is_available() else 0


def manual_seed(seed: int) -> None:
    """Nothing to do: one generator, `fastnn.manual_seed`, serves both devices, with the same numbers."""


manual_seed_all = manual_seed


def is_initialized() -> bool:
    """Whether a GPU has been looked for and found."""
    return _why_not.cache_info().currsize > 0 and is_available()


def is_bf16_supported(including_emulation=True) -> bool:
    """Whether bfloat16 is multiplied on tensor cores (compute capability 8.0), or may be computed in float32 (any GPU)."""
    return is_available() and (including_emulation or _cpu.device_halves())


def set_device(device) -> None:
    """Accepts the one GPU that there is, by number or name. RuntimeError for any other, and without one."""
    is_cuda(device)


def synchronize(device=None) -> None:
    """Waits for the GPU, and raises what kernels have met since; RuntimeError without one."""
    require()
    _cpu.device_synchronize()


def current_device() -> int:
    """The GPU in use; RuntimeError without one."""
    require()
    return 0


def get_device_name(device=None) -> str:
    """The GPU's name; RuntimeError without one."""
    require()
    return _cpu.device_name()


def kernels() -> list:
    """The names of the kernels that the GPU has; RuntimeError without one."""
    require()
    return _cpu.device_kernels()
