"""Activations as modules. The formulas are those of nn.functional."""

from __future__ import annotations

from ..tensor import full
from . import functional as F
from .init import constant_
from .module import Module
from .parameter import Parameter
from .stateless import REQUIRED, Stateless

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid",
    "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "Sigmoid", "SiLU", "Softmax", "Softmax2d", "Softmin",
    "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


class ReLU(Stateless):
    """max(x, 0)"""

    function, options = "relu", dict(inplace=False)


class LeakyReLU(Stateless):
    """x where x > 0, else negative_slope · x"""

    function, options = "leaky_relu", dict(negative_slope=0.01, inplace=False)


class ELU(Stateless):
    """x where x > 0, else alpha (eˣ - 1)"""

    function, options = "elu", dict(alpha=1.0, inplace=False)


class CELU(Stateless):
    """x where x > 0, else alpha (e^(x / alpha) - 1)"""

    function, options = "celu", dict(alpha=1.0, inplace=False)


class SELU(Stateless):
    """1.0507 · elu(x, alpha=1.6733): keeps mean 0 and variance 1 (Klambauer et al. 2017)"""

    function, options = "selu", dict(inplace=False)


class GELU(Stateless):
    """x Φ(x), Φ the normal distribution function; approximate="tanh" for the formula with tanh"""

    function, options = "gelu", dict(approximate="none")


class SiLU(Stateless):
    """x sigmoid(x), also called swish"""

    function, options = "silu", dict(inplace=False)


class Mish(Stateless):
    """x tanh(softplus(x))"""

    function, options = "mish", dict(inplace=False)


class Softplus(Stateless):
    """log(1 + e^(beta x)) / beta; x itself where beta x > threshold"""

    function, options = "softplus", dict(beta=1.0, threshold=20.0)


class Sigmoid(Stateless):
    """1 / (1 + e^-x)"""

    function = "sigmoid"


class LogSigmoid(Stateless):
    """log(1 / (1 + e^-x)), without overflow"""

    function = "logsigmoid"


class Tanh(Stateless):
    """tanh x"""

    function = "tanh"


class Tanhshrink(Stateless):
    """x - tanh x"""

    function = "tanhshrink"


class Softsign(Stateless):
    """x / (1 + |x|)"""

    function = "softsign"


class Hardtanh(Stateless):
    """x clipped to [min_val, max_val]"""

    function, options = "hardtanh", dict(min_val=-1.0, max_val=1.0, inplace=False)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not self.max_val > self.min_val:
            raise AssertionError(f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})")


class ReLU6(Hardtanh):
    """min(max(x, 0), 6)"""

    function, options = "relu6", dict(inplace=False)
    min_val, max_val = 0.0, 6.0


class Hardsigmoid(Stateless):
    """x / 6 + 1/2 clipped to [0, 1]"""

    function, options = "hardsigmoid", dict(inplace=False)

    def extra_repr(self):
        return ""


class Hardswish(Stateless):
    """x hardsigmoid(x)"""

    function, options = "hardswish", dict(inplace=False)

    def extra_repr(self):
        return ""


class Hardshrink(Stateless):
    """x where |x| > lambd, else 0"""

    function, options = "hardshrink", dict(lambd=0.5)

    def extra_repr(self):
        return str(self.lambd)


class Softshrink(Stateless):
    """x moved towards 0 by lambd"""

    function, options = "softshrink", dict(lambd=0.5)

    def extra_repr(self):
        return str(self.lambd)


class Threshold(Stateless):
    """x where x > threshold, else value"""

    function, options = "threshold", dict(threshold=REQUIRED, value=REQUIRED, inplace=False)


class GLU(Stateless):
    """a sigmoid(b), a and b the two halves of x along dim"""

    function, options = "glu", dict(dim=-1)


class _AlongDim(Stateless):
    def __init__(self, dim=None):
        if dim is not None and type(dim) is not int:
            raise TypeError(f"dim must be an int or None, got {type(dim)}")
        super().__init__(dim)


class Softmax(_AlongDim):
    """eˣ / Σ eˣ along dim"""

    function, options = "softmax", dict(dim=None)


class LogSoftmax(_AlongDim):
    """log softmax along dim"""

    function, options = "log_softmax", dict(dim=None)


class Softmin(_AlongDim):
    """softmax of -x along dim"""

    function, options = "softmin", dict(dim=None)


class Softmax2d(Module):
    """softmax over the channels of (N, C, H, W) or (C, H, W)"""

    def forward(self, input):
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, dim=-3)


class PReLU(Module):
    """x where x > 0, else weight · x, the weight trained: one number, or one a channel (axis 1)"""

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(full((num_parameters,), init, dtype=dtype, device=device))

    def reset_parameters(self):
        constant_(self.weight, self.init)

    def forward(self, input):
        return F.prelu(input, self.weight)

    def extra_repr(self):
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """x where x >= 0, else a x with a drawn from [lower, upper] while training, their mean in evaluation"""

    def __init__(self, lower=1.0 / 8, upper=1.0 / 3, inplace=False):
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input):
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self):
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")
