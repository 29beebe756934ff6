// max_pool2d, rung 1, naive: for every output, a walk over its window, asking at each tap whether it lies in the image.
//
//    y[i, j] = max over (a, b) of x[i·s + a·d - p, j·s + b·d - p]      offset = a·kw + b of the first largest; the last NaN
//    dx      = 0, then dx[the place of the offset] += g                wins, as in PyTorch
//
// cost     a few branches a tap, which the processor cannot foresee: the data decide them. 1 % of the memory's speed
// read on  2_taps.cpp
#include "windows.h"

namespace fastnn::FN_ISA {

void max_pool2d_naive(PackedOut y, PackedOut offsets, PackedIn x, Pool2d p) {
  Image in = Image::of(x), out = Image::of(y);
  with_types(y, offsets, x, [&](auto* to, auto* offset, auto* from) {
    for (int64_t k = 0; k < out.planes * out.h * out.w; ++k) {
      int64_t plane = k / (out.h * out.w), i = k / out.w % out.h, j = k % out.w;
      auto best = -__builtin_inf();
      int64_t at = -1;
      for (int64_t a = 0; a < p.kernel[0]; ++a)
        for (int64_t b = 0; b < p.kernel[1]; ++b) {
          int64_t h = i * p.stride[0] + a * p.dilation[0] - p.padding[0], w = j * p.stride[1] + b * p.dilation[1] - p.padding[1];
          if (h < 0 || h >= in.h || w < 0 || w >= in.w) continue;
          double v = double(from[(plane * in.h + h) * in.w + w]);
          if (at < 0 || v > best || v != v) best = v, at = a * p.kernel[1] + b;
        }
      to[k] = static_cast<decltype(+to[0])>(best);
      if (offset) offset[k] = static_cast<decltype(+offset[0])>(at < 0 ? 0 : at);
    }
  });
}

void max_pool2d_dx_naive(PackedOut dx, PackedIn g, PackedIn offsets, Pool2d p) {
  Image in = Image::of(dx), out = Image::of(g);
  with_types(dx, offsets, g, [&](auto* to, auto* offset, auto* from) {
    for (int64_t k = 0; k < in.planes * in.h * in.w; ++k) to[k] = 0;
    if (!offset) return;
    for (int64_t k = 0; k < out.planes * out.h * out.w; ++k) {
      int64_t plane = k / (out.h * out.w), i = k / out.w % out.h, j = k % out.w, at = offset[k];
      int64_t h = i * p.stride[0] + at / p.kernel[1] * p.dilation[0] - p.padding[0];
      int64_t w = j * p.stride[1] + at % p.kernel[1] * p.dilation[1] - p.padding[1];
      if (h >= 0 && h < in.h && w >= 0 && w < in.w) to[(plane * in.h + h) * in.w + w] += from[k];
    }
  });
}

}  // namespace fastnn::FN_ISA
