"""`fastnn.autograd.forward_ad`: tensors with a direction. `fastnn.func.jvp` is the same for functions.

    with dual_level():
        y = f(make_dual(x, direction))
        value, change = unpack_dual(y)

The change is computed from the recorded graph when it is asked for.
"""

from __future__ import annotations

from typing import NamedTuple

from ..autodiff import Array
from ..errors import ShapeError
from ..grad_mode import is_grad_enabled
from ..parts import flat, is_complex, joined
from ..tangent import push
from ..tensor import zeros_like

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]

_duals = None  # of the level that is open: (primal, tangent)


class UnpackedDualTensor(NamedTuple):
    """What unpack_dual gives: the tensor and its change, None where it has none."""

    primal: Array
    tangent: Array | None


def enter_dual_level():
    """Opens the level. RuntimeError where one is open: levels do not nest, as in PyTorch."""
    global _duals
    if _duals is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _duals = []
    return 0


def exit_dual_level(*, level=None):
    """Closes the level: its directions are forgotten."""
    global _duals
    if _duals is None:
        raise RuntimeError("Trying to exit a forward AD level that does not exist")
    _duals = None


class dual_level:
    """The block in which directions are known."""

    def __enter__(self):
        return enter_dual_level()

    def __exit__(self, *exc):
        exit_dual_level()


def make_dual(tensor, tangent, *, level=None):
    """The tensor, moving along `tangent`. RuntimeError outside of dual_level, or within no_grad; ShapeError for another shape."""
    if _duals is None:
        raise RuntimeError("Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first.")
    if not is_grad_enabled():
        raise RuntimeError("make_dual: directions go along the recorded graph, which no_grad leaves out")
    if is_complex(tensor):
        return joined(map(make_dual, flat(tensor), flat(tangent) if is_complex(tangent) else (tangent, zeros_like(tangent))), (True,))[0]
    if tangent._shape != tensor._shape:
        raise ShapeError(
            f"Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. Tensor is "
            f"of size {list(tensor.shape)} while the given forward gradient is of size {list(tangent.shape)}."
        )
    primal = tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
    _duals.append((primal, tangent.to(tensor.dtype)))
    return primal


def unpack_dual(tensor, *, level=None):
    """(tensor, its change for those of all duals of this level)."""
    if not _duals or not tensor.requires_grad:
        return UnpackedDualTensor(tensor, None)
    if is_complex(tensor):
        return UnpackedDualTensor(tensor, joined([unpack_dual(part).tangent for part in flat(tensor)], (True,))[0])
    return UnpackedDualTensor(tensor, push([tensor], *([d[i] for d in _duals] for i in (0, 1)))[0])
