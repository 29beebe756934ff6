"""Losses as modules. Each is the function of nn.functional with the same options; reduction is "mean", "sum" or "none"."""

from __future__ import annotations

import math
import warnings

from ..errors import ShapeError
from ..ops.linear_cross_entropy import LinearCrossEntropyOptions
from . import functional as F
from .distance import PairwiseDistance
from .linear import Linear
from .module import Module
from .stateless import Stateless

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "GaussianNLLLoss", "HingeEmbeddingLoss",
    "HuberLoss", "KLDivLoss", "L1Loss", "LinearCrossEntropyLoss", "LinearCrossEntropyOptions", "MSELoss", "MarginRankingLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss",
    "NLLLoss", "NLLLoss2d", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss",
]  # fmt: skip


class _Loss(Stateless):
    """PyTorch's base, which programs subclass: without a function of its own it takes the arguments `base` in that order."""

    options = dict(reduction="mean")
    base = ("size_average", "reduce", "reduction")

    def __init__(self, *args, **kwargs):
        if not hasattr(self, "function"):
            if len(args) > len(self.base):
                raise TypeError(f"{type(self).__name__}: expected at most the arguments {self.base}, got {args}")
            args, kwargs = (), kwargs | dict(zip(self.base, args, strict=False))
        size_average, reduce = kwargs.pop("size_average", None), kwargs.pop("reduce", None)
        if size_average is not None or reduce is not None:  # as reduction was said before 2018
            kwargs["reduction"] = "none" if reduce is False else "sum" if size_average is False else "mean"
        super().__init__(*args, **kwargs)
        allowed = ("none", "mean", "batchmean", "sum") if isinstance(self, KLDivLoss) else ("none", "mean", "sum")
        if self.reduction not in allowed:
            raise ValueError(f"{self.reduction} is not a valid value for reduction")

    def extra_repr(self):
        return ""


class _WeightedLoss(_Loss):
    options = dict(weight=None, reduction="mean")
    base = ("weight", *_Loss.base)
    buffers_of_options = ("weight", "pos_weight")


class L1Loss(_Loss):
    """|x - y|"""

    function = "l1_loss"


class MSELoss(_Loss):
    """(x - y)²"""

    function = "mse_loss"


class SmoothL1Loss(_Loss):
    """(x - y)² / (2 beta) where |x - y| < beta, else |x - y| - beta / 2"""

    function, options = "smooth_l1_loss", dict(reduction="mean", beta=1.0)


class HuberLoss(_Loss):
    """(x - y)² / 2 where |x - y| < delta, else delta (|x - y| - delta / 2)"""

    function, options = "huber_loss", dict(reduction="mean", delta=1.0)


class CrossEntropyLoss(_WeightedLoss):
    """-log softmax(x) at the target class: x (N, C, ...), target (N, ...) class indices or (N, C, ...) probabilities"""

    function = "cross_entropy"
    options = dict(weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0)


class NLLLoss(_WeightedLoss):
    """-x at the target class: x (N, C, ...) log-probabilities, target (N, ...) class indices"""

    function, options = "nll_loss", dict(weight=None, ignore_index=-100, reduction="mean")


class NLLLoss2d(NLLLoss):
    """NLLLoss as it was called for images."""

    def __init__(self, *args, **kwargs):
        warnings.warn("`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead.", FutureWarning, stacklevel=2)
        super().__init__(*args, **kwargs)


class LinearCrossEntropyLoss(Module):
    """The cross entropy of a linear layer's outputs: x (N, in_features) or (in_features), target as of CrossEntropyLoss for
    logits (N, num_classes, *out_features). options: see `LinearCrossEntropyOptions`."""

    def __init__(self, in_features, num_classes, *, out_features=(), bias=False, device=None, dtype=None, reduction="mean", weight=None,
                 ignore_index=None, label_smoothing=0.0, options=None):  # fmt: skip
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise ShapeError(f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise ShapeError(f"expected label_smoothing to be in range [0, 1], got {label_smoothing}")
        super().__init__()
        self.register_buffer("weight", weight)
        self.num_classes, self.out_features, self.reduction = num_classes, out_features, reduction
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options
        self.linear = Linear(in_features, math.prod(out_features, start=num_classes), bias, device, dtype)

    def forward(self, input, target):
        shape, bias = (self.num_classes, *self.out_features), self.linear.bias
        return F.linear_cross_entropy(
            input, self.linear.weight.reshape((*shape, self.linear.in_features)), target, linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight, reduction=self.reduction, ignore_index=self.ignore_index, label_smoothing=self.label_smoothing,
            options=self.options,
        )  # fmt: skip

    def extra_repr(self):
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, out_features={self.out_features}, "
            f"bias={self.linear.bias is not None}, reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )


class PoissonNLLLoss(_Loss):
    """eˣ - y x, or x - y log(x + eps) when not log_input"""

    function = "poisson_nll_loss"
    options = dict(log_input=True, full=False, eps=1e-8, reduction="mean")
    keyword_only = ("eps", "reduction")


class GaussianNLLLoss(_Loss):
    """(log var + (x - y)² / var) / 2, var at least eps"""

    function, options = "gaussian_nll_loss", dict(full=False, eps=1e-6, reduction="mean")
    keyword_only = ("full", "eps", "reduction")


class KLDivLoss(_Loss):
    """y (log y - x), x log-probabilities; log_target: y is log-probabilities too; "batchmean" divides by the batch"""

    function, options = "kl_div", dict(reduction="mean", log_target=False)


class BCELoss(_WeightedLoss):
    """-(y log x + (1 - y) log(1 - x)), logarithms at least -100"""

    function, options = "binary_cross_entropy", dict(weight=None, reduction="mean")


class BCEWithLogitsLoss(_WeightedLoss):
    """BCELoss of sigmoid(x), without overflow; pos_weight multiplies the y = 1 part"""

    function = "binary_cross_entropy_with_logits"
    options = dict(weight=None, reduction="mean", pos_weight=None)
    keyword_only = ("reduction", "pos_weight")


class MultiMarginLoss(_WeightedLoss):
    """Σ over wrong classes of max(0, margin - x[target] + x[class])^p / C"""

    function, options = "multi_margin_loss", dict(p=1, margin=1.0, weight=None, reduction="mean")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")


class MultiLabelMarginLoss(_Loss):
    """Σ max(0, 1 - x[t] + x[j]) / C over target classes t and other classes j; target: indices up to the first -1"""

    function = "multilabel_margin_loss"


class TripletMarginWithDistanceLoss(_Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d a function of two tensors"""

    function = "triplet_margin_with_distance_loss"
    options = dict(distance_function=None, margin=1.0, swap=False, reduction="mean")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.margin <= 0:
            raise ValueError(f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {self.margin} instead")
        if self.distance_function is None:
            self.distance_function = PairwiseDistance()


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """BCEWithLogitsLoss averaged over the classes (last axis)"""

    function, options = "multilabel_soft_margin_loss", dict(weight=None, reduction="mean")


class SoftMarginLoss(_Loss):
    """log(1 + e^(-y x)), y = ±1"""

    function = "soft_margin_loss"


class HingeEmbeddingLoss(_Loss):
    """x where y = 1, max(0, margin - x) where y = -1"""

    function, options = "hinge_embedding_loss", dict(margin=1.0, reduction="mean")


class MarginRankingLoss(_Loss):
    """max(0, -y (x1 - x2) + margin)"""

    function, options = "margin_ranking_loss", dict(margin=0.0, reduction="mean")


class CosineEmbeddingLoss(_Loss):
    """1 - cos(x1, x2) where y = 1, max(0, cos(x1, x2) - margin) where y = -1"""

    function, options = "cosine_embedding_loss", dict(margin=0.0, reduction="mean")


class CTCLoss(_Loss):
    """-log P(targets | log_probs) over all alignments: log_probs (T, N, C), targets (N, S), lengths of both (N)"""

    function, options = "ctc_loss", dict(blank=0, reduction="mean", zero_infinity=False)


class TripletMarginLoss(_Loss):
    """max(0, |anchor - positive| - |anchor - negative| + margin), distances in the p-norm"""

    function = "triplet_margin_loss"
    options = dict(margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.margin <= 0:
            raise ValueError(f"TripletMarginLoss: expected margin to be greater than 0, got {self.margin} instead")
