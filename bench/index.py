"""Gather, scatter, embedding, masks and x[...] at the sizes of a language model's vocabulary and of a batch of images."""

from __future__ import annotations

import numpy as np

import fastnn
from fastnn.ops import rows as F

from .case import Case


def torch_or_none():
    try:
        import torch
    except ImportError:
        return None
    return torch


def case(name, shape, run, numpy, torch=None, reference=None, direction="forward", dtype="float32", bytes=0.0):
    rivals = {"numpy": numpy} if torch is None else {"numpy": numpy, "torch": torch}
    return Case(name, direction, dtype, shape, run, rivals, reference or numpy, bytes=bytes)


def cases(quick):
    rng = np.random.default_rng(0)
    t = torch_or_none()

    def both(a):
        return fastnn.tensor(a), None if t is None else t.tensor(a)

    # embedding: words are drawn as in text, the n-th most frequent with probability ~ 1/n
    vocabulary, width, count = (10_000, 128, 4096) if quick else (50_257, 256, 16_384)
    zipf = np.minimum(np.exp(rng.random(count) * np.log(vocabulary)).astype(np.int64), vocabulary - 1)
    table = rng.standard_normal((vocabulary, width)).astype(np.float32)
    g = rng.standard_normal((count, width)).astype(np.float32)
    (w, tw), (i, ti), (fg, tg) = both(table), both(zipf), both(g)
    shape = f"{vocabulary}x{width}, {count} ids"
    moved = 2.0 * g.nbytes
    yield case("embedding", shape, lambda: F.embedding(i, w), lambda: table[zipf], t and (lambda: t.nn.functional.embedding(ti, tw)), bytes=moved)
    fw = w.clone().requires_grad_()
    y = F.embedding(i, fw)
    if t:
        ttw = tw.clone().requires_grad_()
        ty = t.nn.functional.embedding(ti, ttw)

    def numpy_dw():
        dw = np.zeros_like(table)
        order = np.argsort(zipf, kind="stable")
        ids = zipf[order]
        first = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
        dw[ids[first]] = np.add.reduceat(g[order], first, 0)
        return dw

    yield case(
        "embedding",
        shape,
        lambda: fastnn.autograd.grad(y, fw, fg, retain_graph=True),
        numpy_dw,
        t and (lambda: t.autograd.grad(ty, ttw, tg, retain_graph=True)[0]),
        direction="derivative",
        bytes=g.nbytes + table.nbytes,
    )

    n, m = (1000, 256) if quick else (4000, 512)
    a = rng.standard_normal((n, m)).astype(np.float32)
    x, tx = both(a)
    shape = f"{n}x{m}"
    for axis in (0, 1):
        index = rng.integers(0, a.shape[axis], a.shape)
        k, tk = both(index)
        yield case(
            f"gather axis {axis}",
            shape,
            lambda k=k, axis=axis: fastnn.gather(x, axis, k),
            lambda index=index, axis=axis: np.take_along_axis(a, index, axis),
            t and (lambda tk=tk, axis=axis: t.gather(tx, axis, tk)),
            bytes=4.0 * a.nbytes,
        )

        def numpy_scatter(index=index, axis=axis):
            y = np.zeros_like(a)
            places = [np.arange(n)[:, None], np.arange(m)]
            places[axis] = index
            np.add.at(y, tuple(places), a)
            return y

        zero, tzero = both(np.zeros_like(a))
        yield case(
            f"scatter_add axis {axis}",
            shape,
            lambda k=k, axis=axis, zero=zero: fastnn.scatter_add(zero, axis, k, x),
            numpy_scatter,
            t and (lambda tk=tk, axis=axis, tzero=tzero: t.scatter_add(tzero, axis, tk, tx)),
            bytes=5.0 * a.nbytes,
        )
    flat, size = rng.integers(0, 10_000, n * m // 4), n * m // 4
    values = a.ravel()[:size]
    (k, tk), (v, tv), (zero, tzero) = both(flat), both(values), both(np.zeros(10_000, np.float32))

    def numpy_bins():
        return np.bincount(flat, values, 10_000).astype(np.float32)

    yield case(
        "scatter_add 1-d",
        f"{size} into 10000",
        lambda: fastnn.scatter_add(zero, 0, k, v),
        numpy_bins,
        t and (lambda: t.scatter_add(tzero, 0, tk, tv)),
        bytes=3.0 * values.nbytes,
    )
    for axis in (0, 1):
        rows = rng.integers(0, a.shape[axis], a.shape[axis])
        k, tk = both(rows)
        yield case(
            f"index_select axis {axis}",
            shape,
            lambda k=k, axis=axis: fastnn.index_select(x, axis, k),
            lambda rows=rows, axis=axis: np.take(a, rows, axis),
            t and (lambda tk=tk, axis=axis: t.index_select(tx, axis, tk)),
            bytes=2.0 * a.nbytes,
        )
    r, c = rng.integers(0, n, 100_000), rng.integers(0, m, 100_000)
    (fr, tr), (fc, tc) = both(r), both(c)
    yield case("x[i, j]", "100000 elements", lambda: x[fr, fc], lambda: a[r, c], t and (lambda: tx[tr, tc]), bytes=2.4e6)
    for density in (0.05, 0.5):
        mask = rng.random(a.shape) < density
        fm, tm = both(mask)
        yield case(
            f"x[mask] {density:.0%}",
            shape,
            lambda fm=fm: x[fm],
            lambda mask=mask: a[mask],
            t and (lambda tm=tm: tx[tm]),
            bytes=a.size * (1 + 8 * density),
        )
        yield case(
            f"nonzero {density:.0%}",
            shape,
            lambda fm=fm: fastnn.nonzero(fm),
            lambda mask=mask: np.argwhere(mask),
            t and (lambda tm=tm: t.nonzero(tm)),
            dtype="bool",
            bytes=a.size * (1 + 16 * density),
        )

    def fill():
        y = a.copy()
        y[mask] = 0
        return y

    yield case("masked_fill", shape, lambda: x.masked_fill(fm, 0.0), fill, t and (lambda: tx.masked_fill(tm, 0.0)), bytes=2.25 * a.nbytes)
    classes = rng.integers(0, 100, 10_000)
    k, tk = both(classes)

    def numpy_one_hot():
        y = np.zeros((classes.size, 100), np.int64)
        y[np.arange(classes.size), classes] = 1
        return y

    yield case("one_hot", "10000 of 100", lambda: F.one_hot(k, 100), numpy_one_hot, t and (lambda: t.nn.functional.one_hot(tk, 100)), dtype="int64", bytes=8e6)
    small, tsmall = both(a[:64, :32])
    b = a[:64, :32].copy()
    yield case("x[3]", "64x32", lambda: small[3], lambda: b[3], t and (lambda: tsmall[3]))
    yield case("x[:, 2:5]", "64x32", lambda: small[:, 2:5], lambda: b[:, 2:5], t and (lambda: tsmall[:, 2:5]))
