"""Recurrent layers and cells. Weights start uniform in ±1/√hidden_size, as PyTorch's."""

from __future__ import annotations

import math
import numbers
import types
import warnings

from .. import casting, ops
from ..errors import named
from ..tensor import Tensor, empty, zeros
from . import init
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

_family = ops.MODULES["rnn"]
_run = types.SimpleNamespace(**{name: named(getattr(_family, name)) for name in _family.__all__})


class RNNBase(Module):
    """What RNN, LSTM and GRU share: weights of every layer and direction, and the forms of input and state.

    input (T, B, I), (B, T, I) if batch_first, (T, I) for one sequence, or a PackedSequence. Parameters of layer k:
    weight_ih_lk (G·H, I or D·H), weight_hh_lk (G·H, H), bias_ih_lk, bias_hh_lk (G·H); those of the other direction end in _reverse.
    """

    def __init__(self, mode, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, proj_size=0, device=None, dtype=None):  # fmt: skip
        super().__init__()
        if not isinstance(dropout, numbers.Number) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
            raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being zeroed")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers greater "
                f"than 1, but got dropout={dropout} and num_layers={num_layers}", stacklevel=2,
            )  # fmt: skip
        for name, value, kind in (("bias", bias, bool), ("batch_first", batch_first, bool), ("input_size", input_size, int),
                                  ("hidden_size", hidden_size, int)):  # fmt: skip
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
        for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, float(dropout), bidirectional
        self.proj_size = proj_size
        gates, out, directions = _family.MODES[mode][0], proj_size or hidden_size, 2 if bidirectional else 1
        self._names = []
        for layer in range(num_layers):
            for end in ("", "_reverse")[:directions]:
                wide = input_size if layer == 0 else out * directions
                shapes = {"weight_ih": (gates * hidden_size, wide), "weight_hh": (gates * hidden_size, out)}
                if bias:
                    shapes |= {"bias_ih": (gates * hidden_size,), "bias_hh": (gates * hidden_size,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    self.register_parameter(f"{name}_l{layer}{end}", Parameter(empty(shape, dtype=dtype, device=device)))
                self._names.append([f"{name}_l{layer}{end}" for name in shapes])
        self.reset_parameters()

    def reset_parameters(self):
        bound = 1 / math.sqrt(self.hidden_size)
        for w in self.parameters():
            init.uniform_(w, -bound, bound)

    def flatten_parameters(self):
        """Nothing: weights are packed where a sequence begins."""

    @property
    def all_weights(self):
        return [[getattr(self, n) for n in names] for names in self._names]

    @property
    def _flat_weights_names(self):
        return [n for names in self._names for n in names]

    @property
    def _flat_weights(self):
        return [getattr(self, n) for n in self._flat_weights_names]

    def _state_shape(self, batch, width):
        return (self.num_layers * (2 if self.bidirectional else 1), batch, width)

    def forward(self, input, hx=None):
        name, two = "RNN" if self.mode.startswith("RNN") else self.mode, self.mode == "LSTM"
        states = None if hx is None else tuple(hx) if two else (hx,)
        if isinstance(input, PackedSequence):
            data, sizes, order, back = input
            self._check_input(data, 2)
            single, batch = False, int(sizes[0])
            if states is not None and order is not None:
                states = tuple(s.index_select(1, order) for s in states)
        else:
            if input.ndim not in (2, 3):
                raise ValueError(f"{name}: Expected input to be 2D or 3D, got {input.ndim}D {'' if two else 'tensor '}instead")
            single, data, order, back = input.ndim == 2, input, None, None
            if states is not None:
                self._check_ranks(states, single)
            if single:
                data = data.unsqueeze(0 if self.batch_first else 1)
                states = states and tuple(s.unsqueeze(1) for s in states)
            self._check_input(data, 3)
            batch = data.shape[0 if self.batch_first else 1]
        if states is not None:
            for i, (s, width) in enumerate(zip(states, (self.proj_size or self.hidden_size, self.hidden_size), strict=False)):
                expected = self._state_shape(batch, width)
                if tuple(s.shape) != expected:
                    what = f"hidden[{i}]" if two else "hidden"
                    raise RuntimeError(f"Expected {what} size {expected}, got {list(s.shape)}")
        run = getattr(_run, self.mode.lower())
        given = None if states is None else states if two else states[0]
        params = self._flat_weights
        options = (params, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        if isinstance(input, PackedSequence):
            out, *last = run(data, sizes, given, *options)
            out = PackedSequence(out, sizes, order, back)
            if back is not None:
                last = [s.index_select(1, back) for s in last]
        else:
            out, *last = run(data, given, *options, self.batch_first)
            if single:
                out, last = out.squeeze(0 if self.batch_first else 1), [s.squeeze(1) for s in last]
        return out, tuple(last) if two else last[0]

    def _check_input(self, input, ndim):
        weight = getattr(self, self._names[0][0])
        if input.dtype is not weight.dtype and casting.current(input.device.type) is None:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert input: "
                f"input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        if input.ndim != ndim:
            raise RuntimeError(f"input must have {ndim} dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )

    def _check_ranks(self, states, single):
        kind, rank, ranks = ("unbatched 2-D", 2, [s.ndim for s in states]) if single else ("batched 3-D", 3, [s.ndim for s in states])
        if any(r != rank for r in ranks):
            if len(ranks) == 1:
                raise RuntimeError(f"For {kind} input, hx should also be {rank}-D but got {ranks[0]}-D tensor")
            raise RuntimeError(f"For {kind} input, hx and cx should also be {rank}-D but got ({ranks[0]}-D, {ranks[1]}-D) tensors")

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        return text + "".join(f", {k}={getattr(self, k)}" for k, v in defaults.items() if getattr(self, k) != v)


class RNN(RNNBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu (Elman 1990).

    input (T, B, I) → output (T, B, D·H), h_n (layers·D, B, H), D = 2 if bidirectional; other forms: RNNBase.
    """

    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, device=None, dtype=None, proj_size=0):  # fmt: skip
        if proj_size:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        self.nonlinearity = nonlinearity
        super().__init__(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, 0, device, dtype)  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """i, f, o = σ(W x + b + W h + b)   g = tanh(..)   c' = f c + i g   h' = o tanh(c')    (Hochreiter, Schmidhuber 1997).

    input (T, B, I) → output (T, B, D·H), (h_n, c_n) (layers·D, B, H), D = 2 if bidirectional; other forms: RNNBase.
    proj_size P: h' = W_hr (o tanh(c')), P numbers (Sak et al. 2014); no kernel of its own.
    """

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
                 proj_size=0, device=None, dtype=None):  # fmt: skip
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size,
                         device, dtype)  # fmt: skip


class GRU(RNNBase):
    """r, z = σ(W x + b + W h + b)   n = tanh(W x + b + r (W h + b))   h' = (1 - z) n + z h    (Cho et al. 2014).

    input (T, B, I) → output (T, B, D·H), h_n (layers·D, B, H), D = 2 if bidirectional; other forms: RNNBase.
    """

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
                 device=None, dtype=None, proj_size=0):  # fmt: skip
        if proj_size:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)


class RNNCellBase(Module):
    """One step of a recurrent layer: weight_ih (G·H, I), weight_hh (G·H, H), bias_ih, bias_hh (G·H)."""

    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, dtype=dtype, device=device))
        self.weight_hh = Parameter(empty(rows, hidden_size, dtype=dtype, device=device))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(rows, dtype=dtype, device=device)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for w in self.parameters():
            init.uniform_(w, -bound, bound)

    def _step(self, f, input, states, count):
        """f(input (B, I), states (B, H), weights ..) for an input with or without its batch axis."""
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        if count > 1 and isinstance(states, Tensor):
            raise TypeError(f"{name}: hx must be a tuple of Tensors (h, c), not a Tensor")
        for i, s in enumerate(() if states is None else states):
            if s.ndim not in (1, 2):
                what = f"hx[{i}]" if count > 1 else "hidden"
                raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {s.ndim}D instead")
        single = input.ndim == 1
        if single:
            input, states = input.unsqueeze(0), states and [s.unsqueeze(0) if s.ndim == 1 else s for s in states]
        if states is None:
            states = [zeros(input.shape[0], self.hidden_size, dtype=input.dtype)] * count
        out = f(input, states[0] if count == 1 else states, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if not single:
            return out
        return tuple(t.squeeze(0) for t in out) if count > 1 else out.squeeze(0)

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else f", bias={self.bias}")
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"


class RNNCell(RNNCellBase):
    """One step of RNN:  input (B, I) or (I), hx (B, H) or (H) → h'. ValueError for other ranks."""

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        f = _run.rnn_tanh_cell if self.nonlinearity == "tanh" else _run.rnn_relu_cell
        return self._step(f, input, None if hx is None else (hx,), 1)


class LSTMCell(RNNCellBase):
    """One step of LSTM:  input (B, I) or (I), hx = (h, c) (B, H) or (H) → (h', c'). ValueError for other ranks."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        return self._step(_run.lstm_cell, input, hx, 2)


class GRUCell(RNNCellBase):
    """One step of GRU:  input (B, I) or (I), hx (B, H) or (H) → h'. ValueError for other ranks."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        return self._step(_run.gru_cell, input, None if hx is None else (hx,), 1)
