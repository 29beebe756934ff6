"""Scaled dot product attention: softmax(q k' / √E + mask) v. One kernel (csrc/kernels/attention), and what it means in ops."""

from __future__ import annotations

import functools
import math
import operator

from ..autodiff import Array
from ..device import beside, kernels
from ..errors import DTypeError, ShapeError, rounded_once
from ..fused import fused
from ..tensor import empty, ones, zeros
from .elementwise import where
from .matmul import linear_of_sequences, matmul
from .random import claim, dropout, dropout_claimed
from .shape import broadcast_shapes, contiguous, expand, transpose
from .softmax import softmax

_MINUS_INF = -math.inf


def _undropped(query, key, attn_mask, is_causal, scale):
    """softmax(scale q k' + mask) along the keys; rows that see no key are 0."""
    scores = matmul(query * scale, key.mT)
    hidden = None
    if is_causal:
        length, keys = scores._shape[-2:]
        hidden = ~ones((length, keys), dtype="bool").tril()
    if attn_mask is not None:
        if attn_mask.dtype.name == "bool":
            hidden = ~attn_mask if hidden is None else hidden | ~attn_mask
        else:
            scores = scores + attn_mask
    if hidden is not None:
        scores = where(hidden, _MINUS_INF, scores)
    weights = softmax(scores, -1)
    if hidden is not None or attn_mask is not None:
        nothing = (scores.detach() == _MINUS_INF).all(-1, keepdim=True)
        weights = where(nothing, 0.0, weights)
    return weights


def attention_weights(query, key, attn_mask=None, dropout_p=0.0, training=True):
    """softmax(q k' / √E + mask) along the keys, dropped out: for those who want to see the weights."""
    weights = _undropped(query, key, attn_mask, False, _scale(query, None))
    return dropout(weights, dropout_p, training) if dropout_p > 0 else weights


def _scale(query, scale):
    return 1 / math.sqrt(max(query._shape[-1], 1)) if scale is None else float(scale)


def _composed(q, k, v, mask, *, dropped, scale, causal, p):
    if q.ndim > 2 and q._shape[-3] != k._shape[-3]:
        k, v = (x.repeat_interleave(q._shape[-3] // x._shape[-3], -3) for x in (k, v))
    weights = _undropped(q, k, mask, causal, scale)
    return matmul(weights if dropped is None else dropout_claimed(weights, dropped, p), v)


def _like(x, width):
    """Memory for x's shape with `width` columns; the heads of a row side by side where x has them so."""
    shape = (*x._shape[:-1], width)
    strides = x.stride()
    if x.ndim > 2 and strides[-3] < strides[-2]:  # detached: a result, no view of what it lies in
        return transpose(empty((*shape[:-3], shape[-2], shape[-3], width), dtype=x.dtype), -3, -2).detach()
    return empty(shape, dtype=x.dtype)


@fused(_composed)
def _attention(q, k, v, mask, *, dropped, scale, causal, p):
    """q (.., G·H, L, E), k (.., H, S, E), v (.., H, S, F), mask (.., G·H, L, S) or None → (.., G·H, L, F), and log Σ exp of each row.

    dropped: the [seed, offset] of `claim`, or None.
    """
    dropped = None if dropped is None else beside(dropped, q)
    y, lse = _like(q, v._shape[-1]), empty(q._shape[:-1], dtype=q.dtype.computed)
    kernels(q).attention(y, lse, q, k, v, mask, dropped, scale, causal, p)
    return y, lse


def _attention_dx(g, ys, q, k, v, mask, needs, dropped, scale, causal, p):
    out = [_like(x, x._shape[-1]) if need else empty((0,), dtype=q.dtype) for x, need in zip((q, k, v), needs, strict=False)]
    out.append(empty(mask._shape if needs[3] else (0,), dtype=q.dtype))
    dropped = None if dropped is None else beside(dropped, q)
    kernels(q).attention_dx(*out, g, ys[0], contiguous(ys[1]), q, k, v, mask, dropped, scale, causal, p)
    return [x if need else None for x, need in zip(out, needs, strict=True)]


_attention.joint(_attention_dx)


def _lead(*shapes):
    try:
        return broadcast_shapes(*shapes)
    except ShapeError as error:
        raise ShapeError(f"scaled_dot_product_attention: leading axes of query, key, value and attn_mask: {error}") from None


def _arranged(query, key, value, mask, enable_gqa):
    """The arguments as the kernel takes them: leading axes broadcast (without copying), key heads one for a group of query heads."""
    q, k, v = query._shape[:-2], key._shape[:-2], value._shape[:-2]
    if q == k == v and mask is None and (q or not enable_gqa):
        return query, key, value, None
    if enable_gqa:
        if min(len(q), len(k), len(v)) < 1:
            raise IndexError("scaled_dot_product_attention: enable_gqa needs an axis of heads (-3) in query, key and value")
        if any(not n or q[-1] % n for n in (k[-1], v[-1])):
            raise ShapeError(
                "scaled_dot_product_attention: Number of heads in key and value must divide the number of heads in query, got "
                f"query {list(query._shape)}, key {list(key._shape)}, value {list(value._shape)}"
            )
        if k[-1] != v[-1]:
            key, value = (x.repeat_interleave(q[-1] // x._shape[-3], -3) for x in (key, value))
        heads = (key._shape[-3],)
        k, v = k[:-1], v[:-1]
        lead = _lead(q, (*_lead(k, v), 1), () if mask is None else mask._shape[:-2])
    else:
        lead = _lead(q, k, v, () if mask is None else mask._shape[:-2])
        heads = (1,) if {k[-1:], v[-1:]} <= {(), (1,)} else lead[-1:]
    length, keys = query._shape[-2], key._shape[-2]
    if mask is not None:
        for size, wanted, axis in zip(mask._shape[-2:], (length, keys)[-mask.ndim :], (-2, -1)[-mask.ndim :], strict=True):
            if size not in (1, wanted):
                raise ShapeError(
                    f"scaled_dot_product_attention: The size of tensor a ({wanted}) must match the size of tensor b ({size}) at "
                    f"non-singleton dimension {len(lead) + 2 + axis}: scores {[*lead, length, keys]}, attn_mask {list(mask._shape)}"
                )
        mask = _expanded(mask, (*lead, length, keys))
    shared = (*lead[:-1], *heads) if lead else ()
    return (
        _expanded(query, (*lead, *query._shape[-2:])), _expanded(key, (*shared, *key._shape[-2:])),
        _expanded(value, (*shared, *value._shape[-2:])), mask,
    )  # fmt: skip


def _expanded(x, shape):
    return x if x._shape == shape else expand(x, shape)


@rounded_once
def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """softmax(query key' / √E + mask) value.

    query (N, ..., L, E), key (N, ..., S, E), value (N, ..., S, Ev) -> (N, ..., L, Ev). attn_mask, broadcast to (N, ..., L, S):
    True where a key takes part, or numbers that are added. is_causal: query i sees keys up to i. A query that sees no key
    gives zeros. enable_gqa: a group of query heads (axis -3) shares a head of key and value. dropout_p applies always.

    The scores are never held as a whole (Dao et al. 2022): memory is linear in L and S, the mask's gradient and higher
    derivatives apart. ShapeError, DTypeError and TypeError where the arguments do not fit.
    """
    for name, x in (("query", query), ("key", key), ("value", value)):
        if not isinstance(x, Array):
            raise TypeError(f"scaled_dot_product_attention(): argument '{name}' must be Tensor, not {type(x).__name__}")
        if x.ndim < 2:
            raise ShapeError(f"scaled_dot_product_attention: Expected query, key, and value to all be at least 2 dimensional, but got {name}: {x.ndim}")
    if query.dtype is not key.dtype or query.dtype is not value.dtype:
        raise DTypeError(
            "scaled_dot_product_attention: Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype.name} key.dtype: {key.dtype.name} and value.dtype: {value.dtype.name} instead."
        )
    if query._shape[-1] != key._shape[-1] or key._shape[-2] != value._shape[-2]:
        raise ShapeError(
            f"scaled_dot_product_attention: shapes do not fit: query {list(query._shape)}, key {list(key._shape)}, value {list(value._shape)}"
        )
    if is_causal and attn_mask is not None:
        raise ShapeError("scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if attn_mask is not None and attn_mask.dtype.name != "bool" and attn_mask.dtype is not query.dtype:
        raise DTypeError(
            f"scaled_dot_product_attention: Expected attn_mask dtype to be bool or {query.dtype.name}, got {attn_mask.dtype.name}"
        )
    if not query.dtype.is_floating_point:
        raise DTypeError(f"scaled_dot_product_attention: expected a floating dtype, got {query.dtype.name}")
    if not 0 <= dropout_p <= 1:
        raise ShapeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")
    query, key, value, attn_mask = _arranged(query, key, value, attn_mask, enable_gqa)
    dropped = claim(query._size // max(query._shape[-1], 1) * key._shape[-2]) if dropout_p > 0 else None
    return _attention(
        query, key, value, attn_mask, dropped=dropped, scale=_scale(query, scale), causal=bool(is_causal), p=float(dropout_p)
    )[0]


def _together(masks, dtype):
    """Masks of MultiheadAttention (True: *hidden*, or numbers to add) as one of scaled_dot_product_attention."""
    masks = [m for m in masks if m is not None]
    if all(m.dtype.name == "bool" for m in masks):
        return ~functools.reduce(operator.or_, masks) if masks else None
    nothing = zeros((), dtype=dtype)
    return functools.reduce(
        operator.add, (where(m, _MINUS_INF, nothing) if m.dtype.name == "bool" else m if m.dtype is dtype else m.to(dtype) for m in masks)
    )


def _by_sequence(x):
    """Do x (L, N, E)'s sequences lie one after the other in memory?"""
    steps, sequences = x.stride()[:2]
    return steps < sequences


def _projected(x, w, b):
    """x (L, N, E) w' + b, row by row of memory."""
    if _by_sequence(x):
        return linear_of_sequences(x.transpose(0, 1), w, b).transpose(0, 1)
    return linear_of_sequences(x, w, b)


def multi_head_attention_forward(
    query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn, dropout_p,
    out_proj_weight, out_proj_bias, training=True, key_padding_mask=None, need_weights=True, attn_mask=None,
    use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None,
    average_attn_weights=True, is_causal=False,
):  # fmt: skip
    """Attention of several heads (Vaswani et al. 2017), as nn.MultiheadAttention computes it: query (L, N, E) or (L, E)."""
    if key_padding_mask is not None and key_padding_mask.ndim != query.ndim - 1:
        raise ShapeError(f"multi_head_attention_forward: key_padding_mask must be {query.ndim - 1}-D for a {query.ndim}-D query, got {key_padding_mask.ndim}-D")
    batched = query.ndim == 3
    if query.ndim not in (2, 3) or key.ndim != query.ndim or value.ndim != query.ndim:
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query, {key.ndim}-D key, {value.ndim}-D value")
    if not batched:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, width = query._shape
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    if width % num_heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if key._shape[:2] != value._shape[:2]:
        raise AssertionError(f"key's sequence and batch dims {key._shape[:2]} do not match value's {value._shape[:2]}")
    if use_separate_proj_weight:
        for x, w, what in ((key, k_proj_weight, "key"), (value, v_proj_weight, "value")):
            if x._shape[-1] != w._shape[-1]:
                raise AssertionError(f"expecting {what} weights shape of {(width, x._shape[-1])}, but got {tuple(w._shape)}")
    elif key._shape != value._shape:
        raise AssertionError(f"key shape {tuple(key._shape)} does not match value shape {tuple(value._shape)}")
    if is_causal and attn_mask is None:
        raise ShapeError("Need attn_mask if specifying the is_causal hint.")
    head = width // num_heads
    if use_separate_proj_weight:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        biases = (None,) * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = (_projected(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))
    elif query is key and key is value:
        q, k, v = _projected(query, in_proj_weight, in_proj_bias).chunk(3, -1)
    else:
        biases = (None,) * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = (_projected(x, w, b) for x, w, b in zip((query, key, value), in_proj_weight.chunk(3), biases, strict=True))

    mask, padding = attn_mask, key_padding_mask
    for what, m in (("attn_mask", mask), ("key_padding_mask", padding)):
        if m is not None and m.dtype.name != "bool" and not m._floating:
            raise AssertionError(f"only bool and floating types of {what} are supported, got {m.dtype.name}")
    if mask is not None:
        wanted = (length, key._shape[0])
        if mask.ndim == 2 and mask._shape != wanted:
            raise ShapeError(f"The shape of the 2D attn_mask is {tuple(mask._shape)}, but should be {wanted}.")
        if mask.ndim == 3 and mask._shape != (batch * num_heads, *wanted):
            raise ShapeError(f"The shape of the 3D attn_mask is {tuple(mask._shape)}, but should be {(batch * num_heads, *wanted)}.")
        if mask.ndim not in (2, 3):
            raise ShapeError(f"attn_mask's dimension {mask.ndim} is not supported")
        mask = mask.unsqueeze(0) if mask.ndim == 2 else mask.reshape((batch, num_heads, *wanted))
    if padding is not None and padding._shape != (batch, key._shape[0]):
        raise AssertionError(f"expecting key_padding_mask shape of {(batch, key._shape[0])}, but got {tuple(padding._shape)}")
    from .join import cat
    from .pad import pad

    extra = 0
    if bias_k is not None and bias_v is not None:
        k, v, extra = cat([k, bias_k.expand(1, batch, width)]), cat([v, bias_v.expand(1, batch, width)]), extra + 1
    q, k, v = (x.reshape((x._shape[0], batch, num_heads, head)).permute(1, 2, 0, 3) for x in (q, k, v))
    if static_k is not None:
        k = static_k.reshape((batch, num_heads, -1, head))
    if static_v is not None:
        v = static_v.reshape((batch, num_heads, -1, head))
    if add_zero_attn:
        k, v, extra = pad(k, (0, 0, 0, 1)), pad(v, (0, 0, 0, 1)), extra + 1
    if extra:
        mask = None if mask is None else pad(mask, (0, extra))
        padding = None if padding is None else pad(padding, (0, extra))
    if padding is not None:
        padding = padding.reshape((batch, 1, 1, -1))
    mask = _together((mask, padding), q.dtype)

    if need_weights:
        weights = attention_weights(q, k, mask, dropout_p, training)
        out = matmul(weights, v)
    else:
        out = scaled_dot_product_attention(q, k, v, mask, dropout_p if training else 0.0)
    if _by_sequence(query):
        out = linear_of_sequences(out.transpose(1, 2).reshape((batch, length, width)), out_proj_weight, out_proj_bias).transpose(0, 1)
    else:
        out = linear_of_sequences(out.permute(2, 0, 1, 3).reshape((length, batch, width)), out_proj_weight, out_proj_bias)
    if not batched:
        out = out.squeeze(1)
    if not need_weights:
        return out, None
    if average_attn_weights:
        weights = weights.mean(1)
    return out, weights if batched else weights.squeeze(0)


FUNCTIONAL = ("multi_head_attention_forward", "scaled_dot_product_attention")
