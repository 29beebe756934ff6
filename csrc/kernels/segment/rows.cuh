// segment/rows.cuh: sums over groups of scattered rows on a GPU: segments, entries of a sparse matrix, bags of embeddings.
//
//    sum_groups    y[r, c] = term.scale(r) · Σ term(k, c) over the k of group r. A team has one (r, c), neighbours c by c: a warp reads
//                  32 columns of a row; members of a team take every parts-th k. Their order of addition depends on shapes alone.
//
// Where groups begin, and which k they hold, comes from offsets that are given, or from sorting the numbers of the groups
// (../index/group.cuh). Numbers out of range are faults, and take no part.
#pragma once
#include "../../core/cuda/team.cuh"
#include "../index/group.cuh"

namespace fastnn::cuda {

struct Members {  // of group r: place(i), i in [begin(r), end(r))
  global<const int> order;       // null: i itself
  global<const int64_t> start;   // null: group r has the one k = r
  __device__ __forceinline__ int64_t begin(int64_t r) const { return start ? start[r] : r; }
  __device__ __forceinline__ int64_t end(int64_t r) const { return start ? start[r + 1] : r + 1; }
  __device__ __forceinline__ int64_t place(int64_t i) const { return order ? order[i] : i; }
};

template <class T, class Term>
__global__ void __launch_bounds__(TEAM_THREADS) sum_groups(Members m, Term term, int64_t rows, int64_t width, int parts, global<T> y) {
  SHARED(T, memory, TEAM_THREADS);
  const Team team(parts, false);
  for (int64_t first = int64_t(blockIdx.x) * team.teams; first < rows * width; first += int64_t(gridDim.x) * team.teams) {
    const int64_t item = first + team.team, r = item / width, c = item % width;
    T sum = 0;
    if (item < rows * width)
      for (int64_t i = m.begin(r) + team.part, end = m.end(r); i < end; i += team.parts) sum += term(m.place(i), c);
    sum = team.join(memory, sum, [](T a, T b) { return a + b; });
    if (team.part == 0 && item < rows * width) y[item] = term.scale(r) * sum;
  }
}
template <class T, class Term> void run_sum_groups(const char* name, const Members& m, const Term& term, int64_t n, int64_t rows, int64_t width, const View& y) {
  if (rows * width == 0) return;
  int parts = 1;  // by the average length of a group; a warp should still have columns side by side
  while (parts < 8 && parts * 4 * rows < n) parts *= 2;
  if (width < 8)
    while (parts < 64 && parts * 8 * rows < n) parts *= 2;
  launch(name, &sum_groups<T, Term>, blocks_for(rows * width, TEAM_THREADS / parts), TEAM_THREADS, m, term, rows, width, parts, out<T>(y));
}

struct CheckedIds {  // ids out of range become -1
  const char* name;
  global<const int64_t> ids;
  global<int64_t> place;
  int64_t rows, skip;
  __device__ void operator()(int64_t k) const {
    const int64_t id = ids[k];
    if (uint64_t(id) >= uint64_t(rows)) fault(Fault::index, name, id, rows);
    place[k] = uint64_t(id) < uint64_t(rows) && id != skip ? id : -1;
  }
};
struct CheckedOffsets {  // offsets that begin anywhere but 0, fall, or pass the end are faults; what is read with them stays inside
  const char* name;
  global<const int64_t> offsets;
  global<int64_t> start;
  int64_t given, rows, total;  // given: rows, or rows + 1
  __device__ void operator()(int64_t r) const {
    const int64_t at = r < given ? offsets[r] : total, before = r > 0 ? offsets[r - 1] : 0;
    if ((r == 0 && at != 0) || at < before || at > total) fault(Fault::index, name, at, total);
    start[r] = at < 0 ? 0 : at > total ? total : at;
  }
};
struct Expanded {  // the group that k belongs to, by halving
  global<const int64_t> start;
  global<int64_t> id;
  int64_t rows;
  __device__ void operator()(int64_t k) const {
    int64_t low = 0;
    for (int64_t length = rows; length > 0;) {  // the first r whose end is beyond k
      const int64_t half = length / 2;
      if (start[low + half + 1] <= k) low += half + 1, length -= half + 1;
      else length = half;
    }
    id[k] = low < rows ? low : -1;
  }
};

}  // namespace fastnn::cuda
