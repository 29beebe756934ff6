"""PyTorch's questions about oneDNN, which fastnn does not use."""


def is_available() -> bool:
    """False: no operation runs by it."""
    return False


enabled = False
