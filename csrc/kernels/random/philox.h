// random/philox.h: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//
//    (c0 c1 c2 c3), (k0 k1)  ->  four random 32-bit words.          A function of a counter, not a sequence:
//                                                                   any element can be computed alone, so
//    one round   c0' = hi(M1·c2) ^ c1 ^ k0     c1' = lo(M1·c2)      threads and vector widths change nothing.
//                c2' = hi(M0·c0) ^ c3 ^ k1     c3' = lo(M0·c0)
//                k0 += W0, k1 += W1            ten rounds
//
// A lane is a counter. Words sit in the low halves of 64-bit lanes; the high halves hold junk, which the multiply
// ignores. So a round is 2 multiplies, 2 shifts, 2 three-way xors and not one shuffle, for 8 counters at a time;
// 32-bit lanes would need 4 multiplies and 8 blends for 16.
//
//    cost     12 instructions a round for 16 counters = 64 words: about one cycle a word on one core
//    read on  stream.h (which element gets which word)
#pragma once
#include "../../core/simd.h"

namespace fastnn::FN_ISA {

typedef uint64_t Lanes __attribute__((vector_size(VECTOR_BYTES)));
constexpr int LANES = VECTOR_BYTES / 8;  // counters in one vector

struct Key {
  uint32_t k0, k1;
};
struct Words {
  Lanes w0, w1, w2, w3;  // the low halves count
};

FN Lanes times(Lanes a, uint64_t m) { return (Lanes)mul_low32((vec<int64_t>)a, splat<int64_t>(int64_t(m))); }

FN Words philox_rounds(Words c, Key key) {
  uint32_t k0 = key.k0, k1 = key.k1;
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    Lanes a = times(c.w0, 0xD2511F53), b = times(c.w2, 0xCD9E8D57);
    c = {(b >> 32) ^ c.w1 ^ k0, b, (a >> 32) ^ c.w3 ^ k1, a};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

// Counters first, first + step, first + 2·step, ... (64 bits of the 128; the upper half stays 0).
FN Words philox_at(uint64_t first, uint64_t step, Key key) {
  Lanes n{};
#pragma GCC unroll 8
  for (int i = 0; i < LANES; ++i) n[i] = step * uint64_t(i);
  n += first;
  return philox_rounds({n, n >> 32, Lanes{}, Lanes{}}, key);
}

}  // namespace fastnn::FN_ISA
