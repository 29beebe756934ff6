"""PyTorch's switches for other backends, for scripts that set them. The CPU kernels are deterministic; nothing here acts."""

from . import cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]
