// core/cuda/row.cuh: who has a row, in the rungs of softmax and layer norm: a thread, a warp, or a block. team.cuh is what came of it.
//
//    Team::PARTS threads have a row; part p of them its numbers p, p + PARTS, p + 2·PARTS ...
//    join(v, f)          what all parts' values come to, in every part; always in the same order
#pragma once
#include "kernel.cuh"

namespace fastnn::cuda {

constexpr int ROW_THREADS = 256;  // of a block

struct OneThread {
  static constexpr int PARTS = 1;
  template <class T, class F> __device__ __forceinline__ static T join(T v, const F&) { return v; }
};

template <class T> __device__ __forceinline__ T of_lane(T v, int distance) { return __shfl_xor_sync(ALL, v, distance); }

struct OneWarp {
  static constexpr int PARTS = WARP;
  template <class T, class F> __device__ __forceinline__ static T join(T v, const F& f) {
#pragma unroll
    for (int distance = WARP / 2; distance > 0; distance /= 2) v = f(v, of_lane(v, distance));
    return v;
  }
};

struct OneBlock {
  static constexpr int PARTS = ROW_THREADS;
  template <class T, class F> __device__ __forceinline__ static T join(T v, const F& f) {  // all threads of the block must come
    SHARED(T, memory, PARTS / WARP);
    v = OneWarp::join(v, f);
    if (threadIdx.x % WARP == 0) memory[threadIdx.x / WARP] = v;
    __syncthreads();
    v = memory[0];
#pragma unroll
    for (int warp = 1; warp < PARTS / WARP; ++warp) v = f(v, memory[warp]);
    __syncthreads();
    return v;
  }
};

struct Greater {
  template <class T> __device__ T operator()(T a, T b) const { return a > b ? a : b; }
};
struct Plus {
  template <class T> __device__ T operator()(T a, T b) const { return a + b; }
};

// f(row, part): all threads of a team are in the same row.
template <class Team, class F> __device__ __forceinline__ void each_row(int64_t rows, const F& f) {
  constexpr int TEAMS = ROW_THREADS / Team::PARTS;
  for (int64_t row = int64_t(blockIdx.x) * TEAMS + threadIdx.x / Team::PARTS; row < rows; row += int64_t(gridDim.x) * TEAMS)
    f(row, int64_t(threadIdx.x % Team::PARTS));
}
template <class Team> unsigned blocks_of(int64_t rows) { return blocks_for(rows, ROW_THREADS / Team::PARTS); }

}  // namespace fastnn::cuda
