"""What `amp.autocast` does: within it, functions get their float arguments in the dtype that PyTorch's CPU would compute them in.

The lists are those of PyTorch's dispatcher for the CPU (ATen/autocast_mode.cpp). A program that never enters an autocast pays nothing:
the first one makes `_cpu.Named` ask `_cast` before a call, and puts a matmul operator that asks, too, into `Tensor`.
"""

from __future__ import annotations

import functools
import threading

from . import dtypes
from .autodiff import Array
from .overrides import watch_calls
from .tensor import Tensor

LOWER = frozenset(
    "addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear lstm matmul mm prelu "
    "rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell scaled_dot_product_attention vecdot "
    "chain_matmul einsum inner linear_cross_entropy multi_dot multi_head_attention_forward tensordot".split()  # made of those in PyTorch
)
FLOAT32 = frozenset(
    "adaptive_avg_pool3d adaptive_max_pool3d adaptive_max_pool3d_with_indices avg_pool3d binary_cross_entropy "
    "binary_cross_entropy_with_logits cdist cholesky cholesky_ex cholesky_inverse cholesky_solve cond cosine_embedding_loss cross_entropy "
    "ctc_loss eig eigh eigvals eigvalsh fft fft2 fftn fractional_max_pool2d fractional_max_pool3d geqrf grid_sample gru gru_cell hfft "
    "hinge_embedding_loss householder_product huber_loss ifft ifft2 ifftn ihfft inv inv_ex inverse irfft irfft2 irfftn kl_div l1_loss "
    "lstm_cell lstsq lu_solve margin_ranking_loss matrix_rank max_pool3d max_pool3d_with_indices max_unpool2d max_unpool3d mse_loss multi_margin_loss "
    "multilabel_margin_loss nanquantile nll_loss orgqr ormqr pinverse poisson_nll_loss polar prod qr quantile rfft rfft2 rfftn "
    "smooth_l1_loss soft_margin_loss solve stft svd svdvals tensorinv tensorsolve trace triangular_solve triplet_margin_loss "
    "view_as_complex".split()
)
WIDEST = frozenset("cat concat concatenate index_copy stack".split())


class _State(threading.local):
    dtype = None  # what LOWER computes in; None outside of an autocast


_state = _State()


def current():
    """The dtype of the autocast that is open in this thread, or None."""
    return _state.dtype


def enter(dtype):
    """From now on dtype (None: nothing is cast) in this thread; returns what was before."""
    before, _state.dtype = _state.dtype, dtype
    if dtype is not None:
        _attach()
    return before


@functools.cache
def _attach():
    watch_calls(_cast)
    product = Tensor.__matmul__

    def __matmul__(self, other):
        if _state.dtype is None or not isinstance(other, Tensor):
            return product(self, other)
        return product(*cast((self, other), _state.dtype))

    Tensor.__matmul__ = __matmul__


def _eligible(x):
    return isinstance(x, Tensor) and x.is_floating_point() and x.dtype is not dtypes.float64 and not x.is_cuda


def mapped(x, change):
    """x, or what is in a tuple, list or dict of it, with `change` made of the tensors."""
    if isinstance(x, Array):
        return change(x)
    if isinstance(x, (tuple, list)) and any(isinstance(v, (Array, tuple, list)) for v in x):
        of = [mapped(v, change) for v in x]
        return type(x)._make(of) if hasattr(x, "_make") else type(x)(of)
    return {k: mapped(v, change) for k, v in x.items()} if isinstance(x, dict) else x


def cast(x, dtype):
    """x, or what is in a tuple, list or dict of it, in dtype where it is a tensor of another floating dtype but float64."""
    return mapped(x, lambda t: t.to(dtype) if _eligible(t) else t)


def _widest(args):
    found = [x.dtype for x in args if _eligible(x)]
    return dtypes.float32 if dtypes.float32 in found or len(set(found)) > 1 else found[0] if found else None


def _cast(func, args, kwargs):
    """The result of a call within an autocast that changes its arguments; NotImplemented for any other call."""
    dtype, name = _state.dtype, func.__name__
    if dtype is None:
        return NotImplemented
    if name in FLOAT32 or (name == "pad" and (args[2] if len(args) > 2 else kwargs.get("mode")) in ("reflect", "replicate")):
        dtype = dtypes.float32
    elif name in WIDEST:
        dtype = _widest([x for a in args for x in (a if isinstance(a, (tuple, list)) else (a,))])
    elif name not in LOWER:
        return NotImplemented
    if dtype is None or "out" in kwargs:
        return NotImplemented
    before = enter(None)
    try:
        return func(*cast(args, dtype), **cast(kwargs, dtype))
    finally:
        enter(before)
