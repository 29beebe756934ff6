// matmul/tile.cuh: the inner loop of C = A·B on a GPU. A block of 256 threads makes BM x BN numbers of C, a thread TM x TN.
//
//    global   BM x BK of A and BK x BN of B are copied into shared memory, neighbours by neighbours whichever way they lie
//    shared   each thread reads TM of A and TN of B for each k, and multiplies them in registers: TM·TN FMAs for TM + TN loads
//    C        stays in registers until k is done
//
//    With 128 x 128 tiles a number read from global memory is used 128 times, one from shared memory 8 times.
//    A's tile is kept transposed, rows padded by 4: a thread's TM numbers lie side by side and are fetched 16 bytes at a time.
#pragma once
#include "../../core/cuda/scalar.h"
#include "product.cuh"

namespace fastnn::cuda {

template <int M, int N, int K, int M_THREAD, int N_THREAD> struct Tile {
  static constexpr int BM = M, BN = N, BK = K, TM = M_THREAD, TN = N_THREAD, PAD = 4;
  static constexpr int THREADS = (BM / TM) * (BN / TN);
};

// One tile of C, summed over k in [begin, end); store(i, j, sum) for those of the m x n inside. read_a(i, k) and read_b(k, j) fetch
// the operands, wherever they lie (a convolution gathers them, ../conv2d/conv2d.cu); by_k: neighbours lie along k.
template <class T, class S, class A, class B, class Store>
__device__ __forceinline__ void multiply_tile(int64_t m, int64_t n, int64_t row0, int64_t col0, int64_t begin, int64_t end, bool a_by_k,
                                              bool b_by_k, const A& read_a, const B& read_b, const Store& store) {
  constexpr int AS = S::BM + S::PAD, BS = S::BN + S::PAD;
  SHARED(T, a, S::BK * AS);
  SHARED(T, b, S::BK * BS);
  const int t = int(threadIdx.x), tx = t % (S::BN / S::TN), ty = t / (S::BN / S::TN);
  T sum[S::TM][S::TN] = {};
  for (int64_t k0 = begin; k0 < end; k0 += S::BK) {
#pragma unroll
    for (int e = t; e < S::BM * S::BK; e += S::THREADS) {
      const int i = a_by_k ? e / S::BK : e % S::BM, k = a_by_k ? e % S::BK : e / S::BM;
      a[k * AS + i] = row0 + i < m && k0 + k < end ? read_a(row0 + i, k0 + k) : T(0);
    }
#pragma unroll
    for (int e = t; e < S::BN * S::BK; e += S::THREADS) {
      const int j = b_by_k ? e / S::BK : e % S::BN, k = b_by_k ? e % S::BK : e / S::BN;
      b[k * BS + j] = col0 + j < n && k0 + k < end ? read_b(k0 + k, col0 + j) : T(0);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < S::BK; ++k) {
      T x[S::TM], y[S::TN];
#pragma unroll
      for (int i = 0; i < S::TM; ++i) x[i] = a[k * AS + ty * S::TM + i];
#pragma unroll
      for (int j = 0; j < S::TN; ++j) y[j] = b[k * BS + tx * S::TN + j];
#pragma unroll
      for (int i = 0; i < S::TM; ++i)
#pragma unroll
        for (int j = 0; j < S::TN; ++j) sum[i][j] += x[i] * y[j];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < S::TM; ++i)
#pragma unroll
    for (int j = 0; j < S::TN; ++j) {
      const int64_t row = row0 + ty * S::TM + i, col = col0 + tx * S::TN + j;
      if (row < m && col < n) store(row, col, sum[i][j]);
    }
}

template <class T, class S, class Store>
__device__ __forceinline__ void multiply_tile(const Product<T>& p, int64_t row0, int64_t col0, int64_t begin, int64_t end, const Store& store) {
  multiply_tile<T, S>(
      p.m, p.n, row0, col0, begin, end, p.a_cs == 1, p.b_rs == 1 && p.b_cs != 1,
      [&](int64_t i, int64_t k) { return p.a[i * p.a_rs + k * p.a_cs]; },
      [&](int64_t k, int64_t j) { return p.b[k * p.b_rs + j * p.b_cs]; }, store);
}

}  // namespace fastnn::cuda
