"""fastnn.masked: what reductions leave out, against PyTorch where installed."""

import math

import numpy as np
import pytest

import fastnn
from fastnn import masked

REDUCTIONS = "amax amin argmax argmin logsumexp mean median norm prod std sum var".split()
SHAPED = "cumprod cumsum log_softmax softmax softmin".split()


def test_nothing_takes_part():
    x, none = fastnn.tensor([1.0, 2.0]), fastnn.tensor([False, False])
    of = {name: getattr(masked, name)(x, 0, mask=none).item() for name in "amax amin logsumexp sum prod".split()}
    assert of == {"amax": -math.inf, "amin": math.inf, "logsumexp": -math.inf, "sum": 0, "prod": 1}
    assert masked.norm(x, 2.0, 0, mask=none).item() == 0 and math.isnan(masked.mean(x, 0, mask=none).item())
    assert masked.sum(fastnn.tensor([True, True])).item() == 2 and masked.amax(x.int(), 0, mask=none).item() == -(2**31)
    with pytest.raises(ValueError, match="fully masked out"):
        masked.median(x.int(), 0, mask=none)
    with pytest.raises(ValueError, match="floating point or complex"):
        masked.mean(x.int())
    with pytest.raises(IndexError, match="dimensionality"):
        masked.sum(x, mask=none.expand(2, 2))


@pytest.mark.parametrize("name", REDUCTIONS + SHAPED)
def test_like_pytorch(name, rng):
    torch, theirs = pytest.importorskip("torch"), pytest.importorskip("torch.masked")
    a, m = rng.standard_normal((3, 4, 5)), rng.random((4, 5)) > 0.4
    m[:, 0], m[0] = True, True
    for dims in (0, 1, -1) if name in SHAPED or "arg" in name or name == "median" else (1, (0, 2), None):
        args = (2.0, dims) if name == "norm" else (dims,)
        x, t = fastnn.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
        mine, their = getattr(masked, name)(x, *args, mask=fastnn.tensor(m)), getattr(theirs, name)(t, *args, mask=torch.tensor(m))
        np.testing.assert_allclose(mine.detach().numpy(), their.detach().numpy(), 1e-12)
        if their.requires_grad and "log_softmax" not in name:
            mine.sin().sum().backward()
            their.sin().sum().backward()
            np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), 1e-9, 1e-12)


def test_normalize_and_logaddexp():
    x, m = fastnn.tensor([3.0, 4.0, 12.0]), fastnn.tensor([True, True, False])
    np.testing.assert_allclose(masked.normalize(x, 2.0, 0, mask=m).numpy(), [0.6, 0.8, 0], 1e-6)
    assert masked.logaddexp(x, x, other_mask=~m).tolist()[:2] == [3, 4]
