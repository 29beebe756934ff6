// pool/mean.h: average pooling and its derivative. Linear, so the two are each other's derivative, of every order.
//
//    y[i, j] = Σ over the window of x / count(i, j)        count = rows(i) · cols(j), or a divisor that is given
//
//    forward   rows of the window are added on whole vectors first, then the column sums across (rows.h). Sums are
//              taken window by window: a running sum would carry a NaN, and rounding, into its neighbours.
//    dx        the same backwards: window rows that cover h are added, divided, then spread over the taps.
//    cost      kh + kw additions for a vector, against kh·kw; bound by memory.
#pragma once
#include "../index/nest.h"
#include "max.h"

namespace fastnn::FN_ISA {

struct Side {  // one axis: how many elements each window counts
  int64_t kernel, stride, padding, size;
  bool count_padding;
  FN int64_t start(int64_t i) const { return i * stride - padding; }
  FN int64_t first(int64_t i) const { return start(i) < 0 ? 0 : start(i); }
  FN int64_t last(int64_t i) const { return start(i) + kernel < size ? start(i) + kernel : size; }
  FN int64_t count(int64_t i) const {
    if (!count_padding) return last(i) - first(i);
    int64_t end = start(i) + kernel;
    return (end < size + padding ? end : size + padding) - start(i);
  }
  static FN Side of(const Pool2d& p, int d, int64_t size, bool count_padding) {
    return {p.kernel[d], p.stride[d], p.padding[d], size, count_padding};
  }
};

// The divisor of each column, times rows: count(i, j) = rows · columns[j].
template <class T>
FN void column_counts(T* columns, int64_t outs, int64_t wide, const Side& side, int64_t divisor) {
  for (int64_t j = 0; j < wide; ++j) columns[j] = T(j < outs ? (divisor ? divisor : side.count(j)) : 1);
}

template <class T>
FN void add_rows(T* sum, const T* x, int64_t first, int64_t last, int64_t w) {
  for (int64_t j = 0; j < w; j += lanes<T>) {
    vec<T> s{};
    for (int64_t h = first; h < last; ++h) s += load_head(x + h * w + j, w - j);
    store_head(sum + j, s, w - j);
  }
}

template <class T>
FN T sum_of(const T* x, int64_t n) {
  vec<T> s{};
  int64_t i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) s += load(x + i);
  T total = sum_lanes<T>(s);
  for (; i < n; ++i) total += x[i];
  return total;
}

template <class T>
static void mean(T* y, const T* x, Image in, Image out, const Pool2d& p, bool count_padding, int64_t divisor) {
  int64_t kw = p.kernel[1], wide = round_up<T>(out.w);
  Side rows = Side::of(p, 0, in.h, count_padding), cols = Side::of(p, 1, in.w, count_padding);
  Phases phases = Phases::of<T>(in.w, out.w, kw, p.stride[1], p.padding[1], 1);
  bool whole = out.w == 1 && cols.first(0) == 0 && cols.last(0) == in.w;  // the rows of a window are one run of memory
  bool few = kw >= lanes<T> && out.w <= lanes<T>;  // wide windows, few of them: lanes run along the window
  for_bands(in.planes, out.h, (p.kernel[0] + 1) * in.w + kw * wide, [&](const auto& each) {
    Scratch<T> sum(in.w), split(phases.size()), columns(wide);
    Scratch<int64_t> at(kw);
    for (int64_t b = 0; b < kw; ++b) at[b] = phases.at(b);
    phases.fill(split.data, T(0));
    column_counts<T>(columns, out.w, wide, cols, divisor);
    each([&](int64_t plane, int64_t begin, int64_t end) {
      const T* source = x + plane * in.h * in.w;
      for (int64_t i = begin; i < end; ++i) {
        T count = divisor ? T(1) : T(rows.count(i));
        T* to = y + (plane * out.h + i) * out.w;
        int64_t first = rows.first(i), last = rows.last(i);
        if (whole) {
          to[0] = sum_of<T>(source + first * in.w, (last - first) * in.w) / (count * columns[0]);
          continue;
        }
        add_rows<T>(sum, source, first, last, in.w);
        if (few) {
          for (int64_t j = 0; j < out.w; ++j)
            to[j] = sum_of<T>(sum + cols.first(j), cols.last(j) - cols.first(j)) / (count * columns[j]);
          continue;
        }
        phases.split(split.data, sum.data, T(0));
        for (int64_t j = 0; j < wide; j += lanes<T>) {
          vec<T> s{};
          for (int64_t b = 0; b < kw; ++b) s += load(split + at[b] + j);
          store_head(to + j, s / (count * load(columns + j)), out.w - j);
        }
      }
    });
  });
}

template <class T>
static void mean_dx(T* dx, const T* g, Image in, Image out, const Pool2d& p, bool count_padding, int64_t divisor) {
  const int64_t kw = p.kernel[1], wide = round_up<T>(out.w);
  const Side rows = Side::of(p, 0, in.h, count_padding), cols = Side::of(p, 1, in.w, count_padding);
  const Phases phases = Phases::of<T>(in.w, out.w, kw, p.stride[1], p.padding[1], 1);
  const int64_t left = (kw - 1) / phases.stride, columns = round_up<T>(ceil_div(in.w, phases.stride));
  const int64_t right = columns + p.padding[1] / phases.stride + 1, pitch = left + (right > wide ? right : wide) + lanes<T>;
  for_bands(in.planes, in.h, phases.size() + kw * wide, [&](const auto& each) {
    Scratch<T> split(phases.size()), divisors(wide), sums(2 * pitch);
    const Taps taps(phases);
    column_counts<T>(divisors, out.w, wide, cols, divisor);
    phases.fill(split.data, T(0));
    for (int64_t j = 0; j < 2 * pitch; ++j) sums[j] = T(0);
    each([&](int64_t plane, int64_t begin, int64_t end) {
      // The sums of row h are made before those of row h - 1 are spread: a load that spans two stores waits for the cache.
      int64_t first_before = -1, last_before = -1;
      bool same = false, waiting = false;
      for (int64_t h = begin; h <= end; ++h) {
        const bool spread = waiting, as_above = same;
        if (h < end) {
          const int64_t up = h + p.padding[0] - p.kernel[0] + 1;
          int64_t first = up > 0 ? ceil_div(up, p.stride[0]) : 0, last = (h + p.padding[0]) / p.stride[0] + 1;
          if (last > out.h) last = out.h;
          same = waiting && first == first_before && last == last_before;
          first_before = first, last_before = last;
          if (!same) {
            T* const sum = sums + (h & 1) * pitch + left;
            for (int64_t j = 0; j < wide; j += lanes<T>) {
              vec<T> s{};
              for (int64_t i = first; i < last; ++i) {
                T count = divisor ? T(1) : T(rows.count(i));
                s += load_head(g + (plane * out.h + i) * out.w + j, out.w - j) / (count * load(divisors + j));
              }
              store(sum + j, s);
            }
          }
          waiting = true;
        }
        if (!spread) continue;
        T* const to = dx + (plane * in.h + h - 1) * in.w;
        if (as_above) {
          copy_run(to, to - in.w, in.w);
          continue;
        }
        const T* const sum = sums + ((h - 1) & 1) * pitch + left;
        if (out.w == 1) {
          for (int64_t w = 0; w < in.w; ++w) to[w] = w >= cols.first(0) && w < cols.last(0) ? sum[0] : T(0);
          continue;
        }
        for (int64_t k = 0; k < kw;) {
          const int64_t k1 = taps.end_of_phase(k);
          T* const row = split + taps.phase[k] * phases.length;
          for (int64_t q = 0; q < columns; q += lanes<T>) {
            vec<T> s{};
            for (int64_t m = k; m < k1; ++m) s += load(sum + q - taps.shift[m]);
            store(row + q, s);
          }
          k = k1;
        }
        phases.join(to, split.data);
      }
    });
  });
}

}  // namespace fastnn::FN_ISA
