// segment/rows.h: a weighted sum of scattered rows, kept in registers until it is written.
//
//    sum_rows(y, width, begin, end, total, x, weight, scale)      y[j] = scale Σ_k weight(k) x(k)[j],  k in [begin, end)
//
// x(k) is the k-th row's first number, or null where k takes no part. Rows after the next ones are fetched ahead, beyond `end`
// too (up to total): the next sum's rows follow.
#pragma once
#include "../../core/simd.h"

namespace fastnn::FN_ISA {

// Rows fetched before they are added: 8 KiB of them. Zen 5, rows of 64 floats from memory: 8 rows ahead 61 us, 16 45, 32 35;
// of 256 floats in L3: 46.7, 47.3, 50.7.
constexpr int64_t AHEAD = 16;
template <int V> constexpr int64_t ROWS_AHEAD = V * VECTOR_BYTES <= 256 ? 32 : AHEAD;

// V vectors of columns, or n < a vector of them.
template <int V, bool Part, class T, class X, class P>
FN void sum_columns(T* y, int64_t n, int64_t begin, int64_t end, int64_t total, const X& x, const P& weight, T scale) {
  vec<T> acc[V] = {};
  for (int64_t k = begin; k < end; ++k) {
    if (k + ROWS_AHEAD<V> < total)
      if (const T* next = x(k + ROWS_AHEAD<V>))
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) __builtin_prefetch(next + v * lanes<T>);
    const T* row = x(k);
    if (!row) continue;
    T p = weight(k);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) acc[v] += p * (Part ? load_n(row, n) : load(row + v * lanes<T>));
  }
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) {
    if constexpr (Part) store_n(y, scale * acc[v], n);
    else store(y + v * lanes<T>, scale * acc[v]);
  }
}

template <class T, class X, class P>
FN void sum_rows(T* y, int64_t width, int64_t begin, int64_t end, int64_t total, const X& x, const P& weight, T scale) {
  constexpr int W = lanes<T>, MOST = VECTOR_BYTES == 64 ? 8 : 4;
  int64_t j = 0;
  auto from = [&](int64_t k) __attribute__((always_inline)) {
    const T* row = x(k);
    return row ? row + j : row;
  };
  for (; j + MOST * W <= width; j += MOST * W) sum_columns<MOST, false>(y + j, W, begin, end, total, from, weight, scale);
  if (MOST == 8)
    for (; j + 4 * W <= width; j += 4 * W) sum_columns<4, false>(y + j, W, begin, end, total, from, weight, scale);
  for (; j + 2 * W <= width; j += 2 * W) sum_columns<2, false>(y + j, W, begin, end, total, from, weight, scale);
  for (; j + W <= width; j += W) sum_columns<1, false>(y + j, W, begin, end, total, from, weight, scale);
  if (j < width) sum_columns<1, true>(y + j, width - j, begin, end, total, from, weight, scale);
}

// Σ_k x(k): four sums side by side, each waiting for its own last addition only.
template <class T, class X> FN T sum_numbers(int64_t begin, int64_t end, const X& x) {
  T a = 0, b = 0, c = 0, d = 0;
  int64_t k = begin;
  for (; k + 4 <= end; k += 4) a += x(k), b += x(k + 1), c += x(k + 2), d += x(k + 3);
  for (; k < end; ++k) a += x(k);
  return (a + b) + (c + d);
}

}  // namespace fastnn::FN_ISA
