// attention/tiles.cuh: the two products that everything is made of. 256 threads, 16 x 16; a thread has TM lines of a tile, and TN columns in
// pieces of 16 bytes, its neighbour's beside them, so that no two lanes of a request need one bank of shared memory.
//
//    accumulate       both operands from global memory, slices D deep: scores
//    add_weighted     one of them is a tile of weights, which threads have put into shared memory piece by piece: y and the gradients
#pragma once
#include "../matmul/wide.cuh"
#include "problem.cuh"

namespace fastnn::cuda {

// R rows and R keys meet in a tile of scores, TM x TM a thread; D deep slices of the operands are in shared memory.
template <class T> struct Sizes;
template <> struct Sizes<float> { static constexpr int R = 64, TM = 4, D = 16; };
template <> struct Sizes<double> { static constexpr int R = 32, TM = 2, D = 16; };
constexpr int ATTENTION_THREADS = 256, SIDE = 16;  // threads along either side of a tile

template <class T> FN int column_of(int tx, int c) { return c / Wide<T>::N * SIDE * Wide<T>::N + tx * Wide<T>::N + c % Wide<T>::N; }
template <int TN> constexpr int SLICE_STEP = SIDE * TN + 4;  // from one k of a slice to the next

// LENGTH x D numbers read(i, k) to tile[k * (LENGTH + 4) + i]; by_k: neighbours in memory lie along k.
template <class T, int LENGTH, int D, class M, class F> __device__ __forceinline__ void copy_slice(M& tile, bool by_k, int64_t depth, const F& read) {
#pragma unroll
  for (int e = int(threadIdx.x); e < LENGTH * D; e += ATTENTION_THREADS) {
    const Spot<LENGTH, 1, T> at(e, by_k);
    tile[at.k * (LENGTH + 4) + at.i] = at.k < depth ? read(at.i, at.k) : T(0);
  }
}
// sum[i][c] += Σ x(k).v[i] · slice[k][column c] over D of k
template <class S, int TN, class T, class M, class X> __device__ __forceinline__ void multiply_slice(T (&sum)[S::TM][TN], M& slice, const X& x) {
  constexpr int N = Wide<T>::N;
  static_assert(S::TM == N);
  const int tx = int(threadIdx.x) % SIDE;
#pragma unroll
  for (int k = 0; k < S::D; ++k) {
    const Wide<T> line = x(k);
    Wide<T> z[TN / N];
#pragma unroll
    for (int n = 0; n < TN / N; ++n) z[n] = view_as<Wide<T>>(slice)[k * (SLICE_STEP<TN> / N) + n * SIDE + tx];
#pragma unroll
    for (int i = 0; i < S::TM; ++i)
#pragma unroll
      for (int c = 0; c < TN; ++c) sum[i][c] += line.v[i] * z[c / N].v[c % N];
  }
}

// sum[i][j] += Σ a(ty·TM + i, k) · b(tx·TM + j, k) for k < depth. a and b are asked for every place of a slice, and give 0 outside of
// their arrays.
template <class S, class T, class Ma, class Mb, class A, class B>
__device__ __forceinline__ void accumulate(T (&sum)[S::TM][S::TM], int64_t depth, Ma& ma, Mb& mb, const A& a, const B& b) {
  const int ty = int(threadIdx.x) / SIDE;
#pragma unroll 1
  for (int64_t k0 = 0; k0 < depth; k0 += S::D) {
    copy_slice<T, S::R, S::D>(ma, true, depth - k0, [&](int i, int k) { return a(i, k0 + k); });
    copy_slice<T, S::R, S::D>(mb, true, depth - k0, [&](int j, int k) { return b(j, k0 + k); });
    __syncthreads();
    multiply_slice<S, S::TM>(sum, mb, [&](int k) { return view_as<Wide<T>>(ma)[k * ((S::R + 4) / Wide<T>::N) + ty]; });
    __syncthreads();
  }
}

// Where a tile of weights has the 16 bytes of lines piece·TM ... at k: exchanged, so that neighbours in k who store hit different banks.
template <class S, class T> FN int weights_at(int k, int piece) { return k * (S::R / Wide<T>::N) + (piece ^ (k / S::TM % 8)); }

// sum[i][c] += Σ weights[k][ty·TM + i] · b(k, column c) for k < depth; b gives 0 for columns outside of its array.
template <class S, int TN, class T, class Mw, class Mb, class B>
__device__ __forceinline__ void add_weighted(T (&sum)[S::TM][TN], int64_t depth, Mw& weights, Mb& mb, const B& b) {
  const int ty = int(threadIdx.x) / SIDE;
#pragma unroll 1
  for (int k0 = 0; k0 < depth && k0 < S::R; k0 += S::D) {
    copy_slice<T, SIDE * TN, S::D>(mb, false, depth - k0, [&](int c, int k) { return b(int64_t(k0 + k), c); });
    __syncthreads();
    multiply_slice<S, TN>(sum, mb, [&](int k) { return view_as<Wide<T>>(weights)[weights_at<S, T>(k0 + k, ty)]; });
    __syncthreads();
  }
}

// Over the 16 threads that share a row of the tile.
template <class T, class F> __device__ __forceinline__ T across(T v, const F& f) {
#pragma unroll
  for (int s = SIDE / 2; s > 0; s /= 2) v = f(v, __shfl_xor_sync(ALL, v, s));
  return v;
}

}  // namespace fastnn::cuda
