// reduce/drive.cuh: y = ⊕ map(x) over a set of axes on a GPU, once for every reduction (reduce.cu).
//
//    team      threads that make one result (core/cuda/team.cuh): along the row where the reduced axis is contiguous, across where
//              results lie side by side, so that either way a warp reads neighbours
//    pieces    few results of many elements: each is cut into pieces, a team for each, and a second launch joins the pieces
//
// Which element goes to which thread, and the order of joining, depend on shapes alone: the same bits every time. No atomics.
// cost      one read of x. A thread's own chain of additions is at most 64 elements long in a cut reduction, so float32 sums are
//           nearly as good as pairwise ones.
#pragma once
#include "../../core/cuda/loops.cuh"
#include "../../core/cuda/scalar.h"
#include "../../core/cuda/team.cuh"

namespace fastnn::cuda {

struct Reduction {
  Loops<2> kept;     // strides in x and in y
  Loops<1> reduced;  // strides in x
  int64_t outputs, length, pieces, piece;  // elements of a piece
  int parts;
  bool along;
};

inline Reduction reduction_of(const View& y, const View& x, const Ints& axes, bool ordered) {
  Reduction r{};
  bool is_reduced[MAX_DIMS] = {};
  for (int64_t i = 0; i < axes.n; ++i) is_reduced[axes[i]] = true;
  // y has all of x's axes, or only those kept, or lacks leading axes and has the rest (a gradient summed back)
  const bool only_kept = y.ndim == x.ndim - axes.n;
  const int lead = x.ndim - y.ndim;
  int64_t inner_kept = 0, inner_reduced = 0;  // strides of the innermost axes longer than 1
  for (int d = 0, at = 0; d < x.ndim; ++d) {
    const bool kept = !is_reduced[d];
    const int64_t strides[2] = {x.strides[d], kept ? y.strides[only_kept ? at : d - lead] : 0};
    at += kept;
    if (kept) r.kept.add(x.shape[d], strides);
    else r.reduced.add(x.shape[d], strides);
    if (x.shape[d] > 1) (kept ? inner_kept : inner_reduced) = x.strides[d] < 0 ? -x.strides[d] : x.strides[d];
  }
  r.outputs = r.kept.count, r.length = r.reduced.count;
  r.along = inner_kept == 0 || (inner_reduced && inner_reduced <= inner_kept);
  r.parts = team_size(r.length);
  if (!r.along && r.parts > TEAM_THREADS / 32) r.parts = TEAM_THREADS / 32;  // a warp side by side
  constexpr int64_t CHAIN = 64, ENOUGH = 4 * BUSY;  // blocks that keep a GPU busy
  const int64_t teams = ceil_div(r.outputs, TEAM_THREADS / r.parts);
  r.pieces = 1;
  if (r.length > CHAIN * r.parts && teams < ENOUGH) r.pieces = ceil_div(r.length, CHAIN * r.parts);
  if (r.pieces > 1024) r.pieces = 1024;
  (void)ordered;  // a thread takes its elements in order, and ties are settled by the index
  r.piece = ceil_div(r.length, r.pieces);
  return r;
}

// Op: A init(), A add(A, x, index), A join(A, A), R result(A)
template <class Op, class T> __global__ void reduce_pieces(Reduction r, Op op, global<const T> x, global<typename Op::A> partial,
                                                           global<typename Op::R> y) {
  using A = typename Op::A;
  SHARED(A, memory, TEAM_THREADS);
  const Team team(r.parts, r.along);
  const int64_t items = ceil_div(r.outputs, team.teams) * r.pieces;  // of blocks: some teams, one piece
  for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    const int64_t piece = item % r.pieces, o = item / r.pieces * team.teams + team.team;
    const int64_t begin = piece * r.piece, end = begin + r.piece < r.length ? begin + r.piece : r.length;
    int64_t at[2] = {0, 0};
    A a = op.init();
    if (o < r.outputs) {
      r.kept.find(o, at);
      for (int64_t i = begin + team.part; i < end; i += team.parts) {
        int64_t step[1];
        r.reduced.find(i, step);
        a = op.add(a, x[at[0] + step[0]], i);
      }
    }
    a = team.join(memory, a, [&](const A& p, const A& q) { return op.join(p, q); });
    if (team.part == 0 && o < r.outputs) {
      if (r.pieces == 1) y[at[1]] = op.result(a);
      else partial[o * r.pieces + piece] = a;
    }
  }
}

template <class Op> __global__ void join_pieces(Reduction r, Op op, global<const typename Op::A> partial, global<typename Op::R> y) {
  using A = typename Op::A;
  SHARED(A, memory, TEAM_THREADS);
  const Team team(TEAM_THREADS, true);
  for (int64_t o = blockIdx.x; o < r.outputs; o += gridDim.x) {
    A a = op.init();
    for (int64_t p = team.part; p < r.pieces; p += team.parts) a = op.join(a, partial[o * r.pieces + p]);
    a = team.join(memory, a, [&](const A& p, const A& q) { return op.join(p, q); });
    int64_t at[2];
    r.kept.find(o, at);
    if (team.part == 0) y[at[1]] = op.result(a);
  }
}

template <class Op, class T> void reduce(const char* name, const View& y, const View& x, const Ints& axes, Op op) {
  const Reduction r = reduction_of(y, x, axes, false);
  if (r.outputs == 0) return;
  using A = typename Op::A;
  using R = typename Op::R;
  const int64_t blocks = ceil_div(r.outputs, TEAM_THREADS / r.parts) * r.pieces;
  if (r.pieces == 1)
    return launch(name, &reduce_pieces<Op, T>, blocks_for(blocks, 1), TEAM_THREADS, r, op, in<T>(x), global<A>(), out<R>(y));
  Scratch<A> partial(r.outputs * r.pieces);
  launch(name, &reduce_pieces<Op, T>, blocks_for(blocks, 1), TEAM_THREADS, r, op, in<T>(x), global<A>(partial), out<R>(y));
  launch(name, &join_pieces<Op>, blocks_for(r.outputs, 1), TEAM_THREADS, r, op, partial.read(), out<R>(y));
}

}  // namespace fastnn::cuda
