"""Recurrent layers, a sequence and a step at a time. x (N, I) holds the rows of step 0, then of step 1, ..: sizes says how many."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def run(step, x, states, sizes, reverse):
    """The rows (N, H) that step(x, *states) gives, then the final states of every sequence."""
    starts, batch = np.concatenate([[0], np.cumsum(sizes)]), sizes[0]
    out = np.zeros((starts[-1], states[0].shape[1]))
    finals = [np.zeros((batch, s.shape[1])) for s in states]
    for b in range(batch):
        now = [s[b] for s in states]
        mine = [t for t in range(len(sizes)) if sizes[t] > b]
        for t in reversed(mine) if reverse else mine:
            now = step(x[starts[t] + b], *now)
            out[starts[t] + b] = now[0]
        for f, s in zip(finals, now, strict=True):
            f[b] = s
    return np.concatenate([out, *finals])


def initial(state, sizes, units):
    return np.zeros((sizes[0], units)) if state is None else state


def add(a, b):
    return a if b is None else a + b


def rnn(x, h0, w_ih, w_hh, b_ih, b_hh, sizes, reverse, nonlinearity):
    def step(x, h):
        a = add(w_ih @ x, b_ih) + add(w_hh @ h, b_hh)
        return (np.tanh(a) if nonlinearity == "tanh" else np.maximum(a, 0),)

    return run(step, x, [initial(h0, sizes, w_hh.shape[1])], sizes, reverse)


def lstm(x, h0, c0, w_ih, w_hh, b_ih, b_hh, sizes, reverse):
    def step(x, h, c):
        i, f, g, o = np.split(add(w_ih @ x, b_ih) + add(w_hh @ h, b_hh), 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    units = w_hh.shape[1]
    return run(step, x, [initial(h0, sizes, units), initial(c0, sizes, units)], sizes, reverse)


def gru(x, h0, w_ih, w_hh, b_ih, b_hh, sizes, reverse):
    def step(x, h):
        (ar, az, an), (br, bz, bn) = np.split(add(w_ih @ x, b_ih), 3), np.split(add(w_hh @ h, b_hh), 3)
        r, z = sigmoid(ar + br), sigmoid(az + bz)
        n = np.tanh(an + r * bn)
        return ((1 - z) * n + z * h,)

    return run(step, x, [initial(h0, sizes, w_hh.shape[1])], sizes, reverse)
