// pool/rows.h: a row of the input as the windows see it.
//
//    stride 3, padding 1, row a b c d e f g        (-) is the fill: -inf for max, 0 for sums
//
//    phase 0   - c f        Column j of a window's tap b reads the padded row at j·s + b·d. Split by the remainder
//    phase 1   a d g        mod s, that is phase (b·d) mod s at j + (b·d) / s: consecutive j, consecutive memory.
//    phase 2   b e -        So any stride and dilation runs on whole vectors, and tails read padding.
//
// The split costs one pass over the row in L1; stride 2 is a deinterleaving shuffle. `join` is the way back, for
// derivatives.
#pragma once
#include "../../core/parallel.h"
#include "../../core/shuffle.h"
#include "../geometry.h"

namespace fastnn::FN_ISA {

template <class T> FN int64_t round_up(int64_t n) { return ceil_div(n, lanes<T>) * lanes<T>; }

struct Phases {  // of one row of length w, for outs windows along it
  int64_t w, outs, taps, stride, padding, dilation;
  int64_t length;  // of a phase, in elements: a multiple of two vectors, so that tails read fill

  template <class T> static FN Phases of(int64_t w, int64_t outs, int64_t taps, int64_t stride, int64_t padding, int64_t dilation) {
    if (outs <= 1) stride = 1;  // no second window to step to, and the stride may be huge
    int64_t used = round_up<T>(outs) + (taps - 1) * dilation / stride;
    int64_t stored = ceil_div(w + padding, stride);
    return {w, outs, taps, stride, padding, dilation, round_up<T>(used > stored ? used : stored) + 2 * lanes<T>};
  }
  FN int64_t size() const { return length * stride; }
  FN int64_t at(int64_t b) const { return b * dilation % stride * length + b * dilation / stride; }  // of tap b, j = 0

  // Everything that `split` does not write is padding; it is filled once, for all rows.
  template <class T> FN void fill(T* p, T value) const {
    for (int64_t i = 0; i < size(); ++i) p[i] = value;
  }

  // x[0, w) to the phases. The last vector of stride 2 may write past the row's end into padding: it writes `rest` there.
  template <class T> FN void split(T* p, const T* x, T rest) const {
    if (stride == 1) {
      int64_t i = 0;
      for (; i + lanes<T> <= w; i += lanes<T>) store(p + padding + i, load(x + i));
      if (i < w) store(p + padding + i, load_n(x + i, w - i, rest));
      return;
    }
    if (stride == 2) {
      // column 2k + r lies at padded column 2k + r + padding: an odd padding swaps the two phases
      T* even = p + (padding & 1) * length + padding / 2;
      T* odd = p + (~padding & 1) * length + (padding + 1) / 2;
      int64_t i = 0;
      vec<T> a, b;
      for (; i + 2 * lanes<T> <= w; i += 2 * lanes<T>) {
        split2<T>(load(x + i), load(x + i + lanes<T>), a, b);
        store(even + i / 2, a);
        store(odd + i / 2, b);
      }
      if (i < w) {
        int64_t n = w - i;
        vec<T> first = n >= lanes<T> ? load(x + i) : load_n(x + i, n, rest);
        vec<T> second = n > lanes<T> ? load_n(x + i + lanes<T>, n - lanes<T>, rest) : splat(rest);
        split2<T>(first, second, a, b);
        store(even + i / 2, a);
        store(odd + i / 2, b);
      }
      return;
    }
    for (int64_t r = 0; r < stride && r < w; ++r) {
      int64_t c = r + padding;
      T* q = p + c % stride * length + c / stride;
      for (int64_t i = r; i < w; i += stride) {
        *q++ = x[i];
        __asm__("" : "+r"(q));  // or GCC gathers vectors, which takes longer
      }
    }
  }

  // The way back, from phases that start at the row's first column of each: position origin(r) of phase r.
  FN int64_t origin(int64_t r) const {
    const int64_t column = ((r - padding) % stride + stride) % stride;
    return (column + padding) / stride;
  }
  template <class T> FN void join(T* x, const T* p) const {
    if (stride == 1) {
      __builtin_memcpy(x, p, size_t(w) * sizeof(T));
      return;
    }
    if (stride == 2) {
      const T *even = p + (padding & 1) * length, *odd = p + (~padding & 1) * length;
      int64_t i = 0;
      vec<T> a, b;
      for (; i + 2 * lanes<T> <= w; i += 2 * lanes<T>) {
        join2<T>(load(even + i / 2), load(odd + i / 2), a, b);
        store(x + i, a);
        store(x + i + lanes<T>, b);
      }
      if (i < w) {
        int64_t n = w - i;
        join2<T>(load(even + i / 2), load(odd + i / 2), a, b);
        if (n < lanes<T>) store_n(x + i, a, n);
        else store(x + i, a);
        if (n > lanes<T>) store_n(x + i + lanes<T>, b, n - lanes<T>);
      }
      return;
    }
    for (int64_t r = 0; r < stride && r < w; ++r) {
      const T* q = p + (r + padding) % stride * length;
      for (int64_t i = r; i < w; i += stride) {
        x[i] = *q++;
        __asm__("" : "+r"(q));
      }
    }
  }
};

// For derivatives: the taps b, those of a phase together. Column k of a phase reads window k - shift by that tap.
struct Taps {
  int64_t count;
  Scratch<int64_t> order, shift, phase;
  explicit FN Taps(const Phases& p) : count(p.taps), order(p.taps), shift(p.taps), phase(p.taps) {
    for (int64_t b = 0; b < count; ++b) {
      const int64_t r = b * p.dilation % p.stride;
      int64_t k = b;
      for (; k > 0 && phase[k - 1] > r; --k) order[k] = order[k - 1], shift[k] = shift[k - 1], phase[k] = phase[k - 1];
      order[k] = b, shift[k] = b * p.dilation / p.stride - p.origin(r), phase[k] = r;
    }
  }
  FN int64_t end_of_phase(int64_t k) const {
    const int64_t r = phase[k];
    while (k < count && phase[k] == r) ++k;
    return k;
  }
};

struct Image {  // the last two axes are the plane
  int64_t planes, h, w;
  static FN Image of(const View& x) {
    Image i{1, x.shape[x.ndim - 2], x.shape[x.ndim - 1]};
    for (int d = 0; d < x.ndim - 2; ++d) i.planes *= x.shape[d];
    return i;
  }
};

// Planes times bands of rows, so that one large image is shared too. work(each) allocates its scratch once for a chunk and
// then calls each(f), which calls f(plane, first row, last row).
template <class F> FN void for_bands(int64_t planes, int64_t rows, int64_t row_cost, const F& work) {
  constexpr int64_t grain = 1 << 15;  // elements: 10-30 us
  int64_t band = grain / (row_cost + 1) + 1;
  if (band > rows) band = rows;
  int64_t bands = ceil_div(rows, band);
  parallel_for(planes * bands, bands > 1 ? 1 : grain / (band * row_cost + 1) + 1, [&](int64_t begin, int64_t end) {
    work([&](const auto& f) {
      if (bands == 1) {  // two 64-bit divisions cost as much as a small plane
        for (int64_t k = begin; k < end; ++k) f(k, int64_t(0), rows);
        return;
      }
      for (int64_t k = begin; k < end; ++k) {
        int64_t first = k % bands * band;
        f(k / bands, first, first + band < rows ? first + band : rows);
      }
    });
  });
}

template <class F> FN void for_planes(int64_t planes, int64_t rows, int64_t row_cost, const F& f) {  // without scratch
  for_bands(planes, rows, row_cost, [&](const auto& each) { each(f); });
}

}  // namespace fastnn::FN_ISA
