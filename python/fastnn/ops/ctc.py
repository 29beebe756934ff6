"""Connectionist temporal classification: the loss of a sequence of labels whose places in time are not known."""

from __future__ import annotations

import numpy as np

from ..autodiff import Array
from ..device import beside, kernels
from ..errors import DTypeError, ShapeError
from ..fused import fused
from ..tensor import empty, empty_like, from_numpy, full, full_like, zeros_like
from .comparison import isinf
from .elementwise import where
from .gather import gather
from .join import cat, stack
from .reduce import logsumexp
from .shape import contiguous, expand, narrow

NEVER = -1e30  # the logarithm of what cannot be, in the composition: -∞ would give NaN


def _composed(x, targets, input_lengths, target_lengths, blank):
    """The recursion of csrc/kernels/ctc/ctc.cpp, all sequences at once."""
    steps, batch, classes = x._shape
    width = targets._shape[1]
    labels = stack([full_like(targets, blank), targets.clamp(0, classes - 1)], 2).reshape((batch, 2 * width))
    labels = cat([labels, full((batch, 1), blank, dtype=labels.dtype)], 1)
    chance = gather(x, 2, expand(labels.unsqueeze(0), (steps, *labels._shape)))
    states = 2 * width + 1
    odd = from_numpy(np.arange(states) % 2 == 1)

    def later(a, n):  # a at the state n before
        return cat([full((batch, min(n, states)), NEVER, dtype=x.dtype), narrow(a, 1, 0, max(states - n, 0))], 1)

    before = cat([full((batch, min(2, states)), -1, dtype=labels.dtype), narrow(labels, 1, 0, max(states - 2, 0))], 1)
    skip = where(odd & (labels != before), zeros_like(chance[0]), NEVER)
    alpha = where(from_numpy(np.arange(states) < 2), chance[0], NEVER)
    for t in range(1, steps):
        new = chance[t] + logsumexp(stack([alpha, later(alpha, 1), later(alpha, 2) + skip]), 0)
        alpha = where((input_lengths > t).unsqueeze(1), new, alpha)
    end = (target_lengths * 2).unsqueeze(1)
    last, before = gather(alpha, 1, end), gather(alpha, 1, (end - 1).clamp(min=0))
    before = where(end > 0, before, NEVER)
    loss = -logsumexp(cat([last, before], 1), 1)
    return where((loss < -NEVER / 2) & (input_lengths > 0), loss, 0.0)


@fused(_composed)
def _ctc_loss(x, targets, input_lengths, target_lengths, *, blank):
    steps, batch, _ = x._shape
    row = -(-(2 * targets._shape[1] + 3) // 16) * 16 + 16  # whole vectors, and one more
    loss, alpha = empty((batch,), dtype=x.dtype), empty((batch, steps, row), dtype=x.dtype.computed)
    given = (contiguous(x), contiguous(targets), contiguous(input_lengths), contiguous(target_lengths))
    kernels(x).ctc_loss(loss, alpha, *given, blank)
    return loss, alpha


def _joint(g, ys, x, targets, input_lengths, target_lengths, needs, blank):
    dx = empty_like(x)
    given = (contiguous(x), contiguous(targets), contiguous(input_lengths), contiguous(target_lengths))
    kernels(x).ctc_loss_dx(dx, contiguous(g), *ys, *given, blank)
    return dx, None, None, None


_ctc_loss.joint(_joint)


def _as_lengths(lengths, name):
    t = lengths if isinstance(lengths, Array) else from_numpy(np.asarray(lengths).reshape(-1))
    if t.dtype.is_floating_point or t.dtype.name == "bool":
        raise TypeError(f"ctc_loss: {name} must be integers, got {t.dtype}")
    return t.reshape((-1,)).to("int64")


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """-log of the probability of the targets, over all alignments (Graves et al. 2006).

    log_probs (T, N, C), or (T, C) for one sequence: logarithms of probabilities, of which `blank` is one that spells nothing.
    targets (N, S), or all of them one after another in one axis; lengths (N), tensors or tuples. "mean": each loss divided by
    its target's length, then averaged. A target that does not fit into its input has loss inf (0 if zero_infinity) and
    gradient 0. RuntimeError for lengths beyond T or S or of another number than N, IndexError for a label outside 0 .. C - 1.
    """
    if not log_probs.dtype.is_floating_point:
        raise DTypeError(f'"ctc_loss" not implemented for {log_probs.dtype}')
    if targets.dtype.is_floating_point:
        raise DTypeError(f"ctc_loss: targets must be integers, got {targets.dtype}")
    if log_probs.ndim not in (2, 3):
        raise ShapeError(f"ctc_loss: expected log_probs (T, N, C) or (T, C), got {list(log_probs._shape)}")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if not 0 <= blank < log_probs._shape[-1]:
        raise ShapeError("blank must be in label range")
    single = log_probs.ndim == 2
    x = log_probs.unsqueeze(1) if single else log_probs
    ins, lens = _as_lengths(input_lengths, "input_lengths"), _as_lengths(target_lengths, "target_lengths")
    for name, t in (("input_lengths", ins), ("target_lengths", lens)):
        if t._size != x._shape[1]:
            raise ShapeError(f"{name} must be of size batch_size")
    ins, lens, targets = beside(ins, x), beside(lens, x), targets.to("int64")
    if single and targets.ndim == 1:
        targets = targets.unsqueeze(0)
    elif targets.ndim == 1:
        targets = _rows(targets.cpu(), lens.cpu())
    targets = beside(targets, x)
    if targets.ndim != 2 or targets._shape[0] != x._shape[1]:
        raise ShapeError(f"ctc_loss: targets {list(targets._shape)} do not fit log_probs {list(log_probs._shape)}")
    loss, *_ = _ctc_loss(x, targets, ins, lens, blank=int(blank))
    if zero_infinity:
        loss = where(isinf(loss), 0.0, loss)
    if reduction == "mean":
        return (loss / lens.clamp(min=1).to(loss.dtype)).mean()
    if reduction == "sum":
        return loss.sum()
    return loss.reshape(()) if single else loss


def _rows(targets, lengths):
    """Targets one after another (sum of lengths) as padded rows."""
    sizes = lengths.numpy()
    if targets._shape[0] != sizes.sum() or (sizes < 0).any():
        raise ShapeError(
            f"Expected tensor to have size {sizes.sum()} at dimension 0, but got size {targets._shape[0]} for argument #2 'targets'"
        )
    rows = np.zeros((len(sizes), max(sizes.max(initial=0), 1)), np.int64)
    rows[np.arange(rows.shape[1])[None, :] < sizes[:, None]] = targets.numpy()
    return from_numpy(rows)


__all__ = ("ctc_loss",)
METHODS = ()
FUNCTIONAL = ("ctc_loss",)
