"""PyTorch's names for the files that layers live in: `from fastnn.nn.modules.batchnorm import _BatchNorm`."""

from __future__ import annotations

import sys
import types

from . import (
    activation,
    adaptive,
    container,
    conv,
    distance,
    dropout,
    lazy,
    linear,
    loss,
    module,
    norm,
    pool,
    rnn,
    shaping,
    sparse,
    transformer,
)  # fmt: skip
from .module import Module  # noqa: F401


def _ntuple(n, name="parse"):
    def parse(x):
        return tuple(x) if hasattr(x, "__iter__") else (x,) * n

    parse.__name__ = name
    return parse


def consume_prefix_in_state_dict_if_present(state_dict, prefix):
    """Takes prefix ("module.") off the keys of a state dict that have it, and off its _metadata's, in place."""
    for key in list(state_dict.keys()):
        if key.startswith(prefix):
            state_dict[key[len(prefix) :]] = state_dict.pop(key)
    about = getattr(state_dict, "_metadata", {})
    for key in list(about):
        if key and (key == prefix.rstrip(".") or key.startswith(prefix)):
            about[key[len(prefix) :]] = about.pop(key)


utils = types.ModuleType(f"{__name__}.utils", "An int for every axis.")
utils._ntuple = _ntuple
utils.consume_prefix_in_state_dict_if_present = consume_prefix_in_state_dict_if_present
utils._reverse_repeat_tuple = lambda t, n: tuple(x for x in reversed(t) for _ in range(n))
utils._single, utils._pair, utils._triple, utils._quadruple = (_ntuple(n) for n in (1, 2, 3, 4))

_HOMES = {
    "activation": activation, "adaptive": adaptive, "batchnorm": norm, "channelshuffle": shaping, "container": container, "conv": conv,
    "distance": distance, "dropout": dropout, "flatten": shaping, "fold": shaping, "instancenorm": norm, "lazy": lazy, "linear": linear, "linear_cross_entropy": loss,
    "loss": loss, "module": module, "normalization": norm, "padding": shaping, "pixelshuffle": shaping, "pooling": pool, "rnn": rnn,
    "sparse": sparse, "transformer": transformer, "upsampling": shaping, "utils": utils,
}  # fmt: skip
# Bases that programs ask about, and a layer that lives elsewhere, under PyTorch's names.
dropout._DropoutNd, pool._MaxPoolNd, shaping._ConstantPadNd = dropout._Dropout, pool._MaxPool, shaping._ConstantPad
activation.MultiheadAttention = transformer.MultiheadAttention

__path__ = []  # a package, to the import statement
for _name, _home in _HOMES.items():
    sys.modules[f"{__name__}.{_name}"] = globals()[_name] = _home


def __getattr__(name):
    """The layers themselves are here too."""
    from .. import nn

    if name.startswith("__") or name not in nn.__dict__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return nn.__dict__[name]
