// pool/rungs/taps.h: max pooling tap by tap, for rungs 2 and 3. `loop(n, cost, each)` runs each(begin, end).
#pragma once
#include "windows.h"

namespace fastnn::FN_ISA {

template <class Loop> static void max_by_taps(const View& y, const View& offsets, const View& x, const Pool2d& p, const Loop& loop) {
  Image in = Image::of(x), out = Image::of(y);
  with_types(y, offsets, x, [&](auto* to, auto* offset, auto* from) {
    using T = decltype(+to[0]);
    loop(out.planes * out.h, out.w * p.kernel[0] * p.kernel[1], [&](int64_t begin, int64_t end) {
      Scratch<int32_t> taken(out.w);
      for (int64_t row = begin; row < end; ++row) {
        T* best = to + row * out.w;
        for (int64_t j = 0; j < out.w; ++j) best[j] = -T(__builtin_inf()), taken[j] = -1;
        for (int64_t a = 0; a < p.kernel[0]; ++a) {
          int64_t h = row % out.h * p.stride[0] + a * p.dilation[0] - p.padding[0];
          if (h < 0 || h >= in.h) continue;
          for (int64_t b = 0; b < p.kernel[1]; ++b) {
            int64_t left = b * p.dilation[1] - p.padding[1], s = p.stride[1];
            int64_t j0 = left < 0 ? ceil_div(-left, s) : 0, j1 = left < in.w ? ceil_div(in.w - left, s) : 0;
            const T* v = from + (row / out.h * in.h + h) * in.w + left;
            int32_t tap = int32_t(a * p.kernel[1] + b);
            for (int64_t j = j0; j < (j1 < out.w ? j1 : out.w); ++j) {
              T t = v[j * s];
              bool larger = (t > best[j]) | (t != t) | (taken[j] < 0);
              best[j] = larger ? t : best[j];
              taken[j] = larger ? tap : taken[j];
            }
          }
        }
        if (offset)
          for (int64_t j = 0; j < out.w; ++j) offset[row * out.w + j] = static_cast<decltype(+offset[0])>(taken[j] < 0 ? 0 : taken[j]);
      }
    });
  });
}

template <class Loop>
static void scatter_by_planes(const View& dx, const View& g, const View& offsets, const Pool2d& p, const Loop& loop) {
  Image in = Image::of(dx), out = Image::of(g);
  with_types(dx, offsets, g, [&](auto* to, auto* offset, auto* from) {
    loop(in.planes, in.h * in.w + out.h * out.w, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin * in.h * in.w; k < end * in.h * in.w; ++k) to[k] = 0;
      for (int64_t plane = begin; plane < (offset ? end : begin); ++plane)
        for (int64_t i = 0; i < out.h; ++i)
          for (int64_t j = 0; j < out.w; ++j) {
            int64_t k = (plane * out.h + i) * out.w + j, at = offset[k];
            int64_t h = i * p.stride[0] + at / p.kernel[1] * p.dilation[0] - p.padding[0];
            int64_t w = j * p.stride[1] + at % p.kernel[1] * p.dilation[1] - p.padding[1];
            if (h >= 0 && h < in.h && w >= 0 && w < in.w) to[(plane * in.h + h) * in.w + w] += from[k];
          }
    });
  });
}

}  // namespace fastnn::FN_ISA
