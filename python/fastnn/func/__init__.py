"""Functions of functions."""

from .jet import derivatives_of, jet, partials

__all__ = ["derivatives_of", "jet", "partials"]
