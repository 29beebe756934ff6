"""The CTC loss with its gradient, of speech-sized batches."""

from __future__ import annotations

import numpy as np

import fastnn
import fastnn.nn.functional as F

from .case import Case
from .step import torch_or_none


def cases(quick):
    torch, rng = torch_or_none(), np.random.default_rng(0)
    for steps, batch, classes, width in [(150, 32, 29, 30), (300, 16, 60, 80), (61, 7, 11, 7)][: 1 if quick else None]:
        x = rng.standard_normal((steps, batch, classes)).astype(np.float32)
        x -= np.log(np.exp(x).sum(2, keepdims=True))
        targets, lens = rng.integers(1, classes, (batch, width)), rng.integers(width // 2, width + 1, batch)
        ins, text = np.full(batch, steps), f"T{steps} B{batch} C{classes} S{width}"
        runs = {}
        for name, lib, functional in (("fastnn", fastnn, F), ("torch", torch, getattr(torch, "nn", None) and torch.nn.functional)):
            if lib is not None:
                given = [lib.from_numpy(a) for a in (targets, ins, lens)]
                runs[name] = loss_of(lib, functional, lib.from_numpy(x), given), gradient_of(lib, functional, lib.from_numpy(x.copy()), given)
        forward, gradient = runs.pop("fastnn")
        flops = 60.0 * steps * batch * (2 * width + 1)
        yield Case("ctc_loss", "forward", "float32", text, forward, {k: v[0] for k, v in runs.items()}, None, flops)
        yield Case("ctc_loss", "derivative", "float32", text, gradient, {k: v[1] for k, v in runs.items()}, None, 2 * flops)


def loss_of(lib, functional, x, given):
    return lambda: functional.ctc_loss(x, *given)


def gradient_of(lib, functional, x, given):
    x.requires_grad_()
    return lambda: lib.autograd.grad(functional.ctc_loss(x, *given), x)[0]
