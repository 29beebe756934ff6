"""What scripts written for PyTorch use besides ops: printing, testing.assert_close, finfo, typed constructors, cuda, load."""

import copy
import io
import math
import pickle

import numpy as np
import pytest

import fastnn as fn


def samples(rng):
    floats = [
        rng.standard_normal(s).astype("f4") * k for s, k in [((3, 4), 1), ((2, 3, 4), 1000), ((30, 40), 1), ((20,), 1)]
    ]
    values = [
        [1e-5, 1.0],
        [1.0, 2.0, math.nan],
        [math.inf, 0.0],
        2.0,
        [1e10, 1.0],
        [[1.5, 1e-9]],
        [-0.0],
        [123456.0, 1.0],
        [0.0, 0.0],
    ]
    arrays = floats + [np.array(v, "f4") for v in values]
    arrays += [
        np.arange(2000.0, dtype="f4"),
        np.arange(24).reshape(2, 3, 4),
        np.array(3),
        np.array([True, False]),
        np.array(True),
    ]
    return [
        *arrays,
        np.zeros((0, 3), "f4"),
        np.zeros(0, "i8"),
        rng.standard_normal(3),
        np.arange(5, dtype="i4"),
        rng.standard_normal((2, 9, 2, 30)),
    ]


def test_tensors_print_as_in_pytorch(rng):
    torch = pytest.importorskip("torch")
    for a in samples(rng):
        ours, theirs = fn.from_numpy(a), torch.from_numpy(a)
        assert repr(ours).replace("fastnn.", "torch.") == repr(theirs)
        if a.dtype.kind == "f":
            assert repr(ours.clone().requires_grad_()).replace("fastnn.", "torch.") == repr(
                theirs.clone().requires_grad_()
            )
    x = fn.ones(2, requires_grad=True)
    assert repr(x * 2) == "tensor([2., 2.], grad_fn=<MulBackward0>)"


def test_printoptions():
    try:
        fn.set_printoptions(precision=2, sci_mode=False)
        assert repr(fn.tensor([1e-5, 1.5])) == "tensor([0.00, 1.50])"
        fn.set_printoptions(threshold=4, edgeitems=1)
        assert repr(fn.arange(9)) == "tensor([0,  ..., 8])"
    finally:
        fn.set_printoptions(profile="default")
    with pytest.raises(ValueError):
        fn.set_printoptions(profile="long")


def test_assert_close():
    close = fn.testing.assert_close
    close(fn.tensor([1.0, 2.0]), fn.tensor([1.0, 2.0 + 1e-6]))
    close({"a": [1.0, fn.ones(2)]}, {"a": [1.0, fn.ones(2)]})
    close(fn.tensor([math.nan, math.inf]), fn.tensor([math.nan, math.inf]), equal_nan=True)
    for a, b in [
        (fn.ones(2), fn.ones(3)),
        (fn.ones(2), fn.ones(2).double()),
        (fn.ones(2), fn.tensor([1.0, 1.1])),
        (fn.tensor([math.nan]), fn.tensor([math.nan])),
        (fn.tensor([1.0]), fn.tensor([math.inf])),
        (fn.tensor([2**60]), fn.tensor([2**60 + 1])),
        ([1.0], [1.0, 2.0]),
        ({"a": 1.0}, {"b": 1.0}),
    ]:
        with pytest.raises(AssertionError):
            close(a, b)
    with pytest.raises(ValueError):
        close(fn.ones(1), fn.ones(1), rtol=0.1)
    with pytest.raises(TypeError):
        close("a", "b")


@pytest.mark.parametrize(
    "text",
    """t([1.,2.]),t([1.,1.]) t(1.),t(2.) t([[1,2],[3,4]]),t([[1,2],[3,5]]) 1.,2. 1,2 t([True]),t([False]) {'a':[t(1.)]},{'a':[t(3.)]}
    t([1+1j]),t([1.+0j]) t([0.,1.]),t([0.,0.]) t([1.5]).half(),t([1.]).half() t([1.]),t([float('inf')])""".split(),
)
def test_assert_close_says_what_pytorchs_does(text):
    torch = pytest.importorskip("torch")
    words = []
    for lib in (fn, torch):
        with pytest.raises(AssertionError) as e:
            lib.testing.assert_close(*eval(text, {"t": lib.tensor}))
        words.append(str(e.value))
    assert words[0] == words[1]


def test_saved_parameters_stay_parameters(tmp_path):
    w, leaf = fn.nn.Parameter(fn.ones(2)), fn.ones(2, requires_grad=True)
    fn.save([w, leaf, leaf.detach(), fn.nn.Linear(1, 1).state_dict()], tmp_path / "x")
    a, b, c, d = fn.load(tmp_path / "x")
    assert isinstance(a, fn.nn.Parameter) and type(b) is fn.Tensor and b.requires_grad and not c.requires_grad and not d["weight"].requires_grad


def test_limits_and_types():
    assert fn.finfo(fn.float32).eps == np.finfo("f4").eps and fn.finfo(fn.float64).max == np.finfo("f8").max
    assert fn.iinfo(fn.uint8).max == 255 and fn.iinfo(fn.int64).min == -(2**63)
    with pytest.raises(TypeError):
        fn.finfo(fn.int64)
    with pytest.raises(TypeError):
        fn.iinfo(fn.float32)
    assert fn.LongTensor([1, 2]).dtype is fn.int64 and fn.FloatTensor(2, 3).shape == (2, 3)
    assert isinstance(fn.ones(2), fn.FloatTensor) and not isinstance(fn.ones(2), fn.LongTensor)
    assert fn.ones(2).type() == "fastnn.FloatTensor" and fn.ones(2).type(fn.LongTensor).dtype is fn.int64
    assert fn.ones(2).type("torch.DoubleTensor").dtype is fn.float64
    assert fn.can_cast(fn.int64, fn.float32) and not fn.can_cast(fn.float32, fn.int64)
    assert fn.promote_types(fn.int32, fn.float64) is fn.float64


@pytest.mark.skipif(fn.cuda.is_available(), reason="there is one")
def test_there_is_no_gpu():
    assert not fn.cuda.is_available() and fn.cuda.device_count() == 0 and not fn.backends.mps.is_available()
    with pytest.raises(RuntimeError, match="FASTNN_CUDA"):  # built without CUDA: says how to get it
        fn.ones(2).to("cuda")
    assert (
        fn.ones(2, device=fn.device("cuda" if fn.cuda.is_available() else "cpu")).to("cpu").cpu().device.type == "cpu"
    )
    fn.backends.cudnn.deterministic = True
    fn.cuda.manual_seed_all(1)
    with pytest.raises(RuntimeError):
        fn.cuda.current_device()


def test_devices_are_names_until_a_tensor_is_made_there():
    d = fn.device("cuda:1")
    assert (d.type, d.index, str(d), repr(d)) == ("cuda", 1, "cuda:1", "device(type='cuda', index=1)")
    assert str(fn.device("cuda")) == "cuda" and fn.device("cuda", 1) == d == fn.device(d) == fn.device(1) and d == "cuda:1"
    assert fn.device("cuda") == fn.device("cuda:0") != d and len({fn.device("cpu"), fn.device("cpu:0"), d}) == 2
    assert fn.device("mps").type == "mps" and fn.device("cpu") != "cuda" and fn.device("cpu") != "no such" and fn.device("cpu") != 3
    for make in (
        lambda: fn.ones(2, device=d), lambda: fn.ones(2).to(d), lambda: fn.nn.Linear(2, 2).to("cuda:1"), lambda: fn.set_default_device("cuda:1"),
        lambda: fn.tensor([1.0], device="mps"), lambda: fn.load("nowhere", map_location="cuda:1"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError):
            make()
    for bad in ("gpu", "cuda:x", "cuda:", "cpu:-1"):
        with pytest.raises(RuntimeError, match="device string"):
            fn.device(bad)
    with pytest.raises(RuntimeError, match="must not include an index"):
        fn.device("cuda:0", 1)


def test_load_from_memory():
    f = io.BytesIO()
    fn.save({"w": fn.ones(2)}, f)
    f.seek(0)
    assert fn.load(f, map_location="cpu", weights_only=True)["w"].tolist() == [1, 1]
    with pytest.raises(RuntimeError):
        fn.load(f, map_location="cuda:7")


def test_fork_rng():
    fn.manual_seed(3)
    a = fn.rand(2)
    fn.manual_seed(3)
    with fn.random.fork_rng():
        fn.rand(5)
    assert fn.equal(a, fn.rand(2))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 2, 3, 4, 5)])
def test_channels_last(shape):
    """A view of memory with the channels last: strides as PyTorch's, the same values and gradients."""
    form = fn.channels_last if len(shape) == 4 else fn.channels_last_3d
    x = fn.rand(*shape, requires_grad=True)
    last = x.permute(0, *range(2, len(shape)), 1).contiguous().stride()
    for y in (x.to(memory_format=form), x.contiguous(memory_format=form), x.clone(memory_format=form), x.to(fn.float64, memory_format=form)):
        assert y.is_contiguous(memory_format=form) and not y.is_contiguous()
        assert y.stride() == (last[0], last[-1], *last[1:-1]) and y.shape == x.shape and (y == x).all()
        assert y.contiguous(memory_format=form) is y and y.to(memory_format=fn.contiguous_format).is_contiguous()
    y.square().sum().backward()
    assert fn.allclose(x.grad, 2 * x)
    assert fn.empty(*shape, memory_format=form).stride() == y.stride()
    with pytest.raises(RuntimeError, match=f"rank {len(shape)} tensor"):
        fn.ones(2, 3).to(memory_format=form)


def test_mixed_precision_and_memory_formats_are_accepted():
    """Scripts ask for them; values are as without."""
    net = fn.nn.Sequential(fn.nn.Conv2d(1, 2, 3), fn.nn.Flatten(), fn.nn.LazyLinear(3)).to(
        memory_format=fn.channels_last
    )
    assert fn.rand(2, 3, 5, 5).double(memory_format=fn.channels_last).stride() == (75, 1, 15, 3)
    x = fn.rand(2, 1, 5, 5).to(memory_format=fn.channels_last).contiguous(memory_format=fn.contiguous_format)
    net(x)
    optimizer, scaler = fn.optim.SGD(net.parameters(), lr=0.1), fn.amp.GradScaler("cuda", enabled=False)
    with fn.autocast("cpu", dtype=fn.bfloat16), fn.cuda.amp.autocast(enabled=False):
        loss = net(x).square().mean()
    scaler.scale(loss).backward()
    before = net[0].weight.clone()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert not fn.equal(before, net[0].weight)


@pytest.mark.parametrize("make", ["zeros", "ones", "empty", "rand", "randn"])
def test_sizes_by_keyword(make):
    f = getattr(fn, make)
    assert f(size=(2, 3)).shape == f(2, 3).shape == f((2, 3)).shape == (2, 3)
    for wrong in [lambda: f(2, size=(2,)), lambda: f(2, colour="red")]:
        with pytest.raises(TypeError):
            wrong()
    assert fn.ones(1).new_zeros(size=(2, 3)).shape == fn.ones(1).new_empty(2, 3).shape == (2, 3)


def test_numbers_of_tensors():
    """int, float, complex: ValueError for several elements; an index may be any integer tensor of one element."""
    for number in (int, float, complex, math.sqrt):
        for wrong in (fn.ones(2), fn.ones(0)):
            with pytest.raises(ValueError, match="only one element"):
                number(wrong)
    assert int(fn.tensor([3.7])) == 3 and complex(fn.tensor([2.0])) == 2 + 0j
    assert [1, 2][fn.tensor([1])] == 2 and list(range(fn.tensor([[2]]))) == [0, 1]
    with pytest.raises(RuntimeError):
        fn.ones(2).item()


def test_backward_may_return_none_for_arguments_not_given():
    class Linear(fn.autograd.Function):
        @staticmethod
        def forward(ctx, x, w, bias=None):
            ctx.save_for_backward(x, w)
            return x @ w.t() if bias is None else x @ w.t() + bias

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return g @ w, g.t() @ x, g.sum(0) if ctx.needs_input_grad[2:] == (True,) else None

    x, w = fn.ones(2, 3, requires_grad=True), fn.ones(4, 3, requires_grad=True)
    Linear.apply(x, w).sum().backward()
    assert x.grad.tolist() == [[4.0] * 3] * 2 and w.grad.tolist() == [[2.0] * 3] * 4

    class Extra(Linear):
        @staticmethod
        def backward(ctx, g):
            return g, g, g

    with pytest.raises(RuntimeError, match="incorrect number of gradients"):
        Extra.apply(x, w).sum().backward()


@pytest.mark.parametrize("kind", ["Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta", "ASGD", "Rprop"])
def test_counts_in_state_dicts_are_float32(kind):
    p = fn.nn.Parameter(fn.ones(2))
    optimizer = getattr(fn.optim, kind)([p])
    p.grad = fn.ones(2)
    optimizer.step()
    saved = optimizer.state_dict()
    assert saved["state"][0]["step"].dtype is fn.float32 and saved["state"][0]["step"].item() == 1
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert optimizer.state_dict()["state"][0]["step"].item() == 2


def test_a_function_of_several_outputs_that_saves_one_has_second_derivatives():
    class Cube(fn.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y, slope = x**3, 3 * x**2
            ctx.save_for_backward(x, slope)
            return y, slope

        @staticmethod
        def backward(ctx, g, g_slope):
            x, slope = ctx.saved_tensors
            return g * slope + g_slope * 6 * x

    x = fn.tensor([0.1, -0.2, 0.3], dtype=fn.float64, requires_grad=True)
    assert fn.autograd.gradcheck(Cube.apply, (x,))
    assert fn.autograd.gradgradcheck(Cube.apply, (x,))


def test_copies_of_views_and_layouts():
    x = fn.arange(6).reshape(2, 3)
    assert x.layout is fn.strided and isinstance(x.layout, fn.layout)
    for y in (fn.narrow_copy(x, 1, 0, 2), x.narrow_copy(1, 0, 2), fn.transpose_copy(x, 0, 1), *fn.unbind_copy(x), fn.view_copy(x, (6,))):
        assert y.untyped_storage() != x.untyped_storage()
    out = fn.zeros(3, 2, dtype=fn.int64)
    assert fn.t_copy(x, out=out) is out and out.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert [t.tolist() for t in fn.unsafe_chunk(x, 2)] == [[[0, 1, 2]], [[3, 4, 5]]]
    assert x.as_strided_((2, 2), (1, 2)) is x and x.tolist() == [[0, 2], [1, 3]]
    np.testing.assert_allclose(fn.tensor([1.0, 2.0]).polygamma_(1).numpy(), [np.pi**2 / 6, np.pi**2 / 6 - 1], rtol=1e-6)


def test_make_tensor():
    make = fn.testing.make_tensor
    for dtype in (fn.float32, fn.float64, fn.int64, fn.int32, fn.uint8, fn.bool):
        t = make((3, 400), dtype=dtype)
        assert t.dtype is dtype and t.shape == (3, 400) and len(set(t.flatten().tolist())) > 1
        assert dtype is fn.bool or (-9 <= t.min().item() and t.max().item() <= 9 and (dtype is not fn.uint8 or t.min().item() >= 0))
    t = make(20, 3, dtype=fn.int64, low=-1, high=2, exclude_zero=True, noncontiguous=True)
    assert set(t.flatten().tolist()) == {-1, 1} and not t.is_contiguous()
    assert make(2, dtype=fn.float32, requires_grad=True, device="cpu").requires_grad
    with pytest.raises(ValueError, match="low"):
        make(2, dtype=fn.float32, low=1, high=0)


@pytest.mark.parametrize(
    "line",
    [
        "from fastnn.cuda.amp import GradScaler, autocast",
        "from fastnn.amp.grad_scaler import GradScaler",
        "from fastnn.optim.adamw import AdamW",
        "from fastnn.autograd.variable import Variable",
        "from fastnn.autograd.gradcheck import gradcheck",
        "from fastnn.nn.attention import SDPBackend, sdpa_kernel",
        "from fastnn.nn.common_types import _size_2_t",
        "from fastnn.utils._pytree import tree_map",
        "from fastnn.utils.hooks import RemovableHandle",
        "from fastnn.utils.data._utils.collate import default_collate",
        "from fastnn.types import Device, Number",
        "import fastnn.backends.cudnn as cudnn; cudnn.benchmark = False; assert cudnn.version() is None",
        "import fastnn; assert callable(fastnn.autograd.gradcheck) and fastnn.optim.adamw.AdamW is fastnn.optim.AdamW",
    ],
)
def test_addresses_of_pytorch(line):
    exec(line, {})


def test_devices_as_contexts():
    with fn.device("cpu") as where:
        assert fn.ones(1).device == where
    with pytest.raises(RuntimeError, match="no tensor can live on mps"), fn.device("mps"):
        pass


def test_choosing_attention_changes_nothing():
    from fastnn.nn.attention import SDPBackend, sdpa_kernel

    q = fn.rand(1, 2, 3, 4)
    with sdpa_kernel([SDPBackend.MATH]), fn.backends.cuda.sdp_kernel(enable_flash=False):
        y = fn.nn.functional.scaled_dot_product_attention(q, q, q)
    assert fn.equal(y, fn.nn.functional.scaled_dot_product_attention(q, q, q))
    with pytest.raises(TypeError, match="SDPBackend"), sdpa_kernel("math"):
        pass


def test_older_names():
    w = fn.empty(2, 3)
    with pytest.warns(FutureWarning, match="nn.init.constant_"):
        assert fn.nn.init.constant(w, 3.0) is w and w.tolist() == [[3.0] * 3] * 2
    for t in (fn.DoubleTensor, "torch.DoubleTensor"):
        fn.set_default_tensor_type(t)
        assert fn.ones(1).dtype is fn.float64
        fn.set_default_tensor_type(fn.FloatTensor)
    with pytest.raises(TypeError, match="floating-point types"):
        fn.set_default_tensor_type(fn.LongTensor)
    assert not fn.is_autocast_enabled() and not fn.is_anomaly_enabled()
    with fn.autograd.detect_anomaly():
        assert fn.is_anomaly_enabled()
    f = fn.amp.custom_fwd(device_type="cuda")(lambda ctx, x: x)
    assert f(type("Context", (), {})(), 3) == 3


def test_names_of_dtypes():
    assert fn.short is fn.int16 and fn.half is fn.float16 and fn.cfloat is fn.complex64 and fn.complex64.is_complex and not fn.float32.is_complex
    assert fn.iinfo(fn.int8).min == -128 and fn.finfo(fn.float16).max == 65504 and fn.ones(1).dtype not in (fn.int8, fn.complex128)


def test_whatever_accelerator_there_is(monkeypatch):
    monkeypatch.setattr(fn.cuda, "is_available", lambda: False)
    assert not fn.accelerator.is_available() and fn.accelerator.current_accelerator() is None and fn.accelerator.device_count() == 0
    monkeypatch.setattr(fn.cuda, "is_available", lambda: True)
    assert fn.accelerator.current_accelerator().type == "cuda"


def test_compilers_of_python_change_nothing():
    def f(x):
        return x

    assert fn.compiler.disable(f) is f and fn.compiler.disable(recursive=False)(f) is f and not fn.compiler.is_compiling()
    assert fn.jit.script_method(f) is f and fn.jit.annotate(int, 3) == 3 and issubclass(fn.jit.ScriptModule, fn.nn.Module)


def test_gradients_of_convolutions_as_functions(rng):
    x, w = (fn.from_numpy(rng.standard_normal(s)).requires_grad_() for s in ((2, 4, 7, 6), (6, 2, 3, 3)))
    options = {"stride": (2, 1), "padding": 1, "groups": 2}
    y = fn.nn.functional.conv2d(x, w, **options)
    g = fn.from_numpy(rng.standard_normal(tuple(y.shape)))
    dx, dw = fn.autograd.grad(y, (x, w), g)
    np.testing.assert_allclose(fn.nn.grad.conv2d_input(x.shape, w, g, **options).detach().numpy(), dx.numpy())
    ours = fn.nn.grad.conv2d_weight(x, w.shape, g, **options)
    np.testing.assert_allclose(ours.detach().numpy(), dw.numpy())
    assert fn.autograd.grad(ours.square().sum(), x)[0].abs().sum() > 0
    assert fn.nn.grad.conv1d_input((1, 1, 4), fn.ones(1, 1, 2), fn.ones(1, 1, 3)).flatten().tolist() == [1, 2, 2, 1]
    with pytest.raises(RuntimeError):
        fn.nn.grad.conv3d_weight(fn.ones(1, 1, 2, 2, 2), (1, 2, 1, 1, 1), fn.ones(1, 1, 2, 2, 2))


def test_nests():
    from fastnn.utils import _pytree as p

    nest = {"a": [1, (2, 3)], "b": 4}
    leaves, spec = p.tree_flatten(nest)
    assert leaves == [1, 2, 3, 4] and p.tree_unflatten(leaves, spec) == nest and p.tree_structure(nest) == spec
    assert p.tree_map(lambda x, y: x * y, nest, nest) == {"a": [1, (4, 9)], "b": 16}
    assert p.tree_map_only(str, len, ["abc", 2]) == [3, 2] and p.tree_any(lambda x: x == 4, nest) and not p.tree_all(lambda x: x == 4, nest)
    with pytest.raises(ValueError, match="nests differ"):
        p.tree_map(max, nest, [1])


def test_a_world_of_one_process(monkeypatch):
    from fastnn.distributed import destroy_process_group, init_process_group

    dist = fn.distributed
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RuntimeError, match="2 processes"):
        init_process_group(backend="gloo")
    init_process_group("gloo", rank=0, world_size=1)
    x, into = fn.tensor([1.0, 2.0]), [fn.zeros(2)]
    dist.all_reduce(x, op=dist.ReduceOp.SUM)
    dist.broadcast(x, 0)
    dist.all_gather(into, x)
    dist.barrier()
    assert dist.is_initialized() and x.tolist() == into[0].tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="rank 1"):
        dist.broadcast(x, src=1)
    destroy_process_group()
    assert not dist.is_initialized()


def test_small_names_of_torch():
    from fastnn.nn.utils.weight_norm import weight_norm
    from fastnn.utils.dlpack import from_dlpack, to_dlpack

    assert weight_norm is fn.nn.utils.weight_norm
    x = fn.tensor([[0.0, 1.0], [2.0, 0.0]])
    assert x.nonzero_static(size=3, fill_value=-7).tolist() == [[0, 1], [1, 0], [-7, -7]] and fn.nonzero_static(x, size=1).tolist() == [[0, 1]]
    assert from_dlpack(to_dlpack(x)).tolist() == x.tolist()
    assert fn.i0_(fn.zeros(2)).tolist() == [1, 1] and fn.fix_(fn.tensor([1.5])).tolist() == [1]


def test_copies_of_tensors_and_of_what_holds_them():
    """copy.copy shares memory, deepcopy does not and keeps the gradient of a tensor that is no parameter; attributes go along."""
    x = fn.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    x.tag = [1]
    shallow, deep = copy.copy(x), copy.deepcopy(x)
    assert shallow.data_ptr() == x.data_ptr() != deep.data_ptr() and shallow.tag is x.tag
    assert deep.tag == [1] and deep.tag is not x.tag and deep.grad.tolist() == [3, 3] and shallow.requires_grad
    assert type(copy.copy(fn.nn.Parameter(x))) is fn.nn.Parameter
    for value in (fn.eye(2).to_sparse(), fn.max(fn.eye(2), 1), fn.channels_last, fn.utils.data.DataLoader([1, 2], 2)):
        for other in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
            assert type(other) is type(value) and (" at 0x" in repr(value) or repr(other) == repr(value))
    assert isinstance(fn.max(fn.eye(2), 1), fn.return_types.max)
