"""PyTorch's names for the types of arguments, for annotations."""

from __future__ import annotations

from collections.abc import Sequence

from .device import device as _device
from .dtypes import dtype as _dtype
from .dtypes import layout as _layout
from .tensor import Size, Tensor

_int, _float, _bool = int, float, bool
Device = _device | str | int | None
Number = int | float | bool
_Number = (int, float, bool)
_size = Size | list | tuple
_TensorOrTensors = Tensor | Sequence[Tensor]

__all__ = ["Device", "Number", "_Number", "_TensorOrTensors", "_bool", "_device", "_dtype", "_float", "_int", "_layout", "_size"]
