# ruff: noqa: F401, F403
"""Datasets, samplers and the loader that makes batches of them. Names and options are PyTorch's."""

import sys

from . import dataset, loader, sampler
from .dataset import *
from .loader import *
from .sampler import *

# PyTorch's names for the files: `from fastnn.utils.data.dataloader import default_collate`.
dataloader, distributed = loader, sampler
sys.modules.update({f"{__name__}.dataloader": loader, f"{__name__}.distributed": sampler})
