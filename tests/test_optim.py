"""Optimizers and schedules against PyTorch in float64; what happens on bad arguments and half-way failures."""

import copy
import math

import numpy as np
import pytest

import fastnn
from fastnn import optim
from fastnn.optim import lr_scheduler as schedules

torch = pytest.importorskip("torch")

SHAPES = [(4, 3), (7,), (), (2, 3, 5)]

CASES = [
    ("SGD", {}), ("SGD", dict(momentum=0.9)), ("SGD", dict(momentum=0.9, dampening=0.3, weight_decay=0.1)),
    ("SGD", dict(momentum=0.9, nesterov=True, maximize=True)), ("SGD", dict(weight_decay=0.2, maximize=True)),
    ("Adam", {}), ("Adam", dict(amsgrad=True)), ("Adam", dict(weight_decay=0.1, betas=(0.8, 0.95), eps=1e-3)),
    ("Adam", dict(maximize=True, amsgrad=True, weight_decay=0.1)), ("AdamW", {}),
    ("AdamW", dict(weight_decay=0.3, amsgrad=True, maximize=True)),
    ("RMSprop", {}), ("RMSprop", dict(centered=True)), ("RMSprop", dict(momentum=0.9)),
    ("RMSprop", dict(momentum=0.5, centered=True, weight_decay=0.1, maximize=True)),
    ("Adagrad", {}), ("Adagrad", dict(lr_decay=0.1, initial_accumulator_value=0.5, weight_decay=0.1)),
    ("Adadelta", {}), ("Adadelta", dict(weight_decay=0.1, rho=0.8)), ("Adamax", {}), ("Adamax", dict(weight_decay=0.1)),
    ("NAdam", {}), ("NAdam", dict(weight_decay=0.1, decoupled_weight_decay=True)),
    ("RAdam", {}), ("RAdam", dict(weight_decay=0.1, maximize=True)), ("RAdam", dict(weight_decay=0.1, decoupled_weight_decay=True)),
    ("ASGD", {}), ("ASGD", dict(weight_decay=0.1, t0=5, lr=0.1)), ("Rprop", {}), ("Rprop", dict(etas=(0.4, 1.3), maximize=True)),
    ("Adafactor", {}), ("Adafactor", dict(weight_decay=0.1, beta2_decay=-0.5)),
]  # fmt: skip


@pytest.fixture(autouse=True)
def their_counts_in_float64():
    """PyTorch keeps step counts and NAdam's running product in the default dtype; in float32 that is 4e-11 off."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def pair(rng, dtype="float64"):
    """The same parameters for us and for PyTorch."""
    arrays = [rng.standard_normal(s).astype(dtype) for s in SHAPES]
    ours = [fastnn.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    return ours, theirs


def give_gradients(ours, theirs, rng):
    for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
        if i == 2 and rng.random() < 0.3:  # a parameter without gradient in this step
            p.grad = q.grad = None
            continue
        g = rng.standard_normal(q.shape).astype(str(q.detach().numpy().dtype)) + 0.5 * q.detach().numpy()
        p.grad, q.grad = fastnn.tensor(g), torch.tensor(g)


def difference(ours, theirs):
    return max(np.abs(p.detach().numpy() - q.detach().numpy()).max() for p, q in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("name,options", CASES, ids=lambda v: v if isinstance(v, str) else ",".join(v))
def test_100_steps_equal_torch(rng, name, options):
    ours, theirs = pair(rng)
    a, b = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for _ in range(100):
        give_gradients(ours, theirs, rng)
        a.step()
        b.step()
    assert difference(ours, theirs) <= 1e-12
    ours_state, their_state = a.state_dict(), b.state_dict()
    assert ours_state["state"].keys() == their_state["state"].keys()
    for i, s in their_state["state"].items():
        assert {k for k, v in s.items() if v is not None} == set(ours_state["state"][i])
        for k, v in s.items():
            if v is not None:
                np.testing.assert_allclose(np.asarray(ours_state["state"][i][k]), np.asarray(v), rtol=2e-6, atol=1e-12)


@pytest.mark.parametrize("name,options", CASES[:6:2] + CASES[11:17:2], ids=lambda v: v if isinstance(v, str) else ",".join(v))
def test_float32(rng, name, options):
    ours, theirs = pair(rng, "float32")
    a, b = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for _ in range(20):
        give_gradients(ours, theirs, rng)
        a.step()
        b.step()
    assert difference(ours, theirs) <= 1e-4


@pytest.mark.parametrize("name,options", CASES, ids=lambda v: v if isinstance(v, str) else ",".join(v))
def test_state_dicts_cross_over(rng, name, options):
    """Ours continues from PyTorch's state and the other way round."""
    ours, theirs = pair(rng)
    a, b = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for _ in range(3):
        give_gradients(ours, theirs, rng)
        b.step()
    for p, q in zip(ours, theirs, strict=True):
        p.data = fastnn.tensor(q.detach().numpy())
    a.load_state_dict(b.state_dict())
    for _ in range(3):
        give_gradients(ours, theirs, rng)
        a.step()
        b.step()
    assert difference(ours, theirs) <= 1e-12

    fresh = getattr(torch.optim, name)(theirs, **options)
    state = a.state_dict()
    state["state"] = {i: {k: torch.tensor(np.asarray(v)) for k, v in s.items()} for i, s in state["state"].items()}
    fresh.load_state_dict(state)
    again = getattr(optim, name)(ours, **options)
    again.load_state_dict(copy.deepcopy(a.state_dict()))
    for _ in range(3):
        give_gradients(ours, theirs, rng)
        again.step()
        fresh.step()
    assert difference(ours, theirs) <= 1e-12


def test_strided_parameters_and_gradients(rng):
    for rule in (optim.AdamW, optim.SGD):
        p = fastnn.tensor(rng.standard_normal((40, 30)))
        plain, odd = p.clone().requires_grad_(), p.t().clone().t().detach().requires_grad_()
        g = fastnn.tensor(rng.standard_normal((30, 40))).t()
        plain.grad, odd.grad = g.contiguous(), g
        for q in (plain, odd):
            rule([q], lr=0.1).step()
        assert not odd.is_contiguous()
        np.testing.assert_array_equal(plain.detach().numpy(), odd.detach().numpy())


def test_threads_give_the_same_bits(rng):
    results = []
    values = rng.standard_normal(100_000)
    for n in (1, 2, 3):
        with fastnn.threads(n):
            p = fastnn.tensor(values, dtype=fastnn.float32, requires_grad=True)
            q = fastnn.tensor(values[:777], dtype=fastnn.float32, requires_grad=True)
            o = optim.Adam([q, p], lr=0.1)
            for _ in range(3):
                p.grad, q.grad = p.detach() , q.detach()
                norm = fastnn.nn.utils.clip_grad_norm_([p, q], 1.0)
                o.step()
            results.append((p.detach().numpy().tobytes(), q.detach().numpy().tobytes(), float(norm)))
    assert results[0] == results[1] == results[2]


def test_many_parameters(rng):
    arrays = [rng.standard_normal(int(n)) for n in rng.integers(0, 50, 400)]
    ours = [fastnn.tensor(a, requires_grad=True) for a in arrays]
    for p, a in zip(ours, arrays, strict=True):
        p.grad = fastnn.tensor(a)
    optim.SGD(ours, lr=0.5).step()
    for p, a in zip(ours, arrays, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), a - 0.5 * a)


def test_mixed_dtypes_in_one_group():
    p, q = fastnn.ones(3, requires_grad=True), fastnn.ones(3, dtype=fastnn.float64, requires_grad=True)
    p.grad, q.grad = fastnn.ones(3), fastnn.ones(3, dtype=fastnn.float64)
    optim.SGD([p, q], lr=0.25).step()
    assert p.tolist() == q.tolist() == [0.75] * 3


def test_groups_and_closure():
    p, q = fastnn.ones(3, requires_grad=True), fastnn.ones(2, requires_grad=True)
    o = optim.SGD([dict(params=[p], lr=0.5), dict(params=q)], lr=0.25)
    p.grad, q.grad = fastnn.ones(3), fastnn.ones(2)
    assert o.step(lambda: 42) == 42
    assert p.tolist() == [0.5] * 3 and q.tolist() == [0.75] * 2
    o.param_groups[0]["lr"] = 0.0
    o.param_groups[1].update(lr=0.75)
    o.step()
    assert p.tolist() == [0.5] * 3 and q.tolist() == [0.0] * 2
    o.zero_grad()
    assert p.grad is None and q.grad is None
    assert "lr: 0.75" in repr(o)


def test_failures_change_nothing(rng):
    ours, theirs = pair(rng)
    o = optim.Adam(ours)
    give_gradients(ours, theirs, rng)
    o.step()
    before, state = [p.tolist() for p in ours], repr(o.state_dict())

    def closure():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        o.step(closure)
    ours[-1]._grad = fastnn.ones(5, dtype=fastnn.float64)
    with pytest.raises(RuntimeError, match=r"gradient of shape \[5\]"):
        o.step()
    for broken in (
        {"state": {}, "param_groups": []},
        {"state": {}, "param_groups": [{"params": [0]}]},
        {"state": {0: {"exp_avg": np.ones(99)}}, "param_groups": o.state_dict()["param_groups"]},
        {"state": {}, "param_groups": [{"params": [0, 1, 2, 3], "lr": -1.0}]},
    ):
        with pytest.raises(ValueError):
            o.load_state_dict(broken)
    assert [p.tolist() for p in ours] == before and repr(o.state_dict()) == state


@pytest.mark.parametrize(
    "name,options,message",
    [
        ("SGD", dict(lr=-1), "Invalid learning rate: -1"),
        ("SGD", dict(momentum=-1), "Invalid momentum value: -1"),
        ("SGD", dict(weight_decay=-1), "Invalid weight_decay value: -1"),
        ("SGD", dict(nesterov=True), "Nesterov momentum requires a momentum and zero dampening"),
        ("SGD", dict(proximal_l1=-1.0), "Invalid proximal_l1 value"),
        ("SGD", dict(lr=math.nan), "Invalid learning rate: nan"),
        ("Adam", dict(lr=-1), "Invalid learning rate: -1"),
        ("Adam", dict(eps=-1), "Invalid epsilon value: -1"),
        ("Adam", dict(betas=(1.0, 0.9)), "Invalid beta parameter at index 0: 1.0"),
        ("Adam", dict(betas=(0.9, -0.1)), "Invalid beta parameter at index 1: -0.1"),
        ("AdamW", dict(weight_decay=-1), "Invalid weight_decay value: -1"),
        ("RMSprop", dict(alpha=-1), "Invalid alpha value: -1"),
        ("RMSprop", dict(momentum=-1), "Invalid momentum value: -1"),
        ("Adagrad", dict(lr_decay=-1), "Invalid lr_decay value: -1"),
        ("Adagrad", dict(initial_accumulator_value=-1), "Invalid initial_accumulator_value value: -1"),
        ("Adadelta", dict(rho=2), "Invalid rho value: 2"),
        ("Adamax", dict(eps=-1), "Invalid epsilon value: -1"),
        ("NAdam", dict(momentum_decay=-1), "Invalid momentum_decay value: -1"),
    ],
)
def test_bad_options(name, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(optim, name)([fastnn.ones(2, requires_grad=True)], **options)


def test_bad_parameters():
    p = fastnn.ones(2, requires_grad=True)
    for params, error in [
        ([], ValueError), (p, TypeError), ([1.0], TypeError), ([{"params": p}, {"params": p}], ValueError),
        ([fastnn.ones(2, dtype=fastnn.int64)], ValueError), ([{"params": {p}}], TypeError),
        ([{"params": p, "lr": -1}], ValueError),
    ]:  # fmt: skip
        with pytest.raises(error):
            optim.SGD(params)
    with pytest.raises(TypeError, match="unexpected keyword argument 'speed'"):
        optim.Adam([p], speed=3)
    with pytest.raises(ValueError, match="differentiable"):
        optim.Adam([p], differentiable=True)
    optim.AdamW([p], fused=True, foreach=None)


def test_proximal_l1_makes_exact_zeros():
    p = fastnn.tensor([0.05, -3.0, 0.0, math.nan], requires_grad=True)
    p.grad = fastnn.zeros(4)
    optim.SGD([p], lr=0.5, proximal_l1=0.2).step()
    got = p.detach().numpy()
    np.testing.assert_allclose(got[:3], [0.0, -2.9, 0.0], rtol=1e-6)
    assert np.isnan(got[3])


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clip_grad_norm(rng, norm_type, max_norm):
    ours, theirs = pair(rng)
    give_gradients(ours, theirs, rng)
    a = fastnn.nn.utils.clip_grad_norm_(ours, max_norm, norm_type)
    b = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    np.testing.assert_allclose(float(a), float(b), rtol=1e-14)
    for p, q in zip(ours, theirs, strict=True):
        if q.grad is not None:
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-13)


def test_clip_corners():
    p = fastnn.ones(3, requires_grad=True)
    assert float(fastnn.nn.utils.clip_grad_norm_([p], 1.0)) == 0.0
    p.grad = fastnn.tensor([1e30, -1e30, 0.0])
    norm = fastnn.nn.utils.clip_grad_norm_(p, 1.0)
    np.testing.assert_allclose(float(norm), 1e30 * math.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(p.grad.numpy(), [math.sqrt(0.5), -math.sqrt(0.5), 0], rtol=1e-6)
    p.grad = fastnn.tensor([math.inf, 1.0, 2.0])
    with pytest.raises(RuntimeError, match="non-finite"):
        fastnn.nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad.tolist() == [math.inf, 1.0, 2.0]
    p.grad = fastnn.tensor([math.nan, -5.0, 0.1])
    fastnn.nn.utils.clip_grad_value_([p], 0.5)
    np.testing.assert_array_equal(p.grad.numpy(), np.float32([math.nan, -0.5, 0.1]))
    with pytest.raises(ValueError):
        fastnn.nn.utils.clip_grad_norm_([p], 1.0, norm_type=0)


# ---- schedules ----------------------------------------------------------------------------------------------------------

SCHEDULES = [
    ("LambdaLR", lambda m, o: m.LambdaLR(o, lambda t: 0.9**t)),
    ("LambdaLR list", lambda m, o: m.LambdaLR(o, [lambda t: 1 / (t + 1), lambda t: 1.0])),
    ("MultiplicativeLR", lambda m, o: m.MultiplicativeLR(o, lambda t: 0.95)),
    ("StepLR", lambda m, o: m.StepLR(o, 7, 0.5)),
    ("MultiStepLR", lambda m, o: m.MultiStepLR(o, [3, 8, 8, 20], 0.5)),
    ("ExponentialLR", lambda m, o: m.ExponentialLR(o, 0.9)),
    ("ConstantLR", lambda m, o: m.ConstantLR(o, 0.25, 6)),
    ("LinearLR", lambda m, o: m.LinearLR(o, 0.1, 0.8, 9)),
    ("PolynomialLR", lambda m, o: m.PolynomialLR(o, 12, 1.7)),
    ("CosineAnnealingLR", lambda m, o: m.CosineAnnealingLR(o, 8, 0.01)),
    ("CosineAnnealingWarmRestarts", lambda m, o: m.CosineAnnealingWarmRestarts(o, 5, 2, 0.01)),
    ("CosineAnnealingWarmRestarts same", lambda m, o: m.CosineAnnealingWarmRestarts(o, 7)),
    ("OneCycleLR", lambda m, o: m.OneCycleLR(o, 0.5, total_steps=41)),
    ("OneCycleLR linear", lambda m, o: m.OneCycleLR(o, [0.5, 0.1], epochs=5, steps_per_epoch=9, anneal_strategy="linear")),
    ("OneCycleLR three", lambda m, o: m.OneCycleLR(o, 0.5, total_steps=45, three_phase=True, pct_start=0.4)),
    ("CyclicLR", lambda m, o: m.CyclicLR(o, 0.01, 0.3, 5, 8)),
    ("CyclicLR triangular2", lambda m, o: m.CyclicLR(o, 0.01, 0.3, 6, mode="triangular2", cycle_momentum=False)),
    ("CyclicLR exp_range", lambda m, o: m.CyclicLR(o, 0.01, 0.3, 6, mode="exp_range", gamma=0.97)),
    ("Sequential", lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=4), m.CosineAnnealingLR(o, 20), m.ExponentialLR(o, 0.8)], [5, 25])),
    ("Sequential constant", lambda m, o: m.SequentialLR(o, [m.ConstantLR(o, 0.1, 4), m.StepLR(o, 3, 0.5)], [6])),
    ("Sequential restarts", lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.2, total_iters=3), m.CosineAnnealingWarmRestarts(o, 6, 2)], [4])),
    ("Chained", lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.1, 4), m.ExponentialLR(o, 0.9)])),
    ("Chained in Sequential", lambda m, o: m.SequentialLR(
        o, [m.ChainedScheduler([m.ConstantLR(o, 0.1, 4), m.ExponentialLR(o, 0.9)]), m.StepLR(o, 2)], [7])),
]  # fmt: skip


def optimizers():
    ours = optim.SGD([dict(params=fastnn.ones(2, requires_grad=True)), dict(params=fastnn.ones(1, requires_grad=True), lr=0.3)],
                     lr=0.7, momentum=0.9)  # fmt: skip
    theirs = torch.optim.SGD([dict(params=torch.ones(2, requires_grad=True)), dict(params=torch.ones(1, requires_grad=True), lr=0.3)],
                             lr=0.7, momentum=0.9)  # fmt: skip
    return ours, theirs


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name,make", SCHEDULES, ids=lambda v: v if isinstance(v, str) else "")
def test_schedules_equal_torch(name, make):
    a, b = optimizers()
    s, r = make(schedules, a), make(torch.optim.lr_scheduler, b)
    for t in range(40):
        ours, theirs = ([g["lr"] for g in o.param_groups] for o in (a, b))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15, err_msg=f"{name} at step {t}")
        np.testing.assert_allclose(s.get_last_lr(), r.get_last_lr(), rtol=1e-12, atol=1e-15)
        assert a.param_groups[0]["momentum"] == pytest.approx(b.param_groups[0]["momentum"], rel=1e-12)
        assert [float(g.rate) for g in a.param_groups] == ours  # what the kernels read
        if t == 20:  # a fresh schedule continues from the state of this one
            state = copy.deepcopy(s.state_dict())
            s.load_state_dict(state)
        a.step()
        b.step()
        s.step()
        r.step()


def test_restarts_by_fractions():
    a, b = optimizers()
    s, r = (m.CosineAnnealingWarmRestarts(o, 4, 2) for m, o in ((schedules, a), (torch.optim.lr_scheduler, b)))
    for t in np.arange(0, 30, 0.25):
        s.step(float(t))
        r.step(float(t))
        np.testing.assert_allclose(s.get_last_lr(), r.get_last_lr(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("options", [{}, dict(mode="max"), dict(threshold_mode="abs", threshold=0.1, cooldown=2), dict(min_lr=[0.1, 0.2])])
def test_plateau_equals_torch(rng, options):
    a, b = optimizers()
    s = schedules.ReduceLROnPlateau(a, patience=2, **options)
    r = torch.optim.lr_scheduler.ReduceLROnPlateau(b, patience=2, **options)
    for metric in np.cumsum(rng.standard_normal(60)) - 2:
        s.step(metric)
        r.step(metric)
        np.testing.assert_allclose([g["lr"] for g in a.param_groups], [g["lr"] for g in b.param_groups], rtol=1e-14)


def test_bad_schedules():
    o, _ = optimizers()
    other, _ = optimizers()
    for make, error in [
        (lambda: schedules.StepLR(3, 1), TypeError), (lambda: schedules.LinearLR(o, 0.0), ValueError),
        (lambda: schedules.ConstantLR(o, 2.0), ValueError), (lambda: schedules.OneCycleLR(o, 0.1), ValueError),
        (lambda: schedules.OneCycleLR(o, 0.1, total_steps=-1), ValueError), (lambda: schedules.StepLR(o, 3, last_epoch=4), KeyError),
        (lambda: schedules.CosineAnnealingWarmRestarts(o, 0), ValueError), (lambda: schedules.ReduceLROnPlateau(o, "up"), ValueError),
        (lambda: schedules.ReduceLROnPlateau(o, factor=1.0), ValueError), (lambda: schedules.LambdaLR(o, [abs]), ValueError),
        (lambda: schedules.SequentialLR(o, [], []), ValueError), (lambda: schedules.ChainedScheduler([]), ValueError),
    ]:  # fmt: skip
        with pytest.raises(error):
            make()
    with pytest.raises(ValueError, match="eta_min"):
        schedules.CosineAnnealingWarmRestarts(o, 2, eta_min="0")
    with pytest.raises(NotImplementedError, match="get_last_lr"):
        schedules.ReduceLROnPlateau(o).get_lr()
    with pytest.warns(UserWarning, match="get_last_lr"):
        schedules.StepLR(o, 1).get_lr()
    with pytest.raises(ValueError, match="same optimizer"):
        schedules.ChainedScheduler([schedules.StepLR(o, 3), schedules.StepLR(other, 3)])
    s = schedules.OneCycleLR(o, 0.1, total_steps=3)
    with pytest.raises(ValueError, match="total steps"):
        for _ in range(5):
            o.step()
            s.step()


def test_muon_steps_are_orthogonal(rng):
    p = fastnn.tensor(rng.standard_normal((6, 4)), requires_grad=True)
    before, optimizer = p.detach().clone(), optim.Muon([p], lr=0.1, weight_decay=0.0)
    (p * fastnn.tensor(rng.standard_normal((6, 4)))).sum().backward()
    optimizer.step()
    step = (before - p.detach()) / (0.1 * math.sqrt(6 / 4))
    values = fastnn.linalg.svdvals(step)
    assert 0.6 < values.min().item() and values.max().item() < 1.3  # five steps of Newton and Schulz come that near to 1
    theirs = torch.tensor(before.numpy(), requires_grad=True)
    theirs.grad = torch.tensor(p.grad.numpy())
    torch.optim.Muon([theirs], lr=0.1, weight_decay=0.0).step()  # in bfloat16
    np.testing.assert_allclose(p.detach().numpy(), theirs.detach().numpy(), atol=0.02)
    with pytest.raises(ValueError, match="only supports 2D parameters"):
        optim.Muon([fastnn.ones(3, requires_grad=True)])


def test_averaged_models_and_their_statistics(rng):
    from fastnn import nn
    from fastnn.optim.swa_utils import AveragedModel, get_ema_avg_fn, update_bn

    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    mean, ema = AveragedModel(model), AveragedModel(model, avg_fn=get_ema_avg_fn(0.5))
    seen = []
    for _ in range(3):
        with fastnn.no_grad():
            model[0].weight.add_(1.0)
        seen.append(model[0].weight.detach().numpy().copy())
        mean.update_parameters(model)
        ema.update_parameters(model)
    np.testing.assert_allclose(mean.module[0].weight.detach().numpy(), np.mean(seen, 0), rtol=1e-6)
    np.testing.assert_allclose(ema.module[0].weight.detach().numpy(), 0.5 * (0.5 * seen[0] + 0.5 * seen[1]) + 0.5 * seen[2], rtol=1e-6)
    batches = [fastnn.randn(8, 3) for _ in range(4)]
    update_bn([(b, None) for b in batches], mean)
    outputs = np.concatenate([mean.module[0](b).detach().numpy() for b in batches])
    np.testing.assert_allclose(mean.module[1].running_mean.numpy(), outputs.mean(0), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="Invalid decay value"):
        get_ema_avg_fn(1.5)


def test_schedule_of_the_users_own():
    class Warm(schedules._LRScheduler):
        def get_lr(self):
            return [base * min(1.0, (self.last_epoch + 1) / 4) for base in self.base_lrs]

    optimizer = optim.SGD([fastnn.ones(1, requires_grad=True)], lr=0.4)
    schedule, rates = Warm(optimizer), []
    for _ in range(5):
        rates.append(round(optimizer.param_groups[0]["lr"], 6))
        optimizer.step()
        schedule.step()
    assert rates == [0.1, 0.2, 0.3, 0.4, 0.4]


def test_optimizer_of_the_users_own():
    class Plain(optim.Optimizer):
        def __init__(self, params, rate=0.5):
            super().__init__(params, dict(rate=rate))

        @fastnn.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p]["calls"] = self.state[p].get("calls", 0) + 1
                    p.add_(p.grad, alpha=-group["rate"])

    p = fastnn.ones(2, requires_grad=True)
    optimizer = Plain([p])
    (p * p).sum().backward()
    optimizer.step()
    assert p.tolist() == [0, 0] and optimizer.state[p]["calls"] == 1


def test_refused_options_that_are_tensors_or_names():
    def weights():
        return [fastnn.nn.Parameter(fastnn.ones(2, 2)), fastnn.nn.Parameter(fastnn.ones(2, 2))]

    p, q = weights()
    with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
        optim.Adam([p], lr=fastnn.tensor([0.1, 0.2]))
    with pytest.raises(ValueError, match="Some param names are missing"):
        optim.SGD([("weight", p), q])
    for first, second, how in ((p, ("w", q), "with"), (("w", p), q, "without")):
        with pytest.raises(ValueError, match=f"cannot add param group {how} names"):
            optim.SGD([{"params": [first]}, {"params": [second]}], lr=0.1)
    with pytest.raises(ValueError, match="epsilon1 should be >= 0"):
        optim.Adafactor([p], eps=(-1e-30, 1e-3))
    tall = fastnn.nn.Parameter(fastnn.ones(1, 4))
    steps = {}
    for adjust in ("original", "spectral_unclamped"):
        tall.data.fill_(1.0)
        tall.grad = fastnn.ones(1, 4)
        optim.Muon([tall], lr=0.1, weight_decay=0, adjust_lr_fn=adjust).step()
        steps[adjust] = (1 - tall).detach().numpy()
    np.testing.assert_allclose(steps["spectral_unclamped"], steps["original"] / 2, rtol=1e-5)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "RAdam", "Adafactor"])
def test_parameters_listed_twice_are_stepped_twice(name):
    """With a warning, and as PyTorch: one after another, not at once."""
    torch = pytest.importorskip("torch")
    results = []
    for m in (fastnn, torch):
        a, b = m.arange(6.0).reshape(2, 3).requires_grad_(), m.ones(3, requires_grad=True)
        with pytest.warns(UserWarning, match="duplicate parameters"):
            o = getattr(m.optim, name)([a, b, a, a], lr=0.1)
        for _ in range(3):
            o.zero_grad()
            ((a * b).sin().sum() + (a * a).sum() * 0.1).backward()
            o.step()
        results.append([t.detach().numpy() for t in (a, b)])
        assert len(o.state_dict()["param_groups"][0]["params"]) == 4
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, 1e-4, 1e-5)
