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
        (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), "not compatible with sparse gradients"),
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
