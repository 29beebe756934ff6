"""PyTorch's questions about Intel's MKL, which fastnn does not use."""


def is_available() -> bool:
    """False: no operation runs by it."""
    return False
