"""Whether operations are recorded: no_grad, enable_grad, set_grad_enabled. The switch itself is a thread's own, in C++."""

from __future__ import annotations

import functools

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
        @functools.wraps(f)
        def wrapped(*args, **kwargs):
            with type(self)():
                return f(*args, **kwargs)

        return wrapped


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
        mode = self.mode

        @functools.wraps(f)
        def wrapped(*args, **kwargs):
            with set_grad_enabled(mode):
                return f(*args, **kwargs)

        return wrapped
