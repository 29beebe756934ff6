"""Samples of attention: causal, masked, cross, grouped heads, one query, dropout; odd sizes across blocks of rows and keys."""

import fastnn
from fastnn.ops import attention as ops
from fastnn.reference.attention import attention as reference

from . import Sample


def attention(q, k, v, mask=None, causal=False, scale=None, dropped=None, p=0.0):
    dropped = None if dropped is None else fastnn.tensor(dropped)
    return ops._attention(q, k, v, mask, dropped=dropped, scale=ops._scale(q, scale), causal=causal, p=p)[0]


def samples(rng):
    def sample(q, k, values=None, mask=None, grad=True, **options):
        *lead, keys, width = k
        args = [rng.standard_normal(s) for s in (q, k, (*lead, keys, width if values is None else values))]
        shape = (*q[:-1], keys)
        if mask == "flags":
            args.append(rng.random(shape) < 0.6)
            args[-1][..., 0, :] = False  # a row that sees nothing
        elif mask == "numbers":
            args.append(rng.standard_normal(shape))
        return Sample(attention, tuple(args), options, ref=reference, grad=grad, name="attention")

    yield sample((3, 2), (4, 2))
    yield sample((1, 2, 2), (1, 3, 2), 1, "numbers", scale=0.3)
    yield sample((2, 1, 3, 1), (2, 1, 3, 1), causal=True)
    yield sample((2, 2, 5, 3), (2, 2, 4, 3), 2, "flags")
    yield sample((4, 3, 3), (2, 5, 3), causal=True)  # two heads of queries share a head of keys
    yield sample((2, 6, 2, 5), (2, 2, 7, 5), 3, "numbers")
    yield sample((2, 3, 4), (2, 5, 4), dropped=(5, 32), p=0.4)
    yield sample((2, 70, 9), (1, 75, 9), 17, causal=True, dropped=(-1, 0), p=0.1)
    yield sample((2, 61, 33), (2, 300, 33), 40, "flags")
    yield sample((1, 300, 16), (1, 290, 16), causal=True)
    yield sample((3, 2, 16, 40), (3, 2, 270, 40), 20, "numbers", grad=False)
    yield sample((1, 4, 1, 20), (1, 2, 600, 20), 19)  # few rows read keys where they lie
    yield sample((2, 7, 64), (1, 530, 64), 70, "numbers")
    yield sample((1, 700, 5), (1, 520, 5), causal=True, grad=False)
    yield sample((2, 4, 3), (2, 0, 3), 2, grad=False)
    yield sample((0, 4, 3), (0, 2, 3), grad=False)
    yield sample((2, 0, 3), (2, 5, 3))
