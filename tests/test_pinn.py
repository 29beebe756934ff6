"""Derivatives by name, conditions, training, checkpoints: each on a small case with an exact answer."""

import math

import numpy as np
import pytest

import fastnn
from fastnn import nn, pinn
from fastnn.pinn import d
from fastnn.pinn.fields import Fields

PI = math.pi
SQUARE = pinn.Rectangle((0, 0), (2, 1))


class Exact(nn.Module):
    """A network that is a known function of its columns, plus a parameter that is zero."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.zero = nn.Parameter(fastnn.zeros(1, dtype=fastnn.float64))

    def forward(self, x):
        return self.function(*[x[:, i : i + 1] for i in range(x.shape[1])]) + self.zero


# ---- derivatives ------------------------------------------------------------------------------------------------------------


def test_derivatives_by_name():
    net = Exact(lambda x, t: fastnn.sin(2 * x) * t**3 + x**4)
    domain = pinn.Interval(-1, 1) * pinn.Time(0, 2)
    problem = pinn.Problem(domain, net, [pinn.Equation(lambda u: u, points=5)])
    p = domain.sample(40, rng=1)
    x, t = p.T
    for function, exact in [
        (lambda u: u, np.sin(2 * x) * t**3 + x**4),
        (lambda u: d(u, "x"), 2 * np.cos(2 * x) * t**3 + 4 * x**3),
        (lambda u: d(u, "t", "x", "t"), 12 * np.cos(2 * x) * t),
        (lambda u: d(d(u, "x"), "t"), 6 * np.cos(2 * x) * t**2),
        (lambda u: d(u, "x", "x", "x", "x"), 16 * np.sin(2 * x) * t**3 + 24),
        (lambda u, x: d(x * d(u, "x"), "x"), 2 * np.cos(2 * x) * t**3 + 4 * x**3 + x * (-4 * np.sin(2 * x) * t**3 + 12 * x**2)),
        (lambda u: pinn.laplacian(u), -4 * np.sin(2 * x) * t**3 + 12 * x**2),
        (lambda x: d(x, "t"), 0 * x),
    ]:
        np.testing.assert_allclose(problem.evaluate(function, p), exact, rtol=1e-11, atol=1e-11)


def test_gradients_of_residuals_equal_torch():
    """Loss of a Burgers residual and its gradient by the weights, against PyTorch's nested autograd in float64."""
    torch = pytest.importorskip("torch")
    fastnn.manual_seed(0)
    domain = pinn.Interval(-1, 1) * pinn.Time(-1, 1)
    net = pinn.MLP(domain, [8, 8])
    problem = pinn.Problem(domain, net, [pinn.Equation(lambda u: d(u, "t") + u * d(u, "x") - 0.1 * d(u, "x", "x"), points=30)])
    losses, _ = problem.losses()
    ours = fastnn.autograd.grad(losses["equation"], problem.parameters(), allow_unused=True)
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    for p, q in zip(net.parameters(), theirs.parameters(), strict=True):
        q.data = torch.tensor(p.detach().numpy())
    x = torch.tensor(problem.terms[0].points, requires_grad=True)
    u = theirs(x)
    (g,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    (gg,) = torch.autograd.grad(g[:, 0].sum(), x, create_graph=True)
    loss = ((g[:, 1] + u[:, 0] * g[:, 0] - 0.1 * gg[:, 0]) ** 2).mean()
    assert float(losses["equation"].detach()) == pytest.approx(loss.item(), rel=1e-12)
    for mine, other in zip(ours, torch.autograd.grad(loss, theirs.parameters(), allow_unused=True), strict=True):
        other = np.zeros(mine.shape if mine is not None else 1) if other is None else other.numpy()
        mine = np.zeros_like(other) if mine is None else mine.numpy()
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-13)


class Nested(nn.Module):
    """A network without its method jet, so that derivatives are nested gradients."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, **options):
        return self.net(x, **options)


class Sine(nn.Module):
    def forward(self, x):
        return fastnn.sin(2 * x)


FEATURES = [lambda: pinn.FourierFeatures(2, 4, rng=0), lambda: pinn.PeriodicFeatures(2, 0, 3.0, 2)]


@pytest.mark.parametrize(
    "activation,features", [(a, None) for a in (nn.Tanh, nn.Sigmoid, nn.SiLU, nn.GELU, nn.Softplus, Sine)] + [(nn.Tanh, f) for f in FEATURES]
)
def test_jets_equal_nested_gradients(activation, features):
    """Values, losses and gradients by the weights of residuals with mixed, high and total derivatives, with a transform."""
    domain = pinn.Interval(-1, 2) * pinn.Time(0, 3)
    fastnn.manual_seed(1)
    net = pinn.MLP(domain, [7, 6], 2, activation=activation, features=features and features())

    def system(u, v, x):
        first = d(u, "t") + u * d(v, "x", "x") - d(x * d(v, "x"), "t")
        return first, d(u, "x", "x", "x") * d(v, "x", "t") + d(u * v, "x", "x") + d(x * x, "x") * v

    for transform in (None, lambda x, t, u, v: (x * (1 - x) * u + t, u * v)):
        both = []
        for network in (net, Nested(net)):
            problem = pinn.Problem(domain, network, [pinn.Equation(system, points=9)], outputs=("u", "v"), transform=transform)
            problem.losses()  # from the second time on, one pass has all that was asked for
            loss = problem.losses()[0]["system"]
            grads = fastnn.autograd.grad(loss, list(net.parameters()), allow_unused=True, materialize_grads=True)
            points = problem.terms[0].points
            values = [problem.evaluate(lambda v: d(v, "t", "x"), points), problem.predict(points)]
            both.append([float(loss.detach()), *(g.detach().numpy() for g in grads), *values])
        assert net.jet is not None
        for mine, other in zip(*both, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-9 * np.abs(other).max())


def test_jets_of_subdomains():
    left, right = pinn.Interval(-1, 0), pinn.Interval(0, 1)
    net = pinn.Subdomains([left, right], [5, 5])
    both = []
    for network in (net, Nested(net)):
        network.geometries = net.geometries
        terms = [pinn.Equation(lambda u: d(u, "x", "x") + u, points=20), pinn.Interface(flux=lambda u: (d(u, "x"),))]
        losses = pinn.Problem(left + right, network, terms).losses()[0]
        both.append([float(v.detach()) for v in losses.values()])
    np.testing.assert_allclose(*both, rtol=1e-11)


def test_which_networks_have_a_jet():
    features = pinn.FourierFeatures(1, 4)
    assert pinn.MLP(1, [3]).jet is not None
    assert pinn.MLP(1, [3], features=features).jet is not None
    assert Fields(pinn.MLP(1, [3])[:], fastnn.zeros(2, 1).double(), ["x"], ["u"]).jets is not None  # a plain Sequential
    assert Fields(Nested(pinn.MLP(1, [3])), fastnn.zeros(2, 1).double(), ["x"], ["u"]).jets is None
    assert pinn.MLP(1, [3], activation=nn.ELU).jet is None
    net = pinn.MLP(pinn.Interval(0, 1), [3, 4])
    x = fastnn.rand(5, 1).double()
    assert fastnn.equal(net[1:](net[0](x)), net(x)) and len(net[1:]) == 5 and type(net[:2]) is nn.Sequential
    assert pinn.MLP(1, [3], activation=lambda: nn.GELU(approximate="tanh")).jet is None


def test_bad_derivatives():
    u = fastnn.ones(3, 1)
    with pytest.raises(RuntimeError, match="only inside a residual function"):
        d(u, "x")
    for function, error, message in [
        (lambda u: d(u, "y"), ValueError, "no coordinate 'y'; there are x"),
        (lambda u: d(3.0, "x"), TypeError, "expected an output of the network"),
        (lambda v: v, ValueError, "has an argument 'v'; there are x, u"),
        (lambda u: u[:, 0], ValueError, r"gave shape \[5\], expected \[5, 1\]"),
        (lambda u: 0.0, TypeError, "must return tensors"),
    ]:
        problem = pinn.Problem(pinn.Interval(0, 1), Exact(lambda x: x), [pinn.Equation(function, points=5)])
        with pytest.raises(error, match=message):
            problem.losses()


# ---- terms ------------------------------------------------------------------------------------------------------------------


def loss_of(net, domain, term, **options):
    losses, _ = pinn.Problem(domain, net, [term], **options).losses()
    return float(losses[term.name].detach())


def test_conditions_vanish_on_the_solution_and_only_there():
    disk = pinn.Disk((0, 0), 1)
    wave = pinn.Interval(0, 2 * PI) * pinn.Time(0, 1)
    u, v = Exact(lambda x, y: x * x - y), Exact(lambda x, t: fastnn.sin(x) * fastnn.cos(t))
    for net, domain, term in [
        (u, disk, pinn.Dirichlet(lambda x, y: x * x - y)),
        (u, disk, pinn.Neumann(lambda x, y: 2 * x * x - y)),
        (u, disk, pinn.Robin(lambda u, x: u + x * x)),
        (u, SQUARE, pinn.Neumann(4.0, on="right")),
        (u, SQUARE, pinn.Condition(lambda u, x, y: u - x * x + y, on=["left", "top"])),
        (u, disk, pinn.Data([[0.5, 0.5], [0, 0.25]], [-0.25, -0.25])),
        (u, disk, pinn.Equation(lambda u: pinn.laplacian(u) - 2)),
        (v, wave, pinn.Initial(lambda x: fastnn.sin(x))),
        (v, wave, pinn.Initial(0.0, derivative=1)),
        (v, wave, pinn.Periodic("x", order=2)),
        (v, wave, pinn.Dirichlet(0.0, on="left")),
    ]:
        assert loss_of(net, domain, term) < 1e-24, term
        wrong = Exact(lambda a, b, f=net.function: f(a, b) * (1.1 + 0.2 * a * b) + 0.3 * a)
        assert loss_of(wrong, domain, term) > 1e-4 or isinstance(term, pinn.Dirichlet), term


def test_systems_outputs_and_transform():
    net = Exact(lambda t: fastnn.cat([fastnn.cos(t), fastnn.sin(t)], 1))
    domain = pinn.Time(0, 3)
    terms = [
        pinn.Equation(lambda p, q: (d(p, "t") + q, d(q, "t") - p), points=20, name="rotation"),
        pinn.Initial(1.0, output="p"), pinn.Initial(0.0, output="q"), pinn.Data([[1.0]], [[math.sin(1.0), math.cos(1.0)]], output=("q", "p")),
    ]  # fmt: skip
    problem = pinn.Problem(domain, net, terms, outputs=("p", "q"))
    assert list(problem.losses()[0]) == ["rotation", "initial", "initial 2", "data"]
    assert all(float(v.detach()) < 1e-24 for v in problem.losses()[0].values())
    assert problem.error([[0.5], [2.0]], np.sin([0.5, 2.0]), output="q") < 1e-15
    hard = pinn.Problem(pinn.Interval(0, 1), Exact(lambda x: x), [pinn.Dirichlet(0.0)], transform=lambda x, u: x * (1 - x) * u)
    assert float(hard.losses()[0]["dirichlet"].detach()) == 0
    np.testing.assert_allclose(hard.evaluate(lambda u: d(u, "x"), [0.3]), 2 * 0.3 - 3 * 0.09)
    both = pinn.Problem(domain, net, terms[:1], outputs=("p", "q"), transform=lambda p, q: (p * p, q * p))
    np.testing.assert_allclose(both.predict([[0.7]])[0], [math.cos(0.7) ** 2, math.cos(0.7) * math.sin(0.7)])


def test_bad_terms():
    net, domain = Exact(lambda x: x), pinn.Interval(0, 1)
    for term, message in [
        (lambda: pinn.Data([[0.5], [1.5]], [0, 0], name="sensors"), r"sensors: point 1 \(x=1.5\) is outside the geometry"),
        (lambda: pinn.Equation(lambda u: u, points=[[-3.0]]), r"equation: point 0 \(x=-3\) is outside"),
        (lambda: pinn.Dirichlet(0.0, on="top"), "dirichlet: there is no boundary 'top'; this geometry has left, right"),
        (lambda: pinn.Initial(0.0), "no boundary 'initial'"),
        (lambda: pinn.Periodic("y"), "no coordinate 'y'"),
        (lambda: pinn.Data([[0.5]], [1, 2]), r"values of shape \(2, 1\) for 1 points"),
        (lambda: pinn.Dirichlet(0.0, weight=-1), "weight must be a number >= 0"),
        (lambda: pinn.Equation(lambda u: u, points=-1), "equation: expected a number of points >= 0, got -1"),
        (lambda: pinn.Dirichlet(0.0, sampler="sobel"), "dirichlet: unknown sampler 'sobel'"),
    ]:
        with pytest.raises(ValueError, match=message):
            pinn.Problem(domain, net, [term()])
    with pytest.raises(ValueError, match="no output 'v'; there are u"):
        pinn.Problem(domain, net, [pinn.Dirichlet(0.0, output="v")]).losses()
    with pytest.raises(ValueError, match="different names"):
        pinn.Problem(domain, net, [], outputs=("x",))
    with pytest.raises(ValueError, match="no terms"):
        pinn.solve(pinn.Problem(domain, pinn.MLP(1, [4]), []), adam=1)
    with pytest.raises(ValueError, match=r"predict: point 0 \(x=2\) is outside"):
        pinn.Problem(domain, net, []).predict([2.0])
    with pytest.raises(ValueError, match=r"gives shape \[5, 1\] for 2 outputs"):
        pinn.Problem(domain, net, [pinn.Equation(lambda u: u, points=5)], outputs=("u", "v")).losses()


def test_features():
    x = fastnn.tensor(np.random.default_rng(0).uniform(-1, 1, (7, 2)))
    f = pinn.PeriodicFeatures(2, axis=0, period=2.0, harmonics=3)
    assert f(x).shape == (7, f.out_features) == (7, 7)
    shifted = x + fastnn.tensor([[2.0, 0.0]], dtype=fastnn.float64)
    np.testing.assert_allclose(f(shifted).numpy(), f(x).numpy(), atol=1e-13)
    f = pinn.FourierFeatures(2, 5, scale=3.0, rng=1)
    z = x.numpy() @ f.frequencies.numpy()
    np.testing.assert_allclose(f(x).numpy(), np.concatenate([np.cos(z), np.sin(z)], 1), atol=1e-14)
    net = pinn.MLP(SQUARE, [6], 3, features=f)
    assert net(x).shape == (7, 3) and len(list(net.parameters())) == 4
    np.testing.assert_allclose(pinn.Scale([0, 1], [2, 5])(fastnn.tensor([[0.0, 5.0]], dtype=fastnn.float64)).numpy(), [[-1, 1]])


# ---- training ---------------------------------------------------------------------------------------------------------------


def poisson(seed=0, **options):
    fastnn.manual_seed(seed)
    domain = pinn.Interval(-1, 1)
    terms = [
        pinn.Equation(lambda u, x: d(u, "x", "x") + PI**2 * fastnn.sin(PI * x), points=40, sampler="grid", name="poisson"),
        pinn.Dirichlet(0.0),
    ]
    return pinn.Problem(domain, pinn.MLP(domain, [12, 12]), terms, **options)


X = np.linspace(-1, 1, 101)


def test_adam_then_lbfgs_solves_poisson():
    problem = poisson()
    history = pinn.solve(problem, adam=100, lbfgs=150, lr=5e-3, record=50)
    assert problem.error(X, np.sin(PI * X)) < 1e-3
    assert history.step[:3] == [0, 50, 100] and history.loss[-1] < 1e-4 * history.loss[0]
    assert set(history.terms) == {"poisson", "dirichlet"}


def test_an_inverse_problem_finds_the_coefficient():
    domain = pinn.Time(0, 2)
    fastnn.manual_seed(0)
    t = np.linspace(0, 2, 15)
    y = np.exp(-1.3 * t) + 0.002 * np.random.default_rng(0).standard_normal(15)
    terms = [pinn.Equation(lambda u, k: d(u, "t") + k * u, points=30), pinn.Data(t, y)]
    problem = pinn.Problem(domain, pinn.MLP(domain, [10]), terms, coefficients={"k": 0.0})
    history = pinn.solve(problem, lbfgs=200)
    assert float(problem.coefficients["k"]) == pytest.approx(1.3, rel=0.02) == history.coefficients["k"][-1]


@pytest.mark.parametrize("kind", ["plain", "everything"])
def test_a_checkpoint_continues_bit_for_bit(tmp_path, kind):
    def options():
        if kind == "plain":
            return {}
        return dict(
            weights=pinn.GradNorm(every=4), attention=pinn.ResidualAttention("poisson"), refine=pinn.RAR("poisson", every=6, add=3),
            schedule=lambda o: fastnn.optim.lr_scheduler.ExponentialLR(o, 0.99),
        )  # fmt: skip

    whole, half, fresh = poisson(), poisson(), poisson(seed=5)
    pinn.solve(whole, adam=20, lbfgs=50, **options())
    path = tmp_path / "half.safetensors"
    pinn.solve(half, adam=13, checkpoint=path, **options())
    pinn.solve(fresh, adam=20, checkpoint=path, resume=True, **options())
    history = pinn.solve(fresh, adam=20, lbfgs=25, checkpoint=path, resume=True, **options())
    pinn.solve(fresh, adam=20, lbfgs=50, checkpoint=path, resume=True, **options())
    for p, q in zip(whole.parameters(), fresh.parameters(), strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())
    assert history.step == sorted(history.step)
    other = pinn.Problem(pinn.Interval(0, 1), pinn.MLP(1, [3]), [pinn.Dirichlet(0.0)])
    before = [p.tolist() for p in other.parameters()]
    with pytest.raises(ValueError, match="of another problem"):
        pinn.solve(other, adam=1, checkpoint=path, resume=True)
    assert before == [p.tolist() for p in other.parameters()]


def test_capture_is_the_plain_training_bit_for_bit():
    """Both optimizers, a schedule, and points that are added on the way."""
    both = []
    for capture in (False, True):
        problem = poisson()
        history = pinn.solve(
            problem, adam=10, lbfgs=10, record=1, capture=capture, refine=pinn.RAR("poisson", every=4, add=3),
            schedule=lambda optimizer: fastnn.optim.lr_scheduler.ExponentialLR(optimizer, 0.9),
        )  # fmt: skip
        both.append([history.loss, history.terms, [p.detach().numpy().tobytes() for p in problem.parameters()]])
    assert both[0] == both[1]
    with pytest.raises(ValueError, match="capture=True replays a fixed loss"):
        pinn.solve(poisson(), adam=1, capture=True, weights=pinn.GradNorm())
    problem = poisson()
    problem.terms[0].residual = lambda u: u * float(u.detach().sum())
    with pytest.raises(RuntimeError, match="item"):
        pinn.solve(problem, adam=3, capture=True)


@pytest.mark.parametrize("method", ["Adam", "L-BFGS"])
def test_a_loss_that_is_not_a_number_stops_with_the_last_good_parameters(method):
    calls, kept = [], []

    def broken(u):
        calls.append(0)
        if len(calls) == 4:
            kept.extend(before)
        before[:] = [p.detach().numpy().copy() for p in problem.parameters()]
        return u * (math.nan if len(calls) >= 4 and method == "Adam" else 1.0) + d(u, "x") * 0

    before = []
    domain = pinn.Interval(0, 1)
    problem = pinn.Problem(domain, pinn.MLP(domain, [4]), [pinn.Dirichlet(1.0), pinn.Equation(broken, points=5, name="heat")])
    if method == "Adam":
        with pytest.raises(pinn.Diverged, match=r"^the loss of 'heat' became nan at step 3 \(Adam\); the parameters of step 2 are kept$"):
            pinn.solve(problem, adam=10)
        for p, q in zip(problem.parameters(), kept, strict=True):
            np.testing.assert_array_equal(p.detach().numpy(), q)
    else:
        problem.terms[1].residual = lambda u: u / 0
        with pytest.raises(pinn.Diverged, match=r"'heat' became (inf|nan) at step 0 \(L-BFGS\); nothing was changed"):
            pinn.solve(problem, lbfgs=10)


def test_gradient_norms_balance():
    problem = poisson()
    weights = pinn.GradNorm(every=1, memory=0.0)
    losses, _ = problem.losses()
    weights.update(0, losses, problem.parameters())
    norms = {}
    for name, loss in losses.items():
        gs = fastnn.autograd.grad(weights.values[name] * loss, problem.parameters(), retain_graph=True, allow_unused=True)
        norms[name] = math.sqrt(sum(float((g * g).sum()) for g in gs if g is not None))
    assert norms["poisson"] == pytest.approx(norms["dirichlet"], rel=1e-9)


def test_refinement_goes_where_the_residual_is():
    domain = pinn.Interval(0, 1)
    problem = pinn.Problem(domain, Exact(lambda x: fastnn.exp(-((x - 0.8) ** 2) * 400)), [pinn.Equation(lambda u: u, points=30, name="e")])
    pinn.RAR("e", add=10, candidates=500)(problem, np.random.default_rng(0))
    added = problem.terms[0].points[30:]
    assert len(added) == 10 and np.abs(added - 0.8).max() < 0.03
    pinn.RAD("e", k=2, c=0.0, candidates=2000)(problem, np.random.default_rng(0))
    assert len(problem.terms[0].points) == 40 and np.abs(problem.terms[0].points - 0.8).mean() < 0.06
    with pytest.raises(ValueError, match="no equation 'f'"):
        pinn.RAR("f")(problem, None)
    with pytest.raises(ValueError, match="no term 'f'"):
        pinn.solve(problem, adam=1, attention=pinn.ResidualAttention("f"))


def test_subdomains_are_their_own_networks():
    left, right = pinn.Rectangle((-1, 0), (0, 1)), pinn.Rectangle((0, 0), (2, 1))
    fastnn.manual_seed(0)
    net = pinn.Subdomains([left, right], [5, 4], 2)
    x = np.random.default_rng(0).uniform((-1, 0), (2, 1), (50, 2))
    y = net(fastnn.tensor(x)).detach().numpy()
    for j, g in enumerate((left, right)):  # one after the other, in NumPy
        inside = x[:, 0] < 0 if j == 0 else x[:, 0] >= 0
        z = 2 * (x[inside] - g.low) / (g.high - g.low) - 1
        for i in range(3):
            z = z @ getattr(net, f"weight{i}").detach().numpy()[j] + getattr(net, f"bias{i}").detach().numpy()[j]
            z = np.tanh(z) if i < 2 else z
        np.testing.assert_allclose(y[inside], z, rtol=1e-12)
        np.testing.assert_allclose(net(fastnn.tensor(x), which=j).detach().numpy()[inside], z, rtol=1e-12)


def test_interface():
    """u = |x| with flux x: outputs meet at 0, slopes do not, but slope times conductivity does."""
    left, right = pinn.Interval(-1, 0), pinn.Interval(0, 1)

    class Kinked(Exact):
        geometries = (left, right)

        def forward(self, x, which=None):
            side = fastnn.tensor(np.where(x.detach().numpy() < 0, -1.0, 1.0)) if which is None else [-1.0, 1.0][which]
            return x * side + self.zero

    def loss(term):
        problem = pinn.Problem(left + right, Kinked(None), [term])
        np.testing.assert_allclose(term.points, [[0.0]], atol=1e-12)
        return float(problem.losses()[0]["interface"].detach())

    assert loss(pinn.Interface()) == 0
    assert loss(pinn.Interface(flux=lambda u: (d(u, "x"),))) == pytest.approx(4)
    assert loss(pinn.Interface(flux=(lambda u: (-2 * d(u, "x"),), lambda u: (2 * d(u, "x"),)))) == 0
    assert loss(pinn.Interface(equation=lambda u: d(u, "x") ** 2 - 1)) == 0


# ---- pictures --------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_plots(tmp_path):
    pytest.importorskip("matplotlib")
    problem = poisson()
    history = pinn.solve(problem, adam=3)
    pinn.plot(problem, tmp_path / "line.png", reference=lambda x: np.sin(PI * x), history=history)
    domain = pinn.Disk((0, 0), 1)
    heat = pinn.Problem(domain, pinn.MLP(domain, [3]), [pinn.Dirichlet(0.0)])
    pinn.plot(heat, tmp_path / "heat.png", reference=lambda x, y: x * y, size=20)
    pinn.plot(heat, tmp_path / "points.png", points=domain.sample(50))
    for name in ("line", "heat", "points"):
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    cube = pinn.Rectangle((0, 0, 0), (1, 1, 1))
    with pytest.raises(ValueError, match="one or two coordinates"):
        pinn.plot(pinn.Problem(cube, pinn.MLP(cube, [3]), []), tmp_path / "no.png")
