"""The switches of the GPU's libraries, which fastnn does not use. How its own kernels multiply float32: `cuda.set_precision`."""

from ..nn.attention import SDPBackend, sdpa_kernel
from ._flags import Flags

matmul = Flags(allow_tf32=False, allow_fp16_reduced_precision_reduction=True, allow_bf16_reduced_precision_reduction=True)


def is_built() -> bool:
    """Whether kernels for a GPU were built."""
    from ..cuda import is_available

    return is_available()


def sdp_kernel(enable_flash=True, enable_math=True, enable_mem_efficient=True, enable_cudnn=True):
    """PyTorch's older `nn.attention.sdpa_kernel`."""
    return sdpa_kernel(list(SDPBackend))


def _switch(name):
    def enable(enabled: bool) -> None:
        """Accepted: there is one attention."""

    def enabled() -> bool:
        """True: there is one attention, by whatever name."""
        return True

    enable.__name__, enabled.__name__ = f"enable_{name}_sdp", f"{name}_sdp_enabled"
    return enable, enabled


enable_flash_sdp, flash_sdp_enabled = _switch("flash")
enable_math_sdp, math_sdp_enabled = _switch("math")
enable_mem_efficient_sdp, mem_efficient_sdp_enabled = _switch("mem_efficient")
enable_cudnn_sdp, cudnn_sdp_enabled = _switch("cudnn")
