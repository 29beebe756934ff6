"""A batch norm in evaluation is a factor and an offset a channel: folded into the convolution or linear layer before it."""

from __future__ import annotations

import copy

from ...tensor import ones_like, zeros_like
from ..parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def _fused(w, b, axis, mean, var, eps, weight, bias):
    """(weight, bias) of the layer with weight w, whose outputs are along this axis, and bias b, followed by the norm."""
    weight = ones_like(mean) if weight is None else weight
    bias = zeros_like(mean) if bias is None else bias
    factor = weight * (var + eps).rsqrt()
    shape = [1] * w.ndim
    shape[axis] = -1
    offset = ((zeros_like(mean) if b is None else b) - mean) * factor + bias
    return (
        Parameter((w * factor.reshape(shape)).detach().to(w.dtype), w.requires_grad),
        Parameter(offset.detach().to(w.dtype if b is None else b.dtype), w.requires_grad if b is None else b.requires_grad),
    )


def fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose=False):
    """(weight, bias) of the convolution (transposed: `transpose`) that does both."""
    return _fused(conv_w, conv_b, 1 if transpose else 0, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def fuse_linear_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b):
    """(weight, bias) of the linear layer that does both."""
    return _fused(linear_w, linear_b, 0, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def _fuse(layer, bn, axis):
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError("fusion: the norm has no running statistics")
    fused = copy.deepcopy(layer)
    fused.weight, fused.bias = _fused(fused.weight, fused.bias, axis, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    return fused


def fuse_conv_bn_eval(conv, bn, transpose=False):
    """A convolution that does what conv and then bn do, both in evaluation. AssertionError while either trains."""
    return _fuse(conv, bn, 1 if transpose else 0)


def fuse_linear_bn_eval(linear, bn):
    """A linear layer that does what linear and then bn do, both in evaluation. ValueError where their features do not fit."""
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise ValueError("To fuse, linear.out_features == bn.num_features or bn.num_features == 1")
    return _fuse(linear, bn, 0)
