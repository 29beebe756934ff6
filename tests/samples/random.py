"""Random: each call starts a generator of its own, so that a function of its arguments is left."""

import numpy as np

from fastnn.ops import random as ops
from fastnn.reference import random as reference

from . import Sample

SEED = 0x1234_5678_9ABC_DEF0


def generator():
    return ops.Generator().manual_seed(SEED)


def dropped(x, p):
    return ops.dropout(x, p, generator=generator())


def dropped_ref(x, p):
    return reference.dropout(SEED, 0, x, p)


def claimed(x, p):
    g = generator()
    ops.claim(65, g)  # two tiles of 16 counters
    return ops.dropout_claimed(x, ops.claim(x._size, g), p)


def claimed_ref(x, p):
    return reference.dropout(SEED, 32, x, p)


def flipped(p):
    return ops.bernoulli(p, generator=generator())


def flipped_ref(p):
    return reference.bernoulli(SEED, 0, p)


def words(counter, key):
    return ops.philox(counter, key)


def words_ref(counter, key):
    return reference.philox(counter, key).astype("int64")


def samples(rng):
    for shape in ((), (0, 3), (1,), (17,), (3, 33), (5, 64), (2, 3, 65)):
        yield Sample(dropped, (np.asarray(rng.standard_normal(shape)), 0.3), ref=dropped_ref, name="dropout")
        yield Sample(flipped, (np.asarray(rng.random(shape)).astype("float32").astype("float64"),), ref=flipped_ref, grad=False, name="bernoulli")
    for p in (0.0, 0.9999, 1.0):
        yield Sample(dropped, (rng.standard_normal(70), p), ref=dropped_ref, name="dropout")
    yield Sample(claimed, (rng.standard_normal((3, 50)), 0.3), ref=claimed_ref, name="dropout")
    for n in (0, 1, 5):
        yield Sample(words, (rng.integers(0, 2**32, (n, 4)), rng.integers(0, 2**32, 2)), ref=words_ref, grad=False, name="philox")
