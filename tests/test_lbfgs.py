"""L-BFGS walks through PyTorch's points; its stopping rules, its state, and what happens when a closure fails."""

import copy
import math

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim

torch = pytest.importorskip("torch")

SEARCHES = [None, "strong_wolfe"]


def rosenbrock(p):
    return ((1 - p[:-1]) ** 2 + 100 * (p[1:] - p[:-1] ** 2) ** 2).sum()


def quadratic(p):
    n = p.shape[0]
    scale = np.logspace(0, 3, n)
    scale = fastnn.tensor(scale) if isinstance(p, fastnn.Tensor) else torch.tensor(scale)
    return 0.5 * (scale * p * p).sum() - p.sum()


def quartic(p):
    return ((p - 3) ** 4).sum() + 0.1 * (p**2).sum() + (p[:1] * p[-1:]).sum()


def closure_of(optimizer, loss):
    def closure():
        closure.calls += 1
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    closure.calls = 0
    return closure


def both(function, start, **options):
    """The same minimisation here and in PyTorch: (parameter, optimizer, closure) of each."""
    pairs = []
    for module, make in ((optim, fastnn.tensor), (torch.optim, torch.tensor)):
        p = make(np.array(start), requires_grad=True)
        o = module.LBFGS([p], **options)
        pairs.append((p, o, closure_of(o, lambda p=p: function(p))))
    return pairs


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("function,start,lr", [
    (rosenbrock, [-1.2, 1.0], 1.0), (rosenbrock, [-1.2, 1.0, 0.5, -0.3], 0.5), (quadratic, np.linspace(-1, 1, 20), 1.0),
    (quartic, [9.0, -4.0, 0.0], 0.7),
])  # fmt: skip
def test_iterates_equal_torch(function, start, lr, search):
    if search is None and function is rosenbrock:
        lr = 0.1  # full steps without a search diverge, and rounding with them
    (p, a, f), (q, b, g) = both(function, start, lr=lr, max_iter=1, max_eval=25, line_search_fn=search, history_size=5)
    for step in range(25):
        ours, theirs = a.step(f), b.step(g)
        np.testing.assert_allclose(float(ours), theirs.item(), rtol=1e-7, atol=1e-12, err_msg=f"loss at step {step}")
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-7, atol=1e-9, err_msg=f"step {step}")
        assert f.calls == g.calls, f"evaluations at step {step}"


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("options", [
    dict(max_iter=30), dict(max_iter=30, max_eval=7), dict(max_iter=100, tolerance_grad=1e-2),
    dict(max_iter=100, tolerance_change=1e-3), dict(max_iter=5, history_size=2), dict(max_iter=3, max_eval=1),
    dict(max_iter=40, history_size=0), dict(max_iter=0),
], ids=str)  # fmt: skip
def test_stopping_rules_equal_torch(options, search):
    (p, a, f), (q, b, g) = both(quartic, [9.0, -4.0, 0.0], lr=0.5, line_search_fn=search, **options)
    for _ in range(2):
        a.step(f)
        try:
            b.step(g)
        except IndexError:  # history_size=0 fails in PyTorch at its second iteration; here it is steepest descent
            assert options.get("history_size") == 0
            return
        assert f.calls == g.calls
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-9, atol=1e-10)
        s, r = a.state_dict()["state"][0], b.state_dict()["state"][0]
        assert (s["n_iter"], s["func_evals"]) == (r["n_iter"], r["func_evals"])


def test_maximize():
    (p, a, f), (q, b, g) = both(lambda p: -quartic(p), [2.0, 1.0], max_iter=15, line_search_fn="strong_wolfe", maximize=True)
    assert float(a.step(f)) == b.step(g).item()
    np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-9)


@pytest.mark.parametrize("search", SEARCHES)
def test_network_equals_torch(rng, search):
    x, y = rng.standard_normal((40, 2)), rng.standard_normal((40, 1))
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    ours = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    ours.load_state_dict({k: fastnn.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    unused = fastnn.ones(3, dtype=fastnn.float64, requires_grad=True), torch.ones(3, dtype=torch.float64, requires_grad=True)
    options = dict(lr=0.5, max_iter=12, line_search_fn=search)
    a = optim.LBFGS([*ours.parameters(), unused[0]], **options)
    b = torch.optim.LBFGS([*theirs.parameters(), unused[1]], **options)
    f = closure_of(a, lambda: nn.functional.mse_loss(ours(fastnn.tensor(x)), fastnn.tensor(y)))
    g = closure_of(b, lambda: torch.nn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(y)))
    for _ in range(2):
        np.testing.assert_allclose(float(a.step(f)), b.step(g).item(), rtol=1e-8)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-6, atol=1e-7)


def test_state_dict_resumes_bit_for_bit(tmp_path):
    (p, a, f), _ = both(rosenbrock, [-1.2, 1.0, 0.4], max_iter=6, line_search_fn="strong_wolfe")
    a.step(f)
    fastnn.save({"x": p, "optimizer": a.state_dict()}, tmp_path / "half.safetensors")
    a.step(f)
    half = fastnn.load(tmp_path / "half.safetensors")
    r = half["x"].requires_grad_()
    b = optim.LBFGS([r])
    b.load_state_dict(half["optimizer"])
    b.step(closure_of(b, lambda: rosenbrock(r)))
    np.testing.assert_array_equal(p.detach().numpy(), r.detach().numpy())
    assert a.state_dict()["state"][0]["n_iter"] == b.state_dict()["state"][0]["n_iter"]


def test_state_dicts_cross_over():
    options = dict(max_iter=5, line_search_fn="strong_wolfe")
    (p, a, f), (q, b, g) = both(rosenbrock, [-1.2, 1.0, 0.4], **options)
    b.step(g)
    p.data = fastnn.tensor(q.detach().numpy())
    a.load_state_dict(b.state_dict())
    a.step(f)
    b.step(g)
    np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-10)

    def theirs(v):
        if isinstance(v, list):
            return [theirs(u) for u in v]
        return torch.tensor(v.numpy()) if isinstance(v, fastnn.Tensor) else v

    state = a.state_dict()
    fresh = torch.optim.LBFGS([q], **options)
    fresh.load_state_dict({**state, "state": {0: {k: theirs(v) for k, v in state["state"][0].items()}}})
    a.step(f)
    fresh.step(g)
    np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-10)


def test_a_failing_closure_keeps_the_best_point():
    p = fastnn.tensor([-1.2, 1.0], dtype=fastnn.float64, requires_grad=True)
    o = optim.LBFGS([p], max_iter=10, line_search_fn="strong_wolfe")
    good = closure_of(o, lambda: rosenbrock(p))
    o.step(good)
    state, losses = copy.deepcopy(o.state_dict()), []

    def closure():
        if len(losses) == 4:
            raise KeyboardInterrupt
        losses.append(float(good()))
        return losses[-1]

    with pytest.raises(KeyboardInterrupt):
        o.step(closure)
    assert float(rosenbrock(p)) <= losses[0]
    assert repr(o.state_dict()) == repr(state)


def test_a_loss_that_is_not_a_number_shortens_the_step():
    """log is NaN left of 0: the first trial step lands there."""
    p = fastnn.tensor([0.05], dtype=fastnn.float64, requires_grad=True)
    o = optim.LBFGS([p], max_iter=50, line_search_fn="strong_wolfe")
    o.step(closure_of(o, lambda: (p - 30 * fastnn.log(p) + 1000 * p**2).sum()))
    exact = (-1 + math.sqrt(1 + 8000 * 30)) / 4000
    assert float(p) == pytest.approx(exact, rel=1e-6)


def test_adam_then_lbfgs_fits_a_network():
    fastnn.manual_seed(0)
    x = fastnn.linspace(-1, 1, 64, dtype=fastnn.float64).unsqueeze(1)
    y = fastnn.sin(4 * x)
    net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)).double()
    adam = optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(100):
        adam.step(closure_of(adam, lambda: nn.functional.mse_loss(net(x), y)))
    before = float(nn.functional.mse_loss(net(x), y))
    lbfgs = optim.LBFGS(net.parameters(), max_iter=200, line_search_fn="strong_wolfe", tolerance_change=0, tolerance_grad=0)
    lbfgs.step(closure_of(lbfgs, lambda: nn.functional.mse_loss(net(x), y)))
    assert float(nn.functional.mse_loss(net(x), y)) < 1e-3 * before


@pytest.mark.parametrize("options,message", [
    (dict(lr=-1), "Invalid learning rate"), (dict(max_iter=-1), "Invalid max_iter"), (dict(history_size=-2), "history_size"),
    (dict(line_search_fn="armijo"), "only 'strong_wolfe'"), (dict(tolerance_grad=math.nan), "tolerance_grad"),
])  # fmt: skip
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        optim.LBFGS([fastnn.ones(2, requires_grad=True)], **options)


def test_bad_arguments():
    p, q = fastnn.ones(2, requires_grad=True), fastnn.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="parameter groups"):
        optim.LBFGS([{"params": [p]}, {"params": [q]}])
    o = optim.LBFGS([p, q])
    with pytest.raises(TypeError):
        o.step()
    o.step(closure_of(o, lambda: (p**2).sum() + (q**2).sum()))
    state = o.state_dict()
    state["state"][0] = {**state["state"][0], "d": fastnn.ones(4)}
    with pytest.raises(ValueError, match=r"has d of shape \[4\] for 5 parameters"):
        o.load_state_dict(state)


def test_what_closure_does_to_the_parameters_stays():
    """Neural style transfer clamps the image in its closure."""
    results = []
    for lib in (fastnn, torch):
        x = lib.tensor([[0.9, 0.2, 0.5], [0.1, 0.7, 0.3]], dtype=lib.float64, requires_grad=True)
        optimizer = lib.optim.LBFGS([x])

        def closure(lib=lib, x=x, optimizer=optimizer):
            with lib.no_grad():
                x.clamp_(0, 1)
            optimizer.zero_grad()
            loss = ((x @ x.T - 2) ** 2).sum()
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)
        results.append(x.detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-9)
