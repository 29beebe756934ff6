// norm/sums.cuh: two sums at once, Σ p and Σ q, of terms that a rule gives: over runs of memory, and down the columns of a matrix.
// Both write partial sums, which reduce/'s sum adds: the order depends on shapes alone, and nothing is added by atomics.
#pragma once
#include "../../core/cuda/each.cuh"
#include "../../core/cuda/scalar.h"
#include "../../core/cuda/team.cuh"

namespace fastnn::cuda {

void sum(Out y, In x, Ints axes);

template <class T> struct Two {
  T a, b;
};
template <class T> FN Two<T> operator+(Two<T> x, Two<T> y) { return {x.a + y.a, x.b + y.b}; }

// terms(run, i) for i < length; each run is cut into `pieces`: a[run][piece] = Σ p, b[run][piece] = Σ q. A team has a piece.
template <class T, class Terms>
__global__ void run_sums(Terms terms, int64_t runs, int64_t length, int64_t pieces, int parts, global<T> a, global<T> b) {
  SHARED(Two<T>, memory, TEAM_THREADS);
  const Team team(parts, true);
  const int64_t piece = ceil_div(length, pieces);
  for (int64_t first = int64_t(blockIdx.x) * team.teams; first < runs * pieces; first += int64_t(gridDim.x) * team.teams) {
    const int64_t item = first + team.team, run = item / pieces, begin = item % pieces * piece;
    const int64_t end = item >= runs * pieces ? 0 : begin + piece < length ? begin + piece : length;
    Two<T> s = {T(0), T(0)};
    for (int64_t i = begin + team.part; i < end; i += team.parts) s = s + terms(run, i);
    s = team.join(memory, s, [](const Two<T>& p, const Two<T>& q) { return p + q; });
    if (team.part == 0 && item < runs * pieces) a[item] = s.a, b[item] = s.b;
  }
}

// terms(row, column): a[piece][column] = Σ p over a piece of the rows. A block has 32 columns side by side, 8 rows at a time.
template <class T, class Terms>
__global__ void column_sums(Terms terms, int64_t rows, int64_t columns, int64_t pieces, global<T> a, global<T> b) {
  SHARED(Two<T>, memory, TEAM_THREADS);
  const Team team(TEAM_THREADS / WARP, false);
  const int64_t piece = ceil_div(rows, pieces), tiles = ceil_div(columns, WARP);
  for (int64_t item = blockIdx.x; item < tiles * pieces; item += gridDim.x) {
    const int64_t column = item % tiles * WARP + team.team, k = item / tiles, begin = k * piece;
    const int64_t end = column >= columns ? 0 : begin + piece < rows ? begin + piece : rows;
    Two<T> s = {T(0), T(0)};
    for (int64_t row = begin + team.part; row < end; row += team.parts) s = s + terms(row, column);
    s = team.join(memory, s, [](const Two<T>& p, const Two<T>& q) { return p + q; });
    if (team.part == 0 && column < columns) a[k * columns + column] = s.a, b[k * columns + column] = s.b;
  }
}

// How often something long is cut so that `teams` of them occupy the GPU, pieces not shorter than `least`.
inline int64_t pieces_of(int64_t length, int64_t least, int64_t blocks) {
  int64_t p = blocks < 4 * BUSY ? ceil_div(4 * BUSY, blocks > 0 ? blocks : 1) : 1;
  if (p > length / least) p = length / least;
  return p < 1 ? 1 : p;
}

}  // namespace fastnn::cuda
