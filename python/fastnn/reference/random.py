"""What the random kernels mean: a number is a function of (seed, offset, position). See csrc/kernels/random/stream.h."""

import numpy as np

TILE = 16  # counters; a tile is 64 words: word w of counter l serves element 16 w + l


def philox(counter, key):
    """Philox4x32-10 of counter (n, 4) and key (2,): (n, 4) words of 32 bits, as uint64."""
    c = [np.asarray(counter, np.uint64)[:, i] for i in range(4)]
    k0, k1 = (int(k) for k in key)
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), b & low, (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), a & low]
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return np.stack(c, 1)


def tiles(seed, offset, count):
    """The words (count, 4, 16) of `count` tiles: [tile, word, counter]."""
    n = (np.arange(count * TILE, dtype=np.uint64) + np.uint64(offset)).astype(np.uint64)
    counter = np.stack([n & np.uint64(0xFFFFFFFF), n >> np.uint64(32), 0 * n, 0 * n], 1)
    seed = seed % 2**64
    return philox(counter, (seed % 2**32, seed >> 32)).reshape(count, TILE, 4).transpose(0, 2, 1)


def words(seed, offset, n):
    """One 32-bit word an element."""
    return tiles(seed, offset, -(-n // 64)).reshape(-1)[:n]


def pairs(seed, offset, n):
    """Two words an element (high, low), for float64: words 0, 1 of sixteen counters, then words 2, 3."""
    w = tiles(seed, offset, -(-n // 32))
    return w[:, 0::2].reshape(-1)[:n], w[:, 1::2].reshape(-1)[:n]


def uniform(seed, offset, n, dtype):
    if dtype == np.float32:
        return (words(seed, offset, n) >> np.uint64(8)).astype(np.float64) * 2.0**-24
    high, low = pairs(seed, offset, n)
    return ((high & np.uint64(0x1FFFFF)) * np.uint64(2**32) + low).astype(np.float64) * 2.0**-53


def normal(seed, offset, n, dtype):
    """Box-Muller: words 0 and 2 (float64: 0, 1) make the radius, words 1 and 3 (2, 3) the angle."""
    if dtype == np.float32:
        w = tiles(seed, offset, -(-n // 64))
        u1 = ((w[:, 0::2] >> np.uint64(1)).astype(np.float64) + 0.5) * 2.0**-31
        turn = (w[:, 1::2] >> np.uint64(7)).astype(np.float64) * 2.0**-25
    else:
        w = tiles(seed, offset, -(-n // 32))
        u1 = (((w[:, 0:1] << np.uint64(32)) + w[:, 1:2]) >> np.uint64(12)).astype(np.float64) * 2.0**-52 + 2.0**-53
        turn = (((w[:, 2:3] << np.uint64(32)) + w[:, 3:4]) >> np.uint64(10)).astype(np.float64) * 2.0**-54
    r = np.sqrt(-2 * np.log(u1))
    return np.stack([r * np.cos(2 * np.pi * turn), r * np.sin(2 * np.pi * turn)], 2).reshape(-1)[:n]


def randint(seed, offset, n, low, high):
    """Words i of two tiles are 64 bits; low + the upper half of their product with the range."""
    w = tiles(seed, offset, 2 * -(-n // 64)).reshape(-1, 2, 64)
    bits = [(int(a) << 32) + int(b) for a, b in zip(w[:, 0].reshape(-1)[:n], w[:, 1].reshape(-1)[:n], strict=True)]
    return np.array([low + (b * (high - low) >> 64) for b in bits], np.int64)


def bernoulli(seed, offset, p):
    p = np.asarray(p, np.float64)
    return (words(seed, offset, p.size).astype(np.float64) < p.reshape(-1) * 2.0**32).astype(np.float64).reshape(p.shape)


def dropout(seed, offset, x, p):
    keep = words(seed, offset, x.size).reshape(x.shape) >= np.floor(p * 2.0**32)
    return np.where(keep, x / (1 - p) if p < 1 else 0.0, 0.0)
