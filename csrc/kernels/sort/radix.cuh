// sort/radix.cuh: rows of (key, index) pairs in the order of their keys, stable, by their digits of 8 bits, the lowest first.
//
//    count     a block has a tile of a row, and counts each digit's occurrences in it
//    start     one block a row: where each digit of each tile goes (a running sum over digits, then tiles)
//    move      a block goes through its tile again, 256 pairs at a time, and moves each to its place
//
// Which threads of a warp have the same digit is one instruction (match), so a pair's place among its equals needs no atomics, and the
// order is the same every time. A digit's pass is left out where the keys are known to be smaller (`bits`).
//
// cost     a pass reads keys twice and indices once, and writes both; 4 passes for 32 bits
// read on  sort.cu, ../index/group.cuh
#pragma once
#include "../../core/cuda/each.cuh"

namespace fastnn::cuda {

constexpr int RADIX_THREADS = 256, DIGITS = 256, RADIX_WARPS = RADIX_THREADS / WARP;
constexpr int64_t RADIX_TILE = 4096;  // pairs of a block

struct RadixRows {
  int64_t rows, n, tiles;  // a row's tiles
  int shift;
};

// For each thread: how many of the block's 256 have the same digit and come before it; counts[8][d]: how many have digit d.
// digit < 0: takes no part. Every thread of the block must come. counts: a row of 256 for each warp, and one for the totals.
template <class M> __device__ __forceinline__ int rank_in_block(M& counts, int digit) {
  const int t = int(threadIdx.x), lane = t % WARP, warp = t / WARP;
#pragma unroll
  for (int w = 0; w < RADIX_WARPS; ++w) counts[w * DIGITS + t] = 0;
  __syncthreads();
  const unsigned same = __match_any_sync(ALL, digit);
  const int before = __popc(same & ((1u << lane) - 1));
  if (digit >= 0 && before == 0) counts[warp * DIGITS + digit] = __popc(same);
  __syncthreads();
  int sum = 0;  // thread t has digit t: its count becomes where each warp's begin
#pragma unroll
  for (int w = 0; w < RADIX_WARPS; ++w) {
    const int c = counts[w * DIGITS + t];
    counts[w * DIGITS + t] = sum;
    sum += c;
  }
  counts[RADIX_WARPS * DIGITS + t] = sum;
  __syncthreads();
  return digit >= 0 ? counts[warp * DIGITS + digit] + before : 0;
}

template <class K> __global__ void __launch_bounds__(RADIX_THREADS) radix_count(RadixRows r, global<const K> key, global<int> counted) {
  SHARED(int, counts, (RADIX_WARPS + 1) * DIGITS);
  const int t = int(threadIdx.x);
  for (int64_t item = blockIdx.x; item < r.rows * r.tiles; item += gridDim.x) {
    const int64_t row = item / r.tiles, tile = item % r.tiles, begin = tile * RADIX_TILE, end = begin + RADIX_TILE < r.n ? begin + RADIX_TILE : r.n;
    int mine = 0;  // of digit t
    for (int64_t i = begin; i < end; i += RADIX_THREADS) {
      rank_in_block(counts, i + t < end ? int(key[row * r.n + i + t] >> r.shift & 255) : -1);
      mine += counts[RADIX_WARPS * DIGITS + t];
      __syncthreads();
    }
    counted[(row * DIGITS + t) * r.tiles + tile] = mine;
  }
}
static __global__ void __launch_bounds__(RADIX_THREADS) radix_start(RadixRows r, global<int> counted) {
  SHARED(int, sums, 2 * DIGITS);
  const int t = int(threadIdx.x);
  for (int64_t row = blockIdx.x; row < r.rows; row += gridDim.x) {
    const global<int> mine = counted + (row * DIGITS + t) * r.tiles;
    int total = 0;
    for (int64_t k = 0; k < r.tiles; ++k) total += mine[k];
    int side = 0;
    sums[t] = total;
    __syncthreads();
    for (int s = 1; s < DIGITS; s *= 2, side = 1 - side) {  // running sums, from one half of the memory to the other
      sums[(1 - side) * DIGITS + t] = sums[side * DIGITS + t] + (t >= s ? sums[side * DIGITS + t - s] : 0);
      __syncthreads();
    }
    int start = sums[side * DIGITS + t] - total;
    for (int64_t k = 0; k < r.tiles; ++k) {
      const int c = mine[k];
      mine[k] = start;
      start += c;
    }
    __syncthreads();
  }
}
template <class K>
__global__ void __launch_bounds__(RADIX_THREADS) radix_move(RadixRows r, global<K> key_to, global<int> index_to, global<const K> key, global<const int> index,
                                                            global<const int> starts) {
  SHARED(int, counts, (RADIX_WARPS + 1) * DIGITS);
  SHARED(int, next, DIGITS);
  const int t = int(threadIdx.x);
  for (int64_t item = blockIdx.x; item < r.rows * r.tiles; item += gridDim.x) {
    const int64_t row = item / r.tiles, tile = item % r.tiles, begin = tile * RADIX_TILE, end = begin + RADIX_TILE < r.n ? begin + RADIX_TILE : r.n;
    next[t] = starts[(row * DIGITS + t) * r.tiles + tile];
    for (int64_t i = begin; i < end; i += RADIX_THREADS) {
      const bool here = i + t < end;
      const K k = here ? key[row * r.n + i + t] : K(0);
      const int digit = here ? int(k >> r.shift & 255) : -1;
      const int rank = rank_in_block(counts, digit);
      if (here) {
        const int64_t to = row * r.n + next[digit] + rank;
        key_to[to] = k;
        index_to[to] = index ? index[row * r.n + i + t] : int(i + t);  // the first pass: its own number
      }
      __syncthreads();
      next[t] += counts[RADIX_WARPS * DIGITS + t];
    }
    __syncthreads();
  }
}

// Sorts; what comes out: key and index, of memory that this keeps. The keys given are left as they are.
template <class K> struct Radix {
  Scratch<K> a, b;
  Scratch<int> ia, ib;
  global<const K> key;
  global<const int> index;
  Radix(const char* name, global<const K> keys, int64_t rows, int64_t n, int bits)
      : a(rows * n), b(rows * n), ia(rows * n), ib(rows * n), key(keys), index() {
    const RadixRows all{rows, n, ceil_div(n, RADIX_TILE), 0};
    if (rows * n == 0) return;
    Scratch<int> counted(rows * all.tiles * DIGITS);
    const unsigned blocks = blocks_for(rows * all.tiles, 1);
    for (int shift = 0; shift == 0 || shift < bits; shift += 8) {
      RadixRows r = all;
      r.shift = shift;
      const bool to_b = shift / 8 % 2;
      const global<K> key_to = to_b ? global<K>(b) : global<K>(a);
      const global<int> index_to = to_b ? global<int>(ib) : global<int>(ia);
      launch(name, &radix_count<K>, blocks, RADIX_THREADS, r, key, global<int>(counted));
      launch(name, &radix_start, blocks_for(rows, 1), RADIX_THREADS, r, global<int>(counted));
      launch(name, &radix_move<K>, blocks, RADIX_THREADS, r, key_to, index_to, key, index, counted.read());
      key = key_to, index = index_to;
    }
  }
};

}  // namespace fastnn::cuda
