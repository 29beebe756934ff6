// conv2d, rung 1, naive: seven loops, and at the bottom one multiplication after asking whether the tap lies in the image.
//
//    F(g, x, w) = Σ g[n, o, i, j] · x[n, c, i·s + p·d - pad, j·s + q·d - pad] · w[o, c, p, q]
//    y = ∂F/∂g    dx = ∂F/∂x    dw = ∂F/∂w: the same seven loops, each adding to another of the three arrays
//
// cost     one addition waits for the one before it, and every tap is asked about its borders: 0.3 % of the machine
// read on  2_rows.cpp
#include "triple.h"

namespace fastnn::FN_ISA {
namespace {

// f(g index, x index, w index) for every term of F, outputs in the outer loops.
template <class F> void each_term(const Triple& t, const F& f) {
  for (int64_t n = 0; n < t.N; ++n)
    for (int64_t o = 0; o < t.O; ++o)
      for (int64_t i = 0; i < t.I; ++i)
        for (int64_t j = 0; j < t.J; ++j)
          for (int64_t c = 0; c < t.C; ++c)
            for (int64_t p = 0; p < t.P; ++p)
              for (int64_t q = 0; q < t.Q; ++q) {
                int64_t h = i * t.s.stride[0] + p * t.s.dilation[0] - t.s.padding[0];
                int64_t w = j * t.s.stride[1] + q * t.s.dilation[1] - t.s.padding[1];
                if (h >= 0 && h < t.H && w >= 0 && w < t.W)
                  f(t.at_g(n, o, i) + j, t.at_x(n, o, c, h) + w, t.at_w(o, c, p) + q);
              }
}

}  // namespace

void conv2d_naive(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d s) {
  start(y, bias);
  with_floats(y, x, w, [&](auto* yp, auto* xp, auto* wp) {
    each_term(Triple(y, x, w, s), [&](int64_t g, int64_t x, int64_t w) { yp[g] += xp[x] * wp[w]; });
  });
}
void conv2d_dx_naive(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d s) {
  start(dx, bias);
  with_floats(dx, g, w, [&](auto* dp, auto* gp, auto* wp) {
    each_term(Triple(g, dx, w, s), [&](int64_t g, int64_t x, int64_t w) { dp[x] += gp[g] * wp[w]; });
  });
}
void conv2d_dw_naive(PackedOut dw, PackedIn g, PackedIn x, Conv2d s) {
  start(dw, View{nullptr, {}, {}, -1, dw.dtype});
  with_floats(dw, g, x, [&](auto* dp, auto* gp, auto* xp) {
    each_term(Triple(g, x, dw, s), [&](int64_t g, int64_t x, int64_t w) { dp[w] += gp[g] * xp[x]; });
  });
}

}  // namespace fastnn::FN_ISA
