"""Probability distributions: sample, rsample (differentiable), log_prob, entropy, kl_divergence. PyTorch's names and shapes."""

import re
import sys

from . import (
    constraint_registry,
    constraints,
    continuous,
    counts,
    discrete,
    gamma,
    kl,
    multivariate,
    transformed,
    transforms,
)
from .constraint_registry import biject_to, transform_to
from .distribution import Distribution, ExponentialFamily, Independent
from .kl import kl_divergence, register_kl

_FAMILIES = continuous, gamma, multivariate, discrete, counts, transformed
for _family in (*_FAMILIES, transforms):
    globals().update({_name: getattr(_family, _name) for _name in _family.__all__})
del globals()["LogitRelaxedBernoulli"]

# PyTorch has a module for each: `from fastnn.distributions.normal import Normal` finds it here.
for _family in _FAMILIES:
    for _name in _family.__all__:
        _words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", _name).lower()
        sys.modules.setdefault(f"{__name__}.{_words}", _family)
        globals().setdefault(_words, _family)
for _name, _family in (("one_hot_categorical", discrete), ("studentT", gamma), ("transformed_distribution", transformed), ("utils", discrete)):
    sys.modules.setdefault(f"{__name__}.{_name}", _family)
sys.modules.setdefault(f"{__name__}.independent", sys.modules[f"{__name__}.distribution"])

__all__ = [
    "Distribution", "ExponentialFamily", "Independent", "biject_to", "constraint_registry", "constraints", "kl", "kl_divergence", "register_kl",
    "transform_to", "transforms", *(n for f in (*_FAMILIES, transforms) for n in f.__all__ if n != "LogitRelaxedBernoulli"),
]  # fmt: skip
