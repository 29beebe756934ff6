"""The names by which scripts turn PyTorch's compiler of graphs off, or tell it what to do: see `fastnn.compiler`."""

from ..compiler import allow_in_graph, disable, is_compiling, reset
from . import config

__all__ = ["allow_in_graph", "config", "disable", "is_compiling", "reset"]
