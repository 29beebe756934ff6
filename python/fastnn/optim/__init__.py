"""Optimizers: each but LBFGS and those of composed.py changes all parameters of a group in one kernel call. Names, options and state dicts equal PyTorch's."""

from . import lr_scheduler, swa_utils
from .adam import Adam, Adamax, AdamW, NAdam, SparseAdam
from .composed import ASGD, Adafactor, Muon, RAdam, Rprop
from .lbfgs import LBFGS
from .optimizer import Optimizer
from .rmsprop import Adadelta, Adagrad, RMSprop
from .sgd import SGD

__all__ = [
    "ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Muon", "NAdam", "Optimizer", "RAdam", "RMSprop",
    "Rprop", "SGD", "SparseAdam", "lr_scheduler", "swa_utils",
]  # fmt: skip
