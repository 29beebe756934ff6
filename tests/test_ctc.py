"""The CTC loss against PyTorch in float64, in all its argument forms, and with bad input."""

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn import nn

torch = pytest.importorskip("torch")


def both(rng, steps=12, batch=3, classes=5, width=4):
    x = rng.standard_normal((steps, batch, classes))
    targets = rng.integers(1, classes, (batch, width))
    return x, targets


def compare(x, args_of, **options):
    """Loss and gradient with respect to the logits, in both libraries."""
    mine, theirs = fastnn.from_numpy(x.copy()).requires_grad_(), torch.from_numpy(x.copy()).requires_grad_()
    a = F.ctc_loss(mine.log_softmax(-1), *args_of(fastnn), **options)
    b = torch.nn.functional.ctc_loss(theirs.log_softmax(-1), *args_of(torch), **options)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-12)
    if np.isfinite(b.detach().numpy()).all():
        (a * a).sum().backward()
        (b * b).sum().backward()
        np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_equals_torch(reduction, rng):
    x, targets = both(rng)
    ins, lens = [12, 9, 5], [4, 0, 3]
    compare(x, lambda lib: (lib.tensor(targets), lib.tensor(ins), lib.tensor(lens)), reduction=reduction)
    compare(x, lambda lib: (lib.tensor(targets), tuple(ins), tuple(lens)), reduction=reduction, blank=0)
    flat = np.concatenate([t[:n] for t, n in zip(targets, lens, strict=True)])
    compare(x, lambda lib: (lib.tensor(flat), tuple(ins), tuple(lens)), reduction=reduction)
    compare(x - 3, lambda lib: (lib.tensor((targets + 1) % 5), lib.tensor(ins), lib.tensor(lens)), reduction=reduction, blank=1)
    if reduction != "none":  # where one sequence has a shape () in one form and () in the other
        compare(x[:, 0], lambda lib: (lib.tensor(targets[0]), (12,), (4,)), reduction=reduction)
    compare(x[:, 0], lambda lib: (lib.tensor(targets[0]), lib.tensor(12), lib.tensor(4)), reduction=reduction)


def test_target_that_does_not_fit(rng):
    x, _ = both(rng, steps=3, batch=2)
    targets = fastnn.tensor([[1, 1, 1, 2], [1, 2, 3, 4]])
    lengths = fastnn.tensor([3, 3]), fastnn.tensor([3, 3])  # 1 1 1 needs two blanks between
    t = fastnn.from_numpy(x).requires_grad_()
    loss = F.ctc_loss(t.log_softmax(2), targets, *lengths, reduction="none")
    assert np.isinf(loss.detach().numpy()[0]) and np.isfinite(loss.detach().numpy()[1])
    loss.sum().backward()
    assert not t.grad.numpy()[:, 0].any() and np.isfinite(t.grad.numpy()).all()
    zero = nn.CTCLoss(reduction="none", zero_infinity=True)(t.log_softmax(2), targets, *lengths).detach().numpy()
    assert zero[0] == 0 and zero[1] == loss.detach().numpy()[1]
    gone = F.ctc_loss(t.log_softmax(2), targets, (0, 0), (0, 1), reduction="none").detach().numpy()
    assert gone[0] == 0 and np.isinf(gone[1])


def test_long_and_peaked_sequences(rng):
    for dtype, scale in (("float32", 30.0), ("float64", 300.0)):
        x = (rng.standard_normal((600, 2, 30)) * scale).astype(dtype)
        targets = rng.integers(1, 30, (2, 100))
        x[200:, 1], a = np.float64(-1e4) if dtype == "float64" else -1e3, fastnn.from_numpy(x)
        b = torch.from_numpy(x.astype(np.float64)).log_softmax(2)
        want = torch.nn.functional.ctc_loss(b, torch.from_numpy(targets), (600, 600), (100, 90), reduction="none").numpy()
        got = F.ctc_loss(a.log_softmax(2), fastnn.tensor(targets), (600, 600), (100, 90), reduction="none").numpy()
        np.testing.assert_allclose(got, want, rtol=1e-4 if dtype == "float32" else 1e-12)


BAD = [
    (dict(input_lengths=(4, 3)), RuntimeError, "input_lengths to have value at most 3, but got value 4"),
    (dict(input_lengths=(-1, 3)), RuntimeError, "at least 0, but got value -1"),
    (dict(target_lengths=(4, 3)), RuntimeError, "target_lengths to have value at most 3"),
    (dict(target_lengths=(3,)), RuntimeError, "target_lengths must be of size batch_size"),
    (dict(input_lengths=(3,)), RuntimeError, "input_lengths must be of size batch_size"),
    (dict(input_lengths=(3.0, 3.0)), TypeError, "must be integers"),
    (dict(blank=4), ValueError, "blank must be in label range"),
    (dict(targets=fastnn.tensor([[1, 9, 1], [1, 1, 1]])), IndexError, "index 9 is out of bounds"),
    (dict(targets=fastnn.tensor([1, 1, 1, 1])), RuntimeError, "Expected tensor to have size 6"),
    (dict(targets=fastnn.ones(2, 3)), RuntimeError, "targets must be integers"),
    (dict(targets=fastnn.tensor([[1, 1, 1]])), RuntimeError, "do not fit"),
    (dict(reduction="other"), ValueError, "not a valid value for reduction"),
]


@pytest.mark.parametrize("change, kind, words", BAD, ids=range(len(BAD)))
def test_bad_input(change, kind, words):
    args = dict(log_probs=fastnn.zeros(3, 2, 4), targets=fastnn.tensor([[1, 2, 3], [1, 1, 2]]), input_lengths=(3, 3), target_lengths=(3, 3))
    with pytest.raises(kind, match=words):
        F.ctc_loss(**{**args, **change})
