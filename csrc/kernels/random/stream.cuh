// random/stream.cuh: the Philox stream on a GPU: the same numbers as on the CPU, for every seed and offset (stream.h says which element
// gets which word). The state [seed, offset] lies on the host: a launch takes its part of the stream along, and the offset is
// advanced at once.
#pragma once
#include "../../core/cuda/scalar.h"

namespace fastnn::cuda {

constexpr int TILE = 16, WORDS = 4 * TILE;  // counters of a tile, and their 32-bit words

struct Stream {
  uint32_t k0, k1;
  uint64_t first;
};
inline Stream stream_at(const int64_t* state) {
  const auto seed = uint64_t(state[0]);
  return {uint32_t(seed), uint32_t(seed >> 32), uint64_t(state[1])};
}
inline Stream claimed(const View& state, int64_t tiles) {
  int64_t* s = state.ptr<int64_t>();
  Stream stream = stream_at(s);
  stream.first = uint64_t(__atomic_fetch_add(&s[1], tiles * TILE, __ATOMIC_RELAXED));  // two threads never share numbers
  return stream;
}

struct Block { uint32_t w[4]; };
FN Block rounds(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t(c0) * 0xD2511F53u, b = uint64_t(c2) * 0xCD9E8D57u;
    const uint32_t n0 = uint32_t(b >> 32) ^ c1 ^ k0, n2 = uint32_t(a >> 32) ^ c3 ^ k1;
    c0 = n0, c1 = uint32_t(b), c2 = n2, c3 = uint32_t(a);
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}
FN Block at(const Stream& s, uint64_t counter) { return rounds(uint32_t(counter), uint32_t(counter >> 32), 0, 0, s.k0, s.k1); }

// A thread has one counter: its four words go to four elements, 16 apart, and neighbours write next to each other.
template <class F> __device__ __forceinline__ void each_word(const Stream& s, int64_t n, const F& f) {
  const int64_t counters = ceil_div(n, WORDS) * TILE;
  for (int64_t c = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; c < counters; c += int64_t(gridDim.x) * blockDim.x) {
    const Block b = at(s, s.first + uint64_t(c));
    for (int w = 0; w < 4; ++w) {
      const int64_t i = c / TILE * WORDS + w * TILE + c % TILE;
      if (i < n) f(i, b.w[w]);
    }
  }
}

}  // namespace fastnn::cuda
