"""PyTorch's older address of mixed precision: `fastnn.amp` for the GPU."""

from __future__ import annotations

from .. import amp
from ..amp import custom_bwd, custom_fwd  # noqa: F401


class autocast(amp.autocast):
    """`amp.autocast` for "cuda"."""

    def __init__(self, enabled=True, dtype=None, cache_enabled=True):
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """`amp.GradScaler` for "cuda"."""

    def __init__(self, init_scale=65536.0, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True):
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
