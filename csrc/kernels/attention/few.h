// attention/few.h: few rows of queries (decoding) against keys and values where they lie, summed in the order of the tiles: a query
// comes out the same, bit for bit, alone and among others.
#pragma once
#include "../matmul/few.h"
#include "tiles.h"

namespace fastnn::FN_ISA {

// scores[r, 0..n) = row r of q . each of n keys; `far`: they come from memory
template <class T> static void few_scores(int64_t rows, Matrix<T> q, Matrix<T> k, int64_t n, int64_t width, bool far, T* scores) {
  constexpr int64_t W = lanes<T>;
  with_constant<FEW>(rows, [&](auto m) __attribute__((always_inline)) {
    for (int64_t j = 0; j < n; j += W) {
      if (far)  // no prefetcher follows W rows at once: the next ones are asked for, one after the other
        for (int64_t c = 0; c < W; ++c)
          for (int64_t i = 0; i < width; i += 64 / int64_t(sizeof(T))) __builtin_prefetch(k.data + (j + W + c) * k.rs + i, 0, 2);
      few_rows<decltype(m)::value, T>(width, q.data, q.rs, q.cs, k.data + j * k.rs, k.rs, n - j < W ? n - j : W, scores + j, SCORES<T>);
    }
  });
}

// o[r, 0..columns) (+)= the first n of row r of p . values, a strip of V vectors of columns at a time: with one query each of them
// is a chain of additions, and few chains leave the adders idle. The last vector may overlap the one before.
template <int M, int V, class T>
__attribute__((noinline)) static void few_columns(const T* p, const T* v, int64_t v_row, int64_t n, int64_t last, bool add, T* o, int64_t o_row) {
  vec<T> acc[M][V];
  multiply<M, V, T>(n, StridedRows<T>(p, SCORES<T>, 1), v, v_row, acc, last);
  Store<T> to{o, o_row, 1};
  to(acc, 0, 0, last + lanes<T>, !add, last);
}
template <class T>
static void few_outputs(int64_t rows, const T* p, const T* v, int64_t v_row, int64_t n, int64_t columns, bool add, T* o, int64_t o_row) {
  constexpr int64_t W = lanes<T>;
  with_constant<(FEW < MR ? FEW : MR)>(rows, [&](auto m) __attribute__((always_inline)) {
    constexpr int M = decltype(m)::value, MOST = M * 4 < MR * NV ? 4 : NV;
    for (int64_t j = 0, width; j < columns; j += width) {
      int64_t rest = columns - j;
      width = rest < MOST * W ? rest : rest > MOST * W && rest < MOST * W + W ? MOST * W - W : MOST * W;  // never leave less than a vector
      with_constant<MOST>(ceil_div(width, W), [&](auto vectors) __attribute__((always_inline)) {
        few_columns<M, decltype(vectors)::value, T>(p, v + j, v_row, n, width - W, add, o + j, o_row);
      });
    }
  });
}

}  // namespace fastnn::FN_ISA
