"""PyTorch's address of DLPack: tensors of other libraries on the same memory."""

from ..creation import from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor):
    """A capsule that another library's from_dlpack takes once."""
    return tensor.__dlpack__()
