"""Gradients of the rows of an embedding that were looked up, and the optimizers that take them, against PyTorch."""

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim
from fastnn.row_sparse import RowSparse

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks")

OPTIMIZERS = [
    ("SGD", dict(lr=0.1)), ("SGD", dict(lr=0.1, maximize=True)), ("Adagrad", dict(lr=0.1)),
    ("Adagrad", dict(lr=0.1, lr_decay=0.2, initial_accumulator_value=0.1)), ("SparseAdam", dict(lr=0.01)),
    ("SparseAdam", dict(lr=0.01, betas=(0.5, 0.9), eps=1e-3, maximize=True)),
]  # fmt: skip


@pytest.mark.parametrize("name, options", OPTIMIZERS, ids=range(len(OPTIMIZERS)))
@pytest.mark.parametrize("padding_idx", [None, 2])
def test_training_equals_torch(name, options, padding_idx, rng):
    table, steps = rng.standard_normal((9, 4)), [rng.integers(0, 9, (3, 5)) for _ in range(6)]
    results = []
    for lib in (fastnn, torch):
        layer = lib.nn.Embedding(9, 4, padding_idx, sparse=True, dtype=lib.float64)
        with lib.no_grad():
            layer.weight.copy_(lib.from_numpy(table))
        optimizer = getattr(lib.optim, name)(layer.parameters(), **options)
        for ids in steps:
            optimizer.zero_grad()
            (layer(lib.from_numpy(ids)) ** 2).sum().backward()
            optimizer.step()
        assert layer.weight.grad.is_sparse
        dense = layer.weight.grad.to_dense().detach().numpy()
        results.append((layer.weight.detach().numpy(), dense, layer.weight.grad.coalesce().indices().numpy()))
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12)


def test_gradients_add_up(rng):
    w, ids = fastnn.from_numpy(rng.standard_normal((6, 3))).requires_grad_(), fastnn.tensor([[1, 4], [1, 0]])

    def look(sparse):
        return (F.embedding(ids, w, sparse=sparse) ** 2).sum()

    dense = fastnn.autograd.grad(look(False), w)[0].numpy()
    rows = fastnn.autograd.grad(look(True), w)[0]
    assert type(rows) is RowSparse and rows.shape == (6, 3) and rows.coalesce().rows().tolist() == [0, 1, 4]
    np.testing.assert_allclose(rows.to_dense().numpy(), dense)
    for first, second in ((True, True), (True, False), (False, True)):
        w.grad = None
        look(first).backward()
        look(second).backward()
        both = w.grad if second != first else w.grad.to_dense()
        np.testing.assert_allclose(both.numpy(), 2 * dense)
        w.grad = None
        (look(first) + look(second)).backward()
        np.testing.assert_allclose((w.grad if second != first else w.grad.to_dense()).numpy(), 2 * dense)
    (through,) = fastnn.autograd.grad((F.embedding(ids, w * 2, sparse=True) ** 2).sum(), w)  # a table that was computed
    np.testing.assert_allclose(through.numpy(), 4 * dense)
    (again,) = fastnn.autograd.grad(look(True), w, create_graph=True)
    np.testing.assert_allclose(fastnn.autograd.grad(again.sum(), w)[0].to_dense().numpy(), 2 * (dense != 0) * np.array([1, 2, 0, 0, 1, 0])[:, None])


def test_clipping_and_zeroing(rng):
    layer = nn.Embedding(6, 3, sparse=True)
    layer(fastnn.tensor([1, 1, 4])).sum().backward()
    norm = nn.utils.clip_grad_norm_(layer.parameters(), 0.5)
    np.testing.assert_allclose(norm.item(), np.sqrt(3 * (4 + 1)), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(layer.weight.grad.to_dense().numpy()), 0.5, rtol=1e-5)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    optimizer.zero_grad(set_to_none=False)
    assert not layer.weight.grad.to_dense().numpy().any()
    assert repr(layer) == repr(torch.nn.Embedding(6, 3, sparse=True))


def test_captured_sgd_follows_the_rate(rng):
    results = []
    for wrap in (fastnn.capture, lambda f: f):
        fastnn.manual_seed(0)
        layer = nn.Embedding(5, 2, sparse=True)
        optimizer = optim.SGD(layer.parameters(), lr=0.1)

        @wrap
        def step(ids, layer=layer, optimizer=optimizer):
            optimizer.zero_grad()
            (layer(ids) ** 2).sum().backward()
            optimizer.step()

        for i in range(5):
            optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
            step(fastnn.tensor([i, 1, i]))
        results.append(layer.weight.detach().numpy())
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda p: optim.Adam(p), "Adam does not support sparse gradients, please consider SparseAdam"),
        (lambda p: optim.SGD(p, lr=0.1, weight_decay=0.1), "not compatible with sparse gradients"),
        (lambda p: optim.Adagrad(p, weight_decay=0.1), "not compatible with sparse gradients"),
    ],
)
def test_other_optimizers_say_so(make, words):
    layer = nn.Embedding(4, 2, sparse=True)
    before = layer.weight.detach().clone()
    layer(fastnn.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match=words):
        make(layer.parameters()).step()
    assert (layer.weight == before).all()
    dense = nn.Linear(2, 2)
    dense(fastnn.ones(1, 2)).sum().backward()
    with pytest.raises(RuntimeError, match="does not support dense gradients"):
        optim.SparseAdam(dense.parameters()).step()


def test_momentum_is_that_of_the_dense_gradient():
    results = []
    for sparse in (True, False):
        fastnn.manual_seed(0)
        layer = nn.Embedding(5, 2, sparse=sparse)
        optimizer = optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, nesterov=True)
        for i in range(4):
            optimizer.zero_grad()
            (layer(fastnn.tensor([i, 1, i])) ** 2).sum().backward()
            optimizer.step()
        results.append(layer.weight.detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-6)


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("padding_idx", [None, 2])
@pytest.mark.parametrize("by_frequency", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_bags_equal_torch(mode, padding_idx, by_frequency, sparse, rng):
    table, ids = rng.standard_normal((9, 4)), rng.integers(0, 9, 14)
    weights = rng.standard_normal(14) if mode == "sum" and not by_frequency else None
    for offsets, last in (([0, 3, 3, 9], False), ([0, 3, 3, 9, 14], True)):
        results = []
        for lib in (fastnn, torch):
            rows = sparse and (lib is fastnn or not by_frequency)  # PyTorch has not both
            layer = lib.nn.EmbeddingBag(9, 4, mode=mode, padding_idx=padding_idx, scale_grad_by_freq=by_frequency, sparse=rows, include_last_offset=last, dtype=lib.float64)
            with lib.no_grad():
                layer.weight.copy_(lib.from_numpy(table))
            p = None if weights is None else lib.from_numpy(weights).requires_grad_(lib is fastnn or not rows)
            y = layer(lib.from_numpy(ids), lib.tensor(offsets), p)
            (y**2).sum().backward()
            g = layer.weight.grad
            assert g.is_sparse == rows
            results.append((y.detach().numpy(), (g.to_dense() if rows else g).numpy()))
        np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-12)
        np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-12)


def test_bags_train_and_have_second_derivatives(rng):
    results = []
    for lib in (fastnn, torch):
        layer = lib.nn.EmbeddingBag(9, 4, mode="sum", sparse=True, dtype=lib.float64)
        with lib.no_grad():
            layer.weight.copy_(lib.from_numpy(np.arange(36.0).reshape(9, 4) / 10))
        optimizer = lib.optim.SparseAdam(layer.parameters(), lr=0.1)
        for ids in ([[1, 2], [2, 2]], [[3, 1], [0, 4]]):
            optimizer.zero_grad()
            (layer(lib.tensor(ids)) ** 2).sum().backward()
            optimizer.step()
        results.append(layer.weight.detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-12)
    w, p = (fastnn.from_numpy(rng.standard_normal(s)).requires_grad_() for s in ((5, 3), (4,)))
    ids, offsets = fastnn.tensor([1, 0, 1, 4]), fastnn.tensor([0, 1])

    def bags(w, p, sparse=True, **options):
        return F.embedding_bag(ids, w, offsets, mode="sum", per_sample_weights=p, sparse=sparse, **options).sin()

    grads = [fastnn.autograd.grad(bags(w, p, sparse).sum(), (w, p), create_graph=True) for sparse in (True, False)]
    again = [fastnn.autograd.grad((a**2).sum() + (b**2).sum(), (w, p)) for a, b in grads]
    for mine, theirs in zip(again[0], again[1], strict=True):
        mine = mine.to_dense() if isinstance(mine, RowSparse) else mine
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-12)
    for options, words in ((dict(sparse=True), "sparse weights"), (dict(scale_grad_by_freq=True), "by the frequency")):
        with pytest.raises(ValueError, match=words):
            F.embedding_bag(ids, w, offsets, mode="max", **options)
