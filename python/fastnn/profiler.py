"""Where the time goes: `profile` counts and times every kernel call and every `record_function` region, as `torch.profiler`.

    with profile(activities=[ProfilerActivity.CPU]) as prof:
        with record_function("forward"):
            model(x)
    print(prof.key_averages().table(sort_by="cpu_time_total", row_limit=10))

Times are of this thread's wall clock. `explain` tells single calls, with shapes, flops and bytes.
"""

from __future__ import annotations

import enum
import os
import time
from contextlib import ContextDecorator

from . import _cpu

__all__ = [
    "ProfilerAction", "ProfilerActivity", "emit_nvtx", "profile", "record_function", "schedule", "tensorboard_trace_handler",
]  # fmt: skip

ProfilerActivity = enum.Enum("ProfilerActivity", "CPU XPU MTIA CUDA HPU PrivateUse1", start=0)
ProfilerAction = enum.Enum("ProfilerAction", "NONE WARMUP RECORD RECORD_AND_SAVE", start=0)
_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
_active = []  # the running profile, at most one: kernels have one listener


class Event:
    """One kernel call or region: name (also `key`), start and seconds; what is inside it is not in `own`."""

    def __init__(self, name, start, seconds, own):
        self.name = self.key = name
        self.start, self.seconds, self.own, self.count = start, seconds, own, 1

    cpu_time_total = property(lambda self: self.seconds * 1e6, doc="microseconds")
    self_cpu_time_total = property(lambda self: self.own * 1e6)
    cpu_time = property(lambda self: self.cpu_time_total / self.count)

    def __repr__(self):
        return f"<Event {self.key} count={self.count} cpu_time={self.cpu_time:.3f}us self_cpu_time={self.self_cpu_time_total / self.count:.3f}us>"


class Events(list):
    """Events, one for each name where they are averages."""

    self_cpu_time_total = property(lambda self: sum(e.self_cpu_time_total for e in self))

    def table(self, sort_by=None, row_limit=100, **_):
        """As text. sort_by: cpu_time_total, self_cpu_time_total, cpu_time or count; names of other devices' times sort by cpu_time_total."""
        rows = list(self)
        if sort_by is not None:
            by = sort_by if sort_by in ("cpu_time_total", "self_cpu_time_total", "cpu_time", "count") else "cpu_time_total"
            rows.sort(key=lambda e: getattr(e, by), reverse=True)
        total = self.self_cpu_time_total or 1.0
        width = max((len(e.key) for e in rows), default=4) + 2
        rule = "-" * (width + 72)
        lines = [rule, f"{'Name':<{width}}{'Self CPU %':>12}{'Self CPU':>13}{'CPU total':>13}{'CPU time avg':>15}{'# of Calls':>12}", rule]
        lines += [
            f"{e.key:<{width}}{100 * e.self_cpu_time_total / total:>11.2f}%{e.self_cpu_time_total:>11.1f}us{e.cpu_time_total:>11.1f}us"
            f"{e.cpu_time:>13.1f}us{e.count:>12}"
            for e in rows[: None if row_limit < 0 else row_limit]
        ]
        return "\n".join([*lines, rule, f"Self CPU time total: {total * 1e-3:.3f}ms"])

    __str__ = table

    def total_average(self):
        """All of them as one."""
        whole = Event("Total", 0.0, sum(e.own for e in self), sum(e.own for e in self))
        whole.count = sum(e.count for e in self)
        return whole


class record_function(ContextDecorator):
    """A region with a name; of a function too, as a decorator. Costs nothing to speak of where no profile runs."""

    def __init__(self, name, args=None):
        self.name = name
        self._open = []

    def __enter__(self):
        self._open.append(time.perf_counter())
        if _active:
            _active[0]._inside.append(0.0)
        return self

    def __exit__(self, *exc):
        start = self._open.pop()
        if _active:
            _active[0]._add(self.name, start, time.perf_counter() - start, region=True)
        return False


def schedule(*, wait, warmup, active, repeat=0, skip_first=0, skip_first_wait=0):
    """What to do at a step: skip skip_first, then again and again (repeat times, if given) wait, warm up, record active steps."""
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError("Invalid profiler schedule arguments")
    length = wait + warmup + active

    def action(step):
        step -= skip_first
        if step < 0 or (repeat > 0 and step >= repeat * length):
            return ProfilerAction.NONE
        step %= length
        if step < wait:
            return ProfilerAction.NONE
        if step < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if step == length - 1 else ProfilerAction.RECORD

    return action


def tensorboard_trace_handler(dir_name, worker_name=None, use_gzip=False):
    """For on_trace_ready: writes each trace into dir_name, for TensorBoard or chrome://tracing."""

    def write(prof):
        os.makedirs(dir_name, exist_ok=True)
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker_name or os.getpid()}.{time.time_ns()}.pt.trace.json"))

    return write


class profile:
    """Records kernel calls and regions between `start` and `stop` (or inside `with`).

    schedule: from `schedule`; then `step()` ends a step, and on_trace_ready(self) is called after each cycle. Other options are
    accepted and change nothing: shapes and flops are what `explain` tells. RuntimeError for a profile inside another.
    """

    def __init__(self, activities=None, *, schedule=None, on_trace_ready=None, enabled=True, **options):
        self.enabled = enabled and activities is not False
        self.schedule, self.on_trace_ready = schedule, on_trace_ready
        self.step_num, self._events, self._inside = 0, Events(), []
        self.current_action = ProfilerAction.RECORD if schedule is None else schedule(0)

    def start(self):
        if self.enabled:
            if _active:
                raise RuntimeError("profile: another profile is running")
            _active.append(self)
            self._listen()

    def stop(self):
        if self.enabled and _active:
            _cpu.listen(None)
            _active.clear()
            if self.on_trace_ready is not None and self.current_action in _RECORDING:
                self.on_trace_ready(self)

    def step(self):
        """Ends a step of the schedule."""
        before, self.step_num = self.current_action, self.step_num + 1
        if self.schedule is None:
            return
        self.current_action = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD_AND_SAVE and self.on_trace_ready is not None:
            self.on_trace_ready(self)
        if before not in (ProfilerAction.RECORD,) and self.current_action in _RECORDING:
            self._events = Events()
        self._listen()

    def _listen(self):
        _cpu.listen(self._hear if self.current_action in _RECORDING else None)

    def _hear(self, call):
        name, _, seconds, _ = call
        self._add(name, time.perf_counter() - seconds, seconds)

    def _add(self, name, start, seconds, region=False):
        inside = self._inside.pop() if region and self._inside else 0.0
        if self._inside:
            self._inside[-1] += seconds
        if self.current_action in _RECORDING:
            self._events.append(Event(name, start, seconds, max(seconds - inside, 0.0)))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()
        return False

    def events(self):
        """Every call and region, in the order in which they ended."""
        return self._events

    function_events = property(events)
    self_cpu_time_total = property(lambda self: self._events.self_cpu_time_total)

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0):
        """One event for each name."""
        sums = {}
        for e in self._events:
            if e.key not in sums:
                sums[e.key] = Event(e.name, e.start, 0.0, 0.0)
                sums[e.key].count = 0
            s = sums[e.key]
            s.seconds, s.own, s.count = s.seconds + e.seconds, s.own + e.own, s.count + 1
        return Events(sums.values())

    def total_average(self):
        return self._events.total_average()

    def table(self, sort_by=None, row_limit=100, **_):
        return self.key_averages().table(sort_by, row_limit)

    __str__ = table

    def export_chrome_trace(self, path):
        """Writes the events for chrome://tracing, whole or not at all."""
        import json

        from .files import write_whole

        events = [{"name": e.name, "ph": "X", "ts": e.start * 1e6, "dur": e.cpu_time_total, "pid": os.getpid(), "tid": 0} for e in self._events]
        write_whole(path, json.dumps({"traceEvents": events}).encode())


class emit_nvtx(profile):
    """Accepted: nothing is told to NVIDIA's tools."""

    def __init__(self, enabled=True, record_shapes=False):
        super().__init__(enabled=False)
