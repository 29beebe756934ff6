// softmax/transpose.h: rows into lanes. With 10 classes a row fills 10 of 16 lanes and needs two reductions across them;
// turned around, lane r holds row r, every lane works, and maximum and sum are plain vector operations.
//
//        memory, R rows of n            t, n steps of R
//        a0 a1 a2 ..                    a0 b0 c0 ..          R = 4·lanes<T>
//        b0 b1 b2 ..           ->       a1 b1 c1 ..
//        c0 c1 c2 ..                    a2 b2 c2 ..
#pragma once
#include "../../core/shuffle.h"

namespace fastnn::FN_ISA {

template <class T> constexpr int ROWS = 4 * lanes<T>;       // rows turned at once
template <class T> constexpr int MAX_STEPS = 2 * lanes<T>;  // longest row worth turning
template <class T> constexpr int TURNED = ROWS<T> * MAX_STEPS<T>;

// Column blocks start at 0, L, 2L, .. and the last one at n - L: none reaches into the next row, except for n < L.
FN int64_t block_start(int64_t c, int64_t n, int64_t L) { return c + L <= n || n < L ? c : n - L; }

template <class T> FN void rows_to_lanes(T* t, const T* x, int64_t rows, int64_t n) {
  constexpr int L = lanes<T>, R = ROWS<T>;
  if (rows < R) {
    for (int64_t j = 0; j < n; ++j)
      for (int64_t r = 0; r < R; ++r) t[j * R + r] = r < rows ? x[r * n + j] : T(0);
    return;
  }
  const T* end = x + R * n;
  for (int64_t r = 0; r < R; r += L)
    for (int64_t c = 0; c < n; c += L) {
      int64_t at = block_start(c, n, L), steps = n < L ? n : L;
      vec<T> v[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) {
        const T* p = x + (r + i) * n + at;
        v[i] = p + L <= end ? load(p) : load_n(p, end - p);
      }
      transpose<T>(v);
      for (int i = 0; i < steps; ++i) store(t + (at + i) * R + r, v[i]);
    }
}

// For n < L a row's store also writes into the next row, which is stored after it; the last rows are cut at the end.
template <class T> FN void lanes_to_rows(T* y, const T* t, int64_t rows, int64_t n) {
  constexpr int L = lanes<T>, R = ROWS<T>;
  if (rows < R) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < n; ++j) y[r * n + j] = t[j * R + r];
    return;
  }
  T* end = y + R * n;
  for (int64_t r = 0; r < R; r += L)
    for (int64_t c = 0; c < n; c += L) {
      int64_t at = block_start(c, n, L), steps = n < L ? n : L;
      vec<T> v[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) v[i] = i < steps ? load(t + (at + i) * R + r) : vec<T>{};
      transpose<T>(v);
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) {
        T* p = y + (r + i) * n + at;
        if (p + L <= end) store(p, v[i]);
        else store_n(p, v[i], end - p);
      }
    }
}

}  // namespace fastnn::FN_ISA
