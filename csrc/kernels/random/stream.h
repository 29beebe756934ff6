// random/stream.h: which element gets which random word, and how a kernel takes its share of the stream.
//
// The state is an array of two int64, [seed, offset]: the key and the next unused counter. A kernel claims the counters
// it needs by advancing the offset, so a recorded step draws fresh numbers each time it is replayed.
//
// Counters are spent in tiles of 16. Tile t of an array covers
//
//    64 float32 (or integers, or masks)     element 64t + 16w + l  <-  word w of counter 16t + l
//    32 float64                             element 32t + 16p + l  <-  words 2p, 2p+1 of counter 16t + l
//
// This order needs no transpose at any vector width (an AVX-512 pass makes a tile, SSE needs four), and it is the same
// for all of them: the numbers depend on the seed, the offset and the position alone.
#pragma once
#include "../../core/parallel.h"
#include "philox.h"

namespace fastnn::FN_ISA {

constexpr int TILE = 16;                         // counters
constexpr int WORDS = 4 * TILE;                  // 32-bit words of a tile
template <class T> constexpr int per_tile = sizeof(T) == 8 ? 2 * TILE : WORDS;
template <> constexpr int per_tile<int64_t> = WORDS;
constexpr int HALF_LANES = 2 * LANES;            // 32-bit lanes of a vector: counters of one pass over a float tile

struct Stream {
  Key key;
  uint64_t first;
  FN uint64_t tile(int64_t t) const { return first + uint64_t(t) * TILE; }
};

FN Stream stream_at(const int64_t* state) {
  auto seed = uint64_t(state[0]);
  return {{uint32_t(seed), uint32_t(seed >> 32)}, uint64_t(state[1])};
}

FN Stream claim(const View& state, int64_t tiles) {
  int64_t* s = state.ptr<int64_t>();
  Stream stream = stream_at(s);
  stream.first = uint64_t(__atomic_fetch_add(&s[1], tiles * TILE, __ATOMIC_RELAXED));  // two threads never share numbers
  return stream;
}

// The 4 words of HALF_LANES counters, counter by counter in lane order: even counters in the low halves, odd in the high.
struct Packed {
  vec<int32_t> w[4];
};
FN vec<int32_t> pack(Lanes even, Lanes odd) { return (vec<int32_t>)((even & 0xffffffffu) | (odd << 32)); }
FN Packed words_at(uint64_t first, Key key) {
  Words a = philox_at(first, 2, key), b = philox_at(first + 1, 2, key);
  return {{pack(a.w0, b.w0), pack(a.w1, b.w1), pack(a.w2, b.w2), pack(a.w3, b.w3)}};
}

FN void tile_words(uint32_t* words, uint64_t first, Key key) {
#pragma GCC unroll 4
  for (int l = 0; l < TILE; l += HALF_LANES) {
    Packed p = words_at(first + uint64_t(l), key);
#pragma GCC unroll 4
    for (int w = 0; w < 4; ++w) store((int32_t*)words + w * TILE + l, p.w[w]);
  }
}

// Dropout. One word an element: in 32-bit lanes beside floats, widened beside doubles.
FN vec<float> keep(vec<float> x, const uint32_t* words, uint32_t threshold) {
  constexpr int32_t flip = int32_t(0x80000000);  // unsigned order by a signed comparison
  return (load((const int32_t*)words) ^ flip) >= (int32_t(threshold) ^ flip) ? x : vec<float>{};
}
FN vec<double> keep(vec<double> x, const uint32_t* words, uint32_t threshold) {
  typedef uint32_t Half __attribute__((vector_size(VECTOR_BYTES / 2)));
  Half w;
  __builtin_memcpy(&w, words, sizeof w);
  return __builtin_convertvector(w, vec<int64_t>) >= int64_t(threshold) ? x : vec<double>{};
}

// f(start, count, counter) for every tile of n elements; the last one may be partial.
template <int PER, class F> FN void for_tiles(int64_t n, const Stream& stream, const F& f) {
  parallel_for(ceil_div(n, PER), 512, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int64_t start = t * PER;
      f(start, n - start < PER ? n - start : PER, stream.tile(t));
    }
  });
}

}  // namespace fastnn::FN_ISA
