// sort/keys.cuh: values as unsigned integers in the same order (items.h says how): -0 and 0 share a key, every NaN has the largest.
#pragma once
#include <string.h>

#include "../../core/cuda/kernel.cuh"

namespace fastnn::cuda {

template <class S> struct KeyOf { using type = uint32_t; };
template <> struct KeyOf<double> { using type = uint64_t; };
template <> struct KeyOf<int64_t> { using type = uint64_t; };

FN uint32_t key_of(float x) {
  uint32_t b;
  memcpy(&b, &x, 4);
  const uint32_t k = b & 0x80000000u ? ~b + 1 : b | 0x80000000u;
  return x != x ? 0xffffffffu : k;
}
FN uint64_t key_of(double x) {
  uint64_t b;
  memcpy(&b, &x, 8);
  const uint64_t k = b >> 63 ? ~b + 1 : b | 1ull << 63;
  return x != x ? ~0ull : k;
}
FN uint32_t key_of(int32_t x) { return uint32_t(x) ^ 0x80000000u; }
FN uint64_t key_of(int64_t x) { return uint64_t(x) ^ 1ull << 63; }
FN uint32_t key_of(uint8_t x) { return x; }

}  // namespace fastnn::cuda
