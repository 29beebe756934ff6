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
        lambda: D.Chi2(-1.0),
        lambda: D.Multinomial(-1, fn.tensor([0.5, 0.5])),
    ],
)
def test_errors(call):
    with pytest.raises(ValueError):
        call()
    with pytest.raises(NotImplementedError):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Cauchy(0.0, 1.0))


def test_gamma_draws_of_plain_numbers():
    for d in (D.StudentT(5.0), D.Chi2(3.0), D.NegativeBinomial(3.0, 0.4), D.FisherSnedecor(3.0, 7.0), D.InverseGamma(3.0, 2.0), D.Gamma(2.0, 1.0)):
        assert d.sample().shape == () and d.sample().dtype is fn.float32


def test_correlations_from_lkj():
    d = D.LKJCholesky(4, 2.0)
    factors = d.sample((2000,))
    assert bool(D.constraints.corr_cholesky.check(factors).all())
    corr = (factors @ factors.mT).numpy()
    off = corr[:, np.tril_indices(4, -1)[0], np.tril_indices(4, -1)[1]]
    # each correlation is 2 B - 1 with B from Beta(a, a), a = concentration - 1 + dim / 2: of variance 1 / (2 a + 1)
    np.testing.assert_allclose(off.mean(0), 0, atol=0.04)
    np.testing.assert_allclose(off.var(0), 1 / 7, atol=0.02)
    r = np.linspace(-0.9999, 0.9999, 20001)  # two variables: the density in r, times dr / dL = 1 of L[1, 0] = r, has integral 1
    grid = np.zeros((r.size, 2, 2))
    grid[:, 0, 0], grid[:, 1, 0], grid[:, 1, 1] = 1, r, np.sqrt(1 - r**2)
    p = np.exp(D.LKJCholesky(2, fn.tensor(2.5, dtype=fn.float64)).log_prob(fn.tensor(grid)).numpy())
    assert abs(np.sum((p[1:] + p[:-1]) / 2 * np.diff(r)) - 1) < 1e-3
    with pytest.raises(ValueError, match="dim"):
        D.LKJCholesky(1)


def test_cdfs_and_their_inverses():
    k = D.Kumaraswamy(2.0, 3.0)
    p = fn.tensor([0.1, 0.5, 0.9])
    np.testing.assert_allclose(k.cdf(k.icdf(p)).numpy(), p.numpy(), rtol=1e-5)
    x = fn.tensor([0.5, 2.0])
    np.testing.assert_allclose(D.InverseGamma(1.0, 2.0).cdf(x).numpy(), np.exp(-2 / x.numpy()), rtol=1e-5)


def test_utils():
    from fastnn.distributions.utils import (
        lazy_property,
        logits_to_probs,
        probs_to_logits,
        tril_matrix_to_vec,
        vec_to_tril_matrix,
    )

    p = fn.tensor([0.2, 0.8])
    np.testing.assert_allclose(logits_to_probs(probs_to_logits(p)).numpy(), p.numpy(), rtol=1e-6)
    np.testing.assert_allclose(logits_to_probs(probs_to_logits(p, is_binary=True), is_binary=True).numpy(), p.numpy(), rtol=1e-6)
    m = vec_to_tril_matrix(fn.arange(1.0, 7.0))
    assert m.tolist() == [[1, 0, 0], [2, 3, 0], [4, 5, 6]] and tril_matrix_to_vec(m).tolist() == [1, 2, 3, 4, 5, 6]
    with pytest.raises(ValueError, match="lower triangular"):
        vec_to_tril_matrix(fn.ones(4))

    class Slow:
        asked = 0

        @lazy_property
        def value(self):
            self.asked += 1
            return 3

    s = Slow()
    assert (s.value, s.value, s.asked) == (3, 3, 1)


ACROSS = {
    "Beta": ((2.0, 0.7), (0.6, 1.5)), "ContinuousBernoulli": ((0.3, 0.8),), "Exponential": ((1.5, 0.4),), "Gamma": ((2.0, 0.7), (1.3, 0.5)),
    "Gumbel": ((0.2, -1.0), (1.2, 0.6)), "HalfCauchy": ((1.0, 2.5),), "InverseGamma": ((2.0, 0.7), (1.3, 0.5)), "Laplace": ((0.2, -1.0), (1.2, 0.6)),
    "Normal": ((0.2, -1.0), (1.2, 0.6)), "Pareto": ((0.5, 1.2), (2.5, 3.0)), "Uniform": ((0.1, 0.3), (0.9, 2.0)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ACROSS)
def test_divergences_across_families_equal_torch(kind):
    torch = pytest.importorskip("torch")

    def both(name):
        return [getattr(d, name)(*(m.tensor(a, dtype=m.float64) for a in ACROSS[name])) for m, d in ((fn, D), (torch, torch.distributions))]

    for other in ACROSS:
        (p, t), (q, u) = both(kind), both(other)
        if (kind, other) == ("ContinuousBernoulli", "Uniform"):
            continue  # PyTorch: infinite where the support is [0, 1]
        try:
            expected = torch.distributions.kl_divergence(t, u)
        except NotImplementedError:
            continue
        np.testing.assert_allclose(D.kl_divergence(p, q).numpy(), expected.numpy(), 1e-6, 1e-12, err_msg=f"{kind} {other}")


def test_divergences_are_integrals():
    """By quadrature, without torch: of a uniform p, whose support is finite, to each family that covers it."""
    p, x = D.Uniform(0.2, 0.7), fn.linspace(0.2, 0.7, 20001, dtype=fn.float64)
    for q in (D.Beta(2.0, 3.0), D.ContinuousBernoulli(0.3), D.Exponential(1.5), D.Gamma(2.0, 3.0), D.Gumbel(0.1, 0.5), D.Pareto(0.1, 2.0)):
        inner = (math.log(2) - q.log_prob(x)).numpy()
        assert D.kl_divergence(p, q).item() == pytest.approx((inner[1:-1].sum() + inner[[0, -1]].mean()) / 20000, rel=1e-5)
    assert D.kl_divergence(p, D.Uniform(0.3, 0.9)).item() == D.kl_divergence(D.Normal(0.0, 1.0), p).item() == math.inf


def test_certain_outcomes_have_finite_gradients():
    probs = fn.tensor([0.0, 0.4, 1.0], requires_grad=True)
    d = D.Binomial(2, probs)
    assert np.isfinite(d.entropy().detach().numpy()).all()
    d.log_prob(fn.tensor([0.0, 1.0, 2.0])).sum().backward()
    assert probs.grad[0] == 0 and probs.grad[2] == 0 and probs.grad[1].item() == pytest.approx(1 / 0.4 - 1 / 0.6)


def test_one_hot_log_prob_is_of_the_index():
    """As PyTorch's: the draws of the straight-through estimator get no gradient through their log_prob."""
    logits = fn.tensor([[0.3, -1.0, 0.5]], requires_grad=True)
    d = D.OneHotCategoricalStraightThrough(logits=logits, validate_args=False)
    value = fn.eye(3).requires_grad_()
    assert d.log_prob(value).tolist() == D.Categorical(logits=logits).log_prob(fn.arange(3)).tolist()
    assert fn.autograd.grad(d.log_prob(value).sum(), value, allow_unused=True) == (None,)


def test_relaxed_one_hot_expands():
    d = D.RelaxedOneHotCategorical(fn.tensor([0.5]), fn.tensor([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]))
    x = d.rsample()
    wide = d.expand((4, 2))
    assert wide.rsample().shape == (4, 2, 3) and wide.log_prob(x).tolist() == [d.log_prob(x).tolist()] * 4


def test_corr_cholesky_transform(rng):
    x = fn.from_numpy(rng.standard_normal((4, 3)))
    t = D.transform_to(D.constraints.corr_cholesky)
    y = t(x)
    assert bool(D.constraints.corr_cholesky.check(y).all())
    np.testing.assert_allclose(t.inv(y).numpy(), x.numpy(), atol=1e-6)


def test_transforms_take_their_parameters_shapes():
    loc, scale = fn.tensor([0.5, -1.0, 2.0]), fn.tensor([2.0, -3.0, 0.5])
    d = D.TransformedDistribution(D.Normal(0.0, 1.0), D.AffineTransform(loc, scale))
    assert d.batch_shape == (3,) and d.sample((2,)).shape == (2, 3)
    np.testing.assert_allclose(d.log_prob(loc).numpy(), D.Normal(loc, scale.abs()).log_prob(loc).numpy(), 1e-6)
    again = D.TransformedDistribution(D.Normal(0.0, 2.0), D.AffineTransform(loc.clone(), scale.clone()))
    assert D.AffineTransform(loc, scale) == D.AffineTransform(loc.clone(), scale.clone()) != D.AffineTransform(loc, 1.0)
    assert D.kl_divergence(d, again).tolist() == [D.kl_divergence(D.Normal(0.0, 1.0), D.Normal(0.0, 2.0)).item()] * 3
    assert d.cdf(loc).tolist() == [0.5] * 3
    with pytest.raises(NotImplementedError, match="AbsTransform"):  # not by its inverse: two numbers have the same magnitude
        D.TransformedDistribution(D.Normal(0.0, 1.0), D.AbsTransform()).cdf(fn.tensor(1.0))
    for transform, shape in ((D.StickBreakingTransform(), ()), (D.CorrCholeskyTransform().inv, (3, 2))):
        with pytest.raises(ValueError, match="Too few|not square"):
            transform.forward_shape(shape)


def test_constraints_of_parts_and_of_matrices():
    c = D.constraints
    x = fn.tensor([[1.0, 2.0], [-1.0, 2.0]])
    both = c.stack([c.positive, c.real], -1)
    assert both.check(x).tolist() == [[True, True], [False, True]] and repr(both) == "Stack()"
    for registry in (D.biject_to, D.transform_to):
        y = registry(both)(x)
        assert y[:, 1].tolist() == [2, 2] and both.check(y).all()
        assert c.positive.check(registry(c.cat([c.positive, c.positive], -1))(x)).all()
    for kind in (c.square, c.symmetric, c.positive_definite, c.positive_semidefinite):
        assert not kind.check(fn.ones(2, 3))
    assert c.square.check(fn.ones(2, 2)) and not c.nonnegative_integer.check(fn.tensor(math.inf))
    assert c.positive_semidefinite.check(D.transform_to(c.positive_semidefinite)(fn.ones(2, 2)))


def test_printed_without_the_parameters_of_what_it_is_made_of():
    torch = pytest.importorskip("torch")
    texts = []
    for t in (torch, fn):
        d = t.distributions
        made = [d.LogNormal(0.0, 1.0), d.HalfNormal(1.0), d.Chi2(1.0), d.InverseGamma(1.0, 2.0), d.OneHotCategorical(t.ones(3)), d.Gamma(1.0, 2.0)]
        made += [d.ComposeTransform([d.ExpTransform(), d.AffineTransform(1.0, 2.0)]).inv]
        texts.append(repr(made).replace("fastnn", "torch"))
    assert texts[0] == texts[1]


def test_matrices_of_wishart():
    cov, df = fn.tensor(COV), fn.tensor([4.0, 6.0])
    d = D.Wishart(df, covariance_matrix=cov)
    assert d.precision_matrix.shape == d.scale_tril.shape == d.covariance_matrix.shape == (2, 3, 3)
    np.testing.assert_allclose((d.precision_matrix @ cov).numpy(), [np.eye(3)] * 2, atol=1e-5)
    np.testing.assert_allclose(D.Wishart(df, scale_tril=d.scale_tril).covariance_matrix.numpy(), [COV] * 2, rtol=1e-5)
