// conv2d/rungs/triple.h: the sizes of F(g, x, w) and where its terms lie, for the rungs.
#pragma once
#include "../../../core/parallel.h"
#include "../../declare.h"

namespace fastnn::FN_ISA {

struct Triple {
  int64_t N, O, I, J, C, H, W, P, Q, groups;  // C: channels of one group
  Conv2d s;
  FN Triple(const View& g, const View& x, const View& w, const Conv2d& s)
      : N(g.shape[0]), O(g.shape[1]), I(g.shape[2]), J(g.shape[3]), C(w.shape[1]), H(x.shape[2]), W(x.shape[3]),
        P(w.shape[2]), Q(w.shape[3]), groups(s.groups), s(s) {}
  FN int64_t at_g(int64_t n, int64_t o, int64_t i) const { return ((n * O + o) * I + i) * J; }
  FN int64_t at_x(int64_t n, int64_t o, int64_t c, int64_t h) const {  // o tells the group
    return ((n * groups * C + o / (O / groups) * C + c) * H + h) * W;
  }
  FN int64_t at_w(int64_t o, int64_t c, int64_t p) const { return ((o * C + c) * P + p) * Q; }
  // Outputs j whose tap q lies in the image: begin <= j < end; the tap reads x at j·stride + left.
  FN int64_t left(int64_t q) const { return q * s.dilation[1] - s.padding[1]; }
  FN int64_t begin(int64_t q) const { return left(q) < 0 ? ceil_div(-left(q), s.stride[1]) : 0; }
  FN int64_t end(int64_t q) const {
    int64_t e = left(q) < W ? ceil_div(W - left(q), s.stride[1]) : 0;
    return e < J ? e : J;
  }
};

// y = the bias of its channel, or 0.
FN void start(const View& y, const View& bias) {
  int64_t plane = y.shape[2] * y.shape[3];
  for (int64_t k = 0; k < y.numel(); ++k) {
    if (y.dtype == DType::f32) y.ptr<float>()[k] = bias.ndim < 0 ? 0 : bias.ptr<float>()[k / plane % y.shape[1]];
    else y.ptr<double>()[k] = bias.ndim < 0 ? 0 : bias.ptr<double>()[k / plane % y.shape[1]];
  }
}

template <class F> FN void with_floats(const View& y, const View& a, const View& b, const F& f) {
  if (y.numel() == 0 || a.numel() == 0 || b.numel() == 0) return;
  if (y.dtype == DType::f32) f(y.ptr<float>(), a.ptr<const float>(), b.ptr<const float>());
  else f(y.ptr<double>(), a.ptr<const double>(), b.ptr<const double>());
}

}  // namespace fastnn::FN_ISA
