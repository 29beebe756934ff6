"""Random numbers: Philox4x32-10, counter based. The same seed gives the same numbers on any number of threads and any CPU.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A generator is two int64 in an array, [seed, offset];
kernels read and advance it, so a recorded step draws fresh numbers whenever it is replayed.
"""

from __future__ import annotations

import math
import os

import numpy as np

from .. import _cpu, dtypes
from ..autodiff import is_grad_enabled, op
from ..device import beside, kernels
from ..dtypes import as_dtype
from ..errors import DTypeError, ShapeError
from ..inplace import inplace
from ..tensor import _made, empty, from_numpy, full, shape_from
from .shape import contiguous, expand, reshape

# -- generators -------------------------------------------------------------------------------------------------------------


class Generator:
    """A stream of random numbers. `state` is the int64 tensor [seed, offset]; two generators of one state are the same."""

    def __init__(self, device="cpu"):
        self.state = from_numpy(np.zeros(2, np.int64))
        self.manual_seed(67280421310721)  # PyTorch's: a generator that nobody has seeded draws the same every time

    def manual_seed(self, seed):
        """Restarts the stream of this seed, an int in [-2**63, 2**64). Returns the generator."""
        try:
            seed = int(seed)
        except (TypeError, ValueError):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}") from None
        if not -(2**63) <= seed < 2**64:
            raise RuntimeError(f"Overflow when unpacking long: seed {seed} is not in [-2**63, 2**64)")
        self.set_state(from_numpy(np.array([seed % 2**64, 0], np.uint64).view(np.int64)))
        return self

    def seed(self):
        """Restarts at a seed drawn from the operating system, and returns it."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self):
        return self.state.tolist()[0] % 2**64

    def get_state(self):
        """A copy of [seed, offset] as bytes: a uint8 tensor, as PyTorch's states are (programs say `.byte()` to be sure)."""
        return from_numpy(self.state.cpu().numpy().view(np.uint8).copy())

    def set_state(self, new_state):
        """Continues from a state that `get_state` returned, or from `state` itself."""
        if isinstance(new_state, _cpu.Array) and new_state.dtype is dtypes.uint8 and new_state._shape == (16,):
            new_state = from_numpy(contiguous(new_state).cpu().numpy().view(np.int64))
        if not isinstance(new_state, _cpu.Array) or new_state.dtype is not dtypes.int64 or new_state._shape != (2,):
            raise TypeError("set_state: RNG state must be the fastnn.ByteTensor that get_state() gives")
        _cpu.copy(self.state, new_state)
        _cpu.mutate(self.state)
        return self

    def clone_state(self):
        return Generator().set_state(self.state)

    @property
    def device(self):
        return self.state.device

    def __getstate__(self):
        return self.state.tolist()

    def __setstate__(self, state):
        self.state = from_numpy(np.array(state, np.int64))


default_generator = Generator()
default_generator.seed()


def manual_seed(seed):
    """Seeds the default generator and returns it."""
    return default_generator.manual_seed(seed)


def seed():
    """Seeds the default generator from the operating system; returns the seed."""
    return default_generator.seed()


def initial_seed():
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state():
    """A copy of the default generator's state."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Continues the default generator from a state that `get_rng_state` returned."""
    default_generator.set_state(new_state)


def _state(generator):
    if generator is None:
        return default_generator.state
    if not isinstance(generator, Generator):
        raise TypeError(f"generator must be a fastnn.Generator, not {type(generator).__name__}")
    return generator.state


def philox(counter, key):
    """The four 32-bit words of Philox4x32-10 for each row of counter (n, 4), under key (2,): int64 tensors of 32-bit values."""
    if counter.ndim != 2 or counter._shape[1] != 4 or key._shape != (2,):
        raise ShapeError(f"philox: expected counter (n, 4) and key (2,), got {list(counter._shape)} and {list(key._shape)}")
    if counter.dtype is not dtypes.int64 or key.dtype is not dtypes.int64:
        raise DTypeError(f"philox: expected int64, got {counter.dtype.name} and {key.dtype.name}")
    words = empty(counter._shape, dtype=dtypes.int64)
    kernels(counter).philox(words, contiguous(counter), contiguous(key))
    return words


# -- distributions ----------------------------------------------------------------------------------------------------------
# draw(y, state, ...) writes a packed tensor; the public functions allocate, the methods with _ overwrite.


def _floating(t, name):
    if not t._floating:
        raise DTypeError(f"{name}: expected a floating dtype, got {t.dtype.name}")
    return t


def _draw_uniform(y, low=0.0, high=1.0, *, generator=None, name="uniform_", **aliases):
    low, high = float(aliases.pop("from", low)), float(aliases.pop("to", high))
    if aliases:
        raise TypeError(f"{name}: unexpected arguments {sorted(aliases)}")
    _floating(y, name)
    if not low <= high:
        raise ShapeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}")
    if not math.isfinite(high - low):
        raise ShapeError(f"uniform_ expects to-from <= the dtype's maximum, but found to={high} and from={low}")
    if y.dtype.computed is y.dtype:
        return kernels(y).uniform(y, _state(generator), low, high)
    steps = _BOUNDS[y.dtype][1]  # as many as there are, equally far apart: a float32 would round up to `high`
    share = empty(y._shape, dtype=dtypes.float32)
    kernels(share).uniform(share, _state(generator), 0.0, steps)
    _cpu.copy(y, _cpu.add(_cpu.mul(_cpu.floor(share), (high - low) / steps), low))


def _draw_normal(y, mean=0.0, std=1.0, *, generator=None, name="normal_"):
    _floating(y, name)
    if not std >= 0:
        raise ShapeError(f"normal expects std >= 0.0, but found std {std}")
    kernels(y).normal(y, _state(generator), float(mean), float(std))


def _draw_bernoulli(y, p=0.5, *, generator=None):
    if isinstance(p, _cpu.Array):
        _floating(p, "bernoulli_")
        p = contiguous(expand(p.detach(), y._shape)) if p.ndim else p
    else:
        if not 0 <= p <= 1:
            raise ShapeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        p = full((), float(p), dtype=dtypes.float64)
    kernels(y).bernoulli(y, _state(generator), p)


_BOUNDS = {
    dtypes.int64: (-(2**63), 2**63 - 1),
    dtypes.int32: (-(2**31), 2**31 - 1),
    dtypes.uint8: (0, 255),
    dtypes.bool: (0, 1),
    dtypes.int8: (-128, 127),
    dtypes.int16: (-(2**15), 2**15 - 1),
    dtypes.float16: (-(2**11), 2**11),
    dtypes.bfloat16: (-(2**8), 2**8),
    dtypes.float32: (-(2**24), 2**24),
    dtypes.float64: (-(2**53), 2**53),
}


def _draw_integers(y, low=0, high=None, *, generator=None):
    least, most = _BOUNDS[y.dtype]
    if high is None:
        low, high = (0, low) if low else (0, min(most + 1, 2**63 - 1))
    low, high = int(low), int(high)
    if low >= high:
        raise ShapeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if low < least:
        raise ShapeError(f"from is out of bounds for {y.dtype.name}: {low}")
    if high - 1 > most:
        raise ShapeError(f"to - 1 is out of bounds for {y.dtype.name}: {high - 1}")
    kernels(y).randint(y, _state(generator), low, high)


def _sized(size, name):
    shape = shape_from(size)
    for s in shape:
        if not hasattr(s, "__index__"):
            raise TypeError(f"{name}: sizes must be ints, not {type(s).__name__}")
    return shape


def rand(*sizes, size=None, generator=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """Uniform on [0, 1): 24 random bits in float32, 53 in float64."""
    y = empty(_sized(shape_from(sizes, size), "rand"), dtype=dtype, device=device)
    _draw_uniform(y, generator=generator, name="rand")
    return _made(y, None, requires_grad, pin_memory)


def randn(*sizes, size=None, generator=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """Standard normal (Box-Muller)."""
    y = empty(_sized(shape_from(sizes, size), "randn"), dtype=dtype, device=device)
    _draw_normal(y, generator=generator, name="randn")
    return _made(y, None, requires_grad, pin_memory)


def randint(low=0, high=None, size=None, *, generator=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """Integers of [low, high), equally likely to within 2^-64 of the range: randint(high, size) or randint(low, high, size)."""
    if size is None:
        low, high, size = 0, low, high
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"randint: size must be a tuple of ints, not {type(size).__name__}")
    y = empty(_sized((size,), "randint"), dtype=dtypes.int64 if dtype is None else dtype, device=device)
    _draw_integers(y, low, high, generator=generator)
    return _made(y, None, requires_grad, pin_memory)


def randperm(n, *, generator=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A random order of 0..n-1; every order is equally likely."""
    if n < 0:
        raise ShapeError(f"n must be non-negative, got {n}")
    dtype = dtypes.int64 if dtype is None else as_dtype(dtype)
    if n - 1 > _BOUNDS[dtype][1]:
        raise ShapeError(f"n is too large for result tensor type: '{dtype.name}'")
    y = empty((n,), dtype=dtypes.int64, device=device)
    kernels(y).permutation(y, _state(generator))
    return _made(y.to(dtype), None, requires_grad, pin_memory)


def rand_like(input, *, generator=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None):
    """Uniform on [0, 1), of this shape."""
    return rand(input._shape, generator=generator, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def randn_like(input, *, generator=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None):
    """Standard normal, of this shape."""
    return randn(input._shape, generator=generator, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def randint_like(input, low, high=None, *, generator=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, memory_format=None):
    """Integers of [low, high), of this shape and dtype: randint_like(x, high) or randint_like(x, low, high)."""
    low, high = (0, low) if high is None else (low, high)
    dtype = dtype or input.dtype
    return randint(low, high, input._shape, generator=generator, dtype=dtype, device=device, requires_grad=requires_grad)


def normal(mean=0.0, std=1.0, size=None, *, generator=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """Normal numbers: normal(mean, std, size) with numbers, or mean and/or std tensors, which give the shape."""
    if not isinstance(mean, _cpu.Array) and not isinstance(std, _cpu.Array):
        if size is None:
            raise TypeError("normal: size is needed when mean and std are numbers")
        y = empty(_sized((size,), "normal"), dtype=dtype, device=device)
        _draw_normal(y, mean, std, generator=generator, name="normal")
        return _made(y, None, requires_grad, pin_memory)
    if size is not None:
        raise TypeError("normal: size is given by the tensors mean and std")
    parts = [p.detach() for p in (mean, std) if isinstance(p, _cpu.Array)]
    for p in parts:
        _floating(p, "normal")
    if isinstance(std, _cpu.Array):
        if std._size and not (std.detach().numpy() >= 0).all():
            raise ShapeError("normal expects all elements of std >= 0.0")
        std = std.detach()
    elif not std >= 0:
        raise ShapeError(f"normal expects std >= 0.0, but found std {std}")
    mean = mean.detach() if isinstance(mean, _cpu.Array) else mean
    like = parts[0] if len(parts) == 1 else parts[0] + parts[1]  # broadcast shape and common dtype
    return _made(randn(like._shape, generator=generator, dtype=like.dtype) * std + mean, device, requires_grad, pin_memory)


def bernoulli(input, p=None, *, generator=None):
    """1 where a uniform number is below the probability, else 0: probabilities from input, or p for all of input's shape."""
    if p is None:
        _floating(input, "bernoulli")
        p = input
    y = empty(input._shape, dtype=input.dtype)
    _draw_bernoulli(y, p, generator=generator)
    return y


def multinomial(input, num_samples, replacement=False, *, generator=None):
    """Indices drawn with the probabilities in each row of input (m,) or (rows, m), which need not sum to 1.

    Without replacement the k draws are distinct: the k smallest of e_i / p_i, e exponential (Efraimidis and Spirakis 2006).
    Where fewer than k categories are possible, impossible ones follow them, as PyTorch's.
    """
    _floating(input, "multinomial")
    if input.ndim not in (1, 2):
        raise ShapeError(f"prob_dist must be 1 or 2 dim, got {input.ndim} dim")
    k, m = int(num_samples), input._shape[-1]
    if k <= 0:
        raise ShapeError("cannot sample n_sample <= 0 samples")
    if m == 0:
        raise ShapeError("multinomial: prob_dist must have at least one category")
    if not replacement and k > m:
        raise ShapeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    p = contiguous(input.detach())
    p = p if p.ndim == 2 else reshape(p, 1, m)
    y = empty((p._shape[0], k), dtype=dtypes.int64)
    kernels(p).multinomial(y, _state(generator), p, int(bool(replacement)))
    return y if input.ndim == 2 else reshape(y, k)


# -- in place ---------------------------------------------------------------------------------------------------------------


def _method(draw, name, doc):
    def overwritten(x, *, args, options):
        y = empty(x._shape, dtype=x.dtype)
        draw(y, *args, **options)
        return y

    overwritten.__name__ = name
    constant = op(overwritten, saves="")
    constant.partials(lambda g, y, x, **p: None).pointwise()
    write = inplace(constant)

    def method(self, *args, **options):
        if self._packed and not (is_grad_enabled() and self.requires_grad):
            draw(self, *args, **options)
            _cpu.mutate(self)
            return self
        return write(self, args=args, options=options)

    method.__name__ = method.__qualname__ = name + "_"
    method.__doc__ = doc
    return method


uniform_ = _method(_draw_uniform, "uniform", "Fills the tensor from the uniform distribution on [low, high).")
normal_ = _method(_draw_normal, "normal", "Fills the tensor from the normal distribution of this mean and std.")
bernoulli_ = _method(_draw_bernoulli, "bernoulli", "Fills the tensor with ones, with probability p (a number or a tensor), and zeros.")
random_ = _method(_draw_integers, "random", "Fills the tensor with integers of [low, high); by default of all the dtype holds.")


# -- dropout ----------------------------------------------------------------------------------------------------------------


def claim(n, generator=None):
    """The [seed, offset] of n words of the stream, now taken: enough to drop out n elements."""
    saved = empty((2,), dtype=dtypes.int64)
    kernels(saved).claim(saved, _state(generator), n)
    return saved


def dropout_claimed(x, claimed, p):
    """`dropout` with the numbers of a `claim`: the same elements again, wherever and as often as it is asked for."""
    return _dropout_dx(x, claimed, p=p)


@op(saves="")
def _dropout(x, *, p, generator=None):
    y, saved = empty(x._shape, dtype=x.dtype), empty((2,), dtype=dtypes.int64)
    kernels(x).dropout(y, saved, _state(generator), contiguous(x), p)
    return y, saved


@op(saves="")
def _dropout_dx(g, saved, *, p):
    dx = empty(g._shape, dtype=g.dtype)
    kernels(g).dropout_dx(dx, contiguous(g), beside(saved, g), p)
    return dx


_dropout.partials(lambda g, y, x, p, generator=None: _dropout_dx(g, y[1], p=p)).pointwise()
_dropout_dx.partials(lambda h, y, g, saved, p: _dropout_dx(h, saved, p=p), None).linear(0)  # linear in g, so its own derivative


def _probability(p, input):
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    _floating(input, "dropout")
    return float(p)


def _in_place(name, fn):
    fn.__name__ = name
    return inplace(fn)


_dropout_ = _in_place("dropout", lambda x, p, generator: _dropout(x, p=p, generator=generator)[0])
_scale_ = _in_place("dropout", lambda x, mask: x * mask)
_scale_shift_ = _in_place("alpha_dropout", lambda x, scale, shift: x * scale + shift)


def dropout(input, p=0.5, training=True, inplace=False, *, generator=None):
    """Zeroes each element with probability p and multiplies the rest by 1/(1-p); the input itself when not training.

    The mask is not stored: the generator's state is, and the derivative draws the mask again. Srivastava et al., JMLR 2014.
    """
    p = _probability(p, input)
    if not training or p == 0:
        return input
    if inplace:
        return _dropout_(input, p, generator)
    return _dropout(input, p=p, generator=generator)[0]


def _drop_features(input, p, training, inplace, kept):
    """Dropout of whole feature maps: one draw for each index of the first `kept` axes."""
    p = _probability(p, input)
    if not training or p == 0:
        return input
    shape = input._shape[:kept] + (1,) * (input.ndim - kept)
    mask = _dropout.forward(full(shape, 1, dtype=input.dtype), p=p)[0]
    return _scale_(input, mask) if inplace else input * mask


def dropout1d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of (C, L) or (N, C, L)."""
    if input.ndim not in (2, 3):
        raise ShapeError(f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input.")
    return _drop_features(input, p, training, inplace, input.ndim - 1)


def dropout2d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of (N, C, ...): of (N, C, H, W) in the first place; Tompson et al., CVPR 2015."""
    if input.ndim < 2:
        raise ShapeError(f"dropout2d: Expected an input (N, C, ...), but received a {input.ndim}D input.")
    return _drop_features(input, p, training, inplace, 2)


def dropout3d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of (C, D, H, W) or (N, C, D, H, W)."""
    if input.ndim not in (4, 5):
        raise ShapeError(f"dropout3d: Expected 4D or 5D input, but received a {input.ndim}D input.")
    return _drop_features(input, p, training, inplace, input.ndim - 3)


def _alpha(input, p, training, inplace, kept):
    p = _probability(p, input)
    if not training or p == 0:
        return input
    shape = input._shape[:kept] + (1,) * (input.ndim - kept)
    keep = empty(shape, dtype=input.dtype)
    _draw_bernoulli(keep, 1 - p)
    alpha = 1.7580993408473766  # -λα of SELU: dropped units take the value at minus infinity
    a = 0.0 if p == 1 else 1 / math.sqrt((alpha * alpha * p + 1) * (1 - p))
    scale, shift = keep * a, (keep - 1) * (alpha * a) + alpha * a * p
    return _scale_shift_(input, scale, shift) if inplace else input * scale + shift


def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps mean and variance of SELU activations. Klambauer et al., NeurIPS 2017."""
    return _alpha(input, p, training, inplace, input.ndim)


def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """`alpha_dropout` of whole channels of (N, C, ...)."""
    return _alpha(input, p, training, inplace, 2)


__all__ = (
    "Generator bernoulli default_generator get_rng_state initial_seed manual_seed multinomial normal rand rand_like randint "
    "randint_like randn randn_like randperm seed set_rng_state"
).split()
METHODS = ("bernoulli", "bernoulli_", "multinomial", "normal_", "random_", "uniform_")
FUNCTIONAL = ("alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout")

