// norm/short.h: rows of a few vectors, four at a time. Of a short row the sums are a chain (add, join lanes, root, again) that the
// processor waits for; four rows have four chains, their sums are joined by the same shuffles, w and b are loaded once for all of
// them and dw and db written once. A row's result does not depend on the rows beside it: fewer than four are the same code.
#pragma once
#include "../../core/constant.h"
#include "../../core/quads.h"
#include "moments.h"

namespace fastnn::FN_ISA {

constexpr int64_t SHORT = 256;  // elements
constexpr int TOGETHER = 4;

// f(offset, lanes that exist)
template <class T, class F> FN void by_vectors(int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) f(i, int64_t(lanes<T>));
  if (i < n) f(i, n - i);
}

template <class T, int R> FN void sum_rows_of(T (&to)[R], const vec<T> (&s)[R]) {
  vec<T> v[TOGETHER] = {};
  for (int q = 0; q < R; ++q) v[q] = s[q];
  T all[TOGETHER + lanes<T>];
  sum_four<T>(all, v[0], v[1], v[2], v[3]);
  for (int q = 0; q < R; ++q) to[q] = all[q];
}

template <bool CENTRE, class T, int R> FN void short_stats(T (&mean)[R], T (&r)[R], const T* x, int64_t n, double eps) {
  vec<T> s[R] = {};
  if constexpr (CENTRE) {
    by_vectors<T>(n, [&](int64_t i, int64_t c) FN_LAMBDA {
      for (int q = 0; q < R; ++q) s[q] += load_part(x + q * n + i, c);
    });
    sum_rows_of(mean, s);
  }
  for (int q = 0; q < R; ++q) mean[q] = CENTRE ? mean[q] / T(n) : T(0), s[q] = vec<T>{};
  by_vectors<T>(n, [&](int64_t i, int64_t c) FN_LAMBDA {
    for (int q = 0; q < R; ++q) {
      vec<T> d = load_part(x + q * n + i, c, mean[q]) - mean[q];
      s[q] += d * d;
    }
  });
  sum_rows_of(r, s);
  typedef double Four __attribute__((vector_size(32)));
  Four v = {1, 1, 1, 1};
  for (int q = 0; q < R; ++q) v[q] = double(r[q]);
  v = v / double(n) + eps;
  for (int q = 0; q < TOGETHER; ++q) v[q] = __builtin_sqrt(v[q]);
  v = 1 / v;
  for (int q = 0; q < R; ++q) r[q] = T(v[q]);
}

// R rows of y = x̂·w + b; w and b may be null.
template <bool CENTRE, int R, class T>
FN void short_forward(T* y, const T* x, const T* w, const T* b, int64_t n, double eps) {
  T mean[R], r[R];
  short_stats<CENTRE>(mean, r, x, n, eps);
  by_vectors<T>(n, [&](int64_t i, int64_t c) FN_LAMBDA {
    const vec<T> wv = w ? load_part(w + i, c) : splat(T(1)), bv = b ? load_part(b + i, c) : vec<T>{};
    for (int q = 0; q < R; ++q) {
      vec<T> v = (load_part(x + q * n + i, c) - mean[q]) * r[q];
      store_part(y + q * n + i, w ? (b ? v * wv + bv : v * wv) : b ? v + bv : v, c);
    }
  });
}

// R rows of dx, and their terms of dw and db added to aw, ab, which may be null.
template <bool CENTRE, int R, class T>
FN void short_dx(T* dx, T* aw, T* ab, const T* g, const T* x, const T* w, int64_t n, double eps) {
  T mean[R], r[R], shift[R], slope[R];
  short_stats<CENTRE>(mean, r, x, n, eps);
  vec<T> s[R] = {}, d[R] = {};
  by_vectors<T>(n, [&](int64_t i, int64_t c) FN_LAMBDA {
    const vec<T> wv = w ? load_part(w + i, c) : splat(T(1));
    vec<T> sw = {}, sb = {};
    for (int q = 0; q < R; ++q) {
      const vec<T> gv = load_part(g + q * n + i, c), v = (load_part(x + q * n + i, c, mean[q]) - mean[q]) * r[q], t = gv * wv;
      if constexpr (CENTRE) s[q] += t;
      d[q] += t * v;
      sw += gv * v;
      sb += gv;
    }
    if (aw) store_part(aw + i, load_part(aw + i, c) + sw, c);
    if (ab) store_part(ab + i, load_part(ab + i, c) + sb, c);
  });
  if constexpr (CENTRE) sum_rows_of(shift, s);
  sum_rows_of(slope, d);
  for (int q = 0; q < R; ++q) shift[q] = CENTRE ? shift[q] / T(n) : T(0), slope[q] /= T(n);
  by_vectors<T>(n, [&](int64_t i, int64_t c) FN_LAMBDA {
    const vec<T> wv = w ? load_part(w + i, c) : splat(T(1));
    for (int q = 0; q < R; ++q) {
      const vec<T> t = load_part(g + q * n + i, c) * wv, v = (load_part(x + q * n + i, c) - mean[q]) * r[q];
      store_part(dx + q * n + i, (t - shift[q] - v * slope[q]) * r[q], c);
    }
  });
}

// f(row, how many, as a constant) over [begin, end)
template <class F> FN void by_fours(int64_t begin, int64_t end, const F& f) {
  for (int64_t row = begin; row < end; row += TOGETHER) {
    const int64_t left = end - row;
    with_constant<TOGETHER>(left < TOGETHER ? left : TOGETHER, [&](auto count) FN_LAMBDA { f(row, count); });
  }
}

}  // namespace fastnn::FN_ISA
