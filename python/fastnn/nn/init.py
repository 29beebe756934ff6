"""Initial values for parameters: each function fills a tensor in place, without gradient, and returns it.

The generator argument is a fastnn.Generator, or None for the default one (fastnn.manual_seed).
"""

from __future__ import annotations

import functools
import math
import warnings

import numpy as np

from ..autodiff import no_grad
from ..dtypes import float64
from ..errors import named
from ..ops.special import erfinv
from ..tensor import as_tensor, empty

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "fans", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_",
    "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip


def calculate_gain(nonlinearity, param=None):
    """The factor by which the nonlinearity shrinks a standard deviation, inverted."""
    gains = {"sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4, "linear": 1.0}
    for kind in ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"):
        gains[kind] = 1.0
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in gains:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return gains[nonlinearity]


def fans(tensor):
    """(inputs, outputs) of one unit: weight (out, in, *kernel) → in · kernel, out · kernel."""
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


_calculate_fan_in_and_fan_out = fans  # PyTorch's name


def _calculate_correct_fan(tensor, mode):
    """The inputs or the outputs of `fans`, by mode "fan_in" or "fan_out"; ValueError for another."""
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return fans(tensor)[mode == "fan_out"]


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Uniform on [a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Normal with mean and standard deviation std."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor, val):
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor):
    return constant_(tensor, 1.0)


def zeros_(tensor):
    return constant_(tensor, 0.0)


def _set(tensor, values):
    with no_grad():
        return tensor.copy_(as_tensor(np.ascontiguousarray(values)).to(tensor.dtype))


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Normal, cut off outside [a, b], by inverting the distribution function."""
    if tensor.numel() == 0:
        return tensor
    low, high = (math.erf((x - mean) / std / math.sqrt(2)) for x in (a, b))
    with no_grad():
        share = uniform_(empty(*tensor.shape, dtype=float64), low, high, generator)
        return tensor.copy_((erfinv(share) * (std * math.sqrt(2)) + mean).clamp(a, b))


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Uniform in ±gain √(6 / (in + out)) (Glorot & Bengio 2010)."""
    bound = gain * math.sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Normal with std gain √(2 / (in + out)) (Glorot & Bengio 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))), generator)


def _kaiming_std(tensor, a, mode, nonlinearity):
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Uniform with std gain / √fan (He et al. 2015); a is the negative slope of leaky_relu."""
    if 0 in tensor.shape:
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Normal with std gain / √fan (He et al. 2015)."""
    if 0 in tensor.shape:
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor, gain=1, generator=None):
    """Rows (or columns, if fewer) orthogonal with norm gain (Saxe et al. 2013); axes after the first are flattened."""
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    with no_grad():
        random = np.asarray(tensor.detach().clone().normal_(0.0, 1.0, generator=generator), dtype=np.float64)
    random = random.reshape(rows, -1)
    wide = rows < random.shape[1]
    q, r = np.linalg.qr(random.T if wide else random)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # otherwise not uniform over the orthogonal matrices (Mezzadri 2006)
    return _set(tensor, gain * (q.T if wide else q).reshape(tuple(tensor.shape)))


def eye_(tensor):
    """The identity matrix."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _set(tensor, np.eye(*tensor.shape))


def dirac_(tensor, groups=1):
    """A convolution weight (out, in, *kernel) that passes its input through."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    outputs, inputs, *kernel = tensor.shape
    if outputs % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    values, per_group = np.zeros(tuple(tensor.shape)), outputs // groups
    for g in range(groups):
        for d in range(min(per_group, inputs)):
            values[(g * per_group + d, d, *(k // 2 for k in kernel))] = 1
    return _set(tensor, values)


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Normal with std, a share `sparsity` of each column zero (Martens 2010)."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    normal_(tensor, 0.0, std, generator)
    values = np.array(tensor.detach())
    order = np.asarray(tensor.detach().clone().uniform_(0.0, 1.0, generator=generator)).argsort(axis=0)
    values[order[:zeros], np.arange(columns)] = 0
    return _set(tensor, values)


def _older(f):
    """f by the name that it had before its underscore."""

    @functools.wraps(f)
    def older(*args, **kwargs):
        warnings.warn(f"`nn.init.{older.__name__}` is now deprecated in favor of `nn.init.{f.__name__}`.", FutureWarning, stacklevel=2)
        return f(*args, **kwargs)

    older.__name__ = older.__qualname__ = f.__name__[:-1]
    return older


uniform, normal, constant, eye, dirac = map(_older, (uniform_, normal_, constant_, eye_, dirac_))
xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal = map(_older, (xavier_uniform_, xavier_normal_, kaiming_uniform_, kaiming_normal_))
orthogonal, sparse = map(_older, (orthogonal_, sparse_))

globals().update({name: named(globals()[name]) for name in __all__ if name.endswith("_")})  # what works in place
