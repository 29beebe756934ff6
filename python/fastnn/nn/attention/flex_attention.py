"""Attention with scores and masks of one's own, given as functions of indices, as PyTorch's flex_attention (Dong et al. 2024).

A function is called once with tensors of indices that broadcast to (B, H, L, S), not once for each score, so that what it
computes with them must be elementwise: comparisons, arithmetic, `where`, tables looked up by indices. The matrix of scores is
held, unless there is a mask only: then `F.scaled_dot_product_attention` runs.
"""

from __future__ import annotations

import functools
import math

from ...errors import ShapeError
from ...ops.elementwise import where
from ...ops.join import cat
from ...ops.ranges import arange
from ...tensor import Tensor, zeros
from .. import functional as F

__all__ = ["BlockMask", "and_masks", "create_block_mask", "create_mask", "flex_attention", "noop_mask", "or_masks"]


def noop_mask(batch, head, q_idx, kv_idx):
    """Every query sees every key."""
    return (q_idx >= 0) & (kv_idx >= 0)


def and_masks(*mask_mods):
    """What all of the masks show."""
    return lambda *indices: functools.reduce(lambda a, b: a & b, (mod(*indices) for mod in mask_mods), noop_mask(*indices))


def or_masks(*mask_mods):
    """What any of the masks shows."""
    return lambda *indices: functools.reduce(lambda a, b: a | b, (mod(*indices) for mod in mask_mods), ~noop_mask(*indices))


def _indices(shape, device=None):
    """For each axis its indices, shaped so that all of them broadcast to shape."""
    return [arange(n, device=device).reshape([-1 if i == k else 1 for k in range(4)]) for i, n in enumerate(shape)]


def create_mask(mod_fn, B, H, Q_LEN, KV_LEN, device=None):
    """The mask that mod_fn(b, h, q_idx, kv_idx) describes, bool (B or 1, H or 1, Q_LEN, KV_LEN); True where a query sees a key."""
    shape = (B or 1, H or 1, Q_LEN, KV_LEN)
    mask = mod_fn(*_indices(shape, device))
    if not isinstance(mask, Tensor):
        raise TypeError(f"create_mask: mod_fn must return a tensor, not {type(mask).__name__}")
    return mask.bool().expand(shape)


class BlockMask:
    """A mask as a function, `mask_mod`, and of what shape (B, H, Q_LEN, KV_LEN) it is. No block is skipped here: `sparsity` says
    which share of them PyTorch could."""

    def __init__(self, mask_mod, shape, BLOCK_SIZE=128, device=None):
        self.mask_mod, self.shape, self.device = mask_mod, tuple(shape), device
        self.BLOCK_SIZE = BLOCK_SIZE if isinstance(BLOCK_SIZE, tuple) else (BLOCK_SIZE, BLOCK_SIZE)
        self.seq_lengths = self.shape[2:]
        self.mask = create_mask(mask_mod, *self.shape, device)

    def to_dense(self):
        """int32 (B, H, blocks of queries, blocks of keys): 1 where any query of a block sees any key of the other."""
        x = self.mask
        for axis, size in zip((2, 3), self.BLOCK_SIZE, strict=True):
            missing = -x.shape[axis] % size
            x = cat([x, zeros(*x.shape[:axis], missing, *x.shape[axis + 1 :], dtype=x.dtype)], axis)
            x = x.unflatten(axis, (-1, size)).any(axis + 1)
        return x.int()

    def sparsity(self):
        """The percentage of blocks without any visible key."""
        return 100 * (1 - self.to_dense().float().mean().item())

    def numel(self):
        return math.prod(self.shape)

    def __repr__(self):
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%)"


def create_block_mask(mask_mod, B, H, Q_LEN, KV_LEN, device=None, BLOCK_SIZE=128, _compile=False):
    """The `BlockMask` of mask_mod(b, h, q_idx, kv_idx), for B batches and H heads (None: the same for all)."""
    return BlockMask(mask_mod, (B or 1, H or 1, Q_LEN, KV_LEN), BLOCK_SIZE, device)


def flex_attention(query, key, value, score_mod=None, block_mask=None, scale=None, enable_gqa=False, return_lse=False, kernel_options=None):
    """softmax(score_mod(scale q kᵀ, b, h, q_idx, kv_idx), where block_mask shows the key) v, differentiable as all else.

    query (B, H, L, E), key (B, H or fewer with enable_gqa, S, E), value (B, same, S, D) → (B, H, L, D); with return_lse also the
    logarithms of the softmax's denominators, (B, H, L). scale is 1 / √E by default. A query that sees no key gives 0.
    NotImplementedError unless all have four axes, ValueError for heads or a mask that do not fit.
    """
    if not query.ndim == key.ndim == value.ndim == 4:
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    heads, groups = query.shape[1], key.shape[1]
    if heads != groups and not enable_gqa:
        raise ValueError(
            f"Expect query and key/value to have the same number of heads but got Hq={heads} and Hkv={groups}. Try setting enable_gqa=True for GQA."
        )
    if heads % groups:
        raise ValueError(f"Expect number of query heads to be a multiple of kv heads for GQA but got Hq={heads} and Hkv={groups}.")
    shape = (query.shape[0], heads, query.shape[2], key.shape[2])
    mask = None
    if block_mask is not None:
        if block_mask.shape[2:] != shape[2:]:
            raise ShapeError(f"block_mask was created for block_mask.shape={block_mask.shape} but got q_len={shape[2]} and kv_len={shape[3]}.")
        mask = block_mask.mask
    if score_mod is None and not return_lse and (mask is None or mask.any(-1).all()):
        return F.scaled_dot_product_attention(query, key, value, mask, scale=scale, enable_gqa=enable_gqa)
    key, value = (x.repeat_interleave(heads // groups, 1) for x in (key, value))
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if score_mod is not None:
        scores = score_mod(scores, *_indices(shape, query.device))
    if mask is not None:
        scores = where(mask, scores, -math.inf)
    lse = scores.logsumexp(-1)
    empty = (lse == -math.inf).unsqueeze(-1)
    weights = (scores - lse.unsqueeze(-1).masked_fill(empty, 0)).exp()
    return (weights @ value, lse) if return_lse else weights @ value
