// conv2d, rung 5, implicit: the product of rung 4 without its columns: they are gathered straight into the packed panels.
//
// Every stride, dilation, padding and group count goes through the same two loops, and nothing is multiplied by inserted
// zeros. Production is this, with fewer multiplications where a filter allows them (../winograd.h) and other loops where
// channels are few (../depthwise.h); it hands everything else down to here.
//
//    cost      2·N·O·C/groups·P·Q·H'·W' flops each; bound by the FMA ports from about 16 channels on
//    read on   window.h (what a tap is)  →  gather.h (conv2d, conv2d_dx), tile.h  →  weights.h (conv2d_dw)
#include "../../declare.h"
#include "../gather.h"
#include "../weights.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> void forward(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, const Conv2d& geometry) {
  const int64_t taps = w.shape[2] * w.shape[3], groups = geometry.groups;
  Scratch<int64_t> row(taps), col(taps), index(taps);
  Window s{x.shape[0], y.shape[2], y.shape[3], x.shape[2], x.shape[3], {geometry.stride[0], geometry.stride[1]}, 0,
           row,        col,        index};
  for (int64_t i = 0; i < taps; ++i)
    add_tap(s, i / w.shape[3] * geometry.dilation[0] - geometry.padding[0],
            i % w.shape[3] * geometry.dilation[1] - geometry.padding[1], i);
  Gather<T> p;
  p.in = x.ptr<T>(), p.in_end = p.in + x.numel(), p.out = y.ptr<T>(), p.w = w.ptr<T>(), p.bias = bias.ndim < 0 ? nullptr : bias.ptr<T>();
  p.groups = groups, p.m = w.shape[0] / groups, p.channels = w.shape[1];
  p.in_channel = x.shape[2] * x.shape[3], p.in_image = x.shape[1] * p.in_channel;
  p.out_row = y.shape[3], p.out_col = 1, p.out_channel = y.shape[2] * y.shape[3], p.out_image = y.shape[1] * p.out_channel;
  p.w_channel = taps, p.w_m = w.shape[1] * taps, p.w_group = p.m * p.w_m;
  gather(p, s);
}

// Outputs h with (h + padding) % stride = phase see only the taps with p·dilation % stride = phase, each at a fixed
// offset: stride² small convolutions of g, all of stride 1.
template <class T> void input_gradient(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, const Conv2d& geometry) {
  const int64_t Q = w.shape[3], taps = w.shape[2] * Q, H = dx.shape[2], W = dx.shape[3];
  const int64_t *stride = geometry.stride, *padding = geometry.padding, *dilation = geometry.dilation;
  Scratch<int64_t> row(taps), col(taps), index(taps);
  Gather<T> p;
  p.in = g.ptr<T>(), p.in_end = p.in + g.numel(), p.w = w.ptr<T>(), p.bias = bias.ndim < 0 ? nullptr : bias.ptr<T>();
  p.groups = geometry.groups, p.m = w.shape[1], p.channels = w.shape[0] / p.groups;
  p.in_channel = g.shape[2] * g.shape[3], p.in_image = g.shape[1] * p.in_channel;
  p.out_row = stride[0] * W, p.out_col = stride[1], p.out_channel = H * W, p.out_image = dx.shape[1] * H * W;
  p.w_channel = w.shape[1] * taps, p.w_m = taps, p.w_group = p.channels * p.w_channel;
  for (int64_t h0 = 0; h0 < least(stride[0], H); ++h0)
    for (int64_t w0 = 0; w0 < least(stride[1], W); ++w0) {
      Window s{g.shape[0], ceil_div(H - h0, stride[0]), ceil_div(W - w0, stride[1]), g.shape[2], g.shape[3], {1, 1}, 0,
               row,        col,                         index};
      for (int64_t i = 0; i < taps; ++i) {
        int64_t above = h0 + padding[0] - i / Q * dilation[0], left = w0 + padding[1] - i % Q * dilation[1];
        if (above % stride[0] == 0 && left % stride[1] == 0) add_tap(s, above / stride[0], left / stride[1], i);
      }
      p.out = dx.ptr<T>() + h0 * W + w0;
      gather(p, s);
    }
}

template <class T> void weight_gradient(PackedOut dw, PackedIn g, PackedIn x, const Conv2d& geometry) {
  const int64_t Q = dw.shape[3], taps = dw.shape[2] * Q;
  Scratch<int64_t> row(taps), col(taps), index(taps);
  Window s{x.shape[0], g.shape[2], g.shape[3], x.shape[2], x.shape[3], {geometry.stride[0], geometry.stride[1]}, 0,
           row,        col,        index};
  for (int64_t i = 0; i < taps; ++i)
    add_tap(s, i / Q * geometry.dilation[0] - geometry.padding[0], i % Q * geometry.dilation[1] - geometry.padding[1], i);
  Weights<T> p;
  p.g = g.ptr<T>(), p.x = x.ptr<T>(), p.x_end = p.x + x.numel(), p.dw = dw.ptr<T>();
  p.groups = geometry.groups, p.m = dw.shape[0] / p.groups, p.channels = dw.shape[1], p.filter = taps;
  p.g_channel = g.shape[2] * g.shape[3], p.g_image = g.shape[1] * p.g_channel;
  p.x_channel = x.shape[2] * x.shape[3], p.x_image = x.shape[1] * p.x_channel;
  weights(p, s);
}

}  // namespace

void conv2d_implicit(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d geometry) {
  if (y.dtype == DType::f32) forward<float>(y, x, w, bias, geometry);
  else forward<double>(y, x, w, bias, geometry);
}

void conv2d_dx_implicit(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d geometry) {
  if (dx.dtype == DType::f32) input_gradient<float>(dx, g, w, bias, geometry);
  else input_gradient<double>(dx, g, w, bias, geometry);
}

void conv2d_dw_implicit(PackedOut dw, PackedIn g, PackedIn x, Conv2d geometry) {
  if (dw.dtype == DType::f32) weight_gradient<float>(dw, g, x, geometry);
  else weight_gradient<double>(dw, g, x, geometry);
}

}  // namespace fastnn::FN_ISA
