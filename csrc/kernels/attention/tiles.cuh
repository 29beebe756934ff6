// attention/tiles.cuh: what a GPU's block knows of a call, and the one product that everything is made of.
//
//    q (.., G·H, L, E)  k (.., H, S, E)  v (.., H, S, F)  mask (.., G·H, L, S)        any strides; mask's are often 0
//
// As on the CPU (rows.h) G query heads share a head of keys: their G·L queries are the rows of one problem, r = g·L + i.
#pragma once
#include "../../core/cuda/each.cuh"
#include "../../core/cuda/scalar.h"
#include "../random/stream.cuh"

namespace fastnn::cuda {

// R rows and R keys meet in a tile of scores, TM x TM a thread; D deep slices of the operands are in shared memory. 256 threads.
template <class T> struct Sizes;
template <> struct Sizes<float> { static constexpr int R = 64, TM = 4, D = 16; };
template <> struct Sizes<double> { static constexpr int R = 32, TM = 2, D = 16; };
constexpr int ATTENTION_THREADS = 256, SIDE = 16;  // threads along either side of a tile

template <class T> struct Strided {  // rows of one problem: r = g·L + i
  global<T> data;
  int64_t head, row, column;
  __device__ __forceinline__ T& at(int64_t start, int64_t r, int64_t length, int64_t j) const {
    return data[start + r / length * head + r % length * row + j * column];
  }
};

template <class T> struct Problem {
  Strided<const T> q, k, v, added, g, y;
  Strided<const uint8_t> visible;
  Loops<8> starts;  // of a head in q, k, v, mask, g, y, and two outputs
  int64_t heads, group, length, rows, keys, width, values;  // heads of keys in all, G, L, G·L, S, E, F
  bool causal, masked, flags, drops;
  T scale, keep_scale;
  uint32_t threshold;
  global<const int64_t> saved;  // [seed, offset] of the dropout

  __device__ __forceinline__ int64_t sees(int64_t r) const { return causal && r % length < keys ? r % length + 1 : keys; }
  __device__ __forceinline__ int64_t most_seen(int64_t from, int64_t to) const {  // by rows from .. to - 1
    if (!causal) return keys;
    if (to > rows) to = rows;
    return from / length != (to - 1) / length ? sees(length - 1) : sees(to - 1);
  }
  // The score of row r and key j, its product given: masked.
  __device__ __forceinline__ T score(int64_t mask_start, int64_t r, int64_t j, T product) const {
    if (r >= rows || j >= sees(r)) return -T(Limits<T>::INF);
    if (!masked) return product;
    if (flags) return visible.at(mask_start, r, length, j) ? product : -T(Limits<T>::INF);
    return product + added.at(mask_start, r, length, j);
  }
  // A weight dropped out: the masks of random/random.cu on the array (.., G·H, L, S)
  __device__ __forceinline__ T dropped(int64_t head, int64_t r, int64_t j, T weight) const {
    const int64_t n = (head * rows + r) * keys + j;
    const Stream s = {uint32_t(saved[0]), uint32_t(uint64_t(saved[0]) >> 32), uint64_t(saved[1])};
    const Block b = cuda::at(s, s.first + uint64_t(n / WORDS * TILE + n % TILE));
    return b.w[n % WORDS / TILE] >= threshold ? weight * keep_scale : T(0);
  }
};

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
