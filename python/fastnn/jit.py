"""PyTorch's compiler of Python, for scripts that call it: functions and modules are returned as they are. See `fastnn.capture` for speed."""

from __future__ import annotations

import builtins
from typing import Final  # noqa: F401

from .nn.module import Module as ScriptModule  # noqa: F401


def script(obj=None, *args, **kwargs):
    """obj itself; a decorator too."""
    return obj if obj is not None else script


def trace(func, example_inputs=None, *args, **kwargs):
    """func itself."""
    return func


def save(m, f, _extra_files=None):
    """NotImplementedError: programs are Python here. Save the state_dict of the module, and make the module again to load it."""
    raise NotImplementedError("jit.save: there is no compiled program to save; use fastnn.save(module.state_dict(), f)")


def load(f, map_location=None, _extra_files=None, _restore_shapes=False):
    """NotImplementedError, as `save`."""
    raise NotImplementedError("jit.load: compiled programs cannot be read; use module.load_state_dict(fastnn.load(f))")


def is_scripting():
    """False."""
    return False


is_tracing = is_scripting


def annotate(the_type, the_value):
    """the_value."""
    return the_value


script_method = script
isinstance = builtins.isinstance
ignore = unused = export = script_if_tracing = freeze = optimize_for_inference = script
