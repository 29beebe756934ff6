// conv2d, rung 2, rows: the loop over a row of outputs goes innermost, so that one weight meets a whole row.
//
//    y[n, o, i, :] += w[o, c, p, q] · x[n, c, i·s + p·d - pad, q·d - pad + {0, s, 2s, ...}]
//
// Which outputs of the row the tap reaches is computed before the loop, which then holds nothing but a multiply-add and
// (for stride 1) becomes whole vectors by itself.
//
// cost     the row of y is loaded and stored for every weight: 3 memory operations a multiply-add
// read on  3_im2col.cpp
#include "triple.h"

namespace fastnn::FN_ISA {
namespace {

// f(row of g, row of x shifted to the tap, index of w, begin, end) for every tap of every row.
template <class F> void each_row(const Triple& t, const F& f) {
  for (int64_t n = 0; n < t.N; ++n)
    for (int64_t o = 0; o < t.O; ++o)
      for (int64_t c = 0; c < t.C; ++c)
        for (int64_t i = 0; i < t.I; ++i)
          for (int64_t p = 0; p < t.P; ++p) {
            int64_t h = i * t.s.stride[0] + p * t.s.dilation[0] - t.s.padding[0];
            if (h < 0 || h >= t.H) continue;
            for (int64_t q = 0; q < t.Q; ++q)
              f(t.at_g(n, o, i), t.at_x(n, o, c, h) + t.left(q), t.at_w(o, c, p) + q, t.begin(q), t.end(q));
          }
}

}  // namespace

void conv2d_rows(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d s) {
  start(y, bias);
  with_floats(y, x, w, [&](auto* yp, auto* xp, auto* wp) {
    each_row(Triple(y, x, w, s), [&](int64_t g, int64_t x, int64_t w, int64_t begin, int64_t end) {
      auto weight = wp[w];
      if (s.stride[1] == 1) for (int64_t j = begin; j < end; ++j) yp[g + j] += weight * xp[x + j];
      else for (int64_t j = begin; j < end; ++j) yp[g + j] += weight * xp[x + j * s.stride[1]];
    });
  });
}
void conv2d_dx_rows(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d s) {
  start(dx, bias);
  with_floats(dx, g, w, [&](auto* dp, auto* gp, auto* wp) {
    each_row(Triple(g, dx, w, s), [&](int64_t g, int64_t x, int64_t w, int64_t begin, int64_t end) {
      auto weight = wp[w];
      if (s.stride[1] == 1) for (int64_t j = begin; j < end; ++j) dp[x + j] += weight * gp[g + j];
      else for (int64_t j = begin; j < end; ++j) dp[x + j * s.stride[1]] += weight * gp[g + j];
    });
  });
}
void conv2d_dw_rows(PackedOut dw, PackedIn g, PackedIn x, Conv2d s) {
  start(dw, View{nullptr, {}, {}, -1, dw.dtype});
  with_floats(dw, g, x, [&](auto* dp, auto* gp, auto* xp) {
    each_row(Triple(g, x, dw, s), [&](int64_t g, int64_t x, int64_t w, int64_t begin, int64_t end) {
      decltype(+gp[0]) sum[4] = {};
      for (int64_t j = begin; j < end; ++j) sum[j % 4] += gp[g + j] * xp[x + j * s.stride[1]];
      dp[w] += (sum[0] + sum[1]) + (sum[2] + sum[3]);
    });
  });
}

}  // namespace fastnn::FN_ISA
