// conv2d/tile.h: C[MR, NR] += A[MR, k] · B[k, NR], the outer products that forward and input gradient spend their time in.
//
//    A   [k][MR]       weights, packed once per call: MR broadcasts a step
//    B   row i at base + offset[i]: a packed panel (offset = i·NR), or the slab itself, where a tap is an offset
//    C   MR·NV accumulators that stay in registers for all of k
//
//    registers   avx512, neon 14×2 or 6×4 of 32     avx2, sse 6×2 or 2×4 of 16
//    cost        MR·NV FMAs for MR + NV loads: bound by the FMA ports
#pragma once
#include "window.h"

namespace fastnn::FN_ISA {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int MR_MAX = 14, MR_FLAT = 6;
#else
constexpr int MR_MAX = 6, MR_FLAT = 2;
#endif
constexpr int NV_WIDE = 4, NV = 2;  // vectors across: 4 when all of M fits MR_FLAT rows, else 2

template <class T, int MR, int V>
static void tile(int64_t k, const T* a, const T* base, const int64_t* offset, T* c, int64_t pitch, bool add,
                 const T* bias) {
  vec<T> acc[MR][V];
#pragma GCC unroll 14
  for (int r = 0; r < MR; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[r][v] = bias ? splat(bias[r]) : vec<T>{};
  for (int64_t i = 0; i < k; ++i, a += MR) {
    const T* row = base + offset[i];
    vec<T> b[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) b[v] = load(row + v * lanes<T>);
#pragma GCC unroll 14
    for (int r = 0; r < MR; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[r][v] += a[r] * b[v];
  }
#pragma GCC unroll 14
  for (int r = 0; r < MR; ++r, c += pitch)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {  // each block of K starts from zero: shorter chains of sums, smaller errors
      T* to = c + v * lanes<T>;
      store(to, add ? load(to) + acc[r][v] : acc[r][v]);
    }
}

template <class T> using Tile = void (*)(int64_t, const T*, const T*, const int64_t*, T*, int64_t, bool, const T*);

template <class T, int V> static Tile<T> tile_high(int rows) {
  switch (rows) {
    case 1: return tile<T, 1, V>;
    case 2: return tile<T, 2, V>;
#if defined(__AVX512F__) || defined(__aarch64__)
    case 3: return tile<T, 3, V>;
    case 4: return tile<T, 4, V>;
    case 5: return tile<T, 5, V>;
    case 6: return tile<T, 6, V>;
  }
  if constexpr (V <= NV) switch (rows) {
      case 7: return tile<T, 7, V>;
      case 8: return tile<T, 8, V>;
      case 9: return tile<T, 9, V>;
      case 10: return tile<T, 10, V>;
      case 11: return tile<T, 11, V>;
      case 12: return tile<T, 12, V>;
      case 13: return tile<T, 13, V>;
      case 14: return tile<T, 14, V>;
    }
#else
  }
  if constexpr (V <= NV) switch (rows) {
      case 3: return tile<T, 3, V>;
      case 4: return tile<T, 4, V>;
      case 5: return tile<T, 5, V>;
      case 6: return tile<T, 6, V>;
    }
#endif
  return nullptr;
}
template <class T> static Tile<T> tile_of(int rows, int vectors) {
  return vectors == 1 ? tile_high<T, 1>(rows) : vectors == NV ? tile_high<T, NV>(rows) : tile_high<T, NV_WIDE>(rows);
}

// Rows of M are cut evenly: 64 is 13 13 13 13 12, never 14 14 14 14 8.
struct Even {
  int64_t n, parts;
  FN int64_t begin(int64_t i) const { return i * (n / parts) + least(i, n % parts); }
  FN int64_t size(int64_t i) const { return n / parts + (i < n % parts); }
};
FN Even evenly(int64_t n, int64_t at_most) { return {n, ceil_div(n, at_most)}; }

}  // namespace fastnn::FN_ISA
