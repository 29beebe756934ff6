"""PyTorch's mixed precision, for scripts that ask for it. Every kernel here computes in its tensors' own dtype, so casts and scales do nothing."""

from __future__ import annotations

import contextlib


class autocast(contextlib.ContextDecorator):
    """Accepted as a context or a decorator; nothing is cast. PyTorch too takes it as leave to compute in less, not as an order."""

    def __init__(self, device_type="cpu", dtype=None, enabled=True, cache_enabled=None):
        self.device_type, self.dtype, self.enabled = device_type, dtype, enabled

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return False


class GradScaler:
    """Scales a loss against underflow in float16, which does not exist here: every scale is 1, as in PyTorch's disabled one."""

    def __init__(
        self,
        device="cpu",
        init_scale=65536.0,
        growth_factor=2.0,
        backoff_factor=0.5,
        growth_interval=2000,
        enabled=True,
    ):
        pass

    def scale(self, outputs):
        return outputs

    def unscale_(self, optimizer):
        pass

    def step(self, optimizer, *args, **kwargs):
        """optimizer.step(*args, **kwargs)"""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale=None):
        pass

    def get_scale(self):
        return 1.0

    def is_enabled(self):
        return False

    def state_dict(self):
        return {}

    def load_state_dict(self, state_dict):
        pass


def is_autocast_available(device_type):
    """False: nothing is ever cast."""
    return False
