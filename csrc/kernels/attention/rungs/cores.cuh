// attention/rungs/cores.cuh: tensor cores for rung 4. A block has 4 warps and 64 lines (rows, or, for dk and dv, keys), 16 a warp, and
// meets 32 others at a time. What a lane of a product D (16 x 8, core/cuda/mma.cuh) holds, it can give to the next as its operand A:
//
//    lane 4g + t      D  (g, 2t) (g, 2t + 1) and 8 rows below      A  (g, t) (g, t + 4) and 8 rows below
//
// The sum over the others may come in any order: where number 2t counts as t, and 2t + 1 as t + 4, for both operands, D is A, and
// weights never leave their registers.
#pragma once
#include "../../../core/cuda/mma.cuh"
#include "heads.cuh"

namespace fastnn::cuda {

constexpr int OWN = 64, OTHERS = 32, SLICE = 32, COLUMNS = 64, CORE_THREADS = 128;
constexpr int APART = SLICE + 4, COLUMNS_APART = COLUMNS + 4;  // lanes then read from 32 banks
using Scores = float[OTHERS / 8][4];                           // of 16 lines of a warp and all others
using Sums = float[COLUMNS / 8][4];

template <int N> struct Halves {  // high + low: three products for one of float32's accuracy
  uint32_t high[N], low[N];
  template <class F> __device__ __forceinline__ explicit Halves(const F& number) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float x = number(i);
      high[i] = to_tf32(x), low[i] = to_tf32(x - float_of(high[i]));
    }
  }
};
__device__ __forceinline__ void multiply(float (&d)[4], const Halves<4>& a, const Halves<2>& b) {
  mma_tf32(d, a.low, b.high);
  mma_tf32(d, a.high, b.low);
  mma_tf32(d, a.high, b.high);
}

// s = own · othersᵀ, 32 of their columns at a time in shared memory.
template <class L, class R> __device__ __forceinline__ void dots(Scores& s, L& left, R& right, const Lines<float>& own, const Lines<float>& others) {
  const int lane = int(threadIdx.x) % WARP, g = lane / 4, t = lane % 4, line = int(threadIdx.x) / WARP * 16 + g;
  for (int n = 0; n < OTHERS / 8; ++n)
    for (int i = 0; i < 4; ++i) s[n][i] = 0;
  for (int64_t e = 0; e < own.width; e += SLICE) {
    fill<OWN, SLICE, APART, CORE_THREADS>(left, [&](int i, int c) { return own(i, e + c); });
    fill<OTHERS, SLICE, APART, CORE_THREADS>(right, [&](int i, int c) { return others(i, e + c); });
    __syncthreads();
#pragma unroll
    for (int k = 0; k < SLICE; k += 8) {
      const Halves<4> a([&](int i) { return left[(line + i % 2 * 8) * APART + k + t + i / 2 * 4]; });
#pragma unroll
      for (int n = 0; n < OTHERS / 8; ++n) multiply(s[n], a, Halves<2>([&](int i) { return right[(n * 8 + g) * APART + k + t + i * 4]; }));
    }
    __syncthreads();
  }
}

// sum += w · lines, of which 64 columns from column0 on go through shared memory.
template <class M> __device__ __forceinline__ void add_lines(Sums& sum, const Scores& w, M& tile, const Lines<float>& lines, int64_t column0) {
  const int lane = int(threadIdx.x) % WARP, g = lane / 4, t = lane % 4;
  fill<OTHERS, COLUMNS, COLUMNS_APART, CORE_THREADS>(tile, [&](int i, int c) { return lines(i, column0 + c); });
  __syncthreads();
#pragma unroll
  for (int n = 0; n < OTHERS / 8; ++n) {
    const Halves<4> a([&](int i) { return w[n][i / 2 + i % 2 * 2]; });
#pragma unroll
    for (int c = 0; c < COLUMNS / 8; ++c) multiply(sum[c], a, Halves<2>([&](int i) { return tile[(n * 8 + 2 * t + i) * COLUMNS_APART + c * 8 + g]; }));
  }
  __syncthreads();
}

// f(n, i, line, column) for all numbers [n][i] that a lane has of WIDTH columns; i / 2 is which of its two lines.
template <int WIDTH, class F> __device__ __forceinline__ void each_number(const F& f) {
  const int lane = int(threadIdx.x) % WARP, g = lane / 4, t = lane % 4, line = int(threadIdx.x) / WARP * 16 + g;
#pragma unroll
  for (int n = 0; n < WIDTH / 8; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) f(n, i, line + i / 2 * 8, n * 8 + 2 * t + i % 2);
}
inline dim3 core_grid(int64_t lines, int64_t heads, int64_t columns) {
  return dim3(unsigned(ceil_div(lines, OWN)), unsigned(heads < 65535 ? heads : 65535), unsigned(ceil_div(columns > 0 ? columns : 1, COLUMNS)));
}

}  // namespace fastnn::cuda
