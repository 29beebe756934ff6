"""PyTorch's wrappers for several GPUs or processes, for scripts that ask for them: there is one process and one device, whose threads share the work."""

from __future__ import annotations

import contextlib

from .module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Calls module, and prefixes its state dict's names with "module."; device_ids, output_device and dim change nothing."""

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.module = module

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(DataParallel):
    """DataParallel under PyTorch's other name: a world of one process, whose gradients are everybody's. Options change nothing."""

    def __init__(self, module, device_ids=None, output_device=None, dim=0, **options):
        super().__init__(module, device_ids, output_device, dim)
        self.require_backward_grad_sync = True

    @contextlib.contextmanager
    def no_sync(self):
        """A block whose gradients would not be exchanged."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before
