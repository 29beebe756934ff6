// max_pool2d, rung 2, taps: the loops change places: for each tap of the window, a walk along a whole row of outputs.
//
//    row i of y = max over taps (a, b) of the row  x[i·s + a·d - p, b·d - p + {0, s, 2s, ...}]
//
// Which outputs a tap reaches (j0 <= j < j1) is known before the walk, so the inner loop asks nothing of the borders, and
// its two selects need no branch. Values and offsets of the row wait in the first-level cache between taps.
// dx stays a scatter: the window of an output is known, the outputs of an input are not.
//
// cost     kh·kw passes over a row of outputs; strided reads keep it from whole vectors
// read on  3_threads.cpp
#include "taps.h"

namespace fastnn::FN_ISA {

void max_pool2d_taps(PackedOut y, PackedOut offsets, PackedIn x, Pool2d p) {
  max_by_taps(y, offsets, x, p, [](int64_t n, int64_t, const auto& each) { each(0, n); });
}
void max_pool2d_dx_taps(PackedOut dx, PackedIn g, PackedIn offsets, Pool2d p) {
  scatter_by_planes(dx, g, offsets, p, [](int64_t n, int64_t, const auto& each) { each(0, n); });
}

}  // namespace fastnn::FN_ISA
