// attention/tiles.cuh: the one product that everything is made of.
#pragma once
#include "problem.cuh"

namespace fastnn::cuda {

// R rows and R keys meet in a tile of scores, TM x TM a thread; D deep slices of the operands are in shared memory. 256 threads.
template <class T> struct Sizes;
template <> struct Sizes<float> { static constexpr int R = 64, TM = 4, D = 16; };
template <> struct Sizes<double> { static constexpr int R = 32, TM = 2, D = 16; };
constexpr int ATTENTION_THREADS = 256, SIDE = 16;  // threads along either side of a tile

// sum[i][c] += Σ_k a(ty·TM + i, k) · b(k, tx·TN + c) for k < depth, through shared memory: slices of R x D and D x 16·TN. a and b are
// asked for every place of a slice, and give 0 outside of their arrays. by_k: neighbours in memory lie along k.
template <class S, int TN, bool A_BY_K, bool B_BY_K, class T, class Ma, class Mb, class A, class B>
__device__ __forceinline__ void accumulate(T (&sum)[S::TM][TN], int64_t depth, Ma& ma, Mb& mb, const A& a, const B& b) {
  constexpr int AS = S::R + 4, BN = SIDE * TN, BS = BN + 4;
  const int t = int(threadIdx.x), tx = t % SIDE, ty = t / SIDE;
  for (int64_t k0 = 0; k0 < depth; k0 += S::D) {
#pragma unroll 2
    for (int e = t; e < S::R * S::D; e += ATTENTION_THREADS) {
      const int k = A_BY_K ? e % S::D : e / S::R, i = A_BY_K ? e / S::D : e % S::R;
      ma[k * AS + i] = k0 + k < depth ? a(i, k0 + k) : T(0);
    }
#pragma unroll 2
    for (int e = t; e < BN * S::D; e += ATTENTION_THREADS) {
      const int k = B_BY_K ? e % S::D : e / BN, c = B_BY_K ? e / S::D : e % BN;
      mb[k * BS + c] = k0 + k < depth ? b(k0 + k, c) : T(0);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < S::D; ++k) {
      T x[S::TM], z[TN];
#pragma unroll
      for (int i = 0; i < S::TM; ++i) x[i] = ma[k * AS + ty * S::TM + i];
#pragma unroll
      for (int c = 0; c < TN; ++c) z[c] = mb[k * BS + tx * TN + c];
#pragma unroll
      for (int i = 0; i < S::TM; ++i)
#pragma unroll
        for (int c = 0; c < TN; ++c) sum[i][c] += x[i] * z[c];
    }
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
