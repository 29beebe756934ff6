"""fastnn: neural networks on hand-written kernels. PyTorch's names, NumPy's manners, sources to read."""

from __future__ import annotations

from .version import __version__

from . import _cpu, autodiff, autograd, dtypes, ops, tensor as _tensor  # noqa: F401
from .autodiff import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .device import device, get_num_threads, isa, set_num_threads, threads
from .dtypes import (
    bfloat16,
    bool,  # noqa: A004
    cdouble,
    cfloat,
    channels_last,
    channels_last_3d,
    complex64,
    complex128,
    contiguous_format,
    double,
    dtype,
    float,  # noqa: A004
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    int,  # noqa: A004
    int8,
    int16,
    int32,
    int64,
    layout,
    long,
    memory_format,
    preserve_format,
    set_default_dtype,
    short,
    sparse_coo,
    sparse_csr,
    strided,
    uint8,
)
from .errors import DTypeError, ShapeError, named as _named

globals().update({name: _named(getattr(_tensor, name)) for name in _tensor.__all__})
globals().update(ops.exported("__all__"))
newaxis = None
OutOfMemoryError = MemoryError  # what is raised here
pi, e, inf, nan = 3.141592653589793, 2.718281828459045, _tensor.np.inf, _tensor.np.nan


def empty_cache() -> None:
    """Gives the buffer pool's unused memory back to the system."""
    _cpu.pool_trim()


def memory_stats() -> dict:
    """The buffer pool: live blocks and bytes, cached bytes, peak bytes."""
    return _cpu.pool_stats()


from . import accelerator, amp, backends, compiler, cuda, distributed, func, jit, linalg, nn, optim, quasirandom, random, sampling, signal, sparse, special, testing, types, utils, version  # noqa: E402
from .autograd import functional as _functional  # noqa: E402, F401
from .coverage import derivatives  # noqa: E402
from .serialization import load, save  # noqa: E402
from .capture import capture  # noqa: E402
from .namespace import *  # noqa: E402, F403
from .sparse import sparse_coo_tensor, sparse_csr_tensor, spmm  # noqa: E402
from . import addresses as _addresses  # noqa: E402, F401
from .explain import explain  # noqa: E402
from .study import rung, rungs, source  # noqa: E402
from .later import later as _later  # noqa: E402

_LATER = {"complex_tensor": "ComplexTensor NoComplexForm complex polar view_as_complex view_as_real", "short_time": "istft stft"}
_LATER |= {name: name for name in "_dynamo _inductor datasets distributions fft hub masked multiprocessing return_types".split()}
_LATER = {name: module for module, names in _LATER.items() for name in names.split()}
__getattr__, __dir__ = _later(globals(), _LATER)
__all__ = [name for name in __dir__() if not name.startswith("_")]
