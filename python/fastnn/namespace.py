"""Names that PyTorch has at top level too: layers' functions, and switches that have nothing to switch here."""

from __future__ import annotations

from . import casting, dtypes, foreach
from .amp import GradScaler, autocast
from .autodiff import is_grad_enabled, look_for_nan, looks_for_nan
from .device import CPU, META, is_cuda, is_meta, make_on_meta
from .dtypes import bfloat16, float16, get_default_dtype, set_default_dtype
from .errors import named
from .func import vmap
from .nn import functional as F
from .ops.join import cat
from .ops.lu import OLDER as _OLDER
from .ops.storage import UntypedStorage
from .tensor import Tensor, tensor

# Of torch.nn.functional, those that torch itself has under the same name and meaning.
_SAME = (
    "alpha_dropout batch_norm bilinear binary_cross_entropy_with_logits cosine_embedding_loss dropout feature_alpha_dropout "
    "group_norm hinge_embedding_loss instance_norm kl_div layer_norm margin_ranking_loss pdist poisson_nll_loss rms_norm "
    "triplet_margin_loss"
).split()
globals().update({name: getattr(F, name) for name in _SAME})
globals().update({name: named(f) for name, f in _OLDER.items()})


globals().update({name: getattr(foreach, name) for name in foreach.__all__})


# The methods that change their tensor, as functions: torch.relu_(x) is x.relu_().
_IN_PLACE = (
    "abs acos acosh addmv arccos arccosh arcsin arcsinh arctan arctanh asin asinh as_strided atan atanh ceil clamp clamp_max clamp_min clip cos cosh deg2rad "
    "detach erf erfc exp exp2 expm1 fill fix floor frac gcd i0 lcm ldexp log log10 log1p log2 logit nan_to_num neg negative rad2deg reciprocal round "
    "rsqrt sigmoid sin sinc sinh sqrt square tan tanh trunc xlogy zero"
).split()
globals().update({name + "_": getattr(Tensor, name + "_") for name in _IN_PLACE if hasattr(Tensor, name + "_")})


@named
def fill(input, value):
    """A tensor like input with one value."""
    return input.clone().fill_(value)


@named
def detach(input):
    """input without its history."""
    return input.detach()


# A view's name with _copy: the same values in memory of their own.
def _copying(view):
    def f(*args, **kwargs):
        y = view(*args, **kwargs)
        return tuple(t.clone() for t in y) if isinstance(y, (tuple, list)) else y.clone()

    view = getattr(view, "__wrapped__", view)  # out= is the outer function's
    f.__name__ = f.__qualname__ = f"{view.__name__}_copy"
    f.__module__, f.__doc__ = __name__, f"`{view.__name__}` with memory of its own."
    return named(f)


_VIEWS = "as_strided detach diagonal expand narrow permute select split split_with_sizes squeeze t transpose unbind unfold unsqueeze view".split()
globals().update({f"{name}_copy": _copying(getattr(Tensor, name)) for name in _VIEWS})
Tensor.narrow_copy = globals()["narrow_copy"]
# Names of PyTorch's for callers that promise not to change the parts in place.
unsafe_chunk, unsafe_split, unsafe_split_with_sizes = Tensor.unsafe_chunk, Tensor.unsafe_split, Tensor.unsafe_split_with_sizes = (
    Tensor.chunk, Tensor.split, Tensor.split_with_sizes
)  # fmt: skip


@named
def index_put_(input, indices, values, accumulate=False):
    """Tensor.index_put_ as a function."""
    return input.index_put_(indices, values, accumulate)


@named
def resize_as_(input, the_template):
    """Tensor.resize_as_ as a function."""
    return input.resize_as_(the_template)


@named
def nonzero_static(input, *, size, fill_value=-1):
    """`nonzero` with `size` rows, whatever is found: the last are left out, or rows of fill_value are added."""
    found = input.nonzero()[:size]
    missing = size - found.shape[0]
    return cat([found, found.new_full((missing, input.ndim), fill_value)]) if missing else found


Tensor.nonzero_static = nonzero_static


@named
def constant_pad_nd(input, pad, value=0):
    """nn.functional.pad with a constant."""
    return F.pad(input, pad, value=value)


@named
def is_inference(input):
    """False: what inference_mode makes can be used anywhere."""
    return input.is_inference()


def _assert(condition, message):
    """`assert condition, message`."""
    assert condition, message


def is_storage(obj):
    """Whether it is the memory of tensors (`Tensor.untyped_storage`)."""
    return isinstance(obj, UntypedStorage)


def get_num_interop_threads():
    """1: one operation runs at a time."""
    return 1


def set_num_interop_threads(threads):
    """Accepted: one operation runs at a time."""


def set_flush_denormal(mode):
    """False, as where a CPU cannot: denormal numbers are always kept."""
    return False


@named
def is_signed(input):
    """Whether the dtype has negative numbers."""
    return input.is_signed()


@named
def is_same_size(input, other):
    """Whether the shapes are equal."""
    return input.shape == other.shape


@named
def embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """nn.functional.embedding with its arguments the other way round, as torch.embedding has them."""
    return F.embedding(indices, weight, None if padding_idx < 0 else padding_idx)


def compile(model=None, **options):
    """model itself: kernels are compiled already. As a decorator too. See `fastnn.capture` for what makes steps faster."""
    return model if model is not None else lambda f: f


def set_float32_matmul_precision(precision):
    """"highest", "high" or "medium": how a GPU multiplies float32 (`cuda.set_precision`). The CPU always does so in float32."""
    from .cuda import set_precision

    set_precision(precision)


def get_float32_matmul_precision():
    """What `set_float32_matmul_precision` has set; "highest" at first."""
    from .cuda import get_precision

    return get_precision()


def get_default_device():
    """Where new tensors are made."""
    return META if is_meta(None) else CPU


def set_default_device(device):
    """Accepts the CPU, None for it, and "meta". RuntimeError for a device that this installation does not have."""
    if is_meta(None):
        make_on_meta(-1)
    if device is not None and is_meta(device):
        make_on_meta(1)
    else:
        is_cuda(device)


def set_default_tensor_type(t):
    """`set_default_dtype` by a class of floating tensors, as FloatTensor or DoubleTensor, or its name. TypeError for any other."""
    name = (t if isinstance(t, str) else getattr(t, "__name__", "")).rpartition(".")[2]
    found = next((d for d in dtypes.ALL if f"{d.scalar_type}Tensor" == name and d.is_floating_point), None)
    if found is None:
        raise TypeError(f"only floating-point types are supported as the default type, got {t!r}")
    set_default_dtype(found)


def is_autocast_enabled(device_type="cpu"):
    """Whether an `autocast` of this device is open in this thread."""
    return casting.current(device_type) is not None


def get_autocast_dtype(device_type):
    """What the autocast that is open casts to; outside of one, what it would by default: bfloat16 on the CPU, float16 on a GPU."""
    return casting.current(device_type) or (bfloat16 if device_type == "cpu" else float16)


def is_anomaly_enabled():
    """Whether backward looks for NaN: `autograd.set_detect_anomaly`."""
    return looks_for_nan()


def set_anomaly_enabled(mode, check_nan=True):
    """`autograd.set_detect_anomaly`."""
    look_for_nan(bool(mode and check_nan))


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Accepted; everything here is deterministic."""


def are_deterministic_algorithms_enabled():
    """Always: everything here is deterministic."""
    return True


def is_inference_mode_enabled():
    """Whether operations go unrecorded."""
    return not is_grad_enabled()


@named
def scalar_tensor(s, *, dtype=None, device=None, requires_grad=False):
    """A 0-d tensor, of the default dtype if none is given."""
    return tensor(s, dtype=dtype or get_default_dtype(), device=device, requires_grad=requires_grad)


__all__ = [
    *(f"{name}_copy" for name in _VIEWS), "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes",
    *_SAME, *_OLDER, *foreach.__all__, *(n + "_" for n in _IN_PLACE if n + "_" in globals()), "constant_pad_nd", "detach", "fill", "get_num_interop_threads", "index_put_", "is_inference", "is_same_size", "is_storage", "resize_as_", "set_flush_denormal", "set_num_interop_threads", "is_signed", "are_deterministic_algorithms_enabled", "autocast", "compile", "embedding", "get_default_device", "get_float32_matmul_precision",
    "GradScaler", "_assert", "get_autocast_dtype", "is_anomaly_enabled", "is_autocast_enabled", "set_anomaly_enabled", "set_default_tensor_type",
    "is_inference_mode_enabled", "nonzero_static", "scalar_tensor", "set_default_device", "set_float32_matmul_precision", "use_deterministic_algorithms",
    "vmap",
]  # fmt: skip
