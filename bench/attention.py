"""Scaled dot-product attention: causal, cross, masked, grouped heads, one query against a cache of keys."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn.reference.attention import attention as reference

from .case import Case
from .step import torch_or_none


@dataclass
class Problem:
    name: str
    q: tuple  # (B, H, L, E)
    k: tuple  # (B, heads of keys, S, E)
    causal: bool = False
    mask: object = None  # rng -> the mask
    derivative: bool = True
    options: dict = field(default_factory=dict)

    @property
    def text(self):
        keys = "" if self.k == self.q else " k " + "x".join(map(str, self.k[1:3]))
        return "x".join(map(str, self.q)) + keys



def cases(quick):
    torch, rng = torch_or_none(), np.random.default_rng(0)
    problems = [
        Problem("causal", (4, 8, 512, 64), (4, 8, 512, 64), causal=True),
        Problem("causal nanoGPT", (12, 4, 64, 32), (12, 4, 64, 32), causal=True),
        Problem("causal", (1, 8, 2048, 64), (1, 8, 2048, 64), causal=True),
        Problem("plain", (4, 8, 512, 64), (4, 8, 512, 64)),
        Problem("plain odd", (3, 7, 301, 48), (3, 7, 301, 48)),
        Problem("cross", (4, 8, 128, 64), (4, 8, 777, 64)),
        Problem("padding mask", (4, 8, 512, 64), (4, 8, 512, 64), mask=lambda rng: np.arange(512) < np.array([512, 400, 300, 77]).reshape(4, 1, 1, 1)),
        Problem("added mask", (4, 8, 512, 64), (4, 8, 512, 64), mask=lambda rng: rng.standard_normal((512, 512)).astype(np.float32)),
        Problem("grouped causal", (2, 16, 512, 64), (2, 4, 512, 64), causal=True, options={"enable_gqa": True}),
        Problem("decoding", (8, 16, 1, 64), (8, 16, 1024, 64), derivative=False),
        Problem("decoding grouped", (8, 16, 1, 64), (8, 4, 1024, 64), derivative=False, options={"enable_gqa": True}),
    ]
    for p in problems[: 2 if quick else None]:
        arrays = [rng.standard_normal(shape).astype(np.float32) for shape in (p.q, p.k, p.k)]
        mask = None if p.mask is None else p.mask(rng)
        (b, h, length, width), keys = p.q, p.k[2]
        flops = 4.0 * b * h * length * keys * width / (2 if p.causal else 1)
        size = 4.0 * (2 * b * h * length * width + 2 * b * p.k[1] * keys * width)

        def exact(arrays=arrays, mask=mask, p=p):
            full = None if mask is None else np.broadcast_to(mask, (*p.q[:3], p.k[2]))
            return reference(*(a.astype(float) for a in arrays), full, p.causal)

        ours, ours_dx = calls(fastnn, F, arrays, mask, p)
        rivals, rivals_dx = {}, {}
        if torch is not None:
            rivals["torch"], rivals_dx["torch"] = calls(torch, torch.nn.functional, arrays, mask, p)
        yield Case(p.name, "forward", "float32", p.text, ours, rivals, exact, flops, size)
        if p.derivative:  # five products where the forward has two
            yield Case(p.name, "derivative", "float32", p.text, ours_dx, rivals_dx, None, 2.5 * flops, 2 * size)


def calls(lib, functional, arrays, mask, p):
    """(the forward without a graph, the derivative of all three alone) in one library."""
    tensors = [lib.from_numpy(a.copy()) for a in arrays]
    options = {"attn_mask": None if mask is None else lib.from_numpy(mask), "is_causal": p.causal, **p.options}

    def forward():
        with lib.no_grad():
            return functional.scaled_dot_product_attention(*tensors, **options)

    inputs = [t.clone().requires_grad_() for t in tensors]
    y = functional.scaled_dot_product_attention(*inputs, **options)
    g = lib.ones_like(y)
    return forward, lambda: lib.autograd.grad(y, inputs, g, retain_graph=True)
