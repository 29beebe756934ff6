"""Probability distributions: sample, rsample (differentiable), log_prob, entropy, kl_divergence. PyTorch's names and shapes."""

import re
import sys

from . import (
    constraint_registry,
    constraints,
    continuous,
    counts,
    discrete,
    distribution,
    gamma,
    kl,
    multivariate,
    powers,
    transformed,
    transforms,
    utils,
)
from . import kl_across as _kl_across  # noqa: F401 - registers its formulas
from .constraint_registry import biject_to, transform_to
from .distribution import Distribution, ExponentialFamily, Independent
from .kl import kl_divergence, register_kl

_FAMILIES = continuous, powers, gamma, multivariate, discrete, counts, transformed
for _family in (*_FAMILIES, transforms):
    globals().update({_name: getattr(_family, _name) for _name in _family.__all__})
del globals()["LogitRelaxedBernoulli"]

# PyTorch has a module for each: `from fastnn.distributions.normal import Normal` finds it here.
for _family in _FAMILIES:
    for _name in _family.__all__:
        _words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", _name).lower()
        sys.modules.setdefault(f"{__name__}.{_words}", _family)
        globals().setdefault(_words, _family)
_OTHERS = {
    "exp_family": distribution, "fishersnedecor": gamma, "independent": distribution, "lkj_cholesky": multivariate, "lowrank_multivariate_normal": multivariate,
    "one_hot_categorical": discrete, "relaxed_categorical": transformed, "studentT": gamma, "transformed_distribution": transformed,
}  # fmt: skip
for _name, _family in _OTHERS.items():
    sys.modules.setdefault(f"{__name__}.{_name}", _family)
    globals().setdefault(_name, _family)

__all__ = [
    "Distribution", "ExponentialFamily", "Independent", "biject_to", "constraint_registry", "constraints", "kl", "kl_divergence", "register_kl",
    "transform_to", "transforms", "utils", *(n for f in (*_FAMILIES, transforms) for n in f.__all__ if n != "LogitRelaxedBernoulli"),
]  # fmt: skip
