"""PyTorch's mixed precision, for scripts that ask for it. Its dtypes are PyTorch's. On the CPU its speed is not: kernels compute in float32,
and conversions come on top, so that float32 throughout is faster here, and more exact; what it saves is memory. On a GPU products,
convolutions and attention run on tensor cores.

GradScaler scales the loss, takes the scale out of the gradients and leaves out steps whose gradients are not finite.
Source: torch.amp, whose numbers these are; https://docs.pytorch.org/docs/stable/amp.html
"""

from __future__ import annotations

import contextlib
import functools
import math
import warnings

from . import casting
from .dtypes import bfloat16, float16
from .grad_mode import no_grad


class autocast(contextlib.ContextDecorator):
    """As a context or a decorator: products, linear layers and convolutions of tensors on this device give dtype, losses and linear algebra
    float32, `cat` and `stack` the widest of theirs (casting.py has the lists, PyTorch's); everything else takes what it is given.

    dtype: bfloat16 (the CPU's default) or float16 (a GPU's); others warn, and nothing is cast, as in PyTorch. On the CPU it is not faster
    than float32. Devices without tensors here: nothing is cast.
    """

    def __init__(self, device_type="cpu", dtype=None, enabled=True, cache_enabled=None):
        self.device_type, self.enabled = device_type, enabled
        self.dtype = (bfloat16 if device_type == "cpu" else float16) if dtype is None else dtype
        if enabled and device_type in casting.LISTS and self.dtype not in (bfloat16, float16):
            name = device_type.upper()
            warnings.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{name} Autocast only supports dtype of torch.bfloat16, torch.float16 currently.", UserWarning, stacklevel=2,
            )  # fmt: skip
            self.enabled = False
        self._before = []

    def __enter__(self):
        if self.device_type in casting.LISTS:
            self._before.append(casting.enter(self.dtype if self.enabled else None, self.device_type))
        return self

    def __exit__(self, *exception):
        if self.device_type in casting.LISTS:
            casting.enter(self._before.pop(), self.device_type)
        return False


class GradScaler:
    """Multiplies losses by a scale, so that small gradients do not vanish in float16, and divides the gradients by it before the step.

    A step whose gradients hold inf or NaN is left out and the scale shrinks by `backoff_factor`; after `growth_interval` steps without
    one it grows by `growth_factor`. Without a GPU, one for "cuda" is disabled (all its methods hand through), with a warning.
    """

    def __init__(self, device="cuda", init_scale=65536.0, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True):
        from . import cuda

        self._device, self._enabled = str(device), enabled
        if enabled and self._device.startswith("cuda") and not cuda.is_available():
            warnings.warn("GradScaler is enabled, but CUDA is not available. Disabling.", UserWarning, stacklevel=2)
            self._enabled = False
        if self._enabled and not (growth_factor > 1.0 and backoff_factor < 1.0):
            raise ValueError(f"the growth factor must be above 1 and the backoff factor below, got {growth_factor} and {backoff_factor}")
        self._scale, self._growth_factor, self._backoff_factor = float(init_scale), growth_factor, backoff_factor
        self._growth_interval, self._growth_tracker = growth_interval, 0
        self._finite = {}  # by the id of an optimizer whose gradients are unscaled: [whether they are finite, whether it has stepped]

    def scale(self, outputs):
        """A tensor, or a list or tuple of them (nested too), times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(map(self.scale, outputs))
        if not hasattr(outputs, "requires_grad"):
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")
        return outputs * self._scale

    def unscale_(self, optimizer):
        """Divides the gradients of the optimizer's parameters by the scale, as before clipping. RuntimeError if they are already."""
        if not self._enabled:
            return
        done = self._finite.get(id(optimizer))
        if done is not None:
            what = "unscale_() is being called after step()." if done[1] else "unscale_() has already been called on this optimizer since the last update()."
            raise RuntimeError(what)
        finite = []
        with no_grad():
            for p in (p for group in optimizer.param_groups for p in group["params"] if p.grad is not None):
                g = p.grad.values() if p.grad.is_sparse else p.grad
                g.mul_(1 / self._scale)
                finite.append(g.isfinite().all())
        self._finite[id(optimizer)] = [all(map(bool, finite)) if finite else None, False]

    def step(self, optimizer, *args, **kwargs):
        """optimizer.step(*args, **kwargs) unless a gradient is inf or NaN (then None); unscales them first where `unscale_` has not.

        RuntimeError for a closure, and for a second step before `update`; AssertionError without any gradient.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        if id(optimizer) not in self._finite:
            self.unscale_(optimizer)
        state = self._finite[id(optimizer)]
        if state[1]:
            raise RuntimeError("step() has already been called since the last update().")
        assert state[0] is not None, "No inf checks were recorded for this optimizer."
        state[1] = True
        return optimizer.step(*args, **kwargs) if state[0] else None

    def update(self, new_scale=None):
        """The next scale: new_scale if given, or what the gradients since the last update ask for."""
        if not self._enabled:
            return
        seen = [finite for finite, _ in self._finite.values() if finite is not None]
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            assert seen, "No inf checks were recorded prior to update."
            self._growth_tracker = self._growth_tracker + 1 if all(seen) else 0
            if not all(seen):
                self._scale *= self._backoff_factor
            elif self._growth_tracker == self._growth_interval:
                self._growth_tracker = 0
                grown = self._scale * self._growth_factor
                self._scale = grown if math.isfinite(grown) else self._scale
        self._finite = {}

    def get_scale(self):
        """The scale; 1.0 where disabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self):
        return self._growth_factor

    def set_growth_factor(self, new_factor):
        self._growth_factor = new_factor

    def get_backoff_factor(self):
        return self._backoff_factor

    def set_backoff_factor(self, new_factor):
        self._backoff_factor = new_factor

    def get_growth_interval(self):
        return self._growth_interval

    def set_growth_interval(self, new_interval):
        self._growth_interval = new_interval

    def is_enabled(self):
        return self._enabled

    _STATE = {
        "scale": "_scale",
        "growth_factor": "_growth_factor",
        "backoff_factor": "_backoff_factor",
        "growth_interval": "_growth_interval",
        "_growth_tracker": "_growth_tracker",
    }

    def state_dict(self):
        """The scale and how it changes; {} where disabled."""
        return {key: getattr(self, name) for key, name in self._STATE.items()} if self._enabled else {}

    def load_state_dict(self, state_dict):
        """What `state_dict` gave. RuntimeError for that of a disabled one."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler.")
        for key, name in self._STATE.items():
            setattr(self, name, state_dict[key])


def is_autocast_available(device_type):
    """Whether `autocast` of this device casts anything."""
    return device_type in casting.LISTS


def custom_fwd(fwd=None, *, device_type="cpu", cast_inputs=None):
    """Decorator of a Function's forward: within an autocast its arguments come in the dtype cast_inputs, if given, and nothing is cast in it."""
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(*args, **kwargs):
        dtype = casting.current(device_type)
        args[0]._autocast = dtype if cast_inputs is None else None
        if dtype is None or cast_inputs is None:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(*casting.cast(args, cast_inputs, device_type), **casting.cast(kwargs, cast_inputs, device_type))

    return forward


def custom_bwd(bwd=None, *, device_type="cpu"):
    """Decorator of a Function's backward: it runs with autocast as forward did."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(*args, **kwargs):
        dtype = args[0]._autocast
        with autocast(device_type, dtype=dtype, enabled=dtype is not None):
            return bwd(*args, **kwargs)

    return backward
