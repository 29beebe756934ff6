"""Optimizers: each but LBFGS changes all parameters of a group in one kernel call. Names, options and state dicts equal PyTorch's."""

from . import lr_scheduler
from .adam import Adam, Adamax, AdamW, NAdam, SparseAdam
from .lbfgs import LBFGS
from .optimizer import Optimizer
from .rmsprop import Adadelta, Adagrad, RMSprop
from .sgd import SGD

__all__ = ["Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "NAdam", "Optimizer", "RMSprop", "SGD", "SparseAdam", "lr_scheduler"]
