"""PyTorch's switches for other backends, for scripts that set them. The CPU kernels are deterministic; nothing here acts."""

from __future__ import annotations


class _Backend:
    """Flags that may be read and set, and `is_available()`."""

    def __init__(self, **flags):
        self.__dict__.update(flags)

    def is_available(self) -> bool:
        return False


cudnn = _Backend(enabled=False, benchmark=False, deterministic=True, allow_tf32=False)
cuda = _Backend(matmul=_Backend(allow_tf32=False))
mps = _Backend()
