"""Attention and transformer layers against PyTorch: from its files, with its masks, and on bad input; recurrent layers and norms of weights from files."""

import numpy as np
import pytest

import fastnn
from fastnn import nn

torch = pytest.importorskip("torch")
TN = torch.nn
WIDE = dict(dropout=0.0, batch_first=True)


def sequences(*shape):
    return [np.sin(np.arange(np.prod(s)) * 0.37 + i).reshape(s) for i, s in enumerate(shape)]


LAYERS = {
    "encoder layer": (lambda m: m.TransformerEncoderLayer(8, 2, 16, **WIDE), ((2, 5, 8),)),
    "encoder layer, norm first, gelu, no bias": (lambda m: m.TransformerEncoderLayer(8, 2, 16, activation="gelu", norm_first=True, bias=False, **WIDE), ((2, 5, 8),)),
    "encoder": (lambda m: m.TransformerEncoder(m.TransformerEncoderLayer(8, 2, 16, **WIDE), 2, m.LayerNorm(8), enable_nested_tensor=False), ((2, 5, 8),)),
    "decoder layer": (lambda m: m.TransformerDecoderLayer(8, 2, 16, **WIDE), ((2, 4, 8), (2, 5, 8))),
    "decoder": (lambda m: m.TransformerDecoder(m.TransformerDecoderLayer(8, 2, 16, **WIDE), 2), ((2, 4, 8), (2, 5, 8))),
    "transformer": (lambda m: m.Transformer(8, 2, 1, 1, 16, **WIDE), ((2, 5, 8), (2, 4, 8))),
    "attention": (lambda m: m.MultiheadAttention(8, 2, batch_first=True), ((2, 5, 8),) * 3),
    "attention across": (lambda m: m.MultiheadAttention(8, 4, kdim=6, vdim=4, add_bias_kv=True, batch_first=True), ((2, 5, 8), (2, 3, 6), (2, 3, 4))),
    "lstm": (lambda m: m.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True), ((2, 6, 3),)),
    "lstm projected": (lambda m: m.LSTM(3, 4, proj_size=2), ((6, 2, 3),)),
    "gru": (lambda m: m.GRU(3, 4, num_layers=2, bidirectional=True), ((6, 2, 3),)),
    "rnn": (lambda m: m.RNN(3, 4, nonlinearity="relu"), ((6, 2, 3),)),
    "weight_norm": (lambda m: m.utils.weight_norm(m.Linear(3, 4)), ((2, 3),)),
    "spectral_norm": (lambda m: m.utils.spectral_norm(m.Linear(3, 4)).eval(), ((2, 3),)),
    "weight_norm, parametrized": (lambda m: m.utils.parametrizations.weight_norm(m.Conv1d(3, 4, 2)), ((2, 3, 5),)),
    "spectral_norm, parametrized": (lambda m: m.utils.parametrizations.spectral_norm(m.Linear(3, 4)).eval(), ((2, 3),)),
    "embedding bag": (lambda m: m.EmbeddingBag(9, 4, mode="sum"), ()),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LAYERS)
def test_file_of_torch_gives_the_same_outputs(name, tmp_path):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    make, shapes = LAYERS[name]
    theirs, ours = make(TN).double(), make(nn).double()
    save_file({k: v.contiguous() for k, v in theirs.state_dict().items()}, tmp_path / "weights")
    assert str(ours.load_state_dict(fastnn.load(tmp_path / "weights"))) == "<All keys matched successfully>"
    inputs = sequences(*shapes) if shapes else [np.array([[1, 2], [8, 0]])]
    a, b = ours(*map(fastnn.from_numpy, inputs)), theirs(*map(torch.from_numpy, inputs))
    for mine, other in zip(flat(a), flat(b), strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-11, atol=1e-12)


def flat(value):
    return [t for v in value for t in flat(v)] if isinstance(value, tuple) else [value]


def both(make):
    """The same layer of us and of PyTorch, in float64."""
    torch.manual_seed(0)
    theirs, ours = make(TN).double(), make(nn).double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize("need_weights", [True, False])
def test_masks_equal_torch(need_weights):
    ours, theirs = both(lambda m: m.MultiheadAttention(8, 2, batch_first=True))
    (x,) = sequences((3, 4, 8))
    padding = np.arange(4) >= np.array([[4], [2], [3]])
    pairwise = np.triu(np.ones((4, 4), bool), 1)
    for options in (dict(key_padding_mask=padding), dict(attn_mask=pairwise), dict(key_padding_mask=padding, attn_mask=pairwise), dict(attn_mask=np.where(pairwise, -1e9, 0.5)),
                    dict(attn_mask=np.repeat(pairwise[None], 6, 0))):  # fmt: skip
        results = []
        for lib, layer in ((fastnn, ours), (torch, theirs)):
            leaf = lib.from_numpy(x.copy()).requires_grad_()
            y, _ = layer(leaf, leaf, leaf, need_weights=need_weights, **{k: lib.from_numpy(v) for k, v in options.items()})
            (y**2).sum().backward()
            results.append((y.detach().numpy(), leaf.grad.numpy()))
        for mine, other in zip(*results, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("need_weights", [True, False])
def test_who_sees_nothing_gets_the_bias_and_gives_no_gradient(need_weights):
    layer = nn.MultiheadAttention(8, 2, batch_first=True, dtype=fastnn.float64)
    nn.init.normal_(layer.out_proj.bias)
    x = fastnn.from_numpy(sequences((2, 3, 8))[0]).requires_grad_()
    hidden = fastnn.tensor([[True] * 3, [False] * 3])
    y, _ = layer(x, x, x, key_padding_mask=hidden, need_weights=need_weights)
    np.testing.assert_array_equal(y[0].detach().numpy(), np.broadcast_to(layer.out_proj.bias.detach().numpy(), (3, 8)))
    y.sum().backward()
    assert not x.grad[0].numpy().any() and np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize("dtype", [fastnn.float32, fastnn.float64])
@pytest.mark.parametrize("kind", ["attention", "encoder", "encoder, time first", "across"])
def test_padding_changes_no_bit(kind, dtype):
    """Each sequence of a padded batch, as it comes out alone: from one step to more than a block of keys, widths of no whole vector."""
    for width, heads, lengths in ((8, 2, [6, 2, 4, 1]), (40, 5, [9, 3, 17, 8]), (64, 1, [1, 70]), (96, 3, [300, 257, 7]), (520, 4, [33, 2])):
        if kind.startswith("encoder"):
            layer = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.0, batch_first=kind == "encoder", dtype=dtype)
        else:
            layer = nn.MultiheadAttention(width, heads, batch_first=True, dtype=dtype)

        def run(x, hidden, layer=layer):
            if kind == "encoder":
                return layer(x, src_key_padding_mask=hidden)
            if kind == "encoder, time first":
                return layer(x.transpose(0, 1), src_key_padding_mask=hidden).transpose(0, 1)
            memory = x * 2 if kind == "across" else x
            return layer(x, memory, memory, hidden, need_weights=False)[0]

        batch = fastnn.from_numpy(sequences((len(lengths), max(lengths), width))[0]).to(dtype)
        hidden = fastnn.from_numpy(np.arange(max(lengths)) >= np.array(lengths)[:, None])
        with fastnn.no_grad():
            y = run(batch, hidden)
            for b, n in enumerate(lengths):
                assert fastnn.equal(y[b, :n], run(batch[b : b + 1, :n], None)[0]), (width, lengths, n)


@pytest.mark.parametrize("make, shapes", [LAYERS["encoder layer, norm first, gelu, no bias"], LAYERS["decoder layer"], LAYERS["attention across"]], ids=["encoder", "decoder", "across"])
def test_derivatives(make, shapes):
    layer = make(nn).double()
    small = [fastnn.from_numpy(a[:1, :2]).requires_grad_() for a in sequences(*shapes)]

    def f(*inputs):
        y = layer(*inputs)
        return y[0] if isinstance(y, tuple) else y

    assert fastnn.autograd.gradcheck(f, small) and fastnn.autograd.gradgradcheck(f, small, fast_mode=True)


X = fastnn.zeros(2, 3, 8)
BAD = [
    (dict(key_padding_mask=fastnn.zeros(2, 4, dtype=fastnn.bool)), AssertionError, "key_padding_mask shape of"),
    (dict(key_padding_mask=fastnn.zeros(3, dtype=fastnn.bool)), RuntimeError, "must be 2-D"),
    (dict(key_padding_mask=fastnn.zeros(2, 3, dtype=fastnn.int64)), AssertionError, "only bool and floating types of key_padding_mask"),
    (dict(attn_mask=fastnn.zeros(4, 3)), RuntimeError, "2D attn_mask is"),
    (dict(attn_mask=fastnn.zeros(3, 3, 3)), RuntimeError, "3D attn_mask is"),
    (dict(attn_mask=fastnn.zeros(3, 3, dtype=fastnn.int64)), AssertionError, "only bool and floating types of attn_mask"),
    (dict(is_causal=True), RuntimeError, "Need attn_mask"),
    (dict(query=fastnn.zeros(2, 3, 7)), AssertionError, "embedding dimension of 8, but got 7"),
    (dict(value=X[:, :2]), AssertionError, "do not match"),
]


@pytest.mark.parametrize("change, kind, words", BAD, ids=range(len(BAD)))
def test_bad_input(change, kind, words):
    with pytest.raises(kind, match=words):
        nn.MultiheadAttention(8, 2, batch_first=True)(**{"query": X, "key": X, "value": X, **change})


def test_bad_transformers():
    for call, kind, words in (
        (lambda: nn.MultiheadAttention(7, 2), AssertionError, "divisible by num_heads"),
        (lambda: nn.Transformer(8, 2, 1, 1, 16)(fastnn.zeros(3, 2, 8), fastnn.zeros(3, 3, 8)), RuntimeError, "batch number"),
        (lambda: nn.Transformer(8, 2, 1, 1, 16)(fastnn.zeros(3, 2, 7), fastnn.zeros(3, 2, 8)), RuntimeError, "feature number"),
        (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)(X, src_mask=fastnn.zeros(2, 2)), RuntimeError, "2D attn_mask"),
        (lambda: nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)(X, fastnn.zeros(2, 4, 7)), RuntimeError, "cannot be multiplied"),
    ):
        with pytest.raises(kind, match=words):
            call()
