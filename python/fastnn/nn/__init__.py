# ruff: noqa: F401, F403
"""Layers: modules with parameters, in a tree. Names, arguments and state dicts equal PyTorch's."""

from . import functional, init
from .activation import *
from .adaptive import *
from .container import *
from .conv import *
from .distance import *
from .dropout import *
from .lazy import *
from .linear import *
from .loss import *
from .module import Module
from .norm import *
from .parallel import *
from .parameter import Buffer, Parameter
from .pool import *
from .positions import *
from .rnn import *
from .shaping import *
from .sparse import *
from .transformer import *

from . import attention, common_types, grad, modules, utils  # isort: skip  (they stand on the layers)
