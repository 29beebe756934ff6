// conv2d, rung 5, implicit: the product of rung 4 without its columns: they are gathered straight into the packed panels.
//
// Every stride, dilation, padding and group count goes through the same two loops, and nothing is multiplied by inserted
// zeros. Production hands everything down to here that has no cheaper way.
//
//    cost      2·N·O·C/groups·P·Q·H'·W' flops each; bound by the FMA ports from about 16 channels on
//    read on   ../window.h (what a tap is)  →  gather.h (conv2d, conv2d_dx), tile.h  →  spread.h (conv2d_dx, few channels)
//              →  weights.h (conv2d_dw)  →  winograd.h: fewer multiplications
#include "../../declare.h"
#include "../gather.h"
#include "../spread.h"
#include "../weights.h"

namespace fastnn::FN_ISA {
namespace {

// The positions of y, each seeing the taps of its window in x.
template <class F> void over_positions(const View& y, const View& x, const View& w, const Conv2d& s, const F& run) {
  Taps t(w.shape[2] * w.shape[3], x.shape[0], y, x, {s.stride[0], s.stride[1]});
  add_taps(t.window, w, s);
  run(t.window);
}

// stride² small convolutions of g, all of stride 1.
template <class T> void input_gradient(View dx, View g, View w, View bias, const Conv2d& s) {
  const int64_t taps = w.shape[2] * w.shape[3], H = dx.shape[2], W = dx.shape[3];
  Scratch<int64_t> row(taps), col(taps), index(taps);
  Gather<T> p = gather_gradients<T>(dx, g, w, bias, s);
  const bool few = p.m <= SPREAD_M && p.channels && dx.numel() && g.numel();
  if (few && s.stride[0] == 2 && s.stride[1] == 2 && s.dilation[0] == 1 && s.dilation[1] == 1 && all_phases(p, dx, g, w, s)) return;
  for (int64_t h0 = 0; h0 < least(s.stride[0], H); ++h0)
    for (int64_t w0 = 0; w0 < least(s.stride[1], W); ++w0) {
      Window phase{g.shape[0], ceil_div(H - h0, s.stride[0]), ceil_div(W - w0, s.stride[1]), g.shape[2], g.shape[3], {1, 1}, 0,
                   row,        col,                           index};
      add_phase_taps(phase, w, s, h0, w0);
      p.out = dx.ptr<T>() + h0 * W + w0;
      gather(p, phase);
    }
}

template <class T> void forward(View y, View x, View w, View bias, const Conv2d& s) {
  over_positions(y, x, w, s, [&](const Window& window) { gather<T>(gather_images<T>(y, x, w, bias, s), window); });
}

template <class T> void weight_gradient(View dw, View g, View x, const Conv2d& s) {
  over_positions(g, x, dw, s, [&](const Window& window) { weights<T>(weights_of<T>(dw, g, x, s), window); });
}

}  // namespace

void conv2d_implicit(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d s) {
  y.dtype == DType::f32 ? forward<float>(y, x, w, bias, s) : forward<double>(y, x, w, bias, s);
}
void conv2d_dx_implicit(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d s) {
  dx.dtype == DType::f32 ? input_gradient<float>(dx, g, w, bias, s) : input_gradient<double>(dx, g, w, bias, s);
}
void conv2d_dw_implicit(PackedOut dw, PackedIn g, PackedIn x, Conv2d s) {
  dw.dtype == DType::f32 ? weight_gradient<float>(dw, g, x, s) : weight_gradient<double>(dw, g, x, s);
}

}  // namespace fastnn::FN_ISA
