// matmul/rungs/wide.cuh: 16 bytes at once, for rungs 6 and 7: a quarter of the requests for the same bytes.
#pragma once
#include "product.cuh"

namespace fastnn::cuda {

template <class T> struct alignas(16) Wide {
  static constexpr int N = 16 / sizeof(T);
  T v[N];
};

// The i-th ... (i + N - 1)-th number at k, or the k-th ... (k + N - 1)-th at i, in one load where memory lies so.
template <bool BY_K, class T> __device__ __forceinline__ Wide<T> load_wide(const Operand<T>& x, bool whole, int64_t i, int64_t k) {
  constexpr int N = Wide<T>::N;
  if (whole && i + (BY_K ? 1 : N) <= x.length && k + (BY_K ? N : 1) <= x.depth)
    return view_as<const Wide<T>>(x.x + (i * x.step + k * x.k_step))[0];
  Wide<T> w;
#pragma unroll
  for (int q = 0; q < N; ++q) w.v[q] = BY_K ? x.at(i, k + q) : x.at(i + q, k);
  return w;
}

// LENGTH x DEPTH numbers to tile[k * STEP + i]: i goes along shared memory for both operands, so that threads can read N of them
// at once. An operand that lies along k is transposed on the way.
template <int LENGTH, int DEPTH, int STEP, int THREADS, class T, class M>
__device__ __forceinline__ void copy_wide(M& tile, const Operand<T>& x, int64_t i0, int64_t k0) {
  constexpr int N = Wide<T>::N;
  const bool by_k = x.k_step == 1, whole = aligned(x.x, 16) && (by_k ? x.step : x.k_step) % N == 0 && (by_k || x.step == 1);
#pragma unroll
  for (int e = int(threadIdx.x); e < LENGTH * DEPTH / N; e += THREADS)
    if (by_k) {
      const int i = e / (DEPTH / N), k = e % (DEPTH / N) * N;
      const Wide<T> w = load_wide<true>(x, whole, i0 + i, k0 + k);
#pragma unroll
      for (int q = 0; q < N; ++q) tile[(k + q) * STEP + i] = w.v[q];
    } else {
      const int i = e % (LENGTH / N) * N, k = e / (LENGTH / N);
      view_as<Wide<T>>(tile)[(k * STEP + i) / N] = load_wide<false>(x, whole, i0 + i, k0 + k);
    }
}

// N numbers of a row of C from (i, j) on, in one store where memory lies so.
template <class T> __device__ __forceinline__ void put_wide(const Product<T>& p, int64_t i, int64_t j, const T* sum) {
  constexpr int N = Wide<T>::N;
  if (p.c_cs == 1 && p.c_rs % N == 0 && aligned(p.c, 16) && i < p.m && j + N <= p.n) {
    Wide<T> w;
#pragma unroll
    for (int q = 0; q < N; ++q) w.v[q] = p.d ? sum[q] + p.start(i, j + q) : sum[q];
    view_as<Wide<T>>(p.c + (i * p.c_rs + j))[0] = w;
  } else {
#pragma unroll
    for (int q = 0; q < N; ++q) put(p, i, j + q, sum[q]);
  }
}

}  // namespace fastnn::cuda
