"""Accepted, as `fastnn._dynamo`."""

from . import config

__all__ = ["config"]
