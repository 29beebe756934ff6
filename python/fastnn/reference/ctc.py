"""CTC: the sum over alignments, by the recursion over states."""

import numpy as np


def ctc_loss(x, targets, input_lengths, target_lengths, blank=0):
    """x (T, N, C), targets (N, S) → losses (N); inf where no alignment exists."""
    out = np.zeros(x.shape[1])
    for n, (steps, length) in enumerate(zip(input_lengths, target_lengths, strict=True)):
        labels = np.full(2 * length + 1, blank)
        labels[1::2] = targets[n, :length]
        alpha = np.full(len(labels), -np.inf)
        alpha[0] = 0.0  # before the first step, the first state can be reached from nowhere but here
        for t in range(steps):
            before = alpha
            alpha = np.full(len(labels), -np.inf)
            for s in range(len(labels)):
                ways = [before[s]] if t or s == 0 else []
                if s > 0 and (t or s == 1):
                    ways.append(before[s - 1])
                if s > 1 and labels[s] != blank and labels[s] != labels[s - 2] and t:
                    ways.append(before[s - 2])
                alpha[s] = np.logaddexp.reduce(ways or [-np.inf]) + x[t, n, labels[s]]
        out[n] = -np.logaddexp.reduce(alpha[-2:]) if steps else (0.0 if length == 0 else np.inf)
    return out
