"""Exceptions that satisfy both guesses: code that expects PyTorch's class and code that expects NumPy's."""


class ShapeError(RuntimeError, ValueError):
    """Shapes, sizes or values that do not fit: PyTorch raises RuntimeError here, NumPy ValueError."""


class BoundsError(RuntimeError, IndexError):
    """An index outside an axis: PyTorch raises RuntimeError for most ops, NumPy IndexError."""


class DTypeError(RuntimeError, TypeError):
    """Element types that do not fit: PyTorch raises RuntimeError here, NumPy TypeError."""
