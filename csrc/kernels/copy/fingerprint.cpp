// fingerprint.cpp: 64 bits that tell whether memory has changed, as fast as it can be read.
//
// Memory that NumPy or another library can write to is fingerprinted when a derivative will need it, and again before it is
// used (bind/record.cpp). 64 streams of 32-bit words take in 256 bytes a step:
//
//    h ← rotate(h xor w) · K        K odd: for given h, another w always gives another h, so one changed word is always seen
//
// Measured (Zen 4, two threads, 4 MiB in L3): 8 scalar streams of 64 bits 170 us, this 35. Long rows of a matrix apart from one another
// go the same way, each by itself: a gated unit of halves of a 64x256 array, with its derivative, 148 us element by element, 30 so.
// The streams are 64 whatever the vector's width, so that every instruction set finds the same fingerprint.
#include "../declare.h"
#include "../../core/parallel.h"
#include "../../core/simd.h"

namespace fastnn::FN_ISA {
namespace {

constexpr uint64_t MIX = 0x9e3779b97f4a7c15ull;
constexpr int64_t CHUNK = 128 << 10;  // bytes
constexpr int STREAMS = 64, VECTORS = STREAMS * 4 / VECTOR_BYTES;
typedef uint32_t Words __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t WordsInMemory __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));

FN uint64_t mix(uint64_t h, uint64_t w) {
  h ^= w;
  return (h << 23 | h >> 41) * MIX;
}

uint64_t of_bytes(const char* p, int64_t n) {
  Words h[VECTORS] = {};
  for (; n >= STREAMS * 4; n -= STREAMS * 4, p += STREAMS * 4)
#pragma GCC unroll 16
    for (int i = 0; i < VECTORS; ++i) {
      h[i] ^= *reinterpret_cast<const WordsInMemory*>(p + i * VECTOR_BYTES);
      h[i] = (h[i] << 13 | h[i] >> 19) * 0x9e3779b1u;
    }
  uint64_t words[STREAMS / 2], f = uint64_t(n);
  __builtin_memcpy(words, h, sizeof words);
  for (uint64_t w : words) f = mix(f, w);
  for (; n > 0; --n, ++p) f = mix(f, uint64_t(*p));
  return f;
}

// Its elements fill one piece of memory, whatever the order of its axes.
bool dense(const View& v) {
  int64_t expect = 1, left = v.numel();
  bool done[MAX_DIMS] = {};
  for (int k = 0; k < v.ndim; ++k)
    for (int d = 0; d < v.ndim; ++d)
      if (!done[d] && v.shape[d] != 1 && v.strides[d] == expect) {
        done[d] = true;
        expect *= v.shape[d];
        left /= v.shape[d];
        break;
      }
  return left == 1;
}

In each_once(In x) {  // an expanded mask is read as often as it lies in memory
  for (int d = 0; d < x.ndim; ++d)
    if (x.strides[d] == 0 && x.shape[d] > 1) x.shape[d] = 1;
  return x;
}

}  // namespace

void fingerprint(PackedOut h, In view) {
  const In x = each_once(view);
  const int64_t n = x.numel(), size = itemsize(x.dtype), bytes = n * size;
  auto* data = x.ptr<const char>();
  uint64_t f = uint64_t(n);
  if (n == 0) {
  } else if (dense(x)) {
    Scratch<uint64_t> part(ceil_div(bytes, CHUNK));
    parallel_for(bytes, CHUNK, [&](int64_t begin, int64_t end) { part[begin / CHUNK] = of_bytes(data + begin, end - begin); });
    for (int64_t i = 0; i < ceil_div(bytes, CHUNK); ++i) f = mix(f, part[i]);
  } else if (const int64_t row = x.shape[x.ndim - 1]; x.strides[x.ndim - 1] == 1 && row * size >= STREAMS * 4) {
    const int64_t rows = n / row;
    Scratch<uint64_t> part(rows);
    parallel_for(rows, ceil_div(CHUNK, row * size), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t offset = 0;
        for (int64_t d = x.ndim - 2, rest = i; d >= 0; rest /= x.shape[d], --d) offset += rest % x.shape[d] * x.strides[d];
        part[i] = of_bytes(data + offset * size, row * size);
      }
    });
    for (int64_t i = 0; i < rows; ++i) f = mix(f, part[i]);
  } else {
    int64_t index[MAX_DIMS] = {};
    for (int64_t i = 0; i < n; ++i) {
      int64_t offset = 0;
      for (int d = 0; d < x.ndim; ++d) offset += index[d] * x.strides[d];
      uint64_t w = 0;
      __builtin_memcpy(&w, data + offset * size, size_t(size));
      f = mix(f, w);
      for (int d = x.ndim - 1; d >= 0 && ++index[d] == x.shape[d]; --d) index[d] = 0;
    }
  }
  *h.ptr<uint64_t>() = f;
}

}  // namespace fastnn::FN_ISA
