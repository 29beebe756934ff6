// core/half.h: float16 (IEEE 754 binary16) and bfloat16 (the upper half of a float), which are stored and never computed in.
//
//    to_float(h)         exact
//    rounded<Half>(x)    to the nearest, ties to even; beyond the largest: inf; NaN stays NaN
//
// Integer arithmetic without branches, so that a loop of it becomes vectors on every instruction set.
#pragma once
#include "view.h"

namespace fastnn {

struct Half { uint16_t bits; };
struct BFloat { uint16_t bits; };
template <> FN constexpr DType dtype_of<Half>() { return DType::f16; }
template <> FN constexpr DType dtype_of<BFloat>() { return DType::bf16; }

FN float to_float(BFloat h) { return __builtin_bit_cast(float, uint32_t(h.bits) << 16); }
FN float to_float(Half h) {
  const uint32_t magnitude = h.bits & 0x7fffu, special = magnitude >= 0x7c00 ? 0x7f800000u : 0;
  const float scaled = __builtin_bit_cast(float, magnitude << 13) * 0x1p112f;  // the exponents are biased by 127 and by 15
  return __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, scaled) | special | (h.bits & 0x8000u) << 16);
}

template <class H> H rounded(float x);
template <> FN BFloat rounded<BFloat>(float x) {
  const uint32_t b = __builtin_bit_cast(uint32_t, x);
  return {uint16_t((b & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : (b + 0x7fff + (b >> 16 & 1)) >> 16)};
}
template <> FN Half rounded<Half>(float x) {
  // |x| + 2^(e + 13), e the exponent of x, ends where a half of that exponent ends: the addition rounds, and what it leaves above the power
  // is the half's mantissa with its leading bit. e is at least -14 (subnormals); from 2^16 on all are infinite.
  const int32_t b = __builtin_bit_cast(int32_t, x), magnitude = b & 0x7fffffff, largest = 0x47800000, least = 0x38800000;
  const int32_t clipped = magnitude < largest ? magnitude : largest, power = clipped & 0x7f800000, e = power > least ? power : least;
  const int32_t above = e + (13 << 23);
  const float sum = __builtin_bit_cast(float, clipped) + __builtin_bit_cast(float, above);
  const int32_t h = ((e - least) >> 13) + __builtin_bit_cast(int32_t, sum) - above;
  return {uint16_t((magnitude > 0x7f800000 ? 0x7e00 : h) | (b >> 16 & 0x8000))};
}

}  // namespace fastnn
