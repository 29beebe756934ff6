// conv2d/tile.h: C[M, NR] += A[M, k] · B[k, NR], the outer products that forward and input gradient spend their time in.
//
//    A   [k][M]        weights, packed once per call: M broadcasts a step
//    B   row i at base + offset[i]: a packed panel (offset = i·NR), or the slab itself, where a tap is an offset
//    C   M·V accumulators that stay in registers for all of k
//
//    registers   MR×NV as matmul/tile.h has them; MR_FLAT×4 for few rows, whose latency needs more columns
//    cost        M·V FMAs for M + V loads: bound by the FMA ports
#pragma once
#include "../../core/stream.h"
#include "window.h"

namespace fastnn::FN_ISA {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int MR_FLAT = 6;
#else
constexpr int MR_FLAT = 2;
#endif
constexpr int NV_WIDE = 4;  // vectors across when all of M fits MR_FLAT rows, else NV

// What later tiles read from memory, a line for each step of k: it arrives in L2 while this one is computed.
template <class T> struct Ahead {
  const T* base = nullptr;
  const int64_t* offset = nullptr;
};

// What becomes of a tile: stored, added to what is there, or streamed past the cache (then c and pitch are multiples of a vector).
enum class End { store, add, stream };

template <class T, int M, int V, bool Fetch = false>
static void tile(int64_t k, const T* a, const T* base, const int64_t* offset, T* c, int64_t pitch, End end,
                 const T* bias, Ahead<T> ahead) {
  vec<T> acc[M][V];
#pragma GCC unroll 14
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[r][v] = bias ? splat(bias[r]) : vec<T>{};
  for (int64_t i = 0; i < k; ++i, a += M) {
    const T* row = base + offset[i];
    if constexpr (Fetch) __builtin_prefetch(ahead.base + ahead.offset[i], 0, 2);
    vec<T> b[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) b[v] = load(row + v * lanes<T>);
#pragma GCC unroll 14
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[r][v] += a[r] * b[v];
  }
#pragma GCC unroll 14
  for (int r = 0; r < M; ++r, c += pitch)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {  // each block of K starts from zero: shorter chains of sums, smaller errors
      T* to = c + v * lanes<T>;
      if (end == End::stream) stream_vector(to, acc[r][v]);
      else store(to, end == End::add ? load(to) + acc[r][v] : acc[r][v]);
    }
}

template <class T> using Tile = void (*)(int64_t, const T*, const T*, const int64_t*, T*, int64_t, End, const T*, Ahead<T>);

template <class T, int V, int M, bool Fetch = false> static Tile<T> tile_high(int rows) {
  if constexpr (M == 1) return tile<T, 1, V, Fetch>;
  else return rows == M ? tile<T, M, V, Fetch> : tile_high<T, V, M - 1, Fetch>(rows);
}
template <class T> static Tile<T> tile_of(int rows, int vectors, bool fetch = false) {
  return vectors == 1    ? tile_high<T, 1, MR>(rows)
         : vectors != NV ? tile_high<T, NV_WIDE, MR_FLAT>(rows)
         : fetch         ? tile_high<T, NV, MR, true>(rows)
                         : tile_high<T, NV, MR>(rows);
}

// Rows of M are cut evenly: 64 is 13 13 13 13 12, never 14 14 14 14 8.
struct Even {
  int64_t n, parts;
  FN int64_t begin(int64_t i) const { return i * (n / parts) + least(i, n % parts); }
  FN int64_t size(int64_t i) const { return n / parts + (i < n % parts); }
};
FN Even evenly(int64_t n, int64_t at_most) { return {n, ceil_div(n, at_most)}; }

}  // namespace fastnn::FN_ISA
