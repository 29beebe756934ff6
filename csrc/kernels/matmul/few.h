// matmul/few.h: few rows of A against a B whose k is contiguous (a weight (n, k), the keys of attention), each number summed over k
// one product after another, as the tiles of gemm.h sum: a row comes out the same, bit for bit, alone and among others.
//
//    columns of B   W at a time: W x W elements are loaded, transposed in registers, and meet the rows of A there
//
// Cost: an element of B costs W.log2(W) / W² shuffles beside its m products; dots (skinny.h), which add along the lanes, have none.
// Bound by the shuffles for up to 4 rows, and by memory where B lies there.
#pragma once
#include "gemm.h"

namespace fastnn::FN_ISA {

// out[i * apart + c] = sum over p of a[i, p] b[c, p] for c < W; columns past `cols` repeat the last one.
template <int M, class T>
__attribute__((noinline)) static void few_rows(int64_t k, const T* a, int64_t a_row, int64_t a_step, const T* b, int64_t b_row,
                                               int64_t cols, T* out, int64_t apart) {
  constexpr int W = lanes<T>;
  vec<T> acc[M];
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) acc[i] = vec<T>{};
  const auto block = [&](int64_t p, int64_t n, auto whole) __attribute__((always_inline)) {
    vec<T> v[W];
#pragma GCC unroll 16
    for (int c = 0; c < W; ++c) {
      const T* x = b + (c < cols ? c : cols - 1) * b_row + p;
      v[c] = decltype(whole)::value ? load(x) : load_n(x, n);
    }
    transpose<T>(v);
#pragma GCC unroll 16
    for (int q = 0; q < W; ++q)
      if (decltype(whole)::value || q < n)
#pragma GCC unroll 8
        for (int i = 0; i < M; ++i) acc[i] += a[i * a_row + (p + q) * a_step] * v[q];
  };
  int64_t p = 0;
  for (; p + W <= k; p += W) block(p, W, Constant<1>{});
  if (p < k) block(p, k - p, Constant<0>{});
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) store(out + i * apart, acc[i]);
}

constexpr int FEW = 8;  // rows at most

// b.cs is the distance of two columns; blocks of k are gemm's
template <class T> static void few(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, const Store<T>& store) {
  constexpr int64_t W = lanes<T>;
  const int64_t depth = block_depth<T>(k), groups = ceil_div(n, W);
  parallel_for(groups, ceil_div(128 << 10, W * k * int64_t(sizeof(T)) + 1), [&](int64_t begin, int64_t stop) {
    alignas(VECTOR_BYTES) T out[FEW * W];
    for (int64_t g = begin; g < stop; ++g) {
      int64_t j = g * W, cols = n - j < W ? n - j : W;
      for (int64_t p = 0; p == 0 || p < k; p += depth) {
        int64_t d = k - p < depth ? k - p : depth;
        with_constant<FEW>(m, [&](auto height) __attribute__((always_inline)) {
          few_rows<decltype(height)::value, T>(d, a.data + p * a.cs, a.rs, a.cs, b.data + j * b.cs + p, b.cs, cols, out, W);
        });
        store.block(out, W, 0, j, m, cols, p == 0);
      }
    }
  });
}

}  // namespace fastnn::FN_ISA
