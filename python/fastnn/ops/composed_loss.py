"""Losses written with ops: distributions, margins, distances. Those with a kernel of their own are in loss.py."""

from __future__ import annotations

import math
import warnings

from ..device import kernels
from ..errors import ShapeError, rounded_once
from ..tensor import empty, empty_like, ones_like, zeros_like
from .elementwise import where
from .linalg import of_all
from .loss import _IGNORE_NOTHING, SUM, _check_classes, _floating, _reduced, _reduction, _size, softplus
from .shape import broadcast_tensors, contiguous

# -- distributions ----------------------------------------------------------------------------------------


def _xlogx(t):
    """t·log t, 0 at 0 (with derivative 0 there)."""
    return t * where(t == 0, 1.0, t).log()


def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """target·(log target - input): input holds log-probabilities, target probabilities (or logarithms: log_target).

    reduction also takes "batchmean": the sum divided by the first axis, which is the mathematical definition.
    """
    if reduction == "mean" and size_average is None and reduce is None:
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides only "
            "by the batch size, and aligns with the KL div math definition.'mean' will be changed to behave the same as "
            "'batchmean' in the next major release.",
            stacklevel=2,
        )
    batchmean = reduction == "batchmean"
    reduction = SUM if batchmean else _reduction(reduction, size_average, reduce)
    input, target = _floating("kl_div", input, target)
    loss = target.exp() * (target - input) if log_target else _xlogx(target) - target * input
    loss = _reduced(loss, reduction)
    return loss / input._shape[0] if batchmean and input.ndim else loss


def poisson_nll_loss(
    input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"
):
    """exp(input) - target·input, or input - target·log(input + eps); full adds Stirling's term for targets above 1."""
    reduction = _reduction(reduction, size_average, reduce)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        safe = where(target > 1, target, ones_like(target))
        stirling = safe * safe.log() - safe + (safe * (2 * math.pi)).log() * 0.5
        loss = loss + where(target > 1, stirling, zeros_like(stirling))
    return _reduced(loss, reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """(log v + (input - target)²/v)/2 with v = max(var, eps), held constant where it is eps; full adds log(2π)/2.

    var: a number, input's shape, that with one axis of 1, or that without its last axis. ValueError for a negative variance.
    """
    reduction = _reduction(reduction)
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = ones_like(input) * float(var)
    elif bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var._shape != input._shape:
        if var._shape == input._shape[:-1]:
            var = var.unsqueeze(-1)
        elif var.ndim != input.ndim or [v for v, n in zip(var._shape, input._shape, strict=True) if v != n] != [1]:
            raise ValueError("var is of incorrect size")
    v = var + (var.detach().clamp(min=eps) - var.detach())  # the clamp is invisible to the gradient, as in PyTorch
    loss = (v.log() + (input - target) ** 2 / v) * 0.5
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduced(loss, reduction)


# -- margins ----------------------------------------------------------------------------------------------


def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """input where target is 1, max(0, margin - input) where it is -1."""
    reduction = _reduction(reduction, size_average, reduce)
    zero = input * 0.0
    near, far = where(target != -1, input, zero), where(target != 1, (margin - input).clamp(min=0.0), zero)
    return _reduced(near + far, reduction)


def margin_ranking_loss(input1, input2, target, margin=0.0, size_average=None, reduce=None, reduction="mean"):
    """max(0, -target·(input1 - input2) + margin): target 1 wants input1 above input2, -1 below."""
    reduction = _reduction(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{_size(input1)}, input2: {_size(input2)}, target: {_size(target)} "
        )
    return _reduced((-target * (input1 - input2) + margin).clamp(min=0.0), reduction)


@rounded_once
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target·input)), targets ±1; finite for every finite input."""
    reduction = _reduction(reduction, size_average, reduce)
    return _reduced(softplus(-(target * input)), reduction)


def multi_margin_loss(
    input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """Σ over wrong classes j of max(0, margin - x[target] + x[j])^p, times weight[target], divided by C.

    input (N, C) or (C), target (N) or (), p 1 or 2.
    """
    reduction = _reduction(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"weight must be one-dimensional, got {weight.ndim}-d")
    single = input.ndim <= 1
    if not input.ndim:
        input = input.reshape((1,))
    x, t = (input.unsqueeze(0), target.reshape((1,))) if single else (input, target)
    _check_classes("multi_margin_loss", x, t, weight)
    if x.ndim != 2:
        raise ShapeError(f"multi_margin_loss: expected input (N, C) or (C), got {list(input._shape)}")
    q, total = empty_like(x), empty((), dtype=x.dtype)
    kernels(x).cross_entropy_target(q, total, contiguous(t), None, 0.0, _IGNORE_NOTHING)  # one-hot targets
    z = (x - (x * q).sum(1, keepdim=True) + margin).clamp(min=0.0) * (1 - q)
    if p == 2:
        z = z * z
    if weight is not None:
        z = z * (q * weight).sum(1, keepdim=True)
    loss = z.sum(1) / x._shape[1]
    return _reduced(loss.reshape(target._shape) if single else loss, reduction)


def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Σ over target classes t and other classes j of max(0, 1 - x[t] + x[j]), divided by C.

    input (N, C) or (C); target of the same shape: class indices, up to the first -1.
    """
    reduction = _reduction(reduction, size_average, reduce)
    if not input.ndim and not target.ndim:
        input, target = input.reshape((1,)), target.reshape((1,))
    if input.ndim not in (1, 2) or input._shape != target._shape:
        raise ShapeError(f"multilabel_margin_loss: Expected input (N, C) or (C) and target of the same shape, got {list(input._shape)} and {list(target._shape)}")
    x, t = (input.unsqueeze(0), target.unsqueeze(0)) if input.ndim == 1 else (input, target)
    valid = (t < 0).to("int64").cumsum(1) == 0
    index = where(valid, t, 0)
    if x._size and int(of_all(index).amax()) >= x._shape[1]:
        raise ShapeError("multilabel_margin_loss: target out of range")
    hot = zeros_like(x).scatter_add(1, index, valid.to(x.dtype)).clamp(max=1.0)
    at = x.gather(1, index)
    gaps = (1 - at.unsqueeze(2) + x.unsqueeze(1)).clamp(min=0.0) * (valid.to(x.dtype).unsqueeze(2) * (1 - hot).unsqueeze(1))
    loss = gaps.sum((1, 2)) / max(x._shape[1], 1)
    return _reduced(loss.reshape(()) if input.ndim == 1 else loss, reduction)


def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """The mean over classes (the last axis) of binary_cross_entropy_with_logits, times weight where given."""
    reduction = _reduction(reduction, size_average, reduce)
    loss = target * softplus(-input) + (1 - target) * softplus(input)
    if weight is not None:
        loss = loss * weight
    return _reduced(loss.mean(-1), reduction)


# -- distances --------------------------------------------------------------------------------------------


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """‖x1 - x2 + eps‖ₚ along the last axis; x1 and x2 broadcast."""
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


@rounded_once
def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1·x2 / (max(‖x1‖, eps)·max(‖x2‖, eps)) along dim; x1 and x2 broadcast."""
    x1, x2 = broadcast_tensors(*_floating("cosine_similarity", x1, x2))
    unit1 = x1 / x1.norm(2, dim, keepdim=True).clamp(min=eps)
    unit2 = x2 / x2.norm(2, dim, keepdim=True).clamp(min=eps)
    return (unit1 * unit2).sum(dim)


@rounded_once
def cosine_embedding_loss(input1, input2, target, margin=0.0, size_average=None, reduce=None, reduction="mean"):
    """1 - cos where target is 1, max(0, cos - margin) where it is -1.  input (N, D) with target (N), or (D) with ()."""
    reduction = _reduction(reduction, size_average, reduce)
    if target.ndim not in (0, 1):
        raise ShapeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise ShapeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1._shape)} and {list(input2._shape)}."
        )
    eps, d = 1e-12, target.ndim
    cos = (input1 * input2).sum(d) * (((input1 * input1).sum(d) + eps) * ((input2 * input2).sum(d) + eps)).rsqrt()
    zero = cos * 0.0
    loss = where(target == 1, 1 - cos, zero) + where(target == -1, (cos - margin).clamp(min=0.0), zero)
    return _reduced(loss, reduction)


@rounded_once
def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, size_average=None, reduce=None, reduction="mean"
):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d = pairwise_distance (Balntas et al. 2016).

    swap: takes d(positive, negative) where that is smaller than d(anchor, negative). ValueError unless margin > 0.
    """
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")

    def distance(a, b):
        return pairwise_distance(a, b, p, eps)

    reduction = _reduction(reduction, size_average, reduce)
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """triplet_margin_loss with a distance of one's own (default: pairwise_distance)."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    return _triplet(anchor, positive, negative, distance_function or pairwise_distance, margin, swap, _reduction(reduction))


def _triplet(anchor, positive, negative, distance, margin, swap, reduction):
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor "
            f"{anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        other = distance(positive, negative)
        far = where(other < far, other, far)
    return _reduced((near - far + margin).clamp(min=0.0), reduction)


__all__ = ("cosine_similarity", "pairwise_distance")
METHODS = ()
FUNCTIONAL = (
    "cosine_embedding_loss cosine_similarity gaussian_nll_loss hinge_embedding_loss kl_div margin_ranking_loss "
    "multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss pairwise_distance poisson_nll_loss soft_margin_loss triplet_margin_loss "
    "triplet_margin_with_distance_loss"
).split()
