"""Stateless: a module that is one function of nn.functional with its options fixed.

Most layers of PyTorch are no more than that. A subclass names the function and lists its options with their defaults;
the constructor, the call and the repr follow.

    class LeakyReLU(Stateless):
        function = "leaky_relu"                      F.leaky_relu(input, negative_slope=...)
        options = dict(negative_slope=0.01, inplace=False)
"""

from __future__ import annotations

from inspect import Parameter as Argument
from inspect import Signature

from . import functional as F
from .module import Module

__all__ = ["Stateless", "REQUIRED"]

REQUIRED = Argument.empty


class Stateless(Module):
    """With the option `inplace` the result is written into the input, which is returned."""

    function: str
    options: dict = {}
    keyword_only: tuple = ("ignore_index", "reduction", "label_smoothing", "log_target")
    buffers_of_options: tuple = ()  # options that are tensors and belong to the state dict: class weights

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        kinds = {True: Argument.KEYWORD_ONLY, False: Argument.POSITIONAL_OR_KEYWORD}
        arguments = [Argument(k, kinds[k in cls.keyword_only], default=v) for k, v in cls.options.items()]
        cls.__signature__ = Signature(sorted(arguments, key=lambda a: a.kind))

    def __init__(self, *args, **kwargs):
        super().__init__()
        try:
            bound = type(self).__signature__.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if name in self.buffers_of_options:
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *inputs):
        return getattr(F, self.function)(*inputs, **{name: getattr(self, name) for name in self.options})

    def extra_repr(self):
        shown = [n for n in self.options if n not in self.buffers_of_options and (n != "inplace" or self.inplace)]
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
