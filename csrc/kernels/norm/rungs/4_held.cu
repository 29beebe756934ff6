// layer_norm on a GPU, rung 4, held: a thread keeps its numbers of the row in registers, so a row is read once.
//
//    held[k] = x[row, part + 256·k]     k < 16          numbers beyond 4,096 are read each time, as before
//
// The loops over registers are unrolled: a register has no address, so its number must be known when the kernel is compiled.
//
// cost     one read and a write; 256 threads still have the shortest row
// counted  64 x 1024: 8,192 requests of global memory, 32,768 sectors; 9,216 of shared memory, 0 conflicts
//          derivative: 20,672 requests of global memory, 70,016 sectors; 18,432 of shared memory, 0 conflicts
// read on  ../norm.cu: teams as large as a row can use, and sums down the columns beside the rows
#include "rows.cuh"

namespace fastnn::cuda {

template <class Team, class T> struct Held {
  static constexpr int COUNT = 16;
  global<const T> x;
  int64_t n, part;
  T held[COUNT];
  __device__ __forceinline__ Held(global<const T> x, int64_t n, int64_t part) : x(x), n(n), part(part) {
#pragma unroll
    for (int k = 0; k < COUNT; ++k)
      if (part + k * Team::PARTS < n) held[k] = x[part + k * Team::PARTS];
  }
  template <class F> __device__ __forceinline__ void each(const F& f) const {
#pragma unroll
    for (int k = 0; k < COUNT; ++k)
      if (part + k * Team::PARTS < n) f(part + k * Team::PARTS, held[k]);
    for (int64_t j = part + COUNT * Team::PARTS; j < n; j += Team::PARTS) f(j, x[j]);
  }
};

FN_LAYER_NORM_RUNG(held, OneBlock, Held)

}  // namespace fastnn::cuda
