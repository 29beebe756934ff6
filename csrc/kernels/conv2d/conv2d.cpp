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
//    channels.h               one filter a channel: narrow planes, and filters that the next does not have
//    depthwise.h              one filter a channel: 3×3, 5×5, 7×7 of stride 1 or 2
//    winograd.h               3×3 and 5×5 filters of stride 1, float32, where its transforms pay
//    filters.h, filter_weights.h   many channels and taps: filters in the lanes
//    strided.h                dx of 1×1 filters of a stride
//    rungs/5_implicit.cpp     everything else, as an implicit matrix product
#include "../declare.h"
#include "channels.h"
#include "depthwise.h"
#include "filter_weights.h"
#include "filters.h"
#include "strided.h"
#include "winograd_weights.h"

namespace fastnn::FN_ISA {

void conv2d_implicit(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d geometry);
void conv2d_dx_implicit(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d geometry);
void conv2d_dw_implicit(PackedOut dw, PackedIn g, PackedIn x, Conv2d geometry);
void conv2d_dx(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d geometry);

namespace {

bool small_steps(const Conv2d& s) { return s.stride[0] == 1 && s.stride[1] == 1 && s.dilation[0] <= 8 && s.dilation[1] <= 8; }

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
  const Tiling t(y.shape[0], y.shape[2], y.shape[3], POINTS + 1 - R, s.dilation);
  if (t.count() == 0 || !winograd_pays(R, p.m, p.channels, t)) return false;
  p.in = planes(in);
  p.out = y.ptr<float>(), p.out_channel = y.shape[2] * y.shape[3], p.out_image = y.shape[1] * p.out_channel;
  p.w = w.ptr<float>(), p.w_end = p.w + w.numel(), p.bias = bias.ndim < 0 ? nullptr : bias.ptr<float>();
  p.w_m = flipped ? R * R : w.shape[1] * R * R, p.w_channel = flipped ? w.shape[1] * R * R : R * R;
  p.w_group = w.numel() / s.groups, p.flipped = flipped;
  p.row0 = flipped ? s.padding[0] - (R - 1) * s.dilation[0] : -s.padding[0];
  p.col0 = flipped ? s.padding[1] - (R - 1) * s.dilation[1] : -s.padding[1];
  return R == 3 ? winograd<3>(p, t) : winograd<5>(p, t);
}

bool weights_on_tiles(const View& dw, const View& g, const View& x, const Conv2d& s) {
  const int64_t R = dw.shape[2], m = dw.shape[0] / s.groups;
  if (dw.dtype != DType::f32 || !small_steps(s) || dw.shape[3] != R || (R != 3 && R != 5)) return false;
  const Tiling t(g.shape[0], g.shape[2], g.shape[3], POINTS + 1 - R, s.dilation);
  if (t.count() == 0 || !winograd_weights_pay(R, m, dw.shape[1], t)) return false;
  const WinogradWeights<float> p = {planes(g), planes(x), dw.ptr<float>(), s.groups, m, dw.shape[1], -s.padding[0], -s.padding[1]};
  return R == 3 ? winograd_weights<3>(p, t) : winograd_weights<5>(p, t);
}

// One filter a channel, its channels in the lanes: channels.h. `phased` is dx, whose results fall into stride² phases.
struct ChannelLanes {
  Scratch<int64_t> row, col, index;
  Scratch<Phase> phases;
  PhaseList list = {};

  static int64_t phases_of(const Conv2d& s, bool phased) { return phased ? s.stride[0] * s.stride[1] : 1; }

  ChannelLanes(const View& in, const View& out, const View& w, const Conv2d& s, bool phased)
      : row(w.shape[2] * w.shape[3]), col(w.shape[2] * w.shape[3]), index(w.shape[2] * w.shape[3]), phases(phases_of(s, phased)) {
    const int64_t P = w.shape[2], Q = w.shape[3];
    list = {in.shape[2], in.shape[3], out.shape[2], out.shape[3], {1, 1}, {INT64_MAX, INT64_MIN}, {INT64_MAX, INT64_MIN}, 0, P * Q, phases};
    if (!phased) list.step[0] = s.stride[0], list.step[1] = s.stride[1];
    const int64_t out_step[2] = {phased ? s.stride[0] : 1, phased ? s.stride[1] : 1};
    int64_t taps = 0;
    for (int64_t i = 0; i < phases_of(s, phased); ++i) {
      const int64_t at[2] = {i / out_step[1], i % out_step[1]};
      Steps steps[2];
      for (int d = 0; d < 2; ++d) steps[d] = {at[d], ceil_div(out.shape[2 + d] - at[d], out_step[d]), out_step[d]};
      if (steps[0].count <= 0 || steps[1].count <= 0) continue;
      Phase& phase = phases[list.count++];
      phase = {steps[0], steps[1], 0, row + taps, col + taps, index + taps};
      for (int64_t k = 0; k < P * Q; ++k) {
        int64_t offset[2];
        bool meets = true;
        for (int d = 0; d < 2; ++d) {
          offset[d] = (d ? k % Q : k / Q) * s.dilation[d] - s.padding[d];
          if (phased) meets &= (at[d] - offset[d]) % s.stride[d] == 0, offset[d] = floor_div(at[d] - offset[d], s.stride[d]);
          meets = meets && reaches(offset[d], list.step[d], steps[d].count, in.shape[2 + d]);
        }
        if (!meets) continue;
        list.row[0] = least(list.row[0], offset[0]), list.row[1] = most(list.row[1], offset[0]);
        list.col[0] = least(list.col[0], offset[1]), list.col[1] = most(list.col[1], offset[1]);
        row[taps] = offset[0], col[taps] = offset[1], index[taps++] = k, ++phase.taps;
      }
    }
  }
};

enum class Partial { y, dx, dw };

// A filter for each channel, square, of a size and stride that depthwise.h has.
bool has_planes(const View& w, const Conv2d& s) {
  const int64_t K = w.shape[2];
  return w.shape[3] == K && (K == 3 || K == 5 || K == 7) && s.stride[0] == s.stride[1] && s.stride[0] <= 2 && s.dilation[0] == 1 && s.dilation[1] == 1;
}
bool depthwise(const View& x, const View& w, const View& g, const Conv2d& s) {
  return s.groups == x.shape[1] && s.groups == g.shape[1] && w.shape[1] == 1 && x.numel() && g.numel();
}

// Channels in the lanes, or columns? Emerald Rapids, two cores, ms, channels (columns): 8x384x7x7 0.11 (0.35), 8x384x14x14 0.38 (0.43),
// 8x192x28x28 0.62 (0.50), of stride 2 0.38 (0.49), its dx 0.38 (1.2); 8x96x28x28 dilated by 2 0.35 (0.58, implicit); but
// 4x64x16000 along one axis 2.8 (2.2, implicit): its rows do not fit a cache.
bool channels_pay(const View& x, const View& w, const View& g, const Conv2d& s, Partial what) {
  const int64_t L = VECTOR_BYTES / itemsize(x.dtype), row = (x.shape[3] + g.shape[3]) * VECTOR_BYTES;
  if (2 * x.shape[1] < L || row * most(1, w.shape[2]) > CHANNEL_SLAB || s.stride[0] * s.stride[1] > 16) return false;
  return !has_planes(w, s) || g.shape[3] <= (s.stride[0] == 1 || what == Partial::y ? L : 2 * L);
}

template <class T>
bool on_channels(const View& out, const View& in, const View& w, const View& bias, const Conv2d& s, bool phased) {
  ChannelLanes lanes(in, out, w, s, phased);
  if (lanes.list.row[0] > lanes.list.row[1]) return false;  // no tap meets the input
  filter_channels<T>(in.ptr<T>(), out.ptr<T>(), w.ptr<T>(), bias.ndim < 0 ? nullptr : bias.ptr<T>(), in.shape[0], in.shape[1], lanes.list);
  return true;
}

template <class T> bool taps_on_channels(const View& dw, const View& g, const View& x, const Conv2d& s) {
  ChannelLanes lanes(x, g, dw, s, false);
  if (lanes.list.row[0] > lanes.list.row[1]) return false;
  channel_taps<T>(x.ptr<T>(), g.ptr<T>(), dw.ptr<T>(), x.shape[0], x.shape[1], lanes.list);
  return true;
}

template <class F> bool with_size(int64_t K, int64_t S, const F& f) {  // true: it ran
  const auto sized = [&](auto size) { S == 1 ? f(size, Constant<1>{}) : f(size, Constant<2>{}); };
  K == 3 ? sized(Constant<3>{}) : K == 5 ? sized(Constant<5>{}) : sized(Constant<7>{});
  return true;
}

// The first tap of the first result lies `row`, `col` of the input.
template <class T> PlanesOf<T> planes_of(const View& out, const View& results, const View& in, const View& w, const View& bias, int64_t row, int64_t col, bool flipped) {
  return {in.ptr<T>(), out.ptr<T>(), w.ptr<T>(), bias.ndim < 0 ? nullptr : bias.ptr<T>(), in.shape[0] * in.shape[1], in.shape[1],
          in.shape[2], in.shape[3], results.shape[2], results.shape[3], row, col, flipped};
}

// The convolution, and with `flipped` its input gradient of stride 1.
template <class T> bool filter_on_planes(const View& out, const View& in, const View& w, const View& bias, const Conv2d& s, bool flipped) {
  const int64_t K = w.shape[2], last = flipped ? K - 1 : 0, sign = flipped ? -1 : 1;
  return with_size(K, s.stride[0], [&](auto size, auto stride) {
    filter_planes<decltype(size)::value, decltype(stride)::value, T>(
        planes_of<T>(out, out, in, w, bias, sign * -s.padding[0] - last, sign * -s.padding[1] - last, flipped));
  });
}

template <class T> bool spread_on_planes(const View& dx, const View& g, const View& w, const View& bias, const Conv2d& s) {
  return with_size(w.shape[2], 2, [&](auto size, auto) {
    spread_planes<decltype(size)::value, T>(planes_of<T>(dx, dx, g, w, bias, -s.padding[0], -s.padding[1], true));
  });
}

template <class T> bool weights_on_planes(const View& dw, const View& g, const View& x, const Conv2d& s) {
  return with_size(dw.shape[2], s.stride[0], [&](auto size, auto stride) {
    sum_taps<decltype(size)::value, decltype(stride)::value, T>(planes_of<T>(dw, g, x, dw, View{}, -s.padding[0], -s.padding[1], false), g.ptr<T>());
  });
}

template <class T> void strided_gradients(const View& dx, PackedIn g, PackedIn w, PackedIn bias, const Conv2d& s) {
  PackedOut dense{dx};
  dense.shape[2] = g.shape[2], dense.shape[3] = g.shape[3];
  for (int64_t d = 3, step = 1; d >= 0; step *= dense.shape[d--]) dense.strides[d] = step;
  Scratch<T> made(dense.numel());
  dense.data = made.data;
  const Conv2d step = {{1, 1}, {0, 0}, {1, 1}, s.groups};  // a name: written as the argument, GCC 12 pads by 1
  conv2d_dx(dense, g, w, bias, step);
  place_positions<T>(dx.ptr<T>(), made, bias.ndim < 0 ? nullptr : bias.ptr<T>(),
                     {dx.shape[0] * dx.shape[1], dx.shape[1], dx.shape[2], dx.shape[3], g.shape[2], g.shape[3],
                      {s.stride[0], s.stride[1]}, {s.padding[0], s.padding[1]}});
}

template <class F> bool with_float(const View& v, const F& f) { return v.dtype == DType::f32 ? f(float()) : f(double()); }

}  // namespace

void conv2d(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d s) {
  if (depthwise(x, w, y, s) && with_float(y, [&](auto t) {
        using T = decltype(t);
        return channels_pay(x, w, y, s, Partial::y) ? on_channels<T>(y, x, w, bias, s, false)
                                                    : has_planes(w, s) && filter_on_planes<T>(y, x, w, bias, s, false);
      })) return;
  if (on_tiles(y, x, w, bias, s, false)) return;
  if (!with_float(y, [&](auto t) { return filter_images<decltype(t)>(y, x, w, bias, s); })) conv2d_implicit(y, x, w, bias, s);
}

void conv2d_dx(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d s) {
  if (depthwise(dx, w, g, s) && with_float(dx, [&](auto t) {
        using T = decltype(t);
        return channels_pay(dx, w, g, s, Partial::dx) ? on_channels<T>(dx, g, w, bias, s, true)
               : !has_planes(w, s)                    ? false
               : s.stride[0] == 1                     ? filter_on_planes<T>(dx, g, w, bias, s, true)
                                                      : spread_on_planes<T>(dx, g, w, bias, s);
      })) return;
  if (w.shape[2] * w.shape[3] == 1 && s.stride[0] * s.stride[1] > 1 && with_float(dx, [&](auto t) {
        strided_gradients<decltype(t)>(dx, g, w, bias, s);
        return true;
      })) return;
  if (on_tiles(dx, g, w, bias, s, true)) return;
  if (!with_float(dx, [&](auto t) { return filter_gradients<decltype(t)>(dx, g, w, bias, s); })) conv2d_dx_implicit(dx, g, w, bias, s);
}

void conv2d_dw(PackedOut dw, PackedIn g, PackedIn x, Conv2d s) {
  if (depthwise(x, dw, g, s) && with_float(dw, [&](auto t) {
        using T = decltype(t);
        return channels_pay(x, dw, g, s, Partial::dw) ? taps_on_channels<T>(dw, g, x, s) : has_planes(dw, s) && weights_on_planes<T>(dw, g, x, s);
      })) return;
  if (weights_on_tiles(dw, g, x, s)) return;
  if (!with_float(dw, [&](auto t) { return filter_weights<decltype(t)>(dw, g, x, s); })) conv2d_dw_implicit(dw, g, x, s);
}

}  // namespace fastnn::FN_ISA
