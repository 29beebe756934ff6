// pool/mean.h: average pooling and its derivative. Linear, so the two are each other's derivative, of every order.
//
//    y[i, j] = Σ over the window of x / count(i, j)        count = rows(i) · cols(j), or a divisor that is given
//
//    forward   rows of the window are added on whole vectors first, then the column sums across (rows.h). Sums are
//              taken window by window: a running sum would carry a NaN, and rounding, into its neighbours.
//    dx        the same backwards: window rows that cover h are added, divided, then spread over the taps.
//    cost      kh + kw additions for a vector, against kh·kw; bound by memory.
#pragma once
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
  int64_t kw = p.kernel[1], wide = round_up<T>(out.w);
  Side rows = Side::of(p, 0, in.h, count_padding), cols = Side::of(p, 1, in.w, count_padding);
  Phases phases = Phases::of<T>(in.w, out.w, kw, p.stride[1], p.padding[1], 1);
  for_bands(in.planes, in.h, phases.size() + kw * wide, [&](const auto& each) {
    Scratch<T> split(phases.size()), columns(wide), sum(wide);
    column_counts<T>(columns, out.w, wide, cols, divisor);
    each([&](int64_t plane, int64_t begin, int64_t end) {
      int64_t first_before = -1, last_before = -1;
      for (int64_t h = begin; h < end; ++h) {
        int64_t up = h + p.padding[0] - p.kernel[0] + 1;
        int64_t first = up > 0 ? ceil_div(up, p.stride[0]) : 0, last = (h + p.padding[0]) / p.stride[0] + 1;
        if (last > out.h) last = out.h;
        T* to = dx + (plane * in.h + h) * in.w;
        if (h > begin && first == first_before && last == last_before) {  // the same windows as the row above
          for (int64_t w = 0; w < in.w; ++w) to[w] = to[w - in.w];
          continue;
        }
        first_before = first, last_before = last;
        for (int64_t j = 0; j < wide; j += lanes<T>) {
          vec<T> s{};
          for (int64_t i = first; i < last; ++i) {
            T count = divisor ? T(1) : T(rows.count(i));
            s += load_head(g + (plane * out.h + i) * out.w + j, out.w - j) / (count * load(columns + j));
          }
          store(sum + j, s);
        }
        if (out.w == 1) {
          for (int64_t w = 0; w < in.w; ++w) to[w] = w >= cols.first(0) && w < cols.last(0) ? sum[0] : T(0);
          continue;
        }
        phases.fill(split.data, T(0));
        for (int64_t b = 0; b < kw; ++b) {
          T* q = split + phases.at(b);
          for (int64_t j = 0; j < wide; j += lanes<T>) store(q + j, load(q + j) + load(sum + j));
        }
        phases.join(to, split.data);
      }
    });
  });
}

// ---- adaptive: window i of an axis covers [floor(i n / m), ceil((i + 1) n / m))
// --------------------------------------

FN int64_t adaptive_first(int64_t i, int64_t n, int64_t m) { return i / m * n + i % m * n / m; }
FN int64_t adaptive_last(int64_t i, int64_t n, int64_t m) { return ceil_div((i + 1) * n, m); }

struct Cells {  // both ends of each window of an axis, computed once
  Scratch<int64_t> first, last;
  FN Cells(int64_t n, int64_t m) : first(m), last(m) {
    for (int64_t i = 0; i < m; ++i) first[i] = adaptive_first(i, n, m), last[i] = adaptive_last(i, n, m);
  }
  FN ~Cells() {}
};

template <class T>
static void adaptive_mean(T* y, const T* x, Image in, Image out) {
  Cells cells(in.w, out.w);
  for_bands(in.planes, out.h, (in.h / out.h + 2) * in.w + 2 * out.w, [&](const auto& each) {
    Scratch<T> sum(in.w);
    each([&](int64_t plane, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t top = adaptive_first(i, in.h, out.h), bottom = adaptive_last(i, in.h, out.h);
        add_rows<T>(sum, x + plane * in.h * in.w, top, bottom, in.w);
        for (int64_t j = 0; j < out.w; ++j) {
          int64_t n = cells.last[j] - cells.first[j];
          const T* p = sum + cells.first[j];
          T s = 0;
          if (n >= 2 * lanes<T>)
            s = sum_of<T>(p, n);
          else
            for (int64_t w = 0; w < n; ++w) s += p[w];
          y[(plane * out.h + i) * out.w + j] = s / T((bottom - top) * n);
        }
      }
    });
  });
}

template <class T>
static void adaptive_mean_dx(T* dx, const T* g, Image in, Image out) {
  for_bands(in.planes, in.h, (out.h / in.h + 2) * out.w + 2 * in.w, [&](const auto& each) {
    Scratch<T> sum(out.w);
    each([&](int64_t plane, int64_t begin, int64_t end) {
      for (int64_t h = begin; h < end; ++h) {
        // the windows that cover h: i with first(i) <= h < last(i)
        int64_t i0 = h * out.h / in.h, i1 = i0;
        while (i0 > 0 && adaptive_last(i0 - 1, in.h, out.h) > h) --i0;
        while (i1 < out.h && adaptive_first(i1, in.h, out.h) <= h) ++i1;
        for (int64_t j = 0; j < out.w; j += lanes<T>) {
          vec<T> s{};
          for (int64_t i = i0; i < i1; ++i) {
            int64_t rows = adaptive_last(i, in.h, out.h) - adaptive_first(i, in.h, out.h);
            s += load_head(g + (plane * out.h + i) * out.w + j, out.w - j) / splat(T(rows));
          }
          store_head(sum + j, s, out.w - j);
        }
        T* to = dx + (plane * in.h + h) * in.w;
        for (int64_t w = 0; w < in.w; ++w) to[w] = T(0);
        for (int64_t j = 0; j < out.w; ++j) {
          int64_t left = adaptive_first(j, in.w, out.w), right = adaptive_last(j, in.w, out.w);
          T share = sum[j] / T(right - left);
          for (int64_t w = left; w < right; ++w) to[w] += share;
        }
      }
    });
  });
}

// Rows first, on whole vectors; then each window of columns. Ties go to the smaller index, the last NaN wins.
template <class T>
static void adaptive_max(T* y, int64_t* indices, const T* x, Image in, Image out) {
  using I = lane<bits<T>>;
  for_bands(in.planes, out.h, (in.h / out.h + 2) * in.w + 4 * out.w, [&](const auto& each) {
    int64_t wide = round_up<T>(in.w);
    Scratch<T> value(wide);
    Scratch<I> where(wide);  // the row, counted from the window's first
    each([&](int64_t plane, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t top = adaptive_first(i, in.h, out.h), bottom = adaptive_last(i, in.h, out.h);
        const T* source = x + plane * in.h * in.w;
        for (int64_t w = 0; w < in.w; w += lanes<T>) {
          vec<T> best = load_head(source + top * in.w + w, in.w - w);
          bits<T> at{};
          for (int64_t h = top + 1; h < bottom; ++h)
            take_larger<T>(load_head(source + h * in.w + w, in.w - w), splat(I(h - top)), best, at);
          store(value + w, best);
          store(where + w, at);
        }
        for (int64_t j = 0; j < out.w; ++j) {
          int64_t left = adaptive_first(j, in.w, out.w), right = adaptive_last(j, in.w, out.w), k = left;
          auto index = [&](int64_t w) { return (top + where[w]) * in.w + w; };
          for (int64_t w = left + 1; w < right; ++w) {
            T v = value[w], best = value[k];
            bool tie = v == best && index(w) < index(k), nan = v != v && (best == best || index(w) > index(k));
            if (v > best || tie || nan) k = w;
          }
          y[(plane * out.h + i) * out.w + j] = value[k];
          indices[(plane * out.h + i) * out.w + j] = index(k);
        }
      }
    });
  });
}

}  // namespace fastnn::FN_ISA
