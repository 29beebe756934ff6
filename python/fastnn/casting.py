"""What `amp.autocast` does: within it, functions get their float arguments in the dtype that PyTorch would compute them in on that device.

The lists are those of PyTorch's dispatcher (ATen/autocast_mode.cpp), one for the CPU and one for a GPU. A program that never enters an
autocast pays nothing: the first one makes `_cpu.Named` ask `_cast` before a call, and puts operators that ask, too, into `Tensor`.
"""

from __future__ import annotations

import functools
import threading

from . import dtypes
from .autodiff import Array
from .overrides import tensors_in, watch_calls
from .tensor import Tensor

_LOWER = frozenset(
    "__matmul__ addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear lstm matmul mm prelu "
    "rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell scaled_dot_product_attention vecdot "
    "chain_matmul einsum inner linear_cross_entropy linear_of_sequences multi_dot multi_head_attention_forward tensordot".split()  # made of those in PyTorch
)
_FLOAT32 = frozenset(
    "adaptive_avg_pool3d adaptive_max_pool3d adaptive_max_pool3d_with_indices avg_pool3d binary_cross_entropy "
    "binary_cross_entropy_with_logits cdist cholesky cholesky_ex cholesky_inverse cholesky_solve cond cosine_embedding_loss cross_entropy "
    "ctc_loss eig eigh eigvals eigvalsh fft fft2 fftn fractional_max_pool2d fractional_max_pool3d geqrf grid_sample gru gru_cell hfft "
    "hinge_embedding_loss householder_product huber_loss ifft ifft2 ifftn ihfft inv inv_ex inverse irfft irfft2 irfftn kl_div l1_loss "
    "lstm_cell lstsq lu_solve margin_ranking_loss matrix_rank max_pool3d max_pool3d_with_indices max_unpool2d max_unpool3d mse_loss multi_margin_loss "
    "multilabel_margin_loss nanquantile nll_loss orgqr ormqr pinverse poisson_nll_loss polar prod qr quantile rfft rfft2 rfftn "
    "smooth_l1_loss soft_margin_loss solve stft svd svdvals tensorinv tensorsolve trace triangular_solve triplet_margin_loss "
    "view_as_complex".split()
)
_ON_A_GPU = frozenset(
    "__pow__ __rpow__ __rtruediv__ acos arccos arcsin asin binary_cross_entropy_with_logits cdist cosh cosine_embedding_loss cosine_similarity "
    "cross_entropy cumprod cumsum dist erfinv exp expm1 group_norm hinge_embedding_loss huber_loss interpolate kl_div l1_loss layer_norm log "
    "log10 log1p log2 log_softmax logsumexp margin_ranking_loss matrix_norm mse_loss multi_margin_loss multilabel_margin_loss nll_loss norm "
    "normalize pdist poisson_nll_loss pow prod reciprocal renorm rsqrt sinh smooth_l1_loss soft_margin_loss softmax softmin softplus sum tan "
    "triplet_margin_loss vector_norm".split()
)


class Lists:
    """Which functions compute in the autocast's dtype, which in float32, and which in the widest dtype of their arguments."""

    def __init__(self, lower, float32, widest):
        self.lower, self.float32, self.widest = lower, float32, frozenset(widest.split())


LISTS = {
    "cpu": Lists(_LOWER, _FLOAT32, "cat concat concatenate index_copy stack"),
    "cuda": Lists(
        (_LOWER | frozenset("addmv addr gru gru_cell lstm_cell mv".split())) - {"tensordot"}, _ON_A_GPU,
        "addcdiv addcmul atan2 bilinear cat concat concatenate cross dot grid_sample index_put scatter_add stack tensordot vdot",
    ),
}  # fmt: skip


class _State(threading.local):
    cpu = cuda = None  # what `lower` computes in on that device; None outside of an autocast


_state = _State()


def current(device="cpu"):
    """The dtype of the autocast of this device that is open in this thread, or None; None of a device that has none."""
    return getattr(_state, device, None) if isinstance(device, str) else None


def enter(dtype, device="cpu"):
    """From now on dtype (None: nothing is cast) in this thread; returns what was before."""
    before = getattr(_state, device)
    setattr(_state, device, dtype)
    if dtype is not None:
        _attach()
    return before


@functools.cache
def _attach():
    watch_calls(_cast)
    for name in "__matmul__", "__pow__", "__rpow__", "__rtruediv__":
        setattr(Tensor, name, _asking(name, getattr(Tensor, name)))


def _asking(name, operator):
    def plain(self, other):
        return operator(self, other)

    def ask(self, other):
        result = _cast(plain, (self, other), {})
        return operator(self, other) if result is NotImplemented else result

    plain.__name__ = ask.__name__ = name
    return ask


def _device(x):
    """Where the tensors in a nest of arguments are: "cuda" if any is there."""
    return "cuda" if any(t.is_cuda for t in tensors_in(x)) else "cpu"


def _eligible(x, device):
    return isinstance(x, Tensor) and x.is_floating_point() and x.dtype is not dtypes.float64 and x.is_cuda == (device == "cuda")


def mapped(x, change):
    """x, or what is in a tuple, list or dict of it, with `change` made of the tensors."""
    if isinstance(x, Array):
        return change(x)
    if isinstance(x, (tuple, list)) and any(isinstance(v, (Array, tuple, list)) for v in x):
        of = [mapped(v, change) for v in x]
        return type(x)._make(of) if hasattr(x, "_make") else type(x)(of)
    return {k: mapped(v, change) for k, v in x.items()} if isinstance(x, dict) else x


def cast(x, dtype, device="cpu"):
    """x, or what is in a tuple, list or dict of it, in dtype where it is a tensor on that device of another floating dtype but float64."""
    return mapped(x, lambda t: t.to(dtype) if _eligible(t, device) else t)


def _widest(args, device):
    found = [x.dtype for x in args if _eligible(x, device)]
    return dtypes.float32 if dtypes.float32 in found or len(set(found)) > 1 else found[0] if found else None


def _cast(func, args, kwargs):
    """The result of a call within an autocast that changes its arguments; NotImplemented for any other call."""
    if _state.cpu is None and _state.cuda is None:
        return NotImplemented
    device = _device((*args, *kwargs.values()))
    dtype, name, lists = current(device), func.__name__, LISTS[device]
    if dtype is None:
        return NotImplemented
    if name in lists.float32 or (device == "cpu" and name == "pad" and (args[2] if len(args) > 2 else kwargs.get("mode")) in ("reflect", "replicate")):
        dtype = dtypes.float32
    elif name in lists.widest:
        dtype = _widest([x for a in args for x in (a if isinstance(a, (tuple, list)) else (a,))], device)
    elif name not in lists.lower:
        return NotImplemented
    if dtype is None or "out" in kwargs or (device == "cuda" and kwargs.get("dtype") is not None):
        return NotImplemented
    before = enter(None, device)
    try:
        return func(*cast(args, dtype, device), **cast(kwargs, dtype, device))
    finally:
        enter(before, device)
