"""Recurrent layers over whole sequences: RNN, LSTM, GRU; and single steps of them.

One op runs one layer in one direction over a packed batch (csrc/kernels/rnn/times.h): x (N, I) holds the rows of step 0, then
those of step 1, ..; sizes (T) says how many each step has. It returns its h of every row, with the final states after them.
"""

from __future__ import annotations

import functools

import numpy as np

from ..device import kernels
from ..errors import DTypeError, ShapeError
from ..fused import fused
from ..tensor import empty, from_numpy, zeros
from .activation import relu, sigmoid, tanh
from .join import cat, split, stack
from .matmul import linear
from .random import dropout as drop
from .shape import contiguous, narrow, transpose

# -- the meaning, written with ops --------------------------------------------------------------------------------------


def _run(step, x, states, sizes, reverse):
    """Rows of all steps, then the final states; step(rows, *states of those rows) gives the new ones."""
    sizes = sizes.tolist()
    starts = [sum(sizes[:t]) for t in range(len(sizes))]
    out = [None] * len(sizes)
    for t in reversed(range(len(sizes))) if reverse else range(len(sizes)):
        n = sizes[t]
        new = step(narrow(x, 0, starts[t], n), *(narrow(s, 0, 0, n) for s in states))
        out[t] = new[0]
        rest = states[0]._shape[0] - n
        states = [cat((a, narrow(s, 0, n, rest))) if rest else a for a, s in zip(new, states, strict=True)]
    return cat((*out, *states))


def _batch(sizes):
    """How many sequences there are; known of padded ones without reading the tensor, so that a step can be recorded."""
    batch = sizes.__dict__.get("batch")
    return sizes[0].item() if batch is None else batch


def _begin(state, x, sizes, width):
    return zeros(_batch(sizes), width, dtype=x.dtype, device=x.device) if state is None else state


def _composed_rnn(x, h0, w_ih, w_hh, b_ih, b_hh, sizes, reverse, nonlinearity):
    f = tanh if nonlinearity == "tanh" else relu
    h0 = _begin(h0, x, sizes, w_hh._shape[1])
    return _run(lambda a, h: (f(a + linear(h, w_hh, b_hh)),), linear(x, w_ih, b_ih), [h0], sizes, reverse)


def _composed_lstm(x, h0, c0, w_ih, w_hh, b_ih, b_hh, sizes, reverse, w_hr=None):
    """w_hr: projects o tanh(c) to fewer numbers (Sak, Senior, Beaufays 2014)."""

    def step(a, h, c):
        i, f, g, o = split(a + linear(h, w_hh, b_hh), units, 1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return h if w_hr is None else linear(h, w_hr), c

    units = w_hh._shape[0] // 4
    h0, c0 = _begin(h0, x, sizes, w_hh._shape[1]), _begin(c0, x, sizes, units)
    if w_hr is None:
        return _run(step, linear(x, w_ih, b_ih), [h0, c0], sizes, reverse)
    pad = zeros(x._shape[0], units - w_hr._shape[0], dtype=x.dtype, device=x.device)  # h is narrower than c: kept apart below

    def padded(a, h, c):
        h, c = step(a, narrow(h, 1, 0, w_hr._shape[0]), c)
        return cat((h, narrow(pad, 0, 0, h._shape[0])), 1), c

    return _run(padded, linear(x, w_ih, b_ih), [cat((h0, narrow(pad, 0, 0, h0._shape[0])), 1), c0], sizes, reverse)


def _composed_gru(x, h0, w_ih, w_hh, b_ih, b_hh, sizes, reverse):
    def step(a, h):
        (ar, az, an), (br, bz, bn) = split(a, units, 1), split(linear(h, w_hh, b_hh), units, 1)
        n = tanh(an + sigmoid(ar + br) * bn)
        return (n + sigmoid(az + bz) * (h - n),)

    units = w_hh._shape[1]
    return _run(step, linear(x, w_ih, b_ih), [_begin(h0, x, sizes, units)], sizes, reverse)


# -- the ops ------------------------------------------------------------------------------------------------------------


def _packed(t):
    return None if t is None else contiguous(t)


def _room(x, needs, *like):
    """Memory for the gradients that are wanted; an empty tensor, which the kernel leaves out, for the others."""
    return [empty(a._shape if need else (0,), dtype=x.dtype) for need, a in zip(needs, like, strict=True)]


def _wanted(needs, grads):
    return [g if need else None for need, g in zip(needs, grads, strict=True)]


def _sizes_of(x, w_hh, sizes):
    return x._shape[0], _batch(sizes), w_hh._shape[1]


@fused(_composed_rnn)
def _rnn(x, h0, w_ih, w_hh, b_ih, b_hh, *, sizes, reverse, nonlinearity):
    n, b, h = _sizes_of(x, w_hh, sizes)
    y = empty((n + b, h), dtype=x.dtype)
    given = [_packed(t) for t in (x, h0, w_ih, w_hh, b_ih, b_hh)]
    kernels(x).rnn(y, *given, sizes, reverse, nonlinearity == "relu")
    return y


def _rnn_joint(g, y, x, h0, w_ih, w_hh, b_ih, b_hh, needs, sizes, reverse, nonlinearity):
    out = _room(x, needs, x, h0, w_ih, w_hh, b_ih, b_hh)
    given = [_packed(t) for t in (g, y, x, h0, w_ih, w_hh)]
    kernels(x).rnn_dx(*out, *given, sizes, reverse, nonlinearity == "relu")
    return _wanted(needs, out)


@fused(_composed_lstm)
def _lstm(x, h0, c0, w_ih, w_hh, b_ih, b_hh, *, sizes, reverse):
    n, b, h = _sizes_of(x, w_hh, sizes)
    y, gates, cells = empty((n + 2 * b, h), dtype=x.dtype), empty((n, 4 * h), dtype=x.dtype.computed), empty((n, h), dtype=x.dtype.computed)
    given = [_packed(t) for t in (x, h0, c0, w_ih, w_hh, b_ih, b_hh)]
    kernels(x).lstm(y, gates, cells, *given, sizes, reverse)
    return y, gates, cells


def _lstm_joint(g, ys, x, h0, c0, w_ih, w_hh, b_ih, b_hh, needs, sizes, reverse):
    out = _room(x, needs, x, h0, c0, w_ih, w_hh, b_ih, b_hh)
    _, b, h = _sizes_of(x, w_hh, sizes)
    out[2] = empty((b, h), dtype=x.dtype)  # the kernel carries the gradient of c in it from step to step
    given = [_packed(t) for t in (g, *ys, x, h0, c0, w_ih, w_hh)]
    kernels(x).lstm_dx(*out, *given, sizes, reverse)
    return _wanted(needs, out)


@fused(_composed_gru)
def _gru(x, h0, w_ih, w_hh, b_ih, b_hh, *, sizes, reverse):
    n, b, h = _sizes_of(x, w_hh, sizes)
    y, gates, cells = empty((n + b, h), dtype=x.dtype), empty((n, 3 * h), dtype=x.dtype.computed), empty((n, h), dtype=x.dtype.computed)
    given = [_packed(t) for t in (x, h0, w_ih, w_hh, b_ih, b_hh)]
    kernels(x).gru(y, gates, cells, *given, sizes, reverse)
    return y, gates, cells


def _gru_joint(g, ys, x, h0, w_ih, w_hh, b_ih, b_hh, needs, sizes, reverse):
    out = _room(x, needs, x, h0, w_ih, w_hh, b_ih, b_hh)
    given = [_packed(t) for t in (g, *ys, x, h0, w_ih, w_hh)]
    kernels(x).gru_dx(*out, *given, sizes, reverse)
    return _wanted(needs, out)


_rnn.joint(_rnn_joint)
_lstm.joint(_lstm_joint)
_gru.joint(_gru_joint)

# -- layers -------------------------------------------------------------------------------------------------------------

MODES = {"RNN_TANH": (1, 1), "RNN_RELU": (1, 1), "LSTM": (4, 2), "GRU": (3, 1)}  # gates, states


def _layer(mode, x, states, weights, sizes, reverse):
    """(rows (N, H), final states): one layer, one direction; weights W_ih, W_hh[, b_ih, b_hh][, W_hr]."""
    w_ih, w_hh, *rest = weights
    biases = rest[:2] if len(rest) > 1 else (None, None)
    options = {"sizes": sizes, "reverse": reverse}
    n, b = x._shape[0], _batch(sizes)
    if mode == "LSTM":
        if len(rest) % 2:
            y = _composed_lstm(x, *states, w_ih, w_hh, *biases, **options, w_hr=rest[-1])
        else:
            y, *_ = _lstm(x, *states, w_ih, w_hh, *biases, **options)
    elif mode == "GRU":
        y, *_ = _gru(x, *states, w_ih, w_hh, *biases, **options)
    else:
        y = _rnn(x, *states, w_ih, w_hh, *biases, **options, nonlinearity=mode[4:].lower())
    rows, h = narrow(y, 0, 0, n), narrow(y, 0, n, b)
    if mode != "LSTM":
        return rows, (h,)
    if len(rest) % 2:
        rows, h = (contiguous(narrow(t, 1, 0, w_hh._shape[1])) for t in (rows, h))
    return rows, (h, narrow(y, 0, n + b, b))


@functools.lru_cache(256)
def _even(steps, batch):
    sizes = from_numpy(np.full(steps, batch, np.int64))
    sizes.batch = batch
    return sizes


def _check(mode, x, states, params, per, directions, num_layers):
    name = mode.split("_")[0].lower()
    if not x.dtype.is_floating_point:
        raise DTypeError(f"{name}: not implemented for {x.dtype}")
    for t in (*params, *states):
        if t.dtype is not x.dtype:
            raise DTypeError(f"{name}: expected input, states and weights of one type, got {x.dtype} and {t.dtype}")
    if len(params) != per * directions * num_layers:
        raise ShapeError(f"{name}: expected {per * directions * num_layers} weights for {num_layers} layers, got {len(params)}")
    gates, wide = MODES[mode][0], x._shape[-1]
    for i in range(0, len(params), per):
        w_ih, w_hh, *rest = params[i : i + per]
        if i and i % (per * directions) == 0:
            wide = directions * hidden  # noqa: F821 - of the layer below
        hidden, units = w_hh._shape[-1], w_hh._shape[0] // gates
        shapes = [(gates * units, wide), (gates * units, hidden), *[(gates * units,)] * (len(rest) // 2 * 2)]
        shapes += [(hidden, units)] * (len(rest) % 2)
        if [t._shape for t in (w_ih, w_hh, *rest)] != shapes or (hidden != units and not len(rest) % 2):
            raise ShapeError(
                f"{name}: weights {[list(t._shape) for t in (w_ih, w_hh, *rest)]} do not fit an input of size {wide}"
            )
    for s, size in zip(states, (hidden, units), strict=False):
        if s.ndim != 3 or s._shape[::2] != (num_layers * directions, size):
            raise ShapeError(f"{name}: expected a state ({num_layers * directions}, batch, {size}), got {list(s._shape)}")


def _network(mode, x, sizes, states, params, has_biases, num_layers, dropout, train, bidirectional):
    """All layers over packed rows x (N, I): rows (N, D·H) and each state (layers·D, B, H); states None: zeros."""
    directions = 2 if bidirectional else 1
    per = 4 if has_biases else 2
    per += len(params) == (per + 1) * directions * num_layers  # LSTM's projections
    _check(mode, x, states or (), params, per, directions, num_layers)
    if states and states[0]._shape[1] != _batch(sizes):
        raise ShapeError(f"{mode.lower()}: states of a batch of {states[0]._shape[1]} for a batch of {_batch(sizes)}")
    finals = []
    for layer in range(num_layers):
        rows = []
        for d in range(directions):
            at = layer * directions + d
            begin = [s[at] for s in states] if states else [None] * MODES[mode][1]
            y, last = _layer(mode, x, begin, params[at * per : (at + 1) * per], sizes, d == 1)
            rows.append(y)
            finals.append(last)
        x = cat(rows, 1) if bidirectional else rows[0]
        if dropout and train and layer + 1 < num_layers:
            x = drop(x, dropout, True)
    return (x, *(stack(s) if len(s) > 1 else s[0].unsqueeze(0) for s in zip(*finals, strict=True)))


def _public(mode, states):
    """The function of PyTorch's name: padded (input, hx, params, ..) or packed (data, batch_sizes, hx, params, ..)."""

    def run(*args):
        if len(args) == 8 + 1 and not isinstance(args[3], bool):  # packed
            data, sizes, hx, *options = args
            return _network(mode, data, sizes, states(hx), *options)
        input, hx, *options, batch_first = args
        if batch_first:
            input = transpose(input, 0, 1)
        if input.ndim != 3 or not input._shape[0]:
            raise ShapeError(f"{mode.lower()}: Expected sequence length to be larger than 0 in RNN, got input {list(input._shape)}")
        steps, batch, wide = input._shape
        y, *last = _network(mode, input.reshape((steps * batch, wide)), _even(steps, batch), states(hx), *options)
        y = y.reshape((steps, batch, y._shape[1]))
        return (transpose(y, 0, 1) if batch_first else y, *last)

    return run


def _documented(name, mode, states, hx):
    f = _public(mode, states)
    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"""{name}(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first) -> output, {hx}

    input (T, B, I), (B, T, I) if batch_first; hx {hx} (layers·directions, B, H) or None for zeros. Packed: {name}(data, batch_sizes,
    hx, params, has_biases, num_layers, dropout, train, bidirectional). params: per layer and direction W_ih, W_hh, b_ih, b_hh.
    """
    return f


def _one(hx):
    return None if hx is None else (hx,)


def _two(hx):
    return None if hx is None else tuple(hx)


rnn_tanh = _documented("rnn_tanh", "RNN_TANH", _one, "h_n")
rnn_relu = _documented("rnn_relu", "RNN_RELU", _one, "h_n")
gru = _documented("gru", "GRU", _one, "h_n")
lstm = _documented("lstm", "LSTM", _two, "(h_n, c_n)")

# -- single steps -------------------------------------------------------------------------------------------------------


def _cell(mode, input, states, *weights):
    weights = [w for w in weights if w is not None]
    if input.ndim != 2 or states[0].ndim != 2 or states[0]._shape[0] != input._shape[0]:
        raise ShapeError(f"{mode.lower()}_cell: input {list(input._shape)} and state {list(states[0]._shape)} do not fit")
    _check(mode, input, [s.unsqueeze(0) for s in states], weights, len(weights), 1, 1)
    if not input._shape[0]:
        return tuple(s * 1 for s in states)
    return _layer(mode, input, states, weights, _even(1, input._shape[0]), False)[1]


def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """tanh(W_ih x + b_ih + W_hh h + b_hh):  input (B, I), hx (B, H) → (B, H)."""
    return _cell("RNN_TANH", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """relu(W_ih x + b_ih + W_hh h + b_hh):  input (B, I), hx (B, H) → (B, H)."""
    return _cell("RNN_RELU", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a GRU (Cho et al. 2014):  input (B, I), hx (B, H) → (B, H)."""
    return _cell("GRU", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of an LSTM (Hochreiter, Schmidhuber 1997):  input (B, I), hx = h, c (B, H) → h, c."""
    return _cell("LSTM", input, tuple(hx), w_ih, w_hh, b_ih, b_hh)


__all__ = "gru gru_cell lstm lstm_cell rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell".split()
METHODS = ()
FUNCTIONAL = ()
