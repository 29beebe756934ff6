"""The types of results with several named parts, such as `max`'s: their address, for pickles and annotations."""

from .results import TYPES


def __getattr__(name):
    if name in TYPES:
        return TYPES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(TYPES)
