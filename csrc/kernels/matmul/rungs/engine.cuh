// matmul/rungs/engine.cuh: before and after the copy engine of rung 9: an operand as it takes one, and a tile as tensor cores do.
#pragma once
#include "../../../core/cuda/hopper.cuh"
#include "../../../core/cuda/mma.cuh"
#include "product.cuh"

namespace fastnn::cuda {

static __global__ void __launch_bounds__(256) along_k(Operand<float> x, global<float> y, int64_t step) {
  constexpr int N = WARP;
  SHARED(float, tile, N * (N + 1));
  for (int64_t i0 = int64_t(blockIdx.x) * N, k0 = int64_t(blockIdx.y) * N; k0 < step; k0 += int64_t(gridDim.y) * N) {
    copy_tile<N, N, N + 1, 1, 256>(tile, x, i0, k0);
    __syncthreads();
    for (int e = int(threadIdx.x); e < N * N; e += 256)
      if (i0 + e / N < x.length && k0 + e % N < step) y[(i0 + e / N) * step + k0 + e % N] = tile[e / N * (N + 1) + e % N];
    __syncthreads();
  }
}

// An operand along k, at multiples of 16 bytes: where it lies, or a copy.
struct AlongK {
  int64_t rows, depth, step;
  Scratch<float> copy;
  global<const float> x;
  explicit AlongK(const Operand<float>& o)
      : rows(o.length), depth(o.depth), step(o.k_step == 1 && o.step % 4 == 0 && o.step >= depth && aligned(o.x, 16) ? o.step : 0),
        copy(step ? 0 : rows * (depth + 3)), x(o.x) {
    if (step) return;
    step = ceil_div(depth, 4) * 4, x = copy.read();
    launch("matmul", along_k, grid_of(ceil_div(rows, WARP), ceil_div(step, WARP), 1), 256, o, copy, step);
  }
  BoxMap map(int box_rows) const { return box_map(x, rows, depth, step, box_rows); }
};

// n numbers from `at` on: high stays, low goes to `low`, each with TF32's 10 bits.
template <int THREADS, class M> __device__ __forceinline__ void split(M& tiles, int at, int low, int n) {
  for (int e = int(threadIdx.x); e < n; e += THREADS) {
    const float x = tiles[at + e], high = float_of(to_tf32(x));
    tiles[at + e] = high, tiles[low + e] = float_of(to_tf32(x - high));
  }
}

}  // namespace fastnn::cuda
