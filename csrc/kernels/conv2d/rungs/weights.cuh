// conv2d/rungs/weights.cuh: rung 2's dw: a thread a weight, a block CHANNELS channels and 32 taps of (c, p, q); at a time 32 places of g
// in these channels, and of x under these taps, are in shared memory, each line one longer for 32 banks.
#pragma once
#include "../../matmul/product.cuh"
#include "../conv.cuh"

namespace fastnn::cuda {

template <int CHANNELS, class T> __global__ void __launch_bounds__(CHANNELS* WARP) weights_by_places(Conv<T> v) {
  constexpr int APART = WARP + 1;
  SHARED(T, g, CHANNELS * APART);
  SHARED(T, x, WARP * APART);
  const int t = int(threadIdx.x), mine = t / WARP, lane = t % WARP;
  const int64_t taps = v.C * v.P * v.Q, tap0 = int64_t(blockIdx.x) * WARP, size = v.N * v.I * v.J;
  for (int64_t group = blockIdx.z; group < v.groups; group += gridDim.z)
    for (int64_t first = int64_t(blockIdx.y) * CHANNELS; first < v.O; first += int64_t(gridDim.y) * CHANNELS) {
      T sum = 0;
      for (int64_t k = 0; k < size; k += WARP) {
        const int64_t j = (k + lane) % v.J, i = (k + lane) / v.J % v.I, z = (k + lane) / (v.I * v.J) * v.groups + group;
        g[mine * APART + lane] = k + lane < size && first + mine < v.O ? v.slope(z, first + mine, i, j) : T(0);
        for (int line = mine; line < WARP; line += CHANNELS) {
          const int64_t tap = tap0 + line;
          x[line * APART + lane] = k + lane < size && tap < taps ? v.pixel(z, tap / (v.P * v.Q), v.row(i, tap / v.Q % v.P), v.column(j, tap % v.Q)) : T(0);
        }
        __syncthreads();
#pragma unroll
        for (int n = 0; n < WARP; ++n) sum += g[mine * APART + n] * x[lane * APART + n];
        __syncthreads();
      }
      if (tap0 + lane < taps && first + mine < v.O) v.out[(group * v.O + first + mine) * taps + tap0 + lane] = sum;
    }
}

}  // namespace fastnn::cuda
