"""Bags of embeddings against PyTorch in float64, and with bad input."""

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn import nn

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 3, -1])
def test_equals_torch(mode, padding_idx, rng):
    w, index = rng.standard_normal((7, 5)), rng.integers(0, 7, 11)
    for offsets, last, ids in ((None, False, index[:10].reshape(2, 5)), ([0, 3, 3, 9], False, index), ([0, 4, 8, 8, 11], True, index), ([0], False, index)):
        for weights in (None, rng.standard_normal(ids.shape)) if mode == "sum" else (None,):
            results = []
            for lib, functional in ((fastnn, F), (torch, torch.nn.functional)):
                table = lib.from_numpy(w.copy()).requires_grad_()
                p = None if weights is None else lib.from_numpy(weights.copy()).requires_grad_()
                y = functional.embedding_bag(
                    lib.from_numpy(ids.copy()), table, None if offsets is None else lib.tensor(offsets), mode=mode,
                    per_sample_weights=p, include_last_offset=last, padding_idx=padding_idx,
                )  # fmt: skip
                (y * y * y).sum().backward()
                results.append([t.detach().numpy() for t in (y, table.grad, *([] if p is None else [p.grad]))])
            for a, b in zip(*results, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_what_lies_beyond_the_last_offset_is_in_no_bag(rng):
    w, p = fastnn.from_numpy(rng.standard_normal((5, 3))), fastnn.from_numpy(rng.standard_normal(4)).requires_grad_()
    y = F.embedding_bag(fastnn.tensor([1, 2, 3, 4]), w, fastnn.tensor([0, 2, 3]), mode="sum", per_sample_weights=p, include_last_offset=True)
    np.testing.assert_allclose(y.detach().numpy()[1], w.numpy()[3] * p.detach().numpy()[2])
    y.sum().backward()
    assert p.grad.numpy()[3] == 0


def test_layer():
    torch.manual_seed(0)
    theirs = torch.nn.EmbeddingBag(9, 4, mode="sum", padding_idx=2)
    mine = nn.EmbeddingBag(9, 4, mode="sum", padding_idx=2)
    assert not mine.weight.detach().numpy()[2].any()
    mine.load_state_dict({k: fastnn.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()})
    ids, at = [1, 2, 8, 0], [0, 3]
    np.testing.assert_allclose(mine(fastnn.tensor(ids), fastnn.tensor(at)).detach().numpy(), theirs(torch.tensor(ids), torch.tensor(at)).detach().numpy())
    assert repr(mine) == repr(theirs)
    table = fastnn.randn(3, 2)
    bag = nn.EmbeddingBag.from_pretrained(table)
    assert not bag.weight.requires_grad
    np.testing.assert_allclose(bag(fastnn.tensor([[0, 1]])).numpy()[0], table.numpy()[:2].mean(0), rtol=1e-6)
    long = nn.EmbeddingBag.from_pretrained(table * 100, max_norm=1.0)
    assert np.linalg.norm(long(fastnn.tensor([[1]])).numpy()) <= 1 + 1e-5


W = fastnn.ones(6, 2)
IDS = fastnn.tensor([1, 2, 3])
BAD = [
    (lambda: F.embedding_bag(IDS, W), ValueError, "offsets has to be a 1D Tensor but got None"),
    (lambda: F.embedding_bag(IDS, W, fastnn.tensor([1, 2])), RuntimeError, "has to be 0"),
    (lambda: F.embedding_bag(IDS, W, fastnn.tensor([0, 4])), RuntimeError, "can not be greater than input's length 3"),
    (lambda: F.embedding_bag(IDS, W, fastnn.tensor([0, 2, 1])), ValueError, "must not fall"),
    (lambda: F.embedding_bag(fastnn.tensor([1, 2, 9]), W, fastnn.tensor([0])), IndexError, "index 9 is out of bounds"),
    (lambda: F.embedding_bag(fastnn.tensor([1, -1]), W, fastnn.tensor([0])), IndexError, "index -1 is out of bounds"),
    (lambda: F.embedding_bag(fastnn.tensor([[1, 2]]), W, fastnn.tensor([0])), ValueError, "offsets has to be None"),
    (lambda: F.embedding_bag(fastnn.tensor([[[1, 2]]]), W), ValueError, "1D or 2D"),
    (lambda: F.embedding_bag(IDS, W, fastnn.tensor([0]), per_sample_weights=fastnn.ones(3)), NotImplementedError, "mode='sum'"),
    (lambda: F.embedding_bag(IDS, W, fastnn.tensor([0]), mode="sum", per_sample_weights=fastnn.ones(2)), ValueError, "same shape"),
    (lambda: F.embedding_bag(IDS, W, fastnn.tensor([0]), mode="prod"), ValueError, "sum, mean or max"),
    (lambda: F.embedding_bag(IDS, W, fastnn.tensor([0]), padding_idx=7), RuntimeError, "-6 through 5, but got 7"),
    (lambda: F.embedding_bag(fastnn.ones(3), W, fastnn.tensor([0])), RuntimeError, "expected indices of dtype"),
]


@pytest.mark.parametrize("call, kind, words", BAD, ids=range(len(BAD)))
def test_bad_input(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
