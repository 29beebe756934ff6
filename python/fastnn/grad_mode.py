"""Whether operations are recorded: no_grad, enable_grad, set_grad_enabled. The switch itself is a thread's own, in C++."""

from __future__ import annotations

import functools
import inspect

from . import _cpu

is_grad_enabled = _cpu.grad_mode


class _GradMode:
    """Context manager and decorator that switches recording on or off for this thread."""

    mode = False

    def __enter__(self):
        self.before = _cpu.set_grad_mode(self.mode)
        return self

    def __exit__(self, *exc):
        _cpu.set_grad_mode(self.before)

    def __call__(self, f):
        return _within(self.mode, f)


def _within(mode, f):
    """f, called with recording on or off; of a generator, every step."""
    if not inspect.isgeneratorfunction(f):

        @functools.wraps(f)
        def wrapped(*args, **kwargs):
            with set_grad_enabled(mode):
                return f(*args, **kwargs)

        return wrapped

    @functools.wraps(f)
    def generator(*args, **kwargs):
        steps = f(*args, **kwargs)
        step, sent = steps.send, None
        while True:
            try:
                with set_grad_enabled(mode):
                    value = step(sent)
            except StopIteration as end:
                return end.value
            try:
                step, sent = steps.send, (yield value)
            except GeneratorExit:
                with set_grad_enabled(mode):
                    steps.close()
                raise
            except BaseException as error:
                step, sent = steps.throw, error

    return generator


class no_grad(_GradMode):
    """Inside, operations are not recorded: results have requires_grad=False. Also a decorator."""

    def __new__(cls, f=None):
        return super().__new__(cls) if f is None else super().__new__(cls)(f)


class enable_grad(no_grad):
    """Inside, operations are recorded even within no_grad."""

    mode = True


class inference_mode(no_grad):
    """As no_grad (as enable_grad with mode=False); what is made inside can be used anywhere afterwards."""

    def __new__(cls, mode=True):
        return super().__new__(cls, None if isinstance(mode, bool) else mode)

    def __init__(self, mode=True):
        self.mode = mode is False


class set_grad_enabled(_GradMode):
    """Switches recording on or off, at once and until the end of the block if used as one."""

    def __init__(self, mode: bool):
        self.mode = bool(mode)
        self.before = _cpu.set_grad_mode(self.mode)

    def __enter__(self):
        return self

    def __call__(self, f):
        _cpu.set_grad_mode(self.before)
        return _within(self.mode, f)
