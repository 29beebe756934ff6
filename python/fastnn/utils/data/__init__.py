# ruff: noqa: F403
"""Datasets, samplers and the loader that makes batches of them. Names and options are PyTorch's."""

from .dataset import *
from .loader import *
from .sampler import *
