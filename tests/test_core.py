"""Arrays, memory, autodiff: what every op stands on."""

import gc
import importlib

import numpy as np
import pytest

import fastnn
from fastnn import _cpu

# -- making and reading ---------------------------------------------------------------------------------------------------


def test_tensor_dtypes():
    assert fastnn.tensor([1.0, 2.0]).dtype is fastnn.float32
    assert fastnn.tensor([1, 2]).dtype is fastnn.int64
    assert fastnn.tensor([True]).dtype is fastnn.bool
    assert fastnn.tensor(np.arange(3.0)).dtype is fastnn.float64
    assert fastnn.tensor([1, 2], dtype=fastnn.float64).dtype is fastnn.float64
    assert fastnn.tensor(2**53 + 1, dtype=fastnn.int64).item() == 2**53 + 1
    assert fastnn.tensor(3.5).item() == 3.5
    with pytest.raises(TypeError):
        fastnn.tensor(["a"])
    with pytest.raises(ValueError):
        fastnn.tensor([[1], [1, 2]])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
def test_numpy_shares_memory(dtype):
    a = np.arange(12).astype(dtype).reshape(3, 4)
    for view in (a, a.T, a[::2], a[::-1, ::-1], a[1:, 1:3]):
        t = fastnn.from_numpy(view)
        assert np.shares_memory(t.numpy(), a)
        np.testing.assert_array_equal(t.numpy(), view)
    t = fastnn.from_numpy(a)
    t.numpy()[0, 0] = 1
    assert a[0, 0] == 1


def test_from_numpy_other_dtypes():
    assert fastnn.from_numpy(np.arange(3, dtype=">f4")).tolist() == [0, 1, 2]
    assert fastnn.from_numpy(np.arange(3, dtype=np.uint16)).dtype is fastnn.int32
    with pytest.raises(TypeError):
        fastnn.from_numpy(np.array(["text"]))
    with pytest.raises(TypeError):
        fastnn.from_numpy([1, 2])


def test_read_only_memory():
    a = np.zeros(3)
    a.setflags(write=False)
    t = fastnn.from_numpy(a)
    assert not t.numpy().flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        t.add_(1)
    assert a.sum() == 0


def test_dlpack_both_ways():
    a = fastnn.tensor([[1.0, 2.0], [3.0, 4.0]])
    b = np.from_dlpack(a)
    assert b.tolist() == a.tolist() and np.shares_memory(b, a.numpy())
    c = fastnn.from_dlpack(np.arange(6.0).reshape(2, 3).T)
    assert c.tolist() == np.arange(6.0).reshape(2, 3).T.tolist()
    with pytest.raises(BufferError):
        fastnn.ones(2, requires_grad=True).__dlpack__()
    capsule = a.__dlpack__()
    fastnn.from_dlpack(capsule)
    with pytest.raises(TypeError, match="used"):
        fastnn.from_dlpack(capsule)
    gc.collect()
    before = _cpu.live_buffers()
    for _ in range(1000):
        a.__dlpack__()  # never consumed
        np.from_dlpack(fastnn.from_dlpack(a))
    assert _cpu.live_buffers() == before


def test_item_and_bool():
    assert bool(fastnn.tensor(1.0)) and not bool(fastnn.tensor([0]))
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(fastnn.ones(2))
    with pytest.raises(RuntimeError):
        fastnn.ones(2).item()
    assert [10, 20, 30][fastnn.tensor(1)] == 20
    with pytest.raises(TypeError):
        [1][fastnn.tensor(0.0)]


@pytest.mark.parametrize(
    "size", [(2**62,), (2**32, 2**32), (2**40, 2**40, 2**40), (1 << 60,), (2**31, 2**31, 4), (10**15,)]
)
def test_sizes_that_no_memory_holds(size):
    with pytest.raises(MemoryError):
        fastnn.empty(size)
    assert fastnn.ones(3).sum().item() == 3


def test_bad_sizes():
    with pytest.raises(RuntimeError, match="negative dimension"):
        fastnn.empty(-1)
    with pytest.raises(ValueError):
        fastnn.zeros([1] * 9)
    with pytest.raises(TypeError):
        fastnn.zeros("a")
    with pytest.raises((OverflowError, MemoryError, ValueError)):
        fastnn.zeros(2**70)


def test_out_of_memory_leaves_the_library_usable():
    x = fastnn.ones(1000, requires_grad=True)
    fastnn.empty_cache()
    failures = 0
    for n in range(60):
        _cpu.pool_fail_after(n)
        try:
            ((x * 2 + 1).tanh().sum()).backward()
        except MemoryError:
            failures += 1
        finally:
            _cpu.pool_fail_after(-1)
    assert failures > 5
    x.grad = None
    (x * 3).sum().backward()
    assert (x.grad == 3).all()


# -- views ------------------------------------------------------------------------------------------------------------------


def test_reshape_of_views_equals_numpy(rng):
    for _ in range(300):
        shape = tuple(rng.integers(0 if rng.random() < 0.05 else 1, 5, rng.integers(1, 5)))
        a = rng.standard_normal(shape)
        a = a.transpose(rng.permutation(a.ndim))
        a = a[tuple(slice(None, None, int(rng.choice([1, 2, -1]))) for _ in a.shape)]
        sizes = [s for s in a.shape]
        rng.shuffle(sizes)
        if len(sizes) > 1 and rng.random() < 0.5:
            sizes[:2] = [sizes[0] * sizes[1]]
        t = fastnn.from_numpy(a)
        np.testing.assert_array_equal(t.reshape(sizes).numpy(), a.reshape(sizes))
        viewed = t._reshape(tuple(int(s) for s in sizes))
        if viewed is not None:
            np.testing.assert_array_equal(viewed.numpy(), a.reshape(sizes))
            assert a.size == 0 or np.shares_memory(viewed.numpy(), a)


def test_view_errors():
    x = fastnn.zeros(3, 4)
    for call, kind in [
        (lambda: x.view(5), RuntimeError),
        (lambda: x.view(-1, -1), RuntimeError),
        (lambda: x.T.view(12), RuntimeError),
        (lambda: x.permute(0), RuntimeError),
        (lambda: x.permute(0, 0), RuntimeError),
        (lambda: x.permute(0, 2), IndexError),
        (lambda: x.transpose(0, 2), IndexError),
        (lambda: x.expand(2, 2), RuntimeError),
        (lambda: x.narrow(0, 2, 2), RuntimeError),
        (lambda: x.select(0, 3), IndexError),
        (lambda: x.select(0, -(2**63)), IndexError),
        (lambda: x.unsqueeze(3), IndexError),
        (lambda: x.squeeze(2), IndexError),
        (lambda: x.as_strided((3, 5), (4, 1)), RuntimeError),
        (lambda: x.as_strided((2**40,), (2**40,)), RuntimeError),
        (lambda: x.as_strided((1,), (1,), -1), RuntimeError),
        (lambda: x.to("complex64"), RuntimeError),
        (lambda: x.to("cuda:7"), RuntimeError),
    ]:
        with pytest.raises(kind):
            call()


# -- autodiff ---------------------------------------------------------------------------------------------------------------


def test_deep_chain_runs_differentiates_and_frees():
    x = fastnn.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1
    del y
    z = x
    for _ in range(100_000):
        z = z * 1.0
    del z


def test_diamonds_and_reuse():
    x = fastnn.tensor(2.0, dtype=fastnn.float64, requires_grad=True)
    y = x
    for _ in range(30):
        y = y + y  # 2^30 paths
    y.backward()
    assert x.grad.item() == 2.0**30
    x.grad = None
    a = x * x
    (a * a + a).backward()
    assert x.grad.item() == 4 * 8 + 4


def test_graph_is_freed_and_second_backward_says_so():
    x = fastnn.ones(3, requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 4, 4]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    v = x * 2
    y, z = (v * v).sum(), v.sin().sum() + x.sum()
    fastnn.autograd.grad(y, [x])
    with pytest.raises(RuntimeError, match="second time"):  # x may be below what is freed: never a part of its gradient
        fastnn.autograd.grad(z, [x])
    assert fastnn.autograd.grad(v.sin().sum(), [v])[0].shape == (3,)  # what is below v is not asked for


def test_third_derivative():
    x = fastnn.tensor(0.5, dtype=fastnn.float64, requires_grad=True)
    y = x.sin() * x**3
    for _ in range(3):
        (y,) = fastnn.autograd.grad(y, x, create_graph=True)
    s, c, v = np.sin(0.5), np.cos(0.5), 0.5
    assert y.item() == pytest.approx(6 * s + 18 * v * c - 9 * v**2 * s - v**3 * c, rel=1e-12)


def test_grad_of_unused_and_nonscalar():
    x, z = fastnn.ones(2, requires_grad=True), fastnn.ones(2, requires_grad=True)
    y = x * 2
    with pytest.raises(RuntimeError, match="scalar"):
        y.backward()
    with pytest.raises(RuntimeError, match="not have been used"):
        fastnn.autograd.grad(y.sum(), z)
    assert fastnn.autograd.grad((x * 2).sum(), z, allow_unused=True) == (None,)
    assert fastnn.autograd.grad((x * 2).sum(), z, materialize_grads=True)[0].tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="does not require grad"):
        fastnn.ones(1).backward()
    with pytest.raises(RuntimeError, match="floating"):
        fastnn.ones(2, dtype=fastnn.int64).requires_grad_()


def test_changed_values_are_noticed():
    x = fastnn.ones(3, requires_grad=True)
    for change in (
        lambda h: h.add_(1),
        lambda h: h[0:1].mul_(2),
        lambda h: h.__setitem__(0, 5.0),
        lambda h: h.detach().zero_(),
        lambda h: h.detach().numpy().__setitem__(0, 7.0),
    ):
        h = x * 2
        exported = h.detach().numpy()
        y = (h * h).sum()
        with fastnn.no_grad():
            change(h)
        with pytest.raises(RuntimeError, match="mul.*modified by an inplace"):
            y.backward()
        del exported
    h = x * 2  # addition does not read its values
    y = (h + 1).sum()
    with fastnn.no_grad():
        h.add_(1)
    y.backward()


def test_numpy_memory_changed_behind_our_back():
    a = np.ones(3, np.float32)
    w = fastnn.ones(3, requires_grad=True)
    y = (fastnn.from_numpy(a) * w).sum()
    a[0] = 100
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.backward()


def test_inplace_with_gradients():
    x = fastnn.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x.add_(1)
    h = x * 1
    h += 2
    h *= h.detach()
    h.mul_(x)
    h.sum().backward()
    # d/dx of (x + 2) * c * x with c = x + 2 held constant
    np.testing.assert_allclose(x.grad.numpy(), [(2 * v + 2) * (v + 2) for v in (1, 2, 3)])
    x.grad = None
    h = x.exp()
    h.tanh_()
    h.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [np.exp(v) / np.cosh(np.exp(v)) ** 2 for v in (1, 2, 3)], rtol=1e-4, atol=1e-6)


def test_results_from_before_an_inplace_change_keep_their_history():
    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    h = w * 2
    before = h + 1  # reads no values: h may change
    h.mul_(3)
    h.mul_(h)
    (g,) = fastnn.autograd.grad(before.sum(), w, retain_graph=True)
    np.testing.assert_array_equal(g.numpy(), [2, 2])
    (g,) = fastnn.autograd.grad(h.sum(), w)  # (6 w)²
    np.testing.assert_array_equal(g.numpy(), [72, 144])
    h = w * 2
    before = h + 1
    h.zero_()
    (g,) = fastnn.autograd.grad(before.sum(), w)
    np.testing.assert_array_equal(g.numpy(), [2, 2])
    out = fastnn.zeros(2)
    before = out + w
    out[0] = w[1] * 5
    out[1] += w[0]
    (g,) = fastnn.autograd.grad(before.sum() + out.sum(), w)
    np.testing.assert_array_equal(g.numpy(), [2, 6])


def test_view_of_something_changed_in_place_changes_too():
    x = fastnn.ones(4, requires_grad=True)
    h = x * 1
    v = h[:2]
    h.mul_(2)
    v.sum().backward()
    assert x.grad.tolist() == [2, 2, 0, 0]


def test_gradients_do_not_share_memory():
    a, b = fastnn.ones(3, requires_grad=True), fastnn.ones(3, requires_grad=True)
    (a + b).sum().backward()
    a.grad.zero_()
    assert b.grad.tolist() == [1, 1, 1]


def test_no_grad_and_modes():
    x = fastnn.ones(2, requires_grad=True)
    with fastnn.no_grad():
        assert not (x * 2).requires_grad
        with fastnn.enable_grad():
            assert (x * 2).requires_grad

    @fastnn.no_grad()
    def f():
        return x * 2

    assert not f().requires_grad
    assert (x * 2).requires_grad
    with pytest.raises(ZeroDivisionError), fastnn.no_grad():
        1 / 0
    assert fastnn.is_grad_enabled()


def test_hooks_and_retained_gradients():
    x = fastnn.ones(2, requires_grad=True)
    h = x * 3
    h.retain_grad()
    handle = h.register_hook(lambda g: g * 10)
    h.sum().backward(retain_graph=True)
    assert h.grad.tolist() == [10, 10] and x.grad.tolist() == [30, 30]
    handle.remove()
    h.sum().backward()
    assert x.grad.tolist() == [33, 33]


def test_failure_leaves_gradients_as_they_were():
    x = fastnn.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    h = x * 3

    def fail(g):
        raise KeyError("from the hook")

    h.register_hook(fail)
    with pytest.raises(KeyError):
        h.sum().backward()
    assert x.grad.tolist() == [2, 2]
    assert fastnn.is_grad_enabled()


def test_no_reference_cycles():
    gc.collect()
    gc.disable()
    try:
        before = _cpu.live_buffers()
        for _ in range(50):
            x = fastnn.ones(10, requires_grad=True)
            y = ((x * 2).tanh() + x).sum()
            y.backward()
            del x, y
        assert _cpu.live_buffers() == before
    finally:
        gc.enable()


# -- the list of kernels ----------------------------------------------------------------------------------------------------


def test_dtype_of_numbers_from_numpy():
    made = {np.float32: [np.float32(1), 2.0], np.float64: [[np.float64(1)], [2.0]], np.int64: [np.int64(1), 2]}
    for dtype, data in made.items():
        assert fastnn.tensor(data).numpy().dtype == dtype
    assert fastnn.tensor([np.float32(1), np.float64(2)]).dtype is fastnn.float64 and fastnn.tensor([np.float32(1), 2]).dtype is fastnn.float32


def test_arguments_by_pytorchs_keywords():
    x = fastnn.arange(6).view(2, 3)
    assert x.permute(dims=(1, 0)).shape == fastnn.permute(input=x, dims=(1, 0)).shape == x.reshape(shape=(3, 2)).shape == x.view(size=(3, 2)).shape == (3, 2)
    assert x.expand(size=(2, 2, 3)).shape == (2, 2, 3) and x.repeat(repeats=(1, 2)).shape == fastnn.tile(input=x, dims=(2,)).shape == (2, 6)
    assert fastnn.broadcast_to(input=x, size=(2, 2, 3)).shape == (2, 2, 3) and fastnn.split(tensor=x, split_size_or_sections=1)[0].tolist() == [[0, 1, 2]]
    assert fastnn.swapaxes(input=x, axis0=0, axis1=1).shape == fastnn.swapdims(x, dim0=0, dim1=1).shape == (3, 2)
    assert fastnn.arange(end=3).tolist() == fastnn.arange(3).tolist() == fastnn.arange(start=0, end=3).tolist() == [0, 1, 2]
    assert fastnn.max(input=x, other=x + 1).equal(x + 1) and fastnn.min(x, other=x + 1).equal(x)
    assert fastnn.full_like(input=x, fill_value=7).equal(fastnn.ones_like(input=x) * 7 + fastnn.zeros_like(input=x))
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'end'"):
        fastnn.arange()
    with pytest.raises(TypeError, match="unexpected keyword argument 'shape'"):
        x.permute(shape=(1, 0))
    with pytest.raises(RuntimeError, match="shape"):
        x.reshape(shape=(4, 2))


def test_every_kernel_has_been_launched():
    """Runs after the samples (file order); a kernel that no sample reaches is not tested."""
    from layouts import as_args
    from samples import samples

    def leaves(ts):
        return [t for t in ts if isinstance(t, fastnn.Tensor) and t.requires_grad]

    for _, sample in samples():
        args = [a.requires_grad_() if isinstance(a, fastnn.Tensor) and a.is_floating_point() else a for a in as_args(sample.args, "float32")]
        y = sample.fn(*args, **sample.kwargs)
        y = y if isinstance(y, fastnn.Tensor) else y[0]
        if not (isinstance(y, fastnn.Tensor) and y.requires_grad and leaves(args)):
            continue
        ones = fastnn.ones_like(y)
        fastnn.autograd.grad(y, leaves(args), ones, retain_graph=True, allow_unused=True)  # fused kernels
        if sample.smooth and sample.grad:  # the derivative that can be differentiated again, and its derivative
            ones.requires_grad_()
            grads = fastnn.autograd.grad(y, leaves(args), ones, create_graph=True, allow_unused=True)
            for g in leaves(grads):
                fastnn.autograd.grad(g, [ones, *leaves(args)], fastnn.ones_like(g), retain_graph=True, allow_unused=True)
    importlib.import_module("fastnn.optim")

    never = sorted(name for name, n in _cpu.launches().items() if n == 0 and name not in ELSEWHERE)
    assert not never, f"no sample reaches: {never}"


# fingerprint: in test_memory.py; peak: in the bench and the interrupt of test_threads.py; random numbers: in test_random.py, against their distributions
ELSEWHERE = {"fingerprint", "peak", "multinomial", "normal", "permutation", "randint", "uniform"}
