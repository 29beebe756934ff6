"""Steps that are replayed as CUDA graphs, on a GPU or on the host shim: bit for bit those of the plain step, whatever changes from one to the
next; and PyTorch's names for graphs."""

import contextlib
import ctypes
import gc
import os

import numpy as np
import pytest

import fastnn
from fastnn import cuda
from fastnn.nn import functional as F
from test_cuda import pytestmark, shim_only  # noqa: F401
from test_cuda_streams import in_orders

order = in_orders("latest", "lazy")


def network():
    fastnn.manual_seed(3)
    return fastnn.nn.Sequential(
        fastnn.nn.Linear(7, 33), fastnn.nn.GELU(), fastnn.nn.Dropout(0.3), fastnn.nn.BatchNorm1d(33), fastnn.nn.Linear(33, 4)
    ).cuda()


def trained(rule, options, captured, steps=8, before=lambda i, optimizer: None):
    """Bits of losses and weights of a small network, dropout, running means, clipping and a schedule included; how it was replayed."""
    net = network()
    optimizer = getattr(fastnn.optim, rule)(net.parameters(), **{"lr": 0.05, **options})
    schedule = fastnn.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    def step(x, t):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), t)
        loss.backward()
        fastnn.nn.utils.clip_grad_norm_(net.parameters(), 0.7)
        optimizer.step()
        return loss

    run = fastnn.capture(step) if captured else step
    losses = []
    for i in range(steps):
        before(i, optimizer)
        x, t = fastnn.randn(20, 7).cuda(), (fastnn.arange(20) % 4 if i % 2 else fastnn.arange(20) // 5).cuda()
        losses.append(run(x, t).item())
        schedule.step()
    state = [v.cpu().numpy().tobytes() for v in net.state_dict().values()]
    return losses, state, fastnn.randn(1).item(), run.graphs() if captured else ""


RULES = [("SGD", dict(momentum=0.9)), ("Adam", {}), ("AdamW", dict(amsgrad=True)), ("NAdam", {}), ("RMSprop", dict(centered=True, momentum=0.5))]


@pytest.mark.parametrize("rule, options", RULES)
def test_replays_are_the_plain_step(rule, options):
    plain, replayed = trained(rule, options, False), trained(rule, options, True)
    assert replayed[:3] == plain[:3] and replayed[3].startswith("1 CUDA graph of ") and "besides" not in replayed[3], replayed[3]


def test_in_any_order_of_streams(order):
    assert trained("Adam", {}, True, 6)[:3] == trained("Adam", {}, False, 6)[:3]


def test_options_that_change():
    def before(i, optimizer):
        for group in optimizer.param_groups:
            group["betas"] = (0.9 - 0.02 * i, 0.999)
            group["weight_decay"] = 0.01 * (i + 1)

    a, b = (trained("Adam", {}, captured, before=before) for captured in (False, True))
    assert a[:3] == b[:3] and b[3].startswith("1 CUDA graph")


def both(make, calls):
    """What the plain function and the captured one give for the arguments of `calls`; the capture."""
    results = []
    for wrap in (lambda f: f, fastnn.capture):
        fastnn.manual_seed(5)
        run = wrap(make())
        results.append([[t.detach().cpu().numpy().tobytes() for t in fastnn.utils._pytree.tree_leaves(run(*a))] for a in calls()])
    assert results[0] == results[1]
    return run


def test_a_step_that_begins_on_the_cpu():
    def make():
        w = fastnn.arange(12.0).reshape(3, 4).cuda()

        def step(x, scale):
            y = (x * 2).to("cuda") @ w  # sent along
            z = (y.cpu().sum(1) + scale).cuda()  # there and back
            return y * scale + z[:, None], z

        return step

    run = both(make, lambda: [(fastnn.randn(5, 3), fastnn.tensor(float(i))) for i in range(6)])
    assert "besides (a copy to the CPU, which is waited for)" in run.graphs() and run.graphs().startswith("2 CUDA graphs")


def test_numbers_of_the_cpu_are_read_anew():
    number = fastnn.tensor(1.0)

    def make():
        number.fill_(1.0)

        return lambda x: x * number + fastnn.rand(3, device="cuda") - 2.5

    x = fastnn.arange(3.0).cuda()
    results = []
    for wrap in (lambda f: f, fastnn.capture):
        fastnn.manual_seed(5)
        step = wrap(make())
        results.append([])
        for _ in range(6):
            number.add_(1)
            results[-1].append(step(x).tolist())
    assert results[0] == results[1] and step.graphs().startswith("1 CUDA graph")


@pytest.mark.parametrize("n", [100, 20_000])
def test_what_belongs_in_no_graph(n):
    run = both(lambda: lambda x: x[fastnn.randperm(n, device="cuda")] + x, lambda: [(fastnn.arange(float(n)).cuda(),)] * 5)
    small = n * 8 <= 16 * 3584
    assert run.graphs().startswith("1 CUDA graph") and ("sends more" in run.graphs()) != small


def test_tables_of_the_host():
    image = fastnn.randn(1, 2, 5, 6)
    resized = lambda image: F.interpolate(image, scale_factor=1.7, mode="bilinear")  # noqa: E731
    run = both(lambda: resized, lambda: [(image.cuda() * i,) for i in range(5)])
    assert run.graphs().startswith("1 CUDA graph") and "besides" not in run.graphs()


@shim_only
def test_graphs_that_are_refused():
    library = ctypes.CDLL(os.environ["FASTNN_CUDA_LIBRARY"])
    library.fastnn_shim_refuse_graphs(True)
    try:
        replayed = trained("Adam", {}, True)
    finally:
        library.fastnn_shim_refuse_graphs(False)
    assert replayed[:3] == trained("Adam", {}, False)[:3]
    assert "launches one by one (cuda: cudaGraphInstantiate: refused" in replayed[3]


def test_an_index_out_of_range():
    table = fastnn.arange(12.0).reshape(4, 3).cuda()
    step = fastnn.capture(lambda i: table[i] + fastnn.rand(2, 3, device="cuda"))
    good, bad = fastnn.tensor([1, 2]).cuda(), fastnn.tensor([1, 4]).cuda()
    for _ in range(4):
        step(good)
    with pytest.raises(IndexError, match="index 4 is out of bounds"):
        step(bad).tolist()
    fastnn.manual_seed(1)
    got = step(good).tolist()
    fastnn.manual_seed(1)
    assert got == (table[good] + fastnn.rand(2, 3, device="cuda")).tolist() and step.graphs()


def test_replays_on_several_streams(order):
    def make():
        total = fastnn.zeros(500, device="cuda")

        def step(x):
            total.add_(x * 2)
            return total + 1

        return step

    results = []
    for captured in (False, True):
        step = fastnn.capture(make()) if captured else make()
        streams = [cuda.default_stream(), cuda.Stream(), cuda.Stream()]
        x, got = fastnn.ones(500, device="cuda"), []
        cuda.synchronize()
        for i in range(8):
            if not captured:
                cuda.synchronize()
            with cuda.stream(streams[i % 3]):
                got.append(step(x))
            if captured and i < 3:
                cuda.synchronize()
        cuda.synchronize()
        results.append([g[3].item() for g in got])
    assert results[0] == results[1] == [3.0 + 2 * i for i in range(8)]


def test_memory_comes_back():
    gc.collect()
    cuda.synchronize()
    before = cuda.memory_allocated()
    x = fastnn.randn(100, 50).cuda()
    step = fastnn.capture(lambda x: (x.exp() @ x.T).softmax(1).sum())
    for _ in range(4):
        y = step(x)
    held = cuda.memory_allocated()
    for _ in range(4):
        y = step(x)
    assert cuda.memory_allocated() == held > before and step.memory() > 0
    assert "CUDA graph" in str(step.program())
    step.clear()
    del x, y, step
    gc.collect()
    assert cuda.memory_allocated() == before


def test_a_value_is_read():
    step = fastnn.capture(lambda x: x * float(x.sum()))
    x = fastnn.ones(3).cuda()
    step(x)
    with pytest.raises(RuntimeError, match="item.. reads the result of sum while a step is being recorded"):
        step(x)
    assert (x + 1).tolist() == [2, 2, 2]


# ---- PyTorch's names ---------------------------------------------------------------------------------------------------------


def test_graph(order):
    x, w = fastnn.ones(4, 3).cuda(), fastnn.arange(6.0).reshape(3, 2).cuda()
    g, ran = cuda.CUDAGraph(), []
    with cuda.graph(g):
        assert cuda.is_current_stream_capturing()
        y = (x @ w).relu()
        noise = fastnn.rand(5, device="cuda")
        ran.append(fastnn.ones(2).sum().item())  # on the CPU, once
    assert not cuda.is_current_stream_capturing() and ran == [2.0]
    fastnn.manual_seed(9)
    g.replay()
    first = noise.tolist()
    assert y.tolist() == [[6, 9]] * 4
    x.fill_(2)
    g.replay()
    assert y.tolist() == [[12, 18]] * 4 and noise.tolist() != first
    fastnn.manual_seed(9)
    assert fastnn.rand(5).tolist() == first
    with pytest.raises(RuntimeError, match="already owns a captured graph"), cuda.graph(g):
        pass
    g.reset()
    with pytest.raises(RuntimeError, match="without a preceding successful capture"):
        g.replay()
    assert cuda.graph_pool_handle() == g.pool()


def test_a_result_that_another_stream_still_reads(order):
    x, g, other = fastnn.ones(3000).cuda(), cuda.CUDAGraph(), cuda.Stream()
    with cuda.graph(g):
        y = x * 3 + 1
    g.replay()
    cuda.synchronize()
    with cuda.stream(other):
        z = y * 2
    del y, g
    gc.collect()
    filled = [fastnn.full((3000,), 7.0).cuda() * 1 for _ in range(8)]  # noqa: F841
    cuda.synchronize()
    assert set(z.tolist()) == {8.0}


def test_graph_that_reads_a_value():
    x = fastnn.ones(3).cuda()
    for read in (lambda y: y.sum().item(), lambda y: y.cpu(), lambda y: y.tolist()):
        g = cuda.CUDAGraph()
        with pytest.raises(RuntimeError, match=r"cuda\.graph"), cuda.graph(g):
            read(x + 1)
        assert (x + 1).tolist() == [2, 2, 2] and not cuda.is_current_stream_capturing()


def test_graph_of_a_training_step():
    def batches():
        fastnn.manual_seed(4)
        return [(fastnn.randn(20, 7).cuda(), fastnn.randint(0, 4, (20,)).cuda()) for _ in range(6)]

    weights = []
    for graphed in (False, True):
        net = network()
        optimizer = fastnn.optim.Adam(net.parameters(), lr=0.01, capturable=True)
        data = batches()
        fastnn.manual_seed(8)

        def step(x, t, net=net, optimizer=optimizer):
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(net(x), t)
            loss.backward()
            optimizer.step()
            return loss

        losses = [step(*data[0]).item()]  # warm: the optimizer has its state
        if graphed:
            x, t = (v.clone() for v in data[0])
            g = cuda.CUDAGraph()
            with cuda.graph(g):
                loss = step(x, t)
        for batch in data[1:]:
            if graphed:
                x.copy_(batch[0]), t.copy_(batch[1])
                g.replay()
                losses.append(loss.item())
            else:
                losses.append(step(*batch).item())
        weights.append((losses, [p.detach().cpu().numpy().tobytes() for p in net.parameters()]))
    assert weights[0] == weights[1]


@pytest.mark.parametrize("kind", ["module", "function"])
def test_make_graphed_callables(kind):
    results = []
    for graphed in (False, True):
        fastnn.manual_seed(2)
        net = fastnn.nn.Sequential(fastnn.nn.Linear(5, 8), fastnn.nn.Tanh(), fastnn.nn.Linear(8, 3)).cuda()
        w = fastnn.randn(5, 3).cuda().requires_grad_()
        sample = fastnn.randn(4, 5).cuda().requires_grad_()
        f = net if kind == "module" else (lambda x, w: (fastnn.softmax(x @ w, -1), x.detach().sum()))
        args = (sample,) if kind == "module" else (sample, w.detach().clone().requires_grad_())
        if graphed:
            f = cuda.make_graphed_callables(f, args)
        got = []
        for i in range(3):
            x = fastnn.full((4, 5), 0.1 * i).cuda().requires_grad_()
            y = f(x) if kind == "module" else f(x, w)
            first = y if kind == "module" else y[0]
            (first * 2).square().sum().backward()
            got += [x.grad.tolist(), first.tolist()]
        leaves = net.parameters() if kind == "module" else [w]
        got += [p.grad.tolist() for p in leaves]
        results.append(got)
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6)
    with contextlib.suppress(RuntimeError):
        cuda.make_graphed_callables(lambda x: x, (1,))
        raise AssertionError("numbers are no tensors")
