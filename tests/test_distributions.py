"""fastnn.distributions: densities against quadrature and sums, draws against means, everything against PyTorch where installed."""

import math

import numpy as np
import pytest

import fastnn as fn
from fastnn import distributions as D

SCALE, LOC = [[0.3, 1.2], [2.0, 0.7]], [[0.5, -1.0], [2.0, 0.0]]
ROWS, CHANCES = [[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], [0.2, 0.9]
COV = [[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.5]]
CASES = {
    "Normal": (LOC, SCALE),
    "LogNormal": (LOC, SCALE),
    "HalfNormal": (SCALE,),
    "Uniform": ([0.0, 1.0], [2.0, 1.5]),
    "Exponential": (SCALE,),
    "Laplace": (LOC, SCALE),
    "Gumbel": (LOC, SCALE),
    "Bernoulli": (CHANCES,),
    "Geometric": (CHANCES,),
    "Categorical": (ROWS,),
    "OneHotCategorical": (ROWS,),
    "MultivariateNormal": ([1.0, 0.0, -1.0], COV),
}


def made(name, library=fn, module=D):
    return getattr(module, name)(*(library.tensor(a) for a in CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_draws(name):
    fn.manual_seed(0)
    d = made(name)
    x = d.sample((20000,))
    assert x.shape == (20000, *d.batch_shape, *d.event_shape) and not x.requires_grad
    assert d.log_prob(x).shape == (20000, *d.batch_shape) and d.entropy().shape == d.batch_shape
    if name != "Categorical":
        error = (x.double().mean(0) - d.mean) / (d.stddev / math.sqrt(20000))
        assert error.abs().max().item() < 5
    if name != "LogNormal":  # the entropy is the mean of -log p
        assert abs((-d.log_prob(x)).mean(0) - d.entropy()).max().item() < 0.05


@pytest.mark.parametrize("name", CASES)
def test_like_pytorch(name):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    ours, theirs = made(name), made(name, torch, torch.distributions)
    x = theirs.sample((4,))
    pairs = [(ours.log_prob(fn.from_numpy(x.numpy())), theirs.log_prob(x)), (ours.entropy(), theirs.entropy())]
    pairs += [(getattr(ours, a), getattr(theirs, a)) for a in ("mean", "variance", "stddev")]
    for mine, their in pairs:
        np.testing.assert_allclose(mine.numpy(), their.numpy(), 2e-5, 1e-6)
    assert ours.has_rsample == theirs.has_rsample
    if (type(ours), type(ours)) in D.kl._TABLE:
        mine = D.kl_divergence(ours, ours.expand(ours.batch_shape))
        np.testing.assert_allclose(mine.numpy(), 0, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in CASES if made(n).has_rsample])
def test_gradients_reach_the_parameters(name):
    parts = [fn.tensor(a, requires_grad=True) for a in CASES[name]]
    getattr(D, name)(*parts).rsample((3,)).sum().backward()
    assert all(p.grad is not None for p in parts)


def test_policy_gradient_and_independent():
    logits = fn.zeros(5, 3, requires_grad=True)
    d = D.Categorical(logits=logits)
    action = d.sample()
    d.log_prob(action).sum().backward()
    expected = np.eye(3)[action.numpy()] - 1 / 3
    np.testing.assert_allclose(logits.grad.numpy(), expected, 1e-5, 1e-6)
    d = D.Independent(D.Normal(fn.zeros(4, 3), fn.ones(4, 3)), 1)
    assert d.batch_shape == (4,) and d.event_shape == (3,) and d.log_prob(d.sample()).shape == (4,)
    assert D.kl_divergence(d, d).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: D.Normal(0.0, -1.0),
        lambda: D.Normal(0.0, 1.0).log_prob(fn.tensor(math.nan)),
        lambda: D.Categorical(fn.tensor([-1.0, 2.0])),
        lambda: D.Categorical(fn.tensor(0.5)),
        lambda: D.Categorical(fn.tensor([0.5, 0.5])).log_prob(fn.tensor(2)),
        lambda: D.Categorical(),
        lambda: D.Bernoulli(fn.tensor(2.0)),
        lambda: D.Bernoulli(0.5).log_prob(fn.tensor(0.5)),
        lambda: D.Uniform(1.0, 0.0),
        lambda: D.MultivariateNormal(fn.zeros(2), -fn.eye(2)),
        lambda: D.Independent(D.Normal(0.0, 1.0), 1),
    ],
)
def test_errors(call):
    with pytest.raises(ValueError):
        call()
    with pytest.raises(NotImplementedError):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Uniform(0.0, 1.0))
