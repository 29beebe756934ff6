// conv2d: the three partial derivatives of one trilinear form
//
//    F(g, x, w) = Σ g[n, o, i, j] · x[n, c, i·stride + p·dilation - padding, ...] · w[o, c, p, q]
//
//    conv2d     y  = ∂F/∂g    the convolution, plus a bias
//    conv2d_dx  dx = ∂F/∂x    its input gradient; as a forward operation, the transposed convolution, plus a bias
//    conv2d_dw  dw = ∂F/∂w    its weight gradient
//
// so each one's derivatives are the other two. x (N, C, H, W), w (O, C / groups, P, Q), y and g (N, O, H', W'); 1-d
// convolutions run as height 1. This file only chooses the way:
//
//    winograd.h               3×3 and 5×5 filters of stride and dilation 1, float32, where its transforms pay
//    rungs/5_implicit.cpp     everything else, as an implicit matrix product
#include "../declare.h"
#include "winograd_weights.h"

namespace fastnn::FN_ISA {

void conv2d_implicit(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d geometry);
void conv2d_dx_implicit(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d geometry);
void conv2d_dw_implicit(PackedOut dw, PackedIn g, PackedIn x, Conv2d geometry);

namespace {

bool small_steps(const Conv2d& s) {
  return s.stride[0] == 1 && s.stride[1] == 1 && s.dilation[0] == 1 && s.dilation[1] == 1;
}

Planes<float> planes(const View& v) {
  const int64_t channel = v.shape[2] * v.shape[3];
  return {v.ptr<float>(), v.ptr<float>() + v.numel(), v.shape[1] * channel, channel, v.shape[2], v.shape[3]};
}

// Whether y = in ∗ w runs on tiles, and ran: w as (m, channels) filters of R×R taps.
bool on_tiles(const View& y, const View& in, const View& w, const View& bias, const Conv2d& s, bool flipped) {
  const int64_t R = w.shape[2];
  if (y.dtype != DType::f32 || !small_steps(s) || w.shape[3] != R || (R != 3 && R != 5)) return false;
  Winograd<float> p;
  p.groups = s.groups, p.m = y.shape[1] / s.groups, p.channels = in.shape[1] / s.groups;
  const Tiling t(y.shape[0], y.shape[2], y.shape[3], POINTS + 1 - R);
  if (t.count() == 0 || !winograd_pays(R, p.m, p.channels, t)) return false;
  p.in = planes(in);
  p.out = y.ptr<float>(), p.out_channel = y.shape[2] * y.shape[3], p.out_image = y.shape[1] * p.out_channel;
  p.w = w.ptr<float>(), p.bias = bias.ndim < 0 ? nullptr : bias.ptr<float>();
  p.w_m = flipped ? R * R : w.shape[1] * R * R, p.w_channel = flipped ? w.shape[1] * R * R : R * R;
  p.w_group = w.numel() / s.groups, p.flipped = flipped;
  p.row0 = flipped ? s.padding[0] - (R - 1) : -s.padding[0], p.col0 = flipped ? s.padding[1] - (R - 1) : -s.padding[1];
  return R == 3 ? winograd<3>(p, t) : winograd<5>(p, t);
}

bool weights_on_tiles(const View& dw, const View& g, const View& x, const Conv2d& s) {
  const int64_t R = dw.shape[2], m = dw.shape[0] / s.groups;
  if (dw.dtype != DType::f32 || !small_steps(s) || dw.shape[3] != R || (R != 3 && R != 5)) return false;
  const Tiling t(g.shape[0], g.shape[2], g.shape[3], POINTS + 1 - R);
  if (t.count() == 0 || !winograd_weights_pay(R, m, dw.shape[1], t)) return false;
  const WinogradWeights<float> p = {planes(g), planes(x), dw.ptr<float>(), s.groups, m, dw.shape[1], -s.padding[0], -s.padding[1]};
  return R == 3 ? winograd_weights<3>(p, t) : winograd_weights<5>(p, t);
}

}  // namespace

void conv2d(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d geometry) {
  if (!on_tiles(y, x, w, bias, geometry, false)) conv2d_implicit(y, x, w, bias, geometry);
}

void conv2d_dx(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d geometry) {
  if (!on_tiles(dx, g, w, bias, geometry, true)) conv2d_dx_implicit(dx, g, w, bias, geometry);
}

void conv2d_dw(PackedOut dw, PackedIn g, PackedIn x, Conv2d geometry) {
  if (!weights_on_tiles(dw, g, x, geometry)) conv2d_dw_implicit(dw, g, x, geometry);
}

}  // namespace fastnn::FN_ISA
