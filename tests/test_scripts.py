"""What programs written for PyTorch meet besides results: the classes of exceptions, and forms of calls that are rarely used."""

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.nn import functional as F

X = fastnn.ones(3, 3)


@pytest.mark.parametrize(
    "kind, call",
    [
        (TypeError, lambda: fastnn.min(X, X, X)),
        (NotImplementedError, lambda: F.pad(X, (1, 1), mode="foo")),
        (RuntimeError, lambda: fastnn.autograd.grad(X.sum(), [])),
        (RuntimeError, lambda: fastnn.tensor(None)),
        (RuntimeError, lambda: fastnn.Generator().manual_seed("a")),
        (RuntimeError, lambda: fastnn.autograd.Function()(X)),
        (RuntimeError, lambda: F.ctc_loss(fastnn.zeros(4, 1, 3), fastnn.ones(1, 2).long(), (4,), (2,), blank=3)),
        (AssertionError, lambda: nn.Embedding(3, 2, padding_idx=5)),
        (AssertionError, lambda: nn.MultiheadAttention(8, 2, kdim=6)(fastnn.ones(2, 8), fastnn.ones(2, 8), fastnn.ones(2, 8))),
        (ValueError, lambda: nn.TripletMarginWithDistanceLoss(margin=0)),
        (AssertionError, lambda: nn.Hardtanh(1, 0)),
        (AssertionError, lambda: nn.Embedding.from_pretrained(X[0])),
        (RuntimeError, lambda: nn.Conv2d(1, 1, (3, 3, 3))(X[None])),
        (ValueError, lambda: nn.Sequential() + [nn.ReLU()]),
        (TypeError, lambda: fastnn.autograd.graph.saved_tensors_hooks(1, 2)),
        (TypeError, lambda: nn.LSTMCell(3, 3)(X, X)),
        (TypeError, lambda: nn.utils.vector_to_parameters([1.0], [nn.Parameter(X)])),
        (AssertionError, lambda: fastnn.utils.data.ConcatDataset([])),
        (IndexError, lambda: fastnn.utils.data.ConcatDataset([range(3)])[3]),
        (ValueError, lambda: fastnn.utils.data.WeightedRandomSampler([1.0], 2, replacement=1)),
    ],
)
def test_classes_of_errors(kind, call):
    with pytest.raises(kind):
        call()


@pytest.mark.parametrize(
    "text",
    "F.layer_norm(i,(2,)) F.gumbel_softmax(i) F.softmax(i,0) t.tensor(2**63) t.tensor([2**64]) D.Geometric(0.) D.LKJCholesky(2.5) D.Normal(0.,1.).sample(3) D.Uniform(1.,1.) "
    "D.TransformedDistribution(D.Normal(0.,1.),3) t.device('cuda',-1) t.device(-1) i['a'] t.signal.windows.hann(3,dtype=t.int64) "
    "t.signal.windows.exponential(3,center=1) t.signal.windows.general_cosine(3,a=None)".split(),
)
def test_classes_of_errors_are_pytorchs(text):
    torch = pytest.importorskip("torch")
    raised = []
    for t in (torch, fastnn):
        with pytest.raises(Exception) as e:  # noqa: PT011
            eval(text, {"t": t, "D": t.distributions, "F": t.nn.functional, "i": t.tensor([0, 1])})
        raised.append({c for c in e.type.__mro__ if c.__module__ == "builtins"})
    assert raised[0] <= raised[1]


def test_what_scripts_ask_beside_the_usual():
    batches = iter(fastnn.utils.data.DataLoader(range(5), batch_size=2))
    assert len(batches) == 3 and next(batches).tolist() == [0, 1]
    a, b = (fastnn.from_numpy(np.random.default_rng(i).normal(size=(2, 3, 4))) for i in range(2))
    np.testing.assert_allclose(fastnn.cross(a, b).numpy(), np.cross(a.numpy(), b.numpy(), axis=1))
    parts = fastnn.distributions.constraints.cat([fastnn.distributions.constraints.real, fastnn.distributions.constraints.positive])
    assert parts.check(fastnn.tensor([-1.0, 2.0, 3.0])).tolist() == [True, True]  # what is beyond the parts is not asked
    layer = nn.Linear(3, 3)
    given = fastnn.func.functional_call(layer, {"weight": X, "bias": X[0], "unused": X}, (X,))
    assert given.tolist() == (X @ X + 1).tolist()
    with pytest.raises(AttributeError):
        fastnn.func.functional_call(layer, {"nowhere.weight": X}, (X,))


@pytest.mark.parametrize("dtype", [fastnn.float64, fastnn.float32])
def test_integers_become_the_default_dtype(dtype):
    n, b = fastnn.arange(1, 4), fastnn.tensor([True, False, True])
    fastnn.set_default_dtype(dtype)
    try:
        results = [n * 0.5, 2.0**n, n / 2, n / n, n.sqrt(), 1.5 - n, b * 2.0, fastnn.where(b, 1.0, 0.0), fastnn.where(b, n, 0.5), n.clamp(min=1.5)]
        results += [fastnn.sin(n), fastnn.atan2(n, n), n % 2.5, fastnn.erf(n), fastnn.cat([n, fastnn.ones(1)])]
        assert [y.dtype for y in results] == [dtype] * len(results)
        np.testing.assert_array_equal((1 / n).numpy(), (1 / np.arange(1, 4)).astype(dtype.numpy))
        singles = fastnn.ones(2, dtype=fastnn.float32)
        assert (singles * 1.5).dtype is (singles * n[0]).dtype is fastnn.float32
    finally:
        fastnn.set_default_dtype(fastnn.float32)


@pytest.mark.parametrize(
    "text", "[1.,a] [a,2] [i,1.5] [i,True] [d,1.] [1.,d] [[1.,a],[2.,3.]] [[a,a],[d,d]] [1e-12,np.float32(2)] [np.float64(1),a]".split()
)
def test_dtype_of_lists_with_tensors(text):
    torch = pytest.importorskip("torch")
    kinds = []
    for t in (torch, fastnn):
        names = {"a": t.ones(2).sum(), "d": t.tensor(1.5, dtype=t.float64), "i": t.tensor(2), "np": np}
        kinds.append(str(t.tensor(eval(text, names)).dtype).partition(".")[2])
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize(
    "text",
    "nn.ReLU6() nn.LazyInstanceNorm2d() nn.LazyInstanceNorm1d(1e-3,0.2,False) nn.LazyInstanceNorm1d(affine=False) nn.LazyBatchNorm2d() "
    "nn.LazyLinear(3) nn.TripletMarginWithDistanceLoss() nn.PairwiseDistance().norm isinstance(nn.ReLU6(),nn.Hardtanh) nn.ReLU6().max_val".split(),
)
def test_printed_modules(text):
    torch = pytest.importorskip("torch")
    assert repr(eval(text, {"nn": nn})) == repr(eval(text, {"nn": torch.nn}))


def test_spawned_processes():
    from fastnn import multiprocessing as mp

    mp.spawn(print, (fastnn.ones(1),), nprocs=2)
    with pytest.raises(mp.ProcessRaisedException):
        mp.spawn(divmod, ("a",))


def test_benchmark():
    import fastnn.utils.benchmark as benchmark

    x = fastnn.ones(8, 8)
    once = benchmark.Timer("x @ x", globals={"x": x}, label="product", description="8").timeit(20)
    assert once.number_per_run == 20 and len(once.times) == 1 and 0 < once.median < 1 and "20 runs per measurement, 1 thread" in repr(once)
    many = benchmark.Timer(stmt=lambda: x + 1, label="sum", num_threads=2).blocked_autorange(min_run_time=0.01)
    assert sum(many.raw_times) >= 0.01 and many.iqr >= 0 and "IQR" in str(many)
    table = str(benchmark.Compare([once, many]))
    assert "product (1 threads)" in table and "sum (2 threads)" in table


def test_asarray():
    a = np.ones(3)
    shared, copied = fastnn.asarray(a), fastnn.asarray(obj=a, copy=True, requires_grad=True)
    a[0] = 5
    assert shared.tolist() == [5, 1, 1] and copied.tolist() == [1, 1, 1] and copied.requires_grad
    assert not fastnn.asarray(copied).requires_grad and fastnn.asarray([1j]).is_complex()
    with pytest.raises(ValueError):
        fastnn.asarray([1, 2], copy=False)


def test_types_by_name():
    layer = nn.BatchNorm1d(2).type("torch.DoubleTensor")
    assert layer.weight.dtype is layer.running_mean.dtype is fastnn.float64
    assert layer.type(fastnn.FloatTensor).bias.dtype is layer.type(fastnn.float32).bias.dtype is fastnn.float32
    with pytest.raises(ValueError):
        layer.type("torch.NoTensor")


@pytest.mark.parametrize(
    "text",
    "x[:2] x[0] x[0,1] x[:,1] x[i] x[None] x[...] x[1:,0] x[0,:2] x.view(-1) x.unsqueeze(0) x.sum(0) x.sum() x.mean(1) x@x.T x@x[0] x[0]@x[0] "
    "F.linear(x,x) F.linear(x,x,x[0,:3]) 1-x x.square() x.norm() x.double() x.clamp(0,1) x*2 F.layer_norm(x,(4,)) F.conv2d(x[None,None],x[None,None]) "
    "x.max() x.min() x.max(0)[0] x[x>0] F.embedding(i,x) x.index_select(0,i) x[None].transpose(1,2) x[None].mT x[None]@x.T x.tril() x.triu(1) "
    "x**x x**2 2**x 1/x F.pad(x,(1,1)) F.pad(x[None],(1,1),mode='reflect') x.repeat(2,1) F.interpolate(x[None,None],scale_factor=2) F.selu(x) "
    "F.interpolate(x[None,None],scale_factor=2,mode='bilinear') x.log1p() F.logsigmoid(x) x.median() F.group_norm(x,2) F.unfold(x[None,None],2)".split(),
)
def test_printed_names_of_what_made_a_tensor(text):
    torch = pytest.importorskip("torch")
    names = []
    for t in (torch, fastnn):
        y = eval(text, {"x": t.ones(3, 4, requires_grad=True), "i": t.tensor([0, 1]), "F": t.nn.functional})
        names.append((type(y.grad_fn).__name__, repr(y).partition("grad_fn=")[2]))
    assert names[0] == names[1]


@pytest.mark.parametrize("name", ["add", "sub", "addcmul", "addcdiv", "addmm", "addmv", "addr", "baddbmm"])
def test_factors_by_place(name):
    """Older scripts give alpha, beta and value before what they multiply; functions, methods and forms in place, with a warning."""
    shapes = {"addmm": ((2, 2),) * 3, "addmv": ((2,), (2, 2), (2,)), "addr": ((2, 2), (2,), (2,)), "baddbmm": ((1, 2, 2),) * 3}
    x, *rest = (fastnn.rand(*s, dtype=fastnn.float64) + 1 for s in shapes.get(name, ((3,),) * (2 if name in ("add", "sub") else 3)))
    names = ["alpha"] if name in ("add", "sub") else ["value"] if name.startswith("addc") else ["beta", "alpha"]
    for used in range(1, len(names) + 1):
        numbers = [0.5, -2.0][:used]
        expected = getattr(fastnn, name)(x, *rest, **dict(zip(names, numbers, strict=False)))
        for f, first in ((getattr(fastnn, name), x), (getattr(fastnn.Tensor, name), x), (getattr(fastnn.Tensor, name + "_"), x.clone())):
            with pytest.warns(UserWarning, match="deprecated"):
                assert fastnn.equal(f(first, *numbers, *rest), expected)
    with pytest.raises(TypeError):
        getattr(fastnn, name)(x, *rest, 2.0)


def test_variables_are_tensors():
    from fastnn.autograd import Variable

    x = fastnn.ones(2, requires_grad=True)
    assert isinstance(x, Variable) and not isinstance(1, Variable) and Variable(x, requires_grad=True).is_leaf
    for y in (Variable(x), Variable(x * 2), Variable(x.detach(), volatile=True)):
        assert type(y) is fastnn.Tensor and not y.requires_grad
    with pytest.raises(TypeError, match="got int"):
        Variable(1)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x: fastnn.nn.functional.cross_entropy(x, np.zeros(2, int)), "argument 'target' must be Tensor, not ndarray"),
        (lambda x: fastnn.nn.functional.softmax("a", dim=1), "softmax: argument 'input' must be Tensor, not str"),
        (lambda x: fastnn.zeros("3"), "zeros: expected an integer, got str"),
        (lambda x: x.new_zeros(2.5), "new_zeros: expected an integer, got float"),
        (lambda x: fastnn.arange("3"), "arange: start, end and step must be numbers, not str"),
    ],
)
def test_words_for_what_is_no_tensor_and_no_size(call, words):
    with pytest.raises(TypeError, match=words):
        call(fastnn.ones(2, 3))
