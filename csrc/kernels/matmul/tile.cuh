// matmul/tile.cuh: the inner loop of C = A·B on a GPU. A block of 256 threads makes BM x BN numbers of C, a thread TM x TN.
//
//    global   BM x BK of A and BK x BN of B are copied into shared memory, 16 bytes at once where they lie so (wide.cuh)
//    shared   a warp has a tile of its own, WM x WN: 4 x 8 lanes, each with TM x TN numbers in pieces of 16 bytes. Lanes that are
//             neighbours read neighbouring pieces: no two of a request need one bank (rungs/7_warps.cu)
//    C        stays in registers until k is done; its rows are stored in the same pieces, so in whole sectors
//
//    With 128 x 128 tiles a number read from global memory is used 128 times, one from shared memory 8 times.
#pragma once
#include "../../core/cuda/scalar.h"
#include "wide.cuh"

namespace fastnn::cuda {

template <int M, int N, int K, int M_THREAD, int N_THREAD> struct Tile {
  static constexpr int BM = M, BN = N, BK = K, TM = M_THREAD, TN = N_THREAD, ROWS = 4, COLUMNS = 8, WM = ROWS * TM, WN = COLUMNS * TN;
  static constexpr int THREADS = (BM / TM) * (BN / TN), AS = BM + 4, BS = BN + 4;  // AS, BS: from one k to the next in shared memory
};

// One tile of C, summed over k in [begin, end). copy_a(tile, k0) and copy_b(tile, k0) bring BK of k of the operands to
// tile[k * AS + i] and tile[k * BS + j], zeros outside (a convolution gathers them, ../conv2d/conv2d.cu); store(i, j, sums) takes
// Wide<T>::N numbers of row i from j on, which count from the tile's corner and may lie outside.
template <class T, class S, class A, class B, class Store>
__device__ __forceinline__ void multiply_tile(int64_t begin, int64_t end, const A& copy_a, const B& copy_b, const Store& store) {
  constexpr int N = Wide<T>::N;
  SHARED(T, a, S::BK * S::AS);
  SHARED(T, b, S::BK * S::BS);
  const int lane = int(threadIdx.x) % WARP, warp = int(threadIdx.x) / WARP;
  const int i0 = warp / (S::BN / S::WN) * S::WM + lane / S::COLUMNS * N, j0 = warp % (S::BN / S::WN) * S::WN + lane % S::COLUMNS * N;
  T sum[S::TM][S::TN] = {};
  for (int64_t k0 = begin; k0 < end; k0 += S::BK) {
    copy_a(a, k0);
    copy_b(b, k0);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < S::BK; ++k) {
      Wide<T> x[S::TM / N], y[S::TN / N];
#pragma unroll
      for (int i = 0; i < S::TM / N; ++i) x[i] = view_as<Wide<T>>(a)[(k * S::AS + i0) / N + i * S::ROWS];
#pragma unroll
      for (int j = 0; j < S::TN / N; ++j) y[j] = view_as<Wide<T>>(b)[(k * S::BS + j0) / N + j * S::COLUMNS];
#pragma unroll
      for (int i = 0; i < S::TM; ++i)
#pragma unroll
        for (int j = 0; j < S::TN; ++j) sum[i][j] += x[i / N].v[i % N] * y[j / N].v[j % N];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < S::TM; ++i)
#pragma unroll
    for (int j = 0; j < S::TN; j += N) store(i0 + i / N * S::ROWS * N + i % N, j0 + j * S::COLUMNS, &sum[i][j]);
}

// The tile at (row0, column0) of a product, its k from `begin` to p.k; put_wide to where p.c says.
template <class T, class S> __device__ __forceinline__ void multiply_tile(const Product<T>& p, int64_t row0, int64_t column0, int64_t begin) {
  multiply_tile<T, S>(
      begin, p.k, [&](auto& tile, int64_t k0) { copy_operand<S::BM, S::BK, S::AS, S::THREADS>(tile, left(p), row0, k0); },
      [&](auto& tile, int64_t k0) { copy_operand<S::BN, S::BK, S::BS, S::THREADS>(tile, right(p), column0, k0); },
      [&](int i, int j, const T* sums) { put_wide(p, row0 + i, column0 + j, sums); });
}

}  // namespace fastnn::cuda
