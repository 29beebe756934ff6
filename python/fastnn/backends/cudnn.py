"""The switches of cuDNN, which fastnn does not use: `cudnn.benchmark = True` may be said."""

enabled, benchmark, benchmark_limit, deterministic, allow_tf32 = False, False, 10, True, False


def is_available() -> bool:
    """False: no operation runs by cuDNN."""
    return False


def version():
    """None: there is no cuDNN."""
    return None
