"""Recurrent layers, cells and packed batches against PyTorch in float64, and what they do with bad input."""

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.nn.utils import rnn as packing

torch = pytest.importorskip("torch")

KINDS = [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("GRU", {})]
SHAPES = [dict(), dict(num_layers=2, bidirectional=True), dict(bias=False, batch_first=True), dict(num_layers=3, batch_first=True)]


def ours(t):
    return None if t is None else fastnn.from_numpy(t.detach().numpy().copy())


def flat(y):
    return [t for a in y for t in flat(a)] if isinstance(y, (tuple, list)) else [y]


def same(got, want, tolerance=1e-12):
    got, want = flat(got), flat(want)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert tuple(g.shape) == tuple(w.shape)
        np.testing.assert_allclose(g.detach().numpy(), w.detach().numpy(), rtol=tolerance, atol=tolerance)


def pair(kind, *sizes, **options):
    """The same layer in both libraries, by PyTorch's state dict."""
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(*sizes, **options, dtype=torch.float64)
    mine = getattr(nn, kind)(*sizes, **options, dtype=fastnn.float64)
    mine.load_state_dict({k: ours(v) for k, v in theirs.state_dict().items()})
    assert [k for k, _ in mine.named_parameters()] == [k for k, _ in theirs.named_parameters()]
    return mine, theirs


def states(theirs, batch, kind, unbatched=False):
    d = theirs.num_layers * (2 if theirs.bidirectional else 1)
    made = [torch.randn(*((d,) if unbatched else (d, batch)), n, dtype=torch.float64) for n in (theirs.proj_size or theirs.hidden_size, theirs.hidden_size)]
    return tuple(made) if kind == "LSTM" else made[0]


def as_ours(hx):
    return tuple(ours(h) for h in hx) if isinstance(hx, tuple) else ours(hx)


def check_gradients(mine, theirs, run_mine, run_theirs):
    ys, want = flat(run_mine()), flat(run_theirs())
    same(ys, want)
    sum((y * y).sum() for y in ys).backward()
    sum((y * y).sum() for y in want).backward()
    for p, q in zip(mine.parameters(), theirs.parameters(), strict=True):
        same(p.grad, q.grad, 1e-11)


@pytest.mark.parametrize("options", SHAPES, ids=str)
@pytest.mark.parametrize("kind, more", KINDS)
def test_layers_equal_torch(kind, more, options):
    mine, theirs = pair(kind, 5, 9, **more, **options)
    for shape, given in (((6, 3, 5), True), ((6, 3, 5), False), ((7, 5), True), ((7, 5), False), ((2, 0, 5), False)):
        if 0 in shape and options.get("batch_first"):
            continue
        x = torch.randn(shape, dtype=torch.float64)
        batch = shape[0] if options.get("batch_first") else shape[1]
        hx = states(theirs, batch, kind, len(shape) == 2) if given else None
        mine.zero_grad()
        theirs.zero_grad()
        check_gradients(mine, theirs, lambda x=x, hx=hx: mine(ours(x), as_ours(hx) if hx is not None else None), lambda x=x, hx=hx: theirs(x, hx))


@pytest.mark.parametrize("options", [dict(), dict(num_layers=2, bidirectional=True, batch_first=True, bias=False)], ids=str)
def test_projection_equals_torch(options):
    mine, theirs = pair("LSTM", 4, 6, proj_size=3, **options)
    x, hx = torch.randn(5, 3, 4, dtype=torch.float64), states(theirs, 5 if options.get("batch_first") else 3, "LSTM")
    check_gradients(mine, theirs, lambda: mine(ours(x), as_ours(hx)), lambda: theirs(x, hx))


@pytest.mark.parametrize("kind, more", KINDS)
@pytest.mark.parametrize("lengths", [[5, 4, 4, 1], [2, 5, 1, 3]])
def test_packed_equals_torch_and_each_sequence_alone(kind, more, lengths):
    mine, theirs = pair(kind, 3, 7, num_layers=2, bidirectional=True, **more)
    x = torch.randn(5, 4, 3, dtype=torch.float64)
    hx, ordered = states(theirs, 4, kind), lengths == sorted(lengths, reverse=True)
    packed = packing.pack_padded_sequence(ours(x), lengths, enforce_sorted=ordered)
    reference = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=ordered)

    def run(layer, packed, hx):
        y, h = layer(packed, hx)
        return y.data, h

    check_gradients(mine, theirs, lambda: run(mine, packed, as_ours(hx)), lambda: run(theirs, reference, hx))
    with fastnn.no_grad():
        y, h = mine(packed)
        padded, n = packing.pad_packed_sequence(y)
        assert n.tolist() == lengths
        for b, length in enumerate(lengths):
            alone, last = mine(ours(x)[:length, b : b + 1])
            assert fastnn.equal(padded[:length, b], alone[:, 0])
            assert not padded[length:, b].numpy().any()
            assert all(fastnn.equal(s[:, b], t[:, 0]) for s, t in zip(flat(h), flat(last), strict=True))


@pytest.mark.parametrize("dtype", [fastnn.float32, fastnn.float64], ids=str)
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_packed_equals_each_sequence_alone_bit_for_bit(kind, dtype, rng):
    for inputs, units in ((1, 3), (7, 33), (100, 64), (300, 130)):
        layer, lengths = getattr(nn, kind)(inputs, units, bidirectional=True, dtype=dtype), rng.integers(1, 70, 18)
        x = fastnn.tensor(rng.standard_normal((max(lengths), len(lengths), inputs)), dtype=dtype)
        with fastnn.no_grad():
            padded, _ = packing.pad_packed_sequence(layer(packing.pack_padded_sequence(x, lengths.tolist(), enforce_sorted=False))[0])
            for b, length in enumerate(lengths):
                assert fastnn.equal(padded[:length, b], layer(x[:length, b])[0])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells_equal_torch(kind, bias):
    mine, theirs = pair(kind, 3, 5, bias=bias)
    for shape in ((4, 3), (3,), (0, 3)):
        x = torch.randn(shape, dtype=torch.float64)
        hx = [torch.randn(*shape[:-1], 5, dtype=torch.float64) for _ in range(2)]
        hx = tuple(hx) if kind == "LSTMCell" else hx[0]
        same(mine(ours(x)), theirs(x))
        mine.zero_grad()
        theirs.zero_grad()
        if x.numel():
            check_gradients(mine, theirs, lambda x=x, hx=hx: mine(ours(x), as_ours(hx)), lambda x=x, hx=hx: theirs(x, hx))


def test_packing_equals_torch(rng):
    theirs = torch.nn.utils.rnn
    tensors = [torch.from_numpy(rng.standard_normal((n, 2))) for n in (3, 5, 1)]
    mine = [ours(t) for t in tensors]
    for batch_first in (True, False):
        for side in ("left", "right"):
            same(packing.pad_sequence(mine, batch_first, 7.0, side), theirs.pad_sequence(tensors, batch_first, 7.0, side))
        padded, reference = packing.pad_sequence(mine, batch_first), theirs.pad_sequence(tensors, batch_first)
        same(packing.unpad_sequence(padded, fastnn.tensor([3, 5, 1]), batch_first), tensors)
        p = packing.pack_padded_sequence(padded, [3, 5, 1], batch_first, False)
        q = theirs.pack_padded_sequence(reference, [3, 5, 1], batch_first, False)
        same(list(p), list(q))
        same(packing.pad_packed_sequence(p, batch_first, -1.0, 8), theirs.pad_packed_sequence(q, batch_first, -1.0, 8))
    p = packing.pack_sequence(mine, enforce_sorted=False)
    same(list(p), list(theirs.pack_sequence(tensors, enforce_sorted=False)))
    same(packing.unpack_sequence(p), tensors)
    assert p.to(fastnn.float32).data.dtype is fastnn.float32
    x = ours(tensors[1]).requires_grad_()
    packing.pad_packed_sequence(packing.pack_sequence([x, mine[0]]))[0].sum().backward()
    assert (x.grad.numpy() == 1).all()


def test_dropout_between_layers():
    fastnn.manual_seed(0)
    layer = nn.LSTM(4, 8, num_layers=2, dropout=0.5)
    x = fastnn.randn(3, 2, 4)
    a, b = layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy()
    assert (a != b).any()
    layer.eval()
    assert (layer(x)[0].detach().numpy() == layer(x)[0].detach().numpy()).all()


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_second_derivative_and_forward_mode(kind, rng):
    layer = getattr(nn, kind)(2, 3, dtype=fastnn.float64)
    x = fastnn.from_numpy(rng.standard_normal((4, 2, 2))).requires_grad_()
    fn = lambda x: layer(x)[0].sum(-1)  # noqa: E731
    assert fastnn.autograd.gradcheck(fn, [x]) and fastnn.autograd.gradgradcheck(fn, [x])
    t = fastnn.from_numpy(rng.standard_normal((4, 2, 2)))
    _, change = fastnn.func.jvp(fn, (x.detach(),), (t,))
    eps = 1e-6
    numeric = (fn(x + eps * t) - fn(x - eps * t)) / (2 * eps)
    np.testing.assert_allclose(change.detach().numpy(), numeric.detach().numpy(), atol=1e-8)


BAD = [
    (lambda: nn.LSTM(0, 3), ValueError, "input_size must be greater than zero"),
    (lambda: nn.GRU(2, -1), ValueError, "hidden_size must be greater than zero"),
    (lambda: nn.GRU(2, 1.5), TypeError, "hidden_size should be of type int"),
    (lambda: nn.RNN(2, 3, nonlinearity="sin"), ValueError, "Unknown nonlinearity"),
    (lambda: nn.RNN(2, 3, proj_size=2), ValueError, "only supported for LSTM"),
    (lambda: nn.LSTM(2, 3, proj_size=3), ValueError, "smaller than hidden_size"),
    (lambda: nn.LSTM(2, 3, num_layers=2, dropout=1.5), ValueError, "dropout should be a number"),
    (lambda: nn.LSTM(2, 3)(fastnn.randn(4)), ValueError, "Expected input to be 2D or 3D"),
    (lambda: nn.LSTM(2, 3)(fastnn.randn(4, 1, 3)), RuntimeError, "Expected 2, got 3"),
    (lambda: nn.LSTM(2, 3)(fastnn.randn(4, 1, 2, dtype=fastnn.float64)), ValueError, "does not match weight dtype"),
    (lambda: nn.LSTM(2, 3)(fastnn.randn(0, 1, 2)), RuntimeError, "sequence length to be larger than 0"),
    (lambda: nn.GRU(2, 3)(fastnn.randn(4, 2, 2), fastnn.randn(1, 3, 3)), RuntimeError, "Expected hidden size"),
    (lambda: nn.GRU(2, 3)(fastnn.randn(4, 2, 2), fastnn.randn(2, 3)), RuntimeError, "should also be 3-D"),
    (lambda: nn.LSTM(2, 3)(fastnn.randn(4, 2), (fastnn.randn(1, 1, 3),) * 2), RuntimeError, "should also be 2-D"),
    (lambda: nn.GRUCell(2, 3)(fastnn.randn(1, 1, 2)), ValueError, "Expected input to be 1D or 2D"),
    (lambda: nn.LSTMCell(2, 3)(fastnn.randn(2, 2), (fastnn.randn(3, 3),) * 2), RuntimeError, "do not fit"),
    (lambda: nn.LSTMCell(2, 3)(fastnn.randn(2, 5)), RuntimeError, "do not fit"),
    (lambda: packing.pack_padded_sequence(fastnn.randn(3, 2, 1), [2, 3]), RuntimeError, "must be sorted"),
    (lambda: packing.pack_padded_sequence(fastnn.randn(3, 2, 1), [3, 0]), RuntimeError, "greater than 0"),
    (lambda: packing.pack_padded_sequence(fastnn.randn(3, 2, 1), [4, 1]), RuntimeError, "length 4 in an input of 3"),
    (lambda: packing.pack_padded_sequence(fastnn.randn(3, 2, 1), [3, 2, 1]), RuntimeError, "batch_size=2"),
    (lambda: packing.pad_sequence([]), RuntimeError, "empty list"),
    (lambda: packing.unpad_sequence(fastnn.randn(3, 2, 1), [3, 4]), RuntimeError, "do not fit"),
    (lambda: fastnn.lstm(fastnn.randn(3, 2, 4), None, [fastnn.randn(8, 5), fastnn.randn(8, 2)], False, 1, 0.0, False, False, False), RuntimeError, "weights"),
]  # fmt: skip


@pytest.mark.parametrize("call, kind, words", BAD, ids=range(len(BAD)))
def test_bad_input(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_repr():
    assert repr(nn.LSTM(2, 3, num_layers=2, bidirectional=True)) == "LSTM(2, 3, num_layers=2, bidirectional=True)"
    assert repr(nn.RNNCell(2, 3, nonlinearity="relu")) == "RNNCell(2, 3, nonlinearity=relu)"
