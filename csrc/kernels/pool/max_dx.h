// pool/max_dx.h: the derivative of max pooling, and the derivative of that.
//
//    dx        zeros, and each window's g added at its offset. Threads own rows of dx.
//    at        y = x at the offsets: the derivative of dx, whose own derivative is dx again.
#pragma once
#include "max.h"

namespace fastnn::FN_ISA {

// Where each tap lies, from a window's first element; the row among them. A table for offsets of one byte.
struct TapPlaces {
  const int64_t kw, down, across, width;
  int64_t row[256], place[256];
  TapPlaces(const Pool2d& p, int64_t in_w) : kw(p.kernel[1]), down(p.dilation[0]), across(p.dilation[1]), width(in_w) {
    for (int64_t o = 0; o < 256 && o < p.kernel[0] * kw; ++o)
      row[o] = o / kw * down, place[o] = row[o] * width + o % kw * across;
  }
  FN int64_t row_of(uint8_t o) const { return row[o]; }
  FN int64_t place_of(uint8_t o) const { return place[o]; }
  FN int64_t row_of(int32_t o) const { return o / kw * down; }
  FN int64_t place_of(int32_t o) const { return o / kw * down * width + o % kw * across; }
};

// Rows of dx belong to one thread, which adds the windows over them in order. One addition a window, about 1 ns, however many
// taps it has: asking every tap whether the offset is its own, on vectors, took 2 ns for 3x3 and stride 2.
template <class T, class O>
static void max_any_dx(T* dx, const T* g, const O* offsets, Image in, Image out, const Pool2d& p) {
  const int64_t reach = (p.kernel[0] - 1) * p.dilation[0], step = p.stride[1];
  const bool may_miss = p.dilation[0] > 1 || p.dilation[1] > 1;  // a window of which padding is all there is
  const TapPlaces taps(p, in.w);
  for_planes(in.planes, in.h, in.w + 4 * out.w / p.stride[0], [&](int64_t plane, int64_t begin, int64_t end) {
    T* const to = dx + plane * in.h * in.w;
    __builtin_memset(to + begin * in.w, 0, size_t((end - begin) * in.w) * sizeof(T));
    const int64_t low = begin + p.padding[0] - reach;
    int64_t i = low > 0 ? ceil_div(low, p.stride[0]) : 0;
    for (; i < out.h && i * p.stride[0] - p.padding[0] < end; ++i) {
      const int64_t top = i * p.stride[0] - p.padding[0];
      const T* const value = g + (plane * out.h + i) * out.w;
      const O* const offset = offsets + (plane * out.h + i) * out.w;
      T* const first = to + top * in.w - p.padding[1];
      if (!may_miss && (begin == 0 || top >= begin) && (end == in.h || top + reach < end)) {
        for (int64_t j = 0; j < out.w; ++j) first[j * step + taps.place_of(offset[j])] += value[j];
        continue;
      }
      for (int64_t j = 0; j < out.w; ++j) {
        const int64_t h = top + taps.row_of(offset[j]), place = taps.place_of(offset[j]);
        const int64_t w = j * step - p.padding[1] + place - taps.row_of(offset[j]) * in.w;
        if (h >= begin && h < end && w >= 0 && w < in.w) first[j * step + place] += value[j];
      }
    }
  });
}

template <class T, class O>
static void max_at(T* y, const T* x, const O* offsets, Image in, Image out, const Pool2d& p) {
  for_planes(in.planes, out.h, 4 * out.w, [&](int64_t plane, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < out.w; ++j) {
        int64_t k = (plane * out.h + i) * out.w + j, o = offsets[k];
        int64_t h = i * p.stride[0] - p.padding[0] + o / p.kernel[1] * p.dilation[0];
        int64_t w = j * p.stride[1] - p.padding[1] + o % p.kernel[1] * p.dilation[1];
        bool inside = h >= 0 && h < in.h && w >= 0 && w < in.w;  // outside: a window that holds padding alone
        y[k] = inside ? x[(plane * in.h + h) * in.w + w] : T(0);
      }
  });
}

template <class T> static void max_2x2_dx(T* dx, const T* g, const uint8_t* offsets, Image in, Image out) {
  for_planes(in.planes, out.h, 2 * in.w, [&](int64_t plane, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T *upper = dx + (plane * in.h + 2 * i) * in.w, *lower = upper + in.w;
      int64_t row = (plane * out.h + i) * out.w;
      for_row<T>(out.w, [&](int64_t j, int64_t n) __attribute__((always_inline)) {
        vec<T> v = load_head(g + row + j, n), none{};
        bits<T> at = load_offsets<T>(offsets + row + j, n);
        store_pair<T>(upper + 2 * j, n, at == 0 ? v : none, at == 1 ? v : none);
        store_pair<T>(lower + 2 * j, n, at == 2 ? v : none, at == 3 ? v : none);
      });
      for (int64_t w = 2 * out.w; w < in.w; ++w) upper[w] = lower[w] = T(0);
      if (i == out.h - 1)
        for (T *p = lower + in.w, *stop = dx + (plane + 1) * in.h * in.w; p < stop; ++p) *p = T(0);
    }
  });
}

template <class T, class O> static void max_whole_dx(T* dx, const T* g, const O* offsets, int64_t planes, int64_t n) {
  parallel_for(planes, 32768 / (n + 16) + 1, [&](int64_t begin, int64_t end) {
    __builtin_memset(dx + begin * n, 0, size_t((end - begin) * n) * sizeof(T));
    for (int64_t plane = begin; plane < end; ++plane) dx[plane * n + offsets[plane]] = g[plane];
  });
}

}  // namespace fastnn::FN_ISA
