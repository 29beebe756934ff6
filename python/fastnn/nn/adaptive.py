"""A softmax over many classes of very different frequency, in clusters (Grave et al., ICML 2017)."""

from __future__ import annotations

from collections import namedtuple

from ..ops.join import cat
from ..ops.mask import masked_select
from ..ops.rows import index_add
from ..ops.shape import reshape
from . import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_Result = namedtuple("ASMoutput", "output loss")


class AdaptiveLogSoftmaxWithLoss(Module):
    """x (N, in_features), target (N) → (output (N): log p of the targets, loss: their negative mean).

    Classes are sorted by frequency, the most frequent first. Those below cutoffs[0] have a score each in the head; the others are
    reached through one score a cluster and a projection to in_features / div_value^i, where the i-th cluster's scores are computed.
    """

    def __init__(self, in_features, n_classes, cutoffs, div_value=4.0, head_bias=False, device=None, dtype=None):
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        rising = cutoffs == sorted(set(cutoffs)) and min(cutoffs) > 0 and max(cutoffs) <= n_classes - 1
        if not rising or any(int(c) != c for c in cutoffs):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is between 1 and "
                "n_classes-1"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        options = dict(device=device, dtype=dtype)
        self.head = Linear(in_features, self.head_size, head_bias, **options)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            inner = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(Sequential(Linear(in_features, inner, False, **options), Linear(inner, size, False, **options)))

    def reset_parameters(self):
        self.head.reset_parameters()
        for projection, scores in self.tail:
            projection.reset_parameters()
            scores.reset_parameters()

    def forward(self, input, target):
        if input.ndim == 1:
            output, loss = self(reshape(input, (1, -1)), reshape(target, (1,)))
            return _Result(reshape(output, ()), loss)
        if target.shape != input.shape[:1]:
            raise RuntimeError(f"Input and target should have the same size in the batch dimension, got {list(input.shape)}, {list(target.shape)}")
        low, high = int(target.min()) if target.numel() else 0, int(target.max()) if target.numel() else 0
        if low < 0 or high >= self.n_classes:
            raise RuntimeError(f"Target values should be in [0, {self.n_classes - 1}], but values in range [{low}, {high}] were found.")
        in_head = target.clone()
        rows, parts = [], []
        for i in range(self.n_clusters):
            mine = (target >= self.cutoffs[i]) & (target < self.cutoffs[i + 1])
            places = mine.nonzero().squeeze(1)
            if not places.numel():
                continue
            in_head.index_fill_(0, places, self.shortlist_size + i)
            scores = F.log_softmax(self.tail[i](input.index_select(0, places)), 1)
            within = masked_select(target, mine) - self.cutoffs[i]
            rows.append(places)
            parts.append(scores.gather(1, within.unsqueeze(1)).squeeze(1))
        output = F.log_softmax(self.head(input), 1).gather(1, in_head.unsqueeze(1)).squeeze(1)
        if parts:
            output = index_add(output, 0, cat(rows), cat(parts))
        return _Result(output, -output.mean())

    def log_prob(self, input):
        """The log-probabilities of all classes, (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i in range(self.n_clusters):
            parts.append(F.log_softmax(self.tail[i](input), 1) + head[:, self.shortlist_size + i].unsqueeze(1))
        return cat(parts, 1)

    def predict(self, input):
        """The most likely class of each row."""
        return self.log_prob(input).argmax(1)
