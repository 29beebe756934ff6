// conv2d/strided.h: the input gradient of 1×1 filters of a stride: the dense one, whose results are then moved a stride apart.
//
//      a b c  ->  a 0 b 0 c 0        (0: the bias, in a transposed convolution)
//                 0 0 0 0 0 0
//
// Zen 5, two cores, beside a phase of results at a time (gather.h): 16x64x56x56 to 128, stride 2, 1.08 -> 0.82 ms;
// 8x256x56x56 to 512 5.6 -> 4.9; 64x16x32x32 to 32 0.24 -> 0.18. Lost: the other way round, x's positions picked first for
// a dense convolution or weight gradient; slabs (window.h) pick them as well: 0.59 -> 0.66 ms, 0.76 -> 0.80.
#pragma once
#include "depthwise.h"

namespace fastnn::FN_ISA {

struct Strided {
  int64_t planes, channels, height, width, rows, cols;  // of whole planes, and of the positions
  int64_t stride[2], padding[2];
};

template <class T> static void place_positions(T* y, const T* from, const T* bias, const Strided& s) {
  constexpr int64_t L = lanes<T>;
  const int64_t first = least(s.cols, ceil_div(s.padding[1], s.stride[1]));  // positions of a row that lie inside
  const int64_t last = most(first, least(s.cols, (s.width - 1 + s.padding[1]) / s.stride[1] + 1));
  parallel_for(s.planes, ceil_div(16384, most(1, s.height * s.width)), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const T rest = bias ? bias[plane % s.channels] : T(0);
      for (int64_t row = 0; row < s.height; ++row) {
        T* const out = y + (plane * s.height + row) * s.width;
        const int64_t at = row + s.padding[0], t = at / s.stride[0];
        const T* const in = from + (plane * s.rows + t) * s.cols;
        int64_t col = 0, u = first;
        const auto fill = [&](int64_t to) {
          for (; col + L <= to; col += L) store(out + col, splat(rest));
          for (; col < to; ++col) out[col] = rest;
        };
        const int64_t after = at % s.stride[0] == 0 && t < s.rows ? last : 0;
        if (u < after) fill(u * s.stride[1] - s.padding[1]);
        for (; s.stride[1] == 2 && u < after; u += L) {
          const int64_t n = least(L, after - u), wide = least(2 * n, s.width - col);
          put_pairs<T>(out + col, n == L ? load(in + u) : load_n(in + u, n), splat(rest), wide, typename MakeSequence<L>::type{}), col += wide;
        }
        for (; u < after; ++u) {
          fill(u * s.stride[1] - s.padding[1]);
          out[col++] = in[u];
        }
        fill(s.width);
      }
    }
  });
}

}  // namespace fastnn::FN_ISA
