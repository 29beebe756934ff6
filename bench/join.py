"""cat, stack, pad, flip, roll, tile and triangles: copies, so the memory is the limit."""

from __future__ import annotations

import numpy as np

import fastnn
from fastnn.ops.pad import pad

from .index import case, torch_or_none


def cases(quick):
    rng = np.random.default_rng(0)
    t = torch_or_none()
    n, m = (500, 512) if quick else (4000, 1024)
    a = rng.standard_normal((n, m)).astype(np.float32)
    x, tx = fastnn.tensor(a), None if t is None else t.tensor(a)
    shape = f"{n}x{m}"
    for axis in (0, 1):
        yield case(f"cat axis {axis}", f"2 of {shape}", lambda d=axis: fastnn.cat([x, x], d), lambda d=axis: np.concatenate([a, a], d),
                   t and (lambda d=axis: t.cat([tx, tx], d)), bytes=4.0 * a.nbytes)  # fmt: skip
    parts = [np.ascontiguousarray(a[:, k : k + 7]) for k in range(0, 350, 7)]
    ours, theirs = [fastnn.tensor(p) for p in parts], None if t is None else [t.tensor(p) for p in parts]
    yield case("cat 50 narrow", f"50 of {n}x7", lambda: fastnn.cat(ours, 1), lambda: np.concatenate(parts, 1),
               t and (lambda: t.cat(theirs, 1)), bytes=2.0 * 350 * n * 4)  # fmt: skip
    for axis in (0, 2):
        yield case(f"stack axis {axis}", f"3 of {shape}", lambda d=axis: fastnn.stack([x, x, x], d), lambda d=axis: np.stack([a, a, a], d),
                   t and (lambda d=axis: t.stack([tx, tx, tx], d)), bytes=6.0 * a.nbytes)  # fmt: skip
    images = rng.standard_normal((8 if quick else 32, 64, 28, 28)).astype(np.float32)
    fi, ti = fastnn.tensor(images), None if t is None else t.tensor(images)
    for mode, name in (("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")):
        yield case(f"pad {mode}", "x".join(map(str, images.shape)), lambda mode=mode: pad(fi, (1, 1, 1, 1), mode),
                   lambda name=name: np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), name),
                   t and (lambda mode=mode: t.nn.functional.pad(ti, (1, 1, 1, 1), mode)), bytes=2.1 * images.nbytes)  # fmt: skip
    w = fi.clone().requires_grad_()
    y = pad(w, (1, 1, 1, 1), "reflect")
    g = fastnn.ones_like(y)
    ng = np.ones(y.shape, np.float32)

    def numpy_dx():
        dx = ng[:, :, 1:-1].copy()
        dx[:, :, 1] += ng[:, :, 0]
        dx[:, :, -2] += ng[:, :, -1]
        out = dx[..., 1:-1].copy()
        out[..., 1] += dx[..., 0]
        out[..., -2] += dx[..., -1]
        return out

    theirs = None
    if t:
        tw = ti.clone().requires_grad_()
        ty, tg = t.nn.functional.pad(tw, (1, 1, 1, 1), "reflect"), t.ones(tuple(y.shape))
        theirs = lambda: t.autograd.grad(ty, tw, tg, retain_graph=True)[0]  # noqa: E731
    yield case("pad reflect", "x".join(map(str, images.shape)), lambda: fastnn.autograd.grad(y, w, g, retain_graph=True)[0], numpy_dx, theirs,
               direction="derivative", bytes=2.1 * images.nbytes)  # fmt: skip
    for axis in (0, 1):
        yield case(f"flip axis {axis}", shape, lambda d=axis: fastnn.flip(x, d), lambda d=axis: np.flip(a, d).copy(),
                   t and (lambda d=axis: t.flip(tx, (d,))), bytes=2.0 * a.nbytes)  # fmt: skip
        yield case(f"roll axis {axis}", shape, lambda d=axis: fastnn.roll(x, 77, d), lambda d=axis: np.roll(a, 77, d),
                   t and (lambda d=axis: t.roll(tx, 77, d)), bytes=2.0 * a.nbytes)  # fmt: skip
    yield case("tile", f"2x3 of {shape}", lambda: x.repeat(2, 3), lambda: np.tile(a, (2, 3)), t and (lambda: tx.repeat(2, 3)), bytes=7.0 * a.nbytes)
    yield case("repeat_interleave", f"3 of {shape}", lambda: x.repeat_interleave(3, 0), lambda: np.repeat(a, 3, 0),
               t and (lambda: tx.repeat_interleave(3, 0)), bytes=4.0 * a.nbytes)  # fmt: skip
    yield case("tril", shape, lambda: fastnn.tril(x), lambda: np.tril(a), t and (lambda: t.tril(tx)), bytes=1.5 * a.nbytes)
