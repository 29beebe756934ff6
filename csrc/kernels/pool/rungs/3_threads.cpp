// max_pool2d, rung 3, threads: output rows are independent, and so are the planes of dx.
//
// cost     still one pass over the outputs for each tap
// read on  ../max.h: rows split by phases into whole vectors, each input row reduced once;  ../max_dx.h: threads own rows of dx
#include "taps.h"

namespace fastnn::FN_ISA {

void max_pool2d_threads(PackedOut y, PackedOut offsets, PackedIn x, Pool2d p) {
  max_by_taps(y, offsets, x, p, [](int64_t n, int64_t cost, const auto& each) { parallel_for(n, 20000 / cost + 1, each); });
}
void max_pool2d_dx_threads(PackedOut dx, PackedIn g, PackedIn offsets, Pool2d p) {
  scatter_by_planes(dx, g, offsets, p, [](int64_t n, int64_t cost, const auto& each) { parallel_for(n, 20000 / cost + 1, each); });
}

}  // namespace fastnn::FN_ISA
