"""PyTorch's wrapper for several GPUs, for scripts that ask for it: there is one device, which the kernels share out among threads."""

from __future__ import annotations

from .module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Calls module, and prefixes its state dict's names with "module."; device_ids, output_device and dim change nothing."""

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.module = module

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)
