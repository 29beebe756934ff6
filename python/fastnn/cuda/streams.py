"""Streams and events, by PyTorch's names: rows of work that the GPU does beside each other, and marks that one waits for in another.

Everything runs on one stream, `default_stream()`, unless a thread chooses another with `stream(s)`. Memory that several streams use is
safe: it goes to somebody else only when all of them have come by. What they write to it is ordered by `wait_stream` and events alone.
A backward pass runs on the stream that calls it, and waits for the streams of the forward pass first. All raise RuntimeError without a GPU.
"""

from __future__ import annotations

import ctypes

from .. import _cpu
from ..device import CUDA, is_cuda


def _here(device):
    from . import require

    require()
    if device is not None and not (isinstance(device, int) and device < 0):
        is_cuda(device)


class Stream:
    """A row of work that the GPU does in order, beside other streams. ``with stream:`` runs what follows on it, as `stream` does.

    priority: below 0 for one that goes before others. There are 16 of each priority, which are given out in turn.
    """

    def __init__(self, device=None, priority=0):
        _here(device)
        self._take(_cpu.stream_new(int(priority)), min(max(int(priority), -1), 0))

    def _take(self, number, priority):
        self.stream_id, self.priority, self._before = number, priority, []
        return self

    device = property(lambda self: CUDA, doc="The GPU.")
    cuda_stream = property(lambda self: _cpu.stream_handle(self.stream_id), doc="Its cudaStream_t as a number, for other libraries.")
    _as_parameter_ = property(lambda self: ctypes.c_void_p(self.cuda_stream))

    @staticmethod
    def priority_range():
        """(lowest, highest): (0, -1)."""
        return 0, -1

    def wait_event(self, event) -> None:
        """What is said to this stream from now on waits for the event."""
        event.wait(self)

    def wait_stream(self, stream) -> None:
        """What is said to this stream from now on waits for what that one has been told so far."""
        self.wait_event(stream.record_event())

    def record_event(self, event=None):
        """Records an event, a new one if none is given, and returns it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def query(self) -> bool:
        """Whether all of its work is done."""
        return _cpu.stream_done(self.stream_id)

    def synchronize(self) -> None:
        """Waits for its work, and raises what kernels have met since."""
        _cpu.stream_wait(self.stream_id)

    def __enter__(self):
        self._before.append(_cpu.stream_current())
        _cpu.stream_use(self.stream_id)
        return self

    def __exit__(self, *exception):
        _cpu.stream_use(self._before.pop())

    def __eq__(self, other):
        return isinstance(other, Stream) and self.stream_id == other.stream_id

    def __hash__(self):
        return hash((self.cuda_stream, CUDA))

    def __repr__(self):
        return f"<fastnn.cuda.Stream device={CUDA} cuda_stream={self.cuda_stream:#x}>"

    def __cuda_stream__(self):
        """(0, address): the protocol by which other libraries take it."""
        return 0, self.cuda_stream


class ExternalStream(Stream):
    """A stream of another library (PyTorch's or CuPy's), by its address, for as long as that library keeps it."""

    def __init__(self, stream_ptr, device=None):
        _here(device)
        self._take(_cpu.stream_external(int(stream_ptr)), 0)


def number(stream, name):
    """The stream's number, of the current one for None; TypeError for what is no stream."""
    if stream is None:
        stream = current_stream()
    if not isinstance(stream, Stream):
        raise TypeError(f"{name}: expected a cuda.Stream, not {type(stream).__name__}")
    return stream.stream_id


def _numbered(number):
    return Stream.__new__(Stream)._take(number, -(16 < number <= 32))


def current_stream(device=None) -> Stream:
    """The stream that this thread's work goes to."""
    _here(device)
    return _numbered(_cpu.stream_current())


def default_stream(device=None) -> Stream:
    """The stream that work goes to unless another one is chosen."""
    _here(device)
    return _numbered(0)


def set_stream(stream) -> None:
    """This thread's work goes to that stream from now on; nothing for None."""
    if stream is not None:
        _cpu.stream_use(number(stream, "set_stream"))


class StreamContext:
    """``with stream(s):`` this thread's work goes to s within the block; None changes nothing."""

    def __init__(self, stream):
        if stream is not None:
            number(stream, "stream")
        self.stream = stream

    def __enter__(self):
        return self.stream.__enter__() if self.stream is not None else None

    def __exit__(self, *exception):
        if self.stream is not None:
            self.stream.__exit__(*exception)


def stream(stream):
    """``with stream(s):`` this thread's work goes to s within the block; None changes nothing."""
    return StreamContext(stream)


class Event:
    """A mark in a stream's work, to be waited for by other streams and by the host, or to tell time by (enable_timing=True).

    blocking: who waits for it lets go of the core. interprocess: NotImplementedError where it is True. external is accepted.
    """

    def __init__(self, enable_timing=False, blocking=False, interprocess=False, external=False):
        if interprocess:
            raise NotImplementedError("cuda.Event: events are not shared between processes")
        self._timed, self._blocking, self._event = bool(enable_timing), bool(blocking), None

    @classmethod
    def from_ipc_handle(cls, device, handle):
        """NotImplementedError: events are not shared between processes."""
        raise NotImplementedError("cuda.Event: events are not shared between processes")

    ipc_handle = from_ipc_handle

    device = property(lambda self: None if self._event is None else CUDA, doc="The GPU, once it has been recorded.")
    cuda_event = property(lambda self: 0 if self._event is None else self._event.handle, doc="Its cudaEvent_t as a number, for other libraries.")
    _as_parameter_ = property(lambda self: ctypes.c_void_p(self.cuda_event))

    def record(self, stream=None) -> None:
        """Marks what the stream (the current one) has been told so far, instead of what it marked before."""
        at = number(stream, "Event.record")
        if self._event is None:
            self._event = _cpu.DeviceEvent(self._timed, self._blocking)
        self._event.record(at)

    def wait(self, stream=None) -> None:
        """What is said to the stream (the current one) from now on waits for the mark."""
        at = number(stream, "Event.wait")
        if self._event is not None:
            self._event.lead(at)

    def query(self) -> bool:
        """Whether the work that it marks is done; True before it is recorded."""
        return self._event is None or self._event.done()

    def synchronize(self) -> None:
        """The host waits for the work that it marks."""
        if self._event is not None:
            self._event.wait()

    def elapsed_time(self, end_event) -> float:
        """Milliseconds from this mark to that one. ValueError unless both tell time and have been recorded; RuntimeError before both are reached."""
        if not (self._timed and end_event._timed):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._event is None or end_event._event is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        if not (self.query() and end_event.query()):
            raise RuntimeError("Both events must be completed before calculating elapsed time.")
        return self._event.milliseconds(end_event._event)

    def __repr__(self):
        return f"<fastnn.cuda.Event {self.cuda_event:#x}>" if self.cuda_event else "<fastnn.cuda.Event uninitialized>"


__all__ = ["Event", "ExternalStream", "Stream", "StreamContext", "current_stream", "default_stream", "set_stream", "stream"]
