// matmul/tensor.cuh: the inner loop of C = A·B on tensor cores, for float32 operands: TF32, or three products of halves (3xTF32) with
// float32's accuracy. Read tile.cuh first: the tile, its operands' way into shared memory and what is stored are the same.
//
//    a block has 8 warps, 2 x 4; each makes 64 x 32 of the 128 x 128 tile of C as 4 x 4 products of 16 x 8 (core/cuda/mma.cuh)
//    rows of shared memory are 8 longer than the tile: lanes (g, t) read t·(BM + 8) + g, which are 32 different banks
//    (the 16 that transpose an operand on its way in meet in pairs)
//
// Not measured on a GPU yet.
#pragma once
#include "../../core/cuda/mma.cuh"
#include "tile.cuh"

namespace fastnn::cuda {

template <bool SPLIT_, int K = 16> struct TensorTile {
  static constexpr int BM = 128, BN = 128, BK = K, THREADS = 256, WM = 64, WN = 32, AS = BM + 8, BS = BN + 8;
  static constexpr bool SPLIT = SPLIT_;  // 3xTF32
};

template <class S> constexpr bool on_tensor_cores = false;
template <bool SPLIT, int K> constexpr bool on_tensor_cores<TensorTile<SPLIT, K>> = true;

// As multiply_tile, with rows of S::AS and S::BS; store(i, j, sums) takes two numbers of row i, from j on.
template <class S, class A, class B, class Store>
__device__ __forceinline__ void multiply_on_tensor_cores(int64_t begin, int64_t end, const A& copy_a, const B& copy_b, const Store& store) {
  constexpr int AS = S::AS, BS = S::BS, TM = S::WM / 16, TN = S::WN / 8;
  SHARED(float, a, S::BK * AS);
  SHARED(float, b, S::BK * BS);
  const int thread = int(threadIdx.x), lane = thread % WARP, warp = thread / WARP, g = lane / 4, t = lane % 4;
  const int row = warp / (S::BN / S::WN) * S::WM, column = warp % (S::BN / S::WN) * S::WN;
  float sum[TM][TN][4] = {};
  for (int64_t k0 = begin; k0 < end; k0 += S::BK) {
    copy_a(a, k0);
    copy_b(b, k0);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < S::BK; k += 8) {
      uint32_t x[TM][4], y[TN][2], x_low[S::SPLIT ? TM : 1][4], y_low[S::SPLIT ? TN : 1][2];
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const float v = a[(k + t + e / 2 * 4) * AS + row + i * 16 + g + e % 2 * 8];
          x[i][e] = to_tf32(v);
          if constexpr (S::SPLIT) x_low[i][e] = to_tf32(v - float_of(x[i][e]));
        }
#pragma unroll
      for (int j = 0; j < TN; ++j)
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const float v = b[(k + t + e * 4) * BS + column + j * 8 + g];
          y[j][e] = to_tf32(v);
          if constexpr (S::SPLIT) y_low[j][e] = to_tf32(v - float_of(y[j][e]));
        }
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN; ++j) {
          if constexpr (S::SPLIT) {  // the small terms first
            mma_tf32(sum[i][j], x_low[i], y[j]);
            mma_tf32(sum[i][j], x[i], y_low[j]);
          }
          mma_tf32(sum[i][j], x[i], y[j]);
        }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < TM; ++i)
#pragma unroll
    for (int j = 0; j < TN; ++j)
#pragma unroll
      for (int e = 0; e < 4; e += 2) store(row + i * 16 + g + e / 2 * 8, column + j * 8 + 2 * t, &sum[i][j][e]);
}

template <class S> __device__ __forceinline__ void multiply_on_tensor_cores(const Product<float>& p, int64_t row0, int64_t column0, int64_t begin) {
  multiply_on_tensor_cores<S>(
      begin, p.k, [&](auto& tile, int64_t k0) { copy_operand<S::BM, S::BK, S::AS, S::THREADS>(tile, left(p), row0, k0); },
      [&](auto& tile, int64_t k0) { copy_operand<S::BN, S::BK, S::BS, S::THREADS>(tile, right(p), column0, k0); },
      [&](int i, int j, const float* sums) { put(p, row0 + i, column0 + j, sums[0]), put(p, row0 + i, column0 + j + 1, sums[1]); });
}

}  // namespace fastnn::cuda
