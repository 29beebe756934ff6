"""Sampling helpers, beam search and positions."""

import itertools

import numpy as np
import pytest

import fastnn
from fastnn import nn, sampling


def test_kept_tokens(rng):
    logits = fastnn.from_numpy(rng.standard_normal((5, 9)))
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(-1, keepdims=True)
    best = np.argsort(-p, -1)
    for k in (1, 3, 9, 20):
        kept = np.isfinite(sampling.top_k(logits, k).numpy())
        assert all(set(np.flatnonzero(row)) == set(order[:k]) for row, order in zip(kept, best, strict=True))
    for mass in (1e-6, 0.5, 0.9, 1.0):
        out = sampling.top_p(logits, mass).numpy()
        np.testing.assert_array_equal(np.where(np.isfinite(out), out, logits.numpy()), logits.numpy())
        for row, order, probability in zip(out, best, p, strict=True):
            count = int(np.searchsorted(np.cumsum(probability[order])[:-1], mass) + 1)
            assert set(np.flatnonzero(np.isfinite(row))) == set(order[:count])


def test_samples_follow_the_probabilities():
    fastnn.manual_seed(0)
    logits = fastnn.tensor([0.0, 1.0, 2.0, -1.0]).expand(20000, 4)
    for options, scale in (({}, 1), ({"temperature": 0.5}, 2)):
        often = np.bincount(sampling.sample(logits, **options).numpy(), minlength=4) / 20000
        p = np.exp(scale * np.array([0, 1, 2, -1.0]))
        np.testing.assert_allclose(often, p / p.sum(), atol=0.02)
    assert set(sampling.sample(logits, top_k=2).numpy()) == {1, 2}
    assert set(sampling.sample(logits, top_p=0.5).numpy()) == {2}
    assert (sampling.sample(logits, temperature=0) == 2).all() and (sampling.greedy(logits) == 2).all()
    assert sampling.sample(fastnn.zeros(2, 3, 4)).shape == (2, 3)


def test_wide_beam_finds_the_best_sequence(rng):
    table = fastnn.from_numpy(rng.standard_normal((4, 4)))
    tokens, scores = sampling.beam_search(lambda rows: table[rows[:, -1]], fastnn.tensor([[0], [2]]), 3, 64)
    log_p = fastnn.nn.functional.log_softmax(table, -1).numpy()
    for row, start in enumerate((0, 2)):
        paths = {
            (start, *path): sum(log_p[a, b] for a, b in itertools.pairwise((start, *path))) for path in itertools.product(range(4), repeat=3)
        }
        best = sorted(paths, key=paths.get, reverse=True)
        assert tuple(tokens.numpy()[row, 0]) == best[0]
        np.testing.assert_allclose(scores.numpy()[row], [paths[p] for p in best], rtol=1e-12)
    one, _ = sampling.beam_search(lambda rows: table[rows[:, -1]], fastnn.tensor([[1]]), 5, 1)
    greedy = [1]
    for _ in range(5):
        greedy.append(int(table.numpy()[greedy[-1]].argmax()))
    assert one.numpy()[0, 0].tolist() == greedy


def test_beams_end():
    logits = fastnn.tensor([[0.0, 5.0, 0.0]])
    tokens, scores = sampling.beam_search(lambda rows: logits.expand(len(rows), 3), fastnn.tensor([[0]]), 4, 2, end=1)
    assert tokens.numpy()[0, 0].tolist() == [0, 1, 1, 1, 1]
    np.testing.assert_allclose(scores.numpy()[0, 0], fastnn.nn.functional.log_softmax(logits, -1).numpy()[0, 1], rtol=1e-6)


def test_rotary_products_depend_on_distance_only(rng):
    rotate = nn.RotaryEmbedding(8, max_length=32).double()
    q, k = fastnn.from_numpy(rng.standard_normal((1, 8))), fastnn.from_numpy(rng.standard_normal((1, 8)))
    products = [(rotate(q, i) * rotate(k, i + 3)).sum().item() for i in range(20)]
    np.testing.assert_allclose(products, products[0], rtol=1e-5)
    x = fastnn.from_numpy(rng.standard_normal((2, 3, 5, 8)))
    pair = x.numpy()[..., :4] + 1j * x.numpy()[..., 4:]
    turned = pair * np.exp(1j * np.arange(4, 9)[:, None] * 10000.0 ** (-np.arange(0, 8, 2) / 8))
    np.testing.assert_allclose(rotate(x, 4).numpy(), np.concatenate([turned.real, turned.imag], -1), atol=1e-6)
    assert not rotate.state_dict()


def test_sinusoidal():
    y = nn.SinusoidalEmbedding(4, max_length=10)(fastnn.zeros(2, 3, 4), 1).numpy()
    np.testing.assert_allclose(y[1, 2], [np.sin(3), np.cos(3), np.sin(0.03), np.cos(0.03)], rtol=1e-6)


X = fastnn.zeros(2, 3)
BAD = [
    (lambda: sampling.sample(X, temperature=-1.0), ValueError, "temperature must not be negative"),
    (lambda: sampling.sample(X, top_k=0), ValueError, "k must be positive, got 0"),
    (lambda: sampling.sample(X, top_p=0.0), ValueError, r"must be in \(0, 1\]"),
    (lambda: sampling.greedy(fastnn.tensor([1, 2])), RuntimeError, "expected logits of a floating dtype"),
    (lambda: sampling.greedy([1.0]), TypeError, "to be a Tensor"),
    (lambda: sampling.greedy(fastnn.zeros(2, 0)), RuntimeError, "V > 0"),
    (lambda: sampling.beam_search(lambda rows: X, fastnn.tensor([0]), 1, 1), RuntimeError, r"tokens \(N, T\)"),
    (lambda: sampling.beam_search(lambda rows: X, fastnn.tensor([[0]]), 1, 0), ValueError, "width must be positive"),
    (lambda: nn.RotaryEmbedding(3), ValueError, "dim must be even"),
    (lambda: nn.RotaryEmbedding(4, max_length=8)(fastnn.zeros(9, 4)), RuntimeError, "not below max_length 8"),
    (lambda: nn.RotaryEmbedding(4)(fastnn.zeros(9, 6)), RuntimeError, r"expected \(..., length, 4\)"),
]


@pytest.mark.parametrize("call, kind, words", BAD, ids=range(len(BAD)))
def test_bad_input(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
