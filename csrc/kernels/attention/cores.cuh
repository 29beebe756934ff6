// attention/cores.cuh: tensor cores for attention. A block has 4 warps and 64 lines (rows, or, for dk and dv, keys), 16 a warp, and
// meets 32 or 64 others at a time. What a lane of a product D (16 x 8, core/cuda/mma.cuh) holds, it can give to the
// next as its operand A:
//
//    lane 4g + t      D  (g, 2t) (g, 2t + 1) and 8 rows below
//                     A  of halves: the same, of two products; of floats (g, t) (g, t + 4): the sum over the others may come in any order,
//                        and where number 2t counts as t, and 2t + 1 as t + 4, for both operands, D is A
//
// So weights never leave their registers; those of halves are rounded there.
#pragma once
#include "../../core/cuda/halves.cuh"
#include "heads.cuh"

namespace fastnn::cuda {

constexpr int OWN = 64, CORE_THREADS = 128;
template <class T, int COLUMNS> constexpr int OTHERS = is_half<T> && COLUMNS <= 64 ? 64 : 32;  // as many as registers hold beside COLUMNS sums
template <class T, int COLUMNS> constexpr int SLICE = is_half<T> ? COLUMNS : 32;  // of a line's columns, in shared memory at once
template <class T, int WIDTH> constexpr int APART = WIDTH + (is_half<T> ? 8 : 4);  // lanes then read from 32 banks
template <class T, int COLUMNS> constexpr int LEFT = OWN * APART<T, SLICE<T, COLUMNS>>;  // numbers of the first tile, and of the second:
template <class T, int COLUMNS> constexpr int RIGHT = OTHERS<T, COLUMNS> * APART<T, (COLUMNS > SLICE<T, COLUMNS> ? COLUMNS : SLICE<T, COLUMNS>)>;
template <int N> using Scores = float[N / 8][4];                           // of 16 lines of a warp and N others
template <int COLUMNS> using Sums = float[COLUMNS / 8][4];

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

// Columns column0 ... of COUNT lines to a tile, in pieces of 16 bytes where they lie so. They are there after arrive_lines and a barrier.
template <int COUNT, int WIDTH, class T, class M> __device__ __forceinline__ void fill_lines(M& tile, const Lines<T>& lines, int64_t column0) {
  if constexpr (is_half<T>) {
    const Strided<const T>& x = lines.x;
    if (x.column == 1 && x.row % 8 == 0 && x.head % 8 == 0 && aligned(x.data + lines.start, 16)) {
#pragma unroll 1
      for (int e = int(threadIdx.x); e < COUNT * WIDTH / 8; e += CORE_THREADS) {
        const int i = e / (WIDTH / 8), c = e % (WIDTH / 8) * 8;
        const bool inside = lines.first + i < lines.count && column0 + c < lines.width;
        const int64_t left = inside ? lines.width - column0 - c : 0;
        copy_async<T>(tile, i * APART<T, WIDTH> + c, inside ? x.at_place(lines.start, lines.first + i, lines.length, column0 + c) : x.data, int(left < 8 ? left : 8));
      }
      return;
    }
  }
  fill<COUNT, WIDTH, APART<T, WIDTH>, CORE_THREADS>(tile, [&](int i, int c) { return lines(i, column0 + c); });
}
template <class T> __device__ __forceinline__ void arrive_lines() {
  if constexpr (is_half<T>) close_copies(), await_copies<0>();
  __syncthreads();
}

// s += left · rightᵀ, W columns of both.
template <int N, int W, class T, class L, class R> __device__ __forceinline__ void multiply_slices(Scores<N>& s, L& left, R& right) {
  constexpr int STEP = APART<T, W>;
  const int lane = int(threadIdx.x) % WARP, g = lane / 4, t = lane % 4, line = int(threadIdx.x) / WARP * 16;
  if constexpr (is_half<T>) {
#pragma unroll
    for (int k = 0; k < W; k += 16) {
      uint32_t a[4], b[4];
      load_matrices<false>(a, left, (line + lane % 16) * STEP + k + lane / 16 * 8);
#pragma unroll
      for (int n = 0; n < N / 8; n += 2) {
        load_matrices<false>(b, right, (n * 8 + lane % 16) * STEP + k + lane / 16 * 8);
        mma_half<T>(s[n], a, {b[0], b[2]});
        mma_half<T>(s[n + 1], a, {b[1], b[3]});
      }
    }
  } else {
#pragma unroll
    for (int k = 0; k < W; k += 8) {
      const Halves<4> a([&](int i) { return left[(line + g + i % 2 * 8) * STEP + k + t + i / 2 * 4]; });
#pragma unroll
      for (int n = 0; n < N / 8; ++n) multiply(s[n], a, Halves<2>([&](int i) { return right[(n * 8 + g) * STEP + k + t + i * 4]; }));
    }
  }
}

// s = own · othersᵀ, W of their columns at a time in shared memory.
template <int N, int W, class T, class L, class R>
__device__ __forceinline__ void dots(Scores<N>& s, L& left, R& right, const Lines<T>& own, const Lines<T>& others) {
  for (int n = 0; n < N / 8; ++n)
    for (int i = 0; i < 4; ++i) s[n][i] = 0;
  for (int64_t e = 0; e < own.width; e += W) {
    fill_lines<OWN, W>(left, own, e);
    fill_lines<N, W>(right, others, e);
    arrive_lines<T>();
    multiply_slices<N, W, T>(s, left, right);
    __syncthreads();
  }
}

// sum += w · the N lines of a tile, COLUMNS wide.
template <int N, int COLUMNS, class T, class M> __device__ __forceinline__ void multiply_weights(Sums<COLUMNS>& sum, const Scores<N>& w, M& tile) {
  constexpr int STEP = APART<T, COLUMNS>;
  const int lane = int(threadIdx.x) % WARP, g = lane / 4, t = lane % 4;
  if constexpr (is_half<T>) {
#pragma unroll
    for (int n = 0; n < N / 8; n += 2) {
      const uint32_t a[4] = {pack<T>(w[n][0], w[n][1]), pack<T>(w[n][2], w[n][3]), pack<T>(w[n + 1][0], w[n + 1][1]), pack<T>(w[n + 1][2], w[n + 1][3])};
#pragma unroll
      for (int c = 0; c < COLUMNS / 8; c += 2) {
        uint32_t b[4];
        load_matrices<true>(b, tile, (n * 8 + lane % 8 + lane / 16 * 8) * STEP + c * 8 + lane / 8 % 2 * 8);
        mma_half<T>(sum[c], a, {b[0], b[2]});
        mma_half<T>(sum[c + 1], a, {b[1], b[3]});
      }
    }
  } else {
#pragma unroll
    for (int n = 0; n < N / 8; ++n) {
      const Halves<4> a([&](int i) { return w[n][i / 2 + i % 2 * 2]; });
#pragma unroll
      for (int c = 0; c < COLUMNS / 8; ++c) multiply(sum[c], a, Halves<2>([&](int i) { return tile[(n * 8 + 2 * t + i) * STEP + c * 8 + g]; }));
    }
  }
}
// sum += w · lines, of which COLUMNS from column0 on go through shared memory.
template <int N, int COLUMNS, class T, class M>
__device__ __forceinline__ void add_lines(Sums<COLUMNS>& sum, const Scores<N>& w, M& tile, const Lines<T>& lines, int64_t column0) {
  fill_lines<N, COLUMNS>(tile, lines, column0);
  arrive_lines<T>();
  multiply_weights<N, COLUMNS, T>(sum, w, tile);
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
inline dim3 core_grid(int64_t lines, int64_t heads, int64_t columns, int each) {
  return dim3(unsigned(ceil_div(lines, OWN)), unsigned(heads < 65535 ? heads : 65535), unsigned(ceil_div(columns > 0 ? columns : 1, each)));
}

}  // namespace fastnn::cuda
