"""Streams, events, memory and errors of the GPU, on a GPU or on the host shim, which does what streams are told as late, or in as odd an
order, as events allow (csrc/testing/streams.cpp): what should have been waited for and was not shows as wrong numbers."""

import ctypes
import gc
import os
import subprocess
import sys

import numpy as np
import pytest

import fastnn
from fastnn import cuda
from test_cuda import SHIM, pytestmark, shim_only  # noqa: F401

N = 3000


def in_orders(*orders):
    """A fixture: the test once for each order in which the shim may run what lies on several streams."""

    @pytest.fixture(params=orders if SHIM else ["gpu"])
    def order(request, monkeypatch):
        cuda.synchronize()
        monkeypatch.setenv("FASTNN_SHIM_STREAMS", request.param)
        yield request.param
        cuda.synchronize()

    return order


order = in_orders("latest", "lazy", "random")


def shim():
    return ctypes.CDLL(os.environ["FASTNN_CUDA_LIBRARY"])


def filled(value, n=N):
    return fastnn.full((n,), float(value), device="cuda")


def test_streams_wait_for_each_other(order):
    s, t = cuda.Stream(), cuda.Stream()
    x = filled(1)
    s.wait_stream(cuda.current_stream())
    with cuda.stream(s):
        y = x * 3
        event = s.record_event()
    t.wait_event(event)
    with t:
        z = y + 1
    cuda.current_stream().wait_stream(t)
    assert (z * 2).tolist() == [8.0] * N


def seen(f):
    """What f gives, or the shim's objection."""
    try:
        return f()
    except RuntimeError as e:
        return str(e)


@shim_only
def test_what_does_not_wait_is_wrong(order):
    s = cuda.Stream()
    x, y = filled(1), filled(0)
    cuda.synchronize()
    with cuda.stream(s):
        y.copy_(x)
    assert order == "random" or seen(lambda: (y + 1).tolist()) == [1.0] * N
    cuda.synchronize()
    with cuda.stream(s):
        late = y + 0
    y.fill_(7)  # before it has been read
    cuda.synchronize()
    assert order == "random" or late.tolist() == [7.0] * N


def test_memory_stays_until_all_streams_have_come_by(order):
    s = cuda.Stream()
    x = filled(2)
    at = x.data_ptr()
    s.wait_stream(cuda.current_stream())
    with cuda.stream(s):
        y = x * 3
    del x  # still read by s
    others = [filled(9) for _ in range(3)]
    assert not SHIM or at not in [o.data_ptr() for o in others]
    cuda.current_stream().wait_stream(s)
    assert y.tolist() == [6.0] * N
    cuda.synchronize()
    again = [fastnn.empty(N, device="cuda") for _ in range(4)]
    assert not SHIM or at in [a.data_ptr() for a in again]


def test_memory_goes_back_to_its_stream(order):
    s = cuda.Stream()
    with cuda.stream(s):
        x = filled(2)
        at = x.data_ptr()
        y = x * 3
        del x
    z = filled(5)  # another stream's
    with cuda.stream(s):
        w = filled(1)
    assert z.data_ptr() != at == w.data_ptr()
    cuda.synchronize()
    assert y.tolist() == [6.0] * N and z.tolist() == [5.0] * N


def test_record_stream(order):
    s = cuda.Stream()
    x = filled(2)
    at = x.data_ptr()
    with cuda.stream(s):
        busy = filled(1)
    x.record_stream(s)
    del x
    assert fastnn.empty(N, device="cuda").data_ptr() != at or not SHIM
    cuda.synchronize()
    assert at in [t.data_ptr() for t in [fastnn.empty(N, device="cuda") for _ in range(3)]] or not SHIM
    assert busy.tolist() == [1.0] * N


def test_streams():
    here = cuda.current_stream()
    assert here == cuda.default_stream() and here.device == "cuda:0" and here.cuda_stream and "cuda_stream=0x" in repr(here)
    s, high = cuda.Stream(), cuda.Stream(priority=-5)
    assert s != here and hash(s) != hash(here) and (s.priority, high.priority) == (0, -1) and cuda.Stream.priority_range() == (0, -1)
    with cuda.stream(s) as entered, cuda.stream(None):
        assert cuda.current_stream() == s == entered
        with s, high:
            assert cuda.current_stream() == high
            with cuda.stream(s):
                assert cuda.current_stream() == s
        assert cuda.current_stream() == s
    assert cuda.current_stream() == here
    cuda.set_stream(s)
    cuda.set_stream(None)
    assert cuda.current_stream() == s
    cuda.set_stream(here)
    assert cuda.ExternalStream(s.cuda_stream) == s and s.__cuda_stream__() == (0, s.cuda_stream)
    assert len({cuda.Stream().stream_id for _ in range(40)}) == 16
    with pytest.raises(RuntimeError, match="cuda:1"):
        cuda.Stream("cuda:1")
    cuda.synchronize()
    assert s.query()
    for call in (fastnn.ones(1).record_stream, cuda.stream, cuda.set_stream, cuda.Event().record, cuda.Event().wait):
        with pytest.raises(TypeError, match="expected a cuda.Stream, not int"):
            call(3)


def test_events(order):
    start, end, plain = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True), cuda.Event()
    assert start.query() and start.cuda_event == 0 and "uninitialized" in repr(start)
    start.synchronize(), start.wait()
    with pytest.raises(ValueError, match="enable_timing=True"):
        start.elapsed_time(plain)
    with pytest.raises(ValueError, match="must be recorded"):
        start.elapsed_time(end)
    start.record()
    x = filled(1)
    for _ in range(5):
        x = x.exp().log()
    end.record()
    if SHIM:
        with pytest.raises(RuntimeError, match="must be completed"):
            start.elapsed_time(end)
    end.synchronize()
    assert start.query() and end.query() and start.elapsed_time(end) >= 0 and start.device == "cuda:0" and start.cuda_event
    with pytest.raises(NotImplementedError, match="processes"):
        cuda.Event(interprocess=True)


@shim_only
def test_queries_come_true(order):
    s = cuda.Stream()
    with cuda.stream(s):
        x = filled(1) + 1
        e = s.record_event()
    asked = 0
    while not e.query():
        asked += 1
    assert asked and s.query() and x.tolist() == [2.0] * N


def test_page_locked_copies(order):
    x = fastnn.arange(float(N))
    p = x.pin_memory()
    assert p.is_pinned() and not x.is_pinned() and p.pin_memory() is p and p.tolist() == x.tolist()
    assert fastnn.zeros(3, pin_memory=True).is_pinned() and fastnn.tensor([1, 2], pin_memory=True).is_pinned()
    c = p.to("cuda", non_blocking=True)
    if SHIM:
        p.fill_(-1)  # too early
        assert c.tolist() == [-1.0] * N
    p.copy_(x)
    c = p.cuda(non_blocking=True)
    back = (c * 2).to("cpu", non_blocking=True)
    assert back.is_pinned()
    if SHIM:
        assert back.tolist() != (x * 2).tolist()  # it is not there yet
    cuda.current_stream().synchronize()
    assert back.tolist() == (x * 2).tolist()
    back.copy_(c, non_blocking=True)
    c.copy_(p[::3].repeat_interleave(3)[:N], non_blocking=True)  # not page-locked: as ever
    cuda.synchronize()
    assert back.tolist() == x.tolist() and c[:4].tolist() == [0, 0, 0, 3]
    c.copy_(fastnn.ones(1).pin_memory(), non_blocking=True)
    assert c.tolist() == [1.0] * N
    with pytest.raises(RuntimeError, match="only dense CPU tensors can be pinned"):
        c.pin_memory()


def test_page_locked_memory_stays_until_it_has_been_read(order):
    values = []
    for i in range(4):
        p = fastnn.full((N,), float(i)).pin_memory()
        values.append(p.to("cuda", non_blocking=True))
        del p  # its memory is not the next one's yet
    assert [v[5].item() for v in values] == [0, 1, 2, 3]


def test_loader_pins():
    data = fastnn.utils.data.TensorDataset(fastnn.arange(10.0), fastnn.arange(10))
    for workers in (0, 2):
        batches = list(fastnn.utils.data.DataLoader(data, batch_size=5, pin_memory=True, num_workers=workers))
        assert all(t.is_pinned() for b in batches for t in b) and [b[1].tolist() for b in batches] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_prefetching(order):
    """The loop for which people have streams: the next batch is copied while this one is worked on."""
    side, batches = cuda.Stream(), [fastnn.full((N,), float(i)).pin_memory() for i in range(6)]
    following, sums = None, []
    for host in [*batches, None]:
        cuda.current_stream().wait_stream(side)
        now = following
        with cuda.stream(side):
            following = None if host is None else host.to("cuda", non_blocking=True)
        if now is not None:
            sums.append((now * 2).sum())
    assert [s.item() for s in sums] == [2.0 * N * i for i in range(6)]


def test_backward_waits_for_the_streams_of_forward(order):
    s, t = cuda.Stream(), cuda.Stream()
    w = filled(0.5).requires_grad_()
    for other in (s, t):
        other.wait_stream(cuda.current_stream())
    with cuda.stream(s):
        a = w.exp()
    with cuda.stream(t):
        b = w * 3
    for other in (s, t):
        cuda.current_stream().wait_stream(other)
    loss = (a * b).sum()
    with cuda.stream(s):
        s.wait_stream(cuda.default_stream())
        last = loss * 2
    last.backward()  # on the default stream, which was not told to wait for s
    del a, b, loss, last
    junk = [filled(i) for i in range(8)]
    v = np.float32(0.5)
    np.testing.assert_allclose(w.grad.cpu().numpy(), np.full(N, 2 * (np.exp(v) * 3 + 3 * v * np.exp(v))), rtol=1e-5)
    assert len(junk) == 8


def test_second_derivatives_cross_devices():
    x = fastnn.tensor([1.0, 2.0], requires_grad=True)
    (g,) = fastnn.autograd.grad((x.to("cuda", non_blocking=True) ** 3).cpu().sum(), x, create_graph=True)
    g.sum().backward()
    assert g.tolist() == [3, 12] and x.grad.tolist() == [6, 12]


def test_dlpack_streams(order):
    s = cuda.Stream()
    with cuda.stream(s):
        x = filled(1) + 1
        capsule = x.__dlpack__(stream=cuda.default_stream().cuda_stream)  # whose stream waits for s
    y = fastnn.from_dlpack(capsule)
    assert (y + 1).tolist() == [3.0] * N
    if SHIM and order != "random":
        with cuda.stream(s):
            x = filled(5) + 1
            capsule = x.__dlpack__(stream=-1)  # "I see to it"
        assert seen(lambda: (fastnn.from_dlpack(capsule) + 1).tolist()) != [7.0] * N
        cuda.synchronize()
    asked = []

    class Theirs:
        def __dlpack_device__(self):
            return 2, 0

        def __dlpack__(self, *, stream=None, max_version=None):
            asked.append(stream)
            return x.__dlpack__(stream=stream, max_version=max_version)

    with cuda.stream(s):
        z = fastnn.from_dlpack(Theirs()) * 2
        assert asked == [s.cuda_stream]
        assert z.tolist() == (x * 2).tolist()
    with pytest.raises(BufferError, match="stream 0"):
        x.__dlpack__(stream=0)
    x.__dlpack__(stream=None), x.__dlpack__(stream=1), x.__dlpack__(stream=2)
    with pytest.raises(BufferError, match="must be None"):
        fastnn.ones(1).__dlpack__(stream=1)


def test_another_librarys_stream(order):
    theirs = cuda.ExternalStream(1)  # the legacy stream
    with cuda.stream(theirs):
        x = filled(3) * 2
    cuda.current_stream().wait_stream(theirs)
    assert x.tolist() == [6.0] * N and cuda.ExternalStream(1) == theirs == cuda.ExternalStream(0)  # as PyTorch numbers it


def test_memory_functions():
    gc.collect()
    cuda.synchronize()
    cuda.empty_cache()
    before = cuda.memory_allocated()
    cuda.reset_peak_memory_stats()
    x = filled(1, 1 << 20)
    assert cuda.memory_allocated() - before == 4 << 20 and cuda.max_memory_allocated() - before == 4 << 20
    del x
    assert cuda.memory_allocated() == before and cuda.max_memory_allocated() == before + (4 << 20)
    assert cuda.memory_reserved() - before >= 4 << 20 and cuda.max_memory_reserved() >= cuda.memory_reserved()
    free, total = cuda.mem_get_info()
    assert 0 < free <= total
    cuda.empty_cache()
    assert cuda.memory_reserved() < before + (4 << 20) and cuda.mem_get_info()[0] > free
    cuda.reset_peak_memory_stats()
    assert cuda.max_memory_allocated() == before
    stats = cuda.memory_stats()
    assert stats["allocated_bytes.all.current"] == before and stats["reserved_bytes.all.peak"] == cuda.max_memory_reserved()
    assert "held by tensors" in cuda.memory_summary()


@shim_only
def test_out_of_memory():
    cuda.synchronize()
    cuda.empty_cache()
    library = shim()
    free, total = cuda.mem_get_info()
    library.fastnn_shim_limit(ctypes.c_size_t(total - free + (11 << 20)))
    try:
        x = filled(1, 1 << 20)
        del x
        y = filled(1, 5 << 18)
        assert (y + 1)[7].item() == 2  # the memory that was kept for x has gone back first
        with pytest.raises(cuda.OutOfMemoryError, match=r"CUDA out of memory\. Tried to allocate 40\.00 MiB.*total capacity.*is free") as e:
            fastnn.empty(10 << 20, device="cuda")
        assert isinstance(e.value, MemoryError) and isinstance(e.value, RuntimeError)
        assert (y + 1)[7].item() == 2
    finally:
        library.fastnn_shim_limit(ctypes.c_size_t(0))


@shim_only
def test_failed_launches():
    library, x = shim(), filled(1)
    cuda.synchronize()
    library.fastnn_shim_fail(ctypes.c_int64(0), False)
    with pytest.raises(RuntimeError, match="add: refused"):
        x + 1
    assert (x + 1)[0].item() == 2
    library.fastnn_shim_fail(ctypes.c_int64(0), True)  # found when it runs
    y = x + 1
    with pytest.raises(RuntimeError, match="add: failed"):
        cuda.synchronize()
    assert (x + 1)[0].item() == 2 and y.shape == (N,)


@shim_only
@pytest.mark.parametrize(
    "machine, words",
    [
        ("0,0,0", "no NVIDIA driver is installed"),
        ("11080,-1,0", "driver is for CUDA 11.8, too old for this build's CUDA 12.8"),
        ("12040,0,0", "no GPU was found"),
        ("12040,1,70", "too old: compute capability 7.0, and 7.5 or newer"),
        ("13000,1,90", ""),
    ],
)
def test_why_there_is_no_gpu(machine, words, monkeypatch):
    monkeypatch.setenv("FASTNN_SHIM_DRIVER", machine)
    cuda._why_not.cache_clear()
    try:
        assert cuda.is_available() == (not words)
        if words:
            for call in (lambda: fastnn.ones(1, device="cuda"), lambda: fastnn.ones(1).cuda(), cuda.Stream, cuda.synchronize, cuda.mem_get_info, fastnn.ones(1).pin_memory):
                with pytest.raises(RuntimeError, match=words):
                    call()
    finally:
        cuda._why_not.cache_clear()


WAITING = """
import ctypes, os, fastnn
x = fastnn.ones(8, device="cuda")
ctypes.CDLL(os.environ["FASTNN_CUDA_LIBRARY"]).fastnn_shim_fail(ctypes.c_int64(0), True)
try:
    x * 2
except RuntimeError as e:
    print("at the call:", e)
try:
    fastnn.nn.functional.cross_entropy(fastnn.zeros(2, 3, device="cuda"), fastnn.tensor([0, 3], device="cuda"))
except IndexError as e:
    print("at the call:", e)
net = fastnn.nn.Linear(3, 2).cuda()
step = fastnn.capture(lambda x: net(x).sum())
print([step(fastnn.ones(4, 3, device="cuda")).item() for _ in range(4)][-1] == net(fastnn.ones(4, 3, device="cuda")).sum().item(), repr(step.graphs()))
"""


@shim_only
def test_every_call_waits():
    run = subprocess.run([sys.executable, "-c", WAITING], env={**os.environ, "FASTNN_CUDA_SYNC": "1"}, capture_output=True, text=True)
    lines = run.stdout.splitlines()
    assert run.returncode == 0, run.stderr
    assert "mul: failed" in lines[0] and "cross_entropy" in lines[1] and lines[2] == "True ''"
