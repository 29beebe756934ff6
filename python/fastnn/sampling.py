"""Choosing the next token from a model's scores: greedy, by temperature, among the best k or the likeliest p; beam search.

    token = fastnn.sampling.sample(model(tokens)[:, -1], temperature=0.8, top_k=40)

Nothing here is differentiable: scores are read, tokens come out.
"""

from __future__ import annotations

from .autodiff import Array
from .errors import DTypeError, ShapeError
from .grad_mode import no_grad
from .ops.elementwise import where
from .ops.join import cat
from .ops.random import multinomial
from .ops.ranges import arange
from .ops.softmax import log_softmax, softmax
from .tensor import full

__all__ = ["beam_search", "greedy", "sample", "top_k", "top_p"]

_MINUS_INF = -float("inf")


def _check(logits, name):
    if not isinstance(logits, Array):
        raise TypeError(f"{name}: expected logits to be a Tensor, not {type(logits).__name__}")
    if not logits.dtype.is_floating_point:
        raise DTypeError(f"{name}: expected logits of a floating dtype, got {logits.dtype.name}")
    if not logits.ndim or not logits._shape[-1]:
        raise ShapeError(f"{name}: expected logits (..., V) with V > 0, got shape {list(logits._shape)}")
    return logits.detach()


def greedy(logits):
    """The likeliest token: (..., V) -> (...) of int64; the first of equals."""
    return _check(logits, "greedy").argmax(-1)


def top_k(logits, k):
    """logits (..., V) with all but the k largest of each row at -inf; equals of the k-th stay. ValueError unless k > 0."""
    logits = _check(logits, "top_k")
    if k < 1:
        raise ValueError(f"top_k: k must be positive, got {k}")
    least = logits.topk(min(int(k), logits._shape[-1]), -1)[0][..., -1:]
    return where(logits < least, _MINUS_INF, logits)


def top_p(logits, p):
    """logits (..., V) with the fewest likeliest tokens of each row kept whose probabilities sum to p or more, the rest at -inf.

    Nucleus sampling (Holtzman et al. 2020). The likeliest always stays. ValueError unless 0 < p <= 1.
    """
    logits = _check(logits, "top_p")
    if not 0 < p <= 1:
        raise ValueError(f"top_p: p must be in (0, 1], got {p}")
    falling, order = logits.sort(-1, descending=True)
    before = softmax(falling, -1).cumsum(-1) - softmax(falling, -1)  # of those likelier than it
    kept = where(before < p, falling, _MINUS_INF)
    return full(logits._shape, 0.0, dtype=logits.dtype).scatter(-1, order, kept)


def sample(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    """A token drawn from softmax(logits / temperature), (..., V) -> (...) of int64; the likeliest where temperature is 0.

    top_k keeps the k best, then top_p the likeliest that sum to p. ValueError for a negative temperature, or k or p out of range.
    """
    logits = _check(logits, "sample")
    if not temperature >= 0:
        raise ValueError(f"sample: temperature must not be negative, got {temperature}")
    if temperature == 0:
        return logits.argmax(-1)
    logits = logits / temperature
    if top_k is not None:
        logits = _top_k(logits, top_k)
    if top_p is not None:
        logits = _top_p(logits, top_p)
    rows = softmax(logits, -1).reshape((-1, logits._shape[-1]))
    return multinomial(rows, 1, generator=generator).reshape(logits._shape[:-1])


_top_k, _top_p = top_k, top_p


def beam_search(step, tokens, length, width, end=None):
    """The `width` likeliest continuations that a beam of that width finds: (tokens (N, width, T + length), log p (N, width)).

    step(tokens (rows, t)) gives the scores of the next token (rows, V); tokens (N, T) of int64 is where to start. A beam that has
    made the token `end` goes on with it at no cost. The best comes first. ValueError unless width > 0.
    """
    if not isinstance(tokens, Array) or tokens.ndim != 2:
        raise ShapeError(f"beam_search: expected tokens (N, T), got {list(getattr(tokens, '_shape', ())) or type(tokens).__name__}")
    if width < 1:
        raise ValueError(f"beam_search: width must be positive, got {width}")
    n = tokens._shape[0]
    rows = tokens.repeat_interleave(width, 0)
    first = cat([full((n, 1), 0.0), full((n, width - 1), _MINUS_INF)], 1)  # at first all beams are the same: one of them counts
    scores, offset = None, (arange(n) * width).unsqueeze(1)
    with no_grad():
        for _ in range(length):
            log_p = log_softmax(_check(step(rows), "beam_search"), -1)
            choices = log_p._shape[-1]
            if end is not None:
                rest = where(arange(choices) == end, 0.0, _MINUS_INF).to(log_p.dtype)
                log_p = where((rows[:, -1:] == end) & (rows._shape[1] > tokens._shape[1]), rest, log_p)
            total = (first.to(log_p.dtype) if scores is None else scores).unsqueeze(2) + log_p.reshape((n, width, choices))
            scores, at = total.reshape((n, width * choices)).topk(width, -1)
            parent = (at // choices + offset).reshape((-1,))
            rows = cat([rows[parent], (at % choices).reshape((-1, 1))], 1)
    return rows.reshape((n, width, rows._shape[1])), first if scores is None else scores
