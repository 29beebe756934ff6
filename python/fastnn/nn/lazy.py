"""Layers that learn the size of their input from the first one they see, and become the ordinary layer then."""

from __future__ import annotations

import inspect
import re

from ..tensor import Tensor
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .linear import Linear
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from .parameter import Parameter, UninitializedParameter, is_lazy

__all__ = [
    "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d", "LazyConv3d", "LazyConvTranspose1d",
    "LazyConvTranspose2d", "LazyConvTranspose3d", "LazyInstanceNorm1d", "LazyInstanceNorm2d", "LazyInstanceNorm3d", "LazyLinear",
    "UninitializedParameter",
]  # fmt: skip


class LazyModuleMixin:
    """For a layer of one's own that learns sizes from its first input: a base before the layer's class.

    `initialize_parameters(*args, **kwargs)`, called with what the first call is given, materializes the parameters that were made as
    UninitializedParameter; then the module becomes of class cls_to_become, if that is given. RuntimeError if one is left.
    """

    cls_to_become = None

    def has_uninitialized_params(self):
        return any(is_lazy(p) for p in self._parameters.values())

    def initialize_parameters(self, *args, **kwargs):
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def __call__(self, *args, **kwargs):
        if self.has_uninitialized_params():
            self.initialize_parameters(*args, **kwargs)
            if self.has_uninitialized_params():
                raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
            if self.cls_to_become is not None:
                self.__class__ = self.cls_to_become
                return self(*args, **kwargs)
        return super().__call__(*args, **kwargs)


class _Lazy(LazyModuleMixin, Module):
    becomes: type
    axis = -1  # of the input, whose length is the missing argument
    defaults: dict  # arguments that are others than those of the ordinary layer unless given

    def __init__(self, *args, **kwargs):
        super().__init__()
        given = list(inspect.signature(self.becomes).parameters)[1 : 1 + len(args)]
        kwargs = {name: value for name, value in self.defaults.items() if name not in given} | kwargs
        object.__setattr__(self, "_arguments", (args, kwargs))
        for name, p in self._with_least()._parameters.items():
            self.register_parameter(name, p if p is None else UninitializedParameter(dtype=p.dtype))

    def _with_least(self):
        """The ordinary layer of the least size that its other arguments allow: one channel for each group."""
        args, kwargs = self._arguments
        given = inspect.signature(self.becomes).bind(None, *args, **kwargs).arguments
        return self.becomes(max(1, given.get("groups", 1)), *args, **kwargs)

    def initialize_parameters(self, input):
        """Becomes the ordinary layer, with the size that `input` has along its axis; parameters stay the same objects."""
        args, kwargs = self._arguments
        if not isinstance(input, Tensor):
            raise TypeError(f"{type(self).__name__}: expected a Tensor, got {type(input).__name__}")
        axis = self.axis if self.axis < 0 or input.ndim > self.axes else 0
        full = self.becomes(input._shape[axis], *args, **kwargs)
        for name, mine in self._parameters.items():
            theirs = full._parameters[name]
            if theirs is None or mine is None:
                continue
            full.to(mine.dtype)  # what this module has been converted to since
            mine.data = theirs.detach()
            mine.__class__ = Parameter
            full._parameters[name] = mine
        kept = {k: v for k, v in self.__dict__.items() if k.endswith("_hooks") or k == "training"}
        self.__dict__.clear()
        self.__dict__.update(full.__dict__ | kept)
        self.__class__ = self.becomes

    def __call__(self, input, *args, **kwargs):
        self.initialize_parameters(input)
        return self(input, *args, **kwargs)

    def extra_repr(self):
        return re.sub(r"^(in_features=)?\d+", r"\g<1>0", self._with_least().extra_repr())


def _lazy(becomes, axes=None, **defaults):
    known = {"becomes": becomes, "cls_to_become": becomes, "axis": -1 if axes is None else 1, "axes": axes, "defaults": defaults}
    lazy = type("Lazy" + becomes.__name__, (_Lazy,), known)
    lazy.__module__ = __name__
    lazy.__doc__ = f"{becomes.__name__} without its first argument: it is the size of the first input's axis {lazy.axis}."
    return lazy


LazyLinear = _lazy(Linear)
LazyConv1d, LazyConv2d = _lazy(Conv1d, 2), _lazy(Conv2d, 3)
LazyConvTranspose1d, LazyConvTranspose2d = _lazy(ConvTranspose1d, 2), _lazy(ConvTranspose2d, 3)
LazyBatchNorm1d, LazyBatchNorm2d = _lazy(BatchNorm1d, 1), _lazy(BatchNorm2d, 3)
LazyConv3d, LazyConvTranspose3d = _lazy(Conv3d, 4), _lazy(ConvTranspose3d, 4)
LazyBatchNorm3d = _lazy(BatchNorm3d, 4)
LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d = (
    _lazy(becomes, axes, affine=True, track_running_stats=True) for becomes, axes in ((InstanceNorm1d, 2), (InstanceNorm2d, 3), (InstanceNorm3d, 4))
)
