// peak.cpp: how many float32 multiply-adds this machine can do. No data, no memory: independent chains in registers, one
// set a thread. The benches divide by what it measures; see bench/machine.py.
//
//    flops[0] = operations done      2 · lanes · CHAINS · steps · chunks
//    chains   12 per thread: latency 4-5 x 2 units needs 8-10 in flight, and 12 fit every register file
#include "../../core/parallel.h"
#include "../../core/simd.h"
#include "../declare.h"

namespace fastnn::FN_ISA {

// A number the compiler does not know: it had seen that 1 * 0.999 + 0.001 is 1, left that chain out, and the peak was 12/11 of the truth.
static float read(float number) {
  volatile float unknown = number;
  return unknown;
}

void peak(PackedOut flops, int64_t steps) {
  constexpr int CHAINS = 12;
  const int64_t chunks = steps < 64 << 20 ? 64 : steps >> 20, per_chunk = steps / chunks + 1;  // at most some milliseconds each
  Scratch<double> sums(chunks);
  parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      vec<float> acc[CHAINS];
      for (int i = 0; i < CHAINS; ++i) acc[i] = splat(read(float(i)));
      vec<float> a = splat(read(0.999f)), b = splat(read(0.001f));
      for (int64_t s = 0; s < per_chunk; ++s)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; ++i) acc[i] = acc[i] * a + b;
      for (int i = 1; i < CHAINS; ++i) acc[0] += acc[i];
      sums[c] = double(sum_lanes<float>(acc[0]));
    }
  });
  double* out = flops.ptr<double>();
  out[0] = 2.0 * lanes<float> * CHAINS * double(per_chunk) * double(chunks);
  if (sums[0] == 0.12345) out[0] = sums[0];  // the sums are used, so the loop stays
}

}  // namespace fastnn::FN_ISA
