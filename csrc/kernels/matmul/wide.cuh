// matmul/wide.cuh: operands of a product on their way from global memory into shared memory and back, 16 bytes at once where memory
// lies so: a quarter of the requests for the same bytes. Shared memory is a matrix tile[k * STEP + i] for both operands, so that
// threads can read several of i at once; one that lies along k in memory is transposed on the way.
#pragma once
#include "product.cuh"

namespace fastnn::cuda {

// An operand as the products see it: `k` goes along the sum, `i` along the rows of A or the columns of B. Zero outside.
template <class T> struct Operand {
  global<const T> x;
  int64_t length, depth, step, k_step;
  __device__ __forceinline__ T at(int64_t i, int64_t k) const { return i < length && k < depth ? x[i * step + k * k_step] : T{}; }
};
template <class T> FN Operand<T> left(const Product<T>& p) { return {p.a, p.m, p.k, p.a_rs, p.a_cs}; }
template <class T> FN Operand<T> right(const Product<T>& p) { return {p.b, p.n, p.k, p.b_cs, p.b_rs}; }

template <class T> struct alignas(sizeof(T) < 4 ? 4 : 16) Wide {
  static constexpr int N = sizeof(T) < 4 ? 4 : 16 / sizeof(T);
  T v[N];
};

// Which number of a tile a thread fetches: neighbours have neighbours in memory, along k 32 bytes of them and then the next of i:
// with rows of a multiple of 32 numbers and 4 more, all of them go to banks of their own.
template <int LENGTH, int EACH, class T> struct Spot {  // EACH numbers along k (by_k) or along i
  static constexpr int SECTOR = 32 / sizeof(T) < 16 ? 32 / sizeof(T) : 16;
  int i, k;
  __device__ __forceinline__ Spot(int e, bool by_k) {
    constexpr int PER = SECTOR / EACH;
    if (by_k) i = e / PER % LENGTH, k = e % PER * EACH + e / (PER * LENGTH) * SECTOR;
    else i = e % (LENGTH / EACH) * EACH, k = e / (LENGTH / EACH);
  }
};

// read(i, k) for LENGTH x DEPTH numbers, to tile[k * STEP + i].
template <class T, int LENGTH, int DEPTH, int STEP, int THREADS, class M, class F>
__device__ __forceinline__ void copy_numbers(M& tile, bool by_k, const F& read) {
#pragma unroll
  for (int e = int(threadIdx.x); e < LENGTH * DEPTH; e += THREADS) {
    const Spot<LENGTH, 1, T> at(e, by_k);
    tile[at.k * STEP + at.i] = read(at.i, at.k);
  }
}

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
template <class T> __device__ __forceinline__ bool lies_wide(const Operand<T>& x) {
  constexpr int N = Wide<T>::N;
  return aligned(x.x, sizeof(Wide<T>)) && (x.k_step == 1 ? x.step % N == 0 : x.step == 1 && x.k_step % N == 0);
}
template <int LENGTH, int DEPTH, int STEP, int THREADS, class T, class M>
__device__ __forceinline__ void copy_wide(M& tile, const Operand<T>& x, int64_t i0, int64_t k0, bool whole) {
  constexpr int N = Wide<T>::N;
  const bool by_k = x.k_step == 1;
#pragma unroll
  for (int e = int(threadIdx.x); e < LENGTH * DEPTH / N; e += THREADS) {
    const Spot<LENGTH, N, T> at(e, by_k);
    if (by_k) {
      const Wide<T> w = load_wide<true>(x, whole, i0 + at.i, k0 + at.k);
#pragma unroll
      for (int q = 0; q < N; ++q) tile[(at.k + q) * STEP + at.i] = w.v[q];
    } else view_as<Wide<T>>(tile)[(at.k * STEP + at.i) / N] = load_wide<false>(x, whole, i0 + at.i, k0 + at.k);
  }
}
template <int LENGTH, int DEPTH, int STEP, int THREADS, class T, class M>
__device__ __forceinline__ void copy_operand(M& tile, const Operand<T>& x, int64_t i0, int64_t k0) {
  if (lies_wide(x)) copy_wide<LENGTH, DEPTH, STEP, THREADS>(tile, x, i0, k0, true);
  else copy_numbers<T, LENGTH, DEPTH, STEP, THREADS>(tile, x.k_step == 1, [&](int i, int k) { return x.at(i0 + i, k0 + k); });
}

// N numbers of a row of C from (i, j) on, in one store where memory lies so.
template <class T> __device__ __forceinline__ void put_wide(const Product<T>& p, int64_t i, int64_t j, const T* sum) {
  constexpr int N = Wide<T>::N;
  if (p.c_cs == 1 && p.c_rs % N == 0 && aligned(p.c, sizeof(Wide<T>)) && i < p.m && j + N <= p.n) {
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
