// sort/items.h: (key, index) pairs and how they are put in order.
//
//    value → key     unsigned integers in the same order: a float's sign bit is flipped, a negative one's other bits too;
//                    −0 and 0 share a key, every NaN has the largest; descending order is the complement
//    key, index → item    32-bit keys: key · 2³² + index, one integer; 64-bit keys: a pair
//
//    n <= 40    insertion
//    else       radix sort from the lowest byte of the key: count each digit, prefix sums say where each bucket starts,
//               move. Stable. A digit that all keys share is skipped (integers, floats of one sign).
//
// Cost: 4 (8) moves an item, 256 open streams that stay in L1 and the TLB; 11-bit digits would save a quarter of the moves
// but their 2048 streams miss the TLB.
#pragma once
#include "../../core/parallel.h"
#include "../../core/simd.h"
#include "../declare.h"

namespace fastnn::FN_ISA {

template <class S> struct KeyOf { using type = uint32_t; };
template <> struct KeyOf<double> { using type = uint64_t; };
template <> struct KeyOf<int64_t> { using type = uint64_t; };

FN uint32_t key_of(float x) {
  uint32_t b;
  __builtin_memcpy(&b, &x, 4);
  const uint32_t k = b & 0x80000000u ? ~b + 1 : b | 0x80000000u;  // −0 is 0x80000000, as +0 is
  return x != x ? 0xffffffffu : k;
}
FN uint64_t key_of(double x) {
  uint64_t b;
  __builtin_memcpy(&b, &x, 8);
  const uint64_t k = b >> 63 ? ~b + 1 : b | 1ull << 63;
  return x != x ? ~0ull : k;
}
FN uint32_t key_of(int32_t x) { return uint32_t(x) ^ 0x80000000u; }
FN uint64_t key_of(int64_t x) { return uint64_t(x) ^ 1ull << 63; }
FN uint32_t key_of(uint8_t x) { return x; }

template <class K> struct Item;
template <> struct Item<uint32_t> {
  static constexpr int DIGITS = 4;
  uint64_t bits;
  FN static Item make(uint32_t key, int64_t index) { return {uint64_t(key) << 32 | uint64_t(index)}; }
  FN uint32_t key() const { return uint32_t(bits >> 32); }
  FN int64_t index() const { return int64_t(bits & 0xffffffffu); }
  FN int digit(int d) const { return int(bits >> (32 + 8 * d) & 255); }
  FN bool before(Item o) const { return bits < o.bits; }
};
template <> struct Item<uint64_t> {
  static constexpr int DIGITS = 8;
  uint64_t k;
  int64_t i;
  FN static Item make(uint64_t key, int64_t index) { return {key, index}; }
  FN uint64_t key() const { return k; }
  FN int64_t index() const { return i; }
  FN int digit(int d) const { return int(k >> (8 * d) & 255); }
  FN bool before(Item o) const { return k < o.k || (k == o.k && i < o.i); }
};

constexpr int64_t SORT_CHUNK = 65536;

template <class I> static void insertion_sort(I* a, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    const I item = a[i];
    int64_t j = i;
    for (; j > 0 && item.before(a[j - 1]); --j) a[j] = a[j - 1];
    a[j] = item;
  }
}

// One thread. Returns a or spare, whichever holds the result.
template <class I> static I* sort_items(I* a, I* spare, int64_t n) {
  if (n <= 40) return insertion_sort(a, n), a;
  uint32_t count[I::DIGITS][256] = {};
  for (int64_t i = 0; i < n; ++i)
#pragma GCC unroll 8
    for (int d = 0; d < I::DIGITS; ++d) ++count[d][a[i].digit(d)];
  for (int d = 0; d < I::DIGITS; ++d) {
    uint32_t* start = count[d];
    if (start[a[0].digit(d)] == n) continue;
    uint32_t sum = 0;
    for (int b = 0; b < 256; ++b) {
      const uint32_t c = start[b];
      start[b] = sum;
      sum += c;
    }
    for (int64_t i = 0; i < n; ++i) spare[start[a[i].digit(d)]++] = a[i];
    I* t = a;
    a = spare;
    spare = t;
  }
  return a;
}

// All threads: chunks count and move side by side; where chunk c's share of bucket b starts is a prefix sum over (b, c).
template <class I> static I* sort_items_wide(I* a, I* spare, int64_t n) {
  const int64_t chunks = ceil_div(n, SORT_CHUNK);
  Scratch<int64_t> count(chunks * 256);
  for (int d = 0; d < I::DIGITS; ++d) {
    parallel_for(n, SORT_CHUNK, [&](int64_t begin, int64_t end) {
      int64_t local[256] = {};
      for (int64_t i = begin; i < end; ++i) ++local[a[i].digit(d)];
      __builtin_memcpy(count + begin / SORT_CHUNK * 256, local, sizeof local);
    });
    int64_t sum = 0, largest = 0;
    for (int b = 0; b < 256; ++b) {
      const int64_t before = sum;
      for (int64_t c = 0; c < chunks; ++c) {
        const int64_t here = count[c * 256 + b];
        count[c * 256 + b] = sum;
        sum += here;
      }
      largest = sum - before > largest ? sum - before : largest;
    }
    if (largest == n) continue;
    parallel_for(n, SORT_CHUNK, [&](int64_t begin, int64_t end) {
      int64_t start[256];
      __builtin_memcpy(start, count + begin / SORT_CHUNK * 256, sizeof start);
      for (int64_t i = begin; i < end; ++i) spare[start[a[i].digit(d)]++] = a[i];
    });
    I* t = a;
    a = spare;
    spare = t;
  }
  return a;
}

}  // namespace fastnn::FN_ISA
