// softmax, rung 3, threads: rows are independent, so the pool takes chunks of them.
//
// A chunk holds about 16384 numbers, 10-30 us of exp: less and waking a thread costs more than it brings. Chunks depend on
// the shape, never on the number of threads, so the result is the same bit for bit on any machine.
//
// cost     long rows are bound by memory now; short rows still waste lanes
// read on  ../softmax.cpp: rows held in registers, short rows turned into lanes
#include "vector.h"

namespace fastnn::FN_ISA {

void softmax_threads(PackedOut y, PackedIn x, int64_t axis) {
  softmax_rows<VectorSoftmax>(y, x, x, axis, [](int64_t rows, int64_t n, const auto& each) FN_LAMBDA {
    parallel_for(rows, grain_of(n), each);
  });
}
void softmax_dx_threads(PackedOut dx, PackedIn g, PackedIn y, int64_t axis) {
  softmax_rows<VectorSoftmaxDx>(dx, g, y, axis, [](int64_t rows, int64_t n, const auto& each) FN_LAMBDA {
    parallel_for(rows, grain_of(n), each);
  });
}

}  // namespace fastnn::FN_ISA
