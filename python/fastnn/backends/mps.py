"""PyTorch's questions about Apple's GPU, which fastnn does not use."""


def is_available() -> bool:
    """False: no operation runs by it."""
    return False


def is_built() -> bool:
    """False."""
    return False
