"""The loss of a last linear layer and the cross entropy behind it, without all logits in memory at once if asked for."""

from __future__ import annotations

import dataclasses
import math

from ..errors import ShapeError, rounded_once
from .elementwise import where
from .join import cat, split
from .loss import cross_entropy
from .matmul import linear
from .rows import index_select
from .shape import reshape


@dataclasses.dataclass(frozen=True, slots=True)
class LinearCrossEntropyOptions:
    """Has `linear_cross_entropy` go through the batch in pieces, whose logits are computed again for the derivative.

    batch_chunk_size: rows of a piece. Without it, chunking_method: "aspect_ratio:N" makes the logits of a piece about 1/N as large
    as the input, "auto" is N = 1, None one piece. The other options are PyTorch's and change nothing: sums are in the input's dtype,
    backward can be repeated, and every order of derivative exists.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: object = None

    def rows(self, batch, features, classes):
        """Rows of a piece."""
        if self.batch_chunk_size is not None or self.chunking_method is None:
            return self.batch_chunk_size or max(batch, 1)
        method, _, parts = self.chunking_method.partition(":")
        if method not in ("auto", "aspect_ratio") or not (parts or "1").isdecimal() or not int(parts or 1):
            raise ValueError(f"chunking_method must be 'auto', 'aspect_ratio', 'aspect_ratio:N' or None, got {self.chunking_method!r}")
        equal = math.ceil(batch / math.ceil(classes / features))
        return max((1 << (max(equal, 1) - 1).bit_length()) // int(parts or 1), 1)


@rounded_once
def linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean", ignore_index=None,
                         label_smoothing=0.0, options=None):  # fmt: skip
    """cross_entropy(linear(input, linear_weight, linear_bias), target, ...).

    input (N, F) or (F), linear_weight (C, *, F), linear_bias (C, *); target as of `cross_entropy` for logits (N, C, *) or (C).
    options, a `LinearCrossEntropyOptions`: go through the batch in pieces (with a weight (C, F)). RuntimeError where shapes do not fit.
    """
    if input.ndim not in (1, 2):
        raise ShapeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if linear_weight.ndim < 2:
        raise ShapeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.ndim}")
    (classes, *places, features), batch = linear_weight._shape, input._shape[:-1]
    if input._shape[-1] != features:
        raise ShapeError(
            "expected equal input and linear_weight last dimensions (in_features), "
            f"got {input._shape[-1]} and {features}, respectively"
        )
    if linear_bias is not None and linear_bias._shape != (classes, *places):
        raise ShapeError(f"expected linear_bias shape {(classes, *places)}, got {linear_bias._shape}")
    if places and not batch:
        raise ShapeError(
            f"K-dimensional loss defined by linear_weight shape {linear_weight._shape} requires batched input, (N, {features}), "
            f"got unbatched input with shape {input._shape}"
        )
    probabilities = target._shape == (*batch, classes, *places)
    if probabilities and ignore_index is not None:
        raise ShapeError("ignore_index cannot be specified when target contains probabilities")
    ignore = -100 if ignore_index is None else ignore_index

    def loss(x, w, b, t, reduction):
        if places:
            w, b = reshape(w, (-1, features)), None if b is None else reshape(b, (-1,))
        logits = reshape(linear(x, w, b), (*x._shape[:-1], classes, *places))
        return cross_entropy(logits, t, weight, ignore_index=ignore, reduction=reduction, label_smoothing=label_smoothing)

    rows = options.rows(batch[0], features, classes) if options is not None and batch and not places else None
    if rows is None or rows >= batch[0] or reduction not in ("mean", "sum", "none"):
        return loss(input, linear_weight, linear_bias, target, reduction)
    from ..utils.checkpoint import checkpoint

    each = "none" if reduction == "none" else "sum"
    pieces = zip(split(input, rows), split(target, rows), strict=True)
    losses = [checkpoint(loss, x, linear_weight, linear_bias, t, each) for x, t in pieces]
    if reduction == "none":
        return cat(losses)
    whole = sum(losses[1:], losses[0])
    if reduction == "sum":
        return whole
    return whole / (batch[0] if probabilities else _share(target, weight, ignore, input.dtype))


def _share(target, weight, ignore, dtype):
    """What the mean divides by: how many targets count, or the sum of their weights."""
    counts = target != ignore
    if weight is None:
        return counts.sum().to(dtype)
    return where(counts, index_select(weight, 0, where(counts, target, 0)), 0.0).sum()


__all__ = METHODS = ()
FUNCTIONAL = ("linear_cross_entropy",)
