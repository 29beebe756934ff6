// softmax, rung 2, vector: the same three passes with every lane at work.
//
//    last axis     lanes run along the row; maximum and sum are folded across lanes at its end
//    other axes    lanes run across rows that lie side by side: no folding at all
//
// cost     about 10 instructions a vector for exp; a row of 10 numbers still fills 10 of 16 lanes and pays the folding
// read on  3_threads.cpp
#include "vector.h"

namespace fastnn::FN_ISA {

void softmax_vector(PackedOut y, PackedIn x, int64_t axis) {
  softmax_rows<VectorSoftmax>(y, x, x, axis, [](int64_t rows, int64_t, const auto& each) FN_LAMBDA { each(0, rows); });
}
void softmax_dx_vector(PackedOut dx, PackedIn g, PackedIn y, int64_t axis) {
  softmax_rows<VectorSoftmaxDx>(dx, g, y, axis, [](int64_t rows, int64_t, const auto& each) FN_LAMBDA { each(0, rows); });
}

}  // namespace fastnn::FN_ISA
