"""Shakespeare, a character at a time: a GPT, and the same with what LLaMA changed (RMSNorm, rotary positions, SwiGLU, shared keys).

    python examples/sequences/char_gpt.py            (text/tinyshakespeare/input.txt below --root or $FASTNN_DATA)
    python examples/sequences/char_gpt.py --long     (a context of 128, 24 windows a step, 2,500 steps: minutes)
    python examples/sequences/char_gpt.py --text FILE       (any other text)

nanoGPT's configuration for a CPU (Karpathy): 4 layers, 4 heads, 128 wide, a context of 64, 12 windows a step, 2,000 steps, no
dropout; the first 90 % of the text to learn from. Printed is the mean -log p of a character of the rest, in windows side by side.
With --long, on two Zen 5 cores: GPT 1.58 in 129 s, LLaMA's changes 1.52 in 142 s; counts of the last five characters 1.67.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn import datasets, nn, optim, sampling

BARS = {False: 1.88, True: 1.66}
LAYERS, HEADS, WIDE = 4, 4, 128


def load(path):
    """(the characters, codes to learn from, codes held back)."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as e:
        raise ValueError(f"{path}: {e}") from None
    letters, codes = np.unique(list(text), return_inverse=True)
    if len(text) < 2000 or len(letters) > 6000:
        raise ValueError(f"{path}: {len(text)} characters, {len(letters)} of them different; expected 2,000 or more, and at most 6,000 kinds")
    cut = len(text) * 9 // 10
    return letters, codes[:cut], codes[cut:]


def count_ngrams(train, held, letters, order=5):
    """The baseline: p(c | the last k characters) = (count + kinds · p(c | the last k - 1)) / (total + kinds) (Witten and Bell 1991)."""

    def contexts(codes, k):  # the k characters before each from the fifth on, as one number
        return sum(codes[order - j : len(codes) - j] * letters ** (j - 1) for j in range(1, k + 1)) + 0 * codes[order:]

    y, p = held[order:], 1 / letters
    for k in range(order):
        pairs, counts = np.unique(contexts(train, k) * letters + train[order:], return_counts=True)
        known, first = np.unique(pairs // letters, return_index=True)
        total, kinds = np.add.reduceat(counts, first), np.diff(np.append(first, len(pairs)))
        here = contexts(held, k)
        i, j = (np.minimum(np.searchsorted(a, b), len(a) - 1) for a, b in ((known, here), (pairs, here * letters + y)))
        count = np.where(pairs[j] == here * letters + y, counts[j], 0)
        p = np.where(known[i] == here, (count + kinds[i] * p) / (total[i] + kinds[i]), p)
    return -np.log(p).mean()


class Attention(nn.Module):
    """Heads of queries; each `heads / shared` of them read one head of keys and values, kept in `cache` where one is given."""

    def __init__(self, shared, rotary):
        super().__init__()
        size = WIDE // HEADS
        self.sizes, self.rotary = (WIDE, shared * size, shared * size), rotary
        self.inward, self.outward = nn.Linear(WIDE, sum(self.sizes), bias=False), nn.Linear(WIDE, WIDE, bias=False)

    def forward(self, x, cache=None):
        n, length, _ = x.shape
        q, k, v = (h.reshape(n, length, -1, WIDE // HEADS).transpose(1, 2) for h in self.inward(x).split(self.sizes, -1))
        before = 0 if not cache else cache[0].shape[2]
        if self.rotary is not None:
            q, k = self.rotary(q, before), self.rotary(k, before)
        if cache is not None:
            if cache:
                k, v = fastnn.cat([cache[0], k], 2), fastnn.cat([cache[1], v], 2)
            cache[:] = k, v
        sees = fastnn.ones(length, before + length, dtype=fastnn.bool).tril(before) if before and length > 1 else None
        y = F.scaled_dot_product_attention(q, k, v, sees, is_causal=not before, enable_gqa=True)
        return self.outward(y.transpose(1, 2).reshape(n, length, WIDE))


class SwiGLU(nn.Module):
    """(silu(x A) * x B) C, about 8/3 as wide inside: as many numbers as the two layers of a GPT (Shazeer 2020)."""

    def __init__(self, hidden=336):
        super().__init__()
        self.inward, self.outward = nn.Linear(WIDE, 2 * hidden, bias=False), nn.Linear(hidden, WIDE, bias=False)

    def forward(self, x):
        a, b = self.inward(x).chunk(2, -1)
        return self.outward(F.silu(a) * b)


class GPT(nn.Module):
    """Layers of attention and a small network, each added to its input; the table of characters serves again at the end."""

    def __init__(self, letters, context, llama=False):
        super().__init__()
        self.table, self.context = nn.Embedding(letters, WIDE), context
        self.places = None if llama else nn.Embedding(context, WIDE)
        rotary, norm = (nn.RotaryEmbedding(WIDE // HEADS, context) if llama else None), nn.RMSNorm if llama else nn.LayerNorm
        self.layers = nn.ModuleList()
        for _ in range(LAYERS):
            wide = SwiGLU() if llama else nn.Sequential(nn.Linear(WIDE, 4 * WIDE, bias=False), nn.GELU(), nn.Linear(4 * WIDE, WIDE, bias=False))
            self.layers.append(nn.ModuleList([norm(WIDE), Attention(HEADS // 2 if llama else HEADS, rotary), norm(WIDE), wide]))
        self.norm = norm(WIDE)
        for name, p in self.named_parameters():
            if p.ndim == 2:
                last = name.endswith(("outward.weight", "3.2.weight"))  # the layers whose outputs are added up
                nn.init.normal_(p, 0.0, 0.02 / math.sqrt(2 * LAYERS) if last else 0.02)

    def forward(self, tokens, caches=None):
        """Scores (N, T, letters) of the characters after tokens (N, T); caches: a list for each layer, of what came before."""
        x = self.table(tokens)
        if self.places is not None:
            before = caches[0][0].shape[2] if caches and caches[0] else 0
            x = x + self.places.weight[before : before + tokens.shape[1]]
        for (norm, attention, norm2, wide), cache in zip(self.layers, caches or [None] * LAYERS, strict=True):
            x = x + attention(norm(x), cache)
            x = x + wide(norm2(x))
        return F.linear(self.norm(x), self.table.weight)


def fit(model, train, steps, batch, rate, seed):
    """AdamW as in nanoGPT, at twice its rate: 100 steps of warming up, then half a cosine down to a tenth."""
    matrices, vectors = [p for p in model.parameters() if p.ndim > 1], [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = optim.AdamW(groups, lr=rate, betas=(0.9, 0.99))
    rng, window = np.random.default_rng(seed), np.arange(model.context + 1)

    @fastnn.capture
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    for i in range(steps):
        slope = 0.55 + 0.45 * math.cos(math.pi * max(0, i - 100) / max(1, steps - 100))
        for group in optimizer.param_groups:
            group["lr"] = rate * min((i + 1) / 100, slope)
        codes = train[rng.integers(0, len(train) - model.context, batch)[:, None] + window]
        step(fastnn.tensor(codes[:, :-1]), fastnn.tensor(codes[:, 1:]))


def loss_on(model, codes, batch=64):
    """Mean -log p over windows side by side; the first characters of each see little before them, as in training."""
    count = (len(codes) - 1) // model.context
    x, y = (fastnn.tensor(codes[i : i + count * model.context].reshape(count, -1)) for i in (0, 1))
    with fastnn.no_grad():
        pairs = zip(x.split(batch), y.split(batch), strict=True)
        parts = [F.cross_entropy(model(a).flatten(0, 1), b.flatten(), reduction="sum").item() for a, b in pairs]
    return sum(parts) / (count * model.context)


def write(model, letters, start, length, **options):
    """Goes on from start, with cached keys and values: each character costs one position, until the context is full."""
    text = start
    with fastnn.no_grad():
        while len(text) < length:
            caches = [[] for _ in range(LAYERS)]
            tokens = fastnn.tensor(np.searchsorted(letters, list(text[-model.context // 2 :])))[None]
            while tokens is not None and len(text) < length:
                token = sampling.sample(model(tokens, caches)[:, -1], **options)
                text += letters[token.item()]
                tokens = token[None] if caches[0][0].shape[2] < model.context else None
    return text


def check_cache(model, codes):
    """The largest difference between scores of a whole window at once and of one character after another with a cache."""
    x, caches = fastnn.tensor(codes[: model.context])[None], [[] for _ in range(LAYERS)]
    with fastnn.no_grad():
        steps = fastnn.cat([model(x[:, i : i + 1], caches) for i in range(model.context)], 1)
        return (steps - model(x)).abs().max().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of the data, looked into before $FASTNN_DATA")
    parser.add_argument("--text", metavar="FILE", type=Path, help="another text, in UTF-8")
    parser.add_argument("--model", choices=("gpt", "llama"), help="only this one")
    parser.add_argument("--long", action="store_true", help="a context of 128, 24 windows a step, 2,500 steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="20 steps, and a tenth of what is held back")
    args = parser.parse_args()
    letters, train, held = load(args.text or datasets.find("text/tinyshakespeare/input.txt", root=args.root))
    if args.quick:
        held = held[: max(200, len(held) // 10)]
    bar, start_of_line = "" if args.text else f"  bar {BARS[args.long]}", "\n" if "\n" in letters else str(letters[train[0]])
    baseline = count_ngrams(train, held, len(letters))
    context, batch, steps, rate = (128, 24, 2500, 2e-3) if args.long else (64, 12, 2000, 2e-3)
    for name in [args.model] if args.model else ["gpt", "llama"]:
        fastnn.manual_seed(args.seed)
        model, start = GPT(len(letters), context, llama=name == "llama"), time.time()
        fit(model, train, 20 if args.quick else steps, batch, rate, args.seed)
        seconds, loss, apart = time.time() - start, loss_on(model, held), check_cache(model, held)
        count = sum(p.numel() for p in model.parameters())
        print(
            f"{name:5} {count:,} parameters  loss {loss:.3f}{bar}  5-gram {baseline:.3f}  {seconds:.0f} s  seed {args.seed}  "
            f"cached scores differ by {apart:.0e}", flush=True,
        )  # fmt: skip
        print(write(model, letters, start_of_line, 400, temperature=0.8, top_k=40), flush=True)


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
