// matmul/skinny.h: C[m, n] = A[m, k] . B[k, n] + D with m <= SKINNY rows: a layer at inference, matrix-vector products,
// dot products. Each element of B meets only m elements of A, so the speed is that at which B streams in: it is read
// once, in place, never packed.
//
//    stream   columns of B contiguous         tiles of m x 4 vectors go down B, 4 cache lines a row
//    dots     k contiguous (a weight (n, k))  m x 4 dot products at a time, vectors along k
//
// n rows and m = 1 column is the same problem with the operands exchanged (matmul.cpp does that).
#pragma once
#include "gemm.h"

namespace fastnn::FN_ISA {

constexpr int64_t SKINNY = 8;
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int SKINNY_ROWS = 6;  // 6 x 4 accumulators
#else
constexpr int SKINNY_ROWS = 3;
#endif
constexpr int64_t STREAM_BYTES = 256 << 10;  // of B, a chunk: 10-30 us

// One vector at the edge, for which no room behind B may be assumed.
template <int M, class T>
FN void multiply_edge(int64_t k, const T* a, int64_t rs, int64_t cs, const T* b, int64_t b_row, int64_t cols, vec<T> (&acc)[M][1]) {
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) acc[i][0] = vec<T>{};
  for (int64_t p = 0; p < k; ++p, a += cs, b += b_row) {
    vec<T> row = cols == lanes<T> ? load(b) : load_n(b, cols);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) acc[i][0] += a[i * rs] * row;
  }
}

template <class T, class Store>
static void stream(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, const Store& store) {
  constexpr int64_t W = lanes<T>, STRIP = 4 * W;
  int64_t passes = ceil_div(m, SKINNY_ROWS), strips = ceil_div(n, STRIP);
  parallel_for(strips, ceil_div(STREAM_BYTES, STRIP * k * int64_t(sizeof(T)) + 1), [&](int64_t begin, int64_t stop) {
    for (int64_t strip = begin; strip < stop; ++strip) {
      for (int64_t p = 0; p == 0 || p < k; p += KC<T>) {
        int64_t depth = k - p < KC<T> ? k - p : KC<T>;
        for (int64_t pass = 0; pass < passes; ++pass) {
          int64_t i = pass * m / passes, rows = (pass + 1) * m / passes - i;
          const T* left = a.data + i * a.rs + p * a.cs;
          with_constant<SKINNY_ROWS>(rows, [&](auto height) __attribute__((always_inline)) {
            constexpr int M = decltype(height)::value;
            int64_t j = strip * STRIP, end = j + STRIP < n ? j + STRIP : n;
            const T* right = b.data + p * b.rs + j;
            if (end - j == STRIP) {
              vec<T> acc[M][4];
              multiply<M, 4, T>(depth, StridedRows<T>(left, a.rs, a.cs), right, b.rs, acc);
              store(acc, i, j, STRIP, p == 0);
            } else {
              for (; j < end; j += W, right += W) {
                vec<T> acc[M][1];
                multiply_edge<M, T>(depth, left, a.rs, a.cs, right, b.rs, end - j < W ? end - j : W, acc);
                store(acc, i, j, end - j < W ? end - j : W, p == 0);
              }
            }
          });
        }
      }
    }
  });
}

// out[i * NR_MAX + j] = dot of row i of a and row j of b.
template <int M, int C, class T>
__attribute__((noinline)) static void dot_tile(int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_row, T* out) {
  constexpr int64_t W = lanes<T>;
  vec<T> acc[M][C];
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j) acc[i][j] = vec<T>{};
  int64_t p = 0;
  for (; p + W <= k; p += W) {
    vec<T> left[M];
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) left[i] = load(a + i * a_row + p);
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j) {
      vec<T> right = load(b + j * b_row + p);
#pragma GCC unroll 8
      for (int i = 0; i < M; ++i) acc[i][j] += left[i] * right;
    }
  }
  if (p < k)
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j) {
      vec<T> right = load_n(b + j * b_row + p, k - p);
#pragma GCC unroll 8
      for (int i = 0; i < M; ++i) acc[i][j] += load_n(a + i * a_row + p, k - p) * right;
    }
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j) out[i * NR_MAX<T> + j] = sum_lanes<T>(acc[i][j]);
}

// b.cs is the distance of two columns, k is contiguous in a and b.
template <class T>
static void dots(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, const Store<T>& store) {
  int64_t passes = ceil_div(m, SKINNY_ROWS), groups = ceil_div(n, 4);
  parallel_for(groups, ceil_div(STREAM_BYTES, 4 * k * int64_t(sizeof(T)) + 1), [&](int64_t begin, int64_t stop) {
    T out[SKINNY_ROWS * NR_MAX<T>];
    for (int64_t g = begin; g < stop; ++g) {
      int64_t j = g * 4, cols = n - j < 4 ? n - j : 4;
      for (int64_t pass = 0; pass < passes; ++pass) {
        int64_t i = pass * m / passes, rows = (pass + 1) * m / passes - i;
        const T* left = a.data + i * a.rs;
        const T* right = b.data + j * b.cs;
        with_constant<SKINNY_ROWS>(rows, [&](auto height) __attribute__((always_inline)) {
          constexpr int M = decltype(height)::value;
          if (cols == 4) dot_tile<M, 4, T>(k, left, a.rs, right, b.cs, out);
          else
            for (int64_t q = 0; q < cols; ++q) dot_tile<M, 1, T>(k, left, a.rs, right + q * b.cs, b.cs, out + q);
        });
        const T* d = store.d ? store.d + i * store.d_rs + j * store.d_cs : nullptr;
        store.edge(out, int(rows), cols, store.c + i * store.rs + j * store.cs, d, store.d_rs, store.d_cs);
      }
    }
  });
}

}  // namespace fastnn::FN_ISA
