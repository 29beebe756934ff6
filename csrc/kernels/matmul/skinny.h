// matmul/skinny.h: C[m, n] = A[m, k] . B[k, n] + D with m <= SKINNY rows: a layer at inference, matrix-vector products,
// dot products. Each element of B meets only m elements of A, so the speed is that at which B streams in: it is read
// once, in place, never packed.
//
//    stream   columns of B contiguous         a few rows of B at a time, from left to right, onto a strip of C in L1
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
constexpr int64_t STREAM_BYTES = 256 << 10;  // of B a chunk: 10-30 us

// y[M, cols] += a[M, P] . b[P, cols]; y has row stride STRIP and room for whole vectors. From memory, `far` elements further on
// are asked for: each row of b is on another page, where the prefetcher of the hardware starts anew.
constexpr int64_t STRIP = 512;
template <int M, int P, class T>
__attribute__((noinline)) static void add_rows(T* y, const T* a, int64_t rs, int64_t cs, const T* b, int64_t b_row, int64_t cols, int64_t far) {
  constexpr int64_t W = lanes<T>;
  T s[M][P];
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) s[i][p] = a[i * rs + p * cs];
  for (int64_t j = 0; j < cols; j += W) {
    vec<T> row[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) row[p] = j + W <= cols ? load(b + p * b_row + j) : load_n(b + p * b_row + j, cols - j);
    if (far && j * int64_t(sizeof(T)) % 64 == 0)
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) __builtin_prefetch(b + p * b_row + j + far);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
      vec<T> t = load(y + i * STRIP + j);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) t += s[i][p] * row[p];
      store(y + i * STRIP + j, t);
    }
  }
}

// Tried and lost: tiles of m x 4 vectors that go down B, as in gemm; each row of B is on another page then, and neither
// the prefetcher nor the TLB follows (1x1024x1024: 250 us, Cascade Lake).
template <class T>
static void stream(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, const Store<T>& store, int64_t depth = KC<T> / 2) {
  // Zen 3, one core, B from memory: 8x4096 . 4096x1024 takes 0.62 to 0.83 of the time, 4 rows 0.58 to 0.74; from a cache 1.04 to 1.1.
  const int64_t far = k * n * int64_t(sizeof(T)) > 8 << 20 ? 8 * b.rs : 0;
  int64_t strips = ceil_div(n, STRIP), width = ceil_div(ceil_div(n, strips), lanes<T>) * lanes<T>;
  parallel_for(ceil_div(n, width), ceil_div(STREAM_BYTES, width * k * int64_t(sizeof(T)) + 1), [&](int64_t begin, int64_t stop) {
    alignas(64) T y[4 * STRIP];
    for (int64_t strip = begin; strip < stop; ++strip) {
      int64_t j = strip * width, cols = n - j < width ? n - j : width;
      for (int64_t from = 0; from == 0 || from < k; from += depth) {  // by default sums of half the length of gemm's: as exact as BLAS's
        int64_t end = from + depth < k ? from + depth : k;
        for (int64_t i = 0; i < m; i += 4) {
          int64_t rows = m - i < 4 ? m - i : 4;
          for (int64_t q = 0; q < rows * STRIP; q += lanes<T>) FN_ISA::store(y + q, vec<T>{});
          with_constant<4>(rows, [&](auto height) __attribute__((always_inline)) {
            constexpr int M = decltype(height)::value, P = M == 1 ? 8 : 4;
            const T* left = a.data + i * a.rs;
            const T* right = b.data + j;
            int64_t p = from;
            for (; p + P <= end; p += P) add_rows<M, P>(y, left + p * a.cs, a.rs, a.cs, right + p * b.rs, b.rs, cols, far);
            for (; p < end; ++p) add_rows<M, 1>(y, left + p * a.cs, a.rs, a.cs, right + p * b.rs, b.rs, cols, 0);
          });
          store.block(y, STRIP, i, j, rows, cols, from == 0);
        }
      }
    }
  });
}

template <class T> constexpr int64_t DOT_ROW = 2 * lanes<T>;  // sum_four writes whole vectors

// out[i * DOT_ROW + j] = dot of row i of a and row j of b.
template <int M, int C, class T>  // C: 1 or 4
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
    if constexpr (C == 4) sum_four<T>(out + i * DOT_ROW<T>, acc[i][0], acc[i][1], acc[i][2], acc[i][3]);
    else out[i * DOT_ROW<T>] = sum_lanes<T>(acc[i][0]);
}

// b.cs is the distance of two columns; k is contiguous in a and b, and summed in blocks of 64 vectors.
template <class T>
static void dots(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, const Store<T>& store) {
  constexpr int64_t DEPTH = 64 * lanes<T>;
  int64_t passes = ceil_div(m, SKINNY_ROWS), groups = ceil_div(n, 4);
  parallel_for(groups, ceil_div(STREAM_BYTES, 4 * k * int64_t(sizeof(T)) + 1), [&](int64_t begin, int64_t stop) {
    T out[SKINNY_ROWS * DOT_ROW<T>];
    for (int64_t g = begin; g < stop; ++g) {
      int64_t j = g * 4, cols = n - j < 4 ? n - j : 4;
      for (int64_t p = 0; p == 0 || p < k; p += DEPTH) {
        int64_t depth = k - p < DEPTH ? k - p : DEPTH;
        for (int64_t pass = 0; pass < passes; ++pass) {
          int64_t i = pass * m / passes, rows = (pass + 1) * m / passes - i;
          const T* left = a.data + i * a.rs + p;
          const T* right = b.data + j * b.cs + p;
          with_constant<SKINNY_ROWS>(rows, [&](auto height) __attribute__((always_inline)) {
            constexpr int M = decltype(height)::value;
            if (cols == 4) dot_tile<M, 4, T>(depth, left, a.rs, right, b.cs, out);
            else
              for (int64_t q = 0; q < cols; ++q) dot_tile<M, 1, T>(depth, left, a.rs, right + q * b.cs, b.cs, out + q);
          });
          store.block(out, DOT_ROW<T>, i, j, rows, cols, p == 0);
        }
      }
    }
  });
}

}  // namespace fastnn::FN_ISA
