// reduce/plan.h: turn (shape, strides, axes) into two short lists of loops, and say which way the vectors lie.
//
//    x (2, 3, 4, 5) summed over axes 0 and 1   →   reduced [(6, 20)]   kept [(20, 1)]     merged where memory allows
//
//    across   the innermost loop is a reduced one: a row of x becomes one number          y[o] = Σ_c x[o, c]
//    down     the innermost loop is a kept one: rows are added to each other, lane by lane  y[c] = Σ_r x[r, c]
//
// Axes are sorted by stride, so any permutation of a packed array is read in memory order. Rows shorter than a few
// vectors are turned: their columns then lie along a kept axis and are packed (pass.h) into vectors.
// Read on: pass.h (one block of arithmetic), drive.h (tasks and threads).
#pragma once
#include "../../core/parallel.h"
#include "../../core/simd.h"
#include "../declare.h"

namespace fastnn::FN_ISA {

struct Axis {
  int64_t size;
  int64_t x;  // stride in the input, in elements
  int64_t y;  // stride in the output; 0 for a reduced axis
};

struct Plan {
  Axis kept[MAX_DIMS + 1], reduced[MAX_DIMS + 1];  // outermost first; at least one each, the innermost holds columns
  int nk = 0, nr = 0;
  int64_t outputs = 1, length = 1;  // how many results, and how many elements make each
  int64_t x_start = 0, y_start = 0;  // where the loops begin: a negative stride is walked from its other end
  bool down = false;
  int64_t group = 1;  // down: this many adjacent short rows are read as one long row, and folded at the end
};

// A flat index over a list of axes, and the offsets it stands for.
struct Walk {
  const Axis* axes;
  int n;
  int64_t index[MAX_DIMS + 1];
  int64_t x = 0, y = 0;

  FN Walk(const Axis* list, int count, int64_t start) : axes(list), n(count) {
    for (int d = n - 1; d >= 0; --d) {
      index[d] = start % axes[d].size;
      start /= axes[d].size;
      x += index[d] * axes[d].x;
      y += index[d] * axes[d].y;
    }
  }
  FN void next() {
    for (int d = n - 1; d >= 0; --d) {
      x += axes[d].x;
      y += axes[d].y;
      if (++index[d] < axes[d].size) return;
      x -= axes[d].size * axes[d].x;
      y -= axes[d].size * axes[d].y;
      index[d] = 0;
    }
  }
};

constexpr int64_t SHORT_ROW = 12;    // rows of fewer elements are turned: 20,000 rows of 30 by vectors 35 us, turned 116; of 8 31 and 35 (Zen 4)
constexpr int64_t MANY_ROWS = 32;    // where there are so many
constexpr int64_t NARROW = 64;       // up to so many columns are grouped until vectors are full, more until rows are LONG
constexpr int64_t LONG = 704;        // 8 rows are then streams of their own, and no power of two apart
constexpr int64_t TILE = 1024;       // columns added down at once: their totals stay in L1

// `ordered`: the order along the reduced axes matters (argmax), so they are neither sorted nor flipped.
static inline void add_axis(Axis* list, int& n, Axis a, bool sorted) {
  int at = n++;
  auto rank = [](const Axis& b) __attribute__((always_inline)) { return b.x == 0 ? INT64_MAX : b.x < 0 ? -b.x : b.x; };
  for (; sorted && at > 0 && rank(list[at - 1]) < rank(a); --at) list[at] = list[at - 1];
  list[at] = a;
}

static inline void merge_axes(Axis* list, int& n) {
  int m = 0;
  for (int i = 1; i < n; ++i) {
    Axis& outer = list[m];
    const Axis inner = list[i];
    if (outer.x == inner.size * inner.x && outer.y == inner.size * inner.y) outer = {outer.size * inner.size, inner.x, inner.y};
    else list[++m] = inner;
  }
  n = m + 1;
}

static inline Plan make_plan(const View& y, const View& x, const Ints& axes, bool ordered = false) {
  Plan p;
  bool is_reduced[MAX_DIMS] = {};
  for (int64_t i = 0; i < axes.n; ++i) is_reduced[axes[i]] = true;
  // y has all of x's axes, or only those kept, or lacks leading axes and has the rest (a gradient summed back)
  const bool only_kept = y.ndim == x.ndim - axes.n;
  const int lead = x.ndim - y.ndim;
  int at = 0;
  for (int d = 0; d < x.ndim; ++d) {
    const bool r = is_reduced[d];
    Axis a = {x.shape[d], x.strides[d], r ? 0 : y.strides[only_kept ? at : d - lead]};
    at += !r;
    (r ? p.length : p.outputs) *= a.size;
    if (a.size == 1) continue;
    if (a.x < 0 && !(r && ordered)) {
      p.x_start += (a.size - 1) * a.x;
      p.y_start += (a.size - 1) * a.y;
      a.x = -a.x;
      a.y = -a.y;
    }
    if (r) add_axis(p.reduced, p.nr, a, !ordered);
    else add_axis(p.kept, p.nk, a, true);
  }
  if (p.nr == 0) p.reduced[p.nr++] = {1, 0, 0};
  if (p.nk == 0) p.kept[p.nk++] = {1, 0, 0};
  if (p.outputs == 0 || p.length == 0) return p;
  merge_axes(p.kept, p.nk);
  if (!ordered) merge_axes(p.reduced, p.nr);

  const Axis &k = p.kept[p.nk - 1], &r = p.reduced[p.nr - 1];
  const int64_t rx = r.x < 0 ? -r.x : r.x;
  if (p.length == 1) p.down = true;
  else if (p.outputs == 1) p.down = false;
  else if (rx < k.x || k.x == 0) p.down = r.size < SHORT_ROW && k.size >= MANY_ROWS;
  else p.down = k.size >= 8 || k.size >= r.size || rx == k.x * k.size;
  return p;
}

// Few columns, many adjacent rows (a bias gradient): (r, c) is read as (r / g, g · c) so that vectors are full, and memory
// serves more than one stream: (512, 256, 128) over axis 1 3.8 ms, in groups of 6 rows 1.7.
static inline void group_rows(Plan& p, int64_t lanes) {
  const Axis &k = p.kept[p.nk - 1], &r = p.reduced[p.nr - 1];
  if (!p.down || k.size >= LONG / 2 || k.x != 1 || r.x != k.size) return;
  int64_t step = lanes;
  while (step > 1 && (step / 2) * k.size % lanes == 0) step /= 2;
  const int64_t wanted = k.size <= NARROW ? 4 * lanes : LONG;
  int64_t g = step;
  while (g * k.size < wanted && (g + step) * k.size <= TILE) g += step;
  if (r.size >= 8 * g) p.group = g;
}

}  // namespace fastnn::FN_ISA
