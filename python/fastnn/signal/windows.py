"""PyTorch's `torch.signal.windows`: see ops/tapers.py."""

from ..errors import named
from ..ops import tapers as _tapers

globals().update({name: named(getattr(_tapers, name)) for name in _tapers.NAMESPACE})
__all__ = [*_tapers.NAMESPACE]
