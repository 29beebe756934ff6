// pool/adaptive.h: windows of unequal size: window i of an axis covers [floor(i n / m), ceil((i + 1) n / m)).
//
// Rows are reduced first, on whole vectors; then each window of columns. Windows of equal size come as ordinary pooling.
#pragma once
#include "mean.h"

namespace fastnn::FN_ISA {

FN int64_t adaptive_first(int64_t i, int64_t n, int64_t m) { return i / m * n + i % m * n / m; }
FN int64_t adaptive_last(int64_t i, int64_t n, int64_t m) { return ceil_div((i + 1) * n, m); }

FN void covering(int64_t h, int64_t n, int64_t m, int64_t& first, int64_t& last) {  // windows i with first(i) <= h < last(i)
  first = last = h / n * m + h % n * m / n;
  while (first > 0 && adaptive_last(first - 1, n, m) > h) --first;
  while (last < m && adaptive_first(last, n, m) <= h) ++last;
}

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

// Every row of dx with the same windows above it is the same row.
template <class T>
static void adaptive_mean_dx(T* dx, const T* g, Image in, Image out) {
  for_bands(in.planes, in.h, (out.h / in.h + 1) * out.w + 2 * in.w, [&](const auto& each) {
    const int64_t wide = round_up<T>(out.w);
    Scratch<T> share(wide), columns(wide);
    Scratch<int64_t> first(in.w), last(in.w);  // of the windows that cover a column
    for (int64_t j = 0; j < wide; ++j)
      columns[j] = j < out.w ? T(adaptive_last(j, in.w, out.w) - adaptive_first(j, in.w, out.w)) : T(1);
    for (int64_t w = 0; w < in.w; ++w) covering(w, in.w, out.w, first[w], last[w]);
    each([&](int64_t plane, int64_t begin, int64_t end) {
      int64_t first_before = -1, last_before = -1;
      for (int64_t h = begin; h < end; ++h) {
        int64_t i0, i1;
        covering(h, in.h, out.h, i0, i1);
        T* const to = dx + (plane * in.h + h) * in.w;
        if (i0 == first_before && i1 == last_before) {
          copy_run(to, to - in.w, in.w);
          continue;
        }
        first_before = i0, last_before = i1;
        for (int64_t j = 0; j < out.w; j += lanes<T>) {
          vec<T> s{};
          for (int64_t i = i0; i < i1; ++i) {
            T rows = T(adaptive_last(i, in.h, out.h) - adaptive_first(i, in.h, out.h));
            s += load_head(g + (plane * out.h + i) * out.w + j, out.w - j) / splat(rows);
          }
          store(share + j, s / load(columns + j));
        }
        for (int64_t w = 0; w < in.w; ++w) {
          T s = share[first[w]];
          for (int64_t j = first[w] + 1; j < last[w]; ++j) s += share[j];
          to[w] = s;
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
