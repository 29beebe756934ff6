// pointwise.cpp: losses that compare two arrays number by number, each with its derivative, the sum or mean included.
//
//    l = loss(x, t, ..)        none: y = l      sum: y = Σ l      mean: y = Σ l / n        dx = g·∂l/∂x  (/ n for the mean)
//
// A loss is a struct with two formulas (formulas.h); drive.h does the rest: inputs of any strides, broadcast
// ones included, are fetched in blocks of 1024 (in place where they are contiguous), sums are kept per block in double.
// So a mean loss is one read of its inputs, and its derivative one read and one write.
// read on  targets.h, cross_entropy.cpp (classes)
#if defined(FN_CUDA)
#include "drive.cuh"
#else
#include "drive.h"
#endif

namespace fastnn::FN_ISA {

// ---- entries: all inputs, g included, expanded to the shape of x -----------------------------------------------------

void mse_loss(PackedOut y, In x, In t, int64_t reduction) { run<Mse, 2>(y, x, t, x, x, reduction, 0); }
void mse_loss_dx(PackedOut dx, In g, In x, In t, int64_t reduction) { run_dx<Mse, 2>(dx, g, x, t, x, x, reduction, 0); }
void l1_loss(PackedOut y, In x, In t, int64_t reduction) { run<L1, 2>(y, x, t, x, x, reduction, 0); }
void l1_loss_dx(PackedOut dx, In g, In x, In t, int64_t reduction) { run_dx<L1, 2>(dx, g, x, t, x, x, reduction, 0); }
void smooth_l1_loss(PackedOut y, In x, In t, int64_t reduction, double beta) {
  run<SmoothL1, 2>(y, x, t, x, x, reduction, beta);
}
void smooth_l1_loss_dx(PackedOut dx, In g, In x, In t, int64_t reduction, double beta) {
  run_dx<SmoothL1, 2>(dx, g, x, t, x, x, reduction, beta);
}
void huber_loss(PackedOut y, In x, In t, int64_t reduction, double delta) {
  run<Huber, 2>(y, x, t, x, x, reduction, delta);
}
void huber_loss_dx(PackedOut dx, In g, In x, In t, int64_t reduction, double delta) {
  run_dx<Huber, 2>(dx, g, x, t, x, x, reduction, delta);
}
void binary_cross_entropy(PackedOut y, In x, In t, In w, int64_t reduction) {
  run<BinaryCrossEntropy, 3, true>(y, x, t, w, x, reduction, 0);
}
void binary_cross_entropy_dx(PackedOut dx, In g, In x, In t, In w, int64_t reduction) {
  run_dx<BinaryCrossEntropy, 3>(dx, g, x, t, w, x, reduction, 0);
}
void binary_cross_entropy_with_logits(PackedOut y, In x, In t, In w, In pos_weight, int64_t reduction) {
  run<BinaryCrossEntropyWithLogits, 4>(y, x, t, w, pos_weight, reduction, 0);
}
void binary_cross_entropy_with_logits_dx(PackedOut dx, In g, In x, In t, In w, In pos_weight, int64_t reduction) {
  run_dx<BinaryCrossEntropyWithLogits, 4>(dx, g, x, t, w, pos_weight, reduction, 0);
}

}  // namespace fastnn::FN_ISA
